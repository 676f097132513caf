"""Who is recognised and how old a list may grow: one form each, and nothing that loosens."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from desk import Signer, signing_key, vaccination
from hypothesis import given
from hypothesis import strategies as st
from trust_site import START, Site

from appliance.cli.verify import main as verify
from appliance.judging import Basis, judge
from issuer.keys import Algorithm
from trustsync.canonical import TargetError
from trustsync.declarations import (
    MAX_BYTES,
    MAX_ISSUER,
    MAX_LINES,
    decode_policy,
    decode_recognition,
    encode_policy,
    encode_recognition,
)
from trustsync.errors import Alarm, RefusedError
from trustsync.layout import POLICY_PATH, RECOGNITION_PATH
from trustsync.store import open_store
from trustsync.targets import KeyRecord
from verifier.policy.bundle import SIGNATURE_ONLY
from verifier.reasons import Reason, State
from verifier.recognition import RecognisedIssuer, Recognition, RecognitionClass
from verifier.trust import FRESHNESS, Domain, ListState, TrustedKey

SPRING, SUMMER = datetime(2022, 3, 1, tzinfo=UTC), datetime(2022, 6, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
CARDS = "https://cards.example"
LIST = Recognition(
    (
        RecognisedIssuer("DE", None, RecognitionClass.TEMPORARY, SPRING, SUMMER),
        RecognisedIssuer("FR", None, RecognitionClass.OFFICIAL),
        RecognisedIssuer("FR", None, RecognitionClass.TEMPORARY),
        RecognisedIssuer(None, CARDS, RecognitionClass.NONE, SPRING),
        RecognisedIssuer(None, "https://other.example/cards", RecognitionClass.OFFICIAL),
    )
)


def canonical(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def recognised(*rows: Any, **more: Any) -> bytes:
    """A recognition list of these lines, in canonical form whatever they are."""
    return canonical({"v": 1, "issuers": list(rows)} | more)


def limited(hours: Any, **more: Any) -> bytes:
    """A policy with these limits, in canonical form whatever they are."""
    return canonical({"v": 1, "limits_h": hours} | more)


# --- Who is recognised --------------------------------------------------------------------------------------


def test_a_list_is_what_it_was_and_has_one_form() -> None:
    """Whatever order it is given in, the same bytes; read again, the same list, countries first."""
    data = encode_recognition(LIST)
    assert encode_recognition(Recognition(LIST.issuers[::-1])) == data
    assert decode_recognition(data) == LIST
    assert data.startswith(
        b'{"issuers":[{"class":"temporary","co":"DE","from":"2022-03-01T00:00:00Z",'
        b'"until":"2022-06-01T00:00:00Z"},{"class":"official","co":"FR"},'
    )
    assert (RECOGNITION_PATH, POLICY_PATH) == ("recognition/issuers.json", "rules/policy.json")


def test_an_empty_list_recognises_nobody() -> None:
    """It was said that nobody is; that is another thing than nothing being said."""
    nobody = decode_recognition(recognised())
    assert nobody == Recognition()
    assert nobody.class_of("FR", CARDS, SPRING) is RecognitionClass.NONE


INSTANTS = st.datetimes(timezones=st.just(UTC)).filter(
    lambda instant: (instant.month, instant.day) != (2, 29)
)
ISSUERS = st.builds(
    RecognisedIssuer,
    st.sampled_from(["FR", "DE", "GR", "XV"]),
    st.none(),
    st.sampled_from(RecognitionClass),
    st.none() | INSTANTS.map(lambda instant: instant.replace(year=2021)),
    st.none() | INSTANTS.map(lambda instant: instant.replace(year=2022)),
) | st.builds(
    RecognisedIssuer,
    st.none(),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20),
    st.sampled_from(RecognitionClass),
)


@given(st.lists(ISSUERS, unique=True, max_size=8))
def test_what_is_written_is_read_back(lines: list[RecognisedIssuer]) -> None:
    """Any list of distinct lines keeps every one of them."""
    read = decode_recognition(encode_recognition(Recognition(tuple(lines))))
    assert set(read.issuers) == set(lines)
    assert len(read.issuers) == len(lines)


FR = {"co": "FR", "class": "official"}
WRONG_LISTS = {
    "blanks in it": (recognised(FR).replace(b",", b", "), "recognition: not in canonical form"),
    "a member named twice": (b'{"issuers":[],"issuers":[],"v":1}', "recognition: not in canonical form"),
    "no object": (b"[]", "recognition: not in canonical form"),
    "no JSON": (b"issuers", "recognition: not JSON"),
    "nested without end": (b"[" * 100_000, "recognition: not JSON"),
    "a surrogate": (b'{"issuers":"\\ud800","v":1}', "recognition: not JSON"),
    "UTF-16": (recognised(FR).decode().encode("utf-16"), "recognition: not in canonical form"),
    "the next version": (recognised(v=2), "format version 2"),
    "a version that is true": (recognised(v=True), "format version True"),
    "a member of a later day": (recognised(also=1), "recognition.also: unknown member"),
    "no issuers": (canonical({"v": 1}), "issuers: not a list"),
    "a line that is no object": (recognised("FR"), "issuers[0]: an object is expected"),
    "a field of a later day": (recognised(FR | {"only": "v"}), "issuers[0].only: unknown member"),
    "neither country nor issuer": (recognised({"class": "official"}), "issuers[0]: one of co and iss"),
    "both": (recognised(FR | {"iss": CARDS}), "issuers[0]: one of co and iss"),
    "a country that is null": (recognised({"co": None, "class": "official"}), "issuers[0].co: NoneType"),
    "small letters": (recognised(FR | {"co": "fr"}), "issuers[0].co: two capital letters"),
    "an alias": (recognised(FR | {"co": "EL"}), "issuers[0].co: two capital letters"),
    "three letters": (recognised(FR | {"co": "FRA"}), "issuers[0].co: two capital letters"),
    "no letters": (recognised(FR | {"co": "F1"}), "issuers[0].co: two capital letters"),
    "an issuer of no name": (recognised({"iss": "", "class": "official"}), "issuers[0].iss: 1 to 512"),
    "a name without end": (
        recognised({"iss": "x" * (MAX_ISSUER + 1), "class": "official"}),
        "issuers[0].iss: 1 to 512",
    ),
    "no class": (recognised({"co": "FR"}), "issuers[0].class: missing"),
    "a class of a later day": (recognised(FR | {"class": "friend"}), "'friend' is none of official"),
    "an instant without offset": (recognised(FR | {"from": "2022-01-01T00:00:00"}), "issuers[0].from"),
    "an instant in another zone": (recognised(FR | {"from": "2022-01-01T07:00:00+07:00"}), "issuers[0].from"),
    "an instant beyond the calendar": (
        recognised(FR | {"from": "0001-01-01T00:00:00+23:59"}),
        "issuers[0].from",
    ),
    "a day alone": (recognised(FR | {"until": "2022-01-01"}), "issuers[0].until"),
    "an end that is null": (recognised(FR | {"until": None}), "issuers[0].until: NoneType"),
    "an end before its beginning": (
        recognised(FR | {"from": "2022-03-01T00:00:00Z", "until": "2022-03-01T00:00:00Z"}),
        "issuers[0].until: not after from",
    ),
    "out of order": (recognised(FR, {"co": "DE", "class": "official"}), "issuers[1]: out of order"),
    "an issuer before a country": (
        recognised({"iss": "A", "class": "official"}, FR),
        "issuers[1]: out of order",
    ),
    "a line twice": (recognised(FR, FR), "issuers[1]: out of order, or a second time"),
    "too many lines": (recognised(*[FR] * (MAX_LINES + 1)), f"not a list of at most {MAX_LINES}"),
    "too many bytes": (b" " * (MAX_BYTES + 1), f"at most {MAX_BYTES} are read"),
}  # fmt: skip


@pytest.mark.parametrize("name", list(WRONG_LISTS))
def test_a_list_in_any_other_form_is_refused_by_the_place(name: str) -> None:
    """What is not understood is not skipped: it would change who is recognised."""
    data, place = WRONG_LISTS[name]
    with pytest.raises(TargetError) as refused:
        decode_recognition(data)
    assert place in str(refused.value)


@pytest.mark.parametrize(
    "line",
    [
        RecognisedIssuer("EL", None, RecognitionClass.OFFICIAL),
        RecognisedIssuer("FR", CARDS, RecognitionClass.OFFICIAL),
        RecognisedIssuer(None, None, RecognitionClass.OFFICIAL),
        RecognisedIssuer("FR", None, RecognitionClass.OFFICIAL, SUMMER, SPRING),
        RecognisedIssuer(None, "\ud800", RecognitionClass.OFFICIAL),
    ],
    ids=["an alias", "both", "neither", "ends before it begins", "no text"],
)
def test_what_a_reader_would_refuse_is_not_written(line: RecognisedIssuer) -> None:
    """A publisher learns of its mistake before ten thousand units do."""
    with pytest.raises(TargetError):
        encode_recognition(Recognition((line,)))


# --- How old a list may grow --------------------------------------------------------------------------------


def test_a_policy_tightens_what_it_names_and_leaves_the_rest() -> None:
    """FRESH for a day only; the other limits are the usual ones."""
    limits = decode_policy(limited({"FRESH": 24}))
    assert limits == ((timedelta(hours=24), ListState.FRESH), *FRESHNESS[1:])
    assert encode_policy(limits) == b'{"limits_h":{"FRESH":24},"v":1}'
    assert decode_policy(limited({})) == FRESHNESS
    assert decode_policy(encode_policy(FRESHNESS)) == FRESHNESS
    # what is said and is the usual thing is no mistake
    assert decode_policy(limited({"FRESH": 36, "STALE-3": 1440})) == FRESHNESS


@given(st.lists(st.integers(1, 36), min_size=4, max_size=4).map(sorted))
def test_any_limits_in_order_are_read_back(hours: list[int]) -> None:
    """Also those where a state lasts no time at all: amber at once after FRESH, for instance."""
    states = [state for _, state in FRESHNESS]
    limits = tuple((timedelta(hours=n), state) for n, state in zip(hours, states, strict=True))
    assert decode_policy(encode_policy(limits)) == limits


@pytest.mark.parametrize(("limit", "state"), FRESHNESS)
def test_a_limit_that_would_loosen_is_refused_by_name(limit: timedelta, state: ListState) -> None:
    """Whoever stole the key of the rules cannot keep an old list green; at the limit itself nothing is
    loosened.
    """
    hours = limit // timedelta(hours=1)
    assert decode_policy(limited({state.value: hours})) == FRESHNESS
    with pytest.raises(
        TargetError, match=rf"limits_h\.{state}: {hours + 1} h would loosen the usual {hours}"
    ):
        decode_policy(limited({state.value: hours + 1}))


WRONG_POLICIES = {
    "zero": (limited({"FRESH": 0}), "limits_h.FRESH: 0 h"),
    "below zero": (limited({"STALE-1": -5}), "limits_h.STALE-1: -5 h"),
    "part of an hour": (limited({"FRESH": 1.5}), "limits_h.FRESH: float"),
    "true": (limited({"FRESH": True}), "limits_h.FRESH: bool"),
    "null": (limited({"FRESH": None}), "limits_h.FRESH: NoneType"),
    "NaN": (b'{"limits_h":{"FRESH":NaN},"v":1}', "limits_h.FRESH: float"),
    "without end": (limited({"FRESH": 10**80}), "would loosen"),
    "out of order": (limited({"FRESH": 30, "STALE-1": 29}), "limits_h.STALE-1: 29 h is less"),
    "before the usual one": (limited({"STALE-2": 100}), "limits_h.STALE-2: 100 h is less than"),
    "no state": (limited({"fresh": 24}), "limits_h.fresh: unknown member"),
    "the last state, which has no limit": (limited({"EXPIRED": 9000}), "limits_h.EXPIRED: unknown member"),
    "a list": (limited([24]), "limits_h: an object is expected"),
    "nothing": (canonical({"v": 1}), "limits_h: an object is expected"),
    "a member of a later day": (limited({}, grace_h=1), "policy.grace_h: unknown member"),
    "the next version": (limited({}, v=2), "format version 2"),
    "blanks": (b'{"limits_h": {},"v":1}', "policy: not in canonical form"),
}


@pytest.mark.parametrize("name", list(WRONG_POLICIES))
def test_a_policy_in_any_other_form_is_refused_by_the_place(name: str) -> None:
    """The usual limits hold then, and the list in force grows old until somebody mends it."""
    data, place = WRONG_POLICIES[name]
    with pytest.raises(TargetError) as refused:
        decode_policy(data)
    assert place in str(refused.value)


def test_limits_that_a_reader_would_refuse_are_not_written() -> None:
    """Minutes, a state left out, a wrong order, or more than the usual."""
    minute = (timedelta(minutes=90), ListState.FRESH)
    longer = (timedelta(hours=37), ListState.FRESH)
    for limits in ((minute, *FRESHNESS[1:]), FRESHNESS[1:], FRESHNESS[::-1], (longer, *FRESHNESS[1:]), ()):
        with pytest.raises(TargetError):
            encode_policy(limits)


# --- Any bytes ----------------------------------------------------------------------------------------------

MEMBERS = ["v", "issuers", "limits_h", "co", "iss", "class", "from", "until", "FRESH", "STALE-1", "x"]
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["FR", "official", "none", "2022-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(MEMBERS), inner, max_size=4),
    max_leaves=8,
)
DOCUMENTS = st.builds(
    lambda rows, hours, more: {"v": 1} | {"issuers": rows, "limits_h": hours} | more,
    VALUES,
    VALUES,
    st.dictionaries(st.sampled_from(MEMBERS), VALUES, max_size=1),
)


@pytest.mark.parametrize("decode", [decode_recognition, decode_policy])
@given(data=st.data())
def test_any_bytes_are_a_value_or_a_refusal(decode: Any, data: st.DataObject) -> None:
    """Nothing else comes out, whatever a publisher writes."""
    document = data.draw(DOCUMENTS)
    document.pop("limits_h" if decode is decode_recognition else "issuers", None)
    texts = st.just(json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False))
    raw = data.draw(st.binary(max_size=60) | texts.map(lambda t: t.encode("utf-8", "surrogatepass")))
    with suppress(TargetError):
        assert decode(raw) is not None


@given(st.integers(0, 400), st.binary(max_size=3))
def test_a_list_with_other_bytes_in_it_is_another_list_or_refused(at: int, change: bytes) -> None:
    """No second form of the same content is read."""
    data = encode_recognition(LIST)
    other = data[:at] + change + data[at + len(change) :]
    with suppress(TargetError):
        assert encode_recognition(decode_recognition(other)) == other


# --- Published, synced, judged ------------------------------------------------------------------------------


def answered(site: Site, code: str, now: datetime) -> tuple[State, list[Reason], RecognitionClass | None]:
    """What an appliance makes of a code with what it has synced."""
    known = open_store(site.store).current()
    verdict = judge(code, Basis(known.trust, (SIGNATURE_ONLY,), now)).verdict
    return verdict.state, [found.code for found in verdict.reasons], verdict.recognition


@pytest.fixture
def french(site: Site) -> Signer:
    """An issuer of France whose key the list of keys holds."""
    signer = Signer(signing_key(Algorithm.ES256, "french"), b"frenchdo", START)
    site.publisher.keys.append(
        KeyRecord(TrustedKey(signer.kid, signer.key.spki(), country="FR", domain=Domain.HCERT))
    )
    return signer


@pytest.mark.scenario("SC-K15")
def test_a_synced_list_that_does_not_name_an_issuer_asks_for_a_consular_certification(
    site: Site, french: Signer
) -> None:
    """Until somebody says whom the country recognises it is not asked; then whoever is not named is amber."""
    code = french.issue(vaccination(dt="2021-06-01"), iss="FR")
    site.publisher.publish(START)
    site.sync(START)
    assert answered(site, code, START) == (State.PASS, [], None)
    site.publisher.recognition = Recognition((RecognisedIssuer("DE", None, RecognitionClass.OFFICIAL),))
    site.publisher.publish(START + HOUR)
    site.sync(START + HOUR)
    not_recognised = (State.CHECK, [Reason.ISSUER_NOT_RECOGNISED], RecognitionClass.NONE)
    assert answered(site, code, START + HOUR) == not_recognised


@pytest.mark.scenario("SC-K16")
@pytest.mark.parametrize("recognised", [RecognitionClass.OFFICIAL, RecognitionClass.TEMPORARY])
def test_a_synced_list_tells_the_class_of_a_recognised_issuer(
    site: Site, french: Signer, recognised: RecognitionClass
) -> None:
    """PASS both, with the class; it is another role's word than that of the keys."""
    site.publisher.recognition = Recognition((RecognisedIssuer("FR", None, recognised),))
    site.publisher.publish(START)
    site.sync(START)
    code = french.issue(vaccination(dt="2021-06-01"), iss="FR")
    assert answered(site, code, START) == (State.PASS, [], recognised)
    assert open_store(site.store).current().sets["recognition"].count == 1


