"""Issue, revoke, rotate: what the issuer does, and that other code agrees that it was done."""

from __future__ import annotations

import stat
import zlib
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import cbor2
import nacl.signing
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from issuer import certificates
from issuer.certificates import Person
from issuer.errors import IssuerError
from issuer.keys import Algorithm
from issuer.office import TEST, YEAR, Issued, Issuer
from issuer.publish import specimens_of
from trustsync.publishing import TARGETS
from trustsync.segments import decode_index, segment_path
from trustsync.targets import decode_keys
from verifier.assessment import assess
from verifier.policy.bundle import SIGNATURE_ONLY
from verifier.reasons import Reason, State
from verifier.trust import Domain, HashKind, KeyStatus, TrustList, country_scope
from verifier.verdict import Policy, Verdict, decide
from verifier.wire import base45

PERSON = Person("Nguyễn", "Bảo Duy", "1983-10-10")


def _payload(**details: Any) -> dict[str, Any]:
    return certificates.of_vaccination(PERSON, country="XV", day=date(2021, 8, 1), **details)


def _issue(issuer: Issuer, now: datetime, algorithm: Algorithm = Algorithm.ES256) -> Issued:
    return issuer.issue(_payload(), issued_at=now, expires_at=now + YEAR, algorithm=algorithm)


def _published(issuer: Issuer, name: str) -> list[bytes]:
    """Every published version of a target, by the end of its file name."""
    return [path.read_bytes() for path in (issuer.registry.public / TARGETS).rglob(f"*.{name}")]


def _listed(issuer: Issuer) -> TrustList:
    """The keys that the newest publication lists."""
    records = max((decode_keys(data).keys for data in _published(issuer, "keys.cbor")), key=len)
    return TrustList.of(
        [record.key for record in records if record.environment == "production"],
        test_kids=[record.key.kid for record in records if record.environment == TEST],
    )


def _judge(issuer: Issuer, text: str, now: datetime) -> Verdict:
    return decide(assess(text, trust=_listed(issuer), now=now), Policy(SIGNATURE_ONLY))


