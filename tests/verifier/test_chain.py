"""Who vouches for the signer of a seal: CSCAs, their signers and their CRLs."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asn1crypto import algos, core
from asn1crypto import keys as asn1_keys
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from csca import (
    BEGIN,
    DOCUMENT_TYPES,
    END,
    PASSPORTS,
    Bsc,
    Csca,
    held,
    key_usage,
    name,
    private_key,
    vaccinated,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from places import vectors_dir

from verifier import chain, x509_reading
from verifier.assessment import assess
from verifier.keys import ES256, KeyRefusedError, kid_of, load_spki
from verifier.reasons import Reason
from verifier.trust import Authority, Domain, KeyStatus, TrustList
from verifier.wire import vds_nc
from verifier.wire.errors import MalformedError


def vouched(signer: Bsc, *authorities: bytes | Authority) -> Authority | None:
    return chain.authority_of(chain.signer_of(signer.certificate), held(*authorities))


def resigned(der: bytes, key: Any, change: Any) -> bytes:
    """A certificate with something changed in what is signed, signed again with ECDSA and SHA-384."""
    certificate = asn1_x509.Certificate.load(der)
    body = certificate["tbs_certificate"].copy()
    change(certificate, body)
    certificate["tbs_certificate"] = body
    signed = certificate["tbs_certificate"].dump(force=True)
    certificate["signature_value"] = key.sign(signed, ec.ECDSA(hashes.SHA384()))
    return bytes(certificate.dump(force=True))


AUTHORITIES = {
    "P-384 with SHA-384": Csca(),
    "P-521 with SHA-512": Csca(kind="SECP521R1", digest=hashes.SHA512()),
    "P-256 with SHA-256": Csca(kind="SECP256R1", digest=hashes.SHA256()),
    "brainpoolP256r1 with SHA-256": Csca(kind="BrainpoolP256R1", digest=hashes.SHA256()),
    "brainpoolP384r1 with SHA-384": Csca(kind="BrainpoolP384R1"),
    "brainpoolP512r1 with SHA-512": Csca(kind="BrainpoolP512R1", digest=hashes.SHA512()),
    "RSA with PKCS 1 and SHA-256": Csca(kind="2048", digest=hashes.SHA256()),
    "RSA with PSS and SHA-256": Csca(
        kind="2048", digest=hashes.SHA256(), pss=padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    ),
    "RSA with PSS and SHA-512, another mask and salt": Csca(
        kind="2048", digest=hashes.SHA512(), pss=padding.PSS(padding.MGF1(hashes.SHA256()), 20)
    ),
}


@pytest.mark.parametrize("csca", AUTHORITIES.values(), ids=AUTHORITIES.keys())
def test_a_held_csca_vouches_for_the_signers_that_it_issued(csca: Csca) -> None:
    """With each algorithm that CSCAs use; another CSCA of the same name does not."""
    signer = csca.signer()
    authority = vouched(signer, csca.certificate())
    assert authority is not None
    assert (authority.country, authority.source, authority.lenient) == ("XV", "list", False)
    assert authority.key_id == csca.key_id.digest
    read_ = chain.signer_of(signer.certificate)
    assert chain.usage_findings(read_, "icao.vacc") == []
    assert chain.country_findings(read_, authority, "XV") == []
    impostor = replace(csca, label="another key of the same name")
    assert vouched(impostor.signer(), csca.certificate()) is None


def test_a_signer_is_read_with_everything_that_decides_about_it() -> None:
    """The facts as they stand in the certificate."""
    extras = [
        (key_usage(sign=True), True),
        (x509.PrivateKeyUsagePeriod(BEGIN.replace(tzinfo=None), None), False),
    ]
    built = Csca().signer(types=("NV", "NT"), extra=extras, serial=1 << 130)
    signer = chain.signer_of(built.certificate)
    assert (signer.key.kid, signer.key.domain) == (kid_of(built.certificate), Domain.VDS_NC)
    assert (signer.key.not_before, signer.key.not_after) == (BEGIN, END)
    assert (signer.key.country, signer.issuer_country, signer.serial) == ("XV", "XV", 1 << 130)
    assert signer.usages == {chain.SEAL_SIGNER}
    assert signer.document_types == {"NV", "NT"}
    assert signer.key_usage == {"digital_signature"}
    assert signer.usage_period == (BEGIN, None)
    assert signer.key.certificate == built.certificate
    assert not signer.key.lenient
    bare = chain.signer_of(Csca().signer(usage=None, types=None, key_id=False).certificate)
    assert (bare.usages, bare.key_usage, bare.document_types, bare.key_id, bare.usage_period) == (None,) * 5


def test_key_identifier_name_and_signature_must_all_be_those_of_the_csca() -> None:
    """One or two of the three are not enough."""
    csca, other = Csca(), Csca(common="Another", label="other")
    renamed = csca.signer(issuer=name("XV", "Somebody else"))
    assert vouched(renamed, csca.certificate()) is None
    # a name in another kind of text, and other case, is the same name
    spelled = csca.signer(issuer=name("xv", "csca", x509.name._ASN1Type.PrintableString))
    assert vouched(spelled, csca.certificate()) is not None
    assert vouched(csca.signer(), other.certificate()) is None
    forged = other.signer(issuer=csca.name)
    assert vouched(forged, csca.certificate(), other.certificate()) is None


def test_a_signer_that_names_no_authority_key_is_vouched_for_by_nobody() -> None:
    """A barcode signer's certificate names its CSCA's key (ICAO); one that does not is none."""
    csca = Csca()
    assert vouched(csca.signer(), csca.certificate()) is not None
    assert vouched(csca.signer(key_id=False), csca.certificate()) is None


def test_a_csca_in_the_seal_vouches_for_nothing() -> None:
    """Self-signed or not: what the list does not hold is nobody."""
    csca = Csca()
    own = Bsc(csca.certificate(), "ES384", csca.key)
    assert vouched(own) is None
    assert chain.usage_findings(chain.signer_of(own.certificate), "icao.vacc")[0].code is Reason.KEY_USAGE


def test_there_is_no_certificate_between_csca_and_signer() -> None:
    """An authority that a held CSCA issued is not held itself, so its signers are nobody's."""
    root, middle = Csca(), Csca(common="Middle", label="middle")
    builder = root.builder(middle.name, middle.key.public_key()).not_valid_after(END)
    builder = builder.add_extension(x509.BasicConstraints(True, None), critical=True)
    assert chain.is_authority(root.sign(builder))
    assert vouched(middle.signer(), root.certificate()) is None


