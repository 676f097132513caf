"""CMS, JWS and the way to a pinned root: what vouches for a list, and what only says so."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, pkcs7
from csca import private_key
from mutations import mutated
from upstreams_europe import (
    NOW,
    Signer,
    b64,
    b64url,
    certify,
    cms_signed,
    jws,
    list_signer,
    middle,
    root,
    spki_of,
    streamed,
)

from trustsync.hub import anchors
from trustsync.hub.cms import verify_cms
from trustsync.hub.jws import verify_jws
from trustsync.hub.upstream import UpstreamError

TIMESTAMP = "1.2.840.113549.1.9.16.1.4"  # a type of content that is not plain data
CONTENT = b'{"list": [1, 2, 3], "filling": "' + b"x" * 200 + b'"}'


def pins(*, label: str = "root") -> dict[str, Any]:
    return {"roots": [root(label).certificate], "signer_certificate": None, "at": NOW}


# --- CMS ----------------------------------------------------------------------------------------------------

MADE: dict[str, dict[str, Any]] = {
    "ECDSA, the content inside": {"detached": False},
    "ECDSA, the content beside it": {},
    "SHA-384": {"digest": "sha384"},
    "SHA-512": {"digest": "sha512"},
    "the signer named by its key": {"by_key_id": True},
    "without signed attributes": {"attributes": False},
    "without a signing time": {"when": None},
    "another type of content": {"content_type": TIMESTAMP, "detached": False},
}


@pytest.mark.parametrize("kind", ["SECP256R1", "2048"])
@pytest.mark.parametrize("made", list(MADE))
def test_an_honest_cms_signature_gives_its_content(made: str, kind: str) -> None:
    """RSA and ECDSA, detached or not, with and without attributes."""
    change = MADE[made]
    signer = list_signer(kind=kind)
    result = verify_cms(
        cms_signed(CONTENT, signer, **change),
        detached=CONTENT if change.get("detached", True) else None,
        **pins(),
    )
    assert result.content == CONTENT
    assert result.signer_certificate == signer.certificate
    assert set(result.certificates) == {signer.certificate, *signer.chain}
    assert result.signed_at == (None if made.startswith("without") else NOW)


def test_rsassa_pss_holds() -> None:
    """RSASSA-PSS with its digests in the parameters."""
    data = cms_signed(CONTENT, list_signer(kind="2048"), pss=True)
    assert verify_cms(data, detached=CONTENT, **pins()).content == CONTENT


def test_a_streamed_signature_holds() -> None:
    """BER with indefinite lengths and the content in pieces, as signers that stream write it."""
    data = streamed(cms_signed(CONTENT, list_signer(), detached=False))
    assert data[:2] == b"\x30\x80"
    assert verify_cms(data, detached=None, **pins()).content == CONTENT
    for length in range(0, len(data), 7):
        with pytest.raises(UpstreamError):
            verify_cms(data[:length], detached=None, **pins())


def test_a_signature_by_another_library_holds() -> None:
    """What cryptography's own S/MIME signer writes is read here; it dates by the real clock."""
    signer = list_signer(
        begin=datetime.now(UTC) - timedelta(days=1), until=datetime.now(UTC) + timedelta(days=1)
    )
    builder = pkcs7.PKCS7SignatureBuilder().set_data(CONTENT)
    builder = builder.add_signer(
        x509.load_der_x509_certificate(signer.certificate), signer.key, hashes.SHA256()
    )
    for each in signer.chain:
        builder = builder.add_certificate(x509.load_der_x509_certificate(each))
    data = builder.sign(Encoding.DER, [pkcs7.PKCS7Options.DetachedSignature, pkcs7.PKCS7Options.Binary])
    result = verify_cms(data, detached=CONTENT, **pins() | {"at": datetime.now(UTC)})
    assert result.content == CONTENT


def test_the_pinned_signer_needs_no_root() -> None:
    """A pinned signer is believed by itself, also when its certificate did not come along."""
    signer = list_signer()
    data = cms_signed(CONTENT, signer, certificates=())
    pinned = {"roots": None, "signer_certificate": signer.certificate, "at": NOW}
    assert verify_cms(data, detached=CONTENT, **pinned).signer_certificate == signer.certificate


