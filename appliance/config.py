"""``vaxgate.toml``: one file, a default for every key, and no key that does nothing.

The rules this module keeps:

* Every key has a default, a unit and a reason; ``docs/config.md`` is made from them.
* An unknown or wrong key is named with its line and the nearest right one, all of them at once.
* Sections whose keys come later may stand in the file already; they must be empty.
* Paths in the file are relative to the file.

    config = load(Path("vaxgate.toml"))
    config.camera.kind, config.gate.hold_s
"""

from __future__ import annotations

import difflib
import math
import re
import tomllib
from dataclasses import Field, dataclass, field, fields, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from appliance.errors import ConfigError
from verifier.countries import alpha2
from verifier.policy.context import Context, Mode, Profile
from verifier.policy.context_json import MAX_TEXT

MAX_FILE = 256 * 1024


def _key(
    default: Any, doc: str, *, choices: tuple[str, ...] = (), low: float = -math.inf, high: float = math.inf
) -> Any:
    """A key: its default, what it means, and what it may be."""
    return field(default=default, metadata={"doc": doc, "choices": choices, "low": low, "high": high})


@dataclass(frozen=True, slots=True)
class CameraConfig:
    """Where frames come from."""

    kind: str = _key(
        "auto",
        "`picamera2`, `v4l2` (a USB camera), `files` (a folder of pictures, or a video). "
        "`auto`: picamera2 where it is installed, otherwise v4l2.",
        choices=("auto", "picamera2", "v4l2", "files"),
    )
    device: str = _key("/dev/video0", "v4l2: the device.")
    index: int = _key(0, "picamera2: which camera, counted from 0.", low=0, high=15)
    path: str = _key("", "files: the folder of pictures, or the video.")
    width: int = _key(
        1280, "Pixels. At 1280 a code of 97 modules needs 40 % of the picture's height.", low=160, high=4096
    )
    height: int = _key(720, "Pixels.", low=120, high=3072)
    fps: int = _key(
        60,
        "Frames a second that are asked of the camera; it gives what it can. Most of what passes between a "
        "code and its answer is waiting for the camera, and at 60 that is half of what it is at 30. Pictures "
        "of `files` stand still and are given at most 30 times.",
        low=1,
        high=120,
    )
    exposure_ms: float = _key(
        8.0,
        "picamera2: milliseconds that a frame is exposed at most; gain does the rest. A code that is smeared "
        "by one of its modules reads as if it stood still, by 1.7 it is seldom read: at 0.67 mm a "
        "module (a code of 6 cm) and a hand at 100 mm/s, 8 ms are 1.2 modules. Shorter for small codes and "
        "quick hands, longer where it is dark and the picture noisy; never longer than a frame.",
        low=0.1,
        high=100,
    )
    focus: str = _key(
        "near",
        "picamera2, for a sensor whose lens moves: `near` locks it at 5 dioptres, 20 cm from the lens, where "
        "a code of 6 cm has three pixels a module; a number in quotes locks it at so many dioptres, 100/cm. "
        "`auto` lets it search among near things; a lens that searches is out of focus while it does, and an "
        "empty desk sends it to the wall.",
    )
    format: str = _key(
        "auto",
        "Pixel format that is asked for. `auto`: YUV420 from picamera2, the first of GREY, NV12, YUV420, "
        "YUYV, MJPEG that a v4l2 camera offers. Only the luma is read.",
        choices=("auto", "GREY", "YUV420", "NV12", "YUYV", "MJPEG"),
    )
    data_matrix: bool = _key(
        False,
        "true: DataMatrix is read too; some VDS-NC seals are printed so. QR and Aztec are always read; each "
        "further kind costs time on every frame.",
    )
    dwell_s: float = _key(2.0, "files: seconds that each picture is held up.", low=0.02, high=3600)
    gap_s: float = _key(
        0.5, "files: seconds of an empty frame between two pictures; 0 for none.", low=0, high=3600
    )
    loop: bool = _key(True, "files: begin again after the last picture.")
    down_s: float = _key(
        3.0, "Seconds without a frame until the unit is OUT `CAMERA_DOWN`.", low=0.2, high=60
    )

    @property
    def dioptres(self) -> float | None:
        """Where the lens is locked; ``None``: it focuses by itself."""
        return None if self.focus == "auto" else 5.0 if self.focus == "near" else float(self.focus)