def test_of_two_certificates_of_one_csca_key_the_active_and_longest_is_given() -> None:
    """Australia has two. The later period counts, and a withdrawn certificate does not hide another."""
    csca = Csca()
    short = chain.load_authority(csca.certificate(until=END - timedelta(days=900)))
    long = chain.load_authority(csca.certificate(until=END + timedelta(days=900)))
    assert vouched(csca.signer(), long, short) == long
    gone = replace(long, status=KeyStatus.WITHDRAWN)
    assert vouched(csca.signer(), gone, short) == short
    assert vouched(csca.signer(), gone) == gone


def test_sha_1_vouches_for_nobody() -> None:
    """Whatever signs with it: a certificate, or the parameters of RSASSA-PSS by their default."""
    csca = Csca(kind="2048", digest=hashes.SHA256())
    der = csca.signer().certificate
    # sha256WithRSAEncryption to sha1WithRSAEncryption, inside and outside
    body = asn1_x509.Certificate.load(der)["tbs_certificate"].dump()
    weak = body.replace(bytes.fromhex("2a864886f70d01010b"), bytes.fromhex("2a864886f70d010105"))
    facts = x509_reading.read_certificate(der.replace(body, weak))
    assert facts.scheme is None
    signature = csca.key.sign(weak, padding.PKCS1v15(), hashes.SHA1())
    assert not x509_reading.verifies(facts.spki, facts.scheme, signature, weak)
    for parameters in ("", "3000"):  # RSASSA-PSS without parameters, or with none of them set
        inner = bytes.fromhex("06092a864886f70d01010a" + parameters)
        pss = algos.SignedDigestAlgorithm.load(bytes([0x30, len(inner)]) + inner)
        assert x509_reading._scheme(pss) is None