def old(**change: Any) -> Signer:
    return list_signer(until=NOW - timedelta(days=1), **change)


@pytest.mark.parametrize("form", ["DER", "BER"])
def test_a_thousand_mutations_of_a_cms_signature_fail_closed(form: str) -> None:
    """Refused by an UpstreamError, or the same content: what only helps to find the signer may change."""
    honest = cms_signed(CONTENT, list_signer(), detached=False)
    raw = {"cms": honest if form == "DER" else streamed(honest)}
    accepted = 0
    for seed in range(1000):
        try:
            result = verify_cms(mutated(raw, seed).get("cms", b""), detached=None, **pins())
        except UpstreamError:
            continue
        assert (result.content, result.signed_at) == (CONTENT, NOW), seed
        accepted += 1
    assert accepted <= 30


BAD_CMS: dict[str, tuple[dict[str, Any], str]] = {
    "SHA-1": ({"digest": "sha1"}, "sha1"),
    "two signers": ({"copies": 2}, "exactly one"),
    "no signer": ({"copies": 0}, "exactly one"),
    "attributes of another type of content": ({"attribute_type": "signed_data"}, "another type"),
    "attributes over another content": ({"message_digest": bytes(32)}, "not the one that was signed"),
    "the signer's certificate left out": ({"certificates": ()}, "did not come along"),
    "no plain data and no attributes": (
        {"attributes": False, "content_type": TIMESTAMP},
        "without attributes",
    ),
}


@pytest.mark.parametrize("fault", list(BAD_CMS))
def test_a_cms_signature_with_a_fault_is_refused(fault: str) -> None:
    """Each fault by its name."""
    change, words = BAD_CMS[fault]
    with pytest.raises(UpstreamError, match=words):
        verify_cms(cms_signed(CONTENT, list_signer(kind="2048"), **change), detached=CONTENT, **pins())


def test_a_cms_signature_over_other_content_is_refused() -> None:
    """The digest among the signed attributes is the content's."""
    data = cms_signed(CONTENT, list_signer())
    with pytest.raises(UpstreamError, match="not the one that was signed"):
        verify_cms(data, detached=CONTENT + b" ", **pins())


@pytest.mark.parametrize("change", list(MADE))
@pytest.mark.parametrize("kind", ["SECP256R1", "2048"])
def test_a_cms_signature_by_another_key_than_the_certificates_is_refused(kind: str, change: str) -> None:
    """Everything of the honest signer is there, but not the key."""
    thief = replace(list_signer(kind=kind), key=private_key(kind, "thief"))
    made = MADE[change]
    detached = CONTENT if made.get("detached", True) else None
    with pytest.raises(UpstreamError, match="does not hold"):
        verify_cms(cms_signed(CONTENT, thief, **made), detached=detached, **pins())


def test_a_signing_time_cannot_be_changed() -> None:
    """It stands under the signature, and the hub goes by it."""
    data = cms_signed(CONTENT, list_signer())
    written = f"{NOW:%y%m%d%H%M%S}Z".encode()
    assert written in data
    with pytest.raises(UpstreamError, match="does not hold"):
        verify_cms(data.replace(written, b"27" + written[2:]), detached=CONTENT, **pins())


def test_attributes_are_verified_in_the_order_of_der() -> None:
    """However they were sent: the signer signed the ordered set (RFC 5652 §5.4)."""
    from asn1crypto import cms as cms_types

    data = cms_signed(CONTENT, list_signer())
    sent = cms_types.ContentInfo.load(data)["content"]["signer_infos"][0]["signed_attrs"]
    parts = [attribute.dump() for attribute in sent]
    assert parts == sorted(parts)
    turned = data.replace(b"".join(parts), b"".join(reversed(parts)))
    assert turned != data
    assert verify_cms(turned, detached=CONTENT, **pins()).content == CONTENT


