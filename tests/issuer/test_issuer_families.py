"""Every family that a traveller may hold: issued, judged after a real sync, drawn, read back, revoked."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import segno
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from appliance.cli.verify import main as verify
from appliance.reader.stills import read_image
from issuer import certificates
from issuer.certificates import Person
from issuer.documents import YELLOW_FEVER_PRODUCT, Facts, document_of
from issuer.errors import IssuerError
from issuer.families import ALGORITHMS, ISSUED, domain_of
from issuer.keys import Algorithm
from issuer.office import TEST, YEAR, Issued, Issuer
from issuer.qr import LARGEST_BYTES, LARGEST_CARD, draw
from issuer.registry import Registry
from issuer.sealing import seal_document, text_of
from issuer.server import Server, create_app
from trustsync.store import TrustSnapshot, open_store
from trustsync.sync import SyncConfig, sync_once
from verifier import certificate as content
from verifier.assessment import Assessment, assess
from verifier.certificate import Certificate, Exemption, Family, Vaccination
from verifier.policy.bundle import SIGNATURE_ONLY
from verifier.reasons import Reason, State
from verifier.trust import Domain, HashKind
from verifier.verdict import Policy, decide
from verifier.wire import shc, shc_keys
from verifier.wire.keyfile import listed_crls, parse_trust

CLOCK = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)  # digital ICVPs are in force since September 2025
HOUR = timedelta(hours=1)
PERSON = Person("Nguyễn", "Bảo Duy", "1983-10-10")
DOSE = certificates.of_vaccination(PERSON, country="XV", day=date(2026, 1, 10))
SWAB = certificates.of_test(PERSON, country="XV", sampled=CLOCK - 6 * HOUR)
# Documents without an identifier are the same code if they say the same, so these say something else.
OTHER = certificates.of_vaccination(
    Person("Đặng", "Thị Đào", "1990-04-21"), country="XV", day=date(2026, 1, 9)
)
THIRD = certificates.of_vaccination(
    Person("Lê", "Hoàng Ẩn", "1992-02-29"), country="XV", day=date(2026, 1, 8)
)
RECOVERED = certificates.of_recovery(PERSON, country="XV", first_positive=date(2025, 12, 1))
TESTABLE = (Family.HC1, Family.DDCC, Family.LT1, Family.AT1, Family.SHC, Family.VDS_NC, Family.NZCP)
DOMAINS = [domain for domain in Domain if domain is not Domain.HCERT]


@dataclass
class World:
    """An issuer of every family, what it issued, and what a unit knows after one sync."""

    issuer: Issuer
    good: dict[tuple[Family, str], Issued] = field(default_factory=dict)
    samples: dict[Family, Issued] = field(default_factory=dict)
    revoked: dict[tuple[Family, HashKind | None], Issued] = field(default_factory=dict)
    withdrawn: dict[Domain, Issued] = field(default_factory=dict)
    rotated: dict[Domain, Issued] = field(default_factory=dict)
    known: TrustSnapshot | None = None

    def issue(self, family: Family, payload: dict[str, Any] = DOSE, **options: Any) -> Issued:
        return self.issuer.issue(
            payload, issued_at=CLOCK - HOUR, expires_at=CLOCK + YEAR, family=family, **options
        )

    def assessed(self, code: str | bytes) -> Assessment:
        assert self.known is not None
        return assess(code, trust=self.known.trust, now=CLOCK)

    def outcome(self, code: str | bytes) -> tuple[State, list[Reason]]:
        verdict = decide(self.assessed(code), Policy(SIGNATURE_ONLY))
        return verdict.state, [found.code for found in verdict.reasons]

    def proven(self, code: str | bytes) -> Certificate:
        certificate = self.assessed(code).certificate
        assert certificate is not None
        return certificate


def _synced(issuer: Issuer, store: Path) -> TrustSnapshot:
    issuer.publish(CLOCK)
    root = (issuer.registry.public / "root.json").read_bytes()
    with Server(create_app(issuer.registry.public)) as server:
        sync_once(SyncConfig(server.url, root, store), now=CLOCK)
    return open_store(store).current()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Good codes, samples, revoked ones, and keys that were changed; one publication, one sync over HTTP."""
    folder = tmp_path_factory.mktemp("world")
    with Issuer.create(folder / "office", now=CLOCK - timedelta(days=1), seed="families") as issuer:
        world = World(issuer)
        for domain in DOMAINS:
            family = next(each for each in ISSUED if domain_of(each) is domain)
            world.withdrawn[domain] = world.issue(family)
            issuer.rotate(now=CLOCK - HOUR, domain=domain, withdraw=True)
            world.rotated[domain] = world.issue(family)
        for family in ISSUED:
            world.good[family, "v"] = world.issue(family)
            world.samples[family] = world.issue(family, environment=TEST)
            for kind, payload in ((None, OTHER), (HashKind.SIGNATURE, THIRD)):
                world.revoked[family, kind] = world.issue(family, payload)
                issuer.revoke(world.revoked[family, kind].uvci, kind)
        for family in TESTABLE:
            world.good[family, "t"] = world.issue(family, SWAB)
        world.known = _synced(issuer, folder / "store")
        yield world


