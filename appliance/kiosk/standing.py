"""What stands below every result: the list and its age, the clock, the rules in force and those that come.

The rules this module keeps:

* What there is not is ``None``, and never a guess.
* Rules that begin tomorrow are said today: from the calendar day before, in the desk's zone.
* A text that lacks Vietnamese is shown in English with a mark.

    facts = of_standing(snapshot, now, clock, zone, context)
    facts["rules"]["bundle"], facts["rules"]["next"]["date"]      # "vn-2022-03", "00:00 15/05/2022"
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, tzinfo
from typing import Any

from appliance.kiosk.plain import Facts, Texts
from appliance.supply import Snapshot
from verifier.policy.bundle import RuleBundle, in_force, upcoming
from verifier.policy.context import DEFAULT, Context
from verifier.policy.explain import texts_of
from verifier.times import written
from verifier.trust import ClockState


def words_of(texts: Mapping[str, Any]) -> Texts:
    """Both languages of a text."""
    return {"vi": texts["vi"], "en": texts["en"]}


def bundle_facts(bundle: RuleBundle | None) -> Facts | None:
    """By which rules a result was judged; English with a mark where the Vietnamese is missing (SC-L09)."""
    if bundle is None:
        return None
    return {
        "bundle": bundle.name,
        "version": bundle.version,
        "title": words_of(texts_of(bundle.texts, bundle.name)),
    }


def of_standing(
    snapshot: Snapshot | None,
    now: datetime,
    clock: ClockState | None,
    zone: tzinfo,
    context: Context = DEFAULT,
) -> Facts:
    """What stands below every result: list, clock and rules; ``None`` for what there is not.

    context: of the desk, for which rules are in force.
    """
    if snapshot is None or clock is None:
        return {"list": None, "clock": None, "rules": None}
    state = snapshot.trust.state(now, clock)
    return {
        "list": {
            "state": None if state is None else state.value,
            "signed_at": written(snapshot.signed_at.replace(microsecond=0)),
            "age_s": int((now - snapshot.signed_at).total_seconds()),
            "date": f"{snapshot.signed_at.astimezone(zone):%d/%m/%Y %H:%M}",
            "sets": {
                name: {
                    "version": part.version,
                    "age_s": part.signed_at and int((now - part.signed_at).total_seconds()),
                    "expires": written(part.expires),
                    "count": part.count,
                }
                for name, part in snapshot.sets.items()
            },
        },
        "clock": {
            "state": clock.value,
            "now": written(now.replace(microsecond=0)),
            "text": f"{now.astimezone(zone):%H:%M · %d/%m/%Y}",
        },
        "rules": _rules(snapshot.bundles, now, zone, context),
    }


def _rules(bundles: Sequence[RuleBundle], now: datetime, zone: tzinfo, context: Context) -> Facts | None:
    """The rules in force, and from the day before on which ones come next (SC-L01)."""
    bundle = bundle_facts(in_force(bundles, now, context))
    coming = upcoming(bundles, now, context)
    if coming is not None:
        begins = coming.begins.astimezone(zone)
        if begins.date() - now.astimezone(zone).date() > timedelta(days=1):
            coming = None
    if coming is None:
        return None if bundle is None else {**bundle, "next": None}
    following = bundle_facts(coming)
    assert following is not None
    following |= {"begins": written(coming.begins), "date": f"{begins:%H:%M %d/%m/%Y}"}
    nothing = {"bundle": None, "version": None, "title": None}
    return {**(bundle or nothing), "next": following}