def test_signed_attributes_cannot_be_passed_off_as_content() -> None:
    """A signature over attributes is not one over a content that looks like them."""
    from asn1crypto import cms as cms_types

    signer = list_signer()
    honest = cms_types.ContentInfo.load(cms_signed(CONTENT, signer))
    info = honest["content"]["signer_infos"][0]
    attributes = b"\x31" + info["signed_attrs"].dump()[1:]
    forged = cms_signed(attributes, signer, attributes=False)
    parsed = cms_types.ContentInfo.load(forged)
    parsed["content"]["signer_infos"][0]["signature"] = info["signature"]
    with pytest.raises(UpstreamError, match="without attributes"):
        verify_cms(parsed.dump(force=True), detached=attributes, **pins())


def test_content_in_two_places_or_in_none_is_refused() -> None:
    """Who reads and who verifies must look at the same bytes."""
    inside, beside = (cms_signed(CONTENT, list_signer(), detached=where) for where in (False, True))
    with pytest.raises(UpstreamError, match="inside and beside"):
        verify_cms(inside, detached=CONTENT, **pins())
    with pytest.raises(UpstreamError, match="nowhere"):
        verify_cms(beside, detached=None, **pins())


def test_without_a_pin_nothing_is_verified() -> None:
    """Neither root nor signer: no signature proves anything, and none is tried."""
    with pytest.raises(UpstreamError, match="nothing is pinned"):
        verify_cms(
            cms_signed(CONTENT, list_signer()), detached=CONTENT, roots=[], signer_certificate=None, at=NOW
        )


# --- The way to the root ------------------------------------------------------------------------------------


def test_the_shortest_way_to_the_root_is_found() -> None:
    """Signer, CA, root, in whatever order the rest came."""
    signer = list_signer()
    stranger = middle("stranger").certificate
    way = anchors.path_to_root(
        signer.certificate, [stranger, *signer.chain, signer.certificate], [root().certificate], at=NOW
    )
    assert way == (signer.certificate, middle().certificate, root().certificate)


def below(above: Signer, **change: Any) -> Signer:
    signer = certify("lists.example", private_key("SECP256R1", "lists.example"), above=above, **change)
    return replace(signer, chain=(above.certificate,))


def ca(**change: Any) -> Signer:
    return certify("Issuing CA", private_key("SECP256R1", "odd ca"), above=root(), **{"ca": True} | change)


def long_way() -> Signer:
    signer = root()
    chain: list[bytes] = []
    for number in range(anchors.MAX_PATH):
        signer = certify(f"CA {number}", private_key("SECP256R1", f"ca {number}"), above=signer, ca=True)
        chain.append(signer.certificate)
    return replace(below(signer), chain=tuple(chain))


def too_long() -> Signer:
    """A CA below one that allows no other below itself."""
    second = certify("Second CA", private_key("SECP256R1", "second"), above=middle(), ca=True)
    return replace(below(second), chain=(second.certificate, middle().certificate))


def unreadable_ca() -> Signer:
    """A CA whose path length is written as no DER writes a number."""
    value = bytes.fromhex("30060101ff220100")
    constraints = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.19"), value)
    return ca(constraints=False, extra=[(constraints, True)])


BAD_WAYS: dict[str, tuple[Any, str]] = {
    "another root of the same name": (lambda: list_signer(label="other"), "does not lead to a pinned root"),
    "the CA's certificate left out": (lambda: replace(list_signer(), chain=()), "does not lead"),
    "an expired signer": (old, "the signer's certificate is valid from"),
    "a signer from tomorrow": (lambda: list_signer(begin=NOW + timedelta(days=1)), "is valid from"),
    "an expired CA": (lambda: below(ca(until=NOW - timedelta(days=1))), "an issuer's certificate"),
    "an issuer that is no CA": (lambda: below(ca(ca=False)), "no CA"),
    "an issuer that does not say it is a CA": (lambda: below(ca(constraints=False)), "no CA"),
    "a CA that may not sign certificates": (lambda: below(ca(sign=False)), "may not sign certificates"),
    "more CAs than one of them allows": (too_long, "longer than an issuer allows"),
    "a CA whose constraints cannot be read": (lambda: below(unreadable_ca()), "basicConstraints"),
    "a longer way than is gone": (long_way, "does not lead"),
    "a signer whose key may not sign": (lambda: list_signer(sign=False), "may not sign"),
    "a critical extension that nobody reads": (
        lambda: list_signer(extra=[(_strange(), True)]), "critical extension",
    ),
}  # fmt: skip


