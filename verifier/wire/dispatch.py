"""Which family a scanned text belongs to, from its first characters.

The rules this module keeps:

* One look, no decoding, no network: a link is recognised and never followed (pitfall 12).
* Prefixes are case-sensitive and nothing is folded (pitfall 25); only line ends round the text go.
* What is recognised and not verified is named, so that nobody is sent away with "unreadable".

    kind = recognise("HC1:6BF…")
    kind.family, kind.finding          # Family.HC1, None
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from verifier.certificate import Family
from verifier.reasons import Finding, Reason, finding

ZIP = b"PK\x03\x04"  # how an archive begins
MAX_TEXT = 16_384  # characters; the largest symbol of any kind holds 7,089


@dataclass(frozen=True, slots=True)
class Kind:
    """What a text was recognised as. finding: why it goes no further; ``None`` when it is to be opened."""

    family: Family | None
    finding: Finding | None = None


# Families whose container is opened here, by how their text begins.
_OPENED: tuple[tuple[re.Pattern[str], Kind], ...] = (
    (re.compile(r"HC1:"), Kind(Family.HC1)),
    (re.compile(r"shc:/"), Kind(Family.SHC)),
    (re.compile(r"LT1:"), Kind(Family.LT1)),
    (re.compile(r"AT1:"), Kind(Family.AT1)),
    (re.compile(r"NZCP:/"), Kind(Family.NZCP)),
    (re.compile(r"PK\x03\x04|B64:"), Kind(Family.DIVOC)),
    (re.compile(r"\s*eyJ[\w-]*\.[\w=-]*\.[\w=-]*\s*\Z", re.ASCII), Kind(Family.SHC)),  # a bare JWS
)
_JSON = re.compile(r"\s*\{")
# Families whose text is a JSON object, by two members that it must name.
_JSON_MEMBERS: tuple[tuple[str, str, Family], ...] = (
    ('"@context"', '"proof"', Family.DIVOC),
    ('"data"', '"sig"', Family.VDS_NC),
)

_KNOWN_NOT_VERIFIED: tuple[tuple[re.Pattern[str], Family | None, str], ...] = (
    (re.compile(r"HC[2-9A-Z]:"), None, "HCERT of an unknown version"),
    (re.compile(r"NO1:"), None, "Norwegian domestic certificate"),
    (re.compile(r"NL2:"), Family.NL2, "Dutch domestic certificate"),
    (re.compile(r"(?:vhlink|shlink):/"), Family.VHL, "health link; it needs a network and is not followed"),
    (re.compile(r"DC0\d"), Family.DOC_2D, "2D-DOC"),
    (re.compile(r"\xdc"), Family.VDS, "ICAO visible digital seal"),
)

# Codes of other worlds, by how they begin.
_OTHER: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(?i)https?://|www\."), "web link"),
    (re.compile(r"(?i)WIFI:"), "Wi-Fi access"),
    (re.compile(r"(?i)BEGIN:VCARD|MECARD:"), "contact card"),
    (re.compile(r"(?i)BEGIN:VEVENT|BEGIN:VCALENDAR"), "calendar entry"),
    (re.compile(r"000201|BCD\r?\n|bitcoin:|upi:"), "payment"),
    (re.compile(r"M[1-4].{20} ?[A-Z0-9]"), "boarding pass"),
    (re.compile(r"(?i)mailto:|tel:|sms(to)?:|geo:|otpauth(-migration)?:"), "message or address"),
    (re.compile(r"(?i)intent:|market:|weixin:|alipays?:|zalo:|momo:"), "link into an app"),
    (re.compile(r"\d{9}\|\d*\||\d{12}\|"), "identity card: this is an identity code"),
)


def trimmed(text: str) -> str:
    """The text without line ends round it, which some readers add; the one tolerance of its kind."""
    return text.strip("\r\n")


def recognise(text: str) -> Kind:
    """The family of a text that was trimmed."""
    if len(text) > MAX_TEXT:
        return Kind(None, finding(Reason.TOO_BIG, f"text: {len(text)} characters, no code holds that many"))
    for pattern, kind in _OPENED:
        if pattern.match(text):
            return kind
    if _JSON.match(text):
        for one, other, family in _JSON_MEMBERS:
            if one in text and other in text:
                return Kind(family)
    for pattern, known, name in _KNOWN_NOT_VERIFIED:
        if pattern.match(text):
            return Kind(known, finding(Reason.UNSUPPORTED, name))
    for pattern, name in _OTHER:
        if pattern.match(text):
            return Kind(None, finding(Reason.NOT_CERT, name))
    return Kind(None, finding(Reason.NOT_CERT))
