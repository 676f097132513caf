"""Lists of the whole world: honest ones import, and nothing else does."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from csca import Csca, private_key
from mutations import mutated
from upstreams_europe import NOW, Signer, Upstream, b64, certify, dsc, jwk_of, pem_of, spki_of
from upstreams_world import (
    CONTEXTS,
    HOST,
    ISSUER,
    MASTER_LIST_SIGNER,
    NAMING,
    OTHER_ISSUER,
    crl,
    csca_above,
    cscas,
    did,
    dsc_of,
    gdhcn,
    icao,
    issuer_entry,
    issuers,
    jwk_of_key,
    key_file,
    later,
    list_signer,
    master_list,
    method,
    network,
    nquads,
    pem,
    sca,
    shc_certificate,
    shc_jwk,
    vci,
    vci_signer,
    who_key,
)

from trustsync.hub.did_list import check_proof, read_did
from trustsync.hub.importers.gdhcn import LIST as DID_LIST
from trustsync.hub.importers.gdhcn import GdhcnList
from trustsync.hub.importers.icao import authorities_of
from trustsync.hub.importers.vci import SIGNATURE, SNAPSHOT, Taken, VciSnapshot
from trustsync.hub.lists import read_json
from trustsync.hub.upstream import Authentication, Source, UpstreamError, UpstreamList
from trustsync.targets import AuthorityRecord, KeyRecord, decode_keys, encode_keys
from verifier.checks import entry_digest
from verifier.keys import kid_of, load_spki
from verifier.trust import Domain, HashKind
from verifier.wire.shc_keys import thumbprint

MAKERS = {"vci": vci, "gdhcn": gdhcn, "icao": icao, "files": key_file}


def read(upstream: Upstream, now: datetime = NOW) -> UpstreamList:
    return upstream.importer.read(upstream.raw, upstream.source, now)


def refused(upstream: Upstream, words: str, now: datetime = NOW) -> None:
    with pytest.raises(UpstreamError, match=words):
        read(upstream, now)


# --- All of them --------------------------------------------------------------------------------------------


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


# --- VCI ----------------------------------------------------------------------------------------------------


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


# --- GDHCN: the proof ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("naming", [False, True])
def test_the_signed_form_is_the_one_that_json_ld_gives(naming: bool) -> None:
    """The statements that are written here are those of a JSON-LD processor by others, byte for byte."""
    data = gdhcn(naming=naming).raw[DID_LIST]
    document = json.loads(data)
    proof = document.pop("proof")
    held = read_did(data)
    assert held.statements == nquads(document, naming=naming)
    del proof["jws"]
    assert held.proof is not None
    assert held.proof.options == nquads(proof, naming=False)


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize("alg", ["ES256", "EC"])
def test_the_proof_is_taken_raw_and_in_der(raw: bool, alg: str) -> None:
    """WHO's signers write both, and one of them writes EC where the algorithm belongs."""
    assert len(read(gdhcn(raw=raw, header={"alg": alg})).keys) == 5


def who_document() -> bytes:
    """The signer's DID document, as WHO publishes it."""
    entry = {"id": "did:web:signer.example", "type": "JsonWebKey2020", "publicKeyJwk": jwk_of_key(who_key())}
    return json.dumps({"id": "did:web:signer.example", "verificationMethod": [entry]}).encode()


@pytest.mark.parametrize("form", ["PEM", "DER", "DID document"])
def test_the_signer_is_pinned_in_any_form(form: str) -> None:
    """PEM, DER, or the DID document that the signer's DID would lead to; nothing is resolved."""
    pins = {"PEM": pem_of(who_key()), "DER": spki_of(who_key()), "DID document": who_document()}
    assert len(read(gdhcn(pin=pins[form])).keys) == 5


