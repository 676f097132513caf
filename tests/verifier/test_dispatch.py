"""What a text is recognised as, in one look and with nothing decoded."""

from __future__ import annotations

import pytest

from verifier.certificate import Family
from verifier.reasons import Reason
from verifier.wire.dispatch import MAX_TEXT, recognise, trimmed

# A text, and the family that it is opened as.
OPENED = {
    "HC1:6BF": Family.HC1,
    "LT1:6BF": Family.LT1,
    "AT1:6BF": Family.AT1,
    "shc:/5676": Family.SHC,
    "shc:/1/3/5676": Family.SHC,
    "eyJ6aXAiOiJERUYifQ.3ZJ.AbC-_": Family.SHC,
    " \neyJ6aXAiOiJERUYifQ.3ZJ.AbC-_\n": Family.SHC,
    "NZCP:/1/2KCE": Family.NZCP,
    "NZCP:/2/2KCE": Family.NZCP,
    "PK\x03\x04\x14\x00": Family.DIVOC,
    "B64:UEsDBBQ": Family.DIVOC,
    '{"@context":[],"proof":{}}': Family.DIVOC,
    '{"data":{},"sig":{}}': Family.VDS_NC,
    '{\n  "sig": {},\n  "data": {}\n}': Family.VDS_NC,
}

# A text that is recognised and goes no further: family, reason, and a word of its name.
NAMED = {
    "HC2:6BF": (None, Reason.UNSUPPORTED, "unknown version"),
    "HCZ:6BF": (None, Reason.UNSUPPORTED, "unknown version"),
    "NO1:6BF": (None, Reason.UNSUPPORTED, "Norwegian"),
    "NL2:6BF": (Family.NL2, Reason.UNSUPPORTED, "Dutch"),
    "shlink:/eyJ1cmwi": (Family.VHL, Reason.UNSUPPORTED, "not followed"),
    "vhlink:/eyJ1cmwi": (Family.VHL, Reason.UNSUPPORTED, "not followed"),
    "DC04FR0000011E6D1E6DL101FR": (Family.DOC_2D, Reason.UNSUPPORTED, "2D-DOC"),
    "\xdc\x03\xd9\xc5": (Family.VDS, Reason.UNSUPPORTED, "visible digital seal"),
    "https://example.org/menu": (None, Reason.NOT_CERT, "web link"),
    "HTTPS://EXAMPLE.ORG": (None, Reason.NOT_CERT, "web link"),
    "www.example.org": (None, Reason.NOT_CERT, "web link"),
    "WIFI:T:WPA;S:guest;;": (None, Reason.NOT_CERT, "Wi-Fi"),
    "BEGIN:VCARD\nFN:A": (None, Reason.NOT_CERT, "contact"),
    "MECARD:N:A;;": (None, Reason.NOT_CERT, "contact"),
    "BEGIN:VEVENT": (None, Reason.NOT_CERT, "calendar"),
    "00020101021138": (None, Reason.NOT_CERT, "payment"),
    "BCD\n002\n1\nSCT": (None, Reason.NOT_CERT, "payment"),
    "bitcoin:1BoatSLRHtKNngkdXEeobR76b53LETtpyT": (None, Reason.NOT_CERT, "payment"),
    "upi://pay?pa=x": (None, Reason.NOT_CERT, "payment"),
    "M1NGUYEN/BAO DUY      EABC123 SGNHANVN 0123": (None, Reason.NOT_CERT, "boarding pass"),
    "tel:+84123": (None, Reason.NOT_CERT, "message or address"),
    "geo:10.77,106.70": (None, Reason.NOT_CERT, "message or address"),
    "weixin://wxpay": (None, Reason.NOT_CERT, "app"),
    "001083012345|123456789|Nguyen Bao Duy|10101983|Nam|Ha Noi|01012021": (
        None,
        Reason.NOT_CERT,
        "identity code",
    ),
    "001083012345||Nguyen Bao Duy": (None, Reason.NOT_CERT, "identity code"),
}

UNKNOWN = [
    "", " ", "hello", "hc1:6BF", "HC11:6BF", "HC1", "xHC1:6BF", "SHC:/56", "nzcp:/1/", "{}", '{"a":1}', "[]",
    '{"isThisAVDS": false}', "PK\x05\x06", "12345", "0012345678905", "\x00", "eyJhIjoxfQ", "eyJ.a", "DC",
]  # fmt: skip


@pytest.mark.parametrize("text", list(OPENED))
def test_a_family_is_recognised_by_how_its_text_begins(text: str) -> None:
    """Prefix, ZIP signature or the members of a JSON object; nothing is decoded yet."""
    assert recognise(text).family is OPENED[text]
    assert recognise(text).finding is None


@pytest.mark.parametrize("text", list(NAMED))
def test_what_goes_no_further_is_named(text: str) -> None:
    """A family that is not verified is UNSUPPORTED, a code of another world NOT_CERT; each is named."""
    family, reason, word = NAMED[text]
    kind = recognise(text)
    assert kind.finding is not None
    assert (kind.family, kind.finding.code) == (family, reason)
    assert word in kind.finding.detail


@pytest.mark.parametrize("text", UNKNOWN)
def test_anything_else_is_no_certificate_and_has_no_name(text: str) -> None:
    """Prefixes are case-sensitive and nothing is folded or guessed."""
    kind = recognise(text)
    assert kind.finding is not None
    assert (kind.family, kind.finding.code, kind.finding.detail) == (None, Reason.NOT_CERT, "")


def test_only_line_ends_round_the_text_are_taken_off() -> None:
    """The blank is a letter of Base45: it stays."""
    assert trimmed("\r\nHC1:6BF \n") == "HC1:6BF "


def test_a_text_that_no_code_holds_is_too_big() -> None:
    """The largest symbol holds 7,089 characters."""
    finding = recognise("HC1:" + "A" * MAX_TEXT).finding
    assert finding is not None
    assert finding.code is Reason.TOO_BIG
