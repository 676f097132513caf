"""``hub.toml``: which lists are gathered, who reviews, and whose keys sign.

The rules this module keeps:

* A hub is one directory; ``hub.toml`` stands in it, and paths in the file are relative to it.
* It holds no secret: of reviewers and of signing keys it names the public half. Private keys are files that
  are brought along when something is signed, and that is all there is to know of them here.
* An unknown word is an error that names the nearest right one; a pin with a spelling mistake must not become
  a list without a pin.
* Production and test are two repositories with keys of their own; no key stands in both.

    config = load_config(Path("hub"))
    config.sources, config.reviewers["an"], config.keys["production"]["root"]

The words are described in ``docs/hub.md``.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from trustsync.errors import TrustSyncError
from trustsync.hub.upstream import Source
from trustsync.publishing import ROLES
from trustsync.targets import PRODUCTION, TEST

CONFIG = "hub.toml"
ENVIRONMENTS = (PRODUCTION, TEST)
POINT = 32  # bytes of an Ed25519 public key
# Long on purpose: whoever sets it takes keys that nothing proves, and into the test list only.
UNPROVEN = "dangerous-take-unproven"

_MAX_FILE = 1 << 20  # bytes of hub.toml
_MAX_PIN = 1 << 20  # bytes of a pinned file
_SHA256 = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")  # also the name of a folder in the archive
_PERSON = re.compile(r"\w[\w .'-]{0,63}")  # also the name of a file, and what stands in quotes in hub.toml


class HubError(TrustSyncError):
    """What was asked of the hub cannot be done; what it holds and what it published stay."""


class NotPublishedError(HubError):
    """Nothing was published: signatures or keys are missing, or a unit would refuse the list."""


@dataclass(frozen=True, slots=True)
class HubConfig:
    """A hub's directory and what its ``hub.toml`` says.

    sources: in the order of the file; where two lists differ about a key, the earlier is believed. reviewers:
    name to Ed25519 public key. keys: environment to role to Ed25519 public keys.
    """

    directory: Path
    sources: tuple[Source, ...] = ()
    reviewers: Mapping[str, bytes] = field(default_factory=dict)
    keys: Mapping[str, Mapping[str, tuple[bytes, ...]]] = field(default_factory=dict)
    archive: Path = Path("archive")
    public: Path = Path("public")

    @property
    def state(self) -> Path:
        """The folder of what the hub holds."""
        return self.directory / "state"

    @property
    def content(self) -> Path:
        """The folder of what is published beside keys: rules, policy, recognition, advisories."""
        return self.directory / "content"

    def repository(self, environment: str) -> Path:
        """Where an environment's repository is published."""
        return self.public / environment

    def role_keys(self, environment: str) -> Mapping[str, tuple[bytes, ...]]:
        """The public keys of each role. Raises HubError where the environment has none."""
        keys = self.keys.get(environment)
        if not keys:
            raise HubError(
                f"{self.directory / CONFIG} names no keys for {environment}; there is no repository to sign. "
                f"Add [keys.{environment}], as vaxgate-hub init writes it"
            )
        return keys


NO_NAME = "a name is letters, digits, spaces, points, hyphens, 64 at most"


def is_name(text: str) -> bool:
    """Whether a reviewer may be called so."""
    return _PERSON.fullmatch(text) is not None


