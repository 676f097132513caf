"""Scenario rows F, and the rows of other parts that one certificate decides by itself."""

from __future__ import annotations

import json
import zlib
from datetime import timedelta
from typing import Any

import cbor2
import pytest
from desk import NOW, Desk, Signer, dose, instant, lab_result, person, recovery, reopened, vaccination

from verifier.policy.bundle import RuleBundle
from verifier.reasons import Reason, State
from verifier.wire import base45, cose, hc1

PASS, CHECK, FAIL, RESCAN = State.PASS, State.CHECK, State.FAIL, State.RESCAN


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def signer(desk: Desk) -> Signer:
    return desk.signer()


def claims_of(payload: Any, **extra: Any) -> bytes:
    """CWT claims round a payload."""
    times = {4: int(NOW.timestamp()) + 86400, 6: int(NOW.timestamp()) - 86400}
    return cbor2.dumps({1: "XV"} | times | {-260: {1: payload}} | {int(k): v for k, v in extra.items()})


@pytest.mark.scenario("SC-F01")
def test_blanks_round_any_text_are_trimmed(desk: Desk, signer: Signer) -> None:
    """Trailing blanks in any text field: trimmed, PASS."""
    padded = {name: f"{value}  " if isinstance(value, str) else value for name, value in dose().items()}
    head = person(
        dob="1983-10-10 ", nam={"fn": "Nguyễn ", "gn": " Bảo Duy", "fnt": "NGUYEN ", "gnt": "BAO<DUY "}
    )
    text = signer.issue({**head, "v": [padded]}, iss="XV ")
    assert desk.outcome(text) == (PASS, [])
    certificate = desk.judged(text).verdict.certificate
    assert certificate.holder.surname == "Nguyễn"
    assert certificate.holder.birth_date == "1983-10-10"
    assert certificate.events[0].product == "EU/1/20/1528"


@pytest.mark.scenario("SC-F02")
def test_null_means_absent(desk: Desk, signer: Signer) -> None:
    """Null entries: treated as absent."""
    assert desk.outcome(signer.issue(vaccination(ma=None) | {"t": None, "r": None})) == (PASS, [])
    assert desk.outcome(signer.issue({**person(), "v": [None, dose()]})) == (PASS, [])


@pytest.mark.scenario("SC-F03")
@pytest.mark.parametrize(("value", "outcome"), [(2.0, (PASS, [])), (2.5, (FAIL, [Reason.MALFORMED]))])
@pytest.mark.parametrize("member", ["dn", "sd"])
def test_a_dose_number_may_be_written_as_a_whole_float(
    desk: Desk, signer: Signer, member: str, value: float, outcome: tuple[State, list[Reason]]
) -> None:
    """dn, sd as 2.0 accepted; 2.5 MALFORMED."""
    assert desk.outcome(signer.issue(vaccination(**{member: value}))) == outcome


@pytest.mark.scenario("SC-F04")
@pytest.mark.parametrize("payload", [{"v": [dose(dn=1), dose()]}, {"v": [dose()], "r": recovery()["r"]}])
def test_two_events_in_one_certificate_fail(desk: Desk, signer: Signer, payload: dict[str, Any]) -> None:
    """Two doses, or a dose and a recovery: FAIL MULTI_EVENT."""
    assert desk.outcome(signer.issue({**person(), **payload})) == (FAIL, [Reason.MULTI_EVENT])


@pytest.mark.scenario("SC-F05")
@pytest.mark.parametrize("payload", [{}, {"v": []}, {"v": [{}]}, {"v": None, "t": None, "r": None}])
def test_an_empty_certificate_is_malformed(desk: Desk, signer: Signer, payload: dict[str, Any]) -> None:
    """No event: FAIL MALFORMED."""
    assert desk.outcome(signer.issue({**person(), **payload})) == (FAIL, [Reason.MALFORMED])


