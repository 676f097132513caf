"""Where things lie on this machine, and the few settings of the trust store.

The rules this module keeps:

* One data directory: ``VAXGATE_DATA``, else ``.vaxgate`` in a checkout, else ``/var/lib/vaxgate``.
* The trust store is one directory in it, written by the sync alone. Test trust, for training, has a directory
  and settings of its own, and no seed.
* Settings come from the command line first, then from ``[trust]`` or ``[training]`` of ``vaxgate.toml``.

    trust_dir()                          # .../trust
    trust_dir(Environment.TEST)          # .../trust-test
    settings = load_settings(Path("vaxgate.toml"))
    settings.url, settings.root, settings.store
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from trustsync.environments import Environment
from trustsync.errors import SettingsError

CONFIG_NAME = "vaxgate.toml"
_SYSTEM_DATA = Path("/var/lib/vaxgate")
_SYSTEM_SEED = Path("/usr/share/vaxgate/seed")
_SYSTEM_CONFIG = Path("/etc/vaxgate") / CONFIG_NAME
_MAX_CONFIG = 1 << 20  # bytes of a configuration file


@dataclass(frozen=True, slots=True)
class TrustSettings:
    """What the sync reads of the configuration.

    url: of the repository. root: file of the pinned root. store: directory. seed: directory of the image's
    seed. tls_roots: PEM file; only these may vouch for the server. rtc: directory of a real-time clock that
    is believed. time_zone: of the site, whose night is meant. environment: what the store is for.
    """

    url: str | None = None
    root: Path | None = None
    store: Path | None = None
    seed: Path | None = None
    tls_roots: Path | None = None
    rtc: Path | None = None
    time_zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("Asia/Ho_Chi_Minh"))
    environment: Environment = Environment.PRODUCTION


def data_dir(environment: Mapping[str, str] | None = None, cwd: Path | None = None) -> Path:
    """The directory under which everything that is kept is kept. It need not exist yet."""
    chosen = (os.environ if environment is None else environment).get("VAXGATE_DATA")
    if chosen:
        return Path(chosen)
    here = Path.cwd() if cwd is None else cwd
    return here / ".vaxgate" if _is_checkout(here) else _SYSTEM_DATA


def trust_dir(environment: Environment = Environment.PRODUCTION) -> Path:
    """The trust store of this machine, or the one of its training."""
    return data_dir() / ("trust-test" if environment is Environment.TEST else "trust")


def seed_dir() -> Path | None:
    """Where the image of this machine carries a list, if it does."""
    return _SYSTEM_SEED if _SYSTEM_SEED.is_dir() else None


def config_file() -> Path | None:
    """The file in force: ``VAXGATE_CONFIG``, ``vaxgate.toml`` here, the one in ``/etc/vaxgate``, or none."""
    named = os.environ.get("VAXGATE_CONFIG")
    if named:
        return Path(named)
    usual = (Path(CONFIG_NAME), _SYSTEM_CONFIG)
    return next((path for path in usual if path.is_file()), None)


def load_settings(
    path: Path | None = None, environment: Environment = Environment.PRODUCTION
) -> TrustSettings:
    """The section ``[trust]`` of a configuration file, and the site's zone; keys that it does not name are
    ``None``.

    path: the file; without it the one in force, if there is one. environment: for test trust, repository,
    root and store are those of ``[training]``. Relative paths in the file are relative to the file. Other
    sections and keys are the appliance's business. Raises SettingsError when the file cannot be read or one
    of these keys is not what it must be.
    """
    path = path or config_file()
    training = environment is Environment.TEST
    usual = None if training else seed_dir()
    if path is None:
        return TrustSettings(seed=usual, environment=environment)
    table = _toml(path)
    trust = _texts(table, "trust", ("url", "root", "store", "seed", "tls_roots", "rtc"), path)
    if training:
        shared = {name: trust[name] for name in ("tls_roots", "rtc") if name in trust}
        trust = shared | _texts(table, "training", ("url", "root", "store"), path)
    zone = _texts(table, "site", ("time_zone",), path).get("time_zone")
    files = {name: path.parent / trust[name] for name in trust if name != "url"}
    try:
        site = TrustSettings(time_zone=ZoneInfo(zone)) if zone else TrustSettings()
    except (KeyError, ValueError, OSError) as error:
        raise SettingsError(f"{path}: [site] time_zone: {zone!r} is no time zone of this machine") from error
    return replace(
        site,
        url=trust.get("url"),
        root=files.get("root"),
        store=files.get("store"),
        seed=files.get("seed", usual),
        tls_roots=files.get("tls_roots"),
        rtc=files.get("rtc"),
        environment=environment,
    )


def _texts(table: dict[str, Any], section: str, names: tuple[str, ...], path: Path) -> dict[str, str]:
    """The texts of these keys that are there and not empty."""
    found = table.get(section, {})
    if not isinstance(found, dict):
        raise SettingsError(f"{path}: [{section}] is not a section")
    for name in names:
        if not isinstance(found.get(name, ""), str):
            raise SettingsError(f"{path}: [{section}] {name} must be a text in quotes")
    return {name: found[name] for name in names if found.get(name)}


def _is_checkout(directory: Path) -> bool:
    project = directory / "pyproject.toml"
    if not project.is_file():
        return False
    try:
        return bool(_toml(project).get("project", {}).get("name") == "vaxgate")
    except SettingsError:
        return False


def _toml(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_CONFIG + 1)
        if len(text) > _MAX_CONFIG:
            raise SettingsError(f"{path}: larger than {_MAX_CONFIG} bytes; that is no configuration file")
        return tomllib.loads(text.decode())
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not valid TOML: {error}") from error