BAD_PROOFS: dict[str, tuple[dict[str, Any], str]] = {
    "by another key": ({"key": who_key("somebody")}, "does not hold"),
    "of another kind": ({"proof": {"type": "Ed25519Signature2018"}}, "another kind"),
    "for another purpose": ({"proof": {"proofPurpose": "authentication"}}, "another kind"),
    "without an algorithm": ({"header": {"alg": None}}, "something else than ECDSA"),
    "by no algorithm": ({"header": {"alg": "none"}}, "something else than ECDSA"),
    "by a list of algorithms": ({"header": {"alg": ["ES256"]}}, "something else than ECDSA"),
    "over an encoded payload": ({"header": {"b64": True}}, "something else than ECDSA"),
    "with a number for b64": ({"header": {"b64": 0}}, "something else than ECDSA"),
    "that asks for more": ({"header": {"crit": ["b64", "exp"], "exp": 1}}, "something else than ECDSA"),
    "of the future": ({"proof": {"created": "2026-08-03T00:00:00Z"}}, "still to come"),
    "of no time": ({"proof": {"created": "yesterday"}}, "when it was made"),
    "of a time without a zone": ({"proof": {"created": "2026-07-31T18:30:06"}}, "when it was made"),
    "of nobody": ({"proof": {"verificationMethod": "nobody"}}, "no did:web"),
    "that is not there": ({"key": False}, "no proof"),
    "under a pin that is nothing": ({"pin": b"nothing"}, "not a public key"),
    "under a pin that is RSA": ({"pin": pem_of(private_key("2048", "rsa pin"))}, "no EC key"),
    "under a pin of two keys": (
        {"pin": json.dumps({"keys": [shc_jwk(1), shc_jwk(2)]}).encode()},
        "is 2 keys",
    ),
    "under a pin of no key": ({"pin": b"{}"}, "cannot be used"),
}


@pytest.mark.parametrize("words", list(BAD_PROOFS))
def test_a_proof_is_refused(words: str) -> None:
    """Without the pinned key's proof of these very statements, and of this time, there is no list."""
    change, reason = BAD_PROOFS[words]
    refused(gdhcn(**change), reason)


BAD_FORMS: dict[str, dict[str, Any]] = {
    "a context that is not known": {"@context": [*CONTEXTS, "https://elsewhere.example/v1"]},
    "contexts in another order": {"@context": CONTEXTS[::-1]},
    "one context": {"@context": CONTEXTS[0]},
    "a member that is not known": {"assertionMethod": []},
    "no id": {"id": None},
    "an id with a blank": {"id": did("trust list")},
    "a controller that is no DID": {"controller": "who"},
    "two controllers": {"controller": [did("a"), did("b")]},
    "methods that are no list": {"verificationMethod": {}},
    "a method that is a number": {"verificationMethod": [7]},
    "a reference that is no DID": {"verificationMethod": ["#key"]},
}


@pytest.mark.parametrize("words", list(BAD_FORMS))
def test_a_document_of_another_form_is_refused(words: str) -> None:
    """What its signer signed could not be told, so that nothing is read into it."""
    document = json.loads(gdhcn().raw[DID_LIST]) | BAD_FORMS[words]
    upstream = gdhcn()
    with pytest.raises(UpstreamError):
        read_did(json.dumps(document).encode())
    with pytest.raises(UpstreamError):
        upstream.importer.read({DID_LIST: json.dumps(document).encode()}, upstream.source, NOW)


def test_members_that_nobody_signed_are_not_looked_at() -> None:
    """Without the context that defines them, domain, participant and usage may say anything."""
    upstream = gdhcn()
    lied = upstream.raw[DID_LIST].replace(
        b'"participant":"FRA","keyusage":"DSC"', b'"participant":"VNM","keyusage":"UP"'
    )
    assert lied != upstream.raw[DID_LIST]
    assert upstream.importer.read({DID_LIST: lied}, upstream.source, NOW) == read(upstream)
    named = gdhcn(naming=True)
    lied = named.raw[DID_LIST].replace(b'"participant":"FRA"', b'"participant":"VNM"')
    with pytest.raises(UpstreamError, match="proof"):
        named.importer.read({DID_LIST: lied}, named.source, NOW)


