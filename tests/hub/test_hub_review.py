"""What a publication would change, and who must have seen it."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta

import pytest
from csca import Csca
from nacl.signing import SigningKey
from pilot import DAY, START, Pilot, key, spki

from trustsync.hub.candidate import make_candidate
from trustsync.hub.config import HubError, NotPublishedError
from trustsync.hub.decisions import distrust, reinstate
from trustsync.hub.entries import by_hand, standing_allowed
from trustsync.hub.publish import candidate_of, specimens_of
from trustsync.hub.records import HeldList
from trustsync.hub.review import approved_by, compare, sign_change
from trustsync.hub.specimens import COUNTRY
from trustsync.hub.upstream import Authentication, Source
from trustsync.targets import PRODUCTION, TEST, KeyRecord
from verifier.chain import load_authority
from verifier.checks import entry_digest
from verifier.trust import Domain, HashKind, KeyStatus, TrustedKey, country_scope
from verifier.wire.shc_keys import thumbprint

TLS, SIGNED, PINNED = Authentication.TLS, Authentication.SIGNED, Authentication.PINNED
MANY = [key(n) for n in range(1, 101)]
AN = SigningKey(bytes(32))


@pytest.fixture
def hundred(pilot: Pilot) -> Pilot:
    """A hub that has published a hundred keys of one signed list."""
    pilot.says("de", MANY)
    pilot.whole()
    return pilot


def test_the_first_list_asks_for_two_reviewers(pilot: Pilot) -> None:
    """Everything is new; the refusal names who has signed and who may."""
    pilot.says("de", [key(1)])
    pilot.gather()
    with pytest.raises(NotPublishedError, match=r"asks for 2 reviewers.*nobody has signed it.*an and binh"):
        pilot.publish()
    pilot.approve("an")
    with pytest.raises(NotPublishedError, match=r"signed so far: an\. Ask binh"):
        pilot.publish()
    pilot.approve("binh")
    pilot.publish()
    assert pilot.listed() == {1: "active"}


def test_nothing_new_asks_for_nobody(hundred: Pilot) -> None:
    """The same lists again are no change."""
    hundred.gather()
    assert hundred.change().empty
    assert hundred.publish().publication.changed == ("timestamp",)


@pytest.mark.parametrize(
    ("keys", "reviewers"),
    {
        "five new ones of a hundred": ([*MANY, *map(key, range(101, 106))], 0),
        "six new ones": ([*MANY, *map(key, range(101, 107))], 2),
        "five gone": (MANY[5:], 0),
        "six gone": (MANY[6:], 2),
        "three new and three gone": ([*MANY[3:], *map(key, range(101, 104))], 2),
        "six that may sign less": ([*(replace(k, uses=frozenset("t")) for k in MANY[:6]), *MANY[6:]], 2),
    }.values(),
)
def test_a_change_of_more_than_a_twentieth_asks_for_two(
    hundred: Pilot, keys: list[TrustedKey], reviewers: int
) -> None:
    """Of a list that a signature proves; up to a twentieth goes through by itself."""
    hundred.says("de", keys)
    hundred.gather()
    # the list's own specimen is one of its 101 keys
    assert hundred.change().needed.reviewers == reviewers
    if reviewers:
        with pytest.raises(NotPublishedError, match="more than 5% of the keys"):
            hundred.publish()
    else:
        hundred.publish()


def test_any_csca_asks_for_two(hundred: Pilot) -> None:
    """One that comes, and one that goes: it vouches for signers without number."""
    authority = load_authority(Csca("XV").certificate())
    hundred.says("de", MANY, authorities=[authority])
    hundred.gather()
    assert hundred.change().needed == replace(hundred.change().needed, reviewers=2, why=("a CSCA",))
    hundred.approve("an", "binh")
    hundred.publish()
    hundred.says("de", MANY)
    hundred.gather()
    change = hundred.change()
    assert (change.needed.reviewers, change.authorities[0].status) == (2, KeyStatus.WITHDRAWN)
    assert "CSCA" in change.as_text()


@pytest.mark.parametrize(
    ("others", "reviewers"),
    {
        "alone": ({}, 1),
        "a second server that has it too": ({"https://fr.example/keys": TLS}, 0),
        "another list of the same server": ({"https://it.example/other": TLS}, 1),
        "a list that is signed": ({"https://se.example/list": SIGNED}, 0),
        "a file that somebody pinned": ({"https://it.example/file": PINNED}, 0),
        "a list that nothing proves": ({"https://who.example/list": Authentication.UNPROVEN}, 1),
    }.values(),
)
def test_a_key_that_one_connection_vouches_for_needs_a_second_place_or_a_person(
    hundred: Pilot, others: dict[str, Authentication], reviewers: int
) -> None:
    """Who can forge one connection can then forge no key."""
    hundred.says("it", [key(201)], TLS, url="https://it.example/keys")
    for number, (url, proof) in enumerate(others.items()):
        hundred.says(f"other-{number}", [key(201)], proof, url=url)
    hundred.gather()
    change = hundred.change()
    assert change.needed.reviewers == reviewers
    assert [each.kid for each in change.unvouched] == [key(201).kid] * reviewers
    if reviewers:
        with pytest.raises(NotPublishedError, match="one connection alone"):
            hundred.publish()
        hundred.approve("binh")
    hundred.publish()
    assert hundred.listed()[201] == "active"


def test_a_key_that_was_seen_once_is_not_asked_about_again(hundred: Pilot) -> None:
    """Only what is new or says something new of itself needs a person."""
    hundred.says("it", [key(201)], TLS)
    hundred.gather()
    hundred.approve("an")
    hundred.publish()
    assert hundred.change().empty
    hundred.says("it", [replace(key(201), not_after=START + DAY)], TLS)
    hundred.gather()
    assert hundred.change().needed.reviewers == 1


def test_a_connection_does_not_keep_a_key_that_a_proven_list_has_dropped(hundred: Pilot) -> None:
    """Else whoever forges the connection to one server could undo another country's withdrawal unseen."""
    hundred.says("it", [key(1)], TLS)
    hundred.gather()
    assert hundred.change().empty, "a proven list has it, and is believed"
    hundred.says("de", MANY[1:])
    hundred.gather()
    change = hundred.change()
    assert ([each.kid for each in change.unvouched], change.needed.reviewers) == ([key(1).kid], 1)
    with pytest.raises(NotPublishedError, match="one connection alone"):
        hundred.publish()


