"""Faults of EU DCC codes (``HC1:``): who signed, how, and whether the key could.

``hc1_container`` has the faults of headers, COSE, compression and text, ``hc1_content`` those of claims and
payload.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

from issuer.faults.base import Catalogue, Code, Payload
from issuer.faults.cwt import code, listed_signer, seed_of, with_members, without
from issuer.faults.cwt_common import DAY, HOUR, note_common
from issuer.keys import Algorithm, EcdsaKey, SigningKey, load
from issuer.office import YEAR, Issuer, Signer
from issuer.seed import Stream
from verifier.certificate import Family
from verifier.keys import ES384, PS256, load_certificate
from verifier.reasons import Reason, State
from verifier.trust import Domain, HashKind
from verifier.wire import cose, hc1

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # SEC 2
_HALF = 32  # bytes of r, and of s

faults = Catalogue(Family.HC1)
note_common(faults)
_code = partial(code, Family.HC1)


# --- Signatures


@faults.add("signature-missing", State.FAIL, Reason.SIG_BAD)
def signature_missing(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """The place of its signature is empty."""
    return _code(issuer, payload, now, signature=lambda _: b"")


@faults.add("signature-short", State.FAIL, Reason.SIG_BAD)
def signature_short(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Its signature lacks the last byte."""
    return _code(issuer, payload, now, signature=lambda signed: signed[:-1])


