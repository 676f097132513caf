"""The importers of European lists: what honest ones give, and how each other one is refused.

Each list is made here, with keys of the test. ``MAKERS`` makes an honest one of each kind; the arguments of a
maker change one thing of it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import cbor2
import pytest
from csca import private_key
from mutations import mutated
from upstreams_europe import (
    BEGIN,
    MAKERS,
    NOW,
    REVOKED,
    Signer,
    Upstream,
    austria,
    austrian_signer,
    b64,
    certify,
    cms_signed,
    dsc,
    dscs,
    dutch_keys,
    eu,
    german_entry,
    germany,
    jwk_of,
    jws,
    key_in,
    list_signer,
    netherlands,
    pem_of,
    root,
    seconds,
    source,
    streamed,
    sweden,
    swedish_entry,
    swiss_entry,
    swiss_pages,
    switzerland,
)

from trustsync.hub import lists
from trustsync.hub.importers.de import GermanList
from trustsync.hub.upstream import Authentication, Reply, UpstreamError, UpstreamList
from verifier.checks import entry_digest
from verifier.keys import kid_of
from verifier.trust import Domain, HashKind, country_scope

KINDS = list(MAKERS)
SIGNED = [kind for kind in KINDS if kind != "eu"]


def read(upstream: Upstream, **change: Any) -> UpstreamList:
    """The list as the hub reads it. raw, now: in the place of its own."""
    raw, now = change.get("raw", upstream.raw), change.get("now", NOW)
    return upstream.importer.read(raw, upstream.source, now)


def held(upstream: UpstreamList) -> frozenset[tuple[bytes, bytes]]:
    return frozenset((key.kid, key.spki) for key in upstream.keys)


def uses_of(upstream: UpstreamList, certificate: bytes) -> set[frozenset[str] | None]:
    return {key.uses for key in upstream.keys if key.spki == key_in(certificate)}


# --- Honest lists -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_an_honest_list_is_imported_whole(kind: str) -> None:
    """Fetched, authenticated and read: every key, with its source and its world; none is left out."""
    upstream = MAKERS[kind]()
    raw = upstream.importer.fetch(upstream.source, upstream.get)
    assert raw == dict(upstream.raw)
    found = read(upstream, raw=raw)
    assert held(found) == upstream.keys
    assert found.skipped == ()
    assert (found.source, found.environment) == (f"{kind}-list", "production")
    assert {(key.source, key.domain) for key in found.keys} == {(f"{kind}-list", Domain.HCERT)}
    assert found.authentication is (Authentication.TLS if kind == "eu" else Authentication.SIGNED)
    assert upstream.importer.kind == kind


@pytest.mark.parametrize("kind", KINDS)
def test_the_archived_files_give_the_same_list_again(kind: str) -> None:
    """Reading is pure: the raw bytes of an archive are worth what they were worth when they were fetched."""
    upstream = MAKERS[kind]()
    assert read(upstream) == read(upstream, raw=dict(upstream.raw))


def test_certificates_give_their_period_country_and_uses() -> None:
    """What a certificate says of a key comes along, by the list's word on the country."""
    found = {key.kid: key for key in read(germany()).keys}
    key = found[kid_of(dsc(2, usage="2"))]
    assert (key.country, key.uses, key.not_before) == ("XV", frozenset("v"), BEGIN)
    assert key.certificate == dsc(2, usage="2")


def test_lists_say_when_they_were_made_and_until_when_they_count() -> None:
    """What a list says of its own age reaches the hub, which refuses what goes backwards."""
    austrian, swedish = read(austria()), read(sweden())
    assert (austrian.signed_at, austrian.valid_until) == (NOW - timedelta(hours=1), NOW + timedelta(hours=47))
    assert (swedish.signed_at, swedish.valid_until) == (NOW - timedelta(hours=1), NOW + timedelta(days=2))
    assert read(netherlands()).signed_at == NOW
    assert read(switzerland()).version == 4711
    dated = switzerland(claims={"iat": seconds(NOW), "exp": seconds(NOW + timedelta(days=1))})
    assert (read(dated).signed_at, read(dated).valid_until) == (NOW, NOW + timedelta(days=1))


def test_several_keys_of_one_kid_are_all_taken() -> None:
    """The Dutch list has an array for each KID, and each of its keys counts with its own uses."""
    found = read(netherlands())
    shared = kid_of(dsc(1))
    assert {key.spki for key in found.keys if key.kid == shared} == {key_in(dsc(1)), key_in(dsc(6))}
    assert uses_of(found, dsc(6)) == {frozenset("vr")}


def test_the_swedish_list_can_only_narrow_what_a_certificate_allows() -> None:
    """``eku`` of the list and the usage of the certificate must both allow an event."""
    usage = "1.3.6.1.4.1.1847.2021.1."
    plain, vaccinations = dsc(1), dsc(2, usage="2")
    eku = {b64(kid_of(plain)): [usage + "1", usage + "2"], b64(kid_of(vaccinations)): [usage + "1"]}
    found = read(sweden({"XV": {"eku": eku, "keys": [swedish_entry(plain), swedish_entry(vaccinations)]}}))
    assert uses_of(found, plain) == {frozenset("tv")}
    assert uses_of(found, vaccinations) == {frozenset()}


