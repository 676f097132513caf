"""Gathering: what is fetched is kept as it came, and only what was proven takes the place of what is held."""

from __future__ import annotations

import gzip
import hashlib
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
from pilot import DAY, START, Pilot, key, no_network

from trustsync.hub.config import HubError, load_config
from trustsync.hub.fetch import Fetch
from trustsync.hub.gather import archive, gather, newest_folder, raw_digest, read_folder
from trustsync.hub.sources import KINDS, importer_of
from trustsync.hub.upstream import Authentication, Reply, Source, UpstreamError
from verifier.trust import Domain, HashKind


def test_what_was_proven_is_held_with_where_it_came_from(pilot: Pilot) -> None:
    """Source, proof and archived bytes of every key can be told later."""
    pilot.says("de", [key(1), key(2)], version=3)
    result = pilot.gather()["de"]
    assert (result.error, result.keys) == (None, 2)
    with pilot.ledger() as ledger:
        held = ledger.lists()["de"]
        (trace,) = ledger.traces(key(1).kid)
    assert (held.authentication, held.version, held.fetched_at) == (Authentication.SIGNED, 3, START)
    assert {record.key.source for record in held.keys} == {"de"}
    assert (trace.source, trace.first_at, trace.last_at) == ("de", START, START)
    assert (pilot.config.archive / trace.archive / "list").is_file()


def test_a_source_that_fails_keeps_its_list_and_the_others_go_on(pilot: Pilot) -> None:
    """One broken publisher does not stop the night."""
    pilot.says("de", [key(1)])
    pilot.says("se", [key(2)])
    pilot.says("at", [key(3)])
    pilot.gather()
    pilot.fails("de", UpstreamError("the signature does not hold"))
    pilot.fails("se", RuntimeError("an importer with a fault of its own"))
    pilot.says("at", [key(3), key(4)])
    results = pilot.gather()
    assert (results["de"].error, results["de"].held_at) == ("the signature does not hold", START)
    assert "RuntimeError" in str(results["se"].error)
    assert results["at"].error is None
    with pilot.ledger() as ledger:
        assert {name: len(held.keys) for name, held in ledger.lists().items()} == {"at": 2, "de": 1, "se": 1}


@pytest.mark.parametrize(
    ("facts", "words"),
    {
        "an earlier version": ({"version": 4}, "goes backwards"),
        "signed earlier": ({"version": 5, "signed_at": START - 2 * DAY}, "goes backwards"),
        "of the future": ({"version": 5, "signed_at": START + 2 * DAY}, "clock"),
    }.values(),
)
def test_a_list_that_goes_backwards_is_refused(pilot: Pilot, facts: dict[str, object], words: str) -> None:
    """A replay upstream must not take keys back, and a date of next year must not shut the source out."""
    pilot.says("de", [key(1), key(2)], version=5, signed_at=START - DAY)
    pilot.gather()
    pilot.says("de", [key(1)], **facts)
    assert words in str(pilot.gather()["de"].error)
    with pilot.ledger() as ledger:
        assert len(ledger.lists()["de"].keys) == 2
    pilot.says("de", [key(1)], version=5, signed_at=START - DAY)
    assert pilot.gather()["de"].error is None, "the same once more is no step back"


@pytest.mark.parametrize("facts", [{"version": 5}, {"signed_at": START - DAY}])
def test_a_list_that_says_its_date_no_more_is_refused(pilot: Pilot, facts: dict[str, object]) -> None:
    """An old one could not be told from a new one; of a list that never said it nothing is asked."""
    pilot.says("de", [key(1), key(2)], **facts)
    pilot.says("se", [key(3)])
    pilot.gather()
    pilot.says("de", [key(1)])
    results = pilot.gather()
    assert "does not say its version or date any more" in str(results["de"].error)
    assert results["se"].error is None


def test_a_list_only_revokes(pilot: Pilot) -> None:
    """What stays good under a distrusted key is for people of the hub to say."""
    pilot.says("de", [key(1)], revoked=((key(1).kid, HashKind.ALLOWED, bytes(16)),))
    assert "people of the hub decide" in str(pilot.gather()["de"].error)


