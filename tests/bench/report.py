"""A run in words and tables: for the terminal, and for the pages that are written from it.

The rules this module keeps:

* What stands in a table stands in the run's JSON; nothing is measured here, and no figure is put in by hand.
* A part that failed is said to be missing, with its why; one that nobody asked for, by its name.

    print(terminal(run))
    markdown(run)                                # the generated part of docs/performance.md
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bench.goals import judged
from bench.machine import named
from bench.parts import PARTS

Run = Mapping[str, Any]
Rows = Sequence[Sequence[str]]


def results(run: Run) -> dict[str, Any]:
    """The results of the parts that gave one."""
    return {name: part["result"] for name, part in run["parts"].items() if "result" in part}


def silent(run: Run, kind: str = "failed") -> dict[str, str]:
    """Why parts gave nothing. kind: ``failed``, or ``absent`` for what this machine does not have."""
    return {name: part[kind] for name, part in run["parts"].items() if kind in part}


def terminal(run: Run) -> str:
    """Everything for a person at a terminal."""
    lines = [named(run["machine"]), _loads(run), ""]
    for title, head, rows in tables(run):
        lines += [title, *aligned(head, rows), ""]
    lines += [f"{name} FAILED: {why}" for name, why in silent(run).items()]
    lines += [f"{name} absent: {why}" for name, why in silent(run, "absent").items()]
    left = [name for name in PARTS if name not in run["parts"]]
    return "\n".join([*lines, *([f"not asked for: {', '.join(left)}"] if left else [])])


def markdown(run: Run, plots: Mapping[str, str] | None = None) -> str:
    """The same as a part of a page. plots: a picture's address, by the title of the table that it follows."""
    out = [_measured_on(run)]
    for title, head, rows in tables(run):
        out += [f"### {title}", "", *piped(head, rows), ""]
        if plots and title in plots:
            out += [f"![{title}]({plots[title]})", ""]
    out += [f"`{name}` is absent: {why}." for name, why in silent(run, "absent").items()]
    return "\n".join(out).rstrip() + "\n"


def _measured_on(run: Run) -> str:
    machine = run["machine"]
    libraries = [f"{name} {version}" for name, version in machine["libraries"].items()]
    carried = ", ".join([machine["openssl"], *libraries] if "openssl" in machine else libraries)
    return (
        f"Measured {run['when'][:10]} with `{run['command']}` in {run['seconds'] / 60:.0f} minutes on: "
        f"{named(machine)}.\n{_loads(run)} {carried}.\n"
    )


def _loads(run: Run) -> str:
    before, after = (
        " ".join(f"{each:.1f}" for each in run[which]) or "unknown" for which in ("load before", "load after")
    )
    governor = run["machine"].get("governor")
    said = f"Load average before {before}, after {after}." + (f" Governor {governor}." if governor else "")
    return said + (" A quick run: small sets, so its figures are rough." if run["quick"] else "")


def tables(run: Run) -> Iterable[tuple[str, Sequence[str], Rows]]:
    """Title, head and rows of every table for which something was measured."""
    found = results(run)
    asked = [one for one in judged(found, quick=run["quick"]) if one.measured or silent(run)]
    yield (
        "Goals",
        ("", "goal", "asked", "measured"),
        [(one.sign, one.goal.says, one.goal.wanted, one.told) for one in asked],
    )
    makers = {
        "reading": (_conditions, _frames),
        "sequences": (_sequences,),
        "chain": (_chain,),
        "live": (_live,),
        "steps": (_steps, _families, _worst),
        "rules": (_rules,),
        "startup": (_startup,),
        "memory": (_memory,),
        "peers": (_readers, _verifiers, _photos),
    }
    for name in filter(found.__contains__, makers):
        for maker in makers[name]:
            table = maker(found[name])
            if table is not None:
                yield table


Table = tuple[str, Sequence[str], Rows]


def _conditions(result: Any) -> Table:
    found = result["decoded"]
    rows = [*found["conditions"].items(), ("**all**", found["all"]), ("**hard**", found["hard"])]
    kinds = ("frames", "still", "live", "defaults", "fast")
    head = ("condition", "frames", "still picture", "live", "zxing-cpp defaults", "zxing-cpp fast")
    return "Frames read", head, [(name, *(str(row.get(kind, 0)) for kind in kinds)) for name, row in rows]