@dataclass(frozen=True, slots=True)
class LampConfig:
    """The four lenses, the light on the document, and how their pins are driven."""

    factory: str = _key(
        "auto",
        "`lgpio` (any gpiochip), `native` (a Raspberry Pi's registers), `mock` (no hardware). "
        "`auto`: lgpio where a gpiochip and the library are there, otherwise mock.",
        choices=("auto", "mock", "lgpio", "native"),
    )
    chip: str = _key(
        "", "lgpio: number or label of the gpiochip, as `0` or `pinctrl-bcm2711`; empty: the board's own."
    )
    revision: str = _key(
        "",
        "lgpio: the board's revision in hexadecimal where it cannot be read (no Raspberry Pi), as `c03114`.",
    )
    white: int = _key(17, "BCM number of the white lens (header pin 11).", low=0, high=53)
    green: int = _key(22, "BCM number of the green lens (header pin 15).", low=0, high=53)
    amber: int = _key(27, "BCM number of the amber lens (header pin 13).", low=0, high=53)
    red: int = _key(23, "BCM number of the red lens (header pin 16).", low=0, high=53)
    active_high: bool = _key(True, "false when a lens, or the light on the document, lights at a low level.")
    illumination: int = _key(
        -1,
        "BCM number of an LED beside the camera that lights the document where it is dark, and only while "
        "something moves there; -1: none. It is no lens of the lamp, and says nothing.",
        low=-1,
        high=53,
    )


@dataclass(frozen=True, slots=True)
class KioskConfig:
    """The officer's page, on loopback only."""

    port: int = _key(8080, "TCP port on 127.0.0.1; 0 takes a free one.", low=0, high=65535)
    language: str = _key("vi", "Language at the start; the page switches in one tap.", choices=("vi", "en"))
    clear_s: float = _key(15.0, "Seconds until name and birth date leave the page.", low=1, high=120)


@dataclass(frozen=True, slots=True)
class TrustConfig:
    """Where the trust list comes from and where it is kept."""

    url: str = _key("", "Address of the trust repository, for `vaxgate-sync`.")
    root: str = _key("", "File with the root metadata that this unit was given by hand, for `vaxgate-sync`.")
    store: str = _key("", "Folder of the store; empty: `trust` in the data directory.")
    seed: str = _key(
        "",
        "Folder of the list that came with the image, for a unit that has none of its own that is whole; "
        "empty: `/usr/share/vaxgate/seed`, where that is there.",
    )
    tls_roots: str = _key(
        "",
        "PEM file: only these certificate authorities may vouch for the server; empty: those of the system.",
    )
    rtc: str = _key(
        "",
        "A real-time clock that is believed, as `/sys/class/rtc/rtc0`; empty: none. Only for a clock with a "
        "battery on a unit whose time service does not write to it: what a forged time server says would "
        "get there.",
    )


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """A unit that judges by test keys, to train officers with samples. It lets nobody in."""

    enabled: bool = _key(
        False,
        "true: this unit is in TRAINING. It opens the store of test trust and no other, every page says "
        "TẬP HUẤN – TRAINING, answers on the lamp blink, and nothing is counted. A real certificate is red "
        "here.",
    )
    url: str = _key(
        "", "Address of the trust repository that lists test keys, for `vaxgate-sync once --training`."
    )
    root: str = _key(
        "", "File with the root metadata of that repository, for `vaxgate-sync once --training`."
    )
    store: str = _key("", "Folder of the store of test trust; empty: `trust-test` in the data directory.")


