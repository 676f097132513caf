"""Recorded cases, one JSON object a line: each judged alone, with its own keys, at its own clock.

A case brings everything with it (``certs``, ``jwk``, ``jwks``, ``pubkey_pem``, ``csca`` with ``crl``, or the
path of a key file beside the cases); nothing of this machine's trust store is used, time is judged only where
a clock was recorded, and the rules are signature-only. A case that cannot be judged still gets its line; one
that holds keys and nothing to judge is answered by whether they may be taken for an issuer of SMART Health
Cards.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter_ns
from typing import Any

from appliance.cli.answer import Judged, answer, judge_cards, unjudged
from appliance.errors import PictureError
from appliance.judging import Basis
from verifier.certificate import Family
from verifier.keys import KeyRefusedError, kid_of, trusted_key
from verifier.opening import OpenedCode, open_parts
from verifier.policy.bundle import SIGNATURE_ONLY
from verifier.reading import Checks
from verifier.reasons import Reason
from verifier.trust import MAX_KEYS_PER_KID, ListedRevocation, TrustedKey, TrustList
from verifier.verdict import without_code
from verifier.wire import cose, shc, shc_keys
from verifier.wire.errors import MalformedError
from verifier.wire.keyfile import KeyFile, KeyFileError, kid_readings, listed_crls, parse_jwk, parse_trust


class CaseError(ValueError):
    """A line of a case file is no case, or a file that it names cannot be read; the message says what is
    wrong.
    """


@dataclass(frozen=True, slots=True, repr=False)
class Case:
    """One recorded case: its line as read, and the folder of the file that it stands in."""

    line: Mapping[str, Any]
    folder: Path = Path()

    @property
    def identity(self) -> Any:
        """The case's id, as the line has it."""
        return self.line.get("id")

    @property
    def expect(self) -> Mapping[str, Any]:
        """What is asserted of it; a missing key asserts nothing."""
        expect = self.line.get("expect")
        return expect if isinstance(expect, Mapping) else {}

    @property
    def clock(self) -> datetime | None:
        """The recorded clock; none is recorded where the text is no instant. Without an offset it is UTC."""
        try:
            instant = datetime.fromisoformat(self.line.get("clock"))  # type: ignore[arg-type] # TypeError
        except (TypeError, ValueError):
            return None
        if not 1900 <= instant.year < 9000:
            return None  # as for --at: beyond, the calendar has no room for zones and allowances
        return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


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
            yield Case(line, path.parent)


def run_case(case: Case, *, pictures: Path | None, claims: bool) -> dict[str, Any]:
    """The answer to one case.

    pictures: a folder; a case that names a picture is then read from there instead of from its text.
    """
    if _holds_keys_only(case):
        return accepted_keys(case)
    try:
        return _run(case, pictures, claims)
    except CaseError as error:
        judged = unjudged(without_code(Reason.UNIT_FAULT, str(error)), Checks(decode=False))
        return answer(judged, identity=case.identity, kind="text", claims=claims)


def _run(case: Case, pictures: Path | None, claims: bool) -> dict[str, Any]:
    names = _picture_names(case)
    if pictures is None or not names:
        judged = _judged(case, case_codes(case))
        return answer(judged, identity=case.identity, kind="text", claims=claims)
    wanted = _expected(case)
    read, texts, micros = _read_pictures(pictures, names, wanted)
    judged = (
        _judged(case, _whole(texts))
        if texts
        else unjudged(without_code(Reason.UNREADABLE), Checks(decode=False))
    )
    return answer(
        judged,
        identity=case.identity,
        kind="image",
        picture=read and (not wanted or texts == wanted),
        picture_micros=micros,
        text=texts[0] if texts and isinstance(texts[0], str) else None,
        claims=claims,
    )


def _holds_keys_only(case: Case) -> bool:
    payload = any(case.line.get(name) for name in ("text", "texts", "zip_b64", "cose", "png"))
    return not payload and ("jwks" in case.line or "jwk" in case.line)


def accepted_keys(case: Case) -> dict[str, Any]:
    """Whether the issuer's keys of a case may be taken: ``{"id", "accept", "detail"}``."""
    issuer = case.line.get("subject_alt_name")
    keys = _jwks(case) or _jwks_beside(case)
    problems = [
        problem
        for jwk in keys
        for problem in shc_keys.key_problems(
            jwk, issuer=issuer if isinstance(issuer, str) else None, now=case.clock
        )
    ]
    if not keys:
        problems = ["no key in it"]
    return {"id": case.identity, "accept": not problems, "detail": "; ".join(problems)}


def _judged(case: Case, payloads: list[str | bytes | OpenedCode]) -> Judged:
    if not payloads:
        return unjudged(
            without_code(Reason.NOT_CERT, "the case holds no payload that is read"), Checks(decode=False)
        )
    return judge_cards(payloads, case_basis(case))


def case_codes(case: Case) -> list[str | bytes | OpenedCode]:
    """What the case feeds: one code, or all the cards of a health-card file."""
    line = case.line
    if isinstance(line.get("text"), str):
        return _whole([str(line["text"])])
    if isinstance(line.get("zip_b64"), str):
        try:
            return [base64.b64decode(line["zip_b64"], validate=True)]
        except ValueError:  # Base64 that is none
            return [b""]
    if isinstance(line.get("cose"), str):
        return [_opened(line["cose"])]
    texts = line.get("texts")
    return _whole([str(text) for text in texts]) if isinstance(texts, list) and texts else []


def _whole(texts: Sequence[str | bytes]) -> list[str | bytes | OpenedCode]:
    """One text, the cards of a file, or the parts of one code."""
    if len(texts) > 1:
        return [open_parts([text for text in texts if isinstance(text, str)])]
    text = texts[0]
    if isinstance(text, str) and text.lstrip()[:1] == "{" and shc.is_card_file(text):
        try:
            return list(shc.cards_in(text))
        except MalformedError as error:
            return [OpenedCode(Family.SHC, None, error.finding())]
    return [text]