def _strange() -> x509.UnrecognizedExtension:
    return x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00")


@pytest.mark.parametrize("fault", list(BAD_WAYS))
def test_a_way_with_a_fault_leads_nowhere(fault: str) -> None:
    """RFC 5280: validity, basicConstraints, keyUsage, pathLenConstraint, critical extensions."""
    make, words = BAD_WAYS[fault]
    signer = make()
    with pytest.raises(UpstreamError, match=words):
        verify_cms(cms_signed(CONTENT, signer), detached=CONTENT, **pins())
    with pytest.raises(UpstreamError, match=words):
        verify_jws(jws(CONTENT, signer), roots=[root().certificate], at=NOW)


def test_a_list_that_brings_too_many_certificates_is_refused() -> None:
    """The search for a way is bounded."""
    crowd = [bytes([number]) for number in range(anchors.MAX_BROUGHT + 1)]
    with pytest.raises(UpstreamError, match="certificates along"):
        anchors.path_to_root(list_signer().certificate, crowd, [root().certificate], at=NOW)


def test_a_weak_or_foreign_pin_is_refused() -> None:
    """RSA below 2048 bits, a curve that is not accepted, and what is no key at all."""
    weak = private_key("1024").public_key()
    foreign = private_key("SECP256K1").public_key()
    for pin, words in (
        (weak.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), "weak"),
        (foreign.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), "secp256k1"),
        (b"no key", "not a public key"),
    ):
        with pytest.raises(UpstreamError, match=words):
            anchors.pinned_key(pin, "key")
    with pytest.raises(UpstreamError, match="not a certificate"):
        anchors.pinned_certificate(b"no certificate", "root")


def test_pins_are_read_as_pem_and_as_der() -> None:
    """Publishers hand out both."""
    der = root().certificate
    pem = x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM)
    assert anchors.pinned_certificate(pem, "root") == anchors.pinned_certificate(der, "root") == der
    spki = spki_of(private_key("SECP256R1", "de"))
    assert anchors.pinned_key(spki, "key") == spki


# --- JWS ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "alg"), [("SECP256R1", "ES256"), ("2048", "RS256"), ("2048", "PS256")])
def test_an_honest_jws_gives_its_payload(kind: str, alg: str) -> None:
    """By a root, by the signer's certificate, and by a bare key."""
    signer = list_signer(kind=kind)
    token = jws(CONTENT, signer, alg=alg)
    by_root = verify_jws(token, roots=[root().certificate], name="lists.example", at=NOW)
    assert (by_root.payload, by_root.certificate) == (CONTENT, signer.certificate)
    assert verify_jws(token, certificate=signer.certificate, at=NOW).payload == CONTENT
    assert verify_jws(token, key=spki_of(signer.key), at=NOW).payload == CONTENT
    assert verify_jws(jws(CONTENT, signer, alg=alg, chain=[]), certificate=signer.certificate, at=NOW)


def remade(token: bytes, part: int, value: bytes) -> bytes:
    parts = token.split(b".")
    parts[part] = b64url(value).encode()
    return b".".join(parts)


def by_hmac(signer: Signer) -> bytes:
    """A token "signed" with the public key as an HMAC secret: the oldest confusion of algorithms."""
    import hmac

    token = jws(CONTENT, signer, alg="HS256")
    head = token.rpartition(b".")[0]
    pem = x509.load_der_x509_certificate(signer.certificate).public_key()
    secret = pem.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return head + b"." + b64url(hmac.digest(secret, head, "sha256")).encode()


