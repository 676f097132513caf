"""The snapshot of the VCI directory: its signature, its keys, its revocation lists."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from csca import private_key
from upstreams_europe import b64, certify
from upstreams_world import (
    ISSUER,
    OTHER_ISSUER,
    crl,
    issuer_entry,
    later,
    read,
    refused,
    shc_certificate,
    shc_jwk,
    vci,
    vci_signer,
)

from trustsync.hub.importers.vci import SIGNATURE, SNAPSHOT, Taken, VciSnapshot
from trustsync.hub.lists import read_json
from trustsync.hub.upstream import Source, UpstreamError
from trustsync.targets import KeyRecord, decode_keys, encode_keys
from verifier.checks import entry_digest
from verifier.trust import Domain, HashKind, TrustList
from verifier.wire.shc_keys import thumbprint


def test_a_key_of_two_issuers_is_two_keys() -> None:
    """Health cards are trusted by issuer and KID together; the KID is the thumbprint, as text."""
    held = read(vci())
    assert {(key.issuer, key.kid) for key in held.keys} == {
        (ISSUER, shc_jwk(1)["kid"].encode()),
        (ISSUER, shc_jwk(2)["kid"].encode()),
        (OTHER_ISSUER, shc_jwk(1)["kid"].encode()),
        (OTHER_ISSUER, shc_jwk(3)["kid"].encode()),
    }
    assert {key.domain for key in held.keys} == {Domain.SHC}
    assert held.signed_at == datetime(2026, 7, 31, 4, 43, 50, tzinfo=UTC)
    assert held.skipped == ("https://closed.example: no keys",)


def test_revocation_ids_count_at_once_or_before_an_instant() -> None:
    """An id alone is a revocation; one with an instant counts for what was issued before it."""
    held = read(vci())
    scope = shc_jwk(3)["kid"].encode()
    assert held.revoked == ((scope, HashKind.RID, entry_digest("once")),)
    instant = datetime.fromtimestamp(1643950799, UTC)
    assert held.revoked_before == ((scope, entry_digest("twice"), instant),)


CRLS = {
    "by the hash of the content": ({"method": "hash-fhir"}, 3, HashKind.FHIR, ""),
    "by a secret that nobody here has": ({"method": "hmac-patient"}, 3, None, "method"),
    "of a key that announces none": ({}, None, None, "announces"),
    "of another issuer's key": ({"kid": shc_jwk(1)["kid"]}, 3, None, "announces"),
    "with an instant that nobody can read": ({"rids": ["id.yesterday"]}, 3, HashKind.RID, ""),
    "with an instant beyond the calendar": ({"rids": ["id.999999999999"]}, 3, HashKind.RID, ""),
    "with an id that no card can have": ({"rids": ["i d"]}, 3, None, "no card"),
}


@pytest.mark.parametrize("words", list(CRLS))
def test_a_revocation_list(words: str) -> None:
    """It counts by its method, for a key of the same issuer that announces it; what is unclear revokes."""
    change, version, kind, skipped = CRLS[words]
    jwk = shc_jwk(3, crlVersion=version)
    held = read(vci([issuer_entry(ISSUER, jwk, crls=[crl(jwk, "id") | change])]))
    assert held.revoked == (((jwk["kid"].encode(), kind, entry_digest("id")),) if kind else ())
    assert held.revoked_before == ()
    assert skipped in "".join(held.skipped)
    assert bool(held.skipped) == bool(skipped)


def test_a_revocation_list_that_is_announced_and_missing_is_named() -> None:
    """Its cards cannot be looked up, and somebody should know."""
    held = read(vci([issuer_entry(ISSUER, shc_jwk(1, crlVersion=2))]))
    assert "announces a revocation list" in held.skipped[0]


BAD_KEYS = {
    "with a private part": ({"d": "AAAA"}, "PRIVATE KEY"),
    "for encryption": ({"use": "enc"}, "use"),
    "of another algorithm": ({"alg": "ES384"}, "alg"),
    "of another curve": ({"crv": "P-384"}, "crv"),
    "with somebody else's KID": ({"kid": shc_jwk(2)["kid"]}, "thumbprint"),
    "without a KID": ({"kid": None}, "thumbprint"),
    "with a KID that is no text": ({"kid": 7}, "thumbprint"),
    "off its curve": ({"x": "AAAA"}, "thumbprint"),
}


@pytest.mark.parametrize("words", list(BAD_KEYS))
def test_a_health_card_key_is_left_out_by_name(words: str) -> None:
    """A key that no card may be signed with never counts; the others of its issuer do."""
    change, reason = BAD_KEYS[words]
    held = read(vci([issuer_entry(ISSUER, shc_jwk(1, **change), shc_jwk(2))]))
    assert [key.kid.decode() for key in held.keys] == [shc_jwk(2)["kid"]]
    assert reason in held.skipped[0]


def test_a_coordinate_without_its_leading_zeros_is_read_and_named_by_its_own_thumbprint() -> None:
    """Some issuers cut zeros off; their cards name the thumbprint of the key as it is written."""
    short = {
        "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256",
        "kid": "-IgAJf77qAqSQGRHMXqAik9MDgFc2jk3JiLZQpuSQ2A",
        "x": "qeN2jYAeFe9gOoOxSDDWn47kbmqQ5_5rYBq0XM5JrA",
        "y": "IPEbYlKpMuu-gAxA9SJd9519YkgNiKrQ1isk12uwG_U",
    }  # fmt: skip
    held = read(vci([issuer_entry(ISSUER, short)]))
    (key,) = held.keys
    assert key.kid.decode() == short["kid"] != thumbprint(key.spki)


@pytest.mark.parametrize(("certified", "holds"), [(ISSUER, True), (ISSUER, False)])
def test_the_chain_of_a_key_is_a_fact_beside_it(certified: str, holds: bool) -> None:
    """Whether the certificates that came along hold is kept; the period is the certificate's."""
    leaf = shc_certificate(1, certified)
    above = certify("SHC CA", private_key("SECP384R1", "shc ca" if holds else "forger"), ca=True)
    chain = [b64(leaf.certificate), b64(above.certificate)]
    (key,) = read(vci([issuer_entry(ISSUER, shc_jwk(1, x5c=chain))])).keys
    assert key.chained is holds
    assert key.certificate == leaf.certificate
    assert key.not_after is not None


