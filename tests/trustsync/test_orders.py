"""Orders of a post: what one must be, what is refused and in which words, the folder in which they lie."""

from __future__ import annotations

import base64
import json
import logging
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.signing import SigningKey

from appliance.config import RulesConfig, load
from appliance.errors import ConfigError
from appliance.supply import ORDERS_S, OrderSupply
from trustsync import orders
from trustsync.orders import (
    MAX_FILES,
    MAX_ORDER,
    OrderError,
    new_post_key,
    open_order,
    read_keys,
    read_orders,
    read_private,
    read_public,
    sign_order,
    signed_bytes,
    write_private,
    write_public,
)
from verifier.policy.bundle import SIGNATURE_ONLY, RuleBundle, order_in_force
from verifier.policy.bundle_json import bundle_row, canonical, read_bundle
from verifier.policy.context import Context, Journey

POST = "moc-bai"
KEY = SigningKey(bytes([41]) * 32)
DEPUTY = SigningKey(bytes([42]) * 32)
STRANGER = SigningKey(bytes([43]) * 32)
BEGIN = datetime.fromisoformat("2022-03-20T06:00:00+07:00")
HOUR = timedelta(hours=1)


def order(**change: Any) -> RuleBundle:
    """An order for one day: a test for everybody."""
    row = {
        "name": "moc-bai-order",
        "version": "1.0.0",
        "asks": "rules",
        "post": POST,
        "valid_from": BEGIN.isoformat(),
        "valid_to": (BEGIN + 24 * HOUR).isoformat(),
        "texts": {"vi": "Lệnh của đồn", "en": "Order of the post"},
        "rules": [
            {"id": "any", "version": "1.0.0", "on": "test", "logic": {"known": ["event.result"]}},
        ],
        "requirements": [{"id": "test", "any": [{"id": "any", "on": "test", "rules": ["any"]}]}],
    } | change  # fmt: skip
    return read_bundle({name: value for name, value in row.items() if value is not None})


GOOD = sign_order(order(), KEY)


def why(data: bytes, *, post: str = POST) -> str:
    """Why an order is refused."""
    with pytest.raises(OrderError) as caught:
        open_order(data, KEY.verify_key, post)
    return str(caught.value)


def signed_anyhow(bundle: RuleBundle, key: SigningKey = KEY) -> bytes:
    """What the writer refuses to sign, signed by somebody who does not use it."""
    row = bundle_row(bundle)
    signature = key.sign(signed_bytes(row)).signature
    return canonical({"v": 1, "order": row, "signature": signature.hex()})


def test_an_order_comes_out_as_it_was_signed() -> None:
    """By the commander's key or by another that the post has."""
    assert open_order(GOOD, KEY.verify_key, POST) == order()
    assert open_order(sign_order(order(), DEPUTY), [KEY.verify_key, DEPUTY.verify_key], POST) == order()


SPOILT: dict[str, tuple[Callable[[], bytes], str]] = {
    "by a key of a stranger": (lambda: sign_order(order(), STRANGER), "not by this post's commander"),
    "with a longer life than was signed": (
        lambda: GOOD.replace(b"2022-03-20T23:00:00Z", b"2022-03-21T23:00:00Z"),
        "not by this post's commander",
    ),
    "of another post": (lambda: sign_order(order(post="lao-bao"), KEY), "'lao-bao'"),
    "of no post": (lambda: signed_anyhow(order(post=None)), "names no post"),
    "for 48 hours": (
        lambda: signed_anyhow(order(valid_to=(BEGIN + 48 * HOUR).isoformat())),
        "more than 24 hours",
    ),
    "for a second too long": (
        lambda: signed_anyhow(order(valid_to=(BEGIN + 24 * HOUR + timedelta(seconds=1)).isoformat())),
        "more than 24 hours",
    ),
    "without an end": (lambda: signed_anyhow(order(valid_to=None)), "more than 24 hours"),
    "that asks nothing": (
        lambda: signed_anyhow(replace(SIGNATURE_ONLY, post=POST, valid_to=SIGNATURE_ONLY.valid_from + HOUR)),
        "asks rules of its own",
    ),
    "that this release cannot read": (
        lambda: _signed_row(bundle_row(order()) | {"mercy": True}),
        "order.mercy: unknown member",
    ),
    "no JSON": (lambda: b"\x00\xff", "not JSON"),
    "too deep": (lambda: b"[" * 100_000, "not JSON"),
    "too large": (lambda: b"1" * (MAX_ORDER + 1), "larger than"),
    "with spaces": (lambda: json.dumps(json.loads(GOOD)).encode(), "not in the form"),
    "with a member more": (lambda: canonical(json.loads(GOOD) | {"w": 1}), "not in the form"),
    "of the next form": (lambda: canonical(json.loads(GOOD) | {"v": 2}), "form 2"),
    "with half a signature": (
        lambda: canonical(json.loads(GOOD) | {"signature": json.loads(GOOD)["signature"][:64]}),
        "64 bytes in hexadecimal",
    ),
    "a bundle without a signature": (lambda: canonical(bundle_row(order())), "not in the form"),
}  # fmt: skip


