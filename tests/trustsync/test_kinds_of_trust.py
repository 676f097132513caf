"""Keys of every domain, CSCAs, and revocation with instants: from the published list to the verifier's."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from trust_site import DAY, START, Publisher, Site, authority, digest, hashed, key, segment_record

from trustsync import generation
from trustsync.acceptance import accept
from trustsync.canonical import TargetError
from trustsync.errors import Alarm, RefusedError
from trustsync.isolation import Checker
from trustsync.layout import KEYS_PATH, REVOCATION_INDEX_PATH, RULES_PATH
from trustsync.segments import (
    SegmentRecord,
    check_segment,
    decode_index,
    encode_index,
    encode_segment,
    encode_timed_segment,
    segment_before,
)
from trustsync.store import open_store
from trustsync.targets import (
    MAX_AUTHORITIES,
    MAX_ISSUER,
    MAX_KEY_ID,
    AuthorityRecord,
    KeyRecord,
    PublishedKeys,
    decode_keys,
    encode_keys,
)
from verifier.policy.bundle import SIGNATURE_ONLY
from verifier.policy.bundle_json import encode_bundles
from verifier.trust import (
    MAX_KEYS_PER_KID,
    Authority,
    Domain,
    HashKind,
    KeyStatus,
    TrustedKey,
    authority_scope,
)

CARDS = "https://cards.example"
CARD_KID = b"ooe_TbBnmjZXXGYR1Eqt1a8hVaMKInur0IR1WaliWx8"  # 43 characters, as a thumbprint has
CARD_KEY = key(1, domain=Domain.SHC, issuer=CARDS, kid=CARD_KID, chained=False)
PASS_KEY = key(2, domain=Domain.NZCP, issuer="did:web:health.example", kid=b"key-1")
TEST_PASS_KEY = key(3, "test", domain=Domain.NZCP, issuer="did:web:uat.health.example", kid=b"key-1")
SCOPE = bytes([1]) * 8


def document(data: bytes, /, **change: Any) -> bytes:
    """A key list with members of its map replaced."""
    return cbor2.dumps(cbor2.loads(data) | change, canonical=True)


# --- The form of keys.cbor ---------------------------------------------------------------------------------

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
INSTANTS = st.none() | st.integers(-(2**31), 2**34).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
ENVIRONMENTS = st.sampled_from(["production", "test"])
KEYS = st.builds(
    KeyRecord,
    st.builds(
        TrustedKey,
        kid=st.binary(min_size=1, max_size=50),
        spki=st.binary(max_size=8),
        country=st.none() | TEXTS,
        not_before=INSTANTS,
        not_after=INSTANTS,
        uses=st.none() | st.frozensets(st.sampled_from("tvr")),
        status=st.sampled_from(KeyStatus),
        certificate=st.none() | st.binary(max_size=8),
        also_for=st.frozensets(TEXTS, max_size=2),
        source=st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
        lenient=st.booleans(),
        domain=st.sampled_from(Domain),
        issuer=TEXTS,
        chained=st.sampled_from([None, False, True]),
        reject_from=INSTANTS,
        allowed=st.booleans(),
    ),
    ENVIRONMENTS,
)
AUTHORITIES = st.builds(
    AuthorityRecord,
    st.builds(
        Authority,
        certificate=st.binary(min_size=1, max_size=8),
        spki=st.binary(min_size=1, max_size=8),
        key_id=st.binary(min_size=1, max_size=MAX_KEY_ID),
        country=st.none() | TEXTS,
        not_before=INSTANTS,
        not_after=INSTANTS,
        status=st.sampled_from(KeyStatus),
        source=st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
        lenient=st.booleans(),
    ),
    ENVIRONMENTS,
)


@given(keys=st.lists(KEYS, min_size=1, max_size=4), authorities=st.lists(AUTHORITIES, max_size=3))
def test_every_field_of_keys_and_authorities_comes_back(
    keys: list[KeyRecord], authorities: list[AuthorityRecord]
) -> None:
    """decode(encode(x)) == x, and the bytes do not depend on the order in which rows are fed."""
    data = encode_keys(keys, authorities)
    published = decode_keys(data)
    assert sorted(published.keys, key=repr) == sorted(keys, key=repr)
    assert sorted(published.authorities, key=repr) == sorted(authorities, key=repr)
    assert encode_keys(published.keys, published.authorities) == data


def test_the_same_key_in_several_domains_has_one_order() -> None:
    """One content has one form, even where KID and key are equal."""
    same = [key(1, domain=domain, issuer="x") for domain in Domain]
    assert encode_keys(same) == encode_keys(reversed(same))


def test_a_key_of_the_first_lists_is_a_health_certificate_key() -> None:
    """Absent means HCERT: that is all that was published before domains were; None would sign everywhere."""
    by_hand = key(1, domain=None)
    data = encode_keys([by_hand])
    assert data == encode_keys([key(1)])
    assert cbor2.loads(data)["keys"][0].keys().isdisjoint({"dom", "iss", "chn"})
    assert cbor2.loads(data)["v"] == 1
    assert decode_keys(data) == PublishedKeys((key(1),), ())


@pytest.mark.parametrize(
    "published",
    [
        ([key(1, domain=Domain.LT1)], []),
        ([key(1, issuer="https://issuer.example")], []),
        ([key(1, chained=False)], []),
        ([key(1)], [authority(1)]),
    ],
    ids=["domain", "issuer", "chain", "authority"],
)
def test_a_list_that_says_more_than_the_first_readers_knew_is_one_that_they_refuse(
    published: tuple[list[KeyRecord], list[AuthorityRecord]],
) -> None:
    """A reader of version 1 skips unknown fields and would let a key of one domain sign in all of them."""
    data = encode_keys(*published)
    assert cbor2.loads(data)["v"] == 2
    with pytest.raises(TargetError, match="version 1 over content of version 2"):
        decode_keys(document(data, v=1))
    plain = encode_keys([key(1)])
    for wrong, said in ((2, "version 2 over content of version 1"), (3, "version 3"), (True, "version True")):
        with pytest.raises(TargetError, match=said):
            decode_keys(document(plain, v=wrong))


@pytest.mark.parametrize(
    "published",
    [
        ([key(1, reject_from=START)], []),
        ([key(1, status=KeyStatus.WITHDRAWN, allowed=True)], []),
        ([key(1, status=KeyStatus.REINSTATED)], []),
        ([key(1)], [authority(1, status=KeyStatus.REINSTATED)]),
        ([CARD_KEY, key(2, reject_from=START)], [authority(1)]),
    ],
    ids=["from an instant", "allowed", "reinstated", "reinstated CSCA", "beside domains"],
)
def test_a_list_with_distrust_is_one_that_readers_of_version_2_refuse(
    published: tuple[list[KeyRecord], list[AuthorityRecord]],
) -> None:
    """They skip unknown fields, and would take what was signed after the instant; version 3 says so."""
    data = encode_keys(*published)
    assert cbor2.loads(data)["v"] == 3
    assert sorted(decode_keys(data).keys, key=repr) == sorted(published[0], key=repr)
    assert decode_keys(data).authorities == tuple(published[1])
    for version in (1, 2):
        with pytest.raises(TargetError, match=f"version {version} over content of version 3"):
            decode_keys(document(data, v=version))


def test_a_list_without_distrust_says_not_a_byte_more_than_before() -> None:
    """Units that were not upgraded read on until a publisher first needs the new words."""
    rows = cbor2.loads(encode_keys([CARD_KEY, key(2, status=KeyStatus.WITHDRAWN)]))
    assert rows["v"] == 2
    assert all(row.keys().isdisjoint({"rej", "alw"}) for row in rows["keys"])


def test_a_list_of_authorities_alone_is_legal_and_one_of_nothing_is_not() -> None:
    """A site that reads nothing but VDS-NC needs no other key; an empty list is never installed."""
    assert decode_keys(encode_keys([], [authority(1)])) == PublishedKeys((), (authority(1),))
    with pytest.raises(TargetError, match="never installed"):
        decode_keys(encode_keys([]))
    with pytest.raises(TargetError, match="authorities"):
        decode_keys(document(encode_keys([key(1)]), authorities=[]))


def _change_key(**change: Any) -> bytes:
    rows = cbor2.loads(encode_keys([CARD_KEY]))["keys"]
    return document(encode_keys([CARD_KEY]), keys=[rows[0] | change])


def _change_authority(**change: Any) -> bytes:
    data = encode_keys([key(1)], [authority(1)])
    rows = cbor2.loads(data)["authorities"]
    return document(data, authorities=[rows[0] | change])


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (_change_key(dom="shd"), "keys[0].dom: unknown domain 'shd'"),
        (_change_key(dom=1), "keys[0].dom: int"),
        (_change_key(iss=""), "keys[0].iss: 0 characters"),
        (_change_key(iss="x" * (MAX_ISSUER + 1)), "keys[0].iss: 513 characters"),
        (_change_key(iss=b"x"), "keys[0].iss: bytes"),
        (_change_key(chn=1), "keys[0].chn: int"),
        (_change_key(rej=True), "keys[0].rej: bool"),
        (_change_key(rej=1.5), "keys[0].rej: float"),
        (_change_key(rej=None), "keys[0].rej: NoneType"),
        (_change_key(rej=2**60), "instant 1152921504606846976 is out of range"),
        (_change_key(alw=1), "keys[0].alw: int"),
        (_change_key(alw=False), "keys[0].alw: false"),
        (_change_key(st="allowed"), "keys[0].st: unknown status"),
        (encode_keys([key(1, domain=Domain.SHC)]), "keys[0].iss: missing"),
        (encode_keys([key(1, "test", domain=Domain.NZCP)]), "keys[0].iss: missing"),
        (_change_authority(id=b""), "authorities[0].id: missing or empty"),
        (_change_authority(id=bytes(65)), "authorities[0].id: 65 bytes"),
        (_change_authority(cert="x"), "authorities[0].cert: str"),
        (_change_authority(spki=b""), "authorities[0].spki: missing or empty"),
        (_change_authority(st="good"), "authorities[0].st: unknown status"),
        (_change_authority(env="lab"), "authorities[0].env"),
        (_change_authority(nb="2021"), "authorities[0].nb: str"),
        (document(encode_keys([key(1)]), authorities=[7]), "authorities[0]: not a map"),
        (document(encode_keys([key(1)]), authorities={}), "authorities: not a list"),
        (
            encode_keys([], [authority(1)] * (MAX_KEYS_PER_KID + 1)),
            "authorities: key identifier",
        ),
        (encode_keys([], [authority(1)] * (MAX_AUTHORITIES + 1)), "authorities: not a list of at most 2000"),
    ],
)
def test_a_field_that_cannot_be_right_is_refused_by_its_place(data: bytes, said: str) -> None:
    """The publisher is told which row and which member."""
    with pytest.raises(TargetError) as caught:
        decode_keys(data)
    assert str(caught.value).startswith(said)


# --- Acceptance of authorities -----------------------------------------------------------------------------


def gate(*authorities: AuthorityRecord) -> Any:
    """What the gate says about a list with these authorities."""
    return accept(
        {
            KEYS_PATH: encode_keys([key(1)], authorities),
            REVOCATION_INDEX_PATH: encode_index([]),
            RULES_PATH: encode_bundles([SIGNATURE_ONLY]),
        }
    )


def test_an_authority_whose_certificate_says_the_same_is_accepted() -> None:
    """What the list says about a CSCA and what its certificate says are one."""
    assert gate(authority(1), authority(2, "test")).authorities == tuple(
        sorted((authority(1), authority(2, "test")), key=lambda record: record.authority.key_id)
    )


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"certificate": b"der"}, "key identifier"),
        ({"spki": authority(2).authority.spki}, "another key"),
        ({"key_id": bytes(20)}, "another key"),
        ({"certificate": authority(2).authority.certificate}, "another key"),
    ],
)
def test_an_authority_that_is_not_its_certificate_is_refused_with_its_list(
    facts: dict[str, Any], said: str
) -> None:
    """A CSCA that cannot be loaded, or has another key than the list says, and nothing of it is installed."""
    bad = authority(1, **facts)
    with pytest.raises(RefusedError, match=said) as caught:
        gate(authority(3), bad)
    assert caught.value.alarm is Alarm.CONTENT
    assert bad.authority.key_id.hex() in str(caught.value)
    named_only = replace(bad, environment="test")
    assert named_only in gate(named_only).authorities


@given(at=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_a_flipped_bit_in_a_csca_gives_an_answer_and_never_another_error(at: int, bit: int) -> None:
    """Near misses of a real certificate are accepted or refused."""
    data = bytearray(authority(1).authority.certificate)
    data[at % len(data)] ^= 1 << bit
    with contextlib.suppress(RefusedError):
        gate(authority(1, certificate=bytes(data)))


# --- Revocation with instants ------------------------------------------------------------------------------

MOMENTS = st.integers(0, 253_402_300_799)
PAIRS = st.lists(st.tuples(st.integers(0, 40).map(digest), MOMENTS), max_size=30)


@given(pairs=PAIRS)
def test_an_instant_is_found_for_its_digest_and_no_other(pairs: list[tuple[bytes, int]]) -> None:
    """A segment answers as a dictionary would, with the latest instant where one digest had several."""
    data = encode_timed_segment((d, datetime.fromtimestamp(seconds, UTC)) for d, seconds in pairs)
    latest: dict[bytes, int] = {}
    for entry, seconds in sorted(pairs, key=lambda pair: pair[1]):
        latest[entry] = seconds
    if latest:
        check_segment(data, segment_record(SCOPE, HashKind.RID_BEFORE, data))
    for number in range(42):
        expected = latest.get(digest(number))
        found = segment_before(data, digest(number))
        assert found == (None if expected is None else datetime.fromtimestamp(expected, UTC))


def test_of_several_entries_for_one_digest_the_latest_instant_counts() -> None:
    """Another publisher may list them all; the card is revoked when any of them revokes it."""
    entries = [digest(5)[:8] + seconds.to_bytes(8) for seconds in (0, 10, 253_402_300_799)]
    data = digest(4)[:8] + bytes(8) + b"".join(entries) + digest(6)[:8] + bytes(8)
    check_segment(data, segment_record(SCOPE, HashKind.RID_BEFORE, data))
    assert segment_before(data, digest(5)) == datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    assert segment_before(memoryview(data), digest(6)) == datetime(1970, 1, 1, tzinfo=UTC)


def test_a_part_of_a_second_counts_as_a_whole_one() -> None:
    """Rounding must not let a card slip out of its revocation."""
    data = encode_timed_segment([(digest(1), START + timedelta(milliseconds=1))])
    assert segment_before(data, digest(1)) == START + timedelta(seconds=1)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (digest(1)[:8] + (253_402_300_800).to_bytes(8), "out of range"),
        (digest(1)[:8] + b"\xff" * 8, "out of range"),
        (digest(2)[:8] + bytes(8) + digest(1)[:8] + bytes(8), "out of order"),
        ((digest(1)[:8] + bytes(8)) * 2, "out of order"),
    ],
)
def test_a_segment_with_instants_that_no_clock_shows_is_refused(data: bytes, said: str) -> None:
    """Order and instants are looked at before the first scan asks."""
    with pytest.raises(TargetError, match=said):
        check_segment(data, segment_record(SCOPE, HashKind.RID_BEFORE, data))


def test_a_publisher_cannot_write_an_entry_that_would_be_refused() -> None:
    """Instants before 1970 and digests too short for an entry are named when they are encoded."""
    for pair in ((digest(1), datetime(1969, 12, 31, tzinfo=UTC)), (b"short", START)):
        with pytest.raises(TargetError):
            encode_timed_segment([pair])


def test_entries_with_instants_have_their_one_width() -> None:
    """A width that leaves no room for the instant is refused in the index and again at the segment."""
    right = segment_record(SCOPE, HashKind.RID_BEFORE, bytes(16))
    assert decode_index(encode_index([right])) == (right,)
    for width in (8, 15):
        wrong = replace(right, width=width)
        with pytest.raises(TargetError, match="have 16"):
            decode_index(encode_index([wrong]))
        with pytest.raises(TargetError, match="have 16"):
            check_segment(bytes(width), wrong)


def test_an_index_with_a_kind_of_a_later_release_is_refused() -> None:
    """Skipping what it lists would say "not revoked" about it; the list in force stays, and grows old."""
    index = cbor2.loads(encode_index([SegmentRecord("", SCOPE, HashKind.RID, 1)]))
    index["segments"][0]["kind"] = 0x7F
    with pytest.raises(TargetError, match="unknown hash kind 127"):
        decode_index(cbor2.dumps(index, canonical=True))


# --- From the repository to the verifier -------------------------------------------------------------------


def publish_all(publisher: Publisher) -> None:
    """A list with a key of a card's issuer, two passes that share a KID, two CSCAs, and every new kind."""
    key_id = authority(1).authority.key_id
    publisher.keys = [key(4), key(9, "test"), CARD_KEY, PASS_KEY, TEST_PASS_KEY]
    publisher.authorities = [authority(1, source="master list"), authority(2, "test")]
    publisher.revoked = {
        (CARD_KID, HashKind.RID): [hashed("rid-1")],
        (CARD_KID, HashKind.FHIR): [hashed("bundle-1")],
        (authority_scope(key_id), HashKind.SERIAL): [hashed("serial-1")],
        (b"did:india", HashKind.DOCUMENT): [hashed("document-1")],
    }
    publisher.revoked_before = {
        CARD_KID: [(hashed(f"rid-{n}"), START - n * DAY) for n in range(2, 6_000)],
    }