def _frames(result: Any) -> Table:
    found, scenes = result["decoded"], result["no code, 720p"]
    rows: list[tuple[str, Any, Any]] = []
    for name, beside in (
        ("a code, live", result["code, beside fast"]),
        ("720p without a code, moving", scenes["moving"]),
        ("720p without a code, still", scenes["still"]),
    ):
        rows += [(name, beside["ms"], beside), (f"{name}: zxing-cpp fast", beside["fast ms"], None)]
    rows += [
        ("any live frame", found["live ms"], None),
        ("any live frame, on the wall", found["live wall ms"], None),
        ("still picture with a code, on the wall", found["ms"]["still, code"], None),
        ("still picture without, on the wall", found["ms"]["still, no code"], None),
    ]
    head = ("frame", "of", "p50 ms", "p95", "p99", "most", "p50 to fast", "mean to fast")
    ratios = ("ratio of p50", "ratio of means")
    return (
        "A frame's time",
        head,
        [
            (name, *ranks(times), *(f"{beside[ratio]:.3f}" if beside else "" for ratio in ratios))
            for name, times, beside in rows
        ],
    )


def _sequences(result: Any) -> Table:
    level = result["level"]
    row = (
        f"noise {level['noise']:g}, blur {level['blur']:g} modules, hand {level['shift']:g} px",
        str(result["drawn"]),
        str(result["none reads alone"]),
        f"{result['read together']} ({result['share']:.0%})",
        str(result["false texts"]),
        f"{result['seconds']['p50']:.2f} / {result['seconds']['max']:.2f}",
    )
    head = ("level", "drawn", "no frame reads alone", "read together", "false texts", "seconds p50 / most")
    return "Five frames together", head, [row]


def _chain(result: Any) -> Table:
    units = list(next(iter(result["shares"].values())))
    rows = []
    for name, micros in result["micros"].items():
        told = result["shares"].get(name, {})
        rows.append(
            (
                name.replace("    ", "· "),
                f"{micros:.1f}",
                *(f"{told[unit]:.3f}" if told else "" for unit in units),
            )
        )
    return "Text to verdict", ("", "µs", *(f"of {unit}" for unit in units)), rows


def _live(result: Any) -> Table:
    found = result["frame to lamp"]["us"]
    rows = [
        (step, *(f"{times[rank]:.0f}" for rank in ("p50", "p95", "p99", "max")))
        for step, times in found.items()
        if times
    ]
    threads = result["threads"]["frames a second"]
    rows.append(
        (
            "frames a second: one thread, two, ratio",
            str(threads["one"]),
            str(threads["two"]),
            f"{result['threads']['two to one, median of rounds']:.2f}",
            "",
        )
    )
    rows.append(("cores that two threads had", f"{result['threads']['cores that two had']:.2f}", "", "", ""))
    return "Frame to lamp", ("step", "p50 µs", "p95", "p99", "most"), rows


def _steps(result: Any) -> Table:
    columns = list(next(iter(result["steps"].values())))
    rows = [(step, *(f"{times[each]:.1f}" for each in columns)) for step, times in result["steps"].items()]
    return "Each step", ("step, µs", *columns), rows


def _families(result: Any) -> Table:
    rows = [
        (name, f"{row['one']:.1f}", f"{row['crowd']:.1f}", f"{row['ratio']:.2f}")
        for name, row in result["families"].items()
    ]
    return "Each family", ("family", "one key, µs", "5,000 more", "ratio"), rows


def _worst(result: Any) -> Table:
    rows = [
        (name, f"{row['ms']:.2f}", f"{row['held KiB']:.0f}", " ".join([row["state"], *row["reasons"]]))
        for name, row in result["worst"].items()
    ]
    return "Worst codes", ("code", "ms", "KiB held at most", "answer"), rows


