"""The verbs of ``vaxgate-rules bundle``: from sources to files that are published, and orders of a post.

The rules this module keeps:

* Nothing is written from a bundle that has a problem. Without tests, or where a test differs, only after
  ``--untested``, which is said loudly each time.
* What is written is read again before it has its name.
* A private key is readable by its owner alone, and no key is ever written over.

    vaxgate-rules bundle build vn-2022-01 my-rules.json --out bundles.json
    vaxgate-rules bundle sign order-source.json --key post.pem --out order.json
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from appliance.cli.answer import readable
from appliance.cli.inputs import UsageError
from appliance.cli.rules_bundle import MAX_FILE, bundles_of, rows_of
from trustsync import orders, shipped
from trustsync.files import write_whole
from verifier.policy.bundle import RuleBundle, is_over
from verifier.policy.bundle_json import (
    BundleError,
    bundle_row,
    check_versions,
    decode_bundles,
    encode_bundles,
)
from verifier.policy.review import review
from verifier.policy.trials import run_trials
from verifier.times import written


def list_shipped(options: argparse.Namespace) -> int:
    """Print the shipped bundles."""
    for name in shipped.names():
        bundle = shipped.bundle(name)
        if options.at is not None and (options.at < bundle.begins or is_over(bundle, options.at)):
            continue
        end = None if bundle.valid_to is None else written(bundle.valid_to)
        row = {
            "bundle": name,
            "version": bundle.version,
            "asks": bundle.asks.value,
            "valid_from": written(bundle.valid_from),
            "valid_to": end,
            "rules": len(bundle.rules),
            "tests": len(bundle.tests),
            "source": bundle.source,
            "texts": dict(bundle.texts),
        }
        if options.json:
            print(json.dumps(row, ensure_ascii=False))
        else:
            period = f"{row['valid_from']} … {end or ''}".rstrip()
            print(f"{name:<16} {bundle.version:<7} {period}\n    {bundle.texts.get('en', bundle.source)}")
    return 0


# --- Sources and built files --------------------------------------------------------------------------------


def build(options: argparse.Namespace) -> int:
    """Write one file of bundles."""
    bundles = [bundle for argument in options.bundles for bundle in bundles_of(argument)]
    check_versions(bundles)
    for bundle in bundles:
        if bundle.post:
            raise BundleError(f"{bundle.name}: an order of a post is signed by itself: bundle sign")
    if not _sound(options):
        return 1
    data = encode_bundles(bundles)
    decode_bundles(data)
    write_whole(options.out, data)
    digest = hashlib.sha256(data).hexdigest()
    if options.json:
        names = [{"bundle": bundle.name, "version": bundle.version} for bundle in bundles]
        print(json.dumps({"file": str(options.out), "bundles": names, "bytes": len(data), "sha256": digest}))
    else:
        print(f"{options.out}: {len(bundles)} bundles, {len(data)} bytes, SHA-256 {digest}")
    return 0


def _sound(options: argparse.Namespace) -> bool:
    """Whether these bundles may be signed; what speaks against it is told."""
    arguments: Sequence[str] = getattr(options, "bundles", None) or [options.bundle]
    wrong = [
        f"{given.where}: {problem.path or 'the whole'}: {problem.message}"
        for argument in arguments
        for given in rows_of(argument)
        for problem in review(given.row)
        if not problem.warning
    ]
    for line in wrong:
        print(f"vaxgate-rules: {line}", file=sys.stderr)
    if wrong:
        print("vaxgate-rules: nothing was written; mend it first", file=sys.stderr)
        return False
    untried = [line for argument in arguments for each in bundles_of(argument) for line in _untried(each)]
    for line in untried:
        print(f"vaxgate-rules: {'UNTESTED: ' if options.untested else ''}{line}", file=sys.stderr)
    if untried and not options.untested:
        print("vaxgate-rules: nothing was written; mend rules or tests, or say --untested", file=sys.stderr)
    return not untried or options.untested


def _untried(bundle: RuleBundle) -> list[str]:
    """What its own tests have against a bundle."""
    if not bundle.tests and bundle.rules:
        return [f"{bundle.name}: no test travels with it"]
    return [
        f"{bundle.name}: {trial.where} {trial.name!r}: {difference}"
        for trial in run_trials(bundle)
        for difference in trial.differences
    ]


def take_in(options: argparse.Namespace) -> int:
    """Write the source of national rules, as they are published or as recorded cases."""
    from verifier.policy.rule_import import bundles_of_cases, import_rules

    reasons = {} if options.reasons is None else _json(options.reasons)
    if options.source.is_dir():
        if options.country is None:
            raise UsageError("bundle import: --country is missing: whose arrivals are judged by these rules")
        bundle = import_rules(
            _each_json(options.source),
            [] if options.value_sets is None else list(_each_json(options.value_sets)),
            name=options.name or f"national-{options.country.lower()}",
            version=options.set_version,
            country=options.country,
            reasons=reasons,
        )
        made = {options.out: bundle}
    else:
        if options.country or options.name or options.value_sets:
            raise UsageError(
                "bundle import: lines of cases name their country, rules and value sets themselves"
            )
        bundles = bundles_of_cases(_lines(options.source), version=options.set_version, reasons=reasons)
        made = {options.out / f"{bundle.name}.json": bundle for bundle in bundles}
    for path, bundle in made.items():
        source = json.dumps(bundle_row(bundle), ensure_ascii=False, indent=1) + "\n"
        write_whole(path, source.encode())
        print(f"{path}: {bundle.name} {bundle.version}, {len(bundle.rules)} rules, {len(bundle.tests)} tests")
    return 0


def _each_json(path: Path) -> Iterable[Any]:
    """The JSON values of a file or of a folder's files; those of a list one by one."""
    files = sorted(path.rglob("*.json")) if path.is_dir() else [path]
    if not files:
        raise UsageError(f"{readable(path.name)}: no .json file in it")
    for file in files:
        value = _json(file)
        yield from value if isinstance(value, list) else [value]


