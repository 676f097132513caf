"""What peers and we are measured on: frames with and without a code, and certificates that are proven.

frames = drawn_frames()                      # a few, by the means of the tests
frames = frames_in(Path("FRAMES"))           # those of the shared script gen_frames.py
made = certificates(40)                      # made.texts["HC1"], made.forged["HC1"], made.keys["HC1"]
"""

from __future__ import annotations

import base64
import tempfile
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from office import Office

from bench.frames import Amount, drawn, listed
from issuer.certificates import Person, of_vaccination
from verifier.certificate import Family
from verifier.opening import open_code
from verifier.trust import TrustedKey
from verifier.wire import base64url, cbor, cose, hc1, shc


class Frame(NamedTuple):
    """luma: ``width × height`` bytes. condition: what makes it hard. texts: of the codes in it."""

    name: str
    condition: str
    width: int
    height: int
    luma: bytes
    texts: tuple[str, ...]


def frames_in(folder: Path) -> list[Frame]:
    """The frames of a folder with an ``index.json``, ours or one that ``gen_frames.py`` has drawn."""
    return [
        Frame(each.path.name, each.condition, each.width, each.height, bytes(each.luma()), each.texts)
        for each in listed(folder)
    ]


def drawn_frames(below: Path) -> list[Frame]:
    """One of each condition and a few without a code, drawn below a folder when they are not there."""
    return frames_in(drawn(below, Amount(per_condition=1, empty=6), seed=1))


@dataclass(frozen=True, slots=True, repr=False)
class Certificates:
    """texts: of each family, every one another person's. forged: with the signature of the next one of
    ``texts``: right in form, length and checksum, wrong in the proof alone. keys: of each family, as plain
    values for any worker. now: the instant at which all of them are good."""

    texts: dict[str, list[str]]
    forged: dict[str, list[str]]
    keys: dict[str, list[dict[str, Any]]]
    now: datetime


def certificates(count: int) -> Certificates:
    """Freshly issued, because some chains look at the machine's clock. count: of each family, from 2 on."""
    now = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
    texts: dict[str, list[str]] = {family.value: [] for family in (Family.HC1, Family.SHC)}
    with tempfile.TemporaryDirectory() as folder, Office(Path(folder), seed="peers", now=now) as office:
        for family, made in texts.items():
            for number in range(count):
                born = date(1940, 1, 1) + timedelta(days=37 * number)
                person = Person("Nguyễn", f"Bảo Duy {number}", born.isoformat())
                day = now.date() - timedelta(days=60 + number % 90)
                code = office.issue(Family(family), of_vaccination(person, country="XV", day=day)).code
                assert isinstance(code, str)
                made.append(code)
        held = [key for keys in office.synced().trust.keys.values() for key in keys]
    forging = {"HC1": _forged_hc1, "SHC": _forged_shc}
    keys, forged = {}, {}
    for family, made in texts.items():
        envelopes = [open_code(text).envelope for text in made]
        kids = {each.kid for each in envelopes if each is not None}
        keys[family] = [_plain(key) for key in held if key.kid in kids]
        forged[family] = [forging[family](one, other) for one, other in pairwise(made)]
    return Certificates(texts, forged, keys, now)


def _plain(key: TrustedKey) -> dict[str, Any]:
    coded = {name: base64.b64encode(getattr(key, name)).decode() for name in ("kid", "spki")}
    return coded | {"country": key.country, "issuer": key.issuer, "domain": key.domain}


def _forged_hc1(text: str, other: str) -> str:
    """A certificate that bears the signature of another one."""
    envelope, signature = open_code(text).envelope, open_code(other).envelope.signature
    header = cbor.decode(envelope.protected, "header")
    return hc1.pack(cose.encode_sign1(header, {}, envelope.payload, signature))


def _forged_shc(text: str, other: str) -> str:
    """A card that bears the signature of another one."""
    signature = base64url.encode(shc.open_shc(other).signature)
    return shc.numeric(f"{shc.open_shc(text).to_be_signed.decode()}.{signature}")[0]
