"""Lists of the whole world: honest ones import, and nothing else does; ICAO's, and plain files."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest
from cryptography import x509
from csca import Csca, private_key
from mutations import mutated
from upstreams_europe import NOW, dsc, pem_of
from upstreams_world import (
    ISSUER,
    csca_above,
    cscas,
    gdhcn,
    icao,
    key_file,
    later,
    list_signer,
    master_list,
    pem,
    read,
    refused,
    shc_jwk,
    vci,
)

from trustsync.hub.importers.icao import authorities_of
from trustsync.hub.upstream import Authentication, Source, UpstreamError
from trustsync.targets import AuthorityRecord, KeyRecord, decode_keys, encode_keys
from verifier.trust import Domain, HashKind

MAKERS = {"vci": vci, "gdhcn": gdhcn, "icao": icao, "files": key_file}


@pytest.mark.parametrize("kind", list(MAKERS))
def test_an_honest_list_imports_with_its_keys_named_by_their_source(kind: str) -> None:
    """What is fetched reads; each key has its domain and the name of the source, and can be published."""
    upstream = MAKERS[kind]()
    raw = upstream.importer.fetch(upstream.source, upstream.get)
    assert raw == upstream.raw
    held = upstream.importer.read(raw, upstream.source, NOW)
    assert {(key.kid, key.spki) for key in held.keys} == upstream.keys
    assert {each.source for each in (*held.keys, *held.authorities)} == {upstream.source.name}
    assert all(key.domain is not None for key in held.keys)
    assert held.authentication is (Authentication.PINNED if kind == "files" else Authentication.SIGNED)
    published = encode_keys(map(KeyRecord, held.keys), map(AuthorityRecord, held.authorities))
    assert {record.key for record in decode_keys(published).keys} == set(held.keys)


@pytest.mark.parametrize("kind", list(MAKERS))
def test_a_server_that_has_no_list_gives_an_error_and_no_list(kind: str) -> None:
    """A status that is no success is refused at once."""
    upstream = MAKERS[kind]()
    with pytest.raises(UpstreamError, match="404"):
        upstream.importer.fetch(Source("x", kind, "https://elsewhere.example/list.json"), upstream.get)


@pytest.mark.parametrize("kind", list(MAKERS))
def test_every_file_of_a_list_must_be_there(kind: str) -> None:
    """A file that is lost from an archive is missed."""
    upstream = MAKERS[kind]()
    for name in upstream.raw:
        rest = {other: data for other, data in upstream.raw.items() if other != name}
        with pytest.raises(UpstreamError, match="missing"):
            upstream.importer.read(rest, upstream.source, NOW)


@pytest.mark.parametrize("variant", [*MAKERS, "gdhcn with names", "gdhcn raw", "files jwks"])
def test_a_thousand_changes_are_refused_or_mean_the_same(variant: str) -> None:
    """Adapters fail closed: each of 1,000 mutations gives an UpstreamError, or exactly the honest list."""
    jwks = json.dumps({"keys": [shc_jwk(1), shc_jwk(2)]}, indent=1).encode()
    made = {
        "gdhcn with names": lambda: gdhcn(naming=True),
        "gdhcn raw": lambda: gdhcn(raw=True),
        "files jwks": lambda: key_file(jwks, domain="shc", issuer=ISSUER),
    } | MAKERS
    upstream = made[variant]()
    honest = read(upstream)
    stopped = 0
    for seed in range(1000):
        changed = mutated(upstream.raw, seed)
        try:
            found = upstream.importer.read(changed, upstream.source, NOW)
        except UpstreamError:
            stopped += 1
        else:
            assert found == honest, seed
    assert stopped > 800  # the others changed blanks, or what nobody signed and nobody reads


@pytest.mark.parametrize("kind", list(MAKERS))
def test_without_a_pin_there_is_no_list(kind: str) -> None:
    """Nothing is ever taken "not validated"."""
    upstream = MAKERS[kind]()
    with pytest.raises(UpstreamError, match="pin"):
        upstream.importer.read(upstream.raw, replace(upstream.source, pins={}), NOW)


# --- ICAO ---------------------------------------------------------------------------------------------------


def test_a_master_list_gives_authorities_and_no_keys() -> None:
    """Each CSCA with its country, also on curves that no document signer may have."""
    held = read(icao())
    assert sorted(str(each.country) for each in held.authorities) == ["XV", "XW", "XY"]
    assert held.keys == ()
    assert held.signed_at == NOW


@pytest.mark.parametrize("pinned", ["its CSCA", "the signer itself"])
def test_the_signer_of_a_master_list_or_its_csca_is_pinned(pinned: str) -> None:
    """Either vouches for the list."""
    pin = csca_above().certificate if pinned == "its CSCA" else list_signer().certificate
    assert len(read(icao(pin=pin)).authorities) == 3


BAD_LISTS: dict[str, tuple[dict[str, Any], str]] = {
    "signed below another CSCA": ({"signer": list_signer(label="forger's csca")}, "pinned root"),
    "signed by a signer of seals": (
        {"signer": list_signer("2.23.136.1.1.14.2")},
        "no signer of master lists",
    ),
    "signed by a signer of nothing in particular": (
        {"signer": list_signer(None)},
        "no signer of master lists",
    ),
    "signed by the CSCA itself": ({"signer": csca_above()}, "may not sign"),
    "of another content": ({"content_type": "data"}, "no master list"),
    "with its content beside it": ({"detached": True}, "nowhere"),
    "of no time": ({"when": None}, "does not say when"),
    "of the future": ({"when": later(2)}, "still to come"),
    "of another version": ({"content": master_list(cscas(), version=1)}, "version"),
    "of another form": ({"content": b"\x30\x03\x02\x01\x00"}, "no CscaMasterList"),
    "of bytes behind its end": ({"content": master_list(cscas()) + b"\x00"}, "no CscaMasterList"),
    "without a CSCA": ({"content": master_list([dsc(1)])}, "no CSCA"),
    "without anything": ({"content": master_list([])}, "no CSCA"),
    "by two signers": ({"copies": 2}, "2 signers"),
    "by a digest that is over": ({"digest": "sha1"}, "sha1"),
    "under a pin that is nothing": ({"pin": b"nothing"}, "not a certificate"),
    "under a name that is not the signer's": ({"name": b"Somebody"}, "Somebody"),
    "with too many CSCAs of one key": (
        {"content": master_list([Csca("XV", f"C{n}", label="one").certificate() for n in range(17)])},
        "key identifier",
    ),
}


@pytest.mark.parametrize("words", list(BAD_LISTS))
def test_a_master_list_is_refused(words: str) -> None:
    """A list counts if a signer for master lists signed it whose certificate or CSCA is pinned."""
    change, reason = BAD_LISTS[words]
    refused(icao(**change), reason)


def test_a_csca_in_the_list_does_not_vouch_for_the_lists_own_signer() -> None:
    """Whoever makes a list can put any CSCA in; only the pin decides."""
    forger = list_signer(label="forger's csca")
    refused(icao([*cscas(), csca_above("forger's csca").certificate], signer=forger), "pinned root")


def test_the_name_of_the_signer_is_asked_if_it_is_given() -> None:
    """A CSCA certifies more than one signer."""
    assert read(icao(name=b"Master List Signer")).authorities


def test_what_is_no_csca_is_left_out_by_name() -> None:
    """A signer's certificate, a CSCA of no country, bytes that are no certificate: the others stand."""
    stateless = Csca(None, "nobody's").certificate()
    held = read(icao([*cscas(), dsc(1), stateless, b"\x30\x00"]))
    assert len(held.authorities) == 3
    assert len(held.skipped) == 3
    assert any("names no country" in each for each in held.skipped)


