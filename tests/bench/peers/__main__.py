"""Measure all peers beside ours, print the tables, and write the figures.

PYTHONPATH=tests python -m bench.peers --json build/peers.json
PYTHONPATH=tests python -m bench.peers --frames FRAMES --frames OTHERS    # as gen_frames.py makes them
PYTHONPATH=tests python -m bench.peers --only photos
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from pathlib import Path
from typing import Any

from bench.peers import certificates, chains, decode, drawn_frames, frames_in, photos, prepare

PARTS = ("decode", "chains", "photos")


def told_decode(name: str, figures: dict[str, Any]) -> None:
    """One table of readers."""
    counts = figures["frames"]
    print(f"\nframes: {name}; {counts['code']} with a code, {counts['no code']} without; ms of the processor")
    times = "".join(f"{kind:>10}{'p95':>8}{'ratio':>7}" for kind in ("code p50", "none p50"))
    print(f"{'':28}{'decoded':>8}{'false':>6}{times}")
    for engine, row in figures["engines"].items():
        print(f"{engine:28}{row['decoded']:8}{row['false texts']:6}", end="")
        for kind in ("code", "no code"):
            if row[kind]:
                print(f"{row[kind]['p50']:10.2f}{row[kind]['p95']:8.1f}{row[kind]['ratio']:7.2f}", end="")
        print()
    told_absent(figures)


def told_chains(figures: dict[str, Any]) -> None:
    """One table of chains for each family."""
    for family, rows in figures["families"].items():
        print(f"\n{family}, text to proven claims: {rows['texts']} certificates")
        print(f"{'':28}{'µs':>8}{'per s':>8}{'ratio':>7}  a forged signature")
        for chain, row in rows["chains"].items():
            word = "refused" if row["refuses a forgery"] else "ACCEPTED"
            print(f"{chain:28}{row['us']:8.1f}{row['per second']:8}{row['ratio']:7.2f}  {word}")
    told_absent(figures)


def told_photos(figures: dict[str, Any] | None) -> None:
    """What is read of the published photos."""
    if figures is None:
        print("\nphotos: the published vectors are absent: set VAXGATE_VECTORS to their folder")
        return
    print(f"\nphotos: {figures['photos']}, of which a peer reads {figures['read by a peer']}", end="")
    print(
        f" and vaxgate scan {figures['of those read by us']} of those; missed: {figures['missed'] or 'none'}"
    )
    print(f"read by vaxgate scan alone: {', '.join(figures['ours alone']) or 'none'}")
    print(", ".join(f"{engine} {count}" for engine, count in figures["engines"].items()))
    told_absent(figures)


def told_absent(figures: dict[str, Any]) -> None:
    for name, why in figures["absent"].items():
        print(f"absent: {name}: {why}")


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, default=Path("build/peers"), help="of the environments")
    parser.add_argument("--frames", type=Path, action="append", help="a folder of frames instead of a few")
    parser.add_argument(
        "--rounds", type=int, default=3, help="of the readers; chains have three times as many"
    )
    parser.add_argument("--only", choices=PARTS, action="append", help="one part of the three")
    parser.add_argument("--json", type=Path, help="write the figures there too")
    args = parser.parse_args()
    environments = prepare(args.folder)
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    figures: dict[str, Any] = {"machine": machine}
    parts = args.only or PARTS
    if "decode" in parts:
        figures["decode"] = {}
        below = args.folder.parent / "bench"
        for folder in args.frames or [None]:
            name = folder.name if folder else "drawn"
            frames = frames_in(folder) if folder else drawn_frames(below)
            figures["decode"][name] = decode(environments, frames, args.rounds)
            told_decode(name, figures["decode"][name])
    if "chains" in parts:
        figures["chains"] = chains(environments, certificates(100), 3 * args.rounds)
        told_chains(figures["chains"])
    if "photos" in parts:
        figures["photos"] = photos(environments)
        told_photos(figures["photos"])
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(figures, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        print(f"\nfigures as JSON: {args.json}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
