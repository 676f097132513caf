"""The certificates that travel with a list: known answers at their day, and no desk ever sees one pass."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from trustsync.hub.specimens import make_specimens
from trustsync.trial import TrialError, decode_trial, try_list
from verifier.assessment import assess
from verifier.policy.bundle import SIGNATURE_ONLY
from verifier.reasons import Reason, State
from verifier.trust import ListedRevocation, TrustList
from verifier.verdict import Policy, decide

SPECIMENS = make_specimens(bytes(32))
CASES = decode_trial(SPECIMENS.document)
TODAY = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)


def _list(*, revoked: bool = True, signed_at: datetime = TODAY) -> TrustList:
    entries = [SPECIMENS.revoked] if revoked else []
    return TrustList.of([SPECIMENS.key.key], revocation=ListedRevocation(entries), signed_at=signed_at)


def test_each_case_gets_the_answer_that_it_names() -> None:
    """Good, broken, revoked."""
    assert [case.reason for case in CASES] == [None, Reason.SIG_BAD, Reason.REVOKED]
    assert try_list(_list(), CASES) >= 3


def test_a_list_that_forgot_its_revocation_or_its_key_fails() -> None:
    """That is what the cases are for."""
    with pytest.raises(TrialError, match="REVOKED"):
        try_list(_list(revoked=False), CASES)
    with pytest.raises(TrialError, match="KEY_UNKNOWN"):
        try_list(TrustList.of([], signed_at=TODAY), CASES)


@pytest.mark.parametrize("days", [1, 2, 365, 1870, 20_000])
def test_none_is_ever_green_at_a_desk(days: int) -> None:
    """From the day after theirs on: expired, and so is the key, whatever the list says."""
    now = CASES[0].at + timedelta(days=days)
    for case in CASES:
        verdict = decide(
            assess(case.text, trust=_list(revoked=False, signed_at=now), now=now), Policy(SIGNATURE_ONLY)
        )
        assert verdict.state is State.FAIL
    good = decide(assess(CASES[0].text, trust=_list(signed_at=now), now=now), Policy(SIGNATURE_ONLY))
    assert {found.code for found in good.reasons} == {Reason.KEY_EXPIRED, Reason.EXPIRED}


def test_the_same_secret_gives_the_same_bytes_and_another_gives_others() -> None:
    """A rebuild is byte-identical, and two publishers share no key."""
    assert make_specimens(bytes(32)) == SPECIMENS
    other = make_specimens(b"\x01" * 32)
    assert other.key.key.kid != SPECIMENS.key.key.kid
    assert other.document != SPECIMENS.document


def test_the_key_is_that_of_nobody() -> None:
    """A country that does not exist, a period of one day."""
    key = SPECIMENS.key.key
    assert (key.country, key.source) == ("XX", "SELFTEST")
    assert key.not_before is not None
    assert key.not_after == key.not_before + timedelta(days=1)
    assert replace(key, spki=b"") != key