@dataclass(frozen=True, slots=True)
class RulesConfig:
    """What rules may know of this desk, and the orders of its post."""

    profile: str = _key(
        "border",
        "What kind of desk this is. Rules may speak of some kinds only, and the page differs.",
        choices=tuple(each.value for each in Profile),
    )
    country: str = _key(
        "VN",
        "Country of arrival, two letters: whose rules are asked. At a desk abroad, as an airline's, the "
        "destination of most flights.",
    )
    mode: str = _key(
        "",
        "By which way travellers come here, for rules that ask other things by air than by land; empty: not "
        "known, and such a rule answers `NEED_CONTEXT`.",
        choices=("", *(each.value for each in Mode)),
    )
    longest_h: float = _key(
        0.0,
        "Hours that a journey to here takes at most. Bounds a departure that nobody has told: a test that is "
        "older than its limit and this together is too old whatever the departure was. 0: no bound, and the "
        "desk asks.",
        low=0,
        high=240,
    )
    post: str = _key(
        "",
        "Name of this post, as orders of its commander say it (`moc-bai`). Empty: no order counts here.",
    )
    order_key: str = _key(
        "",
        "PEM file with the public key of the post's commander, or several, any of which may sign. Empty: no "
        "order counts here.",
    )
    orders: str = _key(
        "",
        "Folder of the orders, a file each, looked at once a second; empty: `orders` in the data directory.",
    )

    def context(self) -> Context:
        """What is known of each journey here before anybody says more."""
        return Context(
            profile=Profile(self.profile),
            country=self.country,
            mode=Mode(self.mode) if self.mode else None,
            longest=timedelta(hours=self.longest_h) if self.longest_h else None,
            post=self.post,
        )


@dataclass(frozen=True, slots=True)
class SiteConfig:
    """The desk."""

    name: str = _key("", "Shown on the page, as `T2, desk 14`.")
    phone: str = _key(
        "",
        "Whom to call when the trust list is out of date, as `+84 24 3768 0000`; the page shows it then.",
    )
    time_zone: str = _key("Asia/Ho_Chi_Minh", "Zone of the desk: times on the page, calendar days.")


@dataclass(frozen=True, slots=True)
class GateConfig:
    """How long things last."""

    hold_s: float = _key(
        4.0, "Seconds that a result stays on the lamp after its code was last seen.", low=0.2, high=60
    )
    same_code_s: float = _key(
        1.2, "Seconds that a code may flicker out of view and still be the same scan.", low=0.1, high=10
    )
    damaged_s: float = _key(
        1.0, "Seconds that a code must be in view unread until RESCAN `UNREADABLE`.", low=0.1, high=10
    )
    parts_s: float = _key(
        15.0,
        "Seconds that the unit waits for the next part of a code that is split over several, until RESCAN "
        "`INCOMPLETE`. Time to turn a page; the parts hold a person's data and are kept no longer.",
        low=1,
        high=60,
    )
    watchdog_s: float = _key(
        5.0, "Seconds without progress of the loop until the lamp is taken to OUT.", low=0.5, high=60
    )


@dataclass(frozen=True, slots=True)
class ReservedConfig:
    """A section whose keys come later."""


@dataclass(frozen=True, slots=True)
class Config:
    """The whole file."""

    camera: CameraConfig = CameraConfig()
    lamp: LampConfig = LampConfig()
    sound: ReservedConfig = ReservedConfig()
    kiosk: KioskConfig = KioskConfig()
    trust: TrustConfig = TrustConfig()
    training: TrainingConfig = TrainingConfig()
    rules: RulesConfig = RulesConfig()
    site: SiteConfig = SiteConfig()
    journal: ReservedConfig = ReservedConfig()
    gate: GateConfig = GateConfig()


def load(path: Path | None) -> Config:
    """The configuration of a file; all defaults for ``None``.

    Raises ConfigError when the file cannot be read, or names every key that is unknown or wrong.
    """
    if path is None:
        return Config()
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE + 1)
    except OSError as error:
        raise ConfigError(
            [f"{path}: cannot be read ({error.strerror}); give the file's right name"]
        ) from error
    if len(data) > MAX_FILE:
        raise ConfigError([f"{path}: larger than {MAX_FILE} bytes; this is no vaxgate.toml"])
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: not UTF-8 text"]) from error
    return _anchored(parse(text, str(path)), path.parent)


def _anchored(config: Config, folder: Path) -> Config:
    """The same with the paths of files taken from the folder of the configuration."""

    def at(path: str) -> str:
        return str(folder / path) if path else ""

    return replace(
        config,
        camera=replace(config.camera, path=at(config.camera.path)),
        trust=replace(
            config.trust,
            **{
                name: at(getattr(config.trust, name))
                for name in ("root", "store", "seed", "tls_roots", "rtc")
            },
        ),
        training=replace(config.training, root=at(config.training.root), store=at(config.training.store)),
        rules=replace(config.rules, order_key=at(config.rules.order_key), orders=at(config.rules.orders)),
    )