def test_a_key_that_stands_twice_is_one_and_two_under_one_name_are_none() -> None:
    """A name is one node: the same key twice is one; of two keys, nothing says which is meant."""
    twice = [method(dsc_of(1, "FR"))] * 2
    assert len(read(gdhcn(twice)).keys) == 1
    other = method(dsc_of(2, "FR"), kid=b64(kid_of(dsc_of(1, "FR"))))
    held = read(gdhcn([twice[0], other, method(dsc_of(3, "FR"))]))
    assert len(held.keys) == 1
    assert "several keys" in held.skipped[0]


# --- GDHCN: what is taken -----------------------------------------------------------------------------------


def test_countries_are_alpha_2_and_keys_are_for_hc1() -> None:
    """The list writes alpha-3, codes name alpha-2; all domains that are read travel in HC1."""
    held = read(gdhcn())
    assert sorted(str(key.country) for key in held.keys) == ["CL", "FR", "FR", "MT", "OM"]
    assert {key.domain for key in held.keys} == {Domain.HCERT}
    assert {key.uses for key in held.keys} == {None, frozenset("v")}


@pytest.mark.parametrize("usage", ["UP", "TLS", "DECA", "DESC", "SCA"])
def test_only_signers_sign(usage: str) -> None:
    """A key for uploads, connections or authorities verifies no certificate."""
    held = read(gdhcn([method(dsc_of(1, "FR")), method(dsc_of(2, "FR"), usage=usage)]))
    assert len(held.keys) == 1
    assert held.authorities == ()
    assert f"usage {usage}" in held.skipped[0]


def test_an_authority_vouches_for_seals_only_if_its_certificate_says_so() -> None:
    """Any other as a CSCA would make a seal of a country look forged whose own CSCA is not held."""
    seals = [(x509.ExtendedKeyUsage([x509.ObjectIdentifier("2.23.136.1.1.14.1")]), False)]
    ours, foreign = sca(extra=seals), sca("MT", extra=seals)
    held = read(gdhcn([method(each, usage="SCA") for each in (sca(), ours, foreign)]))
    assert [each.certificate for each in held.authorities] == [ours]
    assert held.authorities[0].country == "FR"
    assert held.keys == ()
    assert any("another country" in each for each in held.skipped)


@pytest.mark.parametrize("domain", ["DIVOC", "SHC", "ICAO"])
def test_a_domain_that_is_not_hc1_is_left_out_by_name(domain: str) -> None:
    """A key that is listed for one world signs nothing in another."""
    held = read(gdhcn([method(dsc_of(1, "FR")), method(dsc_of(2, "FR"), domain)]))
    assert len(held.keys) == 1
    assert f"domain {domain}" in held.skipped[0]


def test_what_a_name_leaves_open_is_taken_from_what_is_signed() -> None:
    """``-`` is any: the country is the certificate's, the domain the operator's word, the usage nobody's."""
    anything = [
        method(dsc_of(1, "FR"), "DCC", "-", "DSC"),
        method(dsc_of(2, "FR"), "-", "FRA", "DSC", named={"domain": "DCC"}),
        method(dsc_of(3, "FR"), "DCC", "FRA", "-", named={"keyusage": "DSC"}),
    ]
    held = read(gdhcn(anything))
    assert [key.country for key in held.keys] == ["FR"]
    assert len(held.skipped) == 2
    assert len(read(gdhcn(anything, options={"domain": "DCC"})).keys) == 2
    assert len(read(gdhcn(anything, naming=True)).keys) == 3


KIDS = {
    "in the JWK": {},
    "in the name alone": {"jwk": {"kid": None}},
    "in the name, as an URL has it": {"jwk": {"kid": None}, "quoted": True},
}


@pytest.mark.parametrize("words", list(KIDS))
def test_the_kid_is_found(words: str) -> None:
    """It is the list's, in Base64 of any eight bytes: ``+`` and ``/`` may be written as an URL has them."""
    kid = b"\xfb\xb8\x0f\x68\x04\x8e\x00\x96"
    change = dict(KIDS[words])
    text = "%2B7gPaASOAJY%3D" if change.pop("quoted", False) else b64(kid)
    (key,) = read(gdhcn([method(dsc_of(1, "FR"), kid=text, **change)])).keys
    assert key.kid == kid
    assert key.kid != kid_of(dsc_of(1, "FR"))


