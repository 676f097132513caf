"""Attacks on single keys and certificates: twins of a signature, thieves of a key, gaps on a card."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from trust_site import DAY

from attacks import answers
from attacks.scene import (
    GOOD,
    HOUR,
    LATE,
    MINISTRY,
    NIGHT,
    REVOKED,
    START,
    STRANGER,
    YOUNG,
    Scene,
    Signer,
    attack,
    entry,
    replace,
)
from trustsync import generation
from trustsync.deltas import plan_segments, revocation_targets
from trustsync.errors import Alarm
from trustsync.segments import encode_segment, segment_path
from trustsync.targets import KeyRecord
from verifier.checks import allowed_digest, entry_digest
from verifier.keys import ES256
from verifier.opening import open_code
from verifier.trust import Domain, HashKind, KeyStatus, TrustedKey, country_scope
from verifier.wire import hc1
from verifier.wire.envelope import Envelope

PLACE = (MINISTRY.kid, HashKind.UCI)
_ED25519_ORDER = 2**252 + 27742317777372353535851937790883648493  # RFC 8032, 5.1
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # SEC 2, 2.4.2


def _envelope(code: str) -> Envelope:
    envelope = open_code(code).envelope
    assert envelope is not None
    return envelope


def _bent(signature: bytes) -> bytes:
    """The same Ed25519 signature with the group's order added to S: true for who does not look closely."""
    scalar = int.from_bytes(signature[32:], "little") + _ED25519_ORDER
    return signature[:32] + scalar.to_bytes(32, "little")


def _resealed(code: str, signature: bytes, *, kid: bytes = MINISTRY.kid, alg: int = -8) -> str:
    """The same certificate with another signature under it."""
    return hc1.seal(_envelope(code).payload, kid=kid, alg=alg, sign=lambda _data: signature)


@dataclass(frozen=True)
class Elliptic:
    """A country's key on P-256, and all that its thief can do with it."""

    secret: int
    kid: bytes

    def record(self, **facts: Any) -> KeyRecord:
        """Its row in the published list."""
        public = ec.derive_private_key(self.secret, ec.SECP256R1()).public_key()
        spki = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return KeyRecord(
            TrustedKey(**{"kid": self.kid, "spki": spki, "country": "XV", "domain": Domain.HCERT} | facts)
        )

    def certificate(self, name: str, nonce: int) -> str:
        """One dose of somebody, signed with this nonce, of which the r of the signature is made."""
        payload = _envelope(Signer(1, self.kid).certificate(name, issued=START - HOUR)).payload
        return hc1.seal(payload, kid=self.kid, alg=ES256, sign=lambda data: self._sign(data, nonce))

    def nonce_of(self, code: str) -> int:
        """The nonce of a certificate: who has the key computes it."""
        envelope = _envelope(code)
        r, s = (int.from_bytes(half) for half in (envelope.signature[:32], envelope.signature[32:]))
        digest = int.from_bytes(hashlib.sha256(envelope.to_be_signed).digest())
        return (digest + r * self.secret) * pow(s, -1, _P256_ORDER) % _P256_ORDER

    def _sign(self, data: bytes, nonce: int) -> bytes:
        point = ec.derive_private_key(nonce, ec.SECP256R1()).public_key().public_numbers()
        r = point.x % _P256_ORDER
        digest = int.from_bytes(hashlib.sha256(data).digest())
        s = pow(nonce, -1, _P256_ORDER) * (digest + r * self.secret) % _P256_ORDER
        return r.to_bytes(32) + s.to_bytes(32)


CLINIC = Elliptic(int.from_bytes(hashlib.sha256(b"the clinic's secret").digest()), b"clinic-1")


def _said(record: KeyRecord, **facts: Any) -> KeyRecord:
    """The same key, with another word about it."""
    return replace(record, key=replace(record.key, **facts))


def _tonight(scene: Scene, at: Any = NIGHT) -> None:
    """The honest list as it stands now is published, and the unit has it."""
    scene.now = at
    scene.publish()
    scene.sync()


# --- Twins of a signature -------------------------------------------------------------------------------


@attack("a revoked certificate with a bent Ed25519 signature", row=21)
def bent_certificate(scene: Scene) -> None:
    """A certificate is revoked by the hash of its signature. Its holder adds the group's order to S, which
    changes the hash and, to a careless verifier, nothing else: that is no signature; red, by whatever name.
    """
    signature = _envelope(GOOD).signature
    scene.publisher.revoked[MINISTRY.kid, HashKind.SIGNATURE] = [hashlib.sha256(signature).digest()[:16]]
    _tonight(scene)
    assert scene.answer(GOOD) == "FAIL REVOKED"
    assert scene.answer(_resealed(GOOD, signature)) == "FAIL REVOKED"
    assert scene.answer(_resealed(GOOD, _bent(signature))) == "FAIL SIG_BAD"


