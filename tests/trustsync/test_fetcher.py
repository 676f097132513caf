"""The fetcher against a server that says what it is told to: rests of a body, TLS, counting, plain words."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import socket
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from scripted import Scripted, ok, status
from tuf.api.exceptions import DownloadError, DownloadHTTPError, SlowRetrievalError

from trustsync.errors import SettingsError
from trustsync.fetcher import Answer, CutShortError, Fetcher, Limits, tls_context

QUICK = Limits(total=10.0, gap=2.0, grace=5.0)
WHOLE = b"0123456789"


def rest(fetcher: Fetcher, url: str, offset: int, etag: str | None = None) -> tuple[int, bytes]:
    """Where the body begins, and the body."""
    answer: Answer = fetcher.fetch_from(url, offset, etag)
    return answer.start, b"".join(answer.chunks)


def test_a_rest_is_asked_for_by_range_and_taken_where_it_begins_there() -> None:
    """206 with a Content-Range that begins at the very byte: the rest, and only the rest."""
    part = status(206, WHOLE[4:], Content_Range="bytes 4-9/10", ETag='"a"')
    with Scripted([part]) as server:
        answer = Fetcher(QUICK).fetch_from(server.url + "/x", 4, '"a"')
        assert (answer.start, answer.etag, b"".join(answer.chunks)) == (4, '"a"', WHOLE[4:])

    (asked,) = server.requests
    assert asked.headers["range"] == "bytes=4-"
    assert asked.headers["if-range"] == '"a"'
    assert asked.headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("etag", [None, 'W/"a"', "a", '"a\r\nX: y"', '"' + "a" * 200 + '"'])
def test_only_a_strong_validator_goes_into_if_range(etag: str | None) -> None:
    """RFC 9110 13.1.5: a weak one does not vouch for bytes; what is no ETag at all is not repeated."""
    part = status(206, WHOLE[4:], Content_Range="bytes 4-9/*")
    with Scripted([part]) as server:
        assert rest(Fetcher(QUICK), server.url + "/x", 4, etag) == (4, WHOLE[4:])
    assert "if-range" not in server.requests[0].headers


def test_a_server_that_does_not_do_ranges_gives_the_whole_and_we_know_it() -> None:
    """200 to a Range request is the whole body: it begins at 0."""
    with Scripted([ok(WHOLE)]) as server:
        assert rest(Fetcher(QUICK), server.url + "/x", 4) == (0, WHOLE)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "unfit",
    {
        "there is no such rest": status(416, b"", Content_Range="bytes */3"),
        "another beginning": status(206, WHOLE[3:], Content_Range="bytes 3-9/10"),
        "no word where it begins": status(206, WHOLE[4:]),
        "several parts": status(206, WHOLE[4:], Content_Type="multipart/byteranges; boundary=x"),
        "a length that does not fit": status(206, WHOLE[4:], Content_Range="bytes 4-8/10"),
        "an end before the beginning": status(206, b"", Content_Range="bytes 4-3/10"),
    }.items(),
    ids=lambda item: item[0],
)
def test_a_part_that_was_not_asked_for_is_left_and_the_whole_is_fetched(unfit: tuple[str, bytes]) -> None:
    """Bytes whose place is not sure are worth nothing: one more request, without a range."""
    with Scripted([unfit[1], ok(WHOLE)]) as server:
        assert rest(Fetcher(QUICK), server.url + "/x", 4) == (0, WHOLE)
    assert ["range" in request.headers for request in server.requests] == [True, False]


@pytest.mark.parametrize("code", [206, 304, 301, 416, 500])
def test_what_answers_no_question_is_refused(code: int) -> None:
    """A part or a "not modified" that nobody asked for is no body."""
    with Scripted([status(code, b"", Content_Range="bytes 0-0/1", Location="/y")]) as server:
        with pytest.raises(DownloadHTTPError, match=str(code)) as caught:
            Fetcher(QUICK).download_bytes(server.url + "/x", 100)
        assert caught.value.status_code == code
    assert len(server.requests) == 1


def test_a_compressed_rest_is_refused() -> None:
    """A rest of another representation would be glued to bytes of this one."""
    part = status(206, WHOLE[4:], Content_Range="bytes 4-9/10", Content_Encoding="gzip")
    with Scripted([part]) as server, pytest.raises(DownloadError, match="identity"):
        rest(Fetcher(QUICK), server.url + "/x", 4)


def test_a_rest_that_is_cut_short_is_an_error() -> None:
    """Fewer bytes than announced are not the end of the file."""
    part = status(206, WHOLE[4:], Content_Range="bytes 4-9/10")[:-2]
    with Scripted([part]) as server, pytest.raises(CutShortError):
        rest(Fetcher(QUICK), server.url + "/x", 4)


@pytest.mark.parametrize("line", [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200 X\r\n" + b"A: b\r\n" * 50])
def test_headers_without_end_are_left(line: bytes) -> None:
    """A server that fills the time with headers is left after 64 KiB, not at the end of the budget."""
    sent = 0

    def talk(connection: socket.socket) -> None:
        nonlocal sent
        with contextlib.suppress(OSError):
            for _ in range(20_000):
                connection.sendall(line)
                sent += len(line)

    with Scripted([talk]) as server, pytest.raises(DownloadError, match=r"headers without end|HTTP"):
        Fetcher(QUICK).download_bytes(server.url + "/x", 100)
    assert sent < 20_000 * len(line)


def test_what_the_network_carried_is_counted_in_both_directions() -> None:
    """Request lines, headers, bodies and the page beside an error: what the server counts is our figure."""
    answers = [ok(b"x" * 5000, Server="y"), status(404, b"not here", Server="y"), ok(b"")]
    with Scripted(answers) as server:
        fetcher = Fetcher(QUICK)
        fetcher.download_bytes(server.url + "/a", 5000)
        with pytest.raises(DownloadHTTPError):
            fetcher.download_bytes(server.url + "/b", 5000)
        fetcher.download_bytes(server.url + "/c", 5000)

    assert fetcher.wire_bytes == server.seen > 5000
    assert (fetcher.requests, fetcher.received) == (3, 5000)


def test_an_address_with_odd_characters_is_quoted_and_injects_nothing() -> None:
    """A target's name may hold anything; the request line holds what an address may hold."""
    with Scripted([ok(b"")] * 3) as server:
        fetcher = Fetcher(QUICK)
        fetcher.download_bytes(server.url + "/a b/ü%2F~?q=1 2", 10)
        fetcher.download_bytes(server.url + "/x\r\nHost: evil", 10)
        fetcher.download_bytes(server.url, 10)

    assert [request.target for request in server.requests] == [
        "/a%20b/%C3%BC%2F~?q=1%202",
        "/xHost:%20evil",
        "/",
    ]
    assert all(request.headers["host"] == f"127.0.0.1:{server.port}" for request in server.requests)