def test_a_csca_that_stands_twice_is_one() -> None:
    """And the order of a set says nothing."""
    held = cscas()
    one = read(icao([*held, held[0]]))
    other = read(icao(held[::-1]))
    assert one.authorities == other.authorities
    assert len(one.authorities) == 3


def link(of: Csca, by: Csca) -> bytes:
    """A link certificate: the new key, signed by the old one."""
    old = x509.AuthorityKeyIdentifier(by.key_id.digest, None, None)
    builder = (
        by.builder(of.name, of.key.public_key(), issuer=by.name)
        .not_valid_after(later(400))
        .add_extension(x509.BasicConstraints(True, 0), critical=True)
        .add_extension(of.key_id, critical=False)
        .add_extension(old, critical=False)
    )
    return by.sign(builder)


def test_a_link_certificate_counts_only_where_the_new_csca_is_missing() -> None:
    """It is a second certificate of a CSCA that is in the list, or the only one of one that is not."""
    old, new = Csca("XV", "CSCA", label="old"), Csca("XV", "CSCA", label="new")
    linked = link(new, old)
    both, _ = authorities_of(master_list([old.certificate(), new.certificate(), linked]), "ml")
    assert len(both) == 2
    assert linked not in {each.certificate for each in both}
    alone, _ = authorities_of(master_list([old.certificate(), linked]), "ml")
    assert len(alone) == 2
    assert linked in {each.certificate for each in alone}