@pytest.mark.parametrize("family", ISSUED)
def test_a_vaccination_of_every_family_passes(world: World, family: Family) -> None:
    """From the code and the synced list alone to PASS, with the holder and the day that the payload named."""
    issued = world.good[family, "v"]
    assert world.outcome(issued.code) == (State.PASS, [])
    assert world.outcome(issued.text) == (State.PASS, []), "bytes as B64 text"
    certificate = world.proven(issued.code)
    assert certificate.family is family
    assert certificate.holder.birth_date == "1983-10-10"
    names = f"{certificate.holder.surname} {certificate.holder.given}".split()
    assert sorted(names) in (["Bảo", "Duy", "Nguyễn"], ["BAO", "DUY", "NGUYEN"])
    if family in (Family.LT1, Family.NZCP):
        assert certificate.events == ()
    elif family is Family.AT1:
        (exemption,) = certificate.events
        assert isinstance(exemption, Exemption)
        assert exemption.valid_until == (CLOCK + YEAR).date()
    else:
        (dose,) = certificate.events
        assert isinstance(dose, Vaccination)
        assert dose.given == date(2026, 1, 10)
        assert dose.product == (YELLOW_FEVER_PRODUCT if family is Family.ICVP else "EU/1/20/1528")
        if family is not Family.ICVP:
            assert dose.dose == 2
            assert dose.vaccine == certificates.MRNA


@pytest.mark.parametrize("family", TESTABLE)
def test_a_test_of_every_family_that_says_tests_passes(world: World, family: Family) -> None:
    """Negative, with its kind and the instant of the sample."""
    code = world.good[family, "t"].code
    assert world.outcome(code) == (State.PASS, [])
    if family in (Family.LT1, Family.AT1, Family.NZCP):
        return  # they say who, and until when
    (test,) = world.proven(code).events
    assert isinstance(test, content.Test)
    assert (test.kind, test.result) == (certificates.NAAT, "260415000")
    assert test.sampled == CLOCK - 6 * HOUR


