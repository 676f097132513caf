"""The command ``vaxgate``: the appliance itself, its demonstration, and looks at its parts.

The rules this module keeps:

* Results on stdout, talk on stderr; exit 0 well, 1 we broke or something differs, 2 wrong use.
* A verb that is listed works. What a verb does not need is not loaded.

    vaxgate run
    vaxgate demo --once
"""

from __future__ import annotations

import argparse
import gc
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from appliance.errors import ApplianceError, ConfigError

if TYPE_CHECKING:
    from appliance.camera import Camera
    from appliance.config import CameraConfig, Config

_EXAMPLES = """examples:
  vaxgate run                          camera to lamp and page, by vaxgate.toml
  vaxgate run --config desk.toml --stats
  vaxgate demo                         invented travellers, a folder as the camera, a page to look at
  vaxgate demo --once                  each of them once; exit 0 only if every answer is the expected one
  vaxgate scan ticket.png --json       what the reader sees in a picture; judges nothing
  vaxgate config check vaxgate.toml
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with these arguments and return its exit status."""
    options = _parser().parse_args(argv)
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="vaxgate: %(message)s")
    try:
        return int(options.run(options))
    except BrokenPipeError:  # whoever read our answers has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except ConfigError as error:
        for problem in error.problems:
            print(f"vaxgate: {problem}", file=sys.stderr)
        return 2
    except ApplianceError as error:
        print(f"vaxgate: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="vaxgate",
        description="Reads, proves and judges the code of a vaccination certificate.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"vaxgate {version('vaxgate')}")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)

    run = _verb(
        verbs, "run", "camera to lamp and page, until stopped", "vaxgate run --config desk.toml --stats"
    )
    run.add_argument("--config", type=Path, metavar="FILE", help="default: the vaxgate.toml in force")
    run.add_argument("--stats", action="store_true", help="times of each verdict, and now and then a table")
    run.set_defaults(run=_run)

    demo = _verb(
        verbs, "demo", "issuer, camera, lamp and page with invented travellers", "vaxgate demo --once"
    )
    demo.add_argument("--once", action="store_true", help="each traveller once, every answer checked")
    demo.add_argument("--port", type=int, default=0, metavar="N", help="of the page; default: a free one")
    demo.add_argument(
        "--dir", type=Path, metavar="DIR", help="keep what is made; default: a temporary folder"
    )
    demo.add_argument("--seed", default="demo", metavar="S", help="of the issuer's keys; default: demo")
    demo.set_defaults(run=_demo)

    scan = _verb(
        verbs,
        "scan",
        "what the reader sees in pictures; judges nothing",
        "vaxgate scan ticket.png --json",
        "vaxgate scan frame-*.png       2 to 8 of one size, none of which reads: tried together too",
    )
    scan.add_argument("images", nargs="+", type=Path, metavar="IMAGE")
    scan.add_argument("--data-matrix", action="store_true", help="read DataMatrix too, not QR and Aztec only")
    scan.add_argument(
        "--together", action="store_true", help="read them together only, as frames of one symbol"
    )
    scan.add_argument("--json", action="store_true", help="one object a line, one line an image")
    scan.set_defaults(run=_scan)

    config = _verb(verbs, "config", "look at vaxgate.toml", "vaxgate config check vaxgate.toml")
    config_verbs = config.add_subparsers(title="verbs", metavar="VERB", required=True)
    check = _verb(
        config_verbs,
        "check",
        "name every unknown or wrong key with its line",
        "vaxgate config check vaxgate.toml",
    )
    check.add_argument("file", nargs="?", type=Path, metavar="FILE", help="default: the file in force")
    check.set_defaults(run=_config_check)
    return parser


def _verb(verbs: Any, name: str, about: str, *examples: str) -> argparse.ArgumentParser:
    """A verb whose help says what it does and shows what to type."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        name,
        help=about,
        description=about[0].upper() + about[1:] + ".",
        epilog="\n  ".join(["example:" if len(examples) == 1 else "examples:", *examples]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    return parser


def _config_check(options: argparse.Namespace) -> int:
    from appliance.config import load
    from trustsync.paths import config_file

    path = options.file or config_file()
    config = load(path)
    named = {
        "[camera] path": config.camera.path,
        "[trust] root": config.trust.root,
        "[training] root": config.training.root,
        "[rules] order_key": config.rules.order_key,
    }
    missing = [
        f"{path}: {key}: {file} does not exist"
        for key, file in named.items()
        if file and not Path(file).exists()
    ]
    for problem in missing:
        print(f"vaxgate: {problem}", file=sys.stderr)
    if missing:
        return 2
    print("no vaxgate.toml: every key has its default" if path is None else f"{path}: no mistake found")
    if config.training.enabled:
        print(f"{path}: [training] enabled: this unit is in TRAINING and lets nobody in")
    return 0


def _scan(options: argparse.Namespace) -> int:
    from appliance.cli.scan import scan

    return scan(options)


def _run(options: argparse.Namespace) -> int:
    from appliance.config import load
    from trustsync.paths import config_file

    config = load(options.config or config_file())
    stop = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - a signal handler's signature
        stop.set()

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        return run_gate(config, stop, stats=options.stats)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run_gate(config: Config, stop: threading.Event, *, stats: bool = False) -> int:
    """Run the appliance by this configuration until ``stop`` is set; the lamp is dark at the end."""
    # All that is loaded stays: looking through it for garbage, again and again, takes a tenth of the start.
    gc.disable()
    try:
        from appliance.cli.stats import Stats
        from appliance.gate import Gate
        from appliance.illumination import open_illumination
        from appliance.kiosk.hub import Hub
        from appliance.kiosk.server import KioskServer
        from appliance.kiosk.trust import TrustPage
        from appliance.lights import open_lamp
        from appliance.reader.live import Reader
        from appliance.supply import OrderSupply
        from trustsync.environments import Environment
        from trustsync.paths import data_dir, seed_dir, trust_dir
        from trustsync.status import read_status
        from trustsync.store import open_store
    finally:
        gc.enable()

    training = config.training.enabled
    if training:
        print("vaxgate: TRAINING: judged by test keys, nothing is counted", file=sys.stderr)
        environment, named, seed = Environment.TEST, config.training.store, None
    else:
        environment, named = Environment.PRODUCTION, config.trust.store
        seed = Path(config.trust.seed) if config.trust.seed else seed_dir()
    store = Path(named) if named else trust_dir(environment)
    shared = open_store(store, seed, environment)
    trust_page = TrustPage(
        lambda: read_status(store, datetime.now(UTC), opened=shared, environment=environment).as_json(),
        time_zone=config.site.time_zone,
    )
    hub = Hub(
        clear_s=config.kiosk.clear_s,
        language=config.kiosk.language,
        site=config.site.name,
        trust_page=trust_page,
        training=training,
    )
    folder = Path(config.rules.orders) if config.rules.orders else data_dir() / "orders"
    orders = OrderSupply(config.rules, folder, monotonic=time.monotonic)
    printed = Stats(training=training)
    with (
        open_lamp(config.lamp, training=training) as lamp,
        open_illumination(config.lamp, lamp.pins) as light,
        KioskServer(hub, port=config.kiosk.port) as kiosk,
    ):
        gate = Gate(
            open_camera=lambda: light.over(_opened(config.camera)),
            open_trust=lambda: shared,
            lamp=lamp,
            hub=hub,
            config=config.gate,
            down_s=config.camera.down_s,
            time_zone=config.site.time_zone,
            phone=config.site.phone,
            on_answer=printed.note if stats else None,
            read=Reader(data_matrix=config.camera.data_matrix),
            context=config.rules.context(),
            orders=orders.orders,
        )
        gate.start()
        print(kiosk.url, flush=True)
        with printed.written(gate.timings, lambda: gate.counts) if stats else nullcontext():
            gate.run(stop)
    return 0


def _opened(config: CameraConfig) -> Camera:
    """The camera, with a line of talk on what was obtained of it."""
    from appliance.camera import open_camera

    camera = open_camera(config)
    print(f"vaxgate: camera: {camera.describe()}", file=sys.stderr)
    return camera


def _demo(options: argparse.Namespace) -> int:
    from appliance.demo import run_demo

    return run_demo(once=options.once, port=options.port, directory=options.dir, seed=options.seed)


if __name__ == "__main__":
    sys.exit(main())
