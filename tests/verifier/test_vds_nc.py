"""ICAO VDS-NC: the seal and what it says. Who vouches for its signer: ``test_chain.py``."""

from __future__ import annotations

import contextlib
import json
from datetime import date, datetime
from typing import Any

import pytest
from csca import Csca, dose, holder, lab_result, vaccinated, vaccine
from hypothesis import given, settings
from hypothesis import strategies as st

from verifier import certificate, chain, vocabulary
from verifier.certificate import NOT_DETECTED, Family, Vaccination
from verifier.keys import ES256, ES384, ES512, kid_of, load_spki
from verifier.reasons import Reason
from verifier.wire import vds_nc
from verifier.wire.envelope import Claims
from verifier.wire.errors import MalformedError


def read(data: dict[str, Any]) -> Any:
    return vds_nc.read_vds_nc(Claims(Family.VDS_NC, data, data))


def sealed(data: Any, **sig: Any) -> str:
    """A seal's text with members of ``sig`` set, or left out when ``None``."""
    whole = {"alg": "ES256", "cer": "AAAA", "sigvl": "AAAA"} | sig
    return json.dumps({"data": data, "sig": {k: v for k, v in whole.items() if v is not None}})


def refusal(call: Any, *arguments: Any) -> MalformedError:
    with pytest.raises(MalformedError) as caught:
        call(*arguments)
    return caught.value


@pytest.mark.parametrize("alg", ["ES256", "ES384", "ES512"])
def test_a_seal_that_we_make_opens_verifies_and_says_what_was_sealed(alg: str) -> None:
    """Encoding and opening are inverse; the signature covers the canonical form of ``data`` alone."""
    signer = Csca().signer(alg)
    envelope = vds_nc.open_vds_nc(signer.seal(vaccinated()))
    key = load_spki(chain.signer_of(envelope.certificate or b"").key.spki)
    assert envelope.alg in (ES256, ES384, ES512)
    assert key.verify(envelope.alg, envelope.signature, envelope.to_be_signed)
    assert not key.verify(envelope.alg, envelope.signature, envelope.to_be_signed + b" ")
    assert envelope.kid == kid_of(signer.certificate)
    assert envelope.to_be_signed == envelope.payload
    claims = vds_nc.decode_vds_nc(envelope)
    assert claims.document == claims.whole == vaccinated()
    assert (claims.family, claims.issuer, claims.issued_at, claims.expires_at) == (
        Family.VDS_NC, "XV", None, None,
    )  # fmt: skip


def test_what_is_signed_does_not_depend_on_how_the_text_is_written() -> None:
    """Blanks, the order of members and padding change nothing; an unknown member is signed like others."""
    signer = Csca().signer()
    text = signer.seal(vaccinated() | {"new": {"b": 1, "a": [1.0, "é"]}})
    plain = vds_nc.open_vds_nc(text)
    root = json.loads(text)
    root["sig"]["sigvl"] += "=" * (-len(root["sig"]["sigvl"]) % 4)
    turned = {"sig": root["sig"], "data": dict(reversed(root["data"].items()))}
    other = vds_nc.open_vds_nc("\n" + json.dumps(turned, indent=4) + "\n")
    assert (other.to_be_signed, other.signature) == (plain.to_be_signed, plain.signature)
    assert '"new":{"a":[1,"é"],"b":1}'.encode() in plain.to_be_signed
    turned["data"]["new"]["b"] = 2
    assert vds_nc.open_vds_nc(json.dumps(turned)).to_be_signed != plain.to_be_signed


def test_the_canonical_form_is_that_of_rfc_8785() -> None:
    """Members by UTF-16 code units, numbers as ECMAScript writes them, the shortest escapes."""
    data = {
        "\ufb33": 1, "\U0001f600": 2, "\u20ac": 3, "\r": 4, "1": 5, "\u0080": 6, "\u00f6": 7,
        "n": [333333333.33333329, 1e30, 4.50, 2e-3, 1e-27, 1e21, 1e-7, 1.0, -0.0, 1e16, 5e-324],
        "s": "\u20ac$\u000f\nA'B\"\\\"/",
    }  # fmt: skip
    canonical = vds_nc.open_vds_nc(sealed(data)).to_be_signed.decode()
    keys = list(json.loads(canonical))
    assert keys == ["\r", "1", "n", "s", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]
    numbers = "333333333.3333333,1e+30,4.5,0.002,1e-27,1e+21,1e-7,1,0,10000000000000000,5e-324"
    assert f'"n":[{numbers}]' in canonical
    assert '"s":"€$\\u000f\\nA\'B\\"\\\\\\"/"' in canonical


