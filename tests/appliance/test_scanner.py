"""Reading codes: exactly, each once, and nothing but QR and Aztec, or DataMatrix where it is asked for."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import segno
import zxingcpp
from gate_rig import image_of, luma_of, png_of, stained
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from appliance.errors import PictureError
from appliance.picture import MAX_PIXEL_BYTES, empty, read_luma
from appliance.reader.live import look
from appliance.reader.passes import Code, Look, Place
from appliance.reader.stills import read_image
from appliance.scanner import Watch

HC1 = "HC1:NCFOXN%TSMAHN-H$ZKE /:*+QP.9CK"


def picture(tmp_path: Path, image: Image.Image, name: str = "code.png", **options: Any) -> Path:
    path = tmp_path / name
    image.save(path, **options)
    return path


def code_image(content: str | bytes, **options: Any) -> Image.Image:
    out = io.BytesIO()
    segno.make(content, micro=False, **options).save(out, kind="png", scale=5, border=4)
    return Image.open(io.BytesIO(out.getvalue())).convert("L")


# --- Exactly what stands in the symbol ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "options", "text"),
    [
        (HC1, {}, HC1),
        (HC1 + "  ", {}, HC1 + "  "),
        (" HC1:A%20B+C", {}, " HC1:A%20B+C"),
        ("shc:/56762909524320603460292437404460", {}, "shc:/56762909524320603460292437404460"),
        ("Đặng Thị Đào", {}, "Đặng Thị Đào"),
        ("Đặng Thị Đào", {"encoding": "utf-8", "eci": True}, "Đặng Thị Đào"),
        ("é à ü", {"encoding": "iso-8859-1"}, "é à ü"),
        ("a\r\nb\tc", {}, "a\r\nb\tc"),
        (b"\x01\x10AD", {"mode": "byte"}, "\x01\x10AD"),
    ],
    ids=["HC1", "blanks at the end", "percent and plus", "digits", "UTF-8", "UTF-8 by ECI", "Latin-1",
         "lines", "control"],
)  # fmt: skip
def test_a_text_comes_out_exactly_as_in_the_symbol(
    tmp_path: Path, content: str | bytes, options: dict[str, Any], text: str
) -> None:
    """Pitfall 25: no blank, plus or percent sign is changed, nothing is trimmed or shown in another form."""
    (code,) = read_image(picture(tmp_path, code_image(content, **options)))
    assert (code.text, code.payload, code.format) == (text, text, "QRCode")


@pytest.mark.parametrize(
    "data", [b"PK\x03\x04\xc8\xff\x00\x01\x02\xfe", bytes(range(256)), b"\xff\xfe\x00HC1:"]
)
def test_bytes_that_are_no_text_stay_bytes(tmp_path: Path, data: bytes) -> None:
    """A zipped certificate is bytes; it is not made a text by guessing."""
    (code,) = read_image(picture(tmp_path, code_image(data, mode="byte")))
    assert (code.text, code.data, code.payload) == (None, data, data)


def test_aztec_is_read(tmp_path: Path) -> None:
    """Some countries print Aztec."""
    barcode = zxingcpp.create_barcode(HC1, zxingcpp.BarcodeFormat.Aztec)
    (code,) = read_image(picture(tmp_path, zxing_image(barcode)))
    assert (code.text, code.format) == (HC1, "Aztec")


def zxing_image(barcode: Any) -> Image.Image:
    """A code that zxing-cpp draws, with a white rim."""
    drawn = memoryview(barcode.to_image(scale=6, add_quiet_zones=True))
    image = Image.frombytes("L", (drawn.shape[1], drawn.shape[0]), drawn.tobytes())
    return ImageOps.expand(image, 40, 255)


@pytest.mark.parametrize("name", ["DataMatrix", "PDF417", "Code128"])
def test_other_kinds_of_code_are_not_looked_for(tmp_path: Path, name: str) -> None:
    """A bar code on a passport's back is no Scan; looking for it costs twenty times as much."""
    barcode = zxingcpp.create_barcode("12345678", getattr(zxingcpp.BarcodeFormat, name))
    assert read_image(picture(tmp_path, zxing_image(barcode))) == []