def test_a_list_that_tls_would_vouch_for_is_vouched_for_by_nobody_when_it_is_carried(pilot: Pilot) -> None:
    """Two folders on a stick are not two servers: a person looks at each key."""
    for name in ("it", "fr"):
        pilot.says(name, [key(1)], Authentication.TLS)
        (pilot.directory / "stick" / name).mkdir(parents=True)
        (pilot.directory / "stick" / name / "list").write_bytes(b"carried")
    pilot.gather()
    assert pilot.change().unvouched == (), "over TLS they are two"
    pilot.gather(offline=pilot.directory / "stick")
    with pilot.ledger() as ledger:
        assert {held.authentication for held in ledger.lists().values()} == {Authentication.UNPROVEN}
    assert [each.kid for each in pilot.change().unvouched] == [key(1).kid]


def test_a_folder_without_any_source_is_an_error(pilot: Pilot) -> None:
    """A mistyped path must not look like a night without news."""
    pilot.says("de", [key(1)])
    with pytest.raises(HubError, match="no folder of raw files"):
        pilot.gather(offline=pilot.directory / "stick")


def test_a_server_that_always_has_one_page_more_is_left(
    pilot: Pilot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each answer is within its limits; all of them together have one too."""
    monkeypatch.setattr("trustsync.hub.gather._PATIENCE", 0.0)
    pilot.configure('[[source]]\nname = "it"\nkind = "eu"\nurl = "https://it.example"\n')

    def always(url: str, headers: Mapping[str, str]) -> Reply:
        raise AssertionError("asked")

    with pilot.ledger() as ledger:
        (result,) = gather(pilot.config, ledger, START, always)
    assert "took more than 0 s" in str(result.error)


def test_an_empty_list_is_refused(pilot: Pilot) -> None:
    """A publisher's bad day must not withdraw a country."""
    pilot.says("de")
    assert "empty" in str(pilot.gather()["de"].error)


def test_keys_without_kid_are_left_out_by_name(pilot: Pilot) -> None:
    """Such a key would be tried for every code of the world."""
    pilot.says("de", [key(1), key(2, kid=b"")], skipped=("a curve",))
    result = pilot.gather()["de"]
    assert (result.error, result.keys, len(result.skipped)) == (None, 1, 2)


def test_revocation_entries_are_held_by_scope_and_kind(pilot: Pilot) -> None:
    """Sorted, each once, those with an instant beside their hash."""
    scope, digests = key(1).kid, [bytes([n]) * 16 for n in (9, 1, 9)]
    pilot.says(
        "de",
        [key(1)],
        revoked=tuple((scope, HashKind.UCI, digest) for digest in digests),
        revoked_before=((scope, digests[0], START + timedelta(seconds=0.5)),),
    )
    assert pilot.gather()["de"].revoked == 3
    with pilot.ledger() as ledger:
        held = {each.kind: ledger.blobs.read(each.blob) for each in ledger.entries(["de"])}
    assert held[HashKind.UCI] == bytes([1]) * 16 + bytes([9]) * 16
    assert held[HashKind.RID_BEFORE] == bytes([9]) * 8 + (int(START.timestamp()) + 1).to_bytes(8, "big")


def test_raw_bytes_are_archived_before_anybody_believes_them(pilot: Pilot) -> None:
    """What was refused can be looked at; what did not change is kept once; nothing is written over."""
    pilot.says("de", [key(1)])
    pilot.gather()
    pilot.now += DAY
    pilot.gather()
    folder = pilot.config.archive / "de"
    assert [path.name[:16] for path in folder.iterdir()] == ["20211128T100000Z"]
    pilot.fails("de", UpstreamError("forged"))
    refused = pilot.gather()["de"]
    assert (pilot.config.archive / refused.archive / "list").read_bytes() == b"UpstreamError('forged')"
    assert sorted(path.name[:16] for path in folder.iterdir()) == ["20211128T100000Z", "20211129T100000Z"]
    for path in folder.iterdir():
        assert path.name.split("-")[1] == raw_digest(read_folder(path))


@pytest.mark.parametrize("name", ["../keys", "a/b", "", ".hidden", "x" * 200])
def test_a_raw_file_cannot_leave_its_folder(tmp_path: Path, name: str) -> None:
    """An importer's name for a file is checked, whatever a server made it choose."""
    with pytest.raises(UpstreamError, match="no name"):
        archive(tmp_path, "de", {name: b"x"}, START)
    assert list(tmp_path.rglob("*")) == []


def test_offline_the_archive_is_read_in_place_of_the_network(pilot: Pilot) -> None:
    """The newest folder of each source; a source without one is left alone."""
    pilot.says("de", [key(1)])
    pilot.says("se", [key(2)])
    (pilot.directory / "stick" / "de").mkdir(parents=True)
    (pilot.directory / "stick" / "de" / "list").write_bytes(b"carried")
    results = pilot.gather(offline=pilot.directory / "stick")
    assert list(results) == ["de"]
    archived = pilot.config.archive / results["de"].archive
    assert (archived / "list").read_bytes() == b"carried"
    assert newest_folder(pilot.config.archive / "de") == archived
    assert pilot.gather(offline=pilot.config.archive)["de"].archive == results["de"].archive


def test_only_the_named_sources_are_asked(pilot: Pilot) -> None:
    """And a name that is none is an error, not a night without that list."""
    pilot.says("de", [key(1)])
    pilot.says("se", [key(2)])
    assert list(pilot.gather(only=["se"])) == ["se"]
    with pytest.raises(HubError, match="no source sw"):
        pilot.gather(only=["sw"])


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_its_importer_and_asks_for_its_pins(kind: str) -> None:
    """A source without what its list is proven by is refused before anything is fetched."""
    roles = ("key", "certificate", "root", "sha256", "signer")
    importer = importer_of(Source("x", kind, pins=dict.fromkeys(roles, b"x")))
    assert importer.kind == kind
    if importer.pins:
        with pytest.raises(UpstreamError, match="nothing would prove"):
            importer_of(Source("x", kind))


def test_an_unknown_kind_is_named_with_the_nearest_right_one(pilot: Pilot) -> None:
    """A spelling mistake is no source without a proof."""
    with pytest.raises(UpstreamError, match="did you mean gdhcn"):
        importer_of(Source("who", "gdhc"))
    source = Source("who", "gdhc")
    with pilot.ledger() as ledger:
        (result,) = gather(type(pilot.config)(pilot.directory, (source,)), ledger, START, no_network)
    assert "no importer" in str(result.error)


# --- hub.toml ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    {
        "a word that is none": ('[[source]]\nname = "a"\nkind = "de"\npin = {}', "did you mean pins"),
        "a name that is no folder": ('[[source]]\nname = "../a"\nkind = "de"', "small letters"),
        "one name twice": ('[[source]]\nname = "a"\nkind = "de"\n' * 2, "stands twice"),
        "a pin that is not there": ('[[source]]\nname = "a"\nkind = "de"\npins = {key = "no.pem"}', "no.pem"),
        "a pin that is no number": (
            '[[source]]\nname = "a"\nkind = "de"\npins = {key = "hex:zz"}',
            "hexadecimal",
        ),
        "an environment of its own": (
            '[[source]]\nname = "a"\nkind = "de"\nenvironment = "dev"',
            "production or test",
        ),
        "unproven keys for production": (
            '[[source]]\nname = "a"\nkind = "gdhcn"\ndangerous-take-unproven = true',
            "test only",
        ),
        "two reviewers with one key": (
            "".join(f'[[reviewer]]\nname = "{name}"\nkey = "{"ab" * 32}"\n' for name in "cd"),
            "two names are two people",
        ),
        "a key that is too short": ('[[reviewer]]\nname = "c"\nkey = "abcd"', "64 hexadecimal digits"),
        "no TOML": ("[[", "not valid TOML"),
    }.values(),
)
def test_a_mistake_in_hub_toml_is_named(pilot: Pilot, text: str, words: str) -> None:
    """Nothing is guessed: whoever mistypes a pin must not get a list without one."""
    pilot.configure(text)
    with pytest.raises(HubError, match=words):
        load_config(pilot.directory)