def test_swiss_letters_say_what_a_key_may_sign() -> None:
    """``sig`` restricts nothing, letters do, and keys for certificates light alone are left out by name."""
    words = {1: "sig", 2: "", 3: "tv", 4: "vl", 5: "l", 6: "x"}
    entries = [swiss_entry(dsc(number), use) for number, use in words.items()]
    found = read(switzerland([entries], active=[each["keyId"] for each in entries]))
    assert [key.uses for key in found.keys] == [None, None, frozenset("tv"), frozenset("v")]
    light, unknown = sorted(found.skipped, key=len)
    assert {light.split(":")[0], unknown.split(":")[0]} == {kid_of(dsc(5)).hex(), kid_of(dsc(6)).hex()}
    assert any("light" in each for each in found.skipped)


def test_swiss_keys_count_while_their_id_is_active() -> None:
    """The pages hold every key that ever was; the list of ids says which are meant."""
    last = swiss_pages()[2][1]["keyId"]
    assert last == b64(kid_of(dsc(7)))
    assert kid_of(dsc(7)) not in {key.kid for key in read(switzerland()).keys}
    withdrawn = switzerland(active=[b64(kid_of(each)) for each in dscs()[1:]])
    assert held(read(withdrawn)) == {(kid_of(each), key_in(each)) for each in dscs()[1:]}


def test_swiss_revoked_identifiers_become_entries() -> None:
    """Each for its country, since Liechtenstein's stand on the Swiss list, and for Switzerland."""
    found = set(read(switzerland()).revoked)
    one, two, three = (entry_digest(each) for page in REVOKED for each in page)
    swiss, other = country_scope("CH"), country_scope("LI")
    wanted = {(swiss, one), (swiss, two), (other, two), (swiss, three)}
    assert found == {(scope, HashKind.UCI, digest) for scope, digest in wanted}


def test_the_swiss_server_is_asked_as_its_app_asks() -> None:
    """Bearer token, signed answers, up to the number of the list of ids, pages from where the last ended."""
    upstream = switzerland(token="public-token")
    upstream.importer.fetch(upstream.source, upstream.get)
    asked = [url.removeprefix("https://ch.example/trust/v2/") for url, _headers in upstream.get.asked]
    updates = "keys/updates?certFormat=ANDROID&upTo=4711"
    assert asked == [
        "keys/list", updates, f"{updates}&since=1", f"{updates}&since=2", "revocationList",
        "revocationList?since=1",
    ]  # fmt: skip
    for _url, headers in upstream.get.asked:
        assert headers == {"Accept": "application/json+jws", "Authorization": "Bearer public-token"}


def test_the_eu_status_list_deletes_what_it_does_not_name() -> None:
    """A certificate that was downloaded once is no key when its KID is no longer valid."""
    assert kid_of(dsc(7)) not in {key.kid for key in read(eu()).keys}
    assert held(read(eu(valid=[kid_of(dsc(1))]))) == {(kid_of(dsc(1)), key_in(dsc(1)))}


def test_a_service_with_other_paths_is_asked_there() -> None:
    """Italy runs the same service under names of its own."""
    upstream = eu()
    options = {"update": "signercertificate/update", "status": "signercertificate/status"}
    asked: list[str] = []

    def get(url: str, headers: Mapping[str, str]) -> Reply:
        asked.append(url)
        return Reply(204, {}, b"") if url.endswith("update") else Reply(200, {}, b"[]")

    upstream.importer.fetch(replace(upstream.source, options=options), get)
    assert asked == [f"https://eu.example/{path}" for path in options.values()]


def test_a_streamed_dutch_signature_is_read() -> None:
    """BER with indefinite lengths is what the service sends; the content stands beside it, and only there."""
    text = json.dumps({"eu_keys": dutch_keys()}).encode()
    beside, inside = (streamed(cms_signed(text, list_signer(), detached=where)) for where in (True, False))
    assert uses_of(read(netherlands(payload=text, signature=beside)), dsc(6)) == {frozenset("vr")}
    with pytest.raises(UpstreamError, match="inside and beside"):
        read(netherlands(payload=text, signature=inside))


# --- What is left out, by name ------------------------------------------------------------------------------


def leaving_out(kind: str, certificate: bytes, **change: Any) -> UpstreamList:
    """A list with one honest entry and one of this certificate, changed. kid: that the entry has."""
    kid = change.get("kid", kid_of(certificate))
    match kind:
        case "de":
            return read(germany([german_entry(dsc(1)), german_entry(certificate, kid=b64(kid))]))
        case "at":
            good = {"i": kid_of(dsc(1)), "c": dsc(1)}
            return read(austria([good, {"i": kid, "c": certificate}]))
        case _:
            bad = {"kid": b64(kid), "x5c": [b64(certificate)]}
            return read(sweden({"XV": {"keys": [swedish_entry(dsc(1)), bad]}}))