DATA_MATRIX = {
    "HC1": (HC1, HC1),
    "part of a card": ("shc:/1/2/567629095243", "shc:/1/2/567629095243"),
    "accents": ("Đặng Thị Đào", "Đặng Thị Đào"),
    "braces": ('{"data":{"hdr":{}}}', '{"data":{"hdr":{}}}'),
    "bytes": (b"PK\x03\x04\xc8\xff\x00\x01\x02\xfe", None),
}


@pytest.mark.parametrize("name", list(DATA_MATRIX))
def test_data_matrix_comes_out_as_the_others_where_it_is_asked_for(tmp_path: Path, name: str) -> None:
    """Text exactly as in the symbol, bytes as bytes; in a picture and in a frame."""
    content, text = DATA_MATRIX[name]
    image = zxing_image(zxingcpp.create_barcode(content, zxingcpp.BarcodeFormat.DataMatrix))
    (code,) = read_image(picture(tmp_path, image), data_matrix=True)
    assert (code.text, code.payload, code.format) == (text, content, "DataMatrix")
    frame = Image.new("L", (1280, 720), 170)
    frame.paste(image, (400, 200))
    assert [seen.payload for seen in look(luma_of(frame), data_matrix=True).codes] == [content]
    assert look(luma_of(frame)) == Look()


def test_asking_for_data_matrix_loses_no_other_code(tmp_path: Path) -> None:
    """QR and Aztec are read as before, and an empty desk shows nothing."""
    aztec = zxing_image(zxingcpp.create_barcode(HC1, zxingcpp.BarcodeFormat.Aztec))
    for image, kind in ((code_image(HC1), "QRCode"), (aztec, "Aztec")):
        (code,) = read_image(picture(tmp_path, image), data_matrix=True)
        assert (code.text, code.format) == (HC1, kind)
    assert [code.text for code in look(luma_of(image_of(HC1)), data_matrix=True).codes] == [HC1]
    assert look(empty(1280, 720), data_matrix=True) == Look()


def test_two_codes_in_a_picture_are_two_and_a_repeated_one_is_one(tmp_path: Path) -> None:
    """Each code once, however often it is printed."""
    first, second = code_image(HC1), code_image("second")
    sheet = Image.new("L", (first.width * 3, max(first.height, second.height)), 255)
    for number, image in enumerate((first, second, first)):
        sheet.paste(image, (number * first.width, 0))
    assert sorted(code.text or "" for code in read_image(picture(tmp_path, sheet))) == [HC1, "second"]


def test_a_code_prints_nothing_of_itself() -> None:
    """No traceback and no log line can hold a traveller's code."""
    (code,) = look(luma_of(image_of("HC1:SECRET"))).codes
    assert "SECRET" not in repr(code) + str(code) + repr(Look((code,)))


# --- Still pictures, more than live frames ------------------------------------------------------------------