@pytest.mark.scenario("SC-F06")
def test_another_disease_than_the_rule_sets_is_shown_and_not_judged(desk: Desk, signer: Signer) -> None:
    """Disease other than the rule set's: CHECK DISEASE_OTHER, facts shown, no verdict."""
    desk.bundle = RuleBundle("covid-19", "1.0.0", "signature", NOW, diseases=frozenset({"840539006"}))
    assert desk.outcome(signer.issue(vaccination())) == (PASS, [])
    yellow_fever = signer.issue(vaccination(tg="16541001"))
    assert desk.outcome(yellow_fever) == (CHECK, [Reason.DISEASE_OTHER])
    assert desk.judged(yellow_fever).verdict.certificate.events[0].disease == "16541001"


@pytest.mark.scenario("SC-F07")
@pytest.mark.parametrize("tag", [None, 61])
def test_cose_without_its_tag_is_accepted(desk: Desk, signer: Signer, tag: int | None) -> None:
    """COSE without its tag, or under a CWT tag: accepted."""
    assert desk.outcome(signer.issue(vaccination(), tag=tag)) == (PASS, [])


@pytest.mark.scenario("SC-F07")
def test_unknown_extra_claims_are_ignored(desk: Desk, signer: Signer) -> None:
    """Unknown extra claims: accepted, ignored."""
    text = signer.seal(claims_of(vaccination(extra={"a": [1]}) | {"x": 1}, **{"-70000": "more"}))
    assert desk.outcome(text) == (PASS, [])


@pytest.mark.scenario("SC-F07")
def test_a_body_that_is_not_compressed_is_malformed(desk: Desk, signer: Signer) -> None:
    """HC1 body not compressed: FAIL MALFORMED."""
    _, data = reopened(signer.issue(vaccination()))
    assert desk.outcome("HC1:" + base45.encode(data)) == (FAIL, [Reason.MALFORMED])


def nested(depth: int) -> bytes:
    return b"\x81" * depth + b"\x01"


@pytest.mark.scenario("SC-F08")
@pytest.mark.parametrize(
    "text",
    [
        pytest.param(hc1.PREFIX + base45.encode(zlib.compress(bytes(2_000_000), 9)), id="a bomb"),
        pytest.param(hc1.pack(nested(1000)), id="nested 1000 deep"),
        pytest.param("HC1:" + "A" * 10_000_000, id="10 MB text"),
    ],
)
def test_what_goes_beyond_a_limit_is_too_big(desk: Desk, text: str) -> None:
    """A bomb, deep nesting, 10 MB of text: FAIL TOO_BIG."""
    assert desk.outcome(text) == (FAIL, [Reason.TOO_BIG])


@pytest.mark.scenario("SC-F08")
def test_a_payload_nested_too_deep_is_too_big_after_its_signature_held(desk: Desk, signer: Signer) -> None:
    """Depth is limited inside the payload too."""
    assert desk.outcome(signer.seal(nested(1000))) == (FAIL, [Reason.TOO_BIG])


@pytest.mark.scenario("SC-F09")
def test_a_newer_minor_version_is_judged_on_known_fields(desk: Desk, signer: Signer) -> None:
    """Schema version newer than known: judged on known fields."""
    assert desk.outcome(signer.issue(vaccination(person(ver="1.9.4"), new="field"))) == (PASS, [])


@pytest.mark.scenario("SC-F09")
def test_an_unknown_major_version_is_unsupported(desk: Desk, signer: Signer) -> None:
    """Unknown major: CHECK UNSUPPORTED."""
    assert desk.outcome(signer.issue(vaccination(person(ver="2.0.0")))) == (CHECK, [Reason.UNSUPPORTED])


@pytest.mark.scenario("SC-F09")
@pytest.mark.parametrize(
    "prefix", ["HC2:", "HC9:", "HCA:", "HCZ:", "NL2:", "shlink:/", "vhlink:/", "\xdc\x03"]
)
def test_a_recognised_family_that_is_not_verified_is_unsupported(desk: Desk, prefix: str) -> None:
    """HC2: to HCZ:, and a recognised family that we do not verify: CHECK UNSUPPORTED."""
    assert desk.outcome(prefix + "6BFOXN") == (CHECK, [Reason.UNSUPPORTED])


