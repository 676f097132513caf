"""Recorded cases, one JSON object a line: each judged alone, with its own keys, at its own clock.

A case brings everything with it (``certs``, ``jwk``, ``jwks``, ``pubkey_pem``); nothing of this machine's
trust store is used, time is judged only where a clock was recorded, and the rules are signature-only.
A case that cannot be judged still gets its line.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter_ns
from typing import Any

from appliance.cli.answer import Judged, answer, judge, unjudged
from appliance.errors import PictureError
from appliance.judging import Basis
from verifier.assessment import OpenedCode
from verifier.certificate import Family
from verifier.keys import KeyRefusedError, trusted_key
from verifier.policy.bundle import SIGNATURE_ONLY
from verifier.reading import Checks
from verifier.reasons import Reason
from verifier.trust import MAX_KEYS_PER_KID, TrustedKey, TrustList
from verifier.verdict import without_code
from verifier.wire import cose
from verifier.wire.errors import MalformedError
from verifier.wire.keyfile import KeyFileError, parse_jwk, parse_keys


class CaseError(ValueError):
    """A line of a case file is no case; the message names the line and what is wrong with it."""


@dataclass(frozen=True, slots=True, repr=False)
class Case:
    """One recorded case: its line as read."""

    line: Mapping[str, Any]

    @property
    def identity(self) -> str:
        """The case's id."""
        return str(self.line.get("id"))

    @property
    def expect(self) -> Mapping[str, Any]:
        """What is asserted of it; a missing key asserts nothing."""
        expect = self.line.get("expect")
        return expect if isinstance(expect, Mapping) else {}


def read_cases(path: Path) -> Iterator[Case]:
    """The cases of a file, in its order. Raises CaseError for a line that is not a JSON object."""
    with path.open("rb") as lines:
        for number, raw in enumerate(lines, 1):
            if not raw.strip():
                continue
            try:
                line = json.loads(raw)
            except (ValueError, RecursionError) as error:  # not UTF-8 is a ValueError too
                raise CaseError(f"{path.name}, line {number}: not JSON ({error})") from error
            if not isinstance(line, dict) or "id" not in line:
                raise CaseError(f'{path.name}, line {number}: an object with an "id" is expected')
            yield Case(line)


def run_case(case: Case, *, pictures: Path | None, claims: bool) -> dict[str, Any]:
    """The answer to one case.

    pictures: a folder; a case that names a picture is then read from there instead of from its text.
    """
    names = _picture_names(case)
    if pictures is None or not names:
        judged = _judged(case, _payload(case))
        return answer(judged, identity=case.identity, kind="text", claims=claims)
    read, texts, micros = _read_pictures(pictures, names, _expected_text(case))
    wanted = _expected_text(case)
    chosen = texts[0] if texts else None
    judged = (
        unjudged(without_code(Reason.UNREADABLE), Checks(decode=False))
        if chosen is None
        else _judged(case, chosen)
    )
    return answer(
        judged,
        identity=case.identity,
        kind="image",
        picture=read and (wanted is None or chosen == wanted),
        picture_micros=micros,
        text=chosen if isinstance(chosen, str) else None,
        claims=claims,
    )


def _judged(case: Case, payload: str | bytes | OpenedCode | None) -> Judged:
    if payload is None:
        return unjudged(
            without_code(Reason.NOT_CERT, "the case holds no payload that is read"), Checks(decode=False)
        )
    return judge(payload, _basis(case))


def _payload(case: Case) -> str | bytes | OpenedCode | None:
    line = case.line
    if isinstance(line.get("text"), str):
        return str(line["text"])
    if isinstance(line.get("zip_b64"), str):
        try:
            return base64.b64decode(line["zip_b64"], validate=True)
        except binascii.Error:
            return b""
    if isinstance(line.get("cose"), str):
        return _opened(line["cose"])
    texts = line.get("texts")
    return str(texts[0]) if isinstance(texts, list) and texts else None


def _opened(hexadecimal: str) -> OpenedCode:
    """A case that records the COSE bytes only."""
    try:
        return OpenedCode(Family.HC1, cose.decode_sign1(bytes.fromhex(hexadecimal)))
    except MalformedError as error:
        return OpenedCode(Family.HC1, None, error.finding())
    except ValueError:
        return OpenedCode(Family.HC1, None, MalformedError("cose", "not hexadecimal").finding())


def _basis(case: Case) -> Basis:
    return Basis(
        trust=TrustList.of(case_keys(case)[:MAX_KEYS_PER_KID], source="case"),
        bundle=SIGNATURE_ONLY,
        now=_clock(case.line.get("clock")),
    )


def _clock(text: Any) -> datetime | None:
    """The recorded clock; none is recorded where the text is no instant. Without an offset it is UTC."""
    try:
        instant = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def case_keys(case: Case) -> list[TrustedKey]:
    """The keys that the case brings; what cannot be read as a key is left out and thereby unknown."""
    line = case.line
    keys: list[TrustedKey] = []
    for text in line.get("certs") or ():
        try:
            keys.append(trusted_key(base64.b64decode(text), source="case"))
        except (KeyRefusedError, binascii.Error, TypeError, ValueError):
            continue
    jwks = line.get("jwks")
    listed = jwks.get("keys") if isinstance(jwks, Mapping) else jwks
    for jwk in [line.get("jwk"), *(listed if isinstance(listed, list) else [])]:
        if isinstance(jwk, Mapping):
            keys += _jwk_keys(jwk)
    if isinstance(line.get("pubkey_pem"), str):
        with suppress(KeyFileError):
            keys += parse_keys(line["pubkey_pem"].encode(), source="case")
    return keys


def _jwk_keys(jwk: Mapping[str, Any]) -> tuple[TrustedKey, ...]:
    try:
        return parse_jwk(jwk, source="case")
    except KeyFileError:
        return ()


def _expected_text(case: Case) -> str | None:
    wanted = case.expect.get("picture_text", case.line.get("text"))
    return wanted if isinstance(wanted, str) else None


def _picture_names(case: Case) -> list[str]:
    names = case.line.get("png")
    if isinstance(names, str):
        return [names]
    return [str(name) for name in names] if isinstance(names, list) else []


def _read_pictures(folder: Path, names: list[str], wanted: str | None) -> tuple[bool, list[str | bytes], int]:
    """Whether every picture was read, what they hold, and how long that took in microseconds.

    Of several codes in one picture the one that the case speaks of is taken.
    """
    from appliance.scanner import read_image

    start = perf_counter_ns()
    texts: list[str | bytes] = []
    for name in names:
        path = folder / name if (folder / name).exists() else folder / Path(name).name
        try:
            codes = [code.payload for code in read_image(path)]
        except PictureError:
            codes = []
        if not codes:
            return False, texts, (perf_counter_ns() - start) // 1000
        texts.append(wanted if wanted in codes else codes[0])
    return True, texts, (perf_counter_ns() - start) // 1000
