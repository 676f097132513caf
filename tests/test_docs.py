"""What the pages say is what the program does: codes, commands, settings, targets, links, dependencies."""

from __future__ import annotations

import argparse
import importlib
import json
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from desk import Desk, vaccination
from interop import BEGIN, END
from places import ROOT

from appliance.cli.answer import answer, judge
from appliance.config import Config
from appliance.judging import Basis
from verifier.policy.bundle import SIGNATURE_ONLY
from verifier.reasons import CATALOGUE, Reason

PAGES = sorted(
    page for folder in ("", "docs", "systemd", "image") for page in (ROOT / folder).glob("*.md")
) + sorted(page for page in (ROOT / "docs").rglob("*/*.md"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
# Where a command must be found: the front page, or a page that it has a door to.
READERS = ("officers", "integrators", "inspectors", "rules", "trust", "hub", "assurance")
DOORS = ("README.md", "CONTRIBUTING.md", *(f"docs/{name}.md" for name in READERS))
MACHINE = re.compile(r"(?<![\w.])/(?:home|work|root|Users|tmp|mnt)/")


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


def parsers() -> dict[str, argparse.ArgumentParser]:
    """Each installed command with its parser."""
    out = {}
    for command, target in PROJECT["scripts"].items():
        parser = importlib.import_module(target.split(":")[0])._parser()
        assert parser.prog == command
        out[command] = parser
    return out


def verbs(parser: argparse.ArgumentParser) -> Iterator[str]:
    """The command itself when it takes no verb, else each of its verbs down to the last one."""
    below = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not below:
        yield parser.prog
    for action in below:
        for child in action.choices.values():
            yield from verbs(child)


def every_verb() -> list[str]:
    return [verb for parser in parsers().values() for verb in verbs(parser)]


def command_lines(text: str) -> Iterator[str]:
    """The command lines of a page's code blocks and of its tables' cells, joined where they are continued."""
    joined = re.sub(r" *\\\n +", " ", text)
    for line in joined.splitlines():
        block = re.match(r"    (?:(?:sudo -u \S+|[A-Z_]+=\S+) )*(?:/\S+/)?(vaxgate[a-z-]* .*)$", line)
        if block:
            # What stands after a wide gap is for people; what stands after < or & is the shell's.
            yield re.split(r"   +|[<&]| 2>", block[1])[0].strip()
        elif line.startswith("|"):
            yield from re.findall(r"`(vaxgate[a-z-]* [^`]*)`", line)


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_has_its_row_with_both_texts(reason: Reason) -> None:
    """Officers read the texts, integrators the code; a code without a row is a code nobody can act on."""
    (row,) = [line for line in read("docs/reasons.md").splitlines() if f"`{reason.value}`" in line]
    said = CATALOGUE[reason]
    assert all(f"| {text} |" in row for text in (said.vi, said.en, said.about))


def test_the_pages_that_are_made_from_the_code_are_up_to_date() -> None:
    """`make docs` would change nothing."""
    command = [sys.executable, str(ROOT / "tests/write_docs.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


@pytest.mark.parametrize("verb", every_verb())
def test_every_command_and_verb_is_on_the_front_page_or_behind_a_door(verb: str) -> None:
    """A verb that `--help` lists is one that a page explains."""
    assert any(re.search(rf"{re.escape(verb)}\b", read(door)) for door in DOORS)


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_command_line_on_a_page_is_understood(page: Path) -> None:
    """What a reader types from a page is at least not a wrong use."""
    known, names = parsers(), set(every_verb())
    wrong = []
    for line in command_lines(page.read_text(encoding="utf-8")):
        if line in names:
            continue  # the name of a verb, not a line to type
        command, *arguments = shlex.split(re.sub(r'"\$\([^)]*\)"', "x", line))
        try:
            known[command].parse_args(arguments)
        except SystemExit as end:
            wrong += [line] if end.code else []
    assert not wrong, named(page)


def test_command_lines_are_found_on_the_front_page_and_for_integrators() -> None:
    """The check above looks at something."""
    assert len(list(command_lines(read("README.md")))) >= 13
    assert len(list(command_lines(read("docs/integrators.md")))) >= 15


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    """A file that exists, and a heading that stands in it."""
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{named(page)}: {target}"
        assert file.is_relative_to(ROOT), f"{named(page)}: {target}"
        if anchor:
            assert anchor in anchors(file), f"{named(page)}: {target}"


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as code hosts make them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_page_can_be_reached_from_the_front_page() -> None:
    """A page without a door is not read."""
    reached, ahead = set(), [ROOT / "README.md"]
    while ahead:
        page = ahead.pop()
        if page in reached:
            continue
        reached.add(page)
        for target in re.findall(r"\]\(([^)#\s]+\.md)", page.read_text(encoding="utf-8")):
            ahead.append((page.parent / target).resolve())
    assert set(PAGES) <= reached, sorted(named(page) for page in set(PAGES) - reached)


def dependencies() -> list[str]:
    extras = PROJECT["optional-dependencies"].values()
    listed = [*PROJECT["dependencies"], *(name for extra in extras for name in extra)]
    listed += [line for line in read("requirements/dev.in").splitlines() if line and line[0] != "#"]
    return [re.split(r"[<>=~!\[; ]", name)[0] for name in listed]


@pytest.mark.parametrize("package", dependencies())
def test_every_dependency_has_its_line_with_a_reason_and_a_licence(package: str) -> None:
    """What for, why this one, under which licence; each in words."""
    rows = [line for line in read("docs/dependencies.md").splitlines() if line.startswith(f"| `{package}` ")]
    assert len(rows) == 1
    cells = [cell.strip() for cell in rows[0].strip("|").split("|")]
    assert len(cells) == 4
    assert all(len(cell) > 2 for cell in cells)


def test_no_dependency_is_listed_that_is_not_one() -> None:
    """A line that outlives its package misleads."""
    rows = re.findall(r"^\| `([^`]+)` ", read("docs/dependencies.md"), re.MULTILINE)
    assert sorted(rows) == sorted(dependencies())


@pytest.mark.parametrize("target", re.findall(r"^([a-z][a-z-]*):.*## ", read("Makefile"), re.MULTILINE))
def test_every_make_target_is_named_on_a_page(target: str) -> None:
    """`make` lists its targets; the pages say when to use them. `make` alone is `make help`."""
    word = "`make`" if target == "help" else f"make {target}"
    assert re.search(rf"{re.escape(word)}(?![\w-])", read("README.md") + read("CONTRIBUTING.md"))


@pytest.mark.parametrize("section", [section.name for section in fields(Config)])
def test_every_setting_is_on_the_page_of_the_settings(section: str) -> None:
    """Each section with a heading, each key with its row below it."""
    page = read("docs/config.md")
    assert f"## [{section}]" in page
    part = page.split(f"## [{section}]")[1].split("\n## ")[0]
    for key in fields(getattr(Config(), section)):
        assert f"| `{key.name}` |" in part


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_no_page_names_a_path_of_somebodys_machine_or_a_registry(page: Path) -> None:
    """Pages are read elsewhere; packages come from wherever that machine takes them."""
    text = page.read_text(encoding="utf-8")
    assert not MACHINE.search(text)
    assert not re.search(r"pypi\.org|pythonhosted|index-url", text)


def test_the_example_answer_has_the_fields_of_a_real_one() -> None:
    """The object on the integrators' page, member by member, and each field explained below it."""
    page = read("docs/integrators.md")
    (block,) = re.findall(r"\n\n((?:    .*\n)*    \{\"id\".*\n(?:    .*\n)*)", page)
    shown = json.loads(block)
    desk = Desk()
    basis = Basis(desk.trust, (SIGNATURE_ONLY,), desk.now)
    real = answer(judge(desk.signer().issue(vaccination()), basis), identity="1", kind="text")
    assert shape(shown) == shape(real)
    for name in (*real, *real["checks"], "claims", "text"):
        assert re.search(rf"^\| (?:`\w+`, )*`{name}`", page, re.MULTILINE), name


def shape(value: Any) -> Any:
    """The names of an object's members, and of theirs; a list counts as one thing."""
    return (
        {name: shape(member) for name, member in value.items() if name != "list"}
        if isinstance(value, dict)
        else 0
    )


def test_interop_has_its_place_for_the_tables() -> None:
    """`make interop` writes between two marks, each there once and in this order."""
    page = read("docs/interop.md")
    assert (page.count(BEGIN), page.count(END)) == (1, 1)
    assert page.index(BEGIN) < page.index(END) < page.index("## Differences on purpose")


@pytest.mark.parametrize("page", sorted((ROOT / "docs/adr").glob("*.md")), ids=named)
def test_a_decision_tells_question_options_choice_and_price(page: Path) -> None:
    """Whoever questions a decision later finds what it cost."""
    headings = re.findall(r"^## (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert headings == ["The question", "The options", "The choice", "The price"]
    assert page.read_text(encoding="utf-8").startswith(f"# {int(page.name[:4])}. ")


def test_every_file_of_the_units_is_explained() -> None:
    """Each file beside systemd/README.md has its row there, and each row its file."""
    files = {path.name for path in (ROOT / "systemd").iterdir() if path.name != "README.md"}
    rows = re.findall(r"^\| `([^`/]+\.[a-z]+)` \|", read("systemd/README.md"), re.MULTILINE)
    assert sorted(rows) == sorted(files)


def test_the_screenshot_is_a_picture_of_moderate_size() -> None:
    """The front page shows the officer's page and loads quickly."""
    picture = ROOT / "docs/images/kiosk.png"
    assert "docs/images/kiosk.png" in read("README.md")
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size < 150_000


def test_each_of_the_26_pitfalls_has_a_named_test() -> None:
    """The security pitfalls of the formats are numbered; each number stands in the name of a test."""
    named = {
        int(number)
        for path in (ROOT / "tests").rglob("test_*.py")
        for number in re.findall(r"^def test_pitfall_(\d\d)_", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert named == set(range(1, 27))
