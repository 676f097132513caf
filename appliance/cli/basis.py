"""What a command judges by, as its options say: keys, rules, the time, the journey and who stands here.

The rules this module keeps:

* Keys that are given count as given, of no age; a store answers for what it is.
* On this machine, with its own store, a code is judged as its desk judges it: by the journey and the orders
  that vaxgate.toml tells of, unless options say otherwise.
* The time and the list are those of the moment in which a code is judged: a long run does not grow old.
* A travel document's lines come from a file, never from an argument: arguments stand in the list of processes
  and in the shell's history.
* An error repeats an argument only where that cannot be a person's.

    add_options(parser)
    judged = judging(parser.parse_args(argv), "vaxgate-verify")
    judged(code, ()).verdict.state
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.cli.answer import Judged, judge, readable
from appliance.cli.inputs import UsageError, is_code
from appliance.cli.rules_bundle import bundles_of
from appliance.cli.session import Judge
from appliance.config import RulesConfig, load
from appliance.errors import ConfigError
from appliance.judging import Basis
from trustsync.environments import Environment
from trustsync.errors import NoListError, SettingsError, StoreError, TrustSyncError
from trustsync.orders import OrderError, Orders, read_keys, read_orders
from trustsync.paths import config_file, data_dir
from verifier.assessment import Assessment
from verifier.clocks import clock_state, reckoned
from verifier.identity import Traveller
from verifier.mrz import MAX_TEXT, MrzError, read_lines
from verifier.opening import OpenedCode, open_code
from verifier.policy.bundle import SIGNATURE_ONLY, RuleBundle
from verifier.policy.context import Context
from verifier.policy.context_json import ContextError, read_context
from verifier.reading import read_checks
from verifier.reasons import Reason
from verifier.trust import TrustList
from verifier.verdict import without_code
from verifier.wire.keyfile import KeyFile, KeyFileError, listed_crls, parse_trust

if TYPE_CHECKING:
    from trustsync.store import TrustStore

_NUMBERS = frozenset({"longest", "airside"})  # members of a journey that are numbers


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options that say what to judge by."""
    parser.add_argument(
        "--trust",
        type=Path,
        action="append",
        default=[],
        metavar="PATH",
        help="PEM, DER, JWK, JWKS, DID document, CSCA, CRL, a signed trust list or a trust store; repeatable "
        "(default: this machine's store)",
    )
    parser.add_argument(
        "--trust-pin",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="the key or certificate under which the signed lists must hold; without one their keys are "
        "taken as given",
    )
    parser.add_argument(
        "--rules",
        action="append",
        default=[],
        metavar="BUNDLE|signature-only",
        help="a shipped rule bundle by its name, a bundle's source or a file of built bundles; repeatable "
        "(default: of a store the one in force, with key files signature-only)",
    )
    parser.add_argument(
        "--at", metavar="INSTANT", help="judge at this instant, e.g. 2022-03-01T09:00:00+07:00"
    )
    parser.add_argument(
        "--journey",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="what is known of the journey, e.g. mode=air or departure=2022-03-01T02:00:00+07:00; repeatable",
    )
    parser.add_argument(
        "--passport",
        metavar="FILE|-",
        help="hold name and birth date against the machine readable lines in this file (- for stdin)",
    )
    parser.add_argument(
        "--together", action="store_true", help="the codes are certificates of one traveller, judged together"
    )
    parser.add_argument("--data-matrix", action="store_true", help="read DataMatrix symbols in images too")


def judging(options: argparse.Namespace, command: str) -> Judge:
    """How to judge a code by these options. command: for what is told on stderr. Raises UsageError."""
    at = instant(options.at)
    rules = RulesConfig() if options.trust else _desk()
    context = journey(options.journey, rules.context())
    if options.passport is not None:
        context = replace(context, traveller=_traveller(options.passport))
    own = tuple(bundle for argument in options.rules for bundle in bundles_of(argument))
    if orders := [bundle.name for bundle in own if bundle.post]:
        raise UsageError(
            f"--rules: {orders[0]} is an order of a post and is asked beside the rules; lay the signed file "
            "into the folder orders of the data directory, with post and order_key of [rules] set"
        )
    stores = [path for path in options.trust if _is_folder(path)]
    if options.trust and not stores:
        keys = _given_trust(options.trust, options.trust_pin, at or datetime.now(UTC), command)

        def by_keys(code: str | bytes | OpenedCode, earlier: Sequence[Assessment] = ()) -> Judged:
            now = at or datetime.now(UTC)
            return judge(code, Basis(keys, own or (SIGNATURE_ONLY,), now, context=context), earlier)

        return by_keys
    if options.trust_pin:
        raise UsageError("--trust-pin goes with --trust and a signed list; a store has its own anchor")
    if len(options.trust) > 1:
        raise UsageError("--trust: a store stands alone; give either one store or any number of key files")
    return _by_store(stores, own, lambda: _orders(rules), context=context, at=at, command=command)