def _json(path: Path) -> Any:
    try:
        return json.loads(_read(path))
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{readable(path.name)}: no JSON ({error})") from error


def _lines(path: Path) -> Iterable[Any]:
    for number, line in enumerate(_read(path).splitlines(), 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise UsageError(f"{readable(path.name)}, line {number}: no JSON ({error})") from error
        if not isinstance(value, dict):
            raise UsageError(f"{readable(path.name)}, line {number}: an object is expected")
        yield value


# --- Orders of a post ---------------------------------------------------------------------------------------


def sign(options: argparse.Namespace) -> int:
    """Write a signed order."""
    bundles = bundles_of(options.bundle)
    if len(bundles) != 1:
        raise UsageError(f"bundle sign: one order is signed at a time, not {len(bundles)} bundles")
    key = orders.read_private(_read(options.key))
    if not _sound(options):
        return 1
    data = orders.sign_order(bundles[0], key)
    orders.open_order(data, key.verify_key, bundles[0].post)
    write_whole(options.out, data)
    print(f"{options.out}: {_said(bundles[0])}")
    return 0


def verify(options: argparse.Namespace) -> int:
    """Say whether an order counts. Exit 1 for one that is over or has not begun."""
    try:
        bundle = orders.open_order(_read(options.order), orders.read_public(_read(options.key)), options.post)
    except orders.OrderError as error:
        if options.json:
            print(json.dumps({"counts": False, "error": str(error)}, ensure_ascii=False))
        print(f"vaxgate-rules: {readable(options.order.name)}: {error}", file=sys.stderr)
        return 1
    now = options.at or datetime.now(UTC)
    counts = bundle.begins <= now and not is_over(bundle, now)
    if options.json:
        assert bundle.valid_to is not None  # an order has an end
        row = {
            "counts": counts,
            "bundle": bundle.name,
            "version": bundle.version,
            "post": bundle.post,
            "valid_from": written(bundle.begins),
            "valid_to": written(bundle.valid_to),
        }
        print(json.dumps(row, ensure_ascii=False))
    else:
        why = "" if counts else ("; it is over" if is_over(bundle, now) else "; it has not begun")
        print(f"{_said(bundle)}{why}")
    return 0 if counts else 1


def _said(bundle: RuleBundle) -> str:
    end = "" if bundle.valid_to is None else written(bundle.valid_to)
    return f"{bundle.name} {bundle.version}, order of {bundle.post}, {written(bundle.begins)} … {end}"


def keygen(options: argparse.Namespace) -> int:
    """Write a new pair of keys, both or none."""
    key = orders.new_post_key()
    made: list[Path] = []
    for path, data, mode in (
        (options.out, orders.write_private(key), 0o600),
        (options.public, orders.write_public(key.verify_key), 0o644),
    ):
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
            made.append(path)
            with os.fdopen(handle, "wb") as file:
                file.write(data)
        except OSError as error:
            for one in made:
                one.unlink()
            if isinstance(error, FileExistsError):
                raise UsageError(f"{path} is there already; a key is never written over") from error
            raise UsageError(f"{path}: {error.strerror}") from error
    print(f"{options.out}: keep it in a safe; the units of the post get {options.public}")
    return 0


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE + 1)
    except OSError as error:
        raise UsageError(f"{readable(str(path))}: {error.strerror}") from error
    if len(data) > MAX_FILE:
        raise UsageError(f"{readable(path.name)}: larger than {MAX_FILE} bytes")
    return data