def test_nobody_there_is_said_in_plain_words() -> None:
    """A refused connection names the place that nobody answers at, not an errno."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(DownloadError, match=rf"nobody answers at 127\.0\.0\.1:{port} \(connection refused\)"):
        Fetcher(QUICK).download_bytes(f"http://127.0.0.1:{port}/x", 10)


def hang_up(connection: socket.socket) -> None:
    """Nothing is said."""
    connection.close()


@pytest.mark.parametrize(
    ("url", "answer", "words"),
    [
        ("{}/x", hang_up, "cut the connection"),
        ("{}/x", b"SSH-2.0-OpenSSH_9.2\r\n", "does not speak HTTP"),
        ("http://name.invalid/x", b"", "the name name.invalid is not found"),
        (f"http://{'a' * 70}.invalid/x", b"", "there is no way to"),
        ("http://127.0.0.1:70000/x", b"", "no address"),
        ("ftp://127.0.0.1/x", b"", "only http and https"),
    ],
)
def test_other_failures_are_said_in_plain_words(url: str, answer: bytes, words: str) -> None:
    """What an officer can read down the telephone."""
    with Scripted([answer]) as server, pytest.raises(DownloadError, match=words):
        Fetcher(QUICK).download_bytes(url.format(server.url), 10)


def test_silence_is_bounded_and_named() -> None:
    """A server that takes the request and says nothing is left after the gap."""
    with (
        Scripted([lambda connection: connection.recv(1)]) as server,
        pytest.raises(SlowRetrievalError, match="nothing came"),
    ):
        Fetcher(Limits(total=10, gap=0.2)).download_bytes(server.url + "/x", 10)


class Authority:
    """A certificate authority of the test's own, and certificates for servers by it."""

    def __init__(self, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        basic = x509.BasicConstraints(ca=True, path_length=0)
        self._certificate = self._sign(self._name, self._key, basic)
        self.pem = self._certificate.public_bytes(serialization.Encoding.PEM)

    def server(self, folder: Path, *names: x509.GeneralName) -> ssl.SSLContext:
        """A server's context with a certificate for these names."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "server")])
        certificate = self._sign(subject, key, x509.SubjectAlternativeName(names))
        file = folder / "server.pem"
        file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    def _sign(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, extension: x509.ExtensionType
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        day = datetime.timedelta(days=1)
        return (
            x509.CertificateBuilder(
                self._name, subject, key.public_key(), x509.random_serial_number(), now - day, now + day
            )
            .add_extension(extension, critical=False)
            .sign(self._key, hashes.SHA256())
        )


HERE = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))


def test_a_server_under_the_pinned_root_is_spoken_to(tmp_path: Path) -> None:
    """The pinned root alone is trusted, and it is enough."""
    authority = Authority("ours")
    with Scripted([ok(WHOLE)], authority.server(tmp_path, HERE)) as server:
        fetcher = Fetcher(QUICK, tls=tls_context(authority.pem))
        assert fetcher.download_bytes(server.url + "/x", 100) == WHOLE
        assert fetcher.wire_bytes == server.seen  # before TLS


def test_a_server_under_any_other_root_is_not(tmp_path: Path) -> None:
    """Neither another authority nor the system's authorities open the door; the reason is said."""
    with Scripted([ok(WHOLE)] * 2, Authority("theirs").server(tmp_path, HERE)) as server:
        for context in (tls_context(Authority("ours").pem), tls_context(None), None):
            with pytest.raises(DownloadError, match=r"certificate of 127\.0\.0\.1:\d+ is not trusted"):
                Fetcher(QUICK, tls=context).download_bytes(server.url + "/x", 100)
    assert server.requests == []


def test_a_certificate_for_another_name_is_refused(tmp_path: Path) -> None:
    """The right root for the wrong host is the wrong host."""
    authority = Authority("ours")
    context = authority.server(tmp_path, x509.DNSName("trust.example"))
    with Scripted([ok(WHOLE)], context) as server, pytest.raises(DownloadError, match="not trusted"):
        Fetcher(QUICK, tls=tls_context(authority.pem)).download_bytes(server.url + "/x", 100)
    assert server.requests == []


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_old_tls_is_not_spoken(tmp_path: Path) -> None:
    """TLS 1.2 is the least, although the server and this machine could speak less."""
    authority = Authority("ours")
    old, lax = authority.server(tmp_path, HERE), tls_context(authority.pem)
    for context in (old, lax):
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.TLSv1
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    with Scripted([ok(WHOLE)], old) as server:
        with pytest.raises(DownloadError, match="no secure connection"):
            Fetcher(QUICK, tls=tls_context(authority.pem)).download_bytes(server.url + "/x", 100)
        assert server.requests == []
        assert Fetcher(QUICK, tls=lax).download_bytes(server.url + "/x", 100) == WHOLE
    assert tls_context(None).minimum_version >= ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize("pem", [b"", b"rubbish", b"\xff\xfe", b"-----BEGIN CERTIFICATE-----\nAAAA\n"])
def test_pinned_roots_that_are_none_are_a_mistake_of_the_settings(pem: bytes) -> None:
    """Nothing is quietly trusted instead."""
    with pytest.raises(SettingsError, match="PEM"):
        tls_context(pem)