# --- Plain files --------------------------------------------------------------------------------------------


def test_a_file_by_another_hash_is_refused() -> None:
    """A person vouched for these bytes and for no others."""
    other = hashlib.sha256(b"other").hexdigest().encode()
    refused(key_file(pin=other), "not the one whose SHA-256")
    refused(key_file(pin=b"zz"), "hex")
    refused(key_file(pin=b"abcd"), "bytes")


def test_a_file_with_a_private_key_is_refused_whole() -> None:
    """Whoever handed it over should know that it is out of the bag."""
    jwk = json.dumps(shc_jwk(1) | {"d": "AAAA"}).encode()
    refused(key_file(jwk, domain="shc", issuer=ISSUER), "private")
    refused(key_file(pem(dsc(1)) + pem(b"secret", "EC PRIVATE KEY")), "private")


def test_a_file_of_keys_is_for_what_its_source_says() -> None:
    """Domain, country and uses are the operator's words; a certificate may allow less."""
    held = read(key_file(domain="lt1", country="CHE", uses="tv"))
    assert {(key.domain, key.country) for key in held.keys} == {(Domain.LT1, "CH")}
    assert sorted("".join(sorted(key.uses or ())) for key in held.keys) == ["tv", "v"]


WRONG_OPTIONS = {
    "a domain that is none": {"domain": "passports"},
    "a country that is none": {"country": "Nowhere"},
    "uses that are none": {"uses": "xyz"},
    "no uses": {"uses": ""},
}


@pytest.mark.parametrize("words", list(WRONG_OPTIONS))
def test_an_option_that_cannot_be_meant_is_refused(words: str) -> None:
    """A word that is not understood must not widen what keys may sign."""
    refused(key_file(**WRONG_OPTIONS[words]), "source 'files-list'")


def test_keys_of_health_cards_need_their_issuer_and_their_thumbprint() -> None:
    """Without an issuer a key would sign for everybody; a JWK's KID has one reading there."""
    data = json.dumps({"keys": [shc_jwk(1), shc_jwk(2, kid="made-up")]}).encode()
    refused(key_file(data, domain="shc"), "issuer")
    held = read(key_file(data, domain="shc", issuer=ISSUER))
    assert [(key.kid.decode(), key.issuer) for key in held.keys] == [(shc_jwk(1)["kid"], ISSUER)]
    assert any("thumbprint" in each for each in held.skipped)


def test_a_bare_public_key_needs_a_kid() -> None:
    """A key without one would be tried for every code."""
    bare = pem_of(private_key("2048", "divoc"))
    refused(key_file(bare, domain="divoc", issuer="https://cowin.example"), "KID")
    held = read(key_file(bare, domain="divoc", issuer="https://cowin.example", kid="did:india"))
    assert [(key.kid, key.issuer) for key in held.keys] == [(b"did:india", "https://cowin.example")]
    hcert = read(key_file(bare, kid="AAECAwQFBgc="))
    assert [key.kid for key in hcert.keys] == [bytes(range(8))]
    refused(key_file(bare + pem_of(private_key("2048", "second")), kid="AAECAwQFBgc="), "several")


def test_a_csca_counts_in_its_own_domain_with_its_crl() -> None:
    """For seals it is an authority and no key; its CRL takes its signers back."""
    csca = Csca("XV")
    data = pem(csca.certificate()) + pem(csca.crl(4711), "X509 CRL")
    held = read(key_file(data, domain="vds-nc"))
    assert held.keys == ()
    assert [each.country for each in held.authorities] == ["XV"]
    assert [kind for _, kind, _ in held.revoked] == [HashKind.SERIAL]
    assert held.valid_until is not None
    foreign = pem(csca.certificate()) + pem(Csca("XW", label="w").crl(1), "X509 CRL")
    refused(key_file(foreign, domain="vds-nc"), "CRL")
    assert read(key_file(pem(csca.certificate()) + pem(dsc(1)))).authorities == ()


def test_a_file_that_holds_no_key_is_refused() -> None:
    """Nothing in it, or nothing that can be used."""
    refused(key_file(b"hello"), "refused")
    refused(key_file(b'{"keys": []}'), "refused")