def test_two_servers_that_name_different_owners_vouch_for_neither(hundred: Pilot) -> None:
    """Whose key it is decides what it may sign."""
    hundred.says("it", [key(201, country="IT")], TLS)
    hundred.says("fr", [key(201, country="FR")], TLS)
    hundred.gather()
    assert hundred.change().needed.reviewers == 1


# --- Approvals --------------------------------------------------------------------------------------------


def test_an_approval_is_for_one_exact_change(pilot: Pilot) -> None:
    """What was gathered after the reviewers looked is another change."""
    pilot.says("de", [key(1)])
    pilot.gather()
    pilot.approve("an", "binh")
    pilot.says("de", [key(1), key(66)])
    pilot.gather()
    with pytest.raises(NotPublishedError, match="nobody has signed it"):
        pilot.publish()


def test_an_approval_is_used_once(pilot: Pilot) -> None:
    """The same difference another time is another change: an old signature does not open the door again."""
    pilot.says("de", [key(1)])
    pilot.gather()
    with pilot.ledger() as ledger:
        candidate = candidate_of(pilot.config, ledger, PRODUCTION)
    first, again = (compare(candidate, None, number=number) for number in (0, 1))
    approvals = [sign_change(first, "an", AN, START)]
    assert approved_by(first, approvals * 2, {"an": bytes(AN.verify_key)}) == ["an"]
    assert approved_by(again, approvals, {"an": bytes(AN.verify_key)}) == []
    pilot.approve("an", "binh")
    pilot.publish()
    with pilot.ledger() as ledger:
        assert ledger.fact("keys-published/production") == "1"