def _signed_row(row: dict[str, Any]) -> bytes:
    signature = KEY.sign(signed_bytes(row)).signature
    return canonical({"v": 1, "order": row, "signature": signature.hex()})


@pytest.mark.parametrize(("make", "words"), SPOILT.values(), ids=list(SPOILT))
def test_an_order_is_refused_in_words(make: Callable[[], bytes], words: str) -> None:
    """Each is refused whole, and the message says what is wrong with it."""
    assert words in why(make())


def test_the_writer_signs_nothing_that_no_unit_would_take() -> None:
    """Whoever signs is told at once, not by a post that does not ask it."""
    for bundle in (order(post=None), order(valid_to=(BEGIN + 48 * HOUR).isoformat())):
        with pytest.raises(OrderError):
            sign_order(bundle, KEY)


def test_a_signature_for_anything_else_is_none_for_an_order() -> None:
    """The key may sign other things; what it signs for an order begins with words that nothing else has."""
    row = bundle_row(order())
    bare = KEY.sign(canonical(row)).signature
    assert "not by this post's commander" in why(
        canonical({"v": 1, "order": row, "signature": bare.hex()})
    )  # fmt: skip


@given(at=st.integers(0, len(GOOD) - 1), bit=st.integers(0, 7))
def test_a_flipped_bit_anywhere_refuses_the_order(at: int, bit: int) -> None:
    """One form and one signature over it: no byte is free."""
    data = bytearray(GOOD)
    data[at] ^= 1 << bit
    why(bytes(data))


@given(data=st.binary(max_size=200))
def test_any_bytes_are_refused_and_nothing_else_is_raised(data: bytes) -> None:
    """Whatever lies in the folder, the unit goes on."""
    why(data)


# --- Keys ---------------------------------------------------------------------------------------------------


def test_keys_come_back_from_their_files() -> None:
    """The private half as PKCS 8, the public one as SubjectPublicKeyInfo, several in one file."""
    key = new_post_key()
    assert read_private(write_private(key)).encode() == key.encode()
    both = write_public(KEY.verify_key) + b"\n# the deputy\n" + write_public(DEPUTY.verify_key)
    assert read_public(both) == (KEY.verify_key, DEPUTY.verify_key)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_keys_are_the_ones_that_openssl_makes(tmp_path: Path) -> None:
    """A post that has no program of ours yet can make its key with what it has."""
    made = subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519"], capture_output=True, check=True)
    public = subprocess.run(
        ["openssl", "pkey", "-pubout"], input=made.stdout, capture_output=True, check=True
    )
    key = read_private(made.stdout)
    assert read_public(public.stdout) == (key.verify_key,)
    again = subprocess.run(
        ["openssl", "pkey", "-pubout"], input=write_private(key), capture_output=True, check=True
    )
    assert again.stdout == public.stdout


def _public(der: bytes) -> bytes:
    return orders._pem(b"PUBLIC KEY", der)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no key",
        write_private(KEY),
        _public(b"\x30\x00"),
        _public(orders._PUBLIC_HEAD + bytes([1]) + bytes(31)),
        b"-----BEGIN PUBLIC KEY-----\n=\n-----END PUBLIC KEY-----\n",
        _public(
            base64.b64decode(
                "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpZP"
                "40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q=="
            )
        ),
    ],
    ids=["empty", "words", "the private half", "no key in it", "a low-order point", "no Base64", "P-256"],
)
def test_a_file_without_a_key_that_can_sign_orders_is_refused(data: bytes) -> None:
    """Among them a key for which everybody can sign (RFC 8032, a point of low order)."""
    with pytest.raises(OrderError):
        read_public(data)


def test_a_private_key_of_another_kind_is_refused() -> None:
    """The post's own file by mistake exchanged for another: said, not signed with."""
    for data in (b"no key", write_public(KEY.verify_key)):
        with pytest.raises(OrderError):
            read_private(data)


# --- The folder ---------------------------------------------------------------------------------------------


@pytest.fixture
def post(tmp_path: Path) -> Path:
    """A folder with one good order, beside the commander's public key."""
    folder = tmp_path / "orders"
    folder.mkdir()
    (folder / "today.json").write_bytes(GOOD)
    (tmp_path / "post.pem").write_bytes(write_public(KEY.verify_key))
    return folder