def test_one_signing_key_cannot_have_two_roles(pilot: Pilot) -> None:
    """Neither inside a repository nor across production and test."""
    path = pilot.directory / "hub.toml"
    text = path.read_text()
    stolen = text.split('snapshot = ["')[1].split('"')[0]
    for line in ("timestamp", "trust"):
        parts = text.rsplit(f'{line} = ["', 1)
        path.write_text(f'{parts[0]}{line} = ["{stolen}{parts[1][64:]}')
        with pytest.raises(HubError, match="one role"):
            load_config(pilot.directory)


def test_pins_and_addresses_are_read_from_beside_the_file(pilot: Pilot) -> None:
    """Files and paths as seen from hub.toml, addresses as they are, a SHA-256 as people write it."""
    (pilot.directory / "pin.pem").write_bytes(b"pinned")
    digest = "ab" * 32
    pilot.configure(
        '[[source]]\nname = "a"\nkind = "files"\nurl = "in/keys.pem"\n'
        f'pins = {{ key = "pin.pem", root = "hex:0102", name = "text:signer", sha256 = "{digest}" }}'
    )
    (source,) = load_config(pilot.directory).sources
    assert source.url == str((pilot.directory / "in" / "keys.pem").resolve())
    assert dict(source.pins) == {
        "key": b"pinned", "root": b"\x01\x02", "name": b"signer", "sha256": digest.encode(),
    }  # fmt: skip


