"""Whether a certificate is the traveller's: name and birth date against the lines of the travel document.

The rules this module keeps:

* A certificate has no photo. A signature says that it was issued, never that it is the bearer's.
* Red is for what is known to differ: another name, another birth date. What is missing, cut or swapped is for
  a person to look at.
* A gate has no person: it opens for the same name and one full birth date alone (``opens_gate``).
* No travel document is no finding. The desk compares by eye, and a gate stays shut.

    traveller = Traveller(read_lines(text))
    match = match_identity(certificate.holder, traveller)
    match.name, match.birth, match.opens_gate          # EXACT, MATCH, True
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from verifier.births import (
    BirthMatch,
    Born,
    PartialDate,
    compare_births,
    read_birth,
    resolve_birth,
)
from verifier.certificate import Holder
from verifier.mrz import TravelDocument
from verifier.names import NameClass, NameMatch, Note, compare, compare_holders
from verifier.reasons import Finding, Reason, State, finding

AGREEING = frozenset({NameClass.EXACT, NameClass.VARIANT, NameClass.TRUNCATED, NameClass.ORDER})
OPENING = AGREEING - {NameClass.ORDER}

_SWAPPED = {"vi": "Ngày và tháng bị đảo?", "en": "Day and month swapped?"}


@dataclass(frozen=True, slots=True, repr=False)
class Traveller:
    """Who stands here, by a travel document whose lines were read.

    born: the birth date that an officer picked where the line leaves the century open; ``None``: nobody has.
    """

    document: TravelDocument
    born: date | None = None

    @property
    def birth(self) -> PartialDate:
        """The birth date as the line states it, with the century that was picked."""
        if self.born is None:
            return self.document.birth
        return PartialDate(self.born.year, self.born.month, self.born.day)


@dataclass(frozen=True, slots=True)
class IdentityMatch:
    """How a certificate's holder stands to a traveller, or to the holder of another certificate."""

    name: NameClass
    notes: tuple[Note, ...]
    birth: BirthMatch

    @property
    def agrees(self) -> bool:
        """Whether both may be one person: the same name, and birth dates of which all known parts agree."""
        return self.name in AGREEING and self.birth in (BirthMatch.MATCH, BirthMatch.MATCH_KNOWN)

    @property
    def opens_gate(self) -> bool:
        """Whether this is enough where no person looks: nothing moved, nothing missing."""
        return self.name in OPENING and self.birth is BirthMatch.MATCH


def match_identity(holder: Holder, traveller: Traveller) -> IdentityMatch:
    """A certificate's holder against the travel document."""
    birth = compare_births(read_birth(holder.birth_date), traveller.birth)
    return _matched(compare(holder, traveller.document.name, same_birth=birth is BirthMatch.MATCH), birth)


def same_person(one: Holder, other: Holder) -> IdentityMatch:
    """The holders of two certificates against each other; ``agrees`` says whether to judge them together.

    A birth date that one of them does not state leaves that open, and they do not agree.
    """
    birth = compare_births(read_birth(one.birth_date), read_birth(other.birth_date))
    return _matched(compare_holders(one, other), birth)


def _matched(name: NameMatch, birth: BirthMatch) -> IdentityMatch:
    return IdentityMatch(name.found, name.notes, birth)


def findings(holder: Holder, traveller: Traveller | None, *, gate: bool = False) -> list[Finding]:
    """What a certificate's holder has against being the traveller.

    gate: whether nobody is there to look. Then what a desk lets pass with its class shown (words in another
    order, a birth date known in part) is CHECK too, so that at a gate PASS and open are one.
    """
    if traveller is None:
        return []
    match = match_identity(holder, traveller)
    return [*_of_name(match.name, gate), *_of_birth(match.birth, gate)]


def _of_name(found: NameClass, gate: bool) -> list[Finding]:
    match found:
        case NameClass.EXACT | NameClass.VARIANT | NameClass.TRUNCATED:
            return []
        case NameClass.ORDER:
            return [finding(Reason.NAME_PARTIAL, "words in another order, at a gate")] if gate else []
        case NameClass.PARTIAL:
            return [finding(Reason.NAME_PARTIAL)]
        case NameClass.CHANGED:
            return [finding(Reason.NAME_CHANGED, "ask for proof of the name change")]
        case NameClass.DIFFERENT:
            return [finding(Reason.NAME_DIFFERENT)]


def _of_birth(found: BirthMatch, gate: bool) -> list[Finding]:
    match found:
        case BirthMatch.MATCH:
            return []
        case BirthMatch.MATCH_KNOWN:
            return [finding(Reason.DOB_PARTIAL, "known in part, at a gate")] if gate else []
        case BirthMatch.UNKNOWN:
            return [finding(Reason.DOB_PARTIAL, "nothing to compare")]
        case BirthMatch.SWAPPED:
            return [finding(Reason.DOB_DIFFERENT, "day and month swapped?", State.CHECK, note=_SWAPPED)]
        case BirthMatch.DIFFERENT:
            return [finding(Reason.DOB_DIFFERENT, state=State.FAIL)]


def born(holder: Holder | None, traveller: Traveller | None, today: date) -> Born | None:
    """When somebody was born, for a rule that asks an age: by certificate and travel document together.

    The document completes a certificate's partial date; a certificate gives the document's date its century.
    ``None``: neither is there, or neither says a year. today: the desk's calendar day.
    """
    certificate = read_birth("" if holder is None else holder.birth_date)
    return resolve_birth(certificate, PartialDate() if traveller is None else traveller.birth, today)
