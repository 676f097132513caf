"""Which rules may follow which: an older version of a rule set comes back only when its signer says so.

The rules this module keeps:

* Of each name the highest version that was ever in force on this unit is remembered, also after the name
  itself is gone. Delivered is not in force: a version that waits may be called off before its instant.
* Nobody is judged below that version, unless by a bundle that names in ``replaces`` exactly the version that
  it takes back. What was taken back returns under a higher number alone.
* The rules of before are never refused: a list that says nothing new of rules brings a revocation, perhaps.
* What has begun is judged by the instant at which the list was signed, so all units agree on it.
* An order of a post is none of the country's rules, and is not published.

    succession = Succession(floors, signed_at, held)
    succession.check(bundles)              # raises SuccessionError
    succession.after(bundles)              # the floors once they are in force
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from trustsync.rule_floors import Floors, RuleFloor
from verifier.policy.bundle import RuleBundle, numbers


class SuccessionError(ValueError):
    """Rules that must not follow those that were in force. older: that they are an older version of them;
    otherwise they contradict themselves.
    """

    def __init__(self, message: str, *, older: bool) -> None:
        super().__init__(message)
        self.older = older


@dataclass(frozen=True, slots=True)
class Succession:
    """What was in force on a unit. floors: as remembered when the list before was accepted. signed_at: of the
    new list, an aware instant; ``None`` where nothing is held against it. held: the bundles of before.
    """

    floors: Floors = field(default_factory=dict)
    signed_at: datetime | None = None
    held: Sequence[RuleBundle] = ()

    def check(self, bundles: Sequence[RuleBundle]) -> None:
        """Raise SuccessionError, naming the bundle, where these must not follow what was in force."""
        if tuple(bundles) == tuple(self.held):
            return
        floors = self._raised(self.floors, self.held)
        for name, same in _by_name(bundles).items():
            _check_whole(name, same)
            self._check_follows(name, same, floors.get(name, RuleFloor()))

    def _check_follows(self, name: str, offered: Mapping[str, RuleBundle], floor: RuleFloor) -> None:
        for version, bundle in offered.items():
            again = _between(floor.version, version, floor.taken_back)
            if again and not _below(version, bundle.replaces):  # a roll-back is no return
                raise SuccessionError(
                    f"{name} {version}: {floor.taken_back} was taken back here; a higher version may follow",
                    older=True,
                )
        back = self._lowered(offered, floor)
        if back is not None and back.replaces != floor.version:
            raise SuccessionError(
                f"{name} {back.version}: {floor.version} was in force here already. A roll-back says "
                f'"replaces": "{floor.version}"',
                older=True,
            )

    def after(self, bundles: Sequence[RuleBundle]) -> dict[str, RuleFloor]:
        """The floors once these are the rules of this unit; :meth:`check` did not refuse them."""
        return self._raised(self._raised(self.floors, self.held), bundles)

    def _raised(self, floors: Floors, bundles: Sequence[RuleBundle]) -> dict[str, RuleFloor]:
        raised = dict(floors)
        for name, offered in _by_name(bundles).items():
            floor = raised.get(name, RuleFloor())
            back = self._lowered(offered, floor)
            if back is not None and back.replaces != floor.version:
                back = None  # of before, and nothing new: it was judged by when it came
            count = [bundle for bundle in offered.values() if self._begun(bundle) or bundle is back]
            version = _highest([*(b.version for b in count), floor.version if back is None else ""])
            rolled = [b.replaces for b in count if _below(b.version, b.replaces)]
            taken = _highest([floor.taken_back, *rolled])
            new = RuleFloor(version, taken if _below(version, taken) else "")
            if new != RuleFloor():
                raised[name] = new
        return raised

    def _lowered(self, offered: Mapping[str, RuleBundle], floor: RuleFloor) -> RuleBundle | None:
        """The bundle by which people would be judged below the floor; ``None`` where nobody would.

        A lower version beside one that has begun and is not lower judges nobody: of one name the highest
        counts.
        """
        lower = [version for version in offered if _below(version, floor.version)]
        covered = any(not _below(version, floor.version) and self._begun(b) for version, b in offered.items())
        if not lower or covered:
            return None
        begun = [version for version in lower if self._begun(offered[version])]
        return offered[max(begun or lower, key=numbers)]

    def _begun(self, bundle: RuleBundle) -> bool:
        return self.signed_at is not None and bundle.begins <= self.signed_at


FIRST_RULES = Succession()  # of a unit that had no rules yet


def _check_whole(name: str, offered: Mapping[str, RuleBundle]) -> None:
    """Raise SuccessionError for what contradicts itself, whatever was in force before."""
    for bundle in offered.values():
        if bundle.post:
            raise SuccessionError(
                f"{name} {bundle.version}: an order of the post {bundle.post!r} is signed with the post's "
                "key and laid down there, not published",
                older=False,
            )
        beside = [version for version in offered if _between(bundle.version, version, bundle.replaces)]
        if beside:
            raise SuccessionError(
                f"{name} {bundle.version}: takes {bundle.replaces} back, and {beside[0]} stands beside it",
                older=False,
            )


def _by_name(bundles: Iterable[RuleBundle]) -> dict[str, dict[str, RuleBundle]]:
    found: dict[str, dict[str, RuleBundle]] = {}
    for bundle in bundles:
        found.setdefault(bundle.name, {})[bundle.version] = bundle
    return found


def _between(low: str, version: str, high: str) -> bool:
    """Whether a version is above ``low`` and not above ``high``; an empty ``high`` bounds nothing."""
    return bool(high) and _below(low, version) and not _below(high, version)


def _below(version: str, other: str) -> bool:
    """Whether one version is lower than another; empty: lower than all."""
    return bool(other) and (not version or numbers(version) < numbers(other))


def _highest(versions: Iterable[str]) -> str:
    return max(filter(None, versions), key=numbers, default="")
