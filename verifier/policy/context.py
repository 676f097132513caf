"""What the desk knows of the journey, and rules may ask: it comes from the officer, the airline or the site.

The rules this module keeps:

* What nobody has said is ``None`` or empty, never guessed: a rule that needs it answers unknown.
* Only the desk's own setting (country, profile, post) has a default.
* Nothing here is kept after the traveller: a context belongs to one session.

    context = Context(mode=Mode.AIR, departure=datetime(2022, 3, 23, 8, tzinfo=UTC))
    replace(context, journey=Journey.TRANSIT)          # one tap: the same certificates, judged anew
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from verifier.identity import Traveller


class Profile(StrEnum):
    """What kind of desk this is."""

    BORDER = "border"
    QUARANTINE = "quarantine"
    HOTEL = "hotel"
    AIRLINE = "airline"
    GATE = "gate"
    TRAINING = "training"


class Journey(StrEnum):
    """What the traveller is about to do."""

    ENTRY = "entry"
    TRANSIT = "transit"
    DOMESTIC = "domestic"


class Mode(StrEnum):
    """By which way."""

    AIR = "air"
    LAND = "land"
    SEA = "sea"
    RAIL = "rail"


@dataclass(frozen=True, slots=True)
class Paper:
    """A paper that no machine reads, and that an officer has seen.

    kind: as ``medical`` (an exemption on medical grounds). country: of its issuer, alpha-2 or empty.
    """

    kind: str
    country: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class Context:
    """The journey.

    country: of arrival, alpha-2; that of the desk, or of a flight's destination. arrival: at that country;
    ``None``: now, or the departure where that is still to come. departure: the aware instant, ``None`` where
    nobody has said. longest: how long a journey to here takes at most, which bounds an unknown departure;
    ``None``: no bound. origin: the country that the traveller comes from, area: the district within this
    country. role: of a traveller whom a rule set may exempt, as ``crew``. paper: what an officer has seen.
    airside: hours until an onward journey without entry. post: the name under which this desk's orders are
    signed. traveller: who stands here, by the travel document; ``None`` when none was read.
    """

    profile: Profile = Profile.BORDER
    journey: Journey = Journey.ENTRY
    country: str = "VN"
    mode: Mode | None = None
    arrival: datetime | None = None
    departure: datetime | None = None
    longest: timedelta | None = None
    flight: str = ""
    origin: str = ""
    area: str = ""
    role: str = ""
    paper: Paper | None = None
    airside: int | None = None
    post: str = ""
    traveller: Traveller | None = None


DEFAULT = Context()  # of a desk at the border of Viet Nam of which nothing else is known