def parse(text: str, name: str = "vaxgate.toml") -> Config:
    """The configuration of this text, called ``name`` in messages. Raises ConfigError as :func:`load`."""
    try:
        table = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError([f"{name}: not TOML: {error}"]) from error
    problems: list[str] = []
    sections: dict[str, Any] = {}
    known = {each.name: type(each.default) for each in fields(Config)}
    for section, value in table.items():
        where = f"{name}:{_line(text, section)}"
        if section not in known:
            kind = (
                f"section [{section}]" if isinstance(value, dict) else f"key {section}, outside any section"
            )
            problems.append(f"{where}: unknown {kind}{_nearest(section, known, '[{}]')}")
        elif not isinstance(value, dict):
            problems.append(f"{where}: {section} is a section: write [{section}] on a line of its own")
        else:
            sections[section] = _section(known[section], value, _Source(text, name, section), problems)
    config = None if problems else Config(**sections)
    problems += _contradictions(config, text, name) if config else []
    if config is None or problems:
        raise ConfigError(problems)
    return config


def _contradictions(config: Config, text: str, name: str) -> list[str]:
    """What is wrong only when keys are held together, each at the line of one of them."""

    def place(section: str, key: str) -> str:
        return _Source(text, name, section).place(key)

    lamp, camera, found = config.lamp, config.camera, []
    pins = {"red": lamp.red, "amber": lamp.amber, "green": lamp.green, "white": lamp.white}
    if lamp.illumination >= 0:
        pins["illumination"] = lamp.illumination
    for lens, pin in pins.items():
        same = [other for other, its in pins.items() if its == pin and other < lens]
        found += [
            f"{place('lamp', lens)} and {other} are the same pin {pin}; give each its own" for other in same
        ]
    longest = 1000 / camera.fps
    if camera.kind in ("auto", "picamera2") and camera.exposure_ms > longest:
        found.append(
            f"{place('camera', 'exposure_ms')} {camera.exposure_ms:g} is longer than a frame at fps "
            f"{camera.fps}, {longest:.1f} ms; lower one of them"
        )
    if camera.kind == "files" and not camera.path:
        found.append(f'{place("camera", "kind")} "files" needs a path: a folder of pictures, or a video')
    if bool(config.rules.post) != bool(config.rules.order_key):
        given = "post" if config.rules.post else "order_key"
        found.append(
            f"{place('rules', given)}: post and order_key belong together: without both no order of the post "
            "counts"
        )
    for section, url in (("trust", config.trust.url), ("training", config.training.url)):
        if url and not url.startswith(("http://", "https://")):
            found.append(
                f"{place(section, 'url')}: an address that begins with http:// or https:// is expected"
            )
    return found


@dataclass(frozen=True, slots=True)
class _Source:
    """Where a section was read: the file's text and name."""

    text: str
    name: str
    section: str

    def place(self, key: str) -> str:
        return f"{self.name}:{_line(self.text, self.section, key)}: [{self.section}] {key}"


def _section(kind: type[Any], table: dict[str, Any], source: _Source, problems: list[str]) -> Any:
    known = {each.name: each for each in fields(kind)}
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key not in known:
            problems.append(f"{source.place(key)}: unknown key{_nearest(key, known) or _none_yet(known)}")
            continue
        wrong = _wrong(known[key], value)
        if wrong:
            problems.append(f"{source.place(key)}: {wrong}")
            continue
        values[key] = float(value) if isinstance(known[key].default, float) else value
    return kind(**values)