def test_an_algorithm_that_differs_inside_and_outside_vouches_for_nobody() -> None:
    """Only the inner one is signed."""
    csca = Csca()
    der = csca.signer().certificate
    outer = der.rindex(bytes.fromhex("2a8648ce3d040303"))
    changed = der[:outer] + bytes.fromhex("2a8648ce3d040304") + der[outer + 8 :]
    assert x509_reading.read_certificate(changed).scheme is None
    assert vouched(Bsc(changed, "ES256", None), csca.certificate()) is None


def null_parameter(certificate: Any, body: Any) -> None:
    """ecdsa-with-SHA384 with a NULL parameter, as Japan writes it."""
    for place in (certificate["signature_algorithm"], body["signature"]):
        place["parameters"] = core.Null()


@pytest.mark.parametrize("lenient_csca", [False, True])
def test_a_chain_that_strict_der_refuses_is_read_and_marked(lenient_csca: bool) -> None:
    """An explicit NULL is no reason to turn away a country; the signature covers the bytes as they are."""
    csca = Csca()
    signer = resigned(csca.signer().certificate, csca.key, null_parameter)
    assert chain.signer_of(signer).key.lenient
    der = csca.certificate()
    if lenient_csca:
        der = resigned(der, csca.key, null_parameter)
    authority = vouched(Bsc(signer, "ES256", None), der)
    assert authority is not None
    assert authority.lenient is lenient_csca
    forged = resigned(signer, private_key("SECP384R1", "forger"), lambda *_: None)
    assert vouched(Bsc(forged, "ES256", None), der) is None


# brainpoolP256r1, RFC 5639 §3.4
BRAINPOOL = {
    "p": 0xA9FB57DBA1EEA9BC3E660A909D838D726E3BF623D52620282013481D1F6E5377,
    "a": 0x7D5A0975FC2C3057EEF67530417AFFE7FB8055C126DC5C6CE94A4B44F330B5D9,
    "b": 0x26DC5C6CE94A4B44F330B5D9BBD77CBF958416295CF7E1CE6BCCDC18FF8C07B6,
    "x": 0x8BD2AEB9CB7E57CB2C4B482FFC81B7AFB9DE27E1E3BD23C23A4453BD9ACE3262,
    "y": 0x547EF835C3DAC4FD97F8461A14611DC9C27745132DED8E545C1D54C72F046997,
    "n": 0xA9FB57DBA1EEA9BC3E660A909D838D718C397AA3B561A6F7901E0E82974856A7,
}


def explicit(csca: Csca, *, compressed: bool = False, **change: int) -> bytes:
    """The CSCA's certificate with its curve written out, changed in one number."""
    numbers = BRAINPOOL | change
    octets = {key: value.to_bytes(32, "big") for key, value in numbers.items()}
    base = (
        bytes([2 + (numbers["y"] & 1)]) + octets["x"] if compressed else b"\x04" + octets["x"] + octets["y"]
    )
    domain = asn1_keys.SpecifiedECDomain(
        {
            "version": 1,
            "field_id": {"field_type": "prime_field", "parameters": numbers["p"]},
            "curve": {"a": octets["a"], "b": octets["b"]},
            "base": base,
            "order": numbers["n"],
            "cofactor": 1,
        }
    )

    def write(_certificate: Any, body: Any) -> None:
        parameters = asn1_keys.ECDomainParameters(name="specified", value=domain)
        body["subject_public_key_info"]["algorithm"]["parameters"] = parameters

    return resigned(csca.certificate(), csca.key, write)


