"""The published repository over HTTP, in process."""

from __future__ import annotations

import json
import socket
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from issuer.errors import IssuerError
from issuer.server import Server, create_app


def test_the_files_are_served_as_they_are(founded: Path) -> None:
    """Root, metadata and every target, byte for byte."""
    client = create_app(founded / "public").test_client()
    paths = [path for path in (founded / "public").rglob("*") if path.is_file()]
    # root twice, the seven other roles; keys, self-test, index and the specimen's segment, rules;
    # JWKS, DID document, CSCA and its CRL
    assert len(paths) == 9 + 5 + 4
    for path in paths:
        answer = client.get("/" + str(path.relative_to(founded / "public")))
        assert (answer.status_code, answer.data) == (200, path.read_bytes())


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/metadata",
        "/metadata/",
        "/targets/",
        "/targets/trust/",
        "/issuer.db",
        "/metadata/../../issuer.db",
        "/metadata/..%2f..%2fissuer.db",
        "/targets/../../issuer.db",
        "/targets/trust/..%2f..%2f..%2fissuer.db",
        "/metadata/2.root.json",
        "/metadata/.new-abc",
    ],
)
def test_nothing_else_is_served_and_no_directory_is_listed(founded: Path, path: str) -> None:
    """The private keys lie two directories away, and no road leads there."""
    answer = create_app(founded / "public").test_client().get(path)
    assert answer.status_code == 404
    assert b"SQLite" not in answer.data


def test_only_reading_is_possible(founded: Path) -> None:
    """No other method is known anywhere."""
    client = create_app(founded / "public").test_client()
    for method in (client.post, client.put, client.delete, client.patch):
        assert method("/root.json").status_code == 405


def test_health_says_what_is_published(founded: Path, tmp_path: Path) -> None:
    """200 with the signed instant; 503 while there is nothing to serve."""
    answer = create_app(founded / "public").test_client().get("/health")
    assert answer.status_code == 200
    assert answer.json is not None
    assert (answer.json["state"], answer.json["signed_at"]) == ("SERVING", "2021-09-01T08:00:00Z")
    empty = create_app(tmp_path).test_client().get("/health")
    assert empty.status_code == 503


def test_a_server_answers_as_soon_as_it_is_entered_and_not_after(founded: Path) -> None:
    """Ready means answered; gone means that the port is free again."""
    with Server(create_app(founded / "public")) as server:
        with urllib.request.urlopen(f"{server.url}/health", timeout=10) as answer:
            assert json.load(answer)["state"] == "SERVING"
        port = int(server.url.rsplit(":", 1)[1])
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"{server.url}/health", timeout=10)
    with socket.socket() as free:
        free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        free.bind(("127.0.0.1", port))


def test_a_port_that_is_taken_is_said_in_words(founded: Path) -> None:
    """And what to do about it."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(IssuerError, match="--port 0"):
            Server(create_app(founded / "public"), port=taken.getsockname()[1])