@pytest.mark.parametrize("kind", ["de", "at", "se"])
def test_an_entry_under_a_foreign_kid_is_left_out_and_named(kind: str) -> None:
    """Codes find keys by KID; one that is not the certificate's own would stand in another key's place."""
    found = leaving_out(kind, dsc(2), kid=kid_of(dsc(3)))
    assert held(found) == {(kid_of(dsc(1)), key_in(dsc(1)))}
    assert found.skipped == (
        f"{kid_of(dsc(3)).hex()}: the KID is not the certificate's, which is {kid_of(dsc(2)).hex()}",
    )


def short_rsa() -> bytes:
    """OpenSSL makes no such key any more, so the modulus of a good one is cut down in its certificate."""
    from asn1crypto import keys
    from asn1crypto import x509 as lenient

    certificate = lenient.Certificate.load(dsc(3, "2048"))
    info = certificate["tbs_certificate"]["subject_public_key_info"]
    info["public_key"] = keys.RSAPublicKey({"modulus": (1 << 511) + 111, "public_exponent": 65537})
    return certificate.dump(force=True)


UNUSABLE: dict[str, Callable[[], bytes]] = {
    "a curve that is not accepted": lambda: dsc(11, "SECP256K1"),
    "Brainpool": lambda: dsc(12, "BrainpoolP256R1"),
    "RSA with 512 bits": short_rsa,
    "no certificate at all": lambda: b"\x30\x03\x02\x01\x01",
    "a certificate cut short": lambda: dsc(2)[:-20],
}


@pytest.mark.parametrize("kind", ["de", "at", "se"])
@pytest.mark.parametrize("certificate", list(UNUSABLE))
def test_an_entry_that_no_verifier_could_use_is_left_out_and_named(kind: str, certificate: str) -> None:
    """One broken entry of a member state does not keep the others from their keys."""
    der = UNUSABLE[certificate]()
    found = leaving_out(kind, der)
    assert held(found) == {(kid_of(dsc(1)), key_in(dsc(1)))}
    assert [each.split(":")[0] for each in found.skipped] == [kid_of(der).hex()]


def test_keys_of_authorities_on_the_german_list_sign_no_certificates() -> None:
    """The gateway's form has other kinds of certificates too; only a DSC is a key."""
    found = read(germany([german_entry(dsc(1)), german_entry(dsc(2), certificateType="CSCA")]))
    assert held(found) == {(kid_of(dsc(1)), key_in(dsc(1)))}
    assert "certificateType" in found.skipped[0]


def test_a_swedish_key_that_is_not_its_certificates_is_left_out() -> None:
    """Two readers of one entry must not see two keys."""
    odd = swedish_entry(dsc(2)) | jwk_of(dsc(4, "SECP384R1"))
    bare = {"kid": b64(kid_of(dsc(3))), "kty": "EC"}
    found = read(sweden({"XV": {"keys": [swedish_entry(dsc(1)), odd, bare]}}))
    assert held(found) == {(kid_of(dsc(1)), key_in(dsc(1)))}
    assert [each.partition(": ")[2] for each in found.skipped] == [
        "its key is not the certificate's", "no certificate (x5c)",
    ]  # fmt: skip


def test_bare_keys_that_cannot_be_used_are_left_out() -> None:
    """Points off the curve or of low order, unknown letters and algorithms, in lists without certificates."""
    good = dutch_keys()
    spki = key_in(dsc(1))
    off_curve = spki[:-1] + bytes([spki[-1] ^ 1])
    low_order = bytes.fromhex("302a300506032b6570032100") + bytes(32)  # Ed25519; anything verifies under it
    bad = {
        "AAAAAAAAAAA=": [{"subjectPk": b64(off_curve)}, {"subjectPk": b64(spki), "keyUsage": ["v", "?"]}],
        "AAAAAAAAAAE=": [{"subjectPk": b64(low_order)}],
    }
    found = read(netherlands(good | bad))
    assert held(found) == netherlands().keys
    assert len(found.skipped) == 3
    entries = [
        swiss_entry(dsc(1)),
        swiss_entry(dsc(2)) | {"y": swiss_entry(dsc(3, "SECP256R1"))["y"]},
        swiss_entry(dsc(5)) | {"alg": "ES512"},
    ]
    swiss = read(switzerland([entries], active=[each["keyId"] for each in entries]))
    assert held(swiss) == {(kid_of(dsc(1)), key_in(dsc(1)))}
    assert len(swiss.skipped) == 2