@pytest.mark.parametrize("compressed", [False, True])
def test_a_curve_that_is_written_out_counts_when_it_is_one_with_a_name(compressed: bool) -> None:
    """CSCAs write the parameters out; the key is then taken on the curve of that name."""
    csca = Csca(kind="BrainpoolP256R1", digest=hashes.SHA256())
    der = explicit(csca, compressed=compressed)
    assert vouched(csca.signer(), der) is not None
    spki = x509_reading.read_certificate(der).spki
    key = x509_reading._explicit_key(spki)
    assert key.curve.name == "brainpoolP256r1"
    assert key.public_numbers() == csca.key.public_key().public_numbers()


@pytest.mark.parametrize("number", list(BRAINPOOL))
def test_a_curve_that_differs_in_one_number_is_refused(number: str) -> None:
    """A forged generator is how one makes a private key for somebody else's public key."""
    csca = Csca(kind="BrainpoolP256R1", digest=hashes.SHA256())
    with pytest.raises(KeyRefusedError):
        chain.load_authority(explicit(csca, **{number: BRAINPOOL[number] ^ 1}))


@pytest.mark.parametrize(
    "der",
    [
        Csca().certificate(ca=False),
        Csca().certificate(ca=None),
        Csca(kind="1024", digest=hashes.SHA256()).certificate(),
        Csca(kind="SECP256K1", digest=hashes.SHA256()).certificate(),
        Csca().signer().certificate,
        Csca().certificate() + b"\0",
        b"\x30\x82\xff\xff" + bytes(70_000),
    ],
    ids=["CA false", "no constraints", "RSA 1024", "secp256k1", "a signer", "trailing byte", "too big"],
)
def test_what_is_no_authority_is_refused(der: bytes) -> None:
    """A certificate that does not say that it may sign others, or whose key is too weak to."""
    with pytest.raises(KeyRefusedError):
        chain.load_authority(der)


def test_an_authority_says_so_and_may_sign_certificates() -> None:
    """Basic constraints say it; key usage, where there is one, must not forbid it."""
    csca = Csca()
    assert chain.is_authority(csca.certificate())
    assert not chain.is_authority(csca.signer().certificate)
    builder = csca.builder(csca.name, csca.key.public_key()).not_valid_after(END)
    builder = builder.add_extension(x509.BasicConstraints(True, None), critical=True)
    with pytest.raises(KeyRefusedError, match="may not sign certificates"):
        chain.load_authority(csca.sign(builder.add_extension(key_usage(sign=True), critical=True)))
    # without key usage and without an identifier of its own: found by the SHA-1 of its key
    assert chain.load_authority(csca.sign(builder)).key_id == csca.key_id.digest


def test_a_seal_that_names_a_country_whose_csca_is_held_has_a_bad_chain() -> None:
    """By its header, its signer, that one's issuer or the key identifier; else its signer is unknown."""
    csca = Csca("AU")
    trust = held(csca.certificate())

    def names(signer: Bsc, issuer: str | None) -> bool:
        return chain.names_held_country(chain.signer_of(signer.certificate), issuer, trust)

    stranger = Csca("FR", label="stranger")
    assert not names(stranger.signer(country="FR"), "UTO")
    assert not names(stranger.signer(country=None), None)
    assert names(stranger.signer(country="FR"), "AUS")
    assert names(stranger.signer(country="AU"), "UTO")
    assert names(Csca("AU", label="stranger").signer(country="FR"), "UTO")
    assert names(csca.signer(country="FR", issuer=stranger.name), "UTO")
    assert not chain.names_held_country(chain.signer_of(stranger.signer().certificate), "AUS", held())


