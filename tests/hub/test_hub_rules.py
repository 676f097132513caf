"""Rules on their way through the hub: shipped ones as people build them, and those no unit would take."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime

import pytest
from pilot import DAY, START, Pilot, key

from trustsync import shipped
from trustsync.hub.config import HubError, NotPublishedError
from trustsync.hub.content import put_content
from trustsync.layout import RULES_PATH
from trustsync.targets import PRODUCTION
from verifier.policy.bundle import SIGNATURE_ONLY, RuleBundle
from verifier.policy.bundle_json import bundle_row, decode_bundles, encode_bundles
from verifier.trust import HashKind

ONLINE = ("online",)


@pytest.fixture
def published(pilot: Pilot) -> Pilot:
    """A hub that has published some keys, and rules that ask for authenticity alone."""
    pilot.says("de", [key(n) for n in range(1, 11)])
    pilot.whole()
    return pilot


def rules(version: str, begins: datetime = START - DAY, **facts: str) -> RuleBundle:
    return replace(SIGNATURE_ONLY, name="entry", version=version, valid_from=begins, **facts)  # type: ignore[arg-type]


def put(pilot: Pilot, *bundles: RuleBundle) -> None:
    put_content(pilot.config, "rules", encode_bundles(bundles))


def standing(pilot: Pilot) -> tuple[RuleBundle, ...]:
    """The rules that stand in the repository."""
    with pilot.ledger() as ledger:
        return decode_bundles(ledger.published(PRODUCTION)[RULES_PATH])


def names(pilot: Pilot) -> set[str]:
    return {f"{bundle.name} {bundle.version}" for bundle in standing(pilot)}


@pytest.mark.parametrize("name", shipped.names())
def test_each_shipped_bundle_can_be_published(published: Pilot, name: str) -> None:
    """It is put in as a document with spaces, and comes out as every unit reads it."""
    rows = {"v": 1, "bundles": [bundle_row(shipped.bundle(name))]}
    put_content(published.config, "rules", json.dumps(rows, indent=2, ensure_ascii=False).encode())
    published.publish()
    assert standing(published) == (shipped.bundle(name),)


def test_older_rules_are_not_published(published: Pilot) -> None:
    """Every unit would refuse the whole list, with the revocations in it: said here, before it is signed."""
    put(published, rules("2.0.0"))
    published.publish()
    before = published.tree()
    put(published, rules("1.0.0"))
    with pytest.raises(NotPublishedError, match=r'"replaces": "2\.0\.0"'):
        published.publish()
    assert published.tree() == before
    put(published, rules("1.0.0", replaces="2.0.0"))
    published.publish()
    assert names(published) == {"entry 1.0.0"}
    put(published, rules("2.0.0"))
    with pytest.raises(NotPublishedError, match="was taken back"):
        published.publish()


def test_what_was_published_once_is_remembered_when_its_name_is_gone(published: Pilot) -> None:
    """As units do."""
    put(published, rules("2.0.0"))
    published.publish()
    put(published, SIGNATURE_ONLY)
    published.publish()
    put(published, SIGNATURE_ONLY, rules("1.0.0"))
    with pytest.raises(NotPublishedError, match="was in force"):
        published.publish()


def test_at_night_unfit_rules_wait_and_revocations_do_not(published: Pilot) -> None:
    """A wrong file never keeps the fleet's list from its news."""
    put(published, rules("2.0.0"))
    published.publish()
    put(published, rules("1.0.0"))
    published.says("de", [key(n) for n in range(1, 11)], revoked=((key(1).kid, HashKind.UCI, bytes(16)),))
    published.gather()
    done = published.publish(keys=ONLINE, nightly=True)
    assert done.publication.changed == ("revocation", "snapshot", "timestamp")
    assert any(words.startswith("the rules wait: entry 1.0.0") for words in done.waiting)
    assert names(published) == {"entry 2.0.0"}


def test_an_order_of_a_post_is_not_published(published: Pilot) -> None:
    """It counts where it is laid down, and nowhere by a list."""
    put(published, rules("1.0.0", post="moc-bai"))
    with pytest.raises(NotPublishedError, match="signed with the post's key"):
        published.publish()


@pytest.mark.parametrize(
    "data", [b"", b"[]", b'{"v": 1, "v": 1}', b'{"v": NaN}', b'{"v": "\\ud800"}', b"[" * 100_000, b"\xff"]
)
def test_what_is_no_document_is_refused_when_it_is_put_in(published: Pilot, data: bytes) -> None:
    """JSON that two readers could understand differently, or that is none."""
    with pytest.raises(HubError):
        put_content(published.config, "rules", data)


def test_two_texts_of_one_version_are_refused_when_they_are_put_in(published: Pilot) -> None:
    """Equal versions with different texts: the whole document."""
    with pytest.raises(HubError, match=r"entry 1\.0\.0 stands there twice"):
        put(published, rules("1.0.0"), rules("1.0.0", source="another letter"))