@pytest.mark.parametrize(
    ("family", "payload", "words"),
    {
        "a recovery on a health card": (Family.SHC, RECOVERED, "SHC: .* vaccinations and tests"),
        "a recovery in a seal": (Family.VDS_NC, RECOVERED, "VDS-NC: .* vaccinations and tests"),
        "a recovery in a core data set": (Family.DDCC, RECOVERED, "DDCC: .* vaccinations and tests"),
        "a test as DIVOC": (Family.DIVOC, SWAB, "DIVOC: .* says vaccinations"),
        "a test as ICVP": (Family.ICVP, SWAB, "ICVP: .* one dose"),
        "a pass without a day of birth": (Family.NZCP, DOSE | {"dob": "1983-10"}, "NZCP: .* full birth date"),
        "a seal without a day of birth": (Family.VDS_NC, DOSE | {"dob": ""}, "VDS-NC: .* full birth date"),
        "a product without CVX code": (
            Family.SHC,
            certificates.of_vaccination(PERSON, country="XV", day=date(2026, 1, 1), product="Abdala"),
            "SHC: .*CVX",
        ),
        "a product that WHO does not list": (
            Family.ICVP,
            certificates.of_vaccination(
                PERSON, country="XV", day=date(2026, 1, 1), product="X", disease="16541001"
            ),
            "ICVP: .*WHO's list",
        ),
        "a family of others": (Family.DOC_2D, DOSE, "2D-DOC: this issuer does not issue it"),
    }.values(),
)
def test_what_a_family_cannot_say_is_an_error_that_says_so(
    world: World, family: Family, payload: dict[str, Any], words: str
) -> None:
    """Named by the family and by what it can say; nothing of the holder, and nothing is remembered."""
    serial = world.issuer.registry.next_certificate_serial()
    with pytest.raises(IssuerError, match=words) as caught:
        world.issue(family, payload)
    assert "Nguy" not in str(caught.value)
    assert world.issuer.registry.next_certificate_serial() == serial


def test_an_icvp_is_not_older_than_the_digital_ones(world: World) -> None:
    """In force since 19 September 2025; an earlier one would be refused everywhere."""
    early = datetime(2025, 9, 1, tzinfo=UTC)
    with pytest.raises(IssuerError, match="in force since 2025-09-19"):
        world.issuer.issue(DOSE, issued_at=early, expires_at=None, family=Family.ICVP)


@pytest.mark.parametrize("family", ISSUED)
def test_a_sample_of_every_family_is_named_as_one(world: World, family: Family) -> None:
    """Signed in the test environment, whose keys and CSCA the list names: KEY_TEST, never green."""
    assert world.outcome(world.samples[family].code) == (State.FAIL, [Reason.KEY_TEST])


@pytest.mark.parametrize("family", ISSUED)
def test_a_signer_that_nobody_listed_is_unknown(world: World, family: Family) -> None:
    """Its document is without fault. A seal's country is held, so its signer is not just unknown."""
    domain = domain_of(family)
    signer = world.issuer.unlisted_signer(ALGORITHMS[domain][0], "nobody", CLOCK, domain=domain)
    document = document_of(
        family,
        certificates.complete(DOSE, "URN:UVCI:01:XV:A#B"),
        signer.issuer,
        country="XV",
        issued_at=CLOCK - HOUR,
        expires_at=CLOCK + YEAR,
    )
    sealed = seal_document(family, document, signer, issued_at=CLOCK - HOUR, expires_at=CLOCK + YEAR)
    reason = Reason.CHAIN_BAD if family is Family.VDS_NC else Reason.KEY_UNKNOWN
    assert world.outcome(sealed.code) == (State.FAIL, [reason])


@pytest.mark.parametrize("kind", [None, HashKind.SIGNATURE], ids=["its own way", "by signature"])
@pytest.mark.parametrize("family", ISSUED)
def test_a_revoked_certificate_of_every_family_is_revoked(
    world: World, family: Family, kind: HashKind | None
) -> None:
    """By what the family's documents carry, or by the signature; after the next sync."""
    assert world.outcome(world.revoked[family, kind].code) == (State.FAIL, [Reason.REVOKED])