OTHER_WORLDS = {
    "https://example.invalid/menu": "web link",
    "WIFI:T:WPA;S=hotel;P=secret;;": "Wi-Fi access",
    "M1NGUYEN/BAO DUY MR  EABC123 HANSGNVN 0123 060Y012A0034 100": "boarding pass",
    "00020101021238540010A00000072701240006970": "payment",
    "BEGIN:VCARD\nN:Duy\nEND:VCARD": "contact card",
}


@pytest.mark.scenario("SC-F11")
@pytest.mark.parametrize("text", list(OTHER_WORLDS))
def test_a_code_of_another_world_is_not_red(desk: Desk, text: str) -> None:
    """Boarding pass, web link, Wi-Fi, payment: RESCAN NOT_CERT, with the kind named."""
    assert desk.outcome(text) == (RESCAN, [Reason.NOT_CERT])
    assert desk.detail(text) == OTHER_WORLDS[text]


def test_an_identity_card_code_is_named_as_one(desk: Desk) -> None:
    """The citizen card's bars between fields: RESCAN NOT_CERT, "this is an identity code"."""
    assert desk.outcome("001083012345|012345678|Tên|10101983|Nam|Hà Nội|01012021") == (
        RESCAN,
        [Reason.NOT_CERT],
    )
    assert "identity code" in desk.detail("001083012345|012345678|Tên|10101983|Nam|Hà Nội|01012021")


@pytest.mark.scenario("SC-D02")
@pytest.mark.parametrize("dob", ["", None])
def test_an_empty_birth_date_is_authentic_and_asks_for_a_person(
    desk: Desk, signer: Signer, dob: str | None
) -> None:
    """dob "" or null: CHECK DOB_PARTIAL."""
    assert desk.outcome(signer.issue(vaccination(person(dob=dob)))) == (CHECK, [Reason.DOB_PARTIAL])


@pytest.mark.scenario("SC-D03")
def test_the_date_part_of_a_birth_date_with_a_time_is_used(desk: Desk, signer: Signer) -> None:
    """dob "1983-10-10T00:00:00": date part used."""
    text = signer.issue(vaccination(person(dob="1983-10-10T00:00:00")))
    assert desk.outcome(text) == (PASS, [])
    assert desk.judged(text).verdict.certificate.holder.birth_date == "1983-10-10"


@pytest.mark.scenario("SC-D11")
def test_a_day_that_no_calendar_has_is_malformed(desk: Desk, signer: Signer) -> None:
    """dt "2021-09-99": FAIL MALFORMED, rules are not run."""
    desk.bundle = None  # were the rules run, RULES_MISSING would stand beside it
    assert desk.outcome(signer.issue(vaccination(dt="2021-09-99"))) == (FAIL, [Reason.MALFORMED])


@pytest.mark.scenario("SC-D12")
def test_a_dose_date_with_a_zone_is_not_shifted(desk: Desk, signer: Signer) -> None:
    """dt with a time and zone: the date as written is used."""
    text = signer.issue(vaccination(dt="2021-07-18T00:00:00+02:00"))
    assert desk.outcome(text) == (PASS, [])
    assert desk.judged(text).verdict.certificate.events[0].given.isoformat() == "2021-07-18"


TOMORROW = int(NOW.timestamp()) + 86400
TIMES: dict[str, tuple[dict[int, Any], tuple[State, list[Reason]]]] = {
    "float": ({4: TOMORROW + 0.5}, (PASS, [])),
    "tag 1": ({4: cbor2.CBORTag(1, TOMORROW)}, (PASS, [])),
    "tag 1 round a float": ({4: cbor2.CBORTag(1, TOMORROW + 0.25)}, (PASS, [])),
    "missing": ({4: None}, (CHECK, [Reason.NO_EXPIRY])),
    "NaN": ({4: float("nan")}, (FAIL, [Reason.MALFORMED])),
    "infinite": ({4: float("inf")}, (FAIL, [Reason.MALFORMED])),
    "text": ({4: "2030-01-01"}, (FAIL, [Reason.MALFORMED])),
    "true": ({4: True}, (FAIL, [Reason.MALFORMED])),
    "tag 0": ({4: cbor2.CBORTag(0, "2030-01-01T00:00:00Z")}, (FAIL, [Reason.MALFORMED])),
    "beyond the calendar": ({4: 10**18}, (FAIL, [Reason.MALFORMED])),
}