def test_a_folder_without_a_hub_says_how_to_make_one(tmp_path: Path) -> None:
    """The error is the next step."""
    with pytest.raises(HubError, match="vaxgate-hub init"):
        load_config(tmp_path)


# --- the network ------------------------------------------------------------------------------------------


class _Upstream(BaseHTTPRequestHandler):
    """Answers by the path: /ok, /moved, /gzip, /endless, /missing."""

    protocol_version = "HTTP/1.1"
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.headers["X-Asked"] or "")
        match self.path:
            case "/ok":
                self._answer(200, b"a list", {"X-Next": "7"})
            case "/moved":
                self._answer(302, b"", {"Location": "/ok"})
            case "/gzip":
                self._answer(200, gzip.compress(b"a list"), {"Content-Encoding": "gzip"})
            case "/endless":
                self.send_response(200)
                self.end_headers()
                self.close_connection = True
                with suppress(ConnectionError):  # whoever asked has had enough
                    for _ in range(2000):
                        self.wfile.write(bytes(1 << 20))
            case "/short":
                self.send_response(200)
                self.send_header("Content-Length", "100")
                self.end_headers()
                self.wfile.write(b"a li")
                self.close_connection = True
            case _:
                self._answer(404, b"nothing", {})

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Tests look at the answers."""


@pytest.fixture(scope="module")
def upstream() -> Iterator[str]:
    """The address of a publisher on this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Upstream)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_an_answer_is_given_as_it_came(upstream: str) -> None:
    """Status, headers in lower case, body; our headers arrive; nothing is unpacked."""
    with Fetch() as get:
        reply = get(f"{upstream}/ok", {"X-Asked": "page 2"})
        assert (reply.status, reply.headers["x-next"], reply.body) == (200, "7", b"a list")
        assert _Upstream.asked[-1] == "page 2"
        assert get(f"{upstream}/missing", {}).status == 404
        assert gzip.decompress(get(f"{upstream}/gzip", {}).body) == b"a list"


@pytest.mark.parametrize(
    ("path", "words"),
    {
        "a redirect": ("/moved", "leads elsewhere"),
        "an endless answer": ("/endless", "more than"),
        "an answer cut short": ("/short", "could not be had"),
    }.values(),
)
def test_what_is_no_list_is_not_taken(
    upstream: str, path: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each fault by its name; the address that a person wrote down is the only one that is asked."""
    monkeypatch.setattr("trustsync.hub.fetch.MAX_RAW", 8 << 20)
    with Fetch() as get, pytest.raises(UpstreamError, match=words):
        get(upstream + path, {})


def test_only_https_leaves_this_machine() -> None:
    """Some lists are proven by nothing but the connection; plain http would prove nothing at all."""
    with Fetch() as get:
        with pytest.raises(UpstreamError, match="only https"):
            get("http://list.example/keys", {})
        with pytest.raises(UpstreamError, match="only https"):
            get("ftp://list.example/keys", {})


def test_files_are_read_like_answers(tmp_path: Path) -> None:
    """By path or by file: address; a missing one is an error with the path."""
    (tmp_path / "a list.pem").write_bytes(b"keys")
    with Fetch() as get:
        assert get(str(tmp_path / "a list.pem"), {}).body == b"keys"
        assert get((tmp_path / "a list.pem").as_uri(), {}).body == b"keys"
        with pytest.raises(UpstreamError, match="cannot be read"):
            get(str(tmp_path / "none.pem"), {})


def test_a_shared_kid_text_survives_the_ledger(pilot: Pilot) -> None:
    """A health card's key is listed with its owner; what is held reads back equal."""
    card = key(
        1, kid=hashlib.sha256(b"x").hexdigest()[:43].encode(), domain=Domain.SHC, issuer="https://i.example"
    )
    pilot.says("vci", [card], signed_at=datetime(2021, 11, 1, tzinfo=UTC))
    pilot.gather()
    with pilot.ledger() as ledger:
        (record,) = ledger.lists()["vci"].keys
    assert record.key.issuer == "https://i.example"
