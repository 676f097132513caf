"""The self-test of a staged list: certificates whose answer is known, judged before anybody relies on it.

The rules this module keeps:

* A list that refuses a good certificate, or lets a broken, revoked or unknown one through, is not put in
  force.
* What is tried is the whole way: the store's reader, the verifier's steps, the list as it was staged.
* The publisher's own cases travel with the list, signed by the role of the keys. They are judged at the
  instant that they name, and no desk can ever see one pass: key and certificate were over before the list was
  made.
* A store of training tries the cases of its own keys: one repository may serve both kinds of unit, and the
  other cases speak of keys that such a store must not have.
* A certificate by a stranger is always tried, also where the publisher gives no case.

    cases = decode_trial(data)
    try_list(snapshot.trust, cases)              # raises TrialError

Form of ``trust/self-test.json``: canonical JSON (RFC 8785), described in
``docs/formats/trust-repository.md``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from nacl.signing import SigningKey

from trustsync.canonical import (
    TargetError,
    check_members,
    encode_json,
    read_field,
    read_instant,
    read_json,
    read_list,
    read_optional,
)
from verifier.assessment import assess
from verifier.keys import EDDSA
from verifier.opening import open_code
from verifier.policy.bundle import SIGNATURE_ONLY
from verifier.reasons import Reason, State
from verifier.times import written
from verifier.trust import TrustList
from verifier.verdict import Policy, Verdict, decide
from verifier.wire import hc1

MAX_CASES = 64
MAX_BYTES = 1 << 20


class TrialError(Exception):
    """A certificate whose answer is known got another one."""


@dataclass(frozen=True, slots=True)
class TrialCase:
    """One certificate with the answer that it must get. reason: ``None`` for one that passes."""

    text: str
    at: datetime
    state: State
    reason: Reason | None = None


def encode_trial(cases: Iterable[TrialCase]) -> bytes:
    """The target ``trust/self-test.json``."""
    rows = [
        {
            "text": case.text,
            "at": written(case.at),
            "expect": case.state.value,
            **({} if case.reason is None else {"reason": case.reason.value}),
        }
        for case in cases
    ]
    return encode_json({"v": 1, "cases": rows})


def decode_trial(data: bytes) -> tuple[TrialCase, ...]:
    """The cases of ``trust/self-test.json``. Raises TargetError when they are not in its form, or none."""
    document = read_json(data, "self-test", {"v", "cases"}, most=MAX_BYTES)
    rows = read_list(document, "cases", MAX_CASES)
    if not rows:
        raise TargetError("cases: an empty list; a list without a self-test leaves the document out")
    return tuple(_case(row, f"cases[{number}]") for number, row in enumerate(rows))


def _case(value: Any, where: str) -> TrialCase:
    row = check_members(value, where, {"text", "at", "expect", "reason"})
    text, expect = (read_field(row, name, str, where) for name in ("text", "expect"))
    told = read_optional(row, "reason", str, where)
    at = read_instant(row, "at", where)
    if at is None:
        raise TargetError(f"{where}.at: missing")
    try:
        state, reason = State(expect), None if told is None else Reason(told)
    except ValueError as error:
        raise TargetError(f"{where}: {error}") from error
    if (state, reason is None) not in ((State.PASS, True), (State.FAIL, False)):
        raise TargetError(f"{where}: PASS without a reason or FAIL with one is expected")
    return TrialCase(text, at, state, reason)


def own_cases(trust: TrustList, cases: Iterable[TrialCase]) -> tuple[TrialCase, ...]:
    """The cases that name a key of this list, for a store of training."""
    return tuple(case for case in cases if _named_key(case.text) in trust.keys)


def _named_key(text: str) -> bytes:
    envelope = open_code(text).envelope
    return b"" if envelope is None or envelope.kid is None else envelope.kid


def try_list(trust: TrustList, cases: Iterable[TrialCase]) -> int:
    """Judge the publisher's cases, and a stranger's certificate, by this list; how many were judged.

    Raises TrialError naming the first that got another answer than it must.
    """
    asked = replace(
        trust, recognition=None
    )  # whether the list's keys and entries work, not whom we recognise
    count = 0
    for count, case in enumerate((*cases, _stranger(trust)), 1):
        verdict = _judge(asked, case)
        codes = [found.code for found in verdict.reasons]
        if verdict.state is not case.state or (case.reason is not None and case.reason not in codes):
            told = ", ".join(codes) or "no reason"
            raise TrialError(
                f"certificate {count} of the self-test should be {case.state}"
                f"{f' {case.reason}' if case.reason else ''} and is {verdict.state} ({told})"
            )
    return count


def _judge(trust: TrustList, case: TrialCase) -> Verdict:
    return decide(assess(case.text, trust=trust, now=case.at), Policy(SIGNATURE_ONLY))


def _stranger(trust: TrustList) -> TrialCase:
    """A certificate without any other fault, by a key that was made just now and is gone again."""
    at = trust.signed_at or datetime.now(UTC)
    key = SigningKey.generate()
    dose = {
        "tg": "840539006", "vp": "1119349007", "mp": "EU/1/20/1528", "ma": "ORG-100030215", "dn": 2, "sd": 2,
        "dt": f"{at - timedelta(days=30):%Y-%m-%d}", "co": "XV", "is": "Self-test",
        "ci": "URN:UVCI:01:XV:SELFTEST",
    }  # fmt: skip
    payload = {"ver": "1.3.0", "nam": {"fn": "Self", "fnt": "SELF"}, "dob": "1970-01-01", "v": [dose]}
    text = hc1.encode_hc1(
        payload,
        iss="XV",
        iat=int((at - timedelta(hours=1)).timestamp()),
        exp=int((at + timedelta(hours=1)).timestamp()),
        kid=bytes(key.verify_key)[:8],
        alg=EDDSA,
        sign=lambda data: key.sign(data).signature,
    )
    return TrialCase(text, at, State.FAIL, Reason.KEY_UNKNOWN)