def test_every_kind_of_trust_arrives_at_the_verifier_as_it_was_published(site: Site) -> None:
    """Domains, issuers, chains, CSCAs and revocation of every kind go all the way into the list in force."""
    publish_all(site.publisher)
    site.publisher.publish(START)

    site.sync(START)

    snapshot = open_store(site.store).current()
    trust = snapshot.trust
    assert trust.candidates(CARD_KID, Domain.SHC, CARDS) == (CARD_KEY.key,)
    assert trust.candidates(CARD_KID, Domain.SHC, "https://other.example") == ()
    assert trust.candidates(bytes([4]) * 8, Domain.HCERT) == (key(4).key,)
    assert trust.authorities == {
        authority(1).authority.key_id: (authority(1, source="master list").authority,)
    }
    assert snapshot.sets["trust"].count == 7
    assert snapshot.sets["revocation"].count == 4 + 5_998

    revocation = trust.revocation
    assert revocation.holds(CARD_KID, HashKind.RID, hashed("rid-1"))
    assert not revocation.holds(CARD_KID, HashKind.RID, hashed("rid-2"))
    assert revocation.holds(CARD_KID, HashKind.FHIR, hashed("bundle-1"))
    serials = authority_scope(authority(1).authority.key_id)
    assert revocation.holds(serials, HashKind.SERIAL, hashed("serial-1"))
    assert revocation.holds(b"did:india", HashKind.DOCUMENT, hashed("document-1"))
    for n in (2, 3_000, 5_999):
        assert revocation.before(CARD_KID, hashed(f"rid-{n}")) == START - n * DAY
        assert revocation.holds(CARD_KID, HashKind.RID_BEFORE, hashed(f"rid-{n}"))
    assert revocation.before(CARD_KID, hashed("rid-1")) is None
    assert revocation.before(b"key-1", hashed("rid-2")) is None
    assert not revocation.holds(CARD_KID, HashKind.RID_BEFORE, hashed("rid-1"))