@pytest.mark.scenario("SC-D15")
@pytest.mark.parametrize("form", list(TIMES))
def test_an_expiry_may_be_a_number_or_a_tagged_number_and_nothing_else(
    desk: Desk, signer: Signer, form: str
) -> None:
    """Float and tag 1 accepted; missing CHECK NO_EXPIRY; NaN or any other type FAIL MALFORMED."""
    change, outcome = TIMES[form]
    claims = {1: "XV", 6: int(NOW.timestamp()) - 86400, **change, -260: {1: vaccination()}}
    assert (
        desk.outcome(signer.seal(cbor2.dumps({k: v for k, v in claims.items() if v is not None}))) == outcome
    )


@pytest.mark.scenario("SC-D17")
@pytest.mark.parametrize(
    ("iat", "exp", "reason"),
    [
        (timedelta(days=-1), timedelta(days=-2), Reason.MALFORMED),
        (timedelta(days=1), timedelta(days=9), Reason.NOT_YET_VALID),
    ],
)
def test_issue_after_expiry_and_issue_in_the_future(
    desk: Desk, signer: Signer, iat, exp, reason: Reason
) -> None:
    """iat later than exp: FAIL MALFORMED; iat in the future by 1 day: FAIL NOT_YET_VALID."""
    text = signer.issue(vaccination(), iat=int((NOW + iat).timestamp()), exp=int((NOW + exp).timestamp()))
    state, reasons = desk.outcome(text)
    assert state is FAIL
    assert reason in reasons


@pytest.mark.parametrize(("minutes", "state"), [(-4, PASS), (-6, FAIL)])
def test_five_minutes_of_skew_are_allowed_at_expiry(
    desk: Desk, signer: Signer, minutes: int, state: State
) -> None:
    """exp with 5 min skew."""
    exp = int((NOW + timedelta(minutes=minutes)).timestamp())
    assert desk.outcome(signer.issue(vaccination(), exp=exp))[0] is state


@pytest.mark.parametrize(("minutes", "state"), [(4, PASS), (6, FAIL)])
def test_five_minutes_of_skew_are_allowed_at_issue(
    desk: Desk, signer: Signer, minutes: int, state: State
) -> None:
    """iat with 5 min skew."""
    iat = int((NOW + timedelta(minutes=minutes)).timestamp())
    assert desk.outcome(signer.issue(vaccination(), iat=iat))[0] is state


@pytest.mark.scenario("SC-V15")
def test_a_dose_in_the_future_fails(desk: Desk, signer: Signer) -> None:
    """dt in the future: FAIL NOT_YET_VALID."""
    assert desk.outcome(signer.issue(vaccination(dt="2022-03-03"))) == (FAIL, [Reason.NOT_YET_VALID])
    assert desk.outcome(signer.issue(vaccination(dt="2022-03-01"))) == (PASS, [])


@pytest.mark.scenario("SC-V17")
@pytest.mark.parametrize("number", [0, -1, 100, 2**70, True, "2"])
def test_a_dose_number_that_cannot_be_is_malformed(desk: Desk, signer: Signer, number: Any) -> None:
    """dn 0, or negative, or 100: FAIL MALFORMED; no crash, no wrap."""
    assert desk.outcome(signer.issue(vaccination(dn=number))) == (FAIL, [Reason.MALFORMED])