ODD_JWKS: dict[str, tuple[dict[str, Any], str]] = {
    "without a certificate": ({"x5c": None}, ""),
    "with numbers as they should be": ({"x": "", "y": ""}, ""),
    "with a certificate of another key": ({"x5c": [b64(dsc_of(7, "FR"))]}, "another key"),
    "with a certificate that is none": ({"x5c": ["AAAA"]}, "certificate"),
    "with a certificate that is no Base64": ({"x5c": ["?"]}, "Base64"),
    "with a private part": ({"d": "AAAA"}, "PRIVATE KEY"),
    "with a private part and no certificate": ({"d": "AAAA", "x5c": None}, "PRIVATE KEY"),
    "with a KID that is no Base64": ({"kid": "?"}, "Base64"),
    "of an unknown curve without a certificate": ({"x5c": None, "crv": "UNKNOWN CURVE"}, "not accepted"),
    "off its curve": ({"x5c": None, "x": "AAAA"}, "not a usable key"),
}


@pytest.mark.parametrize("words", list(ODD_JWKS))
def test_a_jwk_of_the_network(words: str) -> None:
    """The certificate's key is the key, and the JWK must be the same; what cannot be used is named."""
    change, reason = ODD_JWKS[words]
    if "x" in change and not change["x"]:
        change = {name: value for name, value in jwk_of(dsc_of(1, "FR")).items() if name in ("x", "y")}
    held = read(gdhcn([method(dsc_of(1, "FR"), jwk=change), method(dsc_of(2, "FR"))]))
    assert len(held.keys) == (1 if reason else 2)
    assert reason in "".join(held.skipped)


# --- GDHCN: environments ------------------------------------------------------------------------------------

OTHER_HOSTS = [
    "tng-cdn-uat.who.int",
    "tng-cdn-dev.who.int",
    "worldhealthorganization.github.io",
    "tng-cdn.who.int.example",
    "TNG-CDN.who.int",
    "tng-cdn.who.int%3A8443",
]


@pytest.mark.parametrize("host", OTHER_HOSTS)
def test_no_list_of_another_environment_enters_production(host: str) -> None:
    """Not even one with a proof that holds, under a configuration that says production."""
    methods = [method(dsc_of(1, "FR"), host=host)]
    refused(gdhcn(methods, host=host), "no production environment")
    assert len(read(gdhcn(methods, host=host, environment="test")).keys) == 1


def test_a_list_that_mixes_hosts_is_refused() -> None:
    """One key of a test host among production's spoils the list; a reference is no key."""
    refused(gdhcn([method(dsc_of(1, "FR")), method(dsc_of(2, "FR"), host=OTHER_HOSTS[1])]), "mixes")
    assert len(read(gdhcn([method(dsc_of(1, "FR")), did("v2", host=OTHER_HOSTS[1])])).keys) == 1


@pytest.mark.parametrize("participant", ["XXA", "XV", "XCL", "QMZ", "ZZZ", "AAA"])
def test_test_participants_never_enter_production(participant: str) -> None:
    """A participant by a code that nobody owns is a test's, whoever lists it."""
    methods = [method(dsc_of(1, "XA"), participant=participant), method(dsc_of(2, "FR"))]
    held = read(gdhcn(methods))
    assert [key.country for key in held.keys] == ["FR"]
    assert "never in production" in held.skipped[0]
    assert len(read(gdhcn(methods, environment="test")).keys) == 2


def test_a_participant_that_is_no_country_goes_by_its_certificate() -> None:
    """An organisation has no alpha-2 code; a certificate of a test country gives it away."""
    held = read(
        gdhcn([method(dsc_of(1, "CH"), participant="IOM"), method(dsc_of(2, "XX"), participant="null")])
    )
    assert [key.country for key in held.keys] == ["CH"]
    kosovo = read(gdhcn([method(dsc_of(3, "XK"), participant="XKX")]))
    assert [key.country for key in kosovo.keys] == ["XK"]