def test_one_reviewer_counts_once_and_a_stranger_not_at_all(pilot: Pilot) -> None:
    """Two names with two keys, as hub.toml has them now."""
    pilot.says("de", [key(1)])
    pilot.gather()
    pilot.approve("an", "an")
    change = pilot.change()
    with pilot.ledger() as ledger, ledger.change():
        ledger.approve(PRODUCTION, sign_change(change, "binh", SigningKey.generate(), START))
        ledger.approve(PRODUCTION, sign_change(change, "chi", SigningKey.generate(), START))
    with pytest.raises(NotPublishedError, match="signed so far: an"):
        pilot.publish()
    pilot.approve("binh")
    text = (pilot.directory / "hub.toml").read_text()
    (pilot.directory / "hub.toml").write_text(text.replace('name = "an"', 'name = "anh"'))
    with pytest.raises(NotPublishedError, match="signed so far: binh"):
        pilot.publish()


def test_an_approval_for_test_is_none_for_production(pilot: Pilot) -> None:
    """The signature says whose list it is about."""
    pilot.says("de", [key(1)])
    pilot.says("dev", [key(1)], environment=TEST)
    pilot.gather()
    pilot.approve("an", "binh", environment=TEST)
    with pilot.ledger() as ledger, ledger.change():
        for approval in ledger.approvals(TEST):
            ledger.approve(PRODUCTION, replace(approval, digest=pilot.change().digest))
    with pytest.raises(NotPublishedError, match="nobody has signed it"):
        pilot.publish()


# --- What a list becomes ----------------------------------------------------------------------------------


def test_a_key_that_vanished_is_withdrawn_and_stays_so(hundred: Pilot) -> None:
    """Leaving it out would tell units nothing; a list that names it again does not bring it back."""
    hundred.says("de", MANY[1:])
    hundred.gather()
    hundred.publish()
    assert hundred.listed()[1] == "withdrawn"
    hundred.says("de", MANY)
    hundred.gather()
    change = hundred.change()
    assert change.empty
    assert [each.kid for each in change.returned] == [key(1).kid]
    hundred.publish()
    assert hundred.listed()[1] == "withdrawn"


def test_only_people_reinstate_a_key(hundred: Pilot) -> None:
    """By a decision with a name, which a reviewer sees; the list says the word that units wait for."""
    hundred.says("de", MANY[1:])
    hundred.gather()
    hundred.publish()
    hundred.says("de", MANY)
    hundred.gather()
    with hundred.ledger() as ledger:
        reinstate(ledger, PRODUCTION, key(1).kid, by="an", now=hundred.now)
    assert hundred.change().needed.reviewers == 1
    with pytest.raises(NotPublishedError, match="believed in more than before"):
        hundred.publish()
    hundred.approve("binh")
    hundred.publish()
    assert hundred.listed()[1] == "reinstated"
    hundred.says("de", MANY[1:])
    hundred.gather()
    hundred.publish()
    assert hundred.listed()[1] == "withdrawn", "gone from its list again"


def test_a_source_that_is_no_longer_configured_withdraws_its_keys(hundred: Pilot) -> None:
    """Whoever takes a source out sees what that means, and signs it."""
    path = hundred.directory / "hub.toml"
    path.write_text(path.read_text().replace('name = "de"', 'name = "dd"'))
    change = hundred.change()
    assert (len(change.withdrawn), change.needed.reviewers) == (100, 2)