def test_each_family_is_revoked_by_what_it_carries(world: World) -> None:
    """An identifier where verifiers look one up, the signature where they cannot."""
    kinds = {}
    for family in ISSUED:
        (row,) = world.issuer.registry.issued(world.good[family, "v"].uvci)
        kinds[family] = row.own_kind
    assert kinds == {
        Family.HC1: HashKind.UCI,
        Family.DDCC: HashKind.UCI,
        Family.AT1: HashKind.UCI,
        Family.VDS_NC: HashKind.UCI,
        Family.SHC: HashKind.RID,
        Family.DIVOC: HashKind.DOCUMENT,
        Family.ICVP: HashKind.SIGNATURE,
        Family.LT1: HashKind.SIGNATURE,
        Family.NZCP: HashKind.SIGNATURE,
    }
    with pytest.raises(IssuerError, match="revoked by rid, and not by uci"):
        world.issuer.revoke(world.good[Family.SHC, "v"].uvci, HashKind.UCI)


@pytest.mark.parametrize("domain", DOMAINS)
def test_a_withdrawn_key_of_every_family_ends_what_it_signed(world: World, domain: Domain) -> None:
    """The list names it as withdrawn, or its CSCA takes it back; what the new key signs is good."""
    assert world.outcome(world.withdrawn[domain].code) == (State.FAIL, [Reason.KEY_WITHDRAWN])
    assert world.outcome(world.rotated[domain].code) == (State.PASS, [])
    assert world.rotated[domain].kid != world.withdrawn[domain].kid


def test_divoc_is_signed_with_rsa_by_a_key_that_is_made_when_asked_for(world: World, tmp_path: Path) -> None:
    """None at the start, for an RSA key takes long; the error says how to get one."""
    with pytest.raises(IssuerError, match="rotate --family DIVOC --alg PS256"):
        world.issue(Family.DIVOC, algorithm=Algorithm.PS256)
    with pytest.raises(IssuerError, match="keys of shc are for ES256"):
        world.issuer.rotate(Algorithm.PS256, now=CLOCK, domain=Domain.SHC)
    row = world.issuer.rotate(Algorithm.PS256, now=CLOCK, domain=Domain.DIVOC)
    issued = world.issue(Family.DIVOC, algorithm=Algorithm.PS256)
    assert issued.kid == row.kid
    later = World(world.issuer, known=_synced(world.issuer, tmp_path / "store"))
    assert later.outcome(issued.code) == (State.PASS, [])


def test_a_key_signs_its_own_family_only(world: World) -> None:
    """A KID of another domain is refused by name, a restriction where no certificate could state it too."""
    with pytest.raises(IssuerError, match="one for nzcp, not for shc"):
        world.issue(Family.SHC, kid=world.good[Family.NZCP, "v"].kid)
    with pytest.raises(IssuerError, match="cannot be restricted"):
        world.issuer.rotate(now=CLOCK, domain=Domain.SHC, uses=frozenset("v"))


def test_an_unchecked_document_is_sealed_as_it_is(world: World) -> None:
    """The family's own document, whatever it says: a card whose bundle is empty."""
    bare = {"iss": world.issuer.signer(Domain.SHC).issuer, "nbf": 0, "vc": {"type": []}}
    issued = world.issue(Family.SHC, bare, unchecked=True)
    opened = shc.decode_shc(shc.open_shc(issued.text))
    assert opened.document == bare


def test_facts_that_a_dcc_has_no_place_for_are_said_where_there_is_one(world: World) -> None:
    """Sex, nationality, passport and batch."""
    facts = Facts(sex="female", nationality="VNM", passport="B1234567", batch="L-7")
    seal = json.loads(world.issue(Family.VDS_NC, facts=facts).text)["data"]["msg"]
    assert (seal["pid"]["sex"], seal["pid"]["i"], seal["ve"][0]["vd"][0]["lot"]) == ("F", "B1234567", "L-7")
    document = world.proven(world.issue(Family.ICVP, facts=facts).code).document
    assert (document["s"], document["nt"], document["id"]) == ("female", "VNM", "B1234567")
    assert document["vx"]["bo"] == "L-7"


# --- The picture