@pytest.mark.scenario("SC-K13")
def test_a_sample_key_does_not_make_a_sample_of_another_issuer_s_key_of_the_same_kid(site: Site) -> None:
    """Where keys have owners, a test key is known by owner and KID; a test CSCA is known, never believed."""
    publish_all(site.publisher)
    site.publisher.publish(START)
    site.sync(START)

    trust = open_store(site.store).current().trust

    assert trust.knows_test_key(b"key-1", "did:web:uat.health.example")
    assert not trust.knows_test_key(b"key-1", "did:web:health.example")
    assert not trust.knows_test_key(b"key-1")
    assert trust.candidates(b"key-1", Domain.NZCP, "did:web:health.example") == (PASS_KEY.key,)
    assert trust.candidates(b"key-1", Domain.NZCP, "did:web:uat.health.example") == ()
    assert trust.knows_test_key(bytes([9]) * 8)
    test_csca = authority(2).authority.key_id
    assert trust.knows_test_key(authority_scope(test_csca))
    assert test_csca not in trust.authorities


def _bad_authority(publisher: Publisher) -> None:
    publisher.authorities = [authority(1, spki=authority(2).authority.spki)]


def _bad_instant(publisher: Publisher) -> None:
    path = segment_record(CARD_KID, HashKind.RID_BEFORE, b"").path
    publisher.override[path] = encode_segment(hashed(f"rid-{n}") for n in range(2, 6_000)) * 2


