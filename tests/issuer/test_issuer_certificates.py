"""Payloads, identifiers and pictures."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime
from typing import Any

import pytest
import zxingcpp
from PIL import Image

from issuer import certificates
from issuer.certificates import Person
from issuer.errors import IssuerError
from issuer.qr import draw
from verifier.wire import base45

PERSON = Person("Đặng", "Thị Đào", "1990-04-21")
DAY = date(2021, 8, 1)


def _payloads() -> dict[str, dict[str, Any]]:
    sampled = datetime(2021, 9, 1, 2, 0, tzinfo=UTC)
    return {
        "vaccination": certificates.of_vaccination(PERSON, country="XV", day=DAY),
        "test": certificates.of_test(PERSON, country="XV", sampled=sampled),
        "rapid test": certificates.of_test(
            PERSON, country="XV", sampled=sampled, method=certificates.RAPID, device="1232"
        ),
        "recovery": certificates.of_recovery(PERSON, country="XV", first_positive=DAY),
        "person of one name": certificates.of_vaccination(
            Person("Sulastri", "", "1975"), country="XV", day=DAY
        ),
    }


@pytest.mark.parametrize("name", _payloads())
def test_every_kind_of_payload_conforms_to_the_schema(name: str) -> None:
    """DCC 1.3.3, held against the same table that the verifier reports by."""
    certificates.check(certificates.complete(_payloads()[name], "URN:UVCI:01:XV:A#B"))


def test_names_stand_in_both_spellings() -> None:
    """The holder's own letters and those of the passport line; a missing name has no empty field."""
    assert _payloads()["vaccination"]["nam"] == {
        "fn": "Đặng",
        "fnt": "DANG",
        "gn": "Thị Đào",
        "gnt": "THI<DAO",
    }
    assert _payloads()["person of one name"]["nam"] == {"fn": "Sulastri", "fnt": "SULASTRI"}


def test_a_name_in_other_letters_needs_its_spelling() -> None:
    """The error names the option and not the name."""
    with pytest.raises(IssuerError, match="--surname-icao") as caught:
        certificates.of_vaccination(Person("ሰላም", "", "1990"), country="XV", day=DAY)
    assert "ሰላም" not in str(caught.value)
    spelled = certificates.of_vaccination(
        Person("ሰላም", "", "1990", surname_icao="SELAM"), country="XV", day=DAY
    )
    assert spelled["nam"] == {"fn": "ሰላም", "fnt": "SELAM"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"dob": "21.04.1990"}, "dob"),
        ({"nam": {"gn": "X"}}, "nam.fnt"),
        ({"v": [{"tg": "840539006"}]}, r"v\[0\].vp: missing"),
        ({"r": [{"tg": "840539006"}]}, "exactly one"),
        ({"vac": []}, "vac: no such member"),
    ],
    ids=["birth date", "name", "field missing", "two events", "unknown member"],
)
def test_a_payload_that_does_not_conform_is_named_by_its_path(change: dict[str, Any], words: str) -> None:
    """What is wrong is said without repeating what the payload says about a person."""
    payload = certificates.complete(_payloads()["vaccination"], "X") | change
    with pytest.raises(IssuerError, match=words) as caught:
        certificates.check(payload)
    assert "1990" not in str(caught.value)


def test_an_identifier_that_a_payload_brings_is_kept() -> None:
    """A re-issue keeps its identifier; only a payload without one is given one."""
    payload = certificates.complete(_payloads()["recovery"], "first")
    assert certificates.event_of(certificates.complete(payload, "second"))["ci"] == "first"


def test_the_check_character_is_that_of_the_published_example() -> None:
    """Luhn modulo 38 over A to Z, 0 to 9, slash and colon: the identifier of Austria's test data."""
    assert certificates.check_character("URN:UVCI:01:AT:10807843F94AEE0EE5093FBC254BD813") == "B"


def test_the_check_character_catches_one_wrong_character() -> None:
    """No single character can be mistyped unnoticed."""
    body = certificates.uvci("XV", bytes(range(15))).split("#")[0]
    right = certificates.check_character(body)
    for place in range(len(body)):
        other = "A" if body[place] != "A" else "B"
        assert certificates.check_character(body[:place] + other + body[place + 1 :]) != right


@pytest.mark.parametrize(
    ("length", "level"), [(500, "Q"), (2420, "Q"), (2421, "M"), (3391, "M"), (3392, "L"), (4296, "L")]
)
def test_the_level_is_q_where_the_text_fits_and_alphanumeric_always(length: int, level: str) -> None:
    """The capacities of a version 40 symbol in alphanumeric mode draw the borders."""
    code = draw(("HC1:" + base45.ALPHABET * 100)[:length])
    assert (code.level, code.mode) == (level, "alphanumeric")
    assert (code.version == 40) == (length in (2420, 3391, 4296))


def test_a_text_that_fits_no_code_is_an_error() -> None:
    """One character beyond 40-L."""
    with pytest.raises(IssuerError, match="4297"):
        draw("A" * 4297)


def test_a_picture_reads_back_to_its_text() -> None:
    """Every character of the Base45 alphabet survives drawing and reading, the blank too."""
    text = "HC1:" + base45.ALPHABET * 12
    code = draw(text)
    with Image.open(io.BytesIO(code.png(scale=4))) as picture:
        assert picture.size == (code.modules() * 4,) * 2
        found = zxingcpp.read_barcodes(picture.convert("L"))
    assert [(each.text, each.ec_level) for each in found] == [(text, "Q")]


def test_a_picture_has_its_quiet_zone() -> None:
    """Four light modules on each side, and the first dark one right behind them."""
    with Image.open(io.BytesIO(draw("HC1:TEST").png(scale=5))) as opened:
        picture = opened.convert("L")
    edge = 4 * 5
    border = picture.point(lambda value: 255 - value).getbbox()
    assert border == (edge, edge, picture.width - edge, picture.height - edge)


def test_an_svg_is_an_svg_of_the_same_size() -> None:
    """A vector picture for print, with quiet zone."""
    code = draw("HC1:TEST")
    svg = code.svg(scale=2).decode()
    assert "<svg" in svg
    assert f'width="{code.modules() * 2}"' in svg
