"""The command ``vaxgate-sync``: bring the trust list up to date, or say how it stands.

The rules this module keeps:

* Results on stdout, talk on stderr; ``--json`` gives one object.
* ``once`` and ``import`` exit 0 when the list in force is the published one, 1 when it could not be had, 2 on
  wrong use; ``status`` exits 0 (FRESH, STALE-1), 10 (STALE-2, STALE-3) or 40; ``verify`` 0 or 40.
* Test trust has a store of its own, and is asked for by ``--training``, which is said loudly each time.
* What a person does to a unit is written down with a name: imports, confirmations of the clock, alarms seen.

    vaxgate-sync once --url http://127.0.0.1:8000 --root root.json
    vaxgate-sync status --json
    vaxgate-sync import /media/stick --by "Nguyễn Thị Hoa"
"""

from __future__ import annotations

import argparse
import contextlib
import getpass
import json
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trustsync.environments import Environment, check_environment
from trustsync.errors import BusyError, RefusedError, SettingsError, StoreError, TrustSyncError
from trustsync.facts import STATE_NAME, StoreState, read_state
from trustsync.options import build_parser
from trustsync.paths import TrustSettings, load_settings, trust_dir
from verifier.times import written

if TYPE_CHECKING:
    from trustsync.status import Status
    from trustsync.sync import SyncConfig, SyncResult