def _unknown_kind(publisher: Publisher) -> None:
    index = cbor2.loads(encode_index([segment_record(SCOPE, HashKind.RID, bytes(8))]))
    index["segments"][0]["kind"] = 0x7F
    publisher.override[REVOCATION_INDEX_PATH] = cbor2.dumps(index, canonical=True)


@pytest.mark.scenario("SC-K18")
@pytest.mark.parametrize("spoil", [_bad_authority, _bad_instant, _unknown_kind])
def test_a_list_with_one_wrong_part_is_refused_and_the_old_one_stays(
    site: Site, spoil: Callable[[Publisher], None]
) -> None:
    """A CSCA that is not its certificate, spoilt instants, an unknown kind: signed, and not installed."""
    publish_all(site.publisher)
    site.publisher.publish(START)
    site.sync(START)
    looked = site.facts()

    spoil(site.publisher)
    site.publisher.publish(START + DAY)

    with pytest.raises(RefusedError) as caught:
        site.sync(START + DAY)
    assert caught.value.alarm is Alarm.CONTENT
    assert site.facts() == looked


# --- A generation of an earlier release --------------------------------------------------------------------


def write_as_the_first_release_did(monkeypatch: pytest.MonkeyPatch) -> None:
    """Generations from now on have neither the columns nor the tables that came later."""
    ask = Checker.ask

    def without(checker: Checker, task: str, **request: Any) -> Any:
        answer = ask(checker, task, **request)
        if task != "build":
            return answer
        database = Path(request["staged"]) / generation.DATABASE
        with contextlib.closing(sqlite3.connect(database)) as connection:
            for column in ("domain", "issuer", "chained", "reject_from", "allowed"):
                connection.execute(f"ALTER TABLE keys DROP COLUMN {column}")
            connection.execute("ALTER TABLE segments DROP COLUMN part")
            connection.execute("ALTER TABLE sets DROP COLUMN signed_at")
            connection.execute("DROP TABLE authorities")
            connection.execute("CREATE TABLE bundles AS SELECT document FROM documents")
            connection.execute("DROP TABLE documents")
            connection.commit()
        return answer

    monkeypatch.setattr(Checker, "ask", without)


def test_an_upgraded_unit_judges_by_the_list_on_its_card_and_syncs_on(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the earlier release installed stays in force; its keys are HCERT keys, not keys of any domain."""
    with monkeypatch.context() as earlier:
        write_as_the_first_release_did(earlier)
        site.sync(START)

    trust = open_store(site.store).current().trust
    assert trust.candidates(bytes([1]) * 8) == (key(1).key,)
    assert trust.candidates(bytes([1]) * 8)[0].domain is Domain.HCERT
    assert trust.authorities == {}
    assert trust.knows_test_key(bytes([9]) * 8)
    assert trust.revocation.before(CARD_KID, hashed("rid-2")) is None

    assert not site.sync(START).changed
    publish_all(site.publisher)
    site.publisher.publish(START + DAY)
    assert site.sync(START + DAY).generation == 2
    assert open_store(site.store).current().trust.candidates(CARD_KID) == (CARD_KEY.key,)