@pytest.mark.parametrize("algorithm", Algorithm)
def test_a_certificate_verifies_by_libraries_alone(
    issuer: Issuer, now: datetime, algorithm: Algorithm
) -> None:
    """Opened with zlib and cbor2, verified with the key of the certificate that the KID names."""
    issued = _issue(issuer, now, algorithm)
    assert issued.text.startswith("HC1:")
    tagged = cbor2.loads(zlib.decompress(base45.decode(issued.text[4:])))
    assert tagged.tag == 18
    protected, unprotected, payload, signature = tagged.value
    assert unprotected == {}
    header = cbor2.loads(protected)
    assert header == {1: {"ES256": -7, "PS256": -37, "EdDSA": -8}[algorithm], 4: issued.kid}
    assert signature == issued.signature

    certificate = next(
        x509.load_der_x509_certificate(row.certificate)
        for row in issuer.registry.signing_keys()
        if sha256(row.certificate).digest()[:8] == issued.kid
    )
    key = certificate.public_key()
    signed = cbor2.dumps(["Signature1", protected, b"", payload])
    if isinstance(key, ec.EllipticCurvePublicKey):
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
        key.verify(encode_dss_signature(r, s), signed, ec.ECDSA(hashes.SHA256()))
    elif isinstance(key, rsa.RSAPublicKey):
        key.verify(signature, signed, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
    else:
        assert isinstance(key, ed25519.Ed25519PublicKey)
        nacl.signing.VerifyKey(key.public_bytes_raw()).verify(signed, signature)

    claims = cbor2.loads(payload)
    assert (claims[1], claims[6]) == ("XV", int(now.timestamp()))
    assert claims[4] == int((now + YEAR).timestamp())
    assert claims[-260][1]["v"][0]["ci"] == issued.uvci


@pytest.mark.parametrize("algorithm", Algorithm)
def test_a_certificate_passes_our_verifier(issuer: Issuer, now: datetime, algorithm: Algorithm) -> None:
    """From the text and the published keys alone to PASS."""
    issued = _issue(issuer, now, algorithm)
    assert _judge(issuer, issued.text, now).state is State.PASS


def test_a_certificate_without_expiry_has_no_such_claim(issuer: Issuer, now: datetime) -> None:
    """Left out, not zero."""
    issued = issuer.issue(_payload(), issued_at=now, expires_at=None)
    tagged = cbor2.loads(zlib.decompress(base45.decode(issued.text[4:])))
    assert 4 not in cbor2.loads(tagged.value[2])


def test_two_certificates_never_share_an_identifier(issuer: Issuer, now: datetime) -> None:
    """Also when they say the same of the same person; the check character stands at the end."""
    identifiers = [_issue(issuer, now).uvci for _ in range(5)]
    assert len(set(identifiers)) == 5
    for identifier in identifiers:
        body, check = identifier.split("#")
        assert body.startswith("URN:UVCI:01:XV:")
        assert check == certificates.check_character(body)


def test_a_refused_payload_leaves_nothing_behind(issuer: Issuer, now: datetime) -> None:
    """The next identifier is the one that would have come anyway; the registry knows of no refusal."""
    serial = issuer.registry.next_certificate_serial()
    with pytest.raises(IssuerError, match="schema"):
        issuer.issue(_payload() | {"dob": "yesterday"}, issued_at=now, expires_at=None)
    assert issuer.registry.next_certificate_serial() == serial


def test_a_certificate_does_not_expire_before_it_is_issued(issuer: Issuer, now: datetime) -> None:
    """A slip of the pen at the counter, caught there."""
    with pytest.raises(IssuerError, match="expire before"):
        issuer.issue(_payload(), issued_at=now, expires_at=now)


def test_the_registry_keeps_nothing_of_the_holder(issuer: Issuer, office: Path, now: datetime) -> None:
    """Only what revoking needs: no name, no birth date, no text of a code in any file of the directory."""
    issued = _issue(issuer, now)
    kept = b"".join(path.read_bytes() for path in office.rglob("*") if path.is_file())
    assert issued.uvci.encode() in kept
    for secret in ("Nguyễn", "NGUYEN", "Bảo Duy", "1983-10-10", issued.text[:60]):
        assert secret.encode() not in kept


def test_the_registry_is_for_its_owner_only(office: Path) -> None:
    """It holds every private key."""
    assert stat.S_IMODE((office / "issuer.db").stat().st_mode) == 0o600


def test_the_chain_of_certificates_holds(issuer: Issuer, now: datetime) -> None:
    """Each DSC is issued by the CSCA, names the country, and covers the clock."""
    csca = x509.load_der_x509_certificate(bytes.fromhex(issuer.registry.fact("csca")))
    csca.verify_directly_issued_by(csca)
    rows = issuer.registry.signing_keys(Domain.HCERT)
    assert [(row.algorithm, row.environment) for row in rows] == [
        (Algorithm.ES256, "production"),
        (Algorithm.PS256, "production"),
        (Algorithm.EDDSA, "production"),
        (Algorithm.ES256, "test"),
    ]
    for row in rows:
        certificate = x509.load_der_x509_certificate(row.certificate)
        certificate.verify_directly_issued_by(csca)
        assert certificate.subject.get_attributes_for_oid(NameOID.COUNTRY_NAME)[0].value == "XV"
        assert certificate.not_valid_before_utc < now < certificate.not_valid_after_utc
        assert not any(isinstance(e.value, x509.ExtendedKeyUsage) for e in certificate.extensions)


def test_a_restricted_key_carries_its_usage_and_signs_nothing_else(issuer: Issuer, now: datetime) -> None:
    """A key for tests signs tests; for a vaccination the issuer goes back to the key before it."""
    before = _issue(issuer, now).kid
    row = issuer.rotate(Algorithm.ES256, now=now, uses=frozenset("t"))
    usage = x509.load_der_x509_certificate(row.certificate).extensions.get_extension_for_class(
        x509.ExtendedKeyUsage
    )
    oids = [oid.dotted_string for oid in usage.value]
    assert oids == ["1.3.6.1.4.1.1847.2021.1.1"]
    assert ExtendedKeyUsageOID.CODE_SIGNING.dotted_string not in oids
    test = certificates.of_test(PERSON, country="XV", sampled=now)
    assert issuer.issue(test, issued_at=now, expires_at=None).kid == row.kid
    assert _issue(issuer, now).kid == before


def test_rotation_signs_with_the_new_key_and_keeps_the_old_one_good(issuer: Issuer, now: datetime) -> None:
    """A code of yesterday still passes after the change of keys."""
    old = _issue(issuer, now)
    row = issuer.rotate(Algorithm.ES256, now=now)
    new = _issue(issuer, now)
    issuer.publish(now)
    assert new.kid == row.kid != old.kid
    assert _judge(issuer, old.text, now).state is State.PASS
    assert _judge(issuer, new.text, now).state is State.PASS


def test_rotation_with_withdrawal_ends_the_old_key(issuer: Issuer, now: datetime) -> None:
    """The list still names the key, as withdrawn: its codes fail for that reason and not as unknown."""
    old = _issue(issuer, now, Algorithm.EDDSA)
    issuer.rotate(Algorithm.EDDSA, now=now, withdraw=True)
    issuer.publish(now)
    verdict = _judge(issuer, old.text, now)
    assert (verdict.state, verdict.reasons[0].code) == (State.FAIL, Reason.KEY_WITHDRAWN)
    with pytest.raises(IssuerError, match="withdrawn"):
        issuer.issue(_payload(), issued_at=now, expires_at=None, kid=old.kid)


def test_a_test_key_is_published_as_such(issuer: Issuer, now: datetime) -> None:
    """The list knows it by name, and nothing it signs turns green."""
    sample = issuer.issue(_payload(), issued_at=now, expires_at=None, environment=TEST)
    verdict = _judge(issuer, sample.text, now)
    assert (verdict.state, verdict.reasons[0].code) == (State.FAIL, Reason.KEY_TEST)


_ENTRIES: dict[HashKind, Callable[[Issued], bytes]] = {
    HashKind.UCI: lambda issued: issued.uvci.encode(),
    HashKind.COUNTRYCODEUCI: lambda issued: b"XV" + issued.uvci.encode(),
    HashKind.SIGNATURE: lambda issued: (
        issued.signature[:32] if issued.algorithm is Algorithm.ES256 else issued.signature
    ),
}


@pytest.mark.parametrize("algorithm", Algorithm)
@pytest.mark.parametrize("kind", _ENTRIES)
def test_a_revocation_is_published_as_the_hash_of_its_kind(
    issuer: Issuer, now: datetime, kind: HashKind, algorithm: Algorithm
) -> None:
    """By identifier, by country and identifier, by signature (of ECDSA only R), under the KID's scope."""
    issued = _issue(issuer, now, algorithm)
    assert issuer.revoke(issued.uvci, kind) == (issued.kid,)
    issuer.publish(now)
    everything = max((decode_index(data) for data in _published(issuer, "index.cbor")), key=len)
    records = [record for record in everything if record.scope != specimens_of(issuer.registry).key.key.kid]
    assert [(r.scope, r.kind, r.count) for r in records] == [(issued.kid, kind, 1)]
    (segment,) = _published(issuer, segment_path(issued.kid, kind).removeprefix("revocation/"))
    assert segment == sha256(_ENTRIES[kind](issued)).digest()[: records[0].width]


def test_the_signature_entry_of_a_mirrored_signature_is_the_same(issuer: Issuer, now: datetime) -> None:
    """Whoever turns s into n - s has another valid signature and is revoked all the same."""
    from issuer.revocation import signature_digest

    issued = _issue(issuer, now)
    mirrored = replace(issued, signature=issued.signature[:32] + bytes(32))
    assert signature_digest(Algorithm.ES256, mirrored.signature) == signature_digest(
        Algorithm.ES256, issued.signature
    )


def test_an_unknown_identifier_is_revoked_only_for_the_whole_country(issuer: Issuer, now: datetime) -> None:
    """A typing error must not look like a revocation that was made."""
    with pytest.raises(IssuerError, match="any-key"):
        issuer.revoke("URN:UVCI:01:XV:ELSEWHERE#A")
    scopes = issuer.revoke("URN:UVCI:01:XV:ELSEWHERE#A", any_key=True)
    assert scopes == (country_scope("XV"),)
    with pytest.raises(IssuerError, match="one key"):
        issuer.revoke("URN:UVCI:01:XV:ELSEWHERE#A", HashKind.SIGNATURE, any_key=True)


def test_revoking_twice_is_revoking_once(issuer: Issuer, now: datetime) -> None:
    """The second time nothing is added and nothing is published anew."""
    issued = _issue(issuer, now)
    issuer.revoke(issued.uvci)
    issuer.publish(now)
    issuer.revoke(issued.uvci)
    assert issuer.publish(now).changed == ()


def test_an_issuer_starts_in_an_empty_directory_only(tmp_path: Path, now: datetime) -> None:
    """What lies there is not touched."""
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(IssuerError, match="not empty"):
        Issuer.create(tmp_path, now=now)
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_a_directory_without_a_registry_is_no_issuer(tmp_path: Path) -> None:
    """The error says how to get one."""
    with pytest.raises(IssuerError, match="vaxgate-issuer init"):
        Issuer.open(tmp_path)
    (tmp_path / "issuer.db").write_bytes(b"no database, but as long as a header of one would be " * 40)
    with pytest.raises(IssuerError, match="not an issuer's registry"):
        Issuer.open(tmp_path)


def test_documents_of_last_month_are_inside_the_period_of_the_keys(issuer: Issuer, now: datetime) -> None:
    """An expired code must be refused for its expiry, so the key must have been good when it was issued."""
    month = timedelta(days=30)
    old = issuer.issue(_payload(), issued_at=now - 2 * month, expires_at=now - month)
    assert [f.code for f in _judge(issuer, old.text, now).reasons] == [Reason.EXPIRED]


def test_every_listed_key_is_as_its_certificate_says(issuer: Issuer) -> None:
    """The published entry and the certificate in it agree, or a reader would have to choose."""
    for keys in _listed(issuer).keys.values():
        for key in keys:
            if key == specimens_of(issuer.registry).key.key:
                continue
            if key.domain not in (Domain.HCERT, Domain.LT1, Domain.AT1):
                assert key.certificate is None
                continue
            assert key.certificate is not None
            assert key.kid == sha256(key.certificate).digest()[:8]
            assert (key.country, key.status, key.lenient) == ("XV", KeyStatus.ACTIVE, False)
