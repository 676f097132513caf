"""What every verb of ``vaxgate-hub`` begins and ends with: the hub that it works on, the clock, the answer.

The rules this module keeps:

* Results on stdout, as one JSON object or as words; talk on stderr.
* ``--clock`` stands for now in everything that is done.

    with opened(options) as (config, ledger):
        tell(options, {"count": 3}, "3 entries stand there")
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from trustsync.hub.config import HubConfig, load_config
from trustsync.hub.ledger import HubLedger
from trustsync.paths import data_dir


@contextlib.contextmanager
def opened(options: argparse.Namespace) -> Iterator[tuple[HubConfig, HubLedger]]:
    """The hub's configuration and state. Raises HubError."""
    config = load_config(data_of(options))
    with HubLedger.open(config.state) as ledger:
        yield config, ledger


def data_of(options: argparse.Namespace) -> Path:
    """The hub's directory."""
    chosen: Path | None = options.data
    return chosen or data_dir() / "hub"


def now_of(options: argparse.Namespace) -> datetime:
    """The instant that stands for now."""
    clock: datetime | None = options.clock
    return clock or datetime.now(UTC).replace(microsecond=0)


def tell(options: argparse.Namespace, facts: dict[str, Any], words: str) -> None:
    """The result on stdout: one JSON object, or words."""
    print(json.dumps(facts, ensure_ascii=False) if options.json else words, flush=True)


def say(words: str) -> None:
    """Talk on stderr, at once: long work tells its steps so."""
    print(words, file=sys.stderr, flush=True)
