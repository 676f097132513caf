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
from verifier.keys import KeyRefusedError, kid_of, trusted_key
from verifier.policy.bundle import SIGNATURE_ONLY
from verifier.reading import Checks
from verifier.reasons import Reason
from verifier.trust import MAX_KEYS_PER_KID, TrustedKey, TrustList
from verifier.verdict import without_code
from verifier.wire import cose
from verifier.wire.errors import MalformedError
from verifier.wire.keyfile import KeyFileError, kid_readings, parse_jwk, parse_keys


class CaseError(ValueError):
    """A line of a case file is no case; the message names the line and what is wrong with it."""


@dataclass(frozen=True, slots=True, repr=False)
class Case:
    """One recorded case: its line as read."""

    line: Mapping[str, Any]

    @property
    def identity(self) -> Any:
        """The case's id, as the line has it."""
        return self.line.get("id")

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
    wanted = _expected(case)
    read, texts, micros = _read_pictures(pictures, names, wanted)
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
        picture=read and (not wanted or texts == wanted),
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
        except ValueError:  # Base64 that is none
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
        trust=TrustList.of(_bounded(case_keys(case)), source="case"),
        bundle=SIGNATURE_ONLY,
        now=_clock(case.line.get("clock")),
    )


def _bounded(keys: list[TrustedKey]) -> list[TrustedKey]:
    """Each key once, and no more of one KID than a list may have."""
    kept: dict[bytes, list[TrustedKey]] = {}
    for key in dict.fromkeys(keys):
        same = kept.setdefault(key.kid, [])
        if len(same) < MAX_KEYS_PER_KID:
            same.append(key)
    return [key for same in kept.values() for key in same]


def _clock(text: Any) -> datetime | None:
    """The recorded clock; none is recorded where the text is no instant. Without an offset it is UTC."""
    try:
        instant = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def case_keys(case: Case) -> list[TrustedKey]:
    """The keys that the case brings. One that is refused stays as a key that can verify nothing."""
    line = case.line
    keys: list[TrustedKey] = []
    certs = line.get("certs")
    for text in certs if isinstance(certs, list) else ():
        keys += _certificate_keys(text)
    jwks = line.get("jwks")
    listed = jwks.get("keys") if isinstance(jwks, Mapping) else jwks
    for jwk in [line.get("jwk"), *(listed if isinstance(listed, list) else [])]:
        if isinstance(jwk, Mapping):
            keys += _jwk_keys(jwk)
    if isinstance(line.get("pubkey_pem"), str):
        with suppress(KeyFileError, UnicodeEncodeError):
            keys += parse_keys(line["pubkey_pem"].encode(), source="case")
    return keys


REFUSED = b"refused"  # in the place of a key: it cannot be loaded, so the code is ALG_REFUSED


def _certificate_keys(text: Any) -> tuple[TrustedKey, ...]:
    try:
        der = base64.b64decode(text, validate=True)
    except (binascii.Error, TypeError, ValueError):
        return ()
    try:
        return (trusted_key(der, source="case"),)
    except KeyRefusedError:
        return (TrustedKey(kid=kid_of(der), spki=REFUSED, source="case"),)


def _jwk_keys(jwk: Mapping[str, Any]) -> tuple[TrustedKey, ...]:
    try:
        return parse_jwk(jwk, source="case")
    except KeyFileError:
        kid = jwk.get("kid")
        readings = kid_readings(kid) if isinstance(kid, str) else []
        return tuple(TrustedKey(kid=reading, spki=REFUSED, source="case") for reading in readings)


def _expected(case: Case) -> list[str | bytes]:
    """What the pictures of a case hold, in their order; empty where the case does not say."""
    line = case.line
    single = case.expect.get("picture_text", line.get("text"))
    if isinstance(single, str):
        return [single]
    if isinstance(line.get("texts"), list):
        return [str(text) for text in line["texts"]]
    payload = _payload(case)
    return [payload] if isinstance(payload, bytes) else []


def _picture_names(case: Case) -> list[str]:
    names = case.line.get("png")
    if isinstance(names, str):
        return [names]
    return [str(name) for name in names] if isinstance(names, list) else []


def _read_pictures(
    folder: Path, names: list[str], wanted: list[str | bytes]
) -> tuple[bool, list[str | bytes], int]:
    """Whether every picture was read, what they hold, and how long that took in microseconds.

    Of several codes in one picture the one that the case speaks of is taken.
    """
    from appliance.scanner import read_image

    start = perf_counter_ns()
    texts: list[str | bytes] = []
    for name in names:
        try:
            path = folder / name if (folder / name).exists() else folder / Path(name).name
            codes = [code.payload for code in read_image(path)]
        except (PictureError, ValueError):  # the latter: a name that no file can have
            codes = []
        if not codes:
            return False, texts, (perf_counter_ns() - start) // 1000
        texts.append(next((code for code in codes if code in wanted), codes[0]))
    return True, texts, (perf_counter_ns() - start) // 1000