@attack("a timestamp with a bent signature", row=21)
def bent_metadata(scene: Scene) -> None:
    """The true timestamp, the order added to S of its signature: two files that both hold would be two
    histories; refused for its signature.
    """
    scene.next_list()
    path = scene.publisher.path_of("timestamp")
    file = json.loads(path.read_bytes())
    (signature,) = file["signatures"]
    signature["sig"] = _bent(bytes.fromhex(signature["sig"])).hex()
    with scene.unmoved(Alarm.SIGNATURE):
        path.write_text(json.dumps(file))


@attack("the twin of a revoked ES256 certificate", row=22)
def elliptic_twin(scene: Scene) -> None:
    """With (r, s) the pair (r, n-s) holds too, and anybody can make it. The entry is the hash of r alone, so
    the twin is as revoked as the certificate.
    """
    code = CLINIC.certificate("PATIENT", nonce=99)
    signature = _envelope(code).signature
    r, s = signature[:32], int.from_bytes(signature[32:])
    twin = _resealed(code, r + (_P256_ORDER - s).to_bytes(32), kid=CLINIC.kid, alg=ES256)
    scene.publisher.keys.append(CLINIC.record())
    _tonight(scene, START + HOUR)
    assert (scene.answer(code), scene.answer(twin)) == ("PASS", "PASS")
    scene.publisher.revoked[CLINIC.kid, HashKind.SIGNATURE] = [hashlib.sha256(r).digest()[:16]]
    _tonight(scene)
    assert (scene.answer(code), scene.answer(twin)) == ("FAIL REVOKED", "FAIL REVOKED")


@attack("three holders of revoked certificates")
def three_ways(scene: Scene) -> None:
    """One is revoked by the hash of its identifier, one of its signature, one of country and identifier, the
    last for every key of the country: red in all three ways, and their neighbour stays green.
    """
    first, second, third = (
        MINISTRY.certificate(name, issued=START - HOUR) for name in ("FIRST", "SECOND", "THIRD")
    )
    codes = (first, second, third, GOOD)
    assert [scene.answer(code) for code in codes] == ["PASS"] * 4
    scene.publisher.revoked[PLACE].append(entry("FIRST"))
    by_signature = hashlib.sha256(_envelope(second).signature).digest()[:16]
    scene.publisher.revoked[MINISTRY.kid, HashKind.SIGNATURE] = [by_signature]
    by_country = entry_digest("XVURN:UVCI:01:XV:THIRD")
    scene.publisher.revoked[country_scope("XV"), HashKind.COUNTRYCODEUCI] = [by_country]
    _tonight(scene)
    assert [scene.answer(code) for code in codes] == ["FAIL REVOKED"] * 3 + ["PASS"]


# --- A key is stolen ------------------------------------------------------------------------------------


@attack("a withdrawn key is quietly listed again")
def quietly_back(scene: Scene) -> None:
    """A key is withdrawn, then a list leaves it out, then one lists it as if nothing had been, all of them
    signed: forgetting is no decision; it stays red here until a list says that it is reinstated.
    """
    record = scene.publisher.keys[0]
    for number, (status, answer) in enumerate(
        [
            (KeyStatus.WITHDRAWN, "FAIL KEY_WITHDRAWN"),
            (None, "FAIL KEY_UNKNOWN"),
            (KeyStatus.ACTIVE, "FAIL KEY_WITHDRAWN"),
            (KeyStatus.REINSTATED, "PASS"),
        ]
    ):
        scene.publisher.keys[0] = _said(
            record if status else STRANGER.record(), status=status or KeyStatus.ACTIVE
        )
        _tonight(scene, NIGHT + number * HOUR)
        assert scene.answer(GOOD) == answer


@attack("a thief dates his certificates back")
def dated_back(scene: Scene) -> None:
    """Distrust "from a date on" stops an honest signer's mistake, and no thief: with his false date of issue
    he passes. So a stolen key is withdrawn for good and all; what was really issued is listed, and stays
    green.
    """
    forged = MINISTRY.certificate("FORGED", issued=START - DAY)
    record = scene.publisher.keys[0]
    scene.publisher.keys[0] = _said(record, reject_from=START)
    _tonight(scene)
    assert scene.answer(MINISTRY.certificate("CARELESS", issued=START)) == "FAIL KEY_WITHDRAWN"
    assert scene.answer(forged) == "PASS"
    issued = [allowed_digest(_envelope(code).to_be_signed) for code in (GOOD, REVOKED)]
    scene.publisher.keys[0] = _said(record, status=KeyStatus.WITHDRAWN, allowed=True)
    _vouch(scene, MINISTRY.kid, issued)
    _tonight(scene, NIGHT + HOUR)
    assert scene.answer(forged) == "FAIL KEY_WITHDRAWN"
    assert scene.look().answers == ("PASS", "FAIL REVOKED")