@pytest.mark.scenario("SC-K09")
@pytest.mark.parametrize(
    ("options", "kind", "detail"),
    [
        ({"usage": PASSPORTS}, "icao.vacc", "not a signer of seals"),
        ({"usage": None}, "icao.vacc", "not a signer of seals"),
        ({"types": ("P",)}, "icao.vacc", "do not hold NV"),
        ({"types": ("NT",)}, "icao.vacc", "do not hold NV"),
        ({"types": None}, "icao.vacc", "do not hold NV"),
        ({"types": ("P",)}, "icao.test", "do not hold NT or NV"),
        ({"extra": [(key_usage(sign=False), True)]}, "icao.vacc", "may not sign"),
        (
            {"extra": [(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\0"), True)]},
            "icao.vacc",
            "critical extension",
        ),
        ({"types": ("NT",)}, "icao.test", None),
        ({"types": ("NV",)}, "icao.test", None),
        ({"types": ("P", "NV")}, "icao.vacc", None),
        ({"extra": [(key_usage(sign=True), True)]}, "icao.vacc", None),
        (
            {"extra": [(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\0"), False)]},
            "icao.vacc",
            None,
        ),
        ({"types": None}, "icao.dta", None),
    ],
)
def test_a_signer_may_seal_what_its_certificate_says(options: Any, kind: str, detail: str | None) -> None:
    """A signer of passports under the same CSCA is no signer of seals, nor one of other documents."""
    signer = chain.signer_of(Csca().signer(**options).certificate)
    found = chain.usage_findings(signer, kind)
    assert [f.code for f in found] == ([] if detail is None else [Reason.KEY_USAGE])
    assert detail is None or detail in found[0].detail


@pytest.mark.parametrize("value", [b"\x30\x03\x80\x01x", b"\x30\x0f\x81\x0d2021130100000Z", b"\x04\x01x"])
def test_a_private_key_whose_period_cannot_be_read_may_not_seal_for_ever(value: bytes) -> None:
    """Its end is what a seal is held against; a signer whose end nobody can read seals nothing."""
    broken = x509.UnrecognizedExtension(x509.ObjectIdentifier(x509_reading.USAGE_PERIOD), value)
    with pytest.raises(KeyRefusedError):
        chain.signer_of(Csca().signer(extra=[(broken, False)]).certificate)


def test_extensions_that_cannot_be_read_allow_nothing() -> None:
    """Present and unreadable is not absent."""
    broken = x509.UnrecognizedExtension(DOCUMENT_TYPES, b"\x04\x02NV")
    signer = chain.signer_of(Csca().signer(types=None, extra=[(broken, False)]).certificate)
    assert signer.document_types == frozenset()
    assert chain.usage_findings(signer, "icao.vacc")[0].code is Reason.KEY_USAGE


@pytest.mark.scenario("SC-K11")
@pytest.mark.parametrize(
    ("csca", "signer", "issuer", "detail"),
    [
        ("AU", "AU", "AUS", None),
        ("de", "DE", "D", None),
        ("DE", "DE", "DEU", None),
        ("XV", "XV", "XV", None),
        ("AU", "AU", "NZL", "seal of NZ, CSCA of AU"),
        ("AU", "NZ", "AUS", "signer of NZ, CSCA of AU"),
        ("AU", None, "AUS", "signer of no country, CSCA of AU"),
        ("AU", "AU", "UTO", "seal of no known country, CSCA of AU"),
        ("AU", "AU", None, "seal of no known country, CSCA of AU"),
        (None, "AU", "AUS", "the CSCA names no country"),
    ],
)
def test_signer_csca_and_seal_name_the_same_country(
    csca: str | None, signer: str | None, issuer: str | None, detail: str | None
) -> None:
    """Alpha-2 in certificates, the state's code of travel documents in the seal."""
    above = Csca(csca)
    built = chain.signer_of(above.signer(country=signer).certificate)
    found = chain.country_findings(built, chain.load_authority(above.certificate()), issuer)
    assert [(f.code, f.detail) for f in found] == (
        [] if detail is None else [(Reason.ISSUER_MISMATCH, detail)]
    )


# --- What a CSCA takes back ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "reasons"), [("FRA", []), ("D", [Reason.ISSUER_MISMATCH]), ("RKS", [Reason.ISSUER_MISMATCH])]
)
def test_a_listed_signer_of_seals_is_held_against_the_codes_of_travel_documents(
    state: str, reasons: list[Reason]
) -> None:
    """Doc 9303 has codes of its own for some states; a listed key signs for its own country even so."""
    signer = Csca("FR").signer(country="FR")
    trust = TrustList.of([chain.signer_of(signer.certificate).key])
    now = BEGIN + timedelta(days=90)
    assessment = assess(signer.seal(vaccinated(**{"is": state})), trust=trust, now=now)
    assert [found.code for found in assessment.findings] == reasons


@pytest.mark.parametrize("csca", list(AUTHORITIES.values())[::2], ids=list(AUTHORITIES)[::2])
def test_a_crl_of_a_held_csca_is_read(csca: Csca) -> None:
    """Its serial numbers, and until when it counts."""
    authority = chain.load_authority(csca.certificate())
    other = chain.load_authority(Csca("FR", label="other").certificate())
    for der in (csca.crl(4711, 1 << 150), csca.crl(4711, 1 << 150, key_id=False)):
        crl = chain.parse_crl(der, [other, authority])
        assert (crl.key_id, crl.serials) == (authority.key_id, {4711, 1 << 150})
        assert (crl.this_update, crl.next_update) == (BEGIN, BEGIN + timedelta(days=90))
    assert chain.parse_crl(csca.crl(), [authority]).serials == frozenset()


def test_a_crl_that_no_held_csca_signed_or_that_is_a_part_is_refused() -> None:
    """It would take back nothing, or seem to be the whole."""
    csca = Csca()
    authority = chain.load_authority(csca.certificate())
    with pytest.raises(KeyRefusedError, match="no CSCA"):
        chain.parse_crl(csca.crl(1), [])
    with pytest.raises(KeyRefusedError, match="no CSCA"):
        chain.parse_crl(replace(csca, label="forger").crl(1, key_id=False), [authority])
    with pytest.raises(KeyRefusedError, match="critical"):
        chain.parse_crl(csca.crl(1, critical=True), [authority])
    damaged = csca.crl(4711).replace((4711).to_bytes(2, "big"), (4712).to_bytes(2, "big"))
    with pytest.raises(KeyRefusedError, match="no CSCA"):
        chain.parse_crl(damaged, [authority])
    with pytest.raises(KeyRefusedError, match="more than"):
        chain.parse_crl(bytes(x509_reading.MAX_CRL + 1), [authority])


def test_a_serial_number_has_one_digest() -> None:
    """The same on the hub and in the appliance: of its bytes, without leading zeros."""
    assert chain.serial_digest(0x18AD) == hashlib.sha256(b"\x18\xad").digest()[:16]
    assert chain.serial_digest(0x80) == hashlib.sha256(b"\x80").digest()[:16]
    assert chain.serial_digest(0) == hashlib.sha256(b"\0").digest()[:16]
    assert chain.serial_digest(-1) == hashlib.sha256(b"\xff").digest()[:16]


# --- Laws ---

GENUINE = Csca().signer(extra=[(key_usage(sign=True), True)]).certificate
AUTHORITY = Csca().certificate()


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(GENUINE) - 1), st.integers(0, 255), st.integers(0, 40), st.booleans())
def test_a_damaged_certificate_is_refused_or_vouched_for_by_nobody(
    at: int, byte: int, cut: int, authority: bool
) -> None:
    """One changed byte, or a cut, gives a refusal or a signer of nobody's; never another error."""
    whole = AUTHORITY if authority else GENUINE
    damaged = whole[: at % len(whole)] + bytes([byte]) + whole[at % len(whole) + 1 + cut :]
    try:
        signer = chain.signer_of(damaged)
        found = chain.authority_of(signer, held(AUTHORITY))
        chain.usage_findings(signer, "icao.vacc")
        assert found is None or damaged == whole or authority
        chain.load_authority(damaged)
    except KeyRefusedError:
        pass


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=60) | st.binary(max_size=60).map(lambda b: b"\x30" + bytes([len(b)]) + b))
def test_any_bytes_are_a_certificate_and_a_crl_or_refused(data: bytes) -> None:
    """The readers of X.509 raise one kind of error."""
    for read_ in (chain.signer_of, chain.load_authority, lambda der: chain.parse_crl(der, [])):
        with pytest.raises(KeyRefusedError):
            read_(data)
    assert not chain.is_authority(data)


# --- What others published ----------------------------------------------------------------------------------


def vectors() -> list[Any]:
    place = vectors_dir()
    if place is None:
        return [pytest.param({}, marks=pytest.mark.skip(reason="the published vectors are not here"))]
    lines = (place / "vds-nc.jsonl").read_text("utf-8").splitlines()
    return [pytest.param(case, id=case["id"]) for case in map(json.loads, lines)]


@pytest.mark.vectors
@pytest.mark.parametrize("case", vectors())
def test_published_seals_open_verify_and_chain_as_recorded(case: dict[str, Any]) -> None:
    """Australia under its CSCAs with its CRL, Japan under its own, and two specimens of Utopia under nobody.

    The chain of the Japanese seal is recorded as unknown, because strict readers refuse it; ours holds.
    """
    expect = case["expect"]
    if not expect["decode"]:
        with pytest.raises(MalformedError):
            vds_nc.open_vds_nc(case["text"])
        return
    envelope = vds_nc.open_vds_nc(case["text"])
    claims = vds_nc.decode_vds_nc(envelope)
    assert claims.document is not None
    assert claims.document["hdr"]["t"] == expect["type"]
    signer = chain.signer_of(envelope.certificate or b"")
    key = load_spki(signer.key.spki)
    assert key.verify(envelope.alg or 0, envelope.signature, envelope.to_be_signed) is expect["signature"]
    assert vds_nc.read_vds_nc(claims).events
    authorities = [chain.load_authority(base64.b64decode(der)) for der in case["csca"]]
    trust = held(*authorities)
    authority = chain.authority_of(signer, trust)
    japan = "JP" in case["id"]
    assert (authority is not None) is (bool(expect["chain"]) or japan)
    assert signer.key.lenient is japan
    if authority is None:
        assert not chain.names_held_country(signer, claims.issuer, trust)
        return
    assert authority.not_after == max(a.not_after for a in authorities if a.not_after)
    assert chain.usage_findings(signer, expect["type"]) == []
    assert chain.country_findings(signer, authority, claims.issuer) == []
    if "crl" in case:
        crl = chain.parse_crl(base64.b64decode(case["crl"]), authorities)
        assert (crl.key_id, signer.serial in crl.serials) == (authority.key_id, False)
        assert crl.next_update == datetime(2021, 11, 17, 3, 56, 55, tzinfo=UTC)


@pytest.mark.vectors
def test_a_seal_of_our_own_that_names_australia_is_nobodys() -> None:
    """The published CSCAs do not vouch for it, and since they are held its chain is bad, not unknown."""
    place = vectors_dir()
    if place is None:
        pytest.skip("the published vectors are not here")
    lines = map(json.loads, (place / "vds-nc.jsonl").read_text("utf-8").splitlines())
    csca = next(case["csca"] for case in lines if "APO/valid" in case["id"])
    trust = held(*(base64.b64decode(der) for der in csca))
    published = chain.load_authority(base64.b64decode(csca[0]))
    genuine_name = x509.load_der_x509_certificate(published.certificate).subject
    forger = Csca("AU", label="forger").signer(country="AU", issuer=genuine_name)
    envelope = vds_nc.open_vds_nc(forger.seal(vaccinated(**{"is": "AUS"})))
    signer = chain.signer_of(envelope.certificate or b"")
    assert load_spki(signer.key.spki).verify(ES256, envelope.signature, envelope.to_be_signed)
    assert chain.authority_of(signer, trust) is None
    assert chain.names_held_country(signer, "AUS", trust)
