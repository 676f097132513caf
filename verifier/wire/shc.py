"""SMART Health Cards: ``shc:/`` digits, JWS, raw deflate, JSON.

The rules this module keeps:

* Opening believes nothing and breaks only on the container: a payload that cannot be inflated still has a
  signature to report on. Its fault is kept and raised by whoever decodes.
* Size before digits, digits before Base64, a cap while inflating, depth before JSON.
* The signature covers the characters of header and payload as received; nothing is encoded anew.
* Only what says ``zip: DEF`` is read: a payload of another form may be shown, and never judged green.

    envelope = open_shc("shc:/5676…")                        # or the bare JWS, "eyJ….….…"
    claims = decode_shc(envelope)                            # after the signature held
    envelope = open_shc(join([part_of(one), part_of(two)]))  # parts of one card, in any order
    texts = numeric(encode_shc(payload, kid=kid, sign=key.sign), parts=2)

Sources: SMART Health Cards Framework 1.4.0, RFC 1951, RFC 7515. ``docs/formats/shc.md``.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple

from verifier.certificate import Family
from verifier.keys import ES256
from verifier.reasons import Reason
from verifier.wire import base64url, deflate, strict_json, values
from verifier.wire.envelope import Claims, Envelope
from verifier.wire.errors import MalformedError

PREFIX = "shc:/"
MAX_TEXT = 16_384  # characters of a whole card, digits or JWS; a real one has about 1,600 digits
MAX_PART = 7_089  # digits of a version 40-L symbol in numeric mode
MAX_PARTS = 32
MAX_CARDS = 32  # in one health-card file
COMPRESSION = "DEF"  # raw deflate, the only value of `zip` that is read
_CACHED = 160  # characters of a header that is worth remembering: one that says no more than it must

_SMALLEST = 45  # the character that the digits 00 stand for: "-"
_LARGEST_PAIR = 77  # "z"
_NONE = 0  # in the place of a character: of a pair that stands for none
# By pairs of digits read as one hexadecimal byte: 0x77 is the pair 77.
_CHARACTERS = bytes(
    int(pair) + _SMALLEST if (pair := f"{byte:02x}").isdigit() and int(pair) <= _LARGEST_PAIR else _NONE
    for byte in range(256)
)
_PART = re.compile(r"shc:/(\d+)/(\d+)/(.*)", re.ASCII | re.DOTALL)
_ALGORITHMS = {"ES256": ES256}


def open_shc(text: str) -> Envelope:
    """The envelope inside a whole card's text: ``shc:/`` and digits, or a bare JWS with blanks round it.

    The payload is inflated and read at once, because keys are found by the issuer that it names; what came
    of it is kept in ``parsed``: its object, or the MalformedError that :func:`decode_shc` will raise.
    Raises MalformedError when the container breaks; its reason is ``INCOMPLETE`` for one part of several,
    ``NOT_CERT`` for a bare JWS that is a token of another world, ``TOO_BIG`` beyond a limit.
    """
    text = _capped(text).strip()
    bare = not text.startswith(PREFIX)
    jws = text if bare else characters(_whole(text))
    segments = jws.split(".", 3)
    if len(segments) != 3:
        raise MalformedError("jws", "not three parts with two points between them")
    head, body, tail = segments
    header = (_header if len(head) <= _CACHED else _read_header)(head)
    payload = base64url.decode(body, "jws", "the payload")
    signature = base64url.decode(tail, "jws", "the signature")
    hint, parsed = _parse(payload, compressed=header.compressed, bare=bare)
    return Envelope(
        alg=header.alg,
        kid=header.kid,
        payload=payload,
        signature=signature,
        to_be_signed=f"{head}.{body}".encode("ascii"),
        issuer_hint=hint,
        parsed=parsed,
    )


class _Header(NamedTuple):
    """What a JWS header says. alg: as in COSE, 0 for any other. compressed: whether it names ``DEF``."""

    alg: int | None
    kid: bytes | None
    compressed: bool


@lru_cache(maxsize=1024)  # an issuer signs all its cards with the same header
def _header(head: str) -> _Header:
    return _read_header(head)


def _read_header(head: str) -> _Header:
    header = strict_json.decode(base64url.decode(head, "jws", "the header"), "jws header")
    if not isinstance(header, dict):
        raise MalformedError("jws header", "not an object")
    if "crit" in header:
        raise MalformedError("jws header", "a critical header that is not known here")
    algorithm, kid = header.get("alg"), header.get("kid")
    return _Header(
        alg=None if algorithm is None else _ALGORITHMS.get(algorithm, 0) if isinstance(algorithm, str) else 0,
        kid=kid.encode() if isinstance(kid, str) and kid else None,
        compressed=header.get("zip") == COMPRESSION,
    )


def decode_shc(envelope: Envelope) -> Claims:
    """The claims of an opened card.

    Raises MalformedError when the header does not name the compression, the payload is no deflate stream, or
    what it inflates to is no JSON object.
    """
    payload = envelope.parsed
    if not isinstance(payload, (dict, Mapping)):
        if isinstance(payload, MalformedError):
            raise payload.with_traceback(None)
        raise MalformedError("claims", "not an object")
    nbf, bad_nbf = values.numeric_date(payload.get("nbf"), "nbf")
    exp, bad_exp = values.numeric_date(payload.get("exp"), "exp")
    return Claims(
        family=Family.SHC,
        document=payload,
        whole=payload,
        issuer=_issuer(payload),
        issued_at=nbf,
        expires_at=exp,
        bad_time=bad_exp or bad_nbf,
    )


def _parse(
    payload: bytes, *, compressed: bool, bare: bool
) -> tuple[str | None, dict[str, Any] | MalformedError]:
    """The issuer that an unproven payload names, and its object or what is wrong with it.

    Raises MalformedError with reason ``NOT_CERT`` for a token of another world.
    """
    try:
        value = strict_json.decode(deflate.inflate(payload, raw=True) if compressed else payload, "claims")
    except MalformedError as error:
        # Without its traceback, which would keep the payload alive in its frames.
        value, fault = None, error.with_traceback(None)
    else:
        fault = MalformedError("claims", "not an object")
    if compressed:
        return (_issuer(value), value) if isinstance(value, dict) else (None, fault)
    if bare and isinstance(value, dict) and "vc" not in value:
        raise MalformedError("jws", "a token that is no health card", Reason.NOT_CERT)
    return _issuer(value), MalformedError("jws header", "it does not name the compression DEF")


def _issuer(payload: Any) -> str | None:
    """``iss`` to the letter: keys are found by exact comparison."""
    issuer = payload.get("iss") if isinstance(payload, (dict, Mapping)) else None
    return issuer if isinstance(issuer, str) else None


def _capped(text: str) -> str:
    if len(text) > MAX_TEXT:
        raise MalformedError("shc", f"{len(text)} characters, at most {MAX_TEXT} are a card", Reason.TOO_BIG)
    return text


# --- Digits, and parts of a card


@dataclass(frozen=True, slots=True, repr=False)
class Part:
    """One symbol of a card that was printed in several. number: from 1 to ``count``. body: its digits."""

    number: int
    count: int
    body: str


def part_of(text: str) -> Part | None:
    """The part that a text ``shc:/C/N/digits`` is; ``None`` for any text that is not of this shape.

    Raises MalformedError when C lies outside 1 to N or the digits are none; ``TOO_BIG`` beyond ``MAX_PARTS``.
    """
    text = text.strip() if len(text) <= MAX_TEXT else text
    if not text.startswith(PREFIX) or "/" not in text[len(PREFIX) :]:
        return None
    if len(text) > MAX_PART + len("shc:/32/32/"):
        raise MalformedError("shc", f"a part of more than {MAX_PART} digits", Reason.TOO_BIG)
    match = _PART.fullmatch(text)
    if match is None:
        raise MalformedError("shc", "a part without its number and their count")
    written = match.group(1, 2)
    if any(len(number) > 2 for number in written) or int(written[1]) > MAX_PARTS:
        raise MalformedError("shc", f"more than {MAX_PARTS} parts", Reason.TOO_BIG)
    number, count = map(int, written)
    if any(digits.startswith("0") for digits in written) or number > count:
        raise MalformedError("shc", "a part whose number is not one from 1 to their count")
    characters(match.group(3))
    return Part(number, count, match.group(3))


def join(parts: Iterable[Part]) -> str:
    """The whole card's text, from its parts in any order; a part may come twice, as a scanner reads it again.

    Raises MalformedError: ``INCOMPLETE`` as long as a part is missing; ``MALFORMED`` for parts of different
    cards, which are those with another count, or with other content under the same number.
    """
    found: dict[int, Part] = {}
    count = 0
    for part in parts:
        count = count or part.count
        if part.count != count or found.setdefault(part.number, part).body != part.body:
            raise MalformedError("shc", "parts of different cards")
    if not count or len(found) < count:
        raise MalformedError("shc", f"{len(found)} of {count} parts", Reason.INCOMPLETE)
    if sum(len(part.body) for part in found.values()) > MAX_TEXT - len(PREFIX):
        raise MalformedError("shc", f"more than {MAX_TEXT} characters in all parts", Reason.TOO_BIG)
    return PREFIX + "".join(found[number].body for number in range(1, count + 1))


def _whole(text: str) -> str:
    """The digits of a card in one text; ``shc:/1/1/`` is one as well."""
    part = part_of(text)
    if part is None:
        return text[len(PREFIX) :]
    if part.count > 1:
        raise MalformedError("shc", f"part {part.number} of {part.count}", Reason.INCOMPLETE)
    return part.body


def characters(digits: str) -> str:
    """The characters that pairs of digits stand for: of a whole card, its JWS. Raises MalformedError."""
    try:
        found = bytes.fromhex(digits).translate(_CHARACTERS)
    except ValueError:
        found = b""
    if found and _NONE not in found and 2 * len(found) == len(digits):  # blanks would be skipped
        return found.decode("ascii")
    if not (digits.isascii() and digits.isdigit()):
        raise MalformedError("shc", "not digits alone")
    if len(digits) % 2:
        raise MalformedError("shc", "an odd number of digits")
    raise MalformedError("shc", f"a pair of digits above {_LARGEST_PAIR}")


def is_card_file(text: str) -> bool:
    """Whether a text is JSON that names cards; a look, for whoever must choose between kinds of JSON."""
    return text.lstrip().startswith("{") and '"verifiableCredential"' in text


def cards_in(text: str) -> list[str]:
    """The cards of a text: those of a health-card file or of a FHIR ``Parameters`` resource, else itself.

    Raises MalformedError when it is neither, or holds no card; ``TOO_BIG`` beyond ``MAX_CARDS``.
    """
    trimmed = text.strip()
    if not trimmed.startswith("{"):
        if trimmed.startswith((PREFIX, "eyJ")):
            return [trimmed]
        raise MalformedError("shc", "neither a card nor a health-card file", Reason.NOT_CERT)
    value = strict_json.decode(trimmed, "health-card file")
    cards = value.get("verifiableCredential")
    if value.get("resourceType") == "Parameters" and isinstance(value.get("parameter"), list):
        cards = [
            each.get("valueString")
            for each in value["parameter"]
            if isinstance(each, dict) and each.get("name") == "verifiableCredential"
        ]
    if cards is None:
        raise MalformedError("health-card file", "no card in it", Reason.NOT_CERT)
    if not isinstance(cards, list) or not cards or not all(isinstance(card, str) for card in cards):
        raise MalformedError("health-card file", "not a list of texts")
    if len(cards) > MAX_CARDS:
        raise MalformedError("health-card file", f"more than {MAX_CARDS} cards", Reason.TOO_BIG)
    return [card.strip() for card in cards]


# --- Making cards


def encode_shc(payload: Mapping[str, Any], *, kid: str, sign: Callable[[bytes], bytes]) -> str:
    """The JWS of a card with this payload. sign: makes the raw signature (r then s) over what it is given."""
    header = {"zip": COMPRESSION, "alg": "ES256", "kid": kid}
    stream = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = stream.compress(minified(payload)) + stream.flush()
    to_be_signed = f"{base64url.encode(minified(header))}.{base64url.encode(body)}"
    return f"{to_be_signed}.{base64url.encode(sign(to_be_signed.encode('ascii')))}"


def numeric(jws: str, parts: int = 1) -> list[str]:
    """The texts of a card's symbols: one, or several whose lengths differ by one character at most.

    Raises ValueError when the JWS cannot be cut into so many parts.
    """
    if not 1 <= parts <= min(MAX_PARTS, len(jws)):
        raise ValueError(f"{parts} parts; a card has 1 to {MAX_PARTS}, none of them empty")
    digits = "".join(f"{ord(character) - _SMALLEST:02}" for character in jws)
    cuts = [2 * (len(jws) * number // parts) for number in range(parts + 1)]
    bodies = [digits[start:end] for start, end in pairwise(cuts)]
    if parts == 1:
        return [PREFIX + digits]
    return [f"{PREFIX}{number}/{parts}/{body}" for number, body in enumerate(bodies, 1)]


def minified(value: Any) -> bytes:
    """JSON without blanks, as the framework wants what is signed to be."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