@pytest.mark.parametrize(
    ("text", "layer"),
    [
        ("", "vds-nc"),
        ("[]", "vds-nc"),
        ('"data sig"', "vds-nc"),
        ('{"isThisAVDS": false}', "vds-nc"),
        ('{"data": {}}', "vds-nc"),
        ('{"data": [], "sig": {}}', "vds-nc"),
        ('{"data": {}, "sig": "x"}', "vds-nc"),
        ('{"data": {"a": 1, "a": 1}, "sig": {}}', "vds-nc"),
        ('{"data": {"a": NaN}, "sig": {}}', "vds-nc"),
        ('{"data": {"a": 1e999}, "sig": {}}', "vds-nc"),
        ('{"data": {"a": 9007199254740993}, "sig": {}}', "vds-nc"),
        ('{"data": {"a": "\\ud800"}, "sig": {}}', "vds-nc"),
        ('{"data": {"\\udc00": 1}, "sig": {}}', "vds-nc"),
        (sealed({}, cer="AA+/"), "base64"),
        (sealed({}, cer="AAAAA"), "base64"),
        (sealed({}, cer="AAAA="), "base64"),
        (sealed({}, cer=["AAAA"]), "base64"),
        (sealed({}, sigvl="AA\nAA"), "base64"),
        (sealed({}, sigvl=7), "base64"),
    ],
)
def test_what_is_no_seal_is_malformed_and_its_layer_named(text: str, layer: str) -> None:
    """JSON that two readers could understand differently has no canonical form that one could verify."""
    error = refusal(vds_nc.open_vds_nc, text)
    assert (error.layer, error.reason) == (layer, Reason.MALFORMED)


@pytest.mark.scenario("SC-F08")
def test_too_long_and_too_deep_seals_are_too_big() -> None:
    """Both are refused before anything is decoded."""
    for text in ("{" * 20_000, sealed({"a": "x" * 17_000}), sealed(json.loads("[" * 20 + "]" * 20))):
        assert refusal(vds_nc.open_vds_nc, text).reason is Reason.TOO_BIG


def test_the_header_of_a_seal_names_algorithm_and_signer_or_leaves_them_out() -> None:
    """An algorithm that is not listed is another one, an absent one is none; without a certificate no KID."""
    for name_, number in {"ES256": ES256, "ES384": ES384, "ES512": ES512, "es256": 0, "none": 0}.items():
        assert vds_nc.open_vds_nc(sealed({}, alg=name_)).alg == number
    assert vds_nc.open_vds_nc(sealed({}, alg=["ES256"])).alg == 0
    assert vds_nc.open_vds_nc(sealed({}, alg=None)).alg is None
    for nothing in (None, ""):
        bare = vds_nc.open_vds_nc(sealed({}, cer=nothing, sigvl=nothing))
        assert (bare.kid, bare.certificate, bare.signature) == (None, None, b"")
    # a signature of any length opens: whether it holds is not the container's question
    assert vds_nc.open_vds_nc(sealed({}, sigvl="AA")).signature == b"\0"


# --- What a seal says ---------------------------------------------------------------------------------------


def test_every_dose_of_a_course_becomes_a_vaccination_in_the_common_vocabulary() -> None:
    """A seal holds a whole course; that is no finding."""
    payload = read(
        vaccinated(
            vaccine(dose(seq="1"), dose(dvc="2021-08-20", seq=2.0), nam="AstraZeneca Vaxzevria"),
            vaccine(dose(dvc="2022-01-10", seq=3), des="XM0GQ8", nam="Another"),
        )
    )
    assert payload.findings == ()
    assert payload.version == "1"
    assert [(e.dose, e.doses, e.given) for e in payload.events] == [
        (1, None, date(2021, 7, 18)), (2, None, date(2021, 8, 20)), (3, None, date(2022, 1, 10)),
    ]  # fmt: skip
    first, _, third = payload.events
    assert isinstance(first, Vaccination)
    assert (first.disease, first.product, first.vaccine) == (
        vocabulary.COVID_19, "EU/1/21/1529", vocabulary.ANTIGEN,
    )  # fmt: skip
    assert (first.country, first.issuer, first.identifier) == ("XV", "Clinic 1", "U32870")
    assert (third.product, third.vaccine) == ("Another", vocabulary.MRNA)


