"""Rule bundles as a command is given them: a shipped one's name, a readable source, a built file, an order.

The rules this module keeps:

* A source is merged with ``shared.json`` beside it, where there is one, else with the shipped one.
* A name goes before a file of that name; ``./name`` is the file.
* A built file is taken only in its one form, as an appliance takes it.

    for given in rows_of("vn-2022-01"):
        given.where, given.row["version"]               # "vn-2022-01", "1.0.0"
    bundles_of("build/bundles.json")                    # a tuple of RuleBundle
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appliance.cli.answer import readable
from appliance.cli.inputs import UsageError, is_code
from trustsync import shipped
from verifier.policy.bundle import SIGNATURE_ONLY, RuleBundle
from verifier.policy.bundle_json import BundleError, decode_bundles, read_bundle

_BUILT = b'{"bundles":['  # how a built file begins, in its one form
MAX_FILE = 32 * 1024 * 1024  # bytes; the rules of all member states with their tests are a third of it


@dataclass(frozen=True, slots=True)
class GivenBundle:
    """One bundle as a JSON object. where: what to call it in a message."""

    where: str
    row: dict[str, Any]


def rows_of(argument: str) -> list[GivenBundle]:
    """The bundles of one argument as they are written. Raises BundleError and UsageError."""
    if argument in shipped.names():
        return [GivenBundle(argument, shipped.source(argument))]
    path = Path(argument)
    value = shipped.parsed(_read(path), readable(path.name))
    if "bundles" in value and isinstance(value["bundles"], list):
        for number, row in enumerate(value["bundles"]):
            if not isinstance(row, dict):
                raise BundleError(f"{readable(path.name)}: bundles[{number}]: an object is expected")
        return [GivenBundle(_named(row, path), row) for row in value["bundles"]]
    if "order" in value and isinstance(value["order"], dict):
        return [GivenBundle(_named(value["order"], path), value["order"])]
    beside = path.with_name(shipped.SHARED)
    shared = shipped.parsed(_read(beside), shipped.SHARED) if beside.is_file() else shipped.shared()
    where = _named(value, path)
    return [GivenBundle(where, shipped.resolve(value, shared, where))]


def bundles_of(argument: str) -> tuple[RuleBundle, ...]:
    """The bundles of one argument, ready to judge by. Raises BundleError and UsageError."""
    if argument in shipped.names():
        return (shipped.bundle(argument),)
    data = _read(Path(argument))
    if data.startswith(_BUILT):
        return decode_bundles(data)
    return tuple(read_bundle(given.row, given.where) for given in rows_of(argument))


def unreadable(argument: str) -> str | None:
    """Why a built file is none that an appliance takes; ``None`` where it is one, and for other forms."""
    if argument in shipped.names():
        return None
    data = _read(Path(argument))
    if data.startswith(_BUILT):
        try:
            decode_bundles(data)
        except BundleError as error:
            return str(error)
    return None


def _others() -> str:
    names = [name for name in shipped.names() if name != SIGNATURE_ONLY.name]
    return f"another shipped bundle: {', '.join(names)}"


def _named(row: Any, path: Path) -> str:
    name = row.get("name") if isinstance(row, dict) else None
    return name if isinstance(name, str) and name else readable(path.name)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE + 1)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "no name that a file can have"
        text = str(path)
        shown = "(the text of a code)" if is_code(text) else readable(text)
        raise UsageError(f"{shown}: {why}; give a file, say signature-only, or {_others()}") from error
    if len(data) > MAX_FILE:
        raise UsageError(f"{readable(path.name)}: larger than {MAX_FILE} bytes; this is no file of rules")
    return data