def _wrong(key: Field[Any], value: Any) -> str | None:
    """What is wrong with this value for the key; ``None`` when nothing is."""
    usual, limits = key.default, key.metadata
    wanted = {bool: "true or false", int: "a whole number", float: "a number", str: "a text in quotes"}[
        type(usual)
    ]
    fits = type(value) is type(usual) or (isinstance(usual, float) and type(value) is int)
    if not fits:
        return f"{wanted} is expected, not {value!r}"
    if limits["choices"] and value not in limits["choices"]:
        near = difflib.get_close_matches(value, limits["choices"], 1, 0.4)
        hint = f'; did you mean "{near[0]}"?' if near else ""
        return f'"{value}" is none of {", ".join(limits["choices"])}{hint}'
    if isinstance(value, int | float) and not limits["low"] <= value <= limits["high"]:
        return f"{value} is outside {limits['low']:g} … {limits['high']:g}"
    if key.name == "time_zone":
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError):
            return f'"{value}" is no time zone of this machine, as "Asia/Ho_Chi_Minh" is'
    if key.name == "country" and not (re.fullmatch(r"[A-Z]{2}", value) and alpha2(value) == value):
        return f'"{value}" is no country in two letters, as "VN" is'
    if key.name == "post" and value and not (value.isprintable() and len(value) <= MAX_TEXT):
        return f"a short name is expected, not {value!r}"
    if key.name == "phone" and value and not _PHONE.fullmatch(value):
        return f'"{value}" is no telephone number, as "+84 24 3768 0000" is'
    if key.name == "focus" and value not in ("auto", "near") and not _DIOPTRES.fullmatch(value):
        return (
            f'"{value}" is neither "auto" nor "near" nor a number of dioptres up to 20, as "5" for 20 cm is'
        )
    if key.name == "revision" and value and not re.fullmatch(r"[0-9a-fA-F]{4,8}", value):
        return f'"{value}" is no revision in hexadecimal, as "c03114" is'
    return None


def _nearest(name: str, known: Any, form: str = "{}") -> str:
    near = difflib.get_close_matches(name, list(known), 1, 0.5)
    return f"; did you mean {form.format(near[0])}?" if near else ""


def _none_yet(known: Any) -> str:
    return f"; there are {', '.join(known)}" if known else "; this section has no keys yet"


# Digits with what people put between them; a word for an extension may follow.
_PHONE = re.compile(r"\+?[0-9(][0-9 ()./-]{1,30}( ?[a-z.]{1,5} ?[0-9]{1,6})?")
# A lens at 20 dioptres is sharp at 5 cm, nearer than a document is held; 0 is far away.
_DIOPTRES = re.compile(r"(1?[0-9]|20)(\.[0-9]{1,2})?")
_HEADER = re.compile(r"\s*\[\s*([A-Za-z0-9_-]+)\s*\]")


def _line(text: str, section: str, key: str | None = None) -> int:
    """The line on which a section, or a key in it, stands; 1 when it is written in an unusual way."""
    wanted = re.compile(rf"""\s*["']?{re.escape(key or section)}["']?\s*[=.]""")
    dotted = re.compile(rf"""\s*{re.escape(section)}\s*[.=].*{re.escape(key or "")}""")
    here, found = "", 1
    for number, line in enumerate(text.splitlines(), 1):
        header = _HEADER.match(line)
        if header:
            here = header[1]
            if here == section:
                if key is None:
                    return number
                found = number
        elif (here == section and key is not None and wanted.match(line)) or (
            here == "" and dotted.match(line)
        ):
            return number
    return found


def reference() -> str:
    """The page ``docs/config.md``, made from the keys themselves."""
    out = [
        "# vaxgate.toml",
        "",
        "    [camera]",
        '    kind = "v4l2"',
        "",
        "    [site]",
        '    name = "T2, desk 14"',
        "",
        "One file, and every key has a default: a unit works without it. It is looked for as",
        "`VAXGATE_CONFIG`, `vaxgate.toml` in the working directory, `/etc/vaxgate/vaxgate.toml`.",
        "`vaxgate config check [FILE]` names an unknown or wrong key with its line and the nearest right",
        "one. This page is made from the code by `make docs`; a test",
        "holds the two together.",
        "",
    ]
    config = Config()
    for section in fields(config):
        value = getattr(config, section.name)
        keys = fields(value)
        out += [f"## [{section.name}]", "", (value.__doc__ or "").strip()]
        if keys:
            out += ["", "| key | default | meaning |", "|---|---|---|"]
            out += [f"| `{k.name}` | `{_toml(k.default)}` | {k.metadata['doc']}{_range(k)} |" for k in keys]
        out.append("")
    return "\n".join(out)


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f'"{value}"' if isinstance(value, str) else f"{value:g}"


def _range(key: Field[Any]) -> str:
    low, high = key.metadata["low"], key.metadata["high"]
    return f" {low:g} … {high:g}." if math.isfinite(low) else ""


if __name__ == "__main__":
    print(reference(), end="")