# --- Refusals that all kinds share --------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_empty_or_oversized_file_is_refused(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list is whole or it is none."""
    upstream = MAKERS[kind]()
    for name in upstream.raw:
        others = {each: data for each, data in upstream.raw.items() if each != name}
        for raw in (others, others | {name: b""}):
            with pytest.raises(UpstreamError):
                read(upstream, raw=raw)
    with pytest.raises(UpstreamError):
        read(upstream, raw={})
    monkeypatch.setattr(lists, "MAX_RAW", min(map(len, upstream.raw.values())) - 1)
    with pytest.raises(UpstreamError, match="at most"):
        read(upstream)


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_cut_short_is_refused(kind: str) -> None:
    """Wherever the line broke."""
    upstream = MAKERS[kind]()
    for name, data in upstream.raw.items():
        for length in range(1, len(data) - 1, max(1, len(data) // 50)):
            with pytest.raises(UpstreamError):
                read(upstream, raw=dict(upstream.raw) | {name: data[:length]})


@pytest.mark.parametrize("kind", SIGNED)
def test_a_source_without_its_pin_is_refused(kind: str) -> None:
    """A list that could not be proven is not read, whatever it says."""
    upstream = MAKERS[kind]()
    role = min(upstream.importer.pins)  # by which it is proven, before a name is asked
    for pin in (None, b"", b"neither PEM nor DER"):
        pins = {each: value for each, value in upstream.source.pins.items() if each != role}
        pins |= {} if pin is None else {role: pin}
        with pytest.raises(UpstreamError, match=role):
            upstream.importer.read(upstream.raw, replace(upstream.source, pins=pins), NOW)


@pytest.mark.parametrize("kind", SIGNED)
def test_a_list_by_somebody_else_is_refused(kind: str) -> None:
    """An honest list of another publisher of the same kind, under the pin that we have."""
    thief = certify("lists.example", private_key("SECP256R1", "thief"))
    forged: dict[str, Callable[[], Upstream]] = {
        "de": lambda: germany(key=private_key("SECP256R1", "thief")),
        "at": lambda: austria(signer=thief),
        "se": lambda: sweden(signer=thief),
        "nl": lambda: netherlands(signer=list_signer(label="other")),
        "ch": lambda: switzerland(signer=list_signer(label="other")),
    }
    with pytest.raises(UpstreamError, match=r"does not hold|another certificate|pinned root"):
        read(forged[kind]())


@pytest.mark.parametrize("kind", SIGNED)
def test_the_right_list_under_a_wrong_pin_is_refused(kind: str) -> None:
    """The operator's mistake is told apart from a list, and gives no key."""
    other = certify("another", private_key("SECP256R1", "another"))
    pin = pem_of(other.key) if kind == "de" else other.certificate
    if kind in ("nl", "ch"):
        pin = root("other").certificate
    with pytest.raises(UpstreamError, match=r"does not hold|another certificate|pinned root"):
        read(MAKERS[kind](pin=pin))


@pytest.mark.parametrize("kind", ["at", "se", "nl", "ch"])
def test_an_expired_signer_is_refused(kind: str) -> None:
    """A certificate has a period, and the clock of the hub decides."""
    over = NOW - timedelta(days=1)
    pinned: dict[str, Signer] = {
        "at": austrian_signer(until=over), "se": certify("se", private_key("SECP256R1", "se"), until=over),
    }  # fmt: skip
    if kind in pinned:
        upstream = MAKERS[kind](signer=pinned[kind], pin=pinned[kind].certificate)
    else:
        upstream = MAKERS[kind](signer=list_signer(until=over))
    with pytest.raises(UpstreamError, match="the signer's certificate is valid from"):
        read(upstream)


@pytest.mark.parametrize("kind", ["nl", "ch"])
def test_another_signer_of_the_same_root_is_refused(kind: str) -> None:
    """A national root vouches for many; without the name that is meant, no list is read."""
    with pytest.raises(UpstreamError, match=r"elsewhere\.example"):
        read(MAKERS[kind](signer=list_signer("elsewhere.example")))
    with pytest.raises(UpstreamError, match="no pin 'signer'"):
        read(MAKERS[kind](name=""))


@pytest.mark.parametrize("kind", ["de", "at", "eu"])
def test_a_replaced_certificate_is_refused(kind: str) -> None:
    """A key of ours in the place of theirs, with the KID that fits it: signature or status list say no."""
    upstream, thief = MAKERS[kind](), dsc(99)
    changes = {each(dsc(1)): each(thief) for each in (bytes, kid_of, in_base64, kid_in_base64)}
    changed = dict(upstream.raw)
    for name in {"de": ["dsc-list"], "at": ["content"], "eu": ["updates"]}[kind]:
        for theirs, ours in changes.items():
            changed[name] = changed[name].replace(theirs, ours)
    assert changed != dict(upstream.raw)
    with pytest.raises(
        UpstreamError, match=r"does not hold|not the one that was signed|without a certificate"
    ):
        read(upstream, raw=changed)


def in_base64(certificate: bytes) -> bytes:
    return b64(certificate).encode()


def kid_in_base64(certificate: bytes) -> bytes:
    return b64(kid_of(certificate)).encode()


def test_another_content_under_an_honest_signature_is_refused() -> None:
    """The signed part of a list of ours, with theirs round it."""
    thief = dsc(99)
    swiss = switzerland([[swiss_entry(thief)]], active=[swiss_entry(thief)["keyId"]])
    for honest, other in (
        (sweden(), sweden({"XV": {"keys": [swedish_entry(thief)]}})),
        (netherlands(), netherlands({b64(kid_of(thief)): [{"subjectPk": b64(key_in(thief))}]})),
        (switzerland([swiss_pages()[0]], active=[swiss_entry(dsc(1))["keyId"]]), swiss),
    ):
        for name in (each for each in honest.raw if not each.startswith("revocations")):
            changed = dict(honest.raw) | {name: under(honest.raw[name], other.raw[name])}
            with pytest.raises(UpstreamError, match=r"does not hold|not the one that was signed"):
                read(honest, raw=changed)


def under(honest: bytes, other: bytes) -> bytes:
    """The content of the other under the signature of the honest one."""
    if honest[:1] == b"{":
        return json.dumps(json.loads(honest) | {"payload": json.loads(other)["payload"]}).encode()
    head, _body, signature = honest.split(b".")
    return b".".join((head, other.split(b".")[1], signature))


def test_a_member_that_stands_twice_is_refused_even_when_signed() -> None:
    """Two readers would see two lists; a publisher that signs such a text has a fault that must be found."""
    entries = json.dumps([german_entry(dsc(1))]).encode()
    keys, pages = json.dumps(dutch_keys()).encode(), json.dumps(swiss_pages()[0]).encode()
    countries = json.dumps({"XV": {"keys": [swedish_entry(dsc(1))]}}).encode()
    times = b'"iat": %d, "exp": %d' % (seconds(NOW), seconds(NOW + timedelta(days=1)))
    honest_eu = eu()
    doubled = honest_eu.raw["updates"].replace(b'"token": 10', b'"token": 10, "token": 10')
    cases: list[tuple[Upstream, Mapping[str, bytes]]] = []
    for upstream in (
        germany(document=b'{"certificates": [], "certificates": %s}' % entries),
        sweden(payload=b'{%s, "dsc_trust_list": {}, "dsc_trust_list": %s}' % (times, countries)),
        netherlands(payload=b'{"eu_keys": {}, "eu_keys": %s}' % keys),
        switzerland(active_token=jws(b'{"activeKeyIds": [], "activeKeyIds": %s}' % pages, list_signer())),
    ):
        cases.append((upstream, upstream.raw))
    cases.append((honest_eu, dict(honest_eu.raw) | {"updates": doubled}))
    for upstream, raw in cases:
        with pytest.raises(UpstreamError, match="twice"):
            read(upstream, raw=raw)


EMPTY: dict[str, Callable[[], Upstream]] = {
    "de": lambda: germany([]),
    "at": lambda: austria([]),
    "se": lambda: sweden({"XV": {"keys": []}}),
    "nl": lambda: netherlands({}),
    "ch": lambda: switzerland([[]], active=[]),
    "eu": lambda: eu([], valid=[]),
    "de, none usable": lambda: germany([german_entry(dsc(11, "SECP256K1"))]),
    "eu, none valid": lambda: eu(valid=[]),
}


@pytest.mark.parametrize("case", list(EMPTY))
def test_a_list_without_a_key_is_no_list(case: str) -> None:
    """However well signed: an empty one would take every key away."""
    with pytest.raises(UpstreamError, match="no key in it"):
        read(EMPTY[case]())


def test_more_keys_of_one_kid_than_a_look_up_tries_are_refused() -> None:
    """Who may fill one KID without end could make each verification slow."""
    keys = [{"subjectPk": b64(key_in(dsc(number)))} for number in range(20, 37)]
    with pytest.raises(UpstreamError, match="17 keys"):
        read(netherlands({"AAAAAAAAAAA=": keys}))


OTHER_FORM: dict[str, Callable[[], Upstream]] = {
    "de: no object": lambda: germany(document=b"[]"),
    "de: no list": lambda: germany(document=b'{"certificates": {}}'),
    "de: no entry": lambda: germany(document=b'{"certificates": ["x"]}'),
    "de: no KID": lambda: germany([german_entry(dsc(1), kid=None)]),
    "de: an empty KID": lambda: germany([german_entry(dsc(1), kid="")]),
    "de: a KID of a page": lambda: germany([german_entry(dsc(1), kid="A" * 400)]),
    "de: rawData not Base64": lambda: germany([german_entry(dsc(1), rawData="?")]),
    "de: nested without end": lambda: germany(document=b"[" * 5000 + b"]" * 5000),
    "de: not JSON": lambda: germany(document=b"{"),
    "at: no map": lambda: austria(content=b"\x80"),
    "at: no c": lambda: austria(content=b"\xa0"),
    "at: c no list": lambda: austria(content=b"\xa1\x61c\xa0"),
    "at: bytes behind": lambda: austria(content=austria().raw["content"] + b"\x00"),
    "at: a text as KID": lambda: austria(content=cbor2.dumps({"c": [{"i": "x", "c": dsc(1)}]})),
    "at: not CBOR": lambda: austria(content=b"\xff"),
    "se: no countries": lambda: sweden(claims={"dsc_trust_list": []}),
    "se: no keys": lambda: sweden({"XV": {}}),
    "se: no times": lambda: sweden(claims={"iat": None}),
    "se: times as texts": lambda: sweden(claims={"exp": "tomorrow"}),
    "se: a time beyond the calendar": lambda: sweden(claims={"exp": 2**52}),
    "nl: no eu_keys": lambda: netherlands(payload=b'{"nl_keys": {}}'),
    "nl: keys no list": lambda: netherlands({"AAAAAAAAAAA=": {}}),
    "nl: payload no object": lambda: netherlands(payload=b"1"),
    "ch: no ids": lambda: switzerland(claims={"activeKeyIds": None}),
    "ch: ids no texts": lambda: switzerland(active=[1]),
    "eu: status no list": lambda: eu(status=b"{}"),
    "eu: status no KIDs": lambda: eu(status=b"[1]"),
}


@pytest.mark.parametrize("case", list(OTHER_FORM))
def test_a_list_of_another_form_is_refused_whole(case: str) -> None:
    """Proven or not, what is not understood is not guessed at."""
    with pytest.raises(UpstreamError) as refusal:
        read(OTHER_FORM[case]())
    assert "no key in it" not in str(refusal.value)


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_of_the_server_spoils_the_whole_fetch(kind: str) -> None:
    """Also in the middle of many requests: half a list would take the other half's keys away."""
    upstream = MAKERS[kind]()
    count = 0

    def counting(url: str, headers: Mapping[str, str]) -> Reply:
        nonlocal count
        count += 1
        return upstream.get(url, headers)

    upstream.importer.fetch(upstream.source, counting)
    for broken in range(1, count + 1):
        asked = 0
        fresh = MAKERS[kind]()

        def failing(url: str, headers: Mapping[str, str], at: int = broken, fresh: Upstream = fresh) -> Reply:
            nonlocal asked
            asked += 1
            return Reply(503, {}, b"") if asked == at else fresh.get(url, headers)

        with pytest.raises(UpstreamError, match="503"):
            fresh.importer.fetch(fresh.source, failing)


# --- Refusals of each kind ----------------------------------------------------------------------------------


def test_the_german_signature_covers_every_byte_below_its_line() -> None:
    """A blank at the end is another list; so is a line break of another system."""
    upstream = germany()
    data = upstream.raw["dsc-list"]
    for changed in (
        data + b" ",
        data + b"\n",
        data.replace(b"\n", b"\r\n", 1),
        data.replace(b"\n", b"\n\n", 1),
    ):
        with pytest.raises(UpstreamError):
            read(upstream, raw={"dsc-list": changed})
    with pytest.raises(UpstreamError, match="no line break"):
        read(upstream, raw={"dsc-list": data.partition(b"\n")[0]})
    for line in (b"", b"AAAA", b64(bytes(64)).encode(), b64(b"\x30\x44" + bytes(68)).encode(), b"\xff" * 88):
        with pytest.raises(UpstreamError, match=r"does not hold|Base64"):
            read(germany(line=line))


def test_a_german_pin_on_another_curve_is_refused() -> None:
    """The list is signed on P-256; a pin of another kind is a mistake that is told."""
    for kind, words in (("SECP384R1", "not on P-256"), ("2048", "not on P-256"), ("SECP256K1", "secp256k1")):
        with pytest.raises(UpstreamError, match=words):
            read(germany(pin=pem_of(private_key(kind, "pin"))))


BAD_AUSTRIAN: dict[str, tuple[dict[str, Any], str]] = {
    "over since ten minutes": ({"end": NOW - timedelta(minutes=10)}, "it is over"),
    "of a week ago": ({"begin": NOW - timedelta(days=9), "end": NOW - timedelta(days=7)}, "it is over"),
    "from in ten minutes": ({"begin": NOW + timedelta(minutes=10)}, "still to come"),
    "of version 1": ({"version": 1}, "version 2"),
    "of no version": ({"version": None}, "version 2"),
    "of version 2 as a fraction": ({"version": 2.0}, "version 2"),
    "an older content": ({"hashed": b"newer"}, "not the one that was signed"),
    "the KID of another certificate": ({"kid": b"another!"}, "another certificate"),
    "PS256 for an EC key": ({"alg": -37}, "cannot be verified"),
    "ES512 for what ES256 signed": ({"alg": -36}, "does not hold"),
    "an unknown algorithm": ({"alg": -47}, "cannot be verified"),
}


@pytest.mark.parametrize("fault", list(BAD_AUSTRIAN))
def test_an_austrian_list_with_a_fault_is_refused(fault: str) -> None:
    """Times, version, hash and algorithm of the signature, each by its name."""
    change, words = BAD_AUSTRIAN[fault]
    with pytest.raises(UpstreamError, match=words):
        read(austria(**change))


def test_five_minutes_between_their_clock_and_ours_are_allowed() -> None:
    """As the publisher's own library does."""
    assert read(austria(begin=NOW + timedelta(seconds=299))).keys
    assert read(austria(end=NOW - timedelta(seconds=299))).keys


def test_the_austrian_content_may_say_its_lengths_or_not() -> None:
    """The library of the publisher writes indefinite lengths; others write definite ones."""
    assert held(read(austria(indefinite=True))) == held(read(austria(indefinite=False)))


def test_a_swedish_list_that_is_over_or_to_come_is_refused() -> None:
    """``exp`` and ``iat`` of its claims."""
    with pytest.raises(UpstreamError, match="it is over"):
        read(sweden(claims={"exp": seconds(NOW - timedelta(days=1))}))
    with pytest.raises(UpstreamError, match="still to come"):
        read(sweden(claims={"iat": seconds(NOW + timedelta(days=1))}))


def test_a_swedish_list_of_another_issuer_is_refused_if_one_is_configured() -> None:
    """``iss`` is asked when the operator has written it down."""
    assert read(sweden(options={"issuer": "XV-DIGG"})).keys
    with pytest.raises(UpstreamError, match="another issuer"):
        read(sweden(options={"issuer": "XW-DIGG"}))


def test_a_dutch_list_from_the_future_is_refused() -> None:
    """The signing time stands under the signature."""
    with pytest.raises(UpstreamError, match="still to come"):
        read(netherlands(when=NOW + timedelta(days=1)))


def test_swiss_pages_that_run_in_a_circle_are_refused() -> None:
    """A server, or somebody before it, must not keep the hub asking without end."""
    for circle in (1, 2, 3):
        upstream = switzerland(circle=circle)
        with pytest.raises(UpstreamError, match="circle"):
            upstream.importer.fetch(upstream.source, upstream.get)
        assert len(upstream.get.asked) <= circle + 2


def test_endless_swiss_pages_are_refused() -> None:
    """Pages that go on for ever without a circle meet a cap."""
    upstream = switzerland()
    asked = 0

    def endless(url: str, headers: Mapping[str, str]) -> Reply:
        nonlocal asked
        asked += 1
        return Reply(200, {"x-next-since": str(asked)}, b"x")

    with pytest.raises(UpstreamError, match="more than 99 pages"):
        upstream.importer.fetch(upstream.source, endless)
    assert asked == 100


def test_a_swiss_page_that_is_missing_or_stands_twice_is_refused() -> None:
    """An active id without a key, a gap in the archive, or one page in the place of another."""
    with pytest.raises(UpstreamError, match="active keys are on no page"):
        read(switzerland(swiss_pages()[:2]))
    upstream = switzerland()
    for name in ("keys-updates", "revocations"):
        first, second = (
            each for each in upstream.raw if each.startswith(f"{name}-") and each[len(name) + 1] in "12"
        )
        with pytest.raises(UpstreamError, match="twice"):
            read(upstream, raw=dict(upstream.raw) | {first: upstream.raw[second]})
        mixed = dict(upstream.raw) | {f"{name}-1-of-1": upstream.raw[first]}
        with pytest.raises(UpstreamError, match="of two lists"):
            read(upstream, raw=mixed)


def test_a_swiss_answer_that_is_over_is_refused() -> None:
    """Where an answer says ``exp``, it counts."""
    with pytest.raises(UpstreamError, match="it is over"):
        read(switzerland(claims={"exp": seconds(NOW - timedelta(days=1))}))


def test_a_kid_that_is_not_its_certificates_spoils_the_eu_list() -> None:
    """The service computes KIDs itself; one that is wrong says that something answers in its place."""
    kids = [kid_of(each) for each in [*dscs(), dsc(7)]]
    for place in range(len(kids)):
        wrong = [*kids[:place], kid_of(dsc(98)), *kids[place + 1 :]]
        upstream = eu(kids=wrong)
        with pytest.raises(UpstreamError, match="the whole list is refused"):
            read(upstream, raw=upstream.importer.fetch(upstream.source, upstream.get))


def test_a_valid_kid_without_a_certificate_spoils_the_eu_list() -> None:
    """The download is not whole; half of it would take keys away."""
    with pytest.raises(UpstreamError, match="came without a certificate"):
        read(eu([dsc(1)], valid=[kid_of(dsc(1)), kid_of(dsc(2))]))


@pytest.mark.parametrize("tokens", [[10, 20, 20], [10, 20, 15], [10, 20, 10]])
def test_resume_tokens_that_do_not_grow_are_a_circle(tokens: list[int]) -> None:
    """Fetching ends at the first token that is not beyond the last one; reading finds the same."""
    certificates = [dsc(1), dsc(2), dsc(5)]
    upstream = eu(certificates, tokens=tokens, valid=[kid_of(dsc(1))])
    with pytest.raises(UpstreamError, match="circle"):
        upstream.importer.fetch(upstream.source, upstream.get)
    with pytest.raises(UpstreamError, match="circle"):
        read(upstream)


@pytest.mark.parametrize("token", ["", "-1", "1e3", "٣", "9" * 40, "first"])
def test_a_resume_token_that_is_no_number_is_refused(token: str) -> None:
    """Headers are hostile bytes too."""
    upstream = eu()

    def get(url: str, headers: Mapping[str, str]) -> Reply:
        return Reply(200, {"x-resume-token": token, "x-kid": b64(kid_of(dsc(1)))}, b64(dsc(1)).encode())

    with pytest.raises(UpstreamError, match="does not grow"):
        upstream.importer.fetch(upstream.source, get)


def test_an_endless_eu_list_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tokens that grow for ever meet a cap, and so does a single huge answer."""
    from trustsync.hub.importers import eu as importer

    monkeypatch.setattr(importer, "MAX_ENTRIES", 50)
    upstream = eu()
    asked = 0

    def endless(url: str, headers: Mapping[str, str]) -> Reply:
        nonlocal asked
        asked += 1
        return Reply(200, {"x-resume-token": str(asked), "x-kid": "AAAA"}, b"AAAA")

    with pytest.raises(UpstreamError, match="more than a list"):
        upstream.importer.fetch(upstream.source, endless)
    assert asked == 51
    huge = Reply(200, {"x-resume-token": "1", "x-kid": "AAAA"}, b"A" * 100_000)
    with pytest.raises(UpstreamError, match="more than a list"):
        upstream.importer.fetch(upstream.source, lambda url, headers: huge)


# --- Mutations ----------------------------------------------------------------------------------------------

MUTATIONS = 1000
# At most so many of a thousand changes may leave the list as it was, because they touch what nothing signs:
# de, at, se: the bits that the last character of a signature's Base64 has to spare;
# nl: blanks and order of the wrapping's JSON, and fields of the CMS that only help to find the signer;
# ch: two pages in each other's place, which is another order of the same keys, and spare bits as above.
HARMLESS = {"de": 5, "at": 5, "se": 5, "nl": 30, "ch": 40}


@pytest.mark.parametrize("kind", SIGNED)
def test_a_thousand_mutations_fail_closed(kind: str) -> None:
    """Each changed list is refused, or gives exactly what the honest one gives, by its own account as old."""
    upstream = MAKERS[kind]()
    honest = read(upstream)
    said = (honest.version, honest.signed_at, honest.valid_until)
    refused = same = 0
    for seed in range(MUTATIONS):
        try:
            found = read(upstream, raw=mutated(upstream.raw, seed))
        except UpstreamError:
            refused += 1
            continue
        assert frozenset(found.keys) == frozenset(honest.keys), seed
        assert frozenset(found.revoked) == frozenset(honest.revoked), seed
        assert (found.version, found.signed_at, found.valid_until) == said, seed
        same += 1
    assert refused + same == MUTATIONS
    assert same <= HARMLESS[kind]


def test_a_thousand_mutations_of_what_only_tls_vouches_for_make_no_foreign_kid() -> None:
    """Nothing signs the EU's answers, so a change may pass: fewer keys, never one under a KID not its own.

    That is why such a list is TLS, which the hub does not believe without a second source or a person.
    """
    upstream = eu()
    honest = frozenset(read(upstream).keys)
    outcomes = {"refused": 0, "same": 0, "fewer": 0}
    for seed in range(MUTATIONS):
        try:
            found = read(upstream, raw=mutated(upstream.raw, seed))
        except UpstreamError:
            outcomes["refused"] += 1
            continue
        assert found.authentication is Authentication.TLS
        for key in found.keys:
            assert key.certificate is not None
            assert key.kid == kid_of(key.certificate), seed
            assert key.kid in {kid_of(each) for each in [*dscs(), dsc(7)]}, seed
        outcomes["same" if frozenset(found.keys) == honest else "fewer"] += 1
    assert sum(outcomes.values()) == MUTATIONS
    assert outcomes["refused"] > MUTATIONS * 0.8


# --- Published lists ----------------------------------------------------------------------------------------


def published(vectors: Path, name: str) -> tuple[bytes, bytes]:
    """A list of the vectors and the public key that stands beside it."""
    for line in (vectors / "trustlists.jsonl").read_text().splitlines():
        case = json.loads(line)
        if case["id"] == f"trustlists/{name}":
            return (vectors / case["file"]).read_bytes(), case["pubkey_pem"].encode()
    pytest.skip(f"the vectors hold no list {name!r}")


def german(data: bytes, pin: bytes) -> UpstreamList:
    return GermanList().read({"dsc-list": data}, source("de", "https://de.example/", key=pin), NOW)


@pytest.mark.vectors
@pytest.mark.filterwarnings("ignore:Parsed a serial number")
def test_the_published_acceptance_list_is_imported(vectors: Path) -> None:
    """610 keys, none left out; six of their certificates are refused by the strict reader and still count."""
    found = german(*published(vectors, "covpass-acc"))
    assert len(found.keys) == len({key.kid for key in found.keys}) == 610
    assert found.skipped == ()
    assert sum(key.lenient for key in found.keys) == 6


@pytest.mark.vectors
def test_the_published_list_with_a_wrong_signature_is_refused(vectors: Path) -> None:
    """By the key that stands beside it, which is on a foreign curve, and by the acceptance key."""
    data, pin = published(vectors, "covpass-test")
    with pytest.raises(UpstreamError, match="secp256k1"):
        german(data, pin)
    _acceptance, other = published(vectors, "covpass-acc")
    with pytest.raises(UpstreamError, match="does not hold"):
        german(data, other)


@pytest.mark.vectors
@pytest.mark.filterwarnings("ignore:Parsed a serial number")
def test_no_bit_of_the_published_list_may_change(vectors: Path) -> None:
    """One bit anywhere, and the whole list is refused."""
    data, pin = published(vectors, "covpass-acc")
    for place in range(0, len(data), len(data) // 97):
        changed = bytearray(data)
        changed[place] ^= 1
        with pytest.raises(UpstreamError):
            german(bytes(changed), pin)