def variants() -> dict[str, Image.Image]:
    plain = code_image(HC1 * 8, error="q")
    tight = plain.crop((20, 20, plain.width - 20, plain.height - 20))
    clear = plain.convert("RGBA")
    clear.putalpha(ImageOps.invert(plain))
    return {
        "plain": plain,
        "no quiet zone": tight,
        "inverted": ImageOps.invert(plain),
        "mirrored": ImageOps.mirror(plain),
        "turned": plain.rotate(33, expand=True, fillcolor=255),
        "upside down": plain.rotate(180),
        "transparent paper": clear,
        "palette": plain.convert("P"),
        "one bit": plain.convert("1"),
        "sixteen bits": plain.convert("I;16").point(lambda level: level * 257),
        "colour": ImageOps.colorize(plain, "#203040", "#f0e0c0"),
        "low contrast": plain.point(lambda level: 120 + level // 12),
        "very large": plain.resize((plain.width * 6, plain.height * 6), Image.Resampling.BICUBIC),
        "small": plain.resize((plain.width * 2 // 5, plain.height * 2 // 5), Image.Resampling.LANCZOS),
    }


@pytest.mark.parametrize("name", list(variants()))
def test_a_still_picture_is_read_in_whatever_form_it_comes(tmp_path: Path, name: str) -> None:
    """Screenshots, scans and photographs: transparent, inverted, mirrored, turned, tight, large, small."""
    (code,) = read_image(picture(tmp_path, variants()[name]))
    assert code.text == HC1 * 8


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_the_usual_kinds_of_picture_are_read(tmp_path: Path, kind: str) -> None:
    """What phones, scanners and printers write."""
    path = picture(tmp_path, code_image(HC1), f"code.{kind.lower()}", format=kind)
    assert [code.text for code in read_image(path)] == [HC1]


def test_a_large_photograph_is_reduced_and_read(tmp_path: Path) -> None:
    """A JPEG of 48 million pixels is decoded at a fraction, in grey: memory has a limit."""
    sheet = Image.new("L", (8000, 6000), 240)
    sheet.paste(code_image(HC1).resize((2000, 2000)), (3000, 2000))
    path = picture(tmp_path, sheet, "photo.jpg", quality=80)
    luma = read_luma(path)
    assert luma.nbytes <= MAX_PIXEL_BYTES
    assert [code.text for code in read_image(path)] == [HC1]


@pytest.mark.vectors
@pytest.mark.parametrize("suite", ["eu-qa", "eu-testdata", "eu-testdata-img", "shc", "photos"])
def test_every_published_picture_reads_to_its_text(vectors: Path, suite: str) -> None:
    """Every picture of the suite that reads for its publishers reads for us, to the same text."""
    count, unread = 0, []
    for line in (vectors / f"{suite}.jsonl").read_text().splitlines():
        case = json.loads(line)
        if case["expect"].get("picture") is not True or "png" not in case:
            continue
        names = case["png"] if isinstance(case["png"], list) else [case["png"]]
        wanted = case["expect"].get("picture_text") or case.get("texts") or case["text"]
        for number, name in enumerate(names):
            text = wanted if isinstance(wanted, str) else wanted[number]
            count += 1
            if text not in [code.text for code in read_image(vectors / name)]:
                unread.append(case["id"])
    assert count > 0
    assert unread == []


# --- Hostile pictures ---------------------------------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=400), st.sampled_from(["", "png", "jpeg", "gif", "bmp"]), st.integers(0, 300))
def test_any_bytes_are_a_picture_or_a_picture_error(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, head: str, cut: int
) -> None:
    """A file of any bytes, or a good head with any tail, gives codes or a PictureError and nothing else."""
    if head:
        out = io.BytesIO()
        code_image("x").save(out, head)
        data = out.getvalue()[:cut] + data
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(data)
    with contextlib.suppress(PictureError):
        assert isinstance(read_image(path), list)


def test_a_picture_beyond_the_limits_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    """A PNG that unfolds to a gigabyte of pixels is named as such; memory stays flat."""
    path = picture(tmp_path, Image.new("1", (12000, 12000)), "bomb.png")
    assert path.stat().st_size < 30_000
    with pytest.raises(PictureError, match="12000 by 12000"):
        read_image(path)


def test_a_file_that_is_too_long_or_absent_is_refused(tmp_path: Path) -> None:
    """Size before inflate; and a missing file is no crash."""
    path = tmp_path / "long.png"
    with path.open("wb") as file:
        file.truncate(30 << 20)
    with pytest.raises(PictureError, match="larger than"):
        read_image(path)
    with pytest.raises(PictureError, match="cannot be read"):
        read_image(tmp_path / "absent.png")


def test_reading_pictures_loads_no_camera_no_lamp_and_no_web_server() -> None:
    """`vaxgate-verify` reads pictures with this module, and starts fast."""
    script = (
        "import sys, appliance.scanner; "
        "print([m for m in ('flask', 'waitress', 'gpiozero', 'av', 'linuxpy', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# --- Which of them are new ----------------------------------------------------------------------------------

HERE = Place(600, 360, 300)
THERE = Place(200, 200, 300)


def a_code(text: str = "one", place: Place = HERE) -> Code:
    return Code(text, text.encode(), "QRCode", 1000, place)


def watched(script: list[tuple[float, Look]]) -> list[tuple[float, str]]:
    """What a watch says to looks at their instants: (instant, text or UNREADABLE)."""
    watch = Watch(same_code_s=1.2, damaged_s=1.0)
    said = []
    for now, found in script:
        sighting = watch.see(found, now)
        said += [(now, scan.text or "") for scan in sighting.scans]
        said += [(now, "UNREADABLE")] if sighting.unreadable else []
    return said


def every(start: float, end: float, found: Look) -> list[tuple[float, Look]]:
    """The same look ten times a second."""
    return [(round(start + n / 10, 1), found) for n in range(round((end - start) * 10))]


NOTHING, ONE, TWO = Look(), Look((a_code(),)), Look((a_code("two"),))
DAMAGED, DAMAGED_THERE = Look((), (HERE,)), Look((), (THERE,))
STORIES: dict[str, tuple[list[tuple[float, Look]], list[tuple[float, str]]]] = {
    "held for ten seconds": (every(0, 10, ONE), [(0, "one")]),
    "flickers for a second": (every(0, 1, ONE) + every(1, 2, NOTHING) + every(2, 3, ONE), [(0, "one")]),
    "taken away and shown again": (
        every(0, 1, ONE) + every(1, 2.5, NOTHING) + every(2.5, 3, ONE),
        [(0, "one"), (2.5, "one")],
    ),
    "another one at once": (every(0, 1, ONE) + every(1, 2, TWO), [(0, "one"), (1, "two")]),
    "to and fro within a second": (
        every(0, 0.5, ONE) + every(0.5, 1, TWO) + every(1, 1.5, ONE),
        [(0, "one"), (0.5, "two")],
    ),
    "damaged for a second": (every(0, 3, DAMAGED), [(1.0, "UNREADABLE")]),
    "damaged for less": (every(0, 0.9, DAMAGED) + every(0.9, 3, NOTHING), []),
    "damaged now and then": (
        [(now, look) for n in range(20) for now, look in every(n * 0.5, n * 0.5 + 0.1, DAMAGED)],
        [(1.0, "UNREADABLE")],
    ),
    "damaged twice": (
        every(0, 2, DAMAGED) + every(2, 4, NOTHING) + every(4, 6, DAMAGED),
        [(1.0, "UNREADABLE"), (5.0, "UNREADABLE")],
    ),
    "glare over a read code": (every(0, 1, ONE) + every(1, 3.5, DAMAGED) + every(3.5, 4, ONE), [(0, "one")]),
    "a damaged code after an empty frame": (
        every(0, 1, ONE) + every(1, 1.1, NOTHING) + every(1.1, 3, DAMAGED),
        [(0, "one"), (2.1, "UNREADABLE")],
    ),
    "a damaged code elsewhere": (
        every(0, 1, ONE) + every(1, 3, DAMAGED_THERE),
        [(0, "one"), (2.0, "UNREADABLE")],
    ),
    "damaged and then read": (every(0, 0.8, DAMAGED) + every(0.8, 2, ONE), [(0.8, "one")]),
}


@pytest.mark.parametrize("story", list(STORIES))
def test_which_sightings_are_new(story: str) -> None:
    """The same code held up is one Scan; a different one is another at once; a damaged one is said once."""
    script, expected = STORIES[story]
    assert watched(script) == expected


def test_a_located_and_damaged_symbol_is_reported_by_a_real_look() -> None:
    """The reader tells an empty desk from a code that it cannot read."""
    frame = image_of(HC1 * 18, scale=4)
    assert look(luma_of(frame)).codes[0].text == HC1 * 18
    spoilt = look(luma_of(stained(frame)))
    assert spoilt.codes == ()
    assert any(place.near(look(luma_of(frame)).codes[0].place) for place in spoilt.damaged)
    assert look(empty(1280, 720)) == Look()


@pytest.mark.parametrize("size", [(1, 1), (2, 1), (3, 3), (1280, 2), (640, 480)])
def test_a_frame_of_any_size_can_be_looked_at(size: tuple[int, int]) -> None:
    """A camera that gives an odd size is no reason to stop."""
    assert look(empty(*size)) == Look()


def test_a_frame_is_read_without_a_copy() -> None:
    """The reader takes a two-dimensional memoryview as it is."""
    (code,) = look(luma_of(image_of(HC1))).codes
    assert code.text == HC1
    assert png_of(HC1).startswith(b"\x89PNG")