_MAX_ROOT = 1 << 20  # bytes of a root file
MAX_NAME = 120  # characters of who did something
_COUNTED = {
    "root": "keys",
    "trust": "keys",
    "revocation": "entries",
    "rules": "bundles",
    "recognition": "issuers",
    "software": "advisories",
}
_COLOURS = {0: "32", 10: "33", 40: "31"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with these arguments and return its exit status."""
    options = _parser().parse_args(argv)
    if options.training:
        print(
            "vaxgate-sync: TRAINING: this is the store of test trust; nobody is let in by it", file=sys.stderr
        )
    try:
        return int(options.run(options))
    except SettingsError as error:
        print(f"vaxgate-sync: {error}", file=sys.stderr)
        return 2
    except TrustSyncError as error:
        if options.json:
            alarm = error.alarm.value if isinstance(error, RefusedError) else None
            _tell({"ok": False, "error": str(error), "alarm": alarm})
        print(f"vaxgate-sync: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # whoever read has read enough
        return 1


# --- Bringing the list up to date -------------------------------------------------------------------------


def _once(options: argparse.Namespace) -> int:
    from trustsync import timesources
    from trustsync.schedule import is_due

    settings = _settings(options)
    url = options.url or settings.url
    if not url:
        raise SettingsError(
            "the repository is not named; give --url and --root, or url and root in "
            f"{_section(settings)} of vaxgate.toml"
        )
    now = options.at or datetime.now(UTC)
    store = _store(options, settings)
    config = _config(options, settings, url=_checked(url))
    state = _known_state(store)
    if options.if_due and not is_due(state.next_try, now):
        if not options.at:
            _note_clock(store, state, settings)
        words = f"not due before {_iso(state.next_try)}"
        _tell({"ok": True, "due": False, "next_try": _iso(state.next_try)}) if options.json else print(words)
        return 0
    if options.at:
        return _synced(options, config, now, settings)
    proof = timesources.authenticated(settings, state.clock, tell=lambda why: print(why, file=sys.stderr))
    return _synced(
        options,
        config,
        now,
        settings,
        reading=timesources.reading(),
        proven=None if proof is None else proof.reading,
    )


def _known_state(store: Path) -> StoreState:
    """The facts of the store; none where it is damaged, which the sync mends."""
    try:
        return read_state(store / STATE_NAME) or StoreState()
    except StoreError:
        return StoreState()


def _note_clock(store: Path, state: StoreState, settings: TrustSettings) -> None:
    """Between two syncs the clock is written down each hour, so that one that is set back is noticed, and the
    proof of it kept, so that it does not run out by day.
    """
    from trustsync import timesources
    from trustsync.schedule import note_is_due
    from trustsync.state import StateDatabase
    from trustsync.sync import single_instance

    reading = timesources.reading()
    if not note_is_due(reading, state.clock):
        return
    proof = timesources.authenticated(settings, state.clock)
    with (
        contextlib.suppress(BusyError),  # the sync that is at work writes it down itself
        single_instance(store),
        StateDatabase(store / STATE_NAME) as database,
    ):
        database.note_clock(reading, None if proof is None else proof.reading)


def _import(options: argparse.Namespace) -> int:
    from trustsync import timesources

    settings = _settings(options)
    folder: Path = options.folder
    if not (folder / "metadata").is_dir():
        raise SettingsError(
            f"{folder}: no trust repository; the folder that holds metadata/ and targets/ is expected"
        )
    config = _config(options, settings, folder=folder)
    now = options.at or datetime.now(UTC)
    reading = None if options.at else timesources.reading()
    return _synced(options, config, now, settings, reading=reading, by=_who(options))


def _synced(
    options: argparse.Namespace,
    config: SyncConfig,
    now: datetime,
    settings: TrustSettings,
    *,
    by: str | None = None,
    **clock: Any,
) -> int:
    """One sync with everything that stands round it: what was done and by whom, and when the next one is
    due."""
    from trustsync.sync import sync_once

    outcome = "failed"
    try:
        result = sync_once(config, now=now, progress=lambda step: print(step, file=sys.stderr), **clock)
        outcome = f"generation {result.generation}, {'new' if result.changed else 'unchanged'}"
    except RefusedError as error:
        outcome = f"refused, {error.alarm.value}"
        raise
    finally:
        _note(config, now, settings, None if by is None else (by, outcome))
    _tell(_facts(result)) if options.json else print(_words(result))
    return 0


def _note(
    config: SyncConfig, now: datetime, settings: TrustSettings, imported: tuple[str, str] | None
) -> None:
    """Write down an import, and when the next sync is due. What cannot be written was said before."""
    import random

    from trustsync.device import device_name
    from trustsync.schedule import next_try
    from trustsync.state import StateDatabase
    from trustsync.sync import single_instance
    from verifier.trust import list_state

    path = config.store / STATE_NAME
    if not (path.is_file() and path.stat().st_size):
        return  # the sync has made none, and an empty one would be a store without a floor
    try:
        state = _known_state(config.store)
        due = next_try(
            now=now,
            state=None if state.active is None else list_state(now - state.active.signed_at),
            device=device_name(config.store),
            failures=state.failures,
            rng=random.Random(),  # noqa: S311 - jitter, no secret
            zone=settings.time_zone,
        )
        with (
            single_instance(config.store),
            StateDatabase(path, config.environment) as database,
        ):
            if imported is not None:
                who, outcome = imported
                database.record_operation(now, who, "import", f"{config.folder}: {outcome}")
            database.set_next_try(due)
    except TrustSyncError as error:
        print(f"vaxgate-sync: {error}", file=sys.stderr)


def _facts(result: SyncResult) -> dict[str, Any]:
    return {
        "ok": True,
        "changed": result.changed,
        "generation": result.generation,
        "signed_at": _iso(result.signed_at),
        "fetched": list(result.fetched),
        "linked": list(result.linked),
        "requests": result.requests,
        "received": result.received,
        "wire_bytes": result.wire_bytes,
    }


def _words(result: SyncResult) -> str:
    word = "new" if result.changed else "unchanged"
    return f"list {word}: generation {result.generation}, signed {_iso(result.signed_at)}"


# --- What a person does -----------------------------------------------------------------------------------


def _confirm_clock(options: argparse.Namespace) -> int:
    from trustsync import timesources

    reading = timesources.reading()
    with _database(options) as database:
        floor = database.state().floor
        if floor is not None and reading.wall < floor:
            raise SettingsError(
                f"the clock says {_iso(reading.wall)}, and it is at least {_iso(floor)}; set it right first"
            )
        database.confirm_clock(reading, _who(options))
    words = f"clock confirmed: {_iso(reading.wall)}"
    _tell({"ok": True, "confirmed": _iso(reading.wall)}) if options.json else print(words)
    return 0


def _acknowledge(options: argparse.Namespace) -> int:
    with _database(options) as database:
        stood = database.acknowledge(options.alarm, datetime.now(UTC), _who(options))
    words = f"{options.alarm}: {'taken down' if stood else 'does not stand'}"
    _tell({"ok": True, "alarm": options.alarm.value, "stood": stood}) if options.json else print(words)
    return 0


def _seed(options: argparse.Namespace) -> int:
    from trustsync.seed import write_seed

    settings = load_settings(options.config)
    seed = write_seed(_store(options, settings), options.out, datetime.now(UTC))
    words = f"seed {options.out}: generation {seed.slot.number}, signed {_iso(seed.slot.signed_at)}"
    facts = {"ok": True, "generation": seed.slot.number, "signed_at": _iso(seed.slot.signed_at)}
    _tell(facts) if options.json else print(words)
    return 0


# --- Saying how the list stands ---------------------------------------------------------------------------


def _status(options: argparse.Namespace) -> int:
    from trustsync.status import read_status
    from verifier.clocks import Reading

    settings = _settings(options)
    store = _store(options, settings)
    now = options.at or datetime.now(UTC)
    clock = Reading(now) if options.at else None
    status = read_status(store, now, seed=settings.seed, clock=clock, environment=settings.environment)
    if options.json:
        _tell(status.as_json() | {"store": str(store)})
    else:
        print(_for_people(status, store))
    return status.exit_code


def _verify(options: argparse.Namespace) -> int:
    """Every byte of the generation in force, and of the one before it, against its digest."""
    from trustsync import generation

    settings = _settings(options)
    store = _store(options, settings)
    state = read_state(store / STATE_NAME) or StoreState()
    check_environment(state.environment, settings.environment, store)
    answer: dict[str, Any] = {"ok": state.active is not None, "generations": []}
    for slot in (state.active, state.previous):
        if slot is None:
            continue
        directory = generation.directory_of(store, slot.number)
        try:
            held = generation.inspect(directory, slot.digest)
            faults = dict(held.faults)
            size = sum(record.size for record in held.manifest.files.values())
        except StoreError as error:
            faults, size = {generation.MANIFEST: str(error)}, 0
        answer["ok"] = answer["ok"] and (not faults or slot is not state.active)
        answer["generations"].append({"generation": slot.number, "bytes": size, "faults": faults})
        if not options.json:
            told = "; ".join(f"{name}: {fault}" for name, fault in faults.items()) or f"{size} bytes, whole"
            print(f"generation {slot.number}: {told}")
    if options.json:
        _tell(answer)
    elif state.active is None:
        print(f"no trust list was ever installed in {store}")
    return 0 if answer["ok"] else 40


def _for_people(status: Status, store: Path) -> str:
    state = status.state
    if sys.stdout.isatty() and not os.environ.get("NO_COLOR"):
        state = f"\x1b[{_COLOURS[status.exit_code]}m{state}\x1b[0m"
    lines = [f"environment {status.environment}"] if status.environment is Environment.TEST else []
    lines += [f"state       {state}", f"clock       {status.clock.value}", f"store       {store}"]
    if status.signed_at is not None and status.age_s is not None:
        lines.append(f"signed at   {_iso(status.signed_at)} ({_ago(status.age_s)})")
    if status.generation is not None:
        lines.append(f"generation  {status.generation} ({status.origin or 'not usable'})")
    for name, item in status.sets.items():
        age = "" if item.signed_at is None else f"signed {_iso(item.signed_at)}, "
        lines.append(
            f"  {name:<12}version {item.version}, {item.count} {_COUNTED.get(name, 'rows')}, "
            f"{age}expires {_iso(item.expires)}"
        )
    if status.next_try is not None:
        lines.append(f"next try    {_iso(status.next_try)}")
    if status.last_error is not None:
        lines.append(f"last error  {status.last_error}")
    lines.extend(f"alarm       {alarm.code.value} since {_iso(alarm.at)}" for alarm in status.alarms)
    lines.extend(
        f"update      required: {each.package} ({each.severity}, {each.id})" for each in status.advisories
    )
    lines.extend(f"operation   {_iso(o.at)} {o.who}: {o.what} {o.detail}" for o in status.operations[:5])
    return "\n".join(lines)


def _ago(seconds: int) -> str:
    return f"{seconds / 3600:.1f} h ago" if seconds < 72 * 3600 else f"{seconds // 86400} days ago"


# --- Options ----------------------------------------------------------------------------------------------


def _iso(instant: datetime | None) -> str | None:
    return None if instant is None else written(instant)


def _tell(answer: dict[str, Any]) -> None:
    print(json.dumps(answer, ensure_ascii=False))


def _config(
    options: argparse.Namespace, settings: TrustSettings, url: str = "", folder: Path | None = None
) -> SyncConfig:
    from trustsync.fetcher import tls_context
    from trustsync.sync import SyncConfig

    root = options.root or settings.root
    if not root:
        raise SettingsError(
            f"the pinned root is not named; give --root, or root in {_section(settings)} of vaxgate.toml"
        )
    pinned = None if settings.tls_roots is None else _read(settings.tls_roots, "the TLS roots")
    store = _store(options, settings)
    # Before anything: what is written down round a sync must not reach a store of another kind.
    check_environment(_known_state(store).environment, settings.environment, store)
    return SyncConfig(
        url=url,
        root=_root_bytes(root),
        store=store,
        tls=None if pinned is None else tls_context(pinned),
        seed=settings.seed,
        folder=folder,
        environment=settings.environment,
    )


def _database(options: argparse.Namespace) -> Any:
    """The state database of a store that is there, under its lock."""
    from trustsync.state import StateDatabase
    from trustsync.sync import single_instance

    settings = _settings(options)
    store = _store(options, settings)
    if not (store / STATE_NAME).exists():
        raise SettingsError(f"{store}: no trust store; sync first")
    check_environment(_known_state(store).environment, settings.environment, store)

    @contextlib.contextmanager
    def opened() -> Any:
        with single_instance(store), StateDatabase(store / STATE_NAME) as database:
            yield database

    return opened()


def _who(options: argparse.Namespace) -> str:
    """Who does this: as given, else the user of this session."""
    try:
        name = options.by or os.environ.get("SUDO_USER") or getpass.getuser()
    except (OSError, KeyError) as error:
        raise SettingsError("who does this? Give --by NAME") from error
    if not name.strip() or len(name) > MAX_NAME or not name.isprintable():
        raise SettingsError(f"--by: a name of 1 to {MAX_NAME} printable characters is expected")
    return str(name.strip())


def _settings(options: argparse.Namespace) -> TrustSettings:
    return load_settings(options.config, Environment.TEST if options.training else Environment.PRODUCTION)


def _section(settings: TrustSettings) -> str:
    return "[training]" if settings.environment is Environment.TEST else "[trust]"


def _store(options: argparse.Namespace, settings: TrustSettings) -> Path:
    if options.store is not None:
        return Path(options.store)
    return settings.store or trust_dir(settings.environment)


def _read(path: Path, what: str) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_ROOT + 1)
    except OSError as error:
        raise SettingsError(f"{what} {path} cannot be read: {error.strerror}") from error
    if len(data) > _MAX_ROOT:
        raise SettingsError(f"{what} {path}: larger than {_MAX_ROOT} bytes; that cannot be right")
    return data


def _root_bytes(path: Path) -> bytes:
    data = _read(path, "the root")
    try:
        is_root = json.loads(data)["signed"]["_type"] == "root"
    except (ValueError, KeyError, TypeError, RecursionError):
        is_root = False
    if not is_root:
        raise SettingsError(f"the root {path} is no TUF root; pin the publisher's root.json")
    return data


def _checked(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise SettingsError(f"{url}: an address that begins with http:// or https:// is expected")
    return url


def _parser() -> argparse.ArgumentParser:
    return build_parser(
        {
            "once": _once,
            "import": _import,
            "status": _status,
            "verify": _verify,
            "confirm-clock": _confirm_clock,
            "acknowledge": _acknowledge,
            "seed": _seed,
        }
    )


if __name__ == "__main__":
    sys.exit(main())