def _opened(hexadecimal: str) -> OpenedCode:
    """A case that records the COSE bytes only."""
    try:
        return OpenedCode(Family.HC1, cose.decode_sign1(bytes.fromhex(hexadecimal)))
    except MalformedError as error:
        return OpenedCode(Family.HC1, None, error.finding())
    except ValueError:
        return OpenedCode(Family.HC1, None, MalformedError("cose", "not hexadecimal").finding())


def case_basis(case: Case) -> Basis:
    """What the case is judged by: its own keys at its own clock, signature-only."""
    given = case_trust(case)
    revocation = _listed_crls(case, given)
    return Basis(
        trust=TrustList.of(
            _bounded(list(given.keys)),
            authorities=dict.fromkeys(given.authorities),
            revocation=revocation,
            source="case",
        ),
        bundles=(SIGNATURE_ONLY,),
        now=case.clock,
    )


def _listed_crls(case: Case, given: KeyFile) -> ListedRevocation | None:
    """What the case's CRLs take back; one that cannot be used leaves a gap, and does not undo the others."""
    usable = []
    for der in given.crls:
        with suppress(KeyFileError):
            listed_crls([der], given.authorities)
            usable.append(der)
    given_crls = case.line.get("crl")
    recorded = len(given_crls) if isinstance(given_crls, list) else int(given_crls is not None)
    if not recorded:
        return None
    fault = "a CRL that cannot be used" if len(usable) < recorded else None
    return listed_crls(usable, given.authorities, fault=fault)


def _bounded(keys: list[TrustedKey]) -> list[TrustedKey]:
    """Each key once, and no more of one KID than a list may have."""
    kept: dict[bytes, list[TrustedKey]] = {}
    for key in dict.fromkeys(keys):
        same = kept.setdefault(key.kid, [])
        if len(same) < MAX_KEYS_PER_KID:
            same.append(key)
    return [key for same in kept.values() for key in same]


def case_trust(case: Case) -> KeyFile:
    """What the case brings to trust. A key that is refused stays as one that can verify nothing."""
    line = case.line
    keys: list[TrustedKey] = []
    for text in _texts(line.get("certs")):
        keys += _certificate_keys(text)
    for jwk in _jwks(case):
        keys += _jwk_keys(jwk)
    given = KeyFile(tuple(keys))
    for name in ("jwks", "jwk", "did"):
        if isinstance(line.get(name), str):
            given += _key_file(case, str(line[name]))
    if isinstance(line.get("pubkey_pem"), str):
        with suppress(KeyFileError, UnicodeEncodeError):
            given += parse_trust(line["pubkey_pem"].encode(), source="case")
    for text in _texts(line.get("csca")):
        with suppress(KeyFileError, ValueError):
            given += KeyFile(authorities=parse_trust(base64.b64decode(text), source="case").authorities)
    for text in _texts(line.get("crl")):
        with suppress(KeyFileError, ValueError):
            given += KeyFile(crls=parse_trust(base64.b64decode(text), source="case").crls)
    return given


def _texts(value: Any) -> list[str]:
    """A text or a list of texts, as a list."""
    return [text for text in (value if isinstance(value, list) else [value]) if isinstance(text, str)]


def _jwks(case: Case) -> list[Mapping[str, Any]]:
    """The JWKs that stand in the line itself."""
    jwks = case.line.get("jwks")
    listed = jwks.get("keys") if isinstance(jwks, Mapping) else jwks
    keys = [case.line.get("jwk"), *(listed if isinstance(listed, list) else [])]
    return [jwk for jwk in keys if isinstance(jwk, Mapping)]


def _jwks_beside(case: Case) -> list[Mapping[str, Any]]:
    """The JWKs of a case that names a file of them; none where it cannot be read."""
    name = case.line.get("jwks", case.line.get("jwk"))
    if not isinstance(name, str):
        return []
    try:
        value = json.loads(_beside(case, name))
    except (CaseError, ValueError, RecursionError):
        return []
    return _jwks(Case({"jwks": value} if isinstance(value, dict) and "keys" in value else {"jwk": value}))


def _key_file(case: Case, name: str) -> KeyFile:
    """A key file beside the cases; nothing above their folder is read."""
    data = _beside(case, name)
    try:
        return parse_trust(data, source="case")
    except KeyFileError as error:
        raise CaseError(f"{case.identity}: {name}: {error}") from error


def _beside(case: Case, name: str) -> bytes:
    try:
        path = (case.folder / name).resolve()
        inside = path.is_relative_to(case.folder.resolve())
        data = path.read_bytes() if inside else b""
    except (OSError, ValueError) as error:  # the latter: a name that no file can have
        raise CaseError(f"{case.identity}: {name[:80]}: {type(error).__name__}") from error
    if not inside:
        raise CaseError(f"{case.identity}: {name} lies outside the folder of the cases")
    return data


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
    return [payload for payload in case_codes(case) if isinstance(payload, bytes)]


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
    from appliance.reader.stills import read_image

    start = perf_counter_ns()
    texts: list[str | bytes] = []
    for name in names:
        try:
            path = folder / name if (folder / name).exists() else folder / Path(name).name
            codes = [code.payload for code in read_image(path)]
        except (PictureError, ValueError, OSError):  # the latter two: a name that no file can have
            codes = []
        if not codes:
            return False, texts, (perf_counter_ns() - start) // 1000
        texts.append(next((code for code in codes if code in wanted), codes[0]))
    return True, texts, (perf_counter_ns() - start) // 1000