@pytest.mark.scenario("SC-T08")
def test_a_positive_result_fails(desk: Desk, signer: Signer) -> None:
    """Result "detected": FAIL TEST_POSITIVE."""
    assert desk.outcome(signer.issue(lab_result(tr="260373001"))) == (FAIL, [Reason.TEST_POSITIVE])
    assert desk.outcome(signer.issue(lab_result())) == (PASS, [])


@pytest.mark.scenario("SC-T09")
@pytest.mark.parametrize("code", ["455371000124106", "", None])
def test_a_result_that_is_neither_is_unknown(desk: Desk, signer: Signer, code: str | None) -> None:
    """Result code neither detected nor not-detected: CHECK VALUE_UNKNOWN."""
    assert desk.outcome(signer.issue(lab_result(tr=code))) == (CHECK, [Reason.VALUE_UNKNOWN])


@pytest.mark.scenario("SC-T14")
@pytest.mark.parametrize(
    ("ahead", "outcome"),
    [(timedelta(minutes=20), (PASS, [])), (timedelta(hours=5), (FAIL, [Reason.TEST_FUTURE]))],
)
def test_a_laboratory_clock_may_be_half_an_hour_ahead(desk: Desk, signer: Signer, ahead, outcome) -> None:
    """Sample 20 min in the future PASS, 5 h in the future FAIL TEST_FUTURE."""
    assert desk.outcome(signer.issue(lab_result(sc=(NOW + ahead).isoformat()))) == outcome


@pytest.mark.scenario("SC-T16")
@pytest.mark.parametrize(
    "text", ["2022-03-01T01:00:00.000Z", "2022-03-01T01:00:00z", "2022-03-01t08:00:00.0+07:00"]
)
def test_fractions_and_a_small_z_are_the_same_instant(desk: Desk, signer: Signer, text: str) -> None:
    """Fractional seconds, and lower-case "z": parsed as the same instant."""
    verdict = desk.judged(signer.issue(lab_result(sc=text))).verdict
    assert verdict.state is PASS
    assert verdict.certificate.events[0].sampled == instant("2022-03-01T01:00:00+00:00")


@pytest.mark.scenario("SC-R05")
def test_a_recovery_past_the_holders_own_date_fails(desk: Desk, signer: Signer) -> None:
    """du passed: FAIL EXPIRED by the holder's own paper."""
    assert desk.outcome(signer.issue(recovery(du="2022-02-20"))) == (FAIL, [Reason.EXPIRED])
    assert desk.outcome(signer.issue(recovery(du="2022-03-01"))) == (PASS, [])


@pytest.mark.scenario("SC-L03")
def test_no_bundle_for_this_route_shows_the_facts_and_asks_for_a_person(desk: Desk, signer: Signer) -> None:
    """No bundle: authentic facts shown, CHECK RULES_MISSING; nothing else breaks."""
    desk.bundle = None
    text = signer.issue(vaccination())
    assert desk.outcome(text) == (CHECK, [Reason.RULES_MISSING])
    assert desk.judged(text).verdict.certificate.holder.surname == "Nguyễn"


@pytest.mark.scenario("SC-L04")
def test_a_bundle_past_its_end_is_not_a_pass_by_default(desk: Desk, signer: Signer) -> None:
    """Bundle expired, no successor: CHECK RULES_EXPIRED."""
    desk.bundle = RuleBundle("old", "1.0.0", "signature", NOW - timedelta(days=90), NOW - timedelta(days=1))
    assert desk.outcome(signer.issue(vaccination())) == (CHECK, [Reason.RULES_EXPIRED])


@pytest.mark.parametrize("key", ["iss", "exp"])
def test_a_claim_map_without_a_certificate_is_malformed(desk: Desk, signer: Signer, key: str) -> None:
    """A signed CWT that holds no hcert claim is no certificate."""
    claims = {"iss": {1: "XV"}, "exp": {4: TOMORROW}}[key]
    assert desk.outcome(signer.seal(cbor2.dumps(claims))) == (FAIL, [Reason.MALFORMED])