def test_a_test_participant_signs_for_either_of_its_codes() -> None:
    """The list writes alpha-3 and codes alpha-2; of invented countries nothing says that both are one."""
    (key,) = read(gdhcn([method(dsc_of(1, "XO"), participant="XXO")], environment="test")).keys
    assert key.country == "XO"
    assert key.also_for == {"XXO"}


UNPROVEN = {
    "without the switch": (False, "test", False),
    "in production, with the switch": (True, "production", False),
    "in test, with the switch": (True, "test", True),
}


@pytest.mark.parametrize("words", list(UNPROVEN))
def test_a_list_whose_proof_key_nobody_has(words: str) -> None:
    """It is refused; by a switch that is named loudly it enters the test list, and says so of itself."""
    unproven, environment, taken = UNPROVEN[words]
    upstream = gdhcn(pin=b"", unproven=unproven, environment=environment)
    if not taken:
        return refused(upstream, "no pinned key")
    held = read(upstream)
    assert held.authentication is Authentication.UNPROVEN
    assert held.environment == "test"
    return None


def test_the_switch_takes_no_proof_away() -> None:
    """Where a key is pinned the proof is checked, switch or not."""
    refused(gdhcn(key=who_key("somebody"), unproven=True, environment="test"), "proof")


def test_the_first_version_lists_signers_by_participant() -> None:
    """Its names have the participant alone; there, keys are DCC signers and nothing else."""
    old = [method(dsc_of(n, "FR"), path=("trustlist", "fra"), jwk={"kid": None}) for n in (1, 2)]
    held = read(gdhcn(old, id=did("trustlist"), controller=did("trustlist")))
    assert [(key.country, key.domain) for key in held.keys] == [("FR", Domain.HCERT)] * 2


def test_a_list_of_references_is_no_list_of_keys() -> None:
    """What it refers to is never fetched; whoever configured it should see that it holds nothing."""
    refused(gdhcn([did("v2", "trustlist", "DCC")]), "references")


@pytest.mark.vectors
def test_the_published_development_list_imports_by_the_switch_alone(vectors: Path) -> None:
    """373 methods: 368 keys, and five references to two lists; never in production, never by default."""
    raw = {DID_LIST: (vectors / "trustlists" / "gdhcn-dev.did.json").read_bytes()}
    now = datetime(2026, 11, 1, tzinfo=UTC)
    for refusing in (
        Source("dev", "gdhcn"),
        Source("dev", "gdhcn", environment="test"),
        Source("dev", "gdhcn", unproven=True),
        Source("dev", "gdhcn", pins={"key": pem_of(who_key())}, environment="test", unproven=True),
    ):
        with pytest.raises(UpstreamError):
            GdhcnList().read(raw, refusing, now)
    held = GdhcnList().read(raw, Source("dev", "gdhcn", environment="test", unproven=True), now)
    assert held.authentication is Authentication.UNPROVEN
    assert len(held.keys) == 368
    assert len(json.loads(raw[DID_LIST])["verificationMethod"]) == 373
    assert len(held.skipped) == 2
    assert len({key.kid for key in held.keys}) == 368


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
    one = read(icao([*cscas(), cscas()[0]]))
    other = read(icao(cscas()[::-1]))
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


def test_the_proof_of_a_document_asks_for_an_ec_key() -> None:
    """A key of another kind is told apart from a proof that does not hold."""
    document = read_did(gdhcn().raw[DID_LIST])
    with pytest.raises(UpstreamError, match="no EC key"):
        check_proof(document, load_spki(spki_of(private_key("2048", "rsa pin"))))


def test_the_makers_lists_are_what_they_say() -> None:
    """The contexts of a list with names are three, those of one without are two."""
    assert json.loads(gdhcn(naming=True).raw[DID_LIST])["@context"] == [*CONTEXTS, NAMING]
    assert len(network()) == 8
    assert len(issuers()) == 3
    assert HOST == "tng-cdn.who.int"
    assert MASTER_LIST_SIGNER.startswith("2.23.136.")
    assert isinstance(csca_above(), Signer)