BAD_JWS: dict[str, tuple[Any, str]] = {
    "alg none, signature kept": (lambda s: jws(CONTENT, s, alg="none"), "algorithm"),
    "alg none, no signature": (lambda s: remade(jws(CONTENT, s, alg="none"), 2, b""), "algorithm"),
    "no alg at all": (lambda s: jws(CONTENT, s, alg=None), "algorithm"),
    "an HMAC with the public key": (by_hmac, "algorithm"),
    "RS256 for an EC key": (lambda s: jws(CONTENT, s, alg="RS256"), "algorithm"),
    "PS256 for an EC key": (lambda s: jws(CONTENT, s, alg="PS256"), "algorithm"),
    "ES384 for a key on P-256": (lambda s: jws(CONTENT, s, alg="ES384"), "algorithm"),
    "alg as a list": (lambda s: jws(CONTENT, s, alg=["ES256"]), "algorithm"),
    "crit": (lambda s: jws(CONTENT, s, crit=["exp"]), "crit"),
    "b64": (lambda s: jws(CONTENT, s, b64=False), "b64"),
    "x5c as a text": (lambda s: jws(CONTENT, s, x5c="x"), "x5c"),
    "x5c of nine certificates": (lambda s: jws(CONTENT, s, x5c=["AAAA"] * 9), "x5c"),
    "x5c that is not Base64": (lambda s: jws(CONTENT, s, x5c=["?"]), "Base64"),
    "x5c of another signer": (
        lambda s: jws(CONTENT, s, x5c=[b64(list_signer("else").certificate), b64(s.chain[0])]),
        "does not hold",
    ),
    "another payload": (lambda s: remade(jws(CONTENT, s), 1, CONTENT + b" "), "does not hold"),
    "a signature in DER": (
        lambda s: remade(jws(CONTENT, s), 2, b"\x30\x44" + bytes(68)), "does not hold",
    ),
    "no signature": (lambda s: remade(jws(CONTENT, s), 2, b""), "does not hold"),
    "two parts": (lambda s: jws(CONTENT, s).rpartition(b".")[0], "three parts"),
    "four parts": (lambda s: jws(CONTENT, s) + b".", "three parts"),
    "a header that is a list": (lambda s: remade(jws(CONTENT, s), 0, b"[]"), "not an object"),
    "a member twice in the header": (
        lambda s: remade(jws(CONTENT, s), 0, b'{"alg":"ES256","alg":"none"}'), "twice",
    ),
    "the key that it brings along": (
        lambda s: jws(CONTENT, replace(s, key=private_key("SECP256R1", "thief")), jwk={"kty": "EC"}),
        "does not hold",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", list(BAD_JWS))
def test_a_jws_with_a_fault_is_refused(fault: str) -> None:
    """Each fault by its name, whatever is pinned."""
    make, words = BAD_JWS[fault]
    signer = list_signer()
    token = make(signer)
    with pytest.raises(UpstreamError, match=words):
        verify_jws(token, roots=[root().certificate], at=NOW)
    with pytest.raises(UpstreamError):
        verify_jws(token, certificate=signer.certificate, at=NOW)


def test_a_signer_of_another_name_is_refused_under_the_same_root() -> None:
    """The national root vouches for whole ministries; one of their names is the list's."""
    token = jws(CONTENT, list_signer("elsewhere.example"))
    with pytest.raises(UpstreamError, match=r"elsewhere\.example"):
        verify_jws(token, roots=[root().certificate], name="lists.example", at=NOW)


def test_exactly_one_thing_is_pinned_for_a_jws() -> None:
    """Two pins would leave open which one had to hold."""
    token, signer = jws(CONTENT, list_signer()), list_signer()
    for given in ({}, {"roots": [root().certificate], "certificate": signer.certificate}):
        with pytest.raises(UpstreamError, match="exactly one"):
            verify_jws(token, at=NOW, **given)


def test_es256_is_for_keys_on_p_256_alone() -> None:
    """RFC 7518 §3.4 binds the curve to the algorithm."""
    signer = list_signer(kind="SECP384R1")
    with pytest.raises(UpstreamError, match="algorithm"):
        verify_jws(jws(CONTENT, signer, alg="ES256"), certificate=signer.certificate, at=NOW)


def test_a_weak_signer_of_a_jws_is_refused() -> None:
    """RSA with 1024 bits, under its own pin."""
    weak = certify("weak", private_key("1024", "weak"))
    with pytest.raises(UpstreamError, match="weak"):
        verify_jws(jws(CONTENT, weak), certificate=weak.certificate, at=NOW)


def test_the_test_tokens_are_what_the_standard_says() -> None:
    """Guards the tests themselves: a token's first part is its header as JSON."""
    header = json.loads(base64.urlsafe_b64decode(jws(CONTENT, list_signer()).split(b".")[0] + b"=="))
    assert header["alg"] == "ES256"
    assert len(header["x5c"]) == 2