def test_a_folder_gives_its_good_orders_and_names_the_others(post: Path) -> None:
    """One that does not count keeps no other from counting; what is no order by its name is not looked at."""
    (post / "alien.json").write_bytes(sign_order(order(), STRANGER))
    (post / "notes.txt").write_bytes(b"call the district")
    (post / "link.json").symlink_to(post / "today.json")
    (post / "folder.json").mkdir()
    os.mkfifo(post / "pipe.json")
    found = read_orders(post, [KEY.verify_key], POST)
    assert found.orders == (order(),)
    assert sorted(line.partition(":")[0] for line in found.refused) == [
        "'alien.json'", "'folder.json'", "'link.json'", "'pipe.json'",
    ]  # fmt: skip


def test_what_is_no_ordinary_file_is_waited_for_nowhere_and_leaves_nothing_open(post: Path) -> None:
    """A pipe in the place of the keys would stop the gate; a file that stays open would some day."""
    (post / "folder.json").mkdir()
    os.mkfifo(post / "pipe.json")
    os.mkfifo(post.parent / "keys")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        read_orders(post, [KEY.verify_key], POST)
        with pytest.raises(OrderError, match="no ordinary file"):
            read_keys(post.parent / "keys")
        with pytest.raises(OrderError, match="no order is asked"):
            read_keys(post)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_folder_that_is_not_there_holds_no_order(tmp_path: Path) -> None:
    """Nobody has ever given one here: that is no fault."""
    assert read_orders(tmp_path / "orders", [KEY.verify_key], POST) == orders.Orders()


def test_a_full_folder_gives_the_youngest_and_says_so(post: Path) -> None:
    """Yesterday's files cannot keep today's order out."""
    for number in range(MAX_FILES):
        file = post / f"old-{number:03}.json"
        file.write_bytes(b"{}")
        os.utime(file, (0, 0))
    found = read_orders(post, [KEY.verify_key], POST)
    assert found.orders == (order(),)
    assert len(found.refused) == MAX_FILES
    assert sum("take away those that are over" in line for line in found.refused) == 1