@faults.add("signature-long", State.FAIL, Reason.SIG_BAD)
def signature_long(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Its signature has a zero byte more before each half, as big integers of some languages do."""
    return _code(
        issuer, payload, now, signature=lambda signed: b"\0" + signed[:_HALF] + b"\0" + signed[_HALF:]
    )


@faults.add("signature-in-der", State.FAIL, Reason.SIG_BAD)
def signature_in_der(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Its signature is right and in DER, where COSE wants r and s side by side."""
    return _code(issuer, payload, now, signature=lambda signed: utils.encode_dss_signature(*_pair(signed)))


@faults.add("signature-zeros", State.FAIL, Reason.SIG_BAD)
def signature_zeros(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """r and s of its signature are zero, which careless mathematics takes for good."""
    return _code(issuer, payload, now, signature=lambda signed: bytes(len(signed)))


@faults.add("signature-r-zero", State.FAIL, Reason.SIG_BAD)
def signature_r_zero(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """r of its signature is zero, s is as it was."""
    return _code(issuer, payload, now, signature=lambda signed: bytes(_HALF) + signed[_HALF:])


@faults.add("signature-s-zero", State.FAIL, Reason.SIG_BAD)
def signature_s_zero(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """s of its signature is zero, r is as it was."""
    return _code(issuer, payload, now, signature=lambda signed: signed[:_HALF] + bytes(_HALF))


@faults.add("signature-r-too-large", State.FAIL, Reason.SIG_BAD)
def signature_r_too_large(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """r of its signature is the order of the curve, which is zero once more."""
    return _code(
        issuer, payload, now, signature=lambda signed: P256_ORDER.to_bytes(_HALF, "big") + signed[_HALF:]
    )


@faults.add("signature-twin", State.PASS)
def signature_twin(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """s of its signature is the curve's order less s: the twin, which holds as well."""
    return _code(issuer, payload, now, signature=_twin)


@faults.add("signature-of-payload", State.FAIL, Reason.SIG_BAD)
def signature_of_payload(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """The payload alone was signed, without its header."""
    key = issuer.signer(Domain.HCERT).key
    return _code(issuer, payload, now, sign=lambda data: key.sign(cbor2.loads(data)[3]))


@faults.add("signature-of-another", State.FAIL, Reason.SIG_BAD)
def signature_of_another(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Carries the signature of a good certificate of the same holder."""
    other = issuer.issue(payload, issued_at=now, expires_at=now + YEAR)
    return _code(issuer, payload, now, signature=lambda _: other.signature)


@faults.add("header-changed", State.FAIL, Reason.SIG_BAD)
def header_changed(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Its header was encoded anew after signing, KID before algorithm: the same members in other bytes."""
    return _code(
        issuer,
        payload,
        now,
        array=lambda four: [cbor2.dumps(dict(reversed(cbor2.loads(four[0]).items()))), *four[1:]],
    )


def _pair(signature: bytes) -> tuple[int, int]:
    return int.from_bytes(signature[:_HALF], "big"), int.from_bytes(signature[_HALF:], "big")


def _twin(signature: bytes) -> bytes:
    """The other signature that holds whenever this one does."""
    return signature[:_HALF] + (P256_ORDER - _pair(signature)[1]).to_bytes(_HALF, "big")


# --- Algorithms


@faults.add("algorithm-none", State.FAIL, Reason.ALG_REFUSED)
def algorithm_none(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Says that it is signed by no algorithm, and has no signature."""
    none = with_members({cose.HEADER_ALG: "none"})
    return _code(issuer, payload, now, protected=none, signature=lambda _: b"")


@faults.add("algorithm-zero", State.FAIL, Reason.ALG_REFUSED)
def algorithm_zero(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Names algorithm 0, which is reserved, and has no signature."""
    zero = with_members({cose.HEADER_ALG: 0})
    return _code(issuer, payload, now, protected=zero, signature=lambda _: b"")


@faults.add("without-algorithm", State.FAIL, Reason.ALG_REFUSED)
def without_algorithm(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Names no algorithm anywhere."""
    return _code(issuer, payload, now, protected=without(cose.HEADER_ALG))


@faults.add("algorithm-unprotected", State.FAIL, Reason.ALG_REFUSED)
def algorithm_unprotected(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Names its algorithm only where the signature does not cover it."""
    return _code(
        issuer,
        payload,
        now,
        protected=without(cose.HEADER_ALG),
        unprotected={cose.HEADER_ALG: Algorithm.ES256.cose},
    )


@faults.add("algorithm-in-both", State.PASS)
def algorithm_in_both(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Names its algorithm, and another one where the signature does not cover it."""
    return _code(issuer, payload, now, unprotected={cose.HEADER_ALG: Algorithm.PS256.cose})


@faults.add("algorithm-as-text", State.FAIL, Reason.ALG_REFUSED)
def algorithm_as_text(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Names its algorithm by the word ES256, where COSE has a number."""
    return _code(issuer, payload, now, protected=with_members({cose.HEADER_ALG: "ES256"}))


@faults.add("algorithm-es384", State.FAIL, Reason.SIG_BAD)
def algorithm_es384(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Names ES384 and was signed over SHA-256."""
    return _code(issuer, payload, now, protected=with_members({cose.HEADER_ALG: ES384}))


@faults.add("es384-by-p256-key", State.PASS)
def es384_by_p256_key(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Names ES384 and was signed over SHA-384, by a key on P-256: COSE ties no hash to a curve."""
    key = issuer.signer(Domain.HCERT, algorithm=Algorithm.ES256).key
    assert isinstance(key, EcdsaKey)
    return _code(
        issuer, payload, now, protected=with_members({cose.HEADER_ALG: ES384}), sign=_over_sha384(key)
    )


def _over_sha384(key: EcdsaKey) -> Callable[[bytes], bytes]:
    def sign(data: bytes) -> bytes:
        der = key.private.sign(data, ec.ECDSA(hashes.SHA384(), deterministic_signing=True))
        return b"".join(number.to_bytes(_HALF, "big") for number in utils.decode_dss_signature(der))

    return sign


@faults.add("ps256-of-ec-key", State.FAIL, Reason.ALG_REFUSED)
def ps256_of_ec_key(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Names PS256 and a key of an elliptic curve."""
    return _code(issuer, payload, now, protected=with_members({cose.HEADER_ALG: PS256}))


@faults.add("es256-of-rsa-key", State.FAIL, Reason.ALG_REFUSED)
def es256_of_rsa_key(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Names ES256 and an RSA key."""
    signer = issuer.signer(Domain.HCERT, algorithm=Algorithm.PS256)
    es256 = with_members({cose.HEADER_ALG: Algorithm.ES256.cose})
    return _code(issuer, payload, now, signer=signer, protected=es256)


@faults.add("rsa-weak", State.FAIL, Reason.ALG_REFUSED)
def rsa_weak(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Signed by a listed RSA key of 1024 bits."""
    return _code(issuer, payload, now, signer=listed_signer(issuer, "RSA-1024", now, key=_weak_key(issuer)))


def _weak_key(issuer: Issuer) -> SigningKey:
    from Crypto.PublicKey import RSA

    stream = Stream(seed_of(issuer), "fault/rsa-1024")
    key = RSA.generate(1024, randfunc=stream.read)  # noqa: S505 - that it is weak is the fault
    return load(Algorithm.PS256, key.export_key(format="DER", pkcs=1))


# --- The issuer and its keys


@faults.add("issuer-of-another-country", State.FAIL, Reason.ISSUER_MISMATCH)
def issuer_of_another_country(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Says that another country issued it than the one whose key signed it."""
    other = "VN" if issuer.country == "DE" else "DE"
    return _code(issuer, payload, now, claims=with_members({hc1.CLAIM_ISS: other}))


@faults.add("issuer-not-a-country", State.PASS)
def issuer_not_a_country(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Names a ministry as its issuer, where a country is expected."""
    return _code(issuer, payload, now, claims=with_members({hc1.CLAIM_ISS: "Ministry of Health"}))


@faults.add("without-issuer", State.PASS)
def without_issuer(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Names no issuer; the key says which country it is."""
    return _code(issuer, payload, now, claims=without(hc1.CLAIM_ISS))


@faults.add("key-for-tests", State.FAIL, Reason.KEY_USAGE)
def key_for_tests(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """A vaccination signed by a key that may sign tests only."""
    return _code(issuer, payload, now, signer=listed_signer(issuer, "tests-only", now, uses=frozenset("t")))


@faults.add("key-expired", State.FAIL, Reason.KEY_EXPIRED)
def key_expired(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Issued inside the period of its key, which has ended since."""
    return _code(issuer, payload, now, signer=_expired_key(issuer, now), issued_at=now - 2 * YEAR)


@faults.add("issued-after-its-key", State.FAIL, Reason.KEY_PERIOD)
def issued_after_its_key(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Issued a day ago by a key whose period ended a year ago."""
    return _code(issuer, payload, now, signer=_expired_key(issuer, now), issued_at=now - DAY)


def _expired_key(issuer: Issuer, now: datetime) -> Signer:
    """A key whose period was from four years ago to one year ago."""
    return listed_signer(issuer, "expired", now - 3 * YEAR)


@faults.add("issued-before-its-key", State.FAIL, Reason.KEY_PERIOD)
def issued_before_its_key(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Issued a day before the period of its key begins."""
    signer = issuer.signer(Domain.HCERT)
    begin = load_certificate(signer.certificate or b"").not_before
    assert begin is not None
    return _code(issuer, payload, now, issued_at=begin - DAY)


# --- Revocation


@faults.add("revoked-by-signature", State.FAIL, Reason.REVOKED)
def revoked_by_signature(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Revoked by the hash of its signature."""
    return _revoked(issuer, payload, now, HashKind.SIGNATURE)


@faults.add("revoked-by-country", State.FAIL, Reason.REVOKED)
def revoked_by_country(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Revoked by the hash of country and identifier."""
    return _revoked(issuer, payload, now, HashKind.COUNTRYCODEUCI)


@faults.add("revoked-for-any-key", State.FAIL, Reason.REVOKED)
def revoked_for_any_key(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Revoked by its identifier for every key of the country."""
    issued = issuer.issue(payload, issued_at=now, expires_at=now + YEAR)
    issuer.revoke(issued.uvci, any_key=True)
    return issued.code


def _revoked(issuer: Issuer, payload: Payload, now: datetime, kind: HashKind) -> Code:
    issued = issuer.issue(payload, issued_at=now, expires_at=now + YEAR)
    issuer.revoke(issued.uvci, kind)
    return issued.code


@faults.add("revoked-twin", State.FAIL, Reason.REVOKED)
def revoked_twin(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Revoked by its signature, and shown with the twin of that signature, which holds as well."""
    envelope = hc1.open_hcert(str(_revoked(issuer, payload, now - HOUR, HashKind.SIGNATURE)))
    four = [envelope.protected, {}, envelope.payload, _twin(envelope.signature)]
    return hc1.pack(cbor2.dumps(cbor2.CBORTag(cose.TAG_SIGN1, four)))
