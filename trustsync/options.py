"""The command line of ``vaxgate-sync``: its verbs, their options and their help.

The rules this module keeps:

* Light: a sync that is not due loads nothing for it.
* What a person does takes a name (``--by``); what works on test trust says so (``--training``).

    options = build_parser({"once": once, …}).parse_args()
    options.run(options)
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

from trustsync.arguments import Run, Verbs, instant
from trustsync.arguments import options as group
from trustsync.errors import Alarm

_EXAMPLES = """examples:
  vaxgate-sync once --url https://trust.example --root root.json
  vaxgate-sync once --if-due --config /etc/vaxgate/vaxgate.toml --json
  vaxgate-sync import /media/stick/trust --by "Nguyễn Thị Hoa"
  vaxgate-sync status --json --at 2021-11-30T12:00:00Z
  vaxgate-sync verify
  vaxgate-sync once --training         TEST trust, into the store of training: nobody is let in by it
"""


def build_parser(runs: Mapping[str, Run]) -> argparse.ArgumentParser:
    """The command's parser. runs: what carries out each verb."""
    shared = group()
    shared.add_argument("--store", type=Path, metavar="DIR", help="trust store (default: this machine's)")
    shared.add_argument(
        "--config", type=Path, metavar="FILE", help="configuration (default: the vaxgate.toml in force)"
    )
    shared.add_argument("--json", action="store_true", help="answer with one JSON object")
    training = group()
    training.add_argument(
        "--training",
        action="store_true",
        help="TEST trust, for training: the store trust-test, the section [training]. It never takes a "
        "key of production, and a unit of production never opens it",
    )
    person = group()
    person.add_argument("--by", metavar="NAME", help="who does this (default: the user of this session)")
    pinned = group()
    pinned.add_argument("--root", type=Path, metavar="ROOT.json", help="the pinned root")
    pinned.add_argument(
        "--at",
        type=instant,
        metavar="INSTANT",
        help="as of this instant, for CI against an issuer with a --clock (default: now)",
    )

    verbs = Verbs(
        "vaxgate-sync", "Keeps the signed trust list of this machine up to date.", _EXAMPLES, runs, shared
    )
    once = verbs.add(
        "once",
        "sync now",
        "once --url http://127.0.0.1:8000 --root root.json",
        *(pinned, training),
        description="Fetches the published list, proves it, and puts it in force.",
    )
    once.add_argument("--url", help="address of the repository, above metadata/ and targets/")
    once.add_argument(
        "--if-due",
        action="store_true",
        help="only when the next try has come: nightly while FRESH, else every quarter of an hour",
    )
    imported = verbs.add(
        "import",
        "take the list from a folder, as a USB stick brings it",
        'import /media/stick/trust --by "Nguyễn Thị Hoa"',
        *(pinned, person, training),
        description="The same files, checked by the same code as over the network. A list that expired on "
        "its way, by at most 30 days, may be taken when it is newer than ours; its age still decides the "
        "colour of results.",
    )
    imported.add_argument("folder", type=Path, metavar="DIR", help="holds metadata/ and targets/")
    status = verbs.add(
        "status",
        "say how the list stands",
        "status --json --at 2021-11-30T12:00:00Z",
        training,
        description="Exit status: 0 FRESH or STALE-1, 10 STALE-2 or STALE-3, 40 otherwise.",
    )
    status.add_argument("--at", type=instant, metavar="INSTANT", help="as of this instant (default: now)")
    verbs.add(
        "verify",
        "hold every byte of the list in force against its digest",
        "verify --json",
        training,
        description="Looks at the generation in force and the one behind it. Exit status: 0 whole, 40 not.",
    )
    verbs.add(
        "confirm-clock",
        "a supervisor says that this machine's clock is right",
        'confirm-clock --by "Nguyễn Thị Hoa"',
        *(person, training),
        description="For a unit without a network whose clock is doubted. Written down with the name.",
    )
    acknowledge = verbs.add(
        "acknowledge",
        "a supervisor has seen an alarm",
        'acknowledge ROLLBACK --by "Nguyễn Thị Hoa"',
        *(person, training),
        description="Takes an alarm down, as ROLLBACK, which otherwise stays until a newer list came.",
    )
    acknowledge.add_argument("alarm", type=Alarm, metavar="ALARM", help=", ".join(Alarm))
    seed = verbs.add(
        "seed",
        "copy the list in force into a folder, for an image",
        "seed build/seed",
        description="Whoever builds an image puts the folder at /usr/share/vaxgate/seed.",
    )
    seed.set_defaults(training=False)  # an image brings no test trust along
    seed.add_argument("out", type=Path, metavar="OUT", help="folder that is not there yet")
    return verbs.parser