def _by_store(
    stores: Sequence[Path],
    own: tuple[RuleBundle, ...],
    orders_now: Callable[[], Orders],
    *,
    context: Context,
    at: datetime | None,
    command: str,
) -> Judge:
    from trustsync.paths import load_settings, trust_dir
    from trustsync.store import open_store
    from trustsync.timesources import reading

    try:
        settings = load_settings()
        # A store that was named answers for itself alone; this machine's has the image's seed behind it.
        store = (
            _named_store(_store(stores[0]))
            if stores
            else open_store(settings.store or trust_dir(), settings.seed)
        )
    except SettingsError as error:
        raise UsageError(str(error)) from error
    told: set[str] = set()

    def tell(line: str) -> None:
        if line not in told:
            print(f"{command}: {line}", file=sys.stderr)
            told.add(line)

    def by_store(code: str | bytes | OpenedCode, earlier: Sequence[Assessment] = ()) -> Judged:
        try:
            held = store.current()
        except TrustSyncError as error:
            tell(str(error))
            reason = Reason.NO_LIST if isinstance(error, NoListError) else Reason.STORE_DOWN
            return _out(code, reason, at)
        # an instant that was given is taken at its word; the machine's own clock is not
        now, clock = at, None
        if now is None:
            seen = reading()
            now, clock = reckoned(seen, held.clock), clock_state(seen, held.clock)
        orders = orders_now()
        for line in orders.refused:
            tell(f"order of the post: {line}")
        basis = Basis(
            held.trust,
            own or held.bundles,
            now,
            clock,
            held.floor,
            context=context,
            orders=orders.orders,
        )
        return replace(judge(code, basis, earlier), environment=held.environment)

    return by_store


def _out(code: str | bytes | OpenedCode, reason: Reason, at: datetime | None) -> Judged:
    """No list on this machine: the unit is out, and the report says only what needs no list.

    at: the instant that was given; this machine's clock alone, with no floor to hold it against, is no time.
    """
    opened = code if isinstance(code, OpenedCode) else open_code(code)
    verdict = replace(without_code(reason), family=opened.family)
    return Judged(verdict, read_checks(opened, trust=TrustList.of([]), now=at), {})


def _store(path: Path) -> Path:
    """The store in this directory, which may be the data directory above it."""
    return path / "trust" if _is_folder(path / "trust") else path


def _named_store(path: Path) -> TrustStore:
    """A store that somebody names is opened as what it says it is; every answer by test trust tells so."""
    from trustsync.facts import STATE_NAME, read_state
    from trustsync.store import open_store

    try:
        state = read_state(path / STATE_NAME)
    except StoreError:
        state = None  # told with the first answer, for which the store is opened
    return open_store(path, environment=(state and state.environment) or Environment.PRODUCTION)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError) as error:  # no rights, or no name that a file can have
        raise UsageError(f"--trust {shown(path)}: it cannot be looked at ({type(error).__name__})") from error


def _given_trust(paths: list[Path], pins: list[Path], now: datetime, command: str) -> TrustList:
    given = KeyFile()
    pinned = [_file(path, "--trust-pin") for path in pins]
    held_against = False
    for path in paths:
        data = _file(path, "--trust")
        try:
            signed = _signed_list(path, data, pinned, now, command)
            held_against |= signed is not None
            given += parse_trust(data, source=path.name) if signed is None else signed
        except (KeyFileError, TrustSyncError) as error:
            raise UsageError(f"--trust {shown(path)}: {error}") from error
    if pins and not held_against:
        raise UsageError("--trust-pin: none of what --trust gives is a signed list, so nothing was proven")
    try:
        return TrustList.of(
            dict.fromkeys(given.keys),
            authorities=dict.fromkeys(given.authorities),
            revocation=listed_crls(given.crls, given.authorities) if given.crls else None,
            source="given",
        )
    except ValueError as error:  # a CRL of nobody given, or too many keys of one KID
        raise UsageError(f"--trust: {error}") from error