def _rules(result: Any) -> Table:
    said = {
        "compile_one": "compiling a national rule",
        "national_one": "a national rule, median",
        "national_one_p99": "a national rule, p99",
        "national_ten": "ten national rules, median",
        "national_ten_most": "ten national rules, the slowest ten",
        "own_one": "a rule of our own",
    }
    return "Rules", ("", "µs"), [(words, f"{result[name]:.1f}") for name, words in said.items()]


def _startup(result: Any) -> Table:
    rows = [
        (
            name,
            f"{result[name]['ms']['p50']:.0f}",
            f"{result[name]['ms']['max']:.0f}",
            f"{result[name]['processor_ms']['p50']:.0f}",
        )
        for name in ("decoder", "all")
    ]
    return "Cold start", ("", "p50 ms", "most", "of the processor"), rows


def _memory(result: Any) -> Table:
    rows = [
        (name, *(f"{row[kind]:.1f}" for kind in ("pss", "anonymous", "rss")))
        for name, row in result["processes"].items()
    ]
    together = result["together"]
    rows.append(("together, as on a unit of its own", f"{together['alone_mib']:.1f}", "", ""))
    return "Memory", ("process", "PSS, MiB", "of its own", "RSS"), rows


def _readers(result: Any) -> Table:
    found = result["decode"]
    total = found["frames"]["code"]
    rows = [
        (
            name,
            row["package"],
            f"{row['decoded']} of {total}",
            str(row["false texts"]),
            f"{row['code']['p50']:.2f} / {row['code']['p95']:.1f}",
            f"{row['code']['ratio']:.2f}×",
            f"{row['no code']['ratio']:.2f}×" if row["no code"] else "",
        )
        for name, row in found["engines"].items()
    ]
    rows += [(name, "absent: " + why, "", "", "", "", "") for name, why in found["absent"].items()]
    head = ("reader", "package", "read", "false texts", "code, p50 / p95 ms", "to fast", "no code, to fast")
    return "Other readers", head, rows


def _verifiers(result: Any) -> Table:
    rows = [
        (
            family,
            name,
            row["package"],
            f"{row['us']:.0f}",
            f"{row['ratio']:.2f}×",
            "yes" if row["refuses a forgery"] else "NO",
        )
        for family, chains in result["chains"]["families"].items()
        for name, row in chains["chains"].items()
    ]
    rows += [("", name, "absent: " + why, "", "", "") for name, why in result["chains"]["absent"].items()]
    return "Other verifiers", ("family", "verifier", "package", "µs", "to ours", "refuses a forgery"), rows


def _photos(result: Any) -> Table | None:
    found = result["photos"]
    if found is None:
        return None
    rows = [
        ("photos", str(found["photos"])),
        ("read by at least one other reader", str(found["read by a peer"])),
        ("of those read by us", str(found["of those read by us"])),
        ("read by us alone", str(len(found["ours alone"]))),
    ]
    return "Published photos", ("", ""), rows


def ranks(times: Mapping[str, Any]) -> tuple[str, ...]:
    """How many, and the usual ranks of milliseconds."""
    if not times.get("n"):
        return ("0", "", "", "", "")
    return (str(times["n"]), *(f"{times[rank]:.2f}" for rank in ("p50", "p95", "p99", "max")))


def aligned(head: Sequence[str], rows: Rows) -> list[str]:
    """Columns for a terminal: what begins with a figure to the right, but for the first column."""
    plain = [[cell.replace("**", "") for cell in row] for row in (head, *rows)]
    lines = [""] * len(plain)
    for number, column in enumerate(zip(*plain, strict=True)):
        wide = max(map(len, column))
        right = number > 0 and any(cell[:1].isdecimal() for cell in column[1:])
        for at, cell in enumerate(column):
            lines[at] += (cell.rjust(wide) if right else cell.ljust(wide)) + "  "
    return [line.rstrip() for line in lines]


def piped(head: Sequence[str], rows: Rows) -> list[str]:
    """A table of Markdown."""
    cells = [[cell.replace("|", "\\|") for cell in row] for row in (head, *rows)]
    lines = ["| " + " | ".join(row) + " |" for row in cells]
    return [lines[0], "|" + " --- |" * len(head), *lines[1:]]
