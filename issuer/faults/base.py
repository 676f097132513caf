"""What a fault on purpose is.

The rules this module keeps:

* One fault, one function, one broken step. Everything else about the code is as it should be.
* A fault says what a verifier must answer, so that the answer can be compared. An oddity that must be
  accepted is one too: its state is PASS and its reason ``None``.
* The docstring of the function that makes it is what people read about it.
* What is made here looks real. Nothing of it is ever called by ``issue`` without its name.

    fault = FAULTS["shc-payload-changed"]
    fault.expect_state, fault.expect_reason      # FAIL, SIG_BAD
    fault.make(issuer, payload, now)             # the broken code
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from issuer.office import Issuer
from verifier.certificate import Family
from verifier.reasons import Reason, State

Payload = Mapping[str, Any]
# What a symbol holds: a text, bytes, or the texts of the parts of one code.
Code = str | bytes | tuple[str, ...]
Make = Callable[[Issuer, Payload, datetime], Code]


@dataclass(frozen=True, slots=True)
class Fault:
    """A named fault. family: of the document. about: one line for people.

    expect_reason: the only reason of the answer, ``None`` for an oddity that must be accepted. make: the
    code, from an issuer, a DCC payload without fault, and the clock.
    """

    name: str
    family: Family
    expect_state: State
    expect_reason: Reason | None
    about: str
    make: Make


class Catalogue:
    """Faults by their name, gathered where they are written.

    faults = Catalogue(Family.SHC)

    @faults.add("shc-no-zip", State.FAIL, Reason.MALFORMED)
    def no_zip(issuer: Issuer, payload: Payload, now: datetime) -> Code:
        \"\"\"Does not say that its payload is compressed.\"\"\"
    """

    def __init__(self, family: Family) -> None:
        self.family = family
        self.rows: list[Fault] = []

    def add(
        self, name: str, state: State, reason: Reason | None = None, *, family: Family | None = None
    ) -> Callable[[Make], Make]:
        """Note the function below as the maker of this fault. family: where it is not the catalogue's own."""

        def noted(make: Make) -> Make:
            about = (make.__doc__ or "").strip().partition("\n")[0].rstrip(".")
            self.rows.append(Fault(name, family or self.family, state, reason, about, make))
            return make

        return noted