def test_the_country_of_a_dose_is_the_alpha_2_code_that_all_families_use() -> None:
    """Seals write alpha-3; a code of no country is passed on."""
    events = read(vaccinated(vaccine(dose(ctr="AUS"), dose(ctr="UTO"), dose(ctr=None)))).events
    assert [event.country for event in events] == ["AU", "UTO", ""]


def test_a_test_seal_becomes_a_test_of_covid_19() -> None:
    """The format names no disease; only seals of COVID-19 tests were ever specified."""
    (event,) = read(lab_result()).events
    assert isinstance(event, certificate.Test)
    assert (event.disease, event.kind, event.result) == (vocabulary.COVID_19, vocabulary.NAAT, NOT_DETECTED)
    assert event.sampled == datetime.fromisoformat("2021-12-12T12:00:00+08:00")
    assert event.sampled_text == "2021-12-12T12:00:00+08:00"
    assert (event.country, event.issuer, event.identifier, event.device) == ("AU", "Clinic 1", "U01932", "")
    antibody = read(lab_result(tr={"tc": "antibody", "r": "odd"})).events[0]
    assert (antibody.kind, antibody.result) == ("antibody", "odd")


@pytest.mark.parametrize(
    ("written", "surname", "given"),
    [
        ("NGUYEN  BAO DUY", "NGUYEN", "BAO DUY"),
        ("  NGUYEN   BAO  DUY ", "NGUYEN", "BAO  DUY"),
        ("NIHON HANAKO", "NIHON HANAKO", ""),
        ("SUKARNO", "SUKARNO", ""),
    ],
)
def test_two_blanks_part_the_surname_from_the_given_names(written: str, surname: str, given: str) -> None:
    """Without them nobody can tell which is which, and nothing is guessed."""
    person = read(vaccinated(pid=holder(n=written))).holder
    assert (person.surname, person.given, person.birth_date) == (surname, given, "1983-10-10")


def test_texts_longer_than_specified_do_not_make_an_authentic_seal_red() -> None:
    """A limit on length protects a printer, not a reader; the text as a whole has one."""
    data = vaccinated(pid=holder(n="A" * 60 + "  " + "B" * 60, dob=None))
    data["msg"]["uvci"] = "U" * 40
    payload = read(data)
    assert (payload.events[0].identifier, payload.holder.birth_date) == ("U" * 40, "")


@pytest.mark.scenario("SC-F05")
@pytest.mark.parametrize(
    "data",
    [
        {},
        vaccinated() | {"hdr": None},
        vaccinated() | {"msg": []},
        vaccinated(t=None),
        vaccinated(vaccine(vd=[])) | {},
        {**vaccinated(), "msg": {"pid": holder(), "ve": []}},
        {**vaccinated(), "msg": {"pid": holder()}},
        {**vaccinated(), "msg": {"pid": holder(), "ve": vaccine()}},
        {**vaccinated(), "msg": {"pid": holder(), "ve": ["x"]}},
        {**vaccinated(), "msg": {"ve": [vaccine()]}},
        vaccinated(pid=holder(n=" ")),
        vaccinated(vaccine(dose(dvc="2021-02-30"))),
        vaccinated(vaccine(dose(dvc="18/07/2021"))),
        vaccinated(vaccine(dose(dvc=20210718))),
        vaccinated(vaccine(dose(seq=0))),
        vaccinated(vaccine(dose(seq=1.5))),
        vaccinated(vaccine(dose(seq=True))),
        vaccinated(vaccine(dose(seq="100"))),
        vaccinated(vaccine(dose(seq="first"))),
        lab_result(dat={"sc": "yesterday"}),
        lab_result(dat="2021-12-12"),
        lab_result(dat=None, tr=None),
    ],
)
def test_what_cannot_be_right_is_malformed(data: dict[str, Any]) -> None:
    """No event, no holder, a date that is none, a dose number that is none."""
    assert refusal(read, data).reason is Reason.MALFORMED


