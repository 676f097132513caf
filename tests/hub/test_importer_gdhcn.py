"""WHO's trust network: the proof of a list, what is taken from it, and its environments."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from csca import private_key
from upstreams_europe import NOW, b64, jwk_of, pem_of, spki_of
from upstreams_world import (
    CONTEXTS,
    did,
    dsc_of,
    gdhcn,
    jwk_of_key,
    method,
    nquads,
    read,
    refused,
    sca,
    shc_jwk,
    who_key,
)

from trustsync.hub.did_list import check_proof, read_did
from trustsync.hub.importers.gdhcn import LIST as DID_LIST
from trustsync.hub.importers.gdhcn import GdhcnList
from trustsync.hub.upstream import Authentication, Source, UpstreamError
from verifier.keys import kid_of, load_spki
from verifier.trust import Domain

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


def test_the_proof_of_a_document_asks_for_an_ec_key() -> None:
    """A key of another kind is told apart from a proof that does not hold."""
    document = read_did(gdhcn().raw[DID_LIST])
    with pytest.raises(UpstreamError, match="no EC key"):
        check_proof(document, load_spki(spki_of(private_key("2048", "rsa pin"))))


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