def test_a_payload_of_another_kind_is_unsupported(desk: Desk, signer: Signer) -> None:
    """A sub-key that is not the EU DCC's: CHECK UNSUPPORTED."""
    claims = cbor2.dumps({1: "XV", 4: TOMORROW, -260: {5: "vhlink:/x"}})
    assert desk.outcome(signer.seal(claims)) == (CHECK, [Reason.UNSUPPORTED])


def test_all_findings_are_kept_worst_first(desk: Desk) -> None:
    """Expired, of a withdrawn key that may not sign it: all three, in the table's order."""
    signer = desk.signer(uses=frozenset("t"))
    text = signer.issue(vaccination(), exp=int(NOW.timestamp()) - 80000)
    desk.withdraw(signer)
    expected = [Reason.KEY_WITHDRAWN, Reason.KEY_USAGE, Reason.EXPIRED]
    assert desk.outcome(text) == (FAIL, expected)


def test_the_answer_holds_no_claims_unless_they_are_asked_for(desk: Desk, signer: Signer) -> None:
    """Nothing that a certificate says stands in an answer by default."""
    from appliance.cli.answer import answer

    judged = desk.judged(signer.issue(vaccination()))
    silent = json.dumps(answer(judged, identity="1", kind="text"), ensure_ascii=False)
    assert "Nguyễn" not in silent
    assert "TESTS0001" not in silent
    assert answer(judged, identity="1", kind="text", claims=True)["claims"]["nam"]["fn"] == "Nguyễn"


def test_the_kid_may_be_missing_and_is_then_named(desk: Desk, signer: Signer) -> None:
    """No KID in either header: FAIL MALFORMED."""
    envelope, _ = reopened(signer.issue(vaccination()))
    text = hc1.pack(cose.encode_sign1({cose.HEADER_ALG: -7}, {}, envelope.payload, envelope.signature))
    assert desk.outcome(text) == (FAIL, [Reason.MALFORMED])


@pytest.mark.parametrize("version", ["2", "10.1", 2.0, "2." + "0" * 60000])
def test_a_major_version_may_be_written_in_other_ways(desk: Desk, signer: Signer, version: Any) -> None:
    """Without a dot, as a number, or endless: still an unknown major, and found out at once."""
    assert desk.outcome(signer.issue(vaccination(person(ver=version)))) == (CHECK, [Reason.UNSUPPORTED])


@pytest.mark.parametrize("version", ["1", "01.3.0", 1.3, "", None])
def test_an_odd_version_is_read_where_it_can_be(desk: Desk, signer: Signer, version: Any) -> None:
    """A version that is missing or odd is a matter of the schema report, unless its major is another one."""
    assert desk.outcome(signer.issue(vaccination(person(ver=version)))) == (PASS, [])


@pytest.mark.parametrize("exp", [253402300799, 253402300799.5])
def test_an_expiry_at_the_end_of_the_calendar_means_never(desk: Desk, signer: Signer, exp: float) -> None:
    """Issuers write the last second of the year 9999 for "never"; skew must not push it off the calendar."""
    assert desk.outcome(signer.issue(vaccination(), exp=exp)) == (PASS, [])


def test_thousands_of_entries_are_too_big(desk: Desk, signer: Signer) -> None:
    """A list of entries has a limit like everything else."""
    assert desk.outcome(signer.issue({**person(), "v": [{}] * 5000})) == (FAIL, [Reason.TOO_BIG])


@pytest.mark.parametrize("offset", ["+00:00", "+07:00", "-12:00", "+14:00"])
def test_an_instant_is_the_same_in_every_offset(desk: Desk, signer: Signer, offset: str) -> None:
    """A calendar day is the desk's, whatever offset the instant was written with."""
    late = instant("2022-03-01T23:30:00+07:00")
    desk.now = late.astimezone(instant(f"2022-01-01T00:00:00{offset}").tzinfo)
    assert desk.outcome(signer.issue(vaccination(dt="2022-03-01"))) == (PASS, [])
    assert desk.outcome(signer.issue(vaccination(dt="2022-03-02"))) == (FAIL, [Reason.NOT_YET_VALID])
    assert desk.outcome(signer.issue(recovery(du="2022-03-01"))) == (PASS, [])
    assert desk.outcome(signer.issue(recovery(du="2022-02-28"))) == (FAIL, [Reason.EXPIRED])