def load_config(directory: Path) -> HubConfig:
    """The hub of a directory. Raises HubError, naming every place that cannot be understood."""
    path = directory / CONFIG
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_FILE + 1)
    except FileNotFoundError as error:
        raise HubError(f"{directory} holds no hub; make one with: vaxgate-hub init {directory}") from error
    except OSError as error:
        raise HubError(f"{path} cannot be read: {error.strerror}") from error
    if len(text) > _MAX_FILE:
        raise HubError(f"{path} is larger than {_MAX_FILE} bytes; that is no configuration file")
    try:
        document = tomllib.loads(text.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise HubError(f"{path} is not valid TOML: {error}") from error
    reading = _Reading(directory)
    config = reading.config(document)
    if reading.problems:
        raise HubError(f"{path}: " + "; ".join(reading.problems))
    return config


class _Reading:
    """One reading of a file. problems: everything that is wrong with it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.problems: list[str] = []

    def config(self, document: Mapping[str, Any]) -> HubConfig:
        self._known(document, ("hub", "source", "reviewer", "keys"), "")
        hub = self._table(document.get("hub", {}), "[hub]")
        self._known(hub, ("archive", "public"), "[hub] ")
        sources = [self._source(row, n) for n, row in enumerate(self._rows(document, "source"), 1)]
        names = [source.name for source in sources]
        self.problems += [
            f"source {name!r} stands twice" for name in sorted(set(names)) if names.count(name) > 1
        ]
        return HubConfig(
            self._directory,
            tuple(sources),
            self._reviewers(document),
            self._keys(self._table(document.get("keys", {}), "[keys]")),
            archive=self._directory / self._text(hub, "archive", "[hub]", "archive"),
            public=self._directory / self._text(hub, "public", "[hub]", "public"),
        )

    def _source(self, row: Mapping[str, Any], number: int) -> Source:
        name = self._text(row, "name", f"source {number}")
        where = f"source {name!r}"
        self._known(row, ("name", "kind", "url", "environment", "pins", "options", UNPROVEN), f"{where}: ")
        if not _NAME.fullmatch(name):
            self.problems.append(f"{where}: a name is small letters, digits and hyphens, 32 at most")
        environment = self._text(row, "environment", where, PRODUCTION)
        if environment not in ENVIRONMENTS:
            self.problems.append(f"{where}: environment is production or test, not {environment!r}")
        unproven = row.get(UNPROVEN, False)
        if not isinstance(unproven, bool):
            self.problems.append(f"{where}: {UNPROVEN} is true or false")
        if unproven and environment != TEST:
            self.problems.append(
                f"{where}: {UNPROVEN} takes keys that nobody vouches for; that is for environment test only"
            )
        pins = self._table(row.get("pins", {}), f"{where}: pins")
        options = self._table(row.get("options", {}), f"{where}: options")
        return Source(
            name=name,
            kind=self._text(row, "kind", where),
            url=self._url(self._text(row, "url", where, "")),
            pins=MappingProxyType({role: self._pin(role, pin, where) for role, pin in pins.items()}),
            environment=environment,
            options=MappingProxyType(
                {word: self._text(options, word, f"{where}: options") for word in options}
            ),
            unproven=unproven is True,
        )

    def _url(self, url: str) -> str:
        """An address as it is; a path as seen from the hub's directory."""
        return url if not url or "://" in url else str((self._directory / url).resolve())

    def _pin(self, role: str, pin: Any, where: str) -> bytes:
        """The pinned bytes: of a file, or written out as ``hex:…`` or ``text:…``; a SHA-256 as it is."""
        if role == "sha256" and isinstance(pin, str) and _SHA256.fullmatch(pin):
            return pin.encode()
        if not isinstance(pin, str) or not pin:
            self.problems.append(f"{where}: pin {role} is the path of a file, hex:… or text:…")
            return b""
        kind, _, rest = pin.partition(":")
        if kind == "text":
            return rest.encode()
        if kind == "hex":
            try:
                return bytes.fromhex(rest)
            except ValueError:
                self.problems.append(f"{where}: pin {role} is no hexadecimal number")
                return b""
        path = self._directory / pin
        try:
            with path.open("rb") as file:
                data = file.read(_MAX_PIN + 1)
        except OSError as error:
            self.problems.append(f"{where}: pin {role}: {path} cannot be read ({error.strerror})")
            return b""
        if not 0 < len(data) <= _MAX_PIN:
            self.problems.append(f"{where}: pin {role}: {path} is empty or larger than {_MAX_PIN} bytes")
        return data

    def _reviewers(self, document: Mapping[str, Any]) -> Mapping[str, bytes]:
        reviewers: dict[str, bytes] = {}
        for number, row in enumerate(self._rows(document, "reviewer"), 1):
            name = self._text(row, "name", f"reviewer {number}")
            where = f"reviewer {name!r}"
            self._known(row, ("name", "key"), f"{where}: ")
            if not is_name(name):
                self.problems.append(f"{where}: {NO_NAME}")
            key = self._point(row.get("key"), where)
            if name in reviewers:
                self.problems.append(f"{where} stands twice")
            if key in reviewers.values():
                self.problems.append(f"{where}: another reviewer has this key; two names are two people here")
            reviewers[name] = key
        return MappingProxyType(reviewers)

    def _keys(self, table: Mapping[str, Any]) -> Mapping[str, Mapping[str, tuple[bytes, ...]]]:
        self._known(table, ENVIRONMENTS, "[keys] ")
        found: dict[str, Mapping[str, tuple[bytes, ...]]] = {}
        seen: dict[bytes, str] = {}
        for environment in (each for each in ENVIRONMENTS if each in table):
            where = f"[keys.{environment}]"
            roles = self._table(table[environment], where)
            self._known(roles, tuple(ROLES), f"{where} ")
            own: dict[str, tuple[bytes, ...]] = {}
            for role, form in ROLES.items():
                if role not in roles and form.delegated:
                    continue
                listed = roles.get(role)
                points = [
                    self._point(each, f"{where} {role}")
                    for each in (listed if isinstance(listed, list) else ())
                ]
                if len(points) < form.needed:
                    self.problems.append(f"{where} {role}: {form.needed} keys are needed")
                for point in points:
                    place = f"{environment} {role}"
                    if point and point in seen:
                        self.problems.append(f"{where} {role}: a key of {seen[point]}; each key has one role")
                    seen[point] = place
                own[role] = tuple(points)
            found[environment] = MappingProxyType(own)
        return MappingProxyType(found)

    def _point(self, text: Any, where: str) -> bytes:
        try:
            point = bytes.fromhex(text) if isinstance(text, str) else b""
        except ValueError:
            point = b""
        if len(point) != POINT:
            self.problems.append(f"{where}: an Ed25519 public key is {2 * POINT} hexadecimal digits")
        return point

    def _rows(self, document: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
        rows = document.get(name, [])
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            self.problems.append(f"[[{name}]] has double brackets, one for each")
            return []
        return rows

    def _table(self, value: Any, where: str) -> Mapping[str, Any]:
        if isinstance(value, dict):
            return value
        self.problems.append(f"{where} is a table of words")
        return {}

    def _text(self, row: Mapping[str, Any], name: str, where: str, default: str | None = None) -> str:
        value = row.get(name, default)
        if isinstance(value, str):
            return value
        self.problems.append(f"{where}: {name} must be a text in quotes")
        return ""

    def _known(self, row: Mapping[str, Any], known: Collection[str], where: str) -> None:
        for word in row:
            if word not in known:
                near = difflib.get_close_matches(word, known, 1, 0.5)
                hint = f"; did you mean {near[0]}?" if near else ""
                self.problems.append(f"{where}unknown word {word!r}{hint}")