def _vouch(scene: Scene, kid: bytes, issued: list[bytes]) -> None:
    """The publisher lists what a key really issued, beside all else that he has on revocation."""
    wanted = {place: encode_segment(entries) for place, entries in scene.publisher.revoked.items()}
    wanted[kid, HashKind.ALLOWED] = encode_segment(issued, 16)
    _segments(scene, plan_segments({}, wanted))


def _segments(scene: Scene, planned: Any) -> None:
    """What the role of revocation publishes from now on: bases and deltas."""
    scene.publisher.revoked = {}
    scene.publisher.smuggled["revocation"] = dict(revocation_targets(planned))


@attack("a thief signs with a nonce that was used before")
def nonce_again(scene: Scene) -> None:
    """From one genuine certificate of a stolen key the thief computes its nonce and signs his own text with
    it, so that r is the same to the byte. A list of what was really issued that went by r would let him in;
    ours goes by the text, and he is red.
    """
    genuine = CLINIC.certificate("PATIENT", nonce=99)
    forged = CLINIC.certificate("THIEF", nonce=CLINIC.nonce_of(genuine))
    assert _envelope(forged).signature[:32] == _envelope(genuine).signature[:32]
    scene.publisher.keys.append(CLINIC.record())
    _tonight(scene, START + HOUR)
    assert (scene.answer(genuine), scene.answer(forged)) == ("PASS", "PASS")
    scene.publisher.keys[-1] = CLINIC.record(status=KeyStatus.WITHDRAWN, allowed=True)
    _vouch(scene, CLINIC.kid, [allowed_digest(_envelope(genuine).to_be_signed)])
    _tonight(scene)
    assert (scene.answer(genuine), scene.answer(forged)) == ("PASS", "FAIL KEY_WITHDRAWN")


@attack("the list of what was really issued is deleted from the card")
def vouching_deleted(scene: Scene) -> None:
    """A key was stolen and its honest certificates are listed; somebody deletes that list from the card. Then
    nobody can say who is honest: neither green nor red, but a question, until the sync has it again.
    """
    forged = MINISTRY.certificate("FORGED", issued=START - DAY)
    scene.publisher.keys[0] = _said(scene.publisher.keys[0], status=KeyStatus.WITHDRAWN, allowed=True)
    _vouch(scene, MINISTRY.kid, [allowed_digest(_envelope(GOOD).to_be_signed)])
    _tonight(scene)
    answers = ("PASS", "FAIL KEY_WITHDRAWN")
    assert (scene.answer(GOOD), scene.answer(forged)) == answers
    _file(scene, segment_path(MINISTRY.kid, HashKind.ALLOWED)).unlink()
    unsure = "CHECK REVOCATION_UNCHECKED"
    assert (scene.answer(GOOD), scene.answer(forged)) == (unsure, unsure)
    scene.sync()
    assert (scene.answer(GOOD), scene.answer(forged)) == answers


def _file(scene: Scene, path: str) -> Any:
    """Where a target of the list in force lies."""
    number = scene.look().generation
    assert number is not None
    return generation.target_file(generation.directory_of(scene.store, number), path)


# --- A key under a false name ---------------------------------------------------------------------------


@attack("one key is called real and a sample in one list")
def both_words(scene: Scene) -> None:
    """The key of a test environment, of which half the world has the secret, stands on the list as a sample,
    and by somebody's mistake as a real key too: of two words the wrong one must not count; refused as a
    whole.
    """
    with scene.unmoved(Alarm.CONTENT):
        scene.publisher.keys += [STRANGER.record("test"), STRANGER.record("production")]
        scene.publish(NIGHT)
        scene.now = NIGHT
    assert scene.answer(STRANGER.certificate("SAMPLE")) == "FAIL KEY_UNKNOWN"


@attack("a sample signed under a real key's name")
def sample_under_real_name(scene: Scene) -> None:
    """Names are short and can be chosen: a sample key bears the KID of the ministry's. The real one stays
    green and is not called a sample; the sample key opens nothing under that name.
    """
    namesake = Signer(75, MINISTRY.kid)
    scene.publisher.keys.append(namesake.record("test"))
    _tonight(scene)
    assert scene.look().answers == ("PASS", "FAIL REVOKED")
    assert scene.answer(namesake.certificate("SAMPLE")) == "FAIL SIG_BAD"