def test_distrust_is_published_as_it_was_decided(hundred: Pilot) -> None:
    """Withdrawn at once without a reviewer, or refused from an instant on; taking that back asks for one."""
    with hundred.ledger() as ledger:
        distrust(ledger, PRODUCTION, key(1).kid, by="an", now=hundred.now)
        distrust(ledger, PRODUCTION, key(2).kid, by="an", now=hundred.now, since=START - DAY)
        with pytest.raises(HubError, match="no list of production ever had"):
            distrust(ledger, PRODUCTION, b"mistyped", by="an", now=hundred.now)
    assert hundred.change().needed.reviewers == 0
    hundred.publish()
    assert (hundred.listed()[1], hundred.listed()[2]) == ("withdrawn", "active")
    (second,) = (r.key for r in hundred.published().keys if r.key.kid == key(2).kid)
    assert second.reject_from == START - DAY
    with hundred.ledger() as ledger:
        distrust(ledger, PRODUCTION, key(2).kid, by="an", now=hundred.now, since=START + DAY)
    assert hundred.change().needed.reviewers == 1


def test_certificates_that_were_really_issued_can_be_let_in(hundred: Pilot) -> None:
    """The key says that there is such a list, a segment has their whole hashes, a reviewer has seen it."""
    hashes = b"".join(bytes([n]) * 16 for n in (1, 2, 3))
    with hundred.ledger() as ledger:
        distrust(ledger, PRODUCTION, key(1).kid, by="an", now=hundred.now, allow=hashes)
    with pytest.raises(NotPublishedError, match="believed in more"):
        hundred.publish()
    hundred.approve("an")
    hundred.publish()
    (stolen,) = (r.key for r in hundred.published().keys if r.key.kid == key(1).kid)
    assert (stolen.status, stolen.allowed) == (KeyStatus.WITHDRAWN, True)
    (segment,) = (data for path, data in hundred.tree().items() if path.endswith("-30.seg"))
    assert segment == hashes


def test_more_certificates_that_stay_good_are_another_change(hundred: Pilot) -> None:
    """The list of keys is the same to the byte, and still more is let in: a reviewer sees it, each time."""
    few, many = bytes([1]) * 16, bytes([1]) * 16 + bytes([2]) * 16

    def decided(hashes: bytes) -> None:
        with hundred.ledger() as ledger:
            distrust(ledger, PRODUCTION, key(1).kid, by="an", now=hundred.now, allow=hashes)

    def allowed() -> list[bytes]:
        with hundred.ledger() as ledger:
            return list(standing_allowed(ledger, PRODUCTION).values())

    decided(few)
    hundred.approve("an")
    hundred.publish()
    keys = hundred.published()
    for _ in range(2):  # the second time the same difference: the approval of the first is used up
        decided(many)
        change = hundred.change()
        assert (change.empty, change.needed.reviewers) == (False, 1)
        assert "1 certificates of KID" in change.as_text()
        assert change.as_json()["allowed"] == [{"kid": key(1).kid.hex(), "added": 1, "removed": 0}]
        with pytest.raises(NotPublishedError, match="stay good"):
            hundred.publish()
        assert hundred.publish(nightly=True).waiting
        assert allowed() == [few], "nights go on with what was approved"
        hundred.approve("binh")
        decided(bytes([3]) * 16)
        with pytest.raises(NotPublishedError, match="nobody has signed it"):
            hundred.publish()
        decided(many)
        hundred.publish()
        assert (allowed(), hundred.published()) == ([many], keys)
        decided(few)
        assert hundred.change().needed.reviewers == 0, "fewer of them need nobody"
        hundred.publish()
        assert allowed() == [few]


