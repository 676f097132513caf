"""The process that looks into what was fetched: parsed, tried, written down for the reader, within limits.

The rules this module keeps:

* Nothing that came over the network is parsed beyond TUF's own metadata outside of this process. A list that
  takes too much memory or too long ends the process, and not the sync.
* It takes its own limits before it loads a parser. It has no work for the network, and writes the staged
  directory alone.
* It ends with the sync that started it, however that ended: it must never write into the staging of the next
  one.
* One line asks, one line answers, both JSON. What it refuses it says in words with the alarm; whatever else
  goes wrong is the parent's to report.

    {"do": "index", "staged": "…"}           → {"segments": ["revocation/….seg", …]}
    {"do": "build", "staged": "…", …}        → {"counts": {"trust": 2, …}, "rule_floors": {…}}
    {"do": "try", "store": "…", …}           → {"tried": 4, "withdrawn": [["kid", "spki"]], …}

The parent's side is :mod:`trustsync.isolation`.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from verifier.policy.bundle import RuleBundle

# Bytes of address space beside what is mapped: a list of 20,000 keys with certificates takes about a third.
MEMORY = 768 << 20
_PR_SET_PDEATHSIG = 1
CPU_S = 600  # eighty million entries are looked at in seconds here; a Pi takes about ten times as long


def main() -> int:
    """Answer requests from stdin until it ends."""
    _die_with(int(sys.argv[1]))
    _take_limits()
    _do_without("numpy")
    for line in sys.stdin:
        request = json.loads(line)
        print(json.dumps(_answer(request)), flush=True)
    return 0


def _die_with(parent: int) -> None:
    """Be killed when the parent ends (prctl(2), PR_SET_PDEATHSIG), or end now where it has."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)


def _take_limits() -> None:
    for kind, most in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_CPU, CPU_S),
        (resource.RLIMIT_CORE, 0),
    ):
        _limit(kind, most)


def _do_without(module: str) -> None:
    """Have it taken as not installed: sqlite-utils loads NumPy where it can, for 11 MB and no use here."""
    sys.modules[module] = None  # type: ignore[assignment]


def _limit(kind: int, most: int) -> None:
    _, hard = resource.getrlimit(kind)
    resource.setrlimit(kind, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def _answer(request: Mapping[str, Any]) -> dict[str, Any]:
    from trustsync.errors import RefusedError

    try:
        return _TASKS[request["do"]](request)
    except RefusedError as error:
        return {"refused": str(error), "alarm": error.alarm.value}


def _index(request: Mapping[str, Any]) -> dict[str, Any]:
    from trustsync import generation
    from trustsync.acceptance import list_segments
    from trustsync.layout import REVOCATION_INDEX_PATH

    data = generation.target_file(Path(request["staged"]), REVOCATION_INDEX_PATH).read_bytes()
    return {"segments": [record.path for record in list_segments(data)]}


def _build(request: Mapping[str, Any]) -> dict[str, Any]:
    """Accept the staged list and write its database."""
    from trustsync import content, generation
    from trustsync.acceptance import accept
    from trustsync.environments import Environment
    from trustsync.rule_floors import read_floors, write_floors
    from trustsync.sets import TargetSet
    from trustsync.succession import Succession

    staged = Path(request["staged"])
    documents = _Documents(staged, tuple(request["documents"]))
    before = request["rules_before"]
    succession = Succession(
        read_floors(request["rule_floors"]),
        datetime.fromisoformat(request["signed_at"]),
        () if before is None else _rules_in(Path(before)),
    )
    accepted = accept(
        documents,
        segment_file=lambda path: generation.target_file(staged, path),
        known=frozenset(request["known"]),
        environment=Environment(request["environment"]),
        succession=succession,
    )
    counts = {
        "trust": len(accepted.keys) + len(accepted.authorities),
        "revocation": sum(record.count for record in accepted.segments),
        "rules": len(accepted.bundles),
        "recognition": len(accepted.recognition.issuers) if accepted.recognition else 0,
        "software": len(accepted.advisories),
    }
    sets = {
        name: TargetSet(
            said["version"],
            datetime.fromisoformat(said["expires"]),
            counts.get(name, said["count"]),
            None if said["signed_at"] is None else datetime.fromisoformat(said["signed_at"]),
        )
        for name, said in request["sets"].items()
    }
    kept = {path: documents[path] for path in content.DOCUMENTS if path in documents}
    content.write_content(staged / generation.DATABASE, accepted, kept, sets)
    return {"counts": counts, "rule_floors": write_floors(succession.after(accepted.bundles))}


def _rules_in(file: Path) -> tuple[RuleBundle, ...]:
    """The bundles of a list that was accepted; none where this release cannot read them any more."""
    from verifier.policy.bundle_json import BundleError, decode_bundles

    try:
        return decode_bundles(file.read_bytes())
    except BundleError:
        return ()


def _try(request: Mapping[str, Any]) -> dict[str, Any]:
    """Load the new generation as a reader does, judge what must pass and what must not; whom it takes
    back."""
    _limit(resource.RLIMIT_AS, MEMORY + request["mapped"])  # segments are mapped, not read
    from trustsync import generation
    from trustsync.environments import Environment
    from trustsync.errors import Alarm, RefusedError, StoreError
    from trustsync.facts import Slot
    from trustsync.layout import SELF_TEST_PATH
    from trustsync.store import denial_of, load_slot
    from trustsync.trial import TrialError, decode_trial, own_cases, try_list
    from verifier.trust import KeyStatus

    store, environment = Path(request["store"]), Environment(request["environment"])
    signed_at = datetime.fromisoformat(request["signed_at"])
    slot = Slot(request["number"], request["digest"], signed_at)
    trial = generation.target_file(generation.directory_of(store, slot.number), SELF_TEST_PATH)
    try:
        loaded, _ = load_slot(store, slot, environment)
        cases = decode_trial(trial.read_bytes()) if trial.exists() else ()
        if environment is Environment.TEST:
            cases = own_cases(loaded.trust, cases)
        tried = try_list(loaded.trust, cases)
    except (TrialError, StoreError) as error:
        raise RefusedError(
            f"the new list failed the self-test: {error}; it was not put in force. Tell the publisher",
            Alarm.SELF_TEST,
        ) from error
    listed = [
        key for same in (loaded.trust.keys, loaded.trust.authorities) for row in same.values() for key in row
    ]

    def those(status: KeyStatus) -> list[tuple[str, str]]:
        denials = {denial_of(key) for key in listed if key.status is status}
        return sorted((denial.kid.hex(), denial.spki.hex()) for denial in denials)

    return {
        "tried": tried,
        "withdrawn": those(KeyStatus.WITHDRAWN),
        "reinstated": those(KeyStatus.REINSTATED),
    }


class _Documents(Mapping[str, bytes]):
    """The staged documents by path, each read when it is asked for."""

    def __init__(self, staged: Path, paths: tuple[str, ...]) -> None:
        self._staged = staged
        self._paths = paths

    def __getitem__(self, path: str) -> bytes:
        from trustsync import generation

        if path not in self._paths:
            raise KeyError(path)
        return generation.target_file(self._staged, path).read_bytes()

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)


_TASKS: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "index": _index,
    "build": _build,
    "try": _try,
}


if __name__ == "__main__":
    sys.exit(main())