def _every_symbol(world: World) -> Iterator[tuple[str, str | bytes]]:
    for (family, kind), issued in world.good.items():
        yield f"{family}-{kind}", issued.code
    card = world.good[Family.SHC, "v"]
    for number, part in enumerate(card.parts(3), 1):
        yield f"SHC-{number}of3", part


def test_every_picture_reads_back_to_what_was_drawn(world: World, tmp_path: Path) -> None:
    """By the appliance's own reader, to the letter and to the byte; a ZIP stays bytes."""
    for name, code in _every_symbol(world):
        picture = tmp_path / f"{name}.png"
        picture.write_bytes(draw(code).png(scale=4))
        (found,) = read_image(picture)
        assert found.payload == code, name
        assert isinstance(found.payload, type(code)), name


def test_every_symbol_is_in_the_mode_of_its_family(world: World) -> None:
    """Alphanumeric for Base45 and Base32, digits for a card, bytes for JSON and ZIP; as small as can be."""
    drawn = {name: draw(code) for name, code in _every_symbol(world)}
    modes = {name: code.mode for name, code in drawn.items()}
    assert {mode for name, mode in modes.items() if name.startswith("SHC")} == {"byte+numeric"}
    assert {mode for name, mode in modes.items() if name.startswith(("VDS", "DIVOC"))} == {"byte"}
    assert {mode for name, mode in modes.items() if not name.startswith(("SHC", "VDS", "DIVOC"))} == {
        "alphanumeric"
    }
    card = drawn["SHC-v"]
    assert card.version <= LARGEST_CARD
    text = world.good[Family.SHC, "v"].text
    # 4 + 8 bits head the five bytes, 4 + 14 the digits; ten bits for every three of these
    bits = 4 + 16 + 5 * 8 + 4 + 14 + -(-len(text.removeprefix("shc:/")) * 10 // 3)
    plain = segno.make_qr("1" * ((bits - 18) * 3 // 10), error=card.level, boost_error=False, mode="numeric")
    assert card.version == plain.version
    assert int(segno.make_qr(text, error="L", boost_error=False).version) > LARGEST_CARD
    assert max(drawn[name].version for name in ("VDS-NC-v", "VDS-NC-t", "DIVOC-v")) <= LARGEST_BYTES


def test_a_code_in_parts_is_whole_in_any_order(world: World) -> None:
    """Two to four symbols of nearly equal length; any other family is one symbol."""
    card = world.good[Family.SHC, "v"]
    for count in (2, 3, 4):
        texts = card.parts(count)
        assert max(map(len, texts)) - min(map(len, texts)) <= 2
        for order in itertools.permutations(texts):
            parts = [part for text in order if (part := shc.part_of(text)) is not None]
            assert shc.join(parts) == card.text
    assert card.parts(1) == [card.text]
    with pytest.raises(IssuerError, match="only SHC"):
        world.good[Family.HC1, "v"].parts(2)
    with pytest.raises(IssuerError, match="33 parts"):
        card.parts(33)


def test_a_zip_is_shown_as_text_in_base64() -> None:
    """What a scanner that returns text only would give."""
    assert text_of(b"PK\x03\x04") == "B64:" + base64.b64encode(b"PK\x03\x04").decode()
    with pytest.raises(IssuerError, match="3000 bytes"):
        draw(bytes(3000))


# --- The files by which each world knows an issuer


@pytest.fixture
def code_files(world: World, tmp_path: Path) -> dict[Family, Path]:
    """The good vaccinations as text files."""
    files = {}
    for family in ISSUED:
        files[family] = tmp_path / f"{family}.txt"
        files[family].write_text(world.good[family, "v"].text + "\n")
    return files


@pytest.mark.parametrize(
    ("trust", "families"),
    {
        "the cards' JWKS": ("shc/.well-known/jwks.json", [Family.SHC]),
        "the DID document": (
            "did.json",
            [Family.HC1, Family.DDCC, Family.ICVP, Family.DIVOC, Family.NZCP],
        ),
        "the CSCA of the seals": ("csca.pem", [Family.VDS_NC]),
    }.values(),
)
def test_a_verifier_takes_what_the_issuer_publishes(
    world: World, code_files: dict[Family, Path], trust: str, families: list[Family]
) -> None:
    """`vaxgate-verify --trust FILE`: the families of that file pass, and no other does."""
    path = world.issuer.registry.public / trust
    at = ["--trust", str(path), "--rules", "signature-only", "--at", CLOCK.isoformat()]
    passed = [family for family, file in code_files.items() if verify([*at, str(file)]) == 0]
    assert passed == [family for family in ISSUED if family in families]


def test_the_keys_of_health_cards_are_as_the_framework_asks(world: World) -> None:
    """kid is the thumbprint, use and alg are said, nothing private; active keys only, with their lists."""
    folder = world.issuer.registry.public / "shc/.well-known"
    keys = json.loads((folder / "jwks.json").read_bytes())["keys"]
    issuer = world.issuer.signer(Domain.SHC).issuer
    assert [shc_keys.key_problems(key, issuer=issuer, now=CLOCK) for key in keys] == [[]]
    assert keys[0]["kid"].encode() == world.rotated[Domain.SHC].kid
    listed = json.loads((folder / "crl" / f"{keys[0]['kid']}.json").read_bytes())
    revoked = world.revoked[Family.SHC, None]
    card = shc.decode_shc(shc.open_shc(revoked.text)).document
    assert card is not None
    rid = card["vc"]["rid"]
    assert listed == {"kid": keys[0]["kid"], "method": "rid", "ctr": 1, "rids": [rid]}
    assert keys[0]["crlVersion"] == listed["ctr"]


def test_the_crl_names_the_withdrawn_signer_of_seals(world: World) -> None:
    """Signed by the CSCA beside it, with the instant of the withdrawal."""
    public = world.issuer.registry.public
    given = parse_trust((public / "csca.pem").read_bytes()) + parse_trust((public / "csca.crl").read_bytes())
    (authority,) = given.authorities
    revocation = listed_crls(given.crls, given.authorities)
    assert revocation.gap(b"csca:" + authority.key_id, CLOCK + timedelta(days=91)) is not None
    crl = x509.load_der_x509_crl((public / "csca.crl").read_bytes())
    key = x509.load_der_x509_certificate(authority.certificate).public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert crl.is_signature_valid(key)
    withdrawn = [row for row in world.issuer.registry.signing_keys(Domain.VDS_NC) if row.withdrawn_at]
    assert [(entry.serial_number, entry.revocation_date_utc) for entry in crl] == [
        (x509.load_der_x509_certificate(row.certificate).serial_number, CLOCK - HOUR) for row in withdrawn
    ]


def test_the_seals_have_a_chain_of_their_own(world: World) -> None:
    """Health CSCA and barcode signer with ICAO's usages; the CSCA of the DSCs vouches for no seal."""
    public = world.issuer.registry.public
    csca = x509.load_pem_x509_certificate((public / "csca.pem").read_bytes())
    row = next(row for row in world.issuer.registry.signing_keys(Domain.VDS_NC) if row.environment != TEST)
    bsc = x509.load_der_x509_certificate(row.certificate)
    bsc.verify_directly_issued_by(csca)
    for certificate, usage, critical in (
        (csca, "2.23.136.1.1.14.1", False),
        (bsc, "2.23.136.1.1.14.2", True),
    ):
        extension = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
        assert [oid.dotted_string for oid in extension.value] == [usage]
        assert extension.critical is critical
    types = bsc.extensions.get_extension_for_oid(x509.ObjectIdentifier("2.23.136.1.1.6.2"))
    assert isinstance(types.value, x509.UnrecognizedExtension)
    assert types.value.value.hex() == "300d020100310813024e5413024e56"
    assert csca.public_bytes(Encoding.DER).hex() != world.issuer.registry.fact("csca")


def test_the_files_are_served_where_the_names_lead(world: World) -> None:
    """For whoever takes the server for https://issuer.example/xv; browsers may read them."""
    client = create_app(world.issuer.registry.public).test_client()
    base = "https://issuer.example/xv"
    issuer = world.issuer.signer(Domain.SHC).issuer
    jwks = client.get(f"{issuer.removeprefix(base)}/.well-known/jwks.json")
    assert jwks.headers["Access-Control-Allow-Origin"] == "*"
    kid = jwks.json["keys"][0]["kid"]  # type: ignore[index]  # it is an object, or the test fails
    assert client.get(f"{issuer.removeprefix(base)}/.well-known/crl/{kid}.json").json["ctr"] == 1  # type: ignore[index]
    identity = world.issuer.signer(Domain.NZCP).issuer
    assert "https://" + identity.removeprefix("did:web:").replace(":", "/") == base
    for path in ("/did.json", "/.well-known/did.json"):
        assert client.get(path).json["id"] == identity  # type: ignore[index]
    assert client.get("/csca.pem").data.startswith(b"-----BEGIN CERTIFICATE-----\n")
    assert client.get("/csca.crl").mimetype == "application/pkix-crl"
    assert client.get("/shc/.well-known/crl/..%2fjwks.json").status_code == 404
    assert client.get(f"/shc/.well-known/crl/{'A' * 43}.json").status_code == 404


# --- Directories of the version before


def test_a_directory_of_the_first_version_opens_and_learns_the_other_families(
    office: Path, issuer: Issuer, now: datetime
) -> None:
    """HC1 goes on as before; another family has a key after one rotation. Nothing of the old is lost."""
    before = issuer.issue(DOSE, issued_at=now, expires_at=None)
    kids = [row.kid for row in issuer.registry.signing_keys(Domain.HCERT)]
    issuer.close()
    _as_it_was(office)
    with Issuer.open(office) as old:
        assert [row.kid for row in old.registry.signing_keys()] == kids
        assert old.signer(Domain.HCERT).issuer == "XV"
        assert old.revoke(before.uvci) == (before.kid,)
        with pytest.raises(IssuerError, match="rotate --family VDS-NC"):
            old.issue(DOSE, issued_at=now, expires_at=None, family=Family.VDS_NC)
        old.publish(now)
        assert not (office / "public/csca.pem").exists()
        for domain in DOMAINS:
            old.rotate(now=now, domain=domain)
        for family in (Family.VDS_NC, Family.SHC, Family.NZCP):
            assert old.issue(DOSE, issued_at=now, expires_at=None, family=family).text
        old.publish(now)
        assert (office / "public/csca.pem").exists()


def _as_it_was(office: Path) -> None:
    """Take away what registries had not when they were first made."""
    registry = Registry(office)
    db = registry._db
    db.execute("DELETE FROM keys WHERE domain <> 'hcert'")
    db.execute("DELETE FROM facts WHERE name LIKE 'health-csca/%'")
    db.execute("DROP INDEX issued_own_name")
    added = {"keys": ("domain", "issuer", "withdrawn_at"), "issued": ("family", "own_kind", "own_name")}
    for table, columns in added.items():
        for column in columns:
            db.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
    registry.close()
    for path in (office / "public").glob("csca.*"):
        path.unlink()


def test_the_published_list_says_whose_each_key_is(world: World) -> None:
    """Domain always; the owner by name where documents name one, production and test apart."""
    assert world.known is not None
    owners = {(key.domain, key.issuer) for keys in world.known.trust.keys.values() for key in keys}
    assert owners == {
        (Domain.HCERT, None),
        (Domain.LT1, None),
        (Domain.AT1, None),
        (Domain.SHC, "https://issuer.example/xv/shc"),
        (Domain.DIVOC, "did:web:issuer.example:xv"),
        (Domain.NZCP, "did:web:issuer.example:xv"),
    }
    assert [each.country for same in world.known.trust.authorities.values() for each in same] == ["XV"]