def test_a_night_goes_on_while_a_reinstatement_waits(hundred: Pilot) -> None:
    """The standing list still promises the certificates that stay good, so they stand beside it."""
    with hundred.ledger() as ledger:
        distrust(ledger, PRODUCTION, key(1).kid, by="an", now=hundred.now, allow=bytes(16))
    hundred.approve("an")
    hundred.publish()
    with hundred.ledger() as ledger:
        reinstate(ledger, PRODUCTION, key(1).kid, by="an", now=hundred.now)
    done = hundred.publish(keys=("online",), nightly=True)
    assert (done.publication.changed, len(done.waiting)) == (("timestamp",), 1)
    hundred.approve("an")
    done = hundred.publish(keys=("online",), nightly=True)
    assert done.publication.changed == ("timestamp",), "approved, and the key of the safe is missing"
    assert hundred.publish().publication.changed == ("trust", "revocation", "snapshot", "timestamp")
    assert hundred.listed()[1] == "reinstated"


@pytest.mark.parametrize(
    ("crowd", "words"),
    {
        "too many keys of one KID": ([key(n, kid=key(1).kid) for n in range(300, 316)], "would name 17 keys"),
        "too many keys": (list(map(key, range(300, 316))), "none that a unit could read"),
    }.values(),
)
def test_no_list_can_keep_the_night_from_publishing(
    hundred: Pilot, crowd: list[TrustedKey], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lists that together make none that a unit would read: what stands goes on, young, and is named."""
    monkeypatch.setattr("trustsync.targets.MAX_KEYS", 110)
    hundred.says("it", crowd, TLS)
    hundred.gather()
    with pytest.raises(NotPublishedError, match=words):
        hundred.publish()
    done = hundred.publish(keys=("online",), nightly=True)
    assert done.publication.changed == ("timestamp",)
    assert words in done.waiting[0]
    assert len(hundred.listed()) == 100


def test_nobody_but_the_hub_speaks_about_its_own_specimens(hundred: Pilot) -> None:
    """A list that names or revokes them would have every unit refuse the next list in its self-test."""
    with hundred.ledger() as ledger:
        specimens = specimens_of(ledger, PRODUCTION)
    kid = specimens.key.key.kid
    good = entry_digest(f"URN:UVCI:01:{COUNTRY}:SELFTEST1")
    taken = (kid, HashKind.UCI, good), (country_scope(COUNTRY), HashKind.UCI, good)
    hundred.says("de", [*MANY, key(300, kid=kid)], revoked=taken)
    hundred.says("dev", [key(301, kid=kid)], environment=TEST)
    hundred.gather()
    assert "by which units try the list" in hundred.change().as_text()
    hundred.publish()
    assert [r.key.spki for r in hundred.published().keys if r.key.kid == kid] == [specimens.key.key.spki]
    with hundred.ledger() as ledger, ledger.change():
        ledger.add_entries(by_hand(PRODUCTION), country_scope("XV"), HashKind.UCI, bytes(16))
    hundred.publish()


def test_a_list_that_a_unit_would_refuse_is_not_signed(
    hundred: Pilot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The very entries that would be published are asked about the specimens, as a unit asks them."""
    with hundred.ledger() as ledger:
        specimens = specimens_of(ledger, PRODUCTION)
    good = entry_digest(f"URN:UVCI:01:{COUNTRY}:SELFTEST1")[:8]
    revoked = {(specimens.revoked[0], HashKind.UCI): b"".join(sorted((good, specimens.revoked[2][:8])))}
    monkeypatch.setattr("trustsync.hub.entries.revoked", lambda *_: revoked)
    with pytest.raises(NotPublishedError, match=r"certificate 1 of the self-test.*REVOKED"):
        hundred.publish()


def test_several_lists_narrow_a_key(pilot: Pilot) -> None:
    """What one of them limits is limited; who has it is written beside it."""
    pilot.says("de", [key(1, uses=frozenset("tv"), not_after=START + 9 * DAY, country=None)])
    pilot.says("se", [key(1, uses=frozenset("vr"), not_before=START - DAY, chained=False)])
    pilot.says("nl", [key(1, not_after=START + 5 * DAY, status=KeyStatus.WITHDRAWN)])
    pilot.whole()
    (found,) = (record.key for record in pilot.published().keys if record.key.kid == key(1).kid)
    assert found == key(
        1,
        uses=frozenset("v"),
        not_before=START - DAY,
        not_after=START + 5 * DAY,
        status=KeyStatus.WITHDRAWN,
        source="de, se, nl",
        chained=False,
    )


def test_a_list_that_is_proven_is_believed_before_a_connection(pilot: Pilot) -> None:
    """Who can forge a connection cannot withdraw or widen a key of a signed list either."""
    pilot.says("it", [key(1, uses=frozenset("t"), status=KeyStatus.WITHDRAWN, country="IT")], TLS)
    pilot.says("de", [key(1, uses=frozenset("v"))])
    pilot.whole()
    (found,) = (record.key for record in pilot.published().keys if record.key.kid == key(1).kid)
    assert found == key(1, uses=frozenset("v"), source="de")


def test_the_order_of_gathering_does_not_matter() -> None:
    """The same lists give the same list, to the byte."""
    sources = [Source(f"s{n}", "spoken", url=f"https://s{n}.example") for n in range(6)]
    dice = random.Random(4)
    lists = {
        source.name: HeldList(
            source.name,
            PRODUCTION,
            dice.choice(list(Authentication)),
            START,
            "",
            tuple(
                KeyRecord(key(n, uses=frozenset(dice.sample("tvr", 2))))
                for n in dice.sample(range(1, 40), 20)
            ),
        )
        for source in sources
    }
    specimen = KeyRecord(key(99))

    def document(shuffled: list[str]) -> bytes:
        held = {name: lists[name] for name in shuffled}
        return make_candidate(PRODUCTION, sources, held, {}, published=None, specimen=specimen).document

    first = document(sorted(lists))
    for _ in range(20):
        assert document(dice.sample(sorted(lists), len(lists))) == first


@pytest.mark.parametrize(
    ("bad", "words"),
    {
        "a KID that is not the thumbprint": (
            key(7, kid=b"A" * 43, domain=Domain.SHC, issuer="https://i.example"),
            "not its thumbprint",
        ),
        "a point of low order": (
            TrustedKey(bytes(7) + b"\x07", spki(1)[:12] + b"\x01" + bytes(31), domain=Domain.HCERT),
            "low order",
        ),
        "no key at all": (
            TrustedKey(bytes(7) + b"\x07", b"nothing", domain=Domain.HCERT),
            "not a public key",
        ),
    }.values(),
)
def test_a_key_that_no_list_may_carry_is_left_out_by_name(pilot: Pilot, bad: TrustedKey, words: str) -> None:
    """The others stay; the reviewers see which one is missing and why."""
    pilot.says("de", [key(1), bad])
    pilot.gather()
    change = pilot.change()
    assert [each.kid for each in change.added if each.source == "de"] == [key(1).kid]
    assert any(words in text for text in change.left_out)
    assert words in change.as_text()


def test_a_thumbprint_that_is_right_stays(pilot: Pilot) -> None:
    """The check above refuses the wrong one only."""
    from issuer.keys import Algorithm, generate
    from issuer.seed import Stream

    public = generate(Algorithm.ES256, Stream(b"cards", "1")).spki()
    card = TrustedKey(thumbprint(public).encode(), public, domain=Domain.SHC, issuer="https://i.example")
    pilot.says("vci", [card])
    pilot.gather()
    assert pilot.change().left_out == ()


def test_too_many_keys_under_one_name_are_nobodys_list(pilot: Pilot) -> None:
    """A unit would refuse the whole; the hub says which name it is."""
    pilot.says("de", [key(n, kid=b"crowded!") for n in range(17)])
    assert "more than 16" in str(pilot.gather()["de"].error)
    pilot.says("de", [key(n, kid=b"crowded!") for n in range(9)])
    pilot.says("se", [key(n, kid=b"crowded!") for n in range(9, 18)])
    pilot.gather()
    with pytest.raises(HubError, match="would name 18 keys"):
        pilot.change()


# --- Two environments -------------------------------------------------------------------------------------


def test_production_knows_test_keys_by_name_alone(pilot: Pilot) -> None:
    """No key and no certificate of a test list stands there, so nothing could ever verify one."""
    authority = load_authority(Csca("XV", "TEST CSCA").certificate())
    pilot.says("de", [key(1)])
    pilot.says("dev", [key(8), key(9, certificate=b"DER")], environment=TEST, authorities=[authority])
    pilot.whole()
    listed = pilot.published()
    named = {r.key.kid: r.key for r in listed.keys if r.environment == TEST}
    assert set(named) == {key(8).kid, key(9).kid}
    assert all(each.spki == b"" and each.certificate is None for each in named.values())
    (csca,) = listed.authorities
    assert pilot.change().empty
    pilot.says("dev", [key(8)], environment=TEST)
    pilot.gather()
    assert pilot.change().names == 2, "a key and a CSCA go"
    assert (csca.environment, csca.authority.key_id) == (TEST, authority.key_id)
    assert spki(8) not in pilot.tree()["root.json"]
    for data in pilot.tree().values():
        assert spki(8) not in data
        assert spki(9) not in data
        assert authority.spki not in data


def test_what_was_gathered_for_test_revokes_nothing_in_production(pilot: Pilot) -> None:
    """Neither while its source is of test, nor once hub.toml calls it production and nothing came since."""
    pilot.says("de", [key(1)])
    pilot.says("dev", [key(8)], environment=TEST, revoked=((key(1).kid, HashKind.UCI, bytes(16)),))
    pilot.whole()
    path = pilot.directory / "hub.toml"
    path.write_text(path.read_text().replace('environment = "test"', 'environment = "production"'))
    assert "revocation" not in pilot.publish().publication.changed
    pilot.says("dev", [key(8)], revoked=((key(1).kid, HashKind.UCI, bytes(16)),))
    pilot.gather()
    pilot.approve("an", "binh")
    assert pilot.publish().publication.changed == ("trust", "revocation", "snapshot", "timestamp")


def test_a_real_key_is_not_called_a_sample(pilot: Pilot) -> None:
    """A test list that names a production key's KID does not take its colour away."""
    pilot.says("de", [key(1)])
    pilot.says("dev", [key(1), key(8)], environment=TEST)
    pilot.whole()
    assert {r.key.kid for r in pilot.published().keys if r.environment == TEST} == {key(8).kid}


def test_the_test_list_is_another_repository(pilot: Pilot) -> None:
    """Other roots, other keys, and not one key of production in it."""
    pilot.says("de", [key(1)])
    pilot.says("dev", [key(8)], environment=TEST)
    pilot.whole()
    pilot.whole(TEST)
    assert pilot.listed(TEST) == {8: "active"}
    assert {record.environment for record in pilot.published(TEST).keys} == {TEST}
    assert pilot.tree(TEST)["root.json"] != pilot.tree()["root.json"]
    pilot.now += timedelta(days=100)  # more than half the life of a list
    with pytest.raises(NotPublishedError, match="keys are missing"):
        pilot.publish(TEST, keys=("../production",))


def test_the_change_is_told_for_people_and_for_programs(hundred: Pilot) -> None:
    """By source and country, with the share, the digest, and what it asks for."""
    hundred.says("de", [*MANY[2:], *(key(n, country="FR") for n in (101, 102, 103, 104))])
    hundred.gather()
    change = hundred.change()
    text = change.as_text()
    assert "5.9% of the keys" in text
    assert "4 added       FR  from de" in text
    assert "2 withdrawn   XV  from de" in text
    assert change.digest.hex() in text
    answer = change.as_json()
    assert (answer["reviewers"], len(answer["keys"]["added"]), answer["empty"]) == (2, 4, False)
    with hundred.ledger() as ledger:
        own = specimens_of(ledger, PRODUCTION).key.key
    assert own.kid.hex() not in str(answer)