def _signed_list(path: Path, data: bytes, pins: list[bytes], now: datetime, command: str) -> KeyFile | None:
    """The keys of a signed list in a form of the hub; ``None`` for a file of another form.

    Raises TrustSyncError for one that does not hold under what is pinned, or cannot be read.
    """
    if data.lstrip().startswith(b"-----BEGIN "):
        return None
    from trustsync.hub.given import read_given

    def beside(suffix: str) -> bytes | None:
        other = path.with_suffix(suffix)
        return _file(other, "--trust") if other != path and other.is_file() else None

    signed = read_given(data, name=path.name, beside=beside, pins=pins, now=now)
    if signed is None:
        return None
    told = [] if signed.proven else ["its signature was NOT checked, its keys are taken as given"]
    told += [f"{len(signed.skipped)} entries left out"] if signed.skipped else []
    if told:
        print(f"{command}: {readable(path.name)}: {signed.what}; {'; '.join(told)}", file=sys.stderr)
    return signed.held


def _file(path: Path, option: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{option} {shown(path)}: {error.strerror}") from error


def _desk() -> RulesConfig:
    """What the configuration in force says of this desk."""
    try:
        return load(config_file()).rules
    except ConfigError as error:
        raise UsageError(str(error)) from error


def _orders(rules: RulesConfig) -> Orders:
    """The orders of this desk's post; none where it names no post."""
    if not rules.post or not rules.order_key:
        return Orders()
    try:
        keys = read_keys(Path(rules.order_key))
    except OrderError as error:
        return Orders((), (str(error),))
    return read_orders(Path(rules.orders) if rules.orders else data_dir() / "orders", keys, rules.post)


def journey(told: Sequence[str], context: Context | None = None) -> Context:
    """The journey that ``KEY=VALUE`` texts tell; what they do not say is as in ``context``.

    Raises UsageError.
    """
    row: dict[str, Any] = {}
    for text in told:
        key, is_told, value = text.partition("=")
        if not is_told:
            raise UsageError(f"--journey {shown(text)}: KEY=VALUE is expected, e.g. mode=air")
        row[key.strip()] = _member(key.strip(), value.strip())
    try:
        return read_context(row, context)
    except ContextError as error:
        raise UsageError(f"--journey: {error}") from error


def _member(key: str, value: str) -> Any:
    """The value of one member: a number where one belongs, a paper by its kind and the country behind it."""
    if key in _NUMBERS:
        try:
            return json.loads(value)
        except ValueError:
            return value  # refused with the words of the member
    if key == "paper" and value:
        kind, _, country = value.partition("/")
        return {"kind": kind, "country": country}
    return value


def _traveller(argument: str) -> Traveller:
    try:
        if argument == "-":
            data = sys.stdin.buffer.read(4 * MAX_TEXT)
        else:
            with Path(argument).open("rb") as file:
                data = file.read(4 * MAX_TEXT)
    except (OSError, ValueError) as error:
        # what was typed may be the lines themselves, so it is not repeated
        raise UsageError(
            "--passport: there is no such file; the lines are read from a file or stdin"
        ) from error
    try:
        return Traveller(read_lines(data.decode("ascii", "replace")))
    except MrzError as error:
        raise UsageError(f"--passport: {error}") from error


def shown(argument: object) -> str:
    """An argument as an error may repeat it: a code that was put in the wrong place is a person's."""
    text = str(argument)
    return "(the text of a code)" if is_code(text) else readable(text)


def instant(text: str | None) -> datetime | None:
    """An instant as ``--at`` gives it; ``None`` for none."""
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"--at {shown(text)}: an instant such as 2022-03-01T09:00:00+07:00 is expected"
        ) from None
    if at.tzinfo is None:
        raise UsageError(f"--at {shown(text)}: the offset is missing; add Z for UTC or, say, +07:00")
    if not 1900 <= at.year < 9000:
        raise UsageError(f"--at {shown(text)}: a year between 1900 and 8999 is expected")
    return at