def test_the_command_tells_the_class_to_people_and_to_scripts(
    site: Site, french: Signer, capsys: pytest.CaptureFixture[str]
) -> None:
    """``vaxgate-verify``: on the line of facts, and as ``issuer.recognition`` of its object."""
    site.publisher.recognition = Recognition((RecognisedIssuer("FR", None, RecognitionClass.TEMPORARY),))
    site.publisher.publish(START)
    site.sync(START)
    code = french.issue(vaccination(dt="2021-06-01"), iss="FR")
    asked = ["--trust", str(site.store), "--rules", "signature-only", "--at", START.isoformat()]
    assert verify([*asked, code]) == 0
    assert "issuer FR · temporarily recognised · list FRESH" in capsys.readouterr().out
    assert verify([*asked, "--json", code]) == 0
    assert json.loads(capsys.readouterr().out)["issuer"]["recognition"] == "temporary"


def test_a_synced_policy_makes_a_list_old_sooner_and_never_later(site: Site, french: Signer) -> None:
    """Tightened to a day and two: amber at 49 h; a policy that would loosen is refused, the list stays."""
    code = french.issue(vaccination(dt="2021-06-01"), iss="FR")
    day, two = timedelta(hours=24), timedelta(hours=48)
    site.publisher.limits = ((day, ListState.FRESH), (two, ListState.STALE_1), *FRESHNESS[2:])
    site.publisher.publish(START)
    site.sync(START)
    for age, state, reasons in (
        (day, State.PASS, []),
        (day + HOUR, State.PASS, [Reason.LIST_STALE]),
        (two + HOUR, State.CHECK, [Reason.LIST_EXPIRED]),
    ):
        assert answered(site, code, START + age)[:2] == (state, reasons)
    before = site.facts()
    site.publisher.override[POLICY_PATH] = limited({"FRESH": 48})
    site.publisher.publish(START + HOUR)
    with pytest.raises(RefusedError, match=r"limits_h\.FRESH: 48 h would loosen the usual 36 h") as refused:
        site.sync(START + HOUR)
    assert refused.value.alarm is Alarm.CONTENT
    assert site.facts() == before
    assert answered(site, code, START + two + HOUR)[:2] == (State.CHECK, [Reason.LIST_EXPIRED])
