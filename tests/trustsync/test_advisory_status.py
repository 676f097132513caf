"""Advisories on a unit: signed, synced, and said where they concern it."""

from __future__ import annotations

from trust_site import START, Site

from appliance.kiosk.trust import TrustPage
from trustsync.advisories import Advisory
from trustsync.status import read_status
from verifier.clocks import Reading


def test_a_unit_says_that_it_must_be_updated(site: Site) -> None:
    """Signed by its own role, synced, held against what is installed here: on the status and the page."""
    weak = Advisory("GHSA-test", "cbor2", below="9999", severity="high", text="Reads beyond its end.")
    other = Advisory("GHSA-else", "no-such-package", severity="low", text="Concerns nobody here.")
    site.publisher.advisories = [weak, other]
    site.publisher.publish(START)
    site.sync(START)

    status = read_status(site.store, START, clock=Reading(START)).as_json()

    (found,) = status["advisories"]
    assert (found["id"], found["package"], found["severity"]) == ("GHSA-test", "cbor2", "high")
    assert status["sets"]["software"]["count"] == 2
    shown = TrustPage(lambda: status).shown("vi")
    assert [each["id"] for each in shown["advisories"]] == ["GHSA-test"]