@attack("another country's key under the same name")
def namesake_abroad(scene: Scene) -> None:
    """A second country lists a key under the ministry's KID: every key of a name is tried, so both are green
    for their own country, and neither can sign for the other.
    """
    abroad = Signer(76, MINISTRY.kid)
    scene.publisher.keys.append(abroad.record(country="XW"))
    _tonight(scene)
    assert scene.look().answers == ("PASS", "FAIL REVOKED")
    assert scene.answer(abroad.certificate("GUEST")) == "FAIL ISSUER_MISMATCH"


@attack("a key for something else signs a vaccination")
def other_domain(scene: Scene) -> None:
    """A key that is listed for another country's test passes, and one that is listed for tests alone, sign a
    vaccination: the signature is true, and it is not theirs to give; red.
    """
    passes, tests = Signer(77, b"passes-1"), Signer(78, b"tests-01")
    scene.publisher.keys += [passes.record(domain=Domain.LT1), tests.record(uses=frozenset("t"))]
    _tonight(scene)
    assert scene.answer(passes.certificate("GUEST", issued=START)) == "FAIL KEY_USAGE"
    assert scene.answer(tests.certificate("PATIENT", issued=START)) == "FAIL KEY_USAGE"


# --- Revocation in parts --------------------------------------------------------------------------------

FILLERS = [entry(f"OTHER-{number}") for number in range(30)]


def _published_parts(scene: Scene, *nights: list[bytes]) -> dict[Any, bytes]:
    """What the hub has after these nights of entries for the ministry's key."""
    held: dict[Any, bytes] = {}
    for entries in nights:
        held = plan_segments(held, {PLACE: encode_segment(entries)})
    return held


@attack("the newest part of the revocations is withheld")
def withheld_delta(scene: Scene) -> None:
    """The index names a delta with tonight's entries, and everything but this one file is passed on: a list
    with a hole in it is none; the old one stays and is not made younger. When the file comes, it alone comes.
    """
    base = [entry("REVOKED"), *FILLERS]
    _segments(scene, _published_parts(scene, base))
    _tonight(scene, START + HOUR)
    _segments(scene, _published_parts(scene, base, [*base, entry("LATE")]))
    scene.publisher.keys.append(YOUNG.record())
    scene.now = NIGHT
    scene.publish()
    delta = segment_path(*PLACE, 1)
    with scene.unmoved(None):
        scene.server.faults[".1.seg"] = answers.status(404)
    assert scene.answer(LATE, START + 2 * DAY) == "PASS LIST_STALE"
    scene.server.faults.clear()
    assert [path for path in scene.sync().fetched if path.endswith(".seg")] == [delta]
    scene.arrived()


@attack("a mirror tidies up the revocations")
def tidied_up(scene: Scene) -> None:
    """The hub folds base and delta into a new base, and whoever serves it leaves one entry out: its hash is
    not the signed one; refused, and the entry holds. Only the role of revocation can take somebody off, by a
    new base that it has signed.
    """
    base = [entry("REVOKED"), *FILLERS]
    late = [*base, entry("LATE")]
    scene.publisher.keys.append(YOUNG.record())
    _segments(scene, _published_parts(scene, base, late))
    _tonight(scene, NIGHT)
    scene.arrived()
    later = NIGHT + HOUR
    folded = _published_parts(scene, [*late[1:-5], entry("REVOKED")])
    _segments(scene, folded)
    scene.publish(later)
    with scene.unmoved(Alarm.MISMATCH):
        scene.now = later
        ends = segment_path(*PLACE).rpartition("/")[2]
        scene.server.faults[ends] = answers.sent(encode_segment(late[1:-5]))
    scene.server.faults.clear()
    scene.sync()
    assert [record.part for record in folded] == [0]
    assert (scene.answer(REVOKED), scene.answer(LATE)) == ("FAIL REVOKED", "PASS")


@attack("a segment is deleted from the card")
def deleted_segment(scene: Scene) -> None:
    """The holder of a revoked certificate gets at the card and deletes the file that names him: what cannot
    be looked up is not "not revoked". Every certificate of that key is a question, those of others are not,
    and the next sync fetches that file.
    """
    scene.next_night()
    path = segment_path(*PLACE)
    _file(scene, path).unlink()
    assert scene.look().answers == ("CHECK REVOCATION_UNCHECKED", "CHECK REVOCATION_UNCHECKED")
    assert scene.answer(YOUNG.certificate("OTHER", issued=NIGHT - timedelta(hours=1))) == "PASS"
    assert scene.sync().fetched == (path,)
    scene.arrived()