def test_a_certificate_with_another_key_than_the_jwk_leaves_the_key_out() -> None:
    """What a chain says of another key says nothing of this one."""
    leaf = shc_certificate(2, ISSUER)
    held = read(vci([issuer_entry(ISSUER, shc_jwk(1, x5c=[b64(leaf.certificate)]), shc_jwk(2))]))
    assert len(held.keys) == 1
    assert "another key" in held.skipped[0]


FORGED = {
    "signed by another certificate": ({"signer": vci_signer("somebody else")}, "does not hold"),
    "signed with another digest": ({"digest": hashes.SHA256()}, "does not hold"),
    "signed over something else": ({"signed": b"{}"}, "does not hold"),
    "under a certificate that is over": (
        {
            "signer": vci_signer(until=later(-1)),
            "pin": vci_signer(until=later(-1)).certificate,
        },
        "valid from",
    ),
    "under a pin that is no certificate": ({"pin": b"nothing"}, "not a certificate"),
    "under a pinned key that is RSA": (
        {"pin": certify("rsa", private_key("2048", "rsa")).certificate},
        "does not hold",
    ),
    "from the future": ({"time": "2026-08-03T00:00:00Z"}, "still to come"),
    "of no time": ({"time": None}, "time is not a text"),
    "of a time without a zone": ({"time": "2026-07-31T04:43:50"}, "when it was made"),
    "without any key": ({"entries": [issuer_entry(ISSUER)]}, "no key"),
    "of another form": ({"issuerInfo": {}}, "not a list"),
    "with a member twice": (
        {"document": b'{"time": "2026-07-31T04:43:50Z", "issuerInfo": [], "issuerInfo": []}'},
        "twice",
    ),
}


@pytest.mark.parametrize("words", list(FORGED))
def test_a_snapshot_is_refused(words: str) -> None:
    """Nothing of it counts unless the pinned certificate signed all of it, and it is of this time."""
    change, reason = FORGED[words]
    refused(vci(**change), reason)


@pytest.mark.parametrize(
    "iss", ["http://clinic.example", "https://clinic.example/", "clinic", "https://" + "x" * 600]
)
def test_an_issuer_without_an_https_address_is_left_out(iss: str) -> None:
    """Cards name their issuer by an https address without a slash at its end; nothing else is one."""
    held = read(vci([issuer_entry(iss, shc_jwk(1)), issuer_entry(ISSUER, shc_jwk(2))]))
    assert [key.issuer for key in held.keys] == [ISSUER]
    assert "https" in held.skipped[0]


def test_an_issuer_that_moved_keeps_both_its_names() -> None:
    """``canonical_iss`` says where it is now; its cards name either, each to the letter."""
    moved = issuer_entry(ISSUER, shc_jwk(1))
    moved["issuer"]["canonical_iss"] = OTHER_ISSUER
    held = read(vci([moved, issuer_entry(OTHER_ISSUER, shc_jwk(1))]))
    assert {key.issuer for key in held.keys} == {ISSUER, OTHER_ISSUER}


@pytest.mark.vectors
def test_the_published_snapshot_imports(vectors: Path) -> None:
    """651 issuers (one without keys), 961 keys by issuer and KID, which are 596 different ones."""
    place = vectors / "trustlists"
    raw = {name: (place / name).read_bytes() for name in (SNAPSHOT, SIGNATURE)}
    pin = (place / "vci_snapshot.crt").read_bytes()
    source = Source("vci", "vci", pins={"certificate": pin})
    held = VciSnapshot().read(raw, source, datetime(2026, 11, 1, tzinfo=UTC))
    assert len({key.kid for key in held.keys}) == 596
    assert len(held.keys) == 961
    assert Taken(source, read_json(raw[SNAPSHOT], "snapshot")).issuers == 651
    assert len({key.issuer for key in held.keys}) == 650
    assert len(held.skipped) == 1
    assert (len(held.revoked), len(held.revoked_before)) == (555, 788)
    forged = raw | {SNAPSHOT: raw[SNAPSHOT].replace(b"State of California", b"State of Nowhere!!!")}
    with pytest.raises(UpstreamError, match="signature"):
        VciSnapshot().read(forged, source, datetime(2026, 11, 1, tzinfo=UTC))


def test_a_key_of_hundreds_of_issuers_is_no_crowd() -> None:
    """A hosting company has one key for all its customers; a card is tried with its own issuer's alone."""
    held = read(vci([issuer_entry(f"https://clinic-{number}.example", shc_jwk(1)) for number in range(200)]))
    assert len(held.keys) == 200
    trust = TrustList.of(held.keys)
    kid = shc_jwk(1)["kid"].encode()
    assert len(trust.candidates(kid, Domain.SHC, "https://clinic-7.example")) == 1
    assert len(decode_keys(encode_keys(map(KeyRecord, held.keys))).keys) == 200
