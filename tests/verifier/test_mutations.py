"""The mutation matrix: of each family a valid certificate, with every part of it changed once.

Every byte of the decoded container is changed, every member dropped, every pair of members swapped. None of
the mutants may PASS with another holder, other events, another validity or another issuer than the
original's. Some stay PASS and mean the same; they are counted, and each has its reason here.
"""

from __future__ import annotations

import copy
import itertools
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from containers import Code, at, documents, members, parts_of
from office import FAMILIES, NOW, Office

from appliance.judging import Basis, judge
from trustsync.store import TrustSnapshot
from verifier.certificate import Certificate, Family
from verifier.policy.bundle import SIGNATURE_ONLY
from verifier.reasons import State


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[Family, Code], TrustSnapshot]:
    """A certificate of each family by one issuer, and what an appliance knows after a sync."""
    with Office(tmp_path_factory.mktemp("mutations"), seed="mutations") as office:
        codes = {family: office.issue(family).code for family in FAMILIES}
        return codes, office.synced()


def certified(code: Code, known: TrustSnapshot) -> Certificate | None:
    """The certificate of a code that passes; ``None`` for any other answer."""
    verdict = judge(code, Basis(known.trust, (SIGNATURE_ONLY,), NOW, None, known.floor)).verdict
    return verdict.certificate if verdict.state is State.PASS else None


def meaning(certificate: Certificate) -> tuple[Any, ...]:
    """What must not change: who, what, how long, and by whom."""
    return (
        certificate.family,
        certificate.holder,
        certificate.events,
        certificate.issued_at,
        certificate.expires_at,
        certificate.issuer,
        certificate.key.spki,
    )


# --- Mutants ----------------------------------------------------------------------------------------------


def bytes_changed(family: Family, code: Code) -> Iterator[tuple[str, int, bytes, Code]]:
    """Every byte of the container changed once: where, which, the part as it is now, and the code."""
    for part in parts_of(family, code):
        for place, byte in enumerate(part.data):
            other = byte ^ (1 << (place % 8))
            mutant = part.data[:place] + bytes([other]) + part.data[place + 1 :]
            yield part.name, place, mutant, part.code(mutant)


def dropped(document: Any) -> Iterator[tuple[str, Any]]:
    """The document without one member, for each of them."""
    for path in members(document):
        changed = copy.deepcopy(document)
        del at(changed, path[:-1])[path[-1]]
        yield f"drop {'/'.join(map(str, path))}", changed


def swapped(document: Any) -> Iterator[tuple[str, Any]]:
    """The document with the values of two members exchanged, for each pair that is not nested."""
    for one, other in itertools.combinations(list(members(document)), 2):
        if one == other[: len(one)] or at(document, one) == at(document, other):
            continue
        changed = copy.deepcopy(document)
        first, second = at(changed, one), at(changed, other)
        at(changed, one[:-1])[one[-1]], at(changed, other[:-1])[other[-1]] = second, first
        yield f"swap {'/'.join(map(str, one))} {'/'.join(map(str, other))}", changed


def members_changed(family: Family, code: Code) -> Iterator[tuple[str, Code]]:
    """Every member dropped, every pair swapped, in what the container holds and in the container itself."""
    for document, build in documents(family, code):
        for name, changed in itertools.chain(dropped(document), swapped(document)):
            try:
                yield name, build(changed)
            except (TypeError, ValueError, KeyError):
                continue  # the container cannot even say this


# --- The matrix ---------------------------------------------------------------------------------------------

SPARE_BITS = "the last letter of a Base64 text has bits that belong to no byte"
ONE_OF_TWO = "two members say the same under one IRI, and a set holds it once"
SAME_IRI = "both members stand for one IRI, and a set has no order"

# Mutants that stay PASS and mean the same, by the reason why. Everything else must not pass.
SURVIVE: dict[Family, dict[str, int]] = {
    Family.VDS_NC: {SPARE_BITS: 1},
    Family.DIVOC: {ONE_OF_TWO: 4, SAME_IRI: 10},
}
# Members of a DIVOC dose that its contexts map to one IRI each.
IDS = {"certificateId", "batch", "vaccine", "manufacturer", "icd11Code"}
DOSES = {"dose", "totalDoses"}
DATES = {"date", "effectiveStart", "effectiveUntil"}


def why_byte(family: Family, place: int, mutant: bytes) -> str:
    """Why a container with this byte changed is as good as before."""
    assert family is Family.VDS_NC, f"{family}: byte {place} is protected by nothing"
    assert mutant[place + 1 : place + 2] == b'"', "not the last letter of a text"
    return SPARE_BITS


def why_member(family: Family, name: str) -> str:
    """Why a container with this member dropped, or these two swapped, is as good as before."""
    assert family is Family.DIVOC, f"{family}: {name}"
    kind, *paths = name.split()
    touched = {path.rpartition("/")[2] for path in paths}
    assert all(path.startswith("evidence/") for path in paths), name
    assert any(touched <= same for same in (IDS, DOSES, DATES)), name
    return ONE_OF_TWO if kind == "drop" else SAME_IRI


@pytest.mark.parametrize("family", FAMILIES)
def test_pitfall_23_no_mutant_passes_that_says_something_else(
    family: Family, world: tuple[dict[Family, Code], TrustSnapshot]
) -> None:
    """Every byte, every member, every pair: 0 PASS with another meaning; each survivor has its reason."""
    codes, known = world
    original = certified(codes[family], known)
    assert original is not None
    wanted = meaning(original)
    survivors: Counter[str] = Counter()
    count = 0
    for part, place, mutant, code in bytes_changed(family, codes[family]):
        count += 1
        found = certified(code, known)
        if found is not None:
            assert meaning(found) == wanted, f"{family}: byte {place} of {part}"
            survivors[why_byte(family, place, mutant)] += 1
    for name, code in members_changed(family, codes[family]):
        count += 1
        found = certified(code, known)
        if found is not None:
            assert meaning(found) == wanted, f"{family}: {name}"
            survivors[why_member(family, name)] += 1
    assert survivors == SURVIVE.get(family, {})
    assert count > 300, "the matrix is smaller than a certificate"