@pytest.mark.scenario("SC-F09")
def test_other_types_and_versions_are_not_read() -> None:
    """They are named as such, so that a person looks; a whole float is the same number."""
    for header in ({"t": "icao.dta"}, {"v": 2}, {"v": 1.5}, {"v": "1"}, {"v": True}, {"v": None}):
        assert refusal(read, vaccinated(**header)).reason is Reason.UNSUPPORTED
    assert read(vaccinated(v=1.0)).version == "1"


def test_more_entries_than_anybody_needs_are_too_big() -> None:
    """Sixteen vaccines with sixteen doses each are enough."""
    for data in (vaccinated(*[vaccine()] * 17), vaccinated(vaccine(*[dose()] * 17))):
        assert refusal(read, data).reason is Reason.TOO_BIG


def test_absent_values_stay_absent() -> None:
    """A rule that needs one will answer unknown; nobody fills it in."""
    event = read(vaccinated({"vd": [{"lot": "A1"}]}, None, {})).events[0]
    assert (event.disease, event.vaccine, event.product, event.dose, event.given) == ("", "", "", None, None)
    event = read(lab_result(sp=None, dat=None)).events[0]
    assert (event.sampled, event.country, event.issuer) == (None, "", "")


def test_no_error_repeats_what_a_seal_says() -> None:
    """A person's data does not get into a log by way of an exception."""
    secret = "Zyxwv"
    for data in (
        vaccinated(pid=secret),
        vaccinated(t=secret),
        vaccinated(vaccine(dose(dvc=secret))),
        vaccinated(vaccine(dose(seq=secret))),
        lab_result(dat={"sc": secret}),
    ):
        assert secret not in str(refusal(read, data))
    for text in (sealed({}, cer=secret + "!"), f'{{"data": {{"{secret}": 1, "{secret}": 2}}, "sig": {{}}}}'):
        assert secret not in str(refusal(vds_nc.open_vds_nc, text))


# --- Laws ---------------------------------------------------------------------------------------------------

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
objects = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=4), json_values, max_size=4
)


@settings(max_examples=150, deadline=None)
@given(st.text() | st.text(alphabet='{}[]":,datsigcerlv10e+-\\u ', max_size=80) | json_values.map(json.dumps))
def test_any_text_opens_or_is_malformed(text: str) -> None:
    """Nothing else comes out of any text."""
    with contextlib.suppress(MalformedError):
        vds_nc.decode_vds_nc(vds_nc.open_vds_nc(text))


@settings(max_examples=150, deadline=None)
@given(objects, st.binary(max_size=70), st.binary(min_size=1, max_size=40))
def test_what_is_encoded_is_opened_again(data: dict[str, Any], signature: bytes, certificate: bytes) -> None:
    """Data, certificate and signature come back, and the signature was made over what is verified."""
    seen: list[bytes] = []

    def sign(message: bytes) -> bytes:
        seen.append(message)
        return signature

    try:
        text = vds_nc.encode_vds_nc(data, certificate=certificate, alg="ES384", sign=sign)
        envelope = vds_nc.open_vds_nc(text)
    except MalformedError:
        # a lone surrogate in a member's name, or nested too deep
        return
    assert vds_nc.decode_vds_nc(envelope).document == data
    assert (envelope.signature, envelope.certificate, envelope.alg) == (signature, certificate, ES384)
    assert seen == [envelope.to_be_signed]


places = st.sampled_from(
    ["hdr", "t", "v", "is", "msg", "pid", "n", "dob", "ve", "vd", "dvc", "seq", "dat", "sc", "tr", "tc", "r"]
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(places, json_values, st.booleans())
def test_any_content_is_read_or_malformed(place: str, value: Any, test: bool) -> None:
    """A holder of a key may seal anything: it is judged, not tripped over."""

    def planted(node: Any) -> Any:
        if isinstance(node, dict):
            return {k: value if k == place else planted(v) for k, v in node.items()}
        return [planted(each) for each in node] if isinstance(node, list) else node

    with contextlib.suppress(MalformedError):
        read(planted(lab_result() if test else vaccinated()))