def test_of_more_than_a_unit_reads_between_two_verdicts_the_youngest_count(post: Path) -> None:
    """Large files that are no orders cost bytes, whether or not they count; what is left out is named."""
    for number in range(12):
        (post / f"large-{number}.json").write_bytes(b"[" + b"1," * (MAX_ORDER // 2 - 2) + b"1]")
        os.utime(post / f"large-{number}.json", (number, number))
    assert read_orders(post, [KEY.verify_key], POST).orders == (order(),)
    os.utime(post / "today.json", (0, 0))
    found = read_orders(post, [KEY.verify_key], POST)
    assert (found.orders, len(found.refused)) == ((), 13)
    assert "take away those that are over" in found.refused[-1]
    assert sum("bytes lie there" in line for line in found.refused) == 5


def test_a_file_name_cannot_write_a_line_of_the_log(post: Path) -> None:
    """What a file is called is told with its signs made harmless."""
    (post / "a\nvaxgate: all is well.json").write_bytes(b"{}")
    (line,) = read_orders(post, [KEY.verify_key], POST).refused
    assert "\n" not in line


# --- On a unit ----------------------------------------------------------------------------------------------


class Clock:
    """Seconds that go on by hand."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def supply(folder: Path, clock: Clock, **change: str) -> OrderSupply:
    """The orders of a unit at this post."""
    config = RulesConfig(**({"post": POST, "order_key": str(folder.parent / "post.pem")} | change))
    return OrderSupply(config, folder, monotonic=clock)


def test_an_order_that_is_laid_down_counts_within_a_second_and_goes_with_its_file(post: Path) -> None:
    """Looked at between two verdicts, once a second, and read again only where something changed."""
    clock = Clock()
    held = supply(post, clock)
    first = held.orders()
    assert first == (order(),)
    (post / "second.json").write_bytes(sign_order(order(version="1.0.1"), KEY))
    assert held.orders() is first
    clock.now += ORDERS_S
    assert {each.version for each in held.orders()} == {"1.0.0", "1.0.1"}
    second = held.orders()
    clock.now += ORDERS_S
    assert held.orders() is second
    (post / "today.json").unlink()
    clock.now += ORDERS_S
    assert [each.version for each in held.orders()] == ["1.0.1"]


def test_a_bad_order_is_named_once_and_the_unit_goes_on(post: Path, caplog: pytest.LogCaptureFixture) -> None:
    """One line in the log, a line in what the unit says of itself, and the good one counts."""
    clock = Clock()
    held = supply(post, clock)
    (post / "alien.json").write_bytes(sign_order(order(), STRANGER))
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            assert held.orders() == (order(),)
            clock.now += ORDERS_S
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == ["order of the post"]
    (line,) = held.refused
    assert line.startswith("'alien.json': its signature is not by this post's commander")
    (post / "alien.json").unlink()
    held.orders()
    assert held.refused == ()


@pytest.mark.parametrize("change", [{"post": ""}, {"order_key": ""}], ids=["no post", "no key"])
def test_a_unit_without_a_post_or_a_key_asks_no_order_and_says_so(post: Path, change: dict[str, str]) -> None:
    """An order that was laid down at the wrong desk is not silently passed over."""
    held = supply(post, Clock(), **change)
    assert held.orders() == ()
    (line,) = held.refused
    assert "none is asked" in line
    (post / "today.json").unlink()
    other = supply(post, Clock(), **change)
    assert (other.orders(), other.refused) == ((), ())


def test_a_key_file_that_is_lost_is_said_and_asked_for_again(post: Path) -> None:
    """No key, no order; when it is there again the order counts, without a restart."""
    clock = Clock()
    key = post.parent / "post.pem"
    kept = key.read_bytes()
    key.unlink()
    held = supply(post, clock)
    assert held.orders() == ()
    assert "no order is asked" in held.refused[0]
    key.write_bytes(kept)
    clock.now += ORDERS_S
    assert held.orders() == (order(),)
    with pytest.raises(OrderError, match="cannot be read"):
        read_keys(post.parent / "other.pem")


def test_a_key_that_was_replaced_counts_at_once(post: Path) -> None:
    """What the commander of before has signed ends with the key."""
    clock = Clock()
    held = supply(post, clock)
    assert held.orders() == (order(),)
    fresh = post.parent / "fresh.pem"
    fresh.write_bytes(write_public(DEPUTY.verify_key))
    fresh.replace(post.parent / "post.pem")
    clock.now += ORDERS_S
    assert held.orders() == ()


def test_of_several_orders_the_latest_counts_here_and_now() -> None:
    """It is over by its own words, holds for its post alone, and for the journeys that it names."""
    first, second = order(), order(name="evening", valid_from=(BEGIN + 8 * HOUR).isoformat())
    here = Context(post=POST)

    def counts(now: datetime, context: Context = here) -> str | None:
        found = order_in_force([first, second], now, context)
        return found and found.name

    second_long = BEGIN + 24 * HOUR
    assert counts(BEGIN - timedelta(microseconds=1)) is None
    assert counts(BEGIN) == "moc-bai-order"
    assert counts(BEGIN + 8 * HOUR) == "evening"
    assert counts(second_long) is None
    assert counts(BEGIN, Context(post="lao-bao")) is None
    assert counts(BEGIN, Context()) is None
    of_entry = order(scope={"journeys": ["entry"]})
    assert order_in_force([of_entry], BEGIN, here) == of_entry
    assert order_in_force([of_entry], BEGIN, replace(here, journey=Journey.TRANSIT)) is None


def test_the_configuration_gives_the_desks_part_of_a_journey(tmp_path: Path) -> None:
    """Profile, country, way, longest journey and post; files are taken from the folder of the file."""
    file = tmp_path / "vaxgate.toml"
    file.write_text(
        '[rules]\nprofile = "hotel"\ncountry = "LA"\nmode = "land"\nlongest_h = 30\n'
        'post = "moc-bai"\norder_key = "keys/post.pem"\norders = "orders"\n'
    )
    rules = load(file).rules
    context = rules.context()
    assert (context.profile, context.country, context.mode, context.post) == (
        "hotel",
        "LA",
        "land",
        "moc-bai",
    )
    assert context.longest == timedelta(hours=30)
    assert (rules.order_key, rules.orders) == (str(tmp_path / "keys/post.pem"), str(tmp_path / "orders"))
    assert load(None).rules.context() == Context()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('profile = "bar"', "none of border"),
        ('country = "Vietnam"', "no country in two letters"),
        ('country = "vn"', "no country in two letters"),
        ('mode = "foot"', "none of"),
        ('post = "moc-bai"', "belong together"),
        ('order_key = "post.pem"', "belong together"),
        ("longest_h = -1", "outside 0"),
    ],
)
def test_a_wrong_key_of_the_configuration_is_named(tmp_path: Path, line: str, words: str) -> None:
    """An order that nobody asks, because half of its keys are missing, is a mistake of the file."""
    file = tmp_path / "vaxgate.toml"
    file.write_text(f"[rules]\n{line}\n")
    with pytest.raises(ConfigError, match=words):
        load(file)