SAMPLES = {
    "2022-13-01T00:00:00Z": (FAIL, [Reason.MALFORMED]),
    "soon": (FAIL, [Reason.MALFORMED]),
    "2022-03-09T08:00:00": (FAIL, [Reason.TEST_FUTURE]),  # ahead at UTC+14 as at UTC-12
    "2022-03-01T10:00:00": (CHECK, [Reason.TIME_ZONE_UNKNOWN]),  # ahead in the west, over in the east
    "2022-02-27T10:00:00": (PASS, []),
}


@pytest.mark.parametrize("sc", list(SAMPLES))
def test_a_sample_time_that_cannot_be_right_or_has_no_zone_is_not_green_by_itself(
    desk: Desk, signer: Signer, sc: str
) -> None:
    """No such time: MALFORMED. No offset: judged at both ends of the world; a person if they differ."""
    assert desk.outcome(signer.issue(lab_result(sc=sc))) == SAMPLES[sc]


def test_what_the_claims_say_counts_also_when_the_payload_cannot_be_read(desk: Desk) -> None:
    """An expired code of another schema, or with an impossible date, is expired as well."""
    signer = desk.signer(country="FR")
    over = int(NOW.timestamp()) - 9999
    other = signer.issue(vaccination(person(ver="2.0.0")), iss="XV", exp=over)
    assert desk.outcome(other) == (FAIL, [Reason.ISSUER_MISMATCH, Reason.EXPIRED, Reason.UNSUPPORTED])
    broken = signer.issue(vaccination(dt="2021-09-99"), iss="FR", exp=over)
    assert desk.outcome(broken) == (FAIL, [Reason.EXPIRED, Reason.MALFORMED])


def test_a_kid_that_is_no_bytes_in_the_protected_header_is_not_replaced_by_another(
    desk: Desk, signer: Signer
) -> None:
    """The protected header wins, also when what it says cannot be used."""
    payload = reopened(signer.issue(vaccination()))[0].payload
    header = {cose.HEADER_ALG: -7, cose.HEADER_KID: "text"}
    signature = signer.key.sign(cose.sig_structure(cose.encode_protected(header), payload))
    text = hc1.pack(cose.encode_sign1(header, {cose.HEADER_KID: signer.kid}, payload, signature))
    assert desk.outcome(text) == (FAIL, [Reason.MALFORMED])


def test_a_critical_header_outside_the_protected_one_is_refused(desk: Desk, signer: Signer) -> None:
    """RFC 9052: crit stands in the protected header or nowhere."""
    envelope, _ = reopened(signer.issue(vaccination()))
    header = {cose.HEADER_ALG: -7, cose.HEADER_KID: signer.kid}
    text = hc1.pack(cose.encode_sign1(header, {cose.HEADER_CRIT: [9]}, envelope.payload, envelope.signature))
    assert desk.outcome(text) == (FAIL, [Reason.MALFORMED])


def test_not_found_in_revocation_data_with_a_gap_is_no_answer(desk: Desk, signer: Signer) -> None:
    """`revoked` is null, not false, when a part of the list is missing; a hit is a hit."""
    text = signer.issue(vaccination())
    assert desk.judged(text).reading.checks.revoked is False
    desk.revocation.gaps = "a part is missing"
    assert desk.judged(text).reading.checks.revoked is None


def test_not_before_counts_where_there_is_no_issue_time(desk: Desk, signer: Signer) -> None:
    """nbf alone: it has to have come."""
    times = {4: TOMORROW, 5: int(NOW.timestamp()) + 3600}
    text = signer.seal(cbor2.dumps({1: "XV", -260: {1: vaccination()}} | times))
    assert desk.outcome(text) == (FAIL, [Reason.NOT_YET_VALID])
    assert desk.judged(text).reading.checks.time_valid is False
