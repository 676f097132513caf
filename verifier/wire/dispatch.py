"""Which family a scanned text belongs to, from its first characters.

The rules this module keeps:

* One look, no decoding, no network: a link is recognised and never followed (pitfall 12).
* Prefixes are case-sensitive and nothing is folded (pitfall 25); only line ends round the text go.
* What is recognised and not verified is named, so that nobody is sent away with "unreadable".

    kind = recognise("HC1:6BF…")
    kind.family, kind.prefix, kind.finding          # Family.HC1, "HC1:", None
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from verifier.certificate import Family
from verifier.reasons import Finding, Reason, finding

MAX_TEXT = 16_384  # characters; the largest symbol of any kind holds 7,089

# Families whose container is opened here: prefix and family.
HCERT = {"HC1:": Family.HC1, "LT1:": Family.LT1, "AT1:": Family.AT1}

_KNOWN_NOT_VERIFIED: tuple[tuple[re.Pattern[str], Family | None, str], ...] = (
    (re.compile(r"HC[2-9A-Z]:"), None, "HCERT of an unknown version"),
    (re.compile(r"NO1:"), None, "Norwegian domestic certificate"),
    (re.compile(r"shc:/"), Family.SHC, "SMART Health Card"),
    (re.compile(r"NZCP:/"), Family.NZCP, "NZ COVID Pass"),
    (re.compile(r"NL2:"), Family.NL2, "Dutch domestic certificate"),
    (re.compile(r"(?:vhlink|shlink):/"), Family.VHL, "health link; it needs a network and is not followed"),
    (re.compile(r"DC0\d"), Family.DOC_2D, "2D-DOC"),
    (re.compile(r"PK\x03\x04|B64:"), Family.DIVOC, "DIVOC certificate"),
    (re.compile(r"\xdc"), Family.VDS, "ICAO visible digital seal"),
)
_VDS_NC = re.compile(r'(?s)\{(?=.*"data")(?=.*"sig").*\}')

# Codes of other worlds, by how they begin.
_OTHER: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(?i)https?://|www\."), "web link"),
    (re.compile(r"(?i)WIFI:"), "Wi-Fi access"),
    (re.compile(r"(?i)BEGIN:VCARD|MECARD:"), "contact card"),
    (re.compile(r"(?i)BEGIN:VEVENT|BEGIN:VCALENDAR"), "calendar entry"),
    (re.compile(r"000201|BCD\r?\n|bitcoin:|upi:"), "payment"),
    (re.compile(r"M[1-4].{20} ?[A-Z0-9]"), "boarding pass"),
    (re.compile(r"(?i)mailto:|tel:|sms(to)?:|geo:|otpauth:"), "message or address"),
    (re.compile(r"\d{9}\|\d*\||\d{12}\|"), "identity card: this is an identity code"),
)


@dataclass(frozen=True, slots=True)
class Kind:
    """What a text was recognised as. finding: why it goes no further; ``None`` when it is to be opened."""

    family: Family | None
    prefix: str = ""
    finding: Finding | None = None


def trimmed(text: str) -> str:
    """The text without line ends round it, which some readers add; the one tolerance of its kind."""
    return text.strip("\r\n")


def recognise(text: str) -> Kind:
    """The family of a text that was trimmed."""
    if len(text) > MAX_TEXT:
        return Kind(
            None, finding=finding(Reason.TOO_BIG, f"text: {len(text)} characters, no code holds that many")
        )
    family = HCERT.get(text[:4])
    if family is not None:
        return Kind(family, text[:4])
    for pattern, known, name in _KNOWN_NOT_VERIFIED:
        if pattern.match(text):
            return Kind(known, finding=finding(Reason.UNSUPPORTED, name))
    if _VDS_NC.fullmatch(text):
        return Kind(Family.VDS_NC, finding=finding(Reason.UNSUPPORTED, "ICAO VDS-NC seal"))
    for pattern, name in _OTHER:
        if pattern.match(text):
            return Kind(None, finding=finding(Reason.NOT_CERT, name))
    return Kind(None, finding=finding(Reason.NOT_CERT))
