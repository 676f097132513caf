"""The seed: a generation in the image, for a unit that has none of its own, or none that is whole.

    seed/seed.json                 number, digest, when its list was signed and the image made
    seed/generations/000007/       as in a store, see trustsync.generation

The rules this module keeps:

* A seed is an old list and nothing more: its age counts from its signature, as that of any other list.
* What is in force is a generation of this unit wherever one is whole; the seed comes last.
* A seed is of production: an image brings no test trust along.
* A unit that has never synced knows by its seed that it is at least as late as its image, and refuses a list
  that is older than the seed.

    write_seed(store, Path("image/seed"), now)
    seed = read_seed(Path("/usr/share/vaxgate/seed"))
    seed.slot, seed.built_at
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from trustsync import generation
from trustsync.environments import Environment, check_environment
from trustsync.errors import NoListError, SettingsError, StoreError
from trustsync.facts import STATE_NAME, Slot, read_state
from verifier.times import written

SEED_NAME = "seed.json"


@dataclass(frozen=True, slots=True)
class Seed:
    """What the image carries. directory: where; built_at: when the image was made, a floor for its clock."""

    directory: Path
    slot: Slot
    built_at: datetime


def read_seed(directory: Path | None) -> Seed | None:
    """The seed of this directory; ``None`` when there is none. Raises StoreError when it is not in its
    form."""
    if directory is None:
        return None
    path = directory / SEED_NAME
    try:
        said = json.loads(path.read_bytes())
        signed_at, built_at = (datetime.fromisoformat(said[name]) for name in ("signed_at", "built_at"))
        if signed_at.tzinfo is None or built_at.tzinfo is None:
            raise ValueError("an instant without its offset")
        return Seed(directory, Slot(int(said["number"]), str(said["digest"]), signed_at), built_at)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(f"the seed {path} cannot be read: {error}; make the image anew") from error


def write_seed(store: Path, out: Path, now: datetime) -> Seed:
    """Copy the generation in force into ``out``, for the image. now: when the image is made.

    Raises NoListError, StoreError when the generation is not whole or is of test trust, SettingsError when
    ``out`` is there already.
    """
    state = read_state(store / STATE_NAME)
    if state is None or state.active is None:
        raise NoListError(f"no trust list was ever installed in {store}; nothing can be a seed. Sync first")
    check_environment(state.environment, Environment.PRODUCTION, store)
    if out.exists():
        raise SettingsError(f"{out} is there already; name a folder that is not")
    slot = state.active
    source = generation.directory_of(store, slot.number)
    faults = generation.inspect(source, slot.digest).faults
    if faults:
        raise StoreError(f"{source} is damaged ({', '.join(faults)}); sync anew, then make the seed")
    shutil.copytree(source, generation.directory_of(out, slot.number))
    said = {
        "v": 1,
        "number": slot.number,
        "digest": slot.digest,
        "signed_at": written(slot.signed_at),
        "built_at": written(now.replace(microsecond=0)),
    }
    (out / SEED_NAME).write_text(json.dumps(said, indent=2) + "\n")
    return Seed(out, slot, now)
