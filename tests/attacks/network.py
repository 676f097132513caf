"""Attacks on who answers at all: names, doors that do not open, certificates, and helpers in between."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import warnings
from collections.abc import Iterator
from datetime import timedelta
from unittest.mock import patch

from attacks.answers import TIMESTAMP, raw
from attacks.scene import NIGHT, Scene, attack, served
from attacks.tls import Authority
from trustsync.fetcher import Limits, tls_context


def _is_weather(scene: Scene, words: str) -> None:
    """The sync failed for the network, in these words, and alarmed nobody."""
    state = scene.state()
    assert words in (state.last_error or ""), state.last_error
    assert state.alarms == ()


@attack("nobody is at home")
def refused_connection(scene: Scene) -> None:
    """The port is closed: no alarm, the list in force stays, and the words name the place."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with scene.unmoved(None, url=f"http://127.0.0.1:{port}"):
        scene.next_list()
    _is_weather(scene, f"nobody answers at 127.0.0.1:{port}")


@attack("the name is not found")
def no_such_name(scene: Scene) -> None:
    """The name server does not know the repository's name, or it is cut off: no alarm, and the words say
    so.
    """
    with scene.unmoved(None, url="http://trust.invalid"):
        scene.next_list()
    _is_weather(scene, "the name trust.invalid is not found")


@attack("a door that never opens")
def never_accepted(scene: Scene) -> None:
    """The line takes the knock and no connection comes about, as behind a firewall that drops: left after
    the gap, no alarm.
    """
    with socket.socket() as listener, contextlib.ExitStack() as waiting:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        place = listener.getsockname()
        for _ in range(4):  # the queue is full; the kernel drops whoever comes then
            knocking = waiting.enter_context(socket.socket())
            knocking.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                knocking.connect(place)
        limits = Limits(total=20.0, gap=0.4, rate=1.0, grace=10.0)
        with scene.unmoved(None, url=f"http://127.0.0.1:{place[1]}", limits=limits):
            scene.next_list()
    _is_weather(scene, "for too long")


@attack("the line is cut in the middle of a word")
def reset(scene: Scene) -> None:
    """The connection is reset before an answer: no alarm."""
    with scene.unmoved(None):
        scene.next_list()
        scene.server.faults[TIMESTAMP] = raw()
    _is_weather(scene, "cut the connection")


@attack("an address that is none for us")
def strange_addresses(scene: Scene) -> None:
    """Somebody sets the repository to a file of this unit, to another protocol, or writes a password into
    it: not fetched, and the password stands in no log.
    """
    for url in ("file:///etc", "ftp://127.0.0.1/x", "http://user:opensesame@127.0.0.1/", "x"):
        with scene.unmoved(None, url=url):
            scene.now = NIGHT
        assert "opensesame" not in (scene.state().last_error or "")


@attack("a proxy is set in the environment")
def proxies(scene: Scene) -> None:
    """Variables that send every program through somebody's machine: not ours; not a byte goes there, and
    the list comes from the place that is configured.
    """
    asked = []
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        proxy.settimeout(0.05)
        place = f"http://127.0.0.1:{proxy.getsockname()[1]}"
        names = ("http_proxy", "https_proxy", "all_proxy")
        with patch.dict(os.environ, {each: place for name in names for each in (name, name.upper())}):
            scene.next_night()
        with contextlib.suppress(TimeoutError):
            asked.append(proxy.accept())
    assert asked == []


# --- TLS ------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _secure(scene: Scene, server: ssl.SSLContext, pinned: Authority) -> Iterator[dict[str, object]]:
    """The publisher's files behind this server; what a unit that pins this authority is configured with."""
    with served(scene.publisher, server) as secure:
        yield {"url": secure.url.replace("http:", "https:"), "tls": tls_context(pinned.pem)}


def _never_spoken_to(scene: Scene, server: ssl.SSLContext, pinned: Authority, words: str) -> None:
    with _secure(scene, server, pinned) as settings, scene.unmoved(None, **settings):
        scene.next_list()
    _is_weather(scene, words)
    with _secure(scene, pinned.server(scene.folder), pinned) as settings:
        scene.sync(**settings)
    scene.arrived()


@attack("the server's certificate is another host's")
def wrong_host(scene: Scene) -> None:
    """The right authority vouches for some other name: not spoken to. With a certificate for this host the
    list arrives.
    """
    ours = Authority("ours")
    _never_spoken_to(scene, ours.server(scene.folder, "elsewhere.example"), ours, "is not trusted")


@attack("the server vouches for itself")
def self_signed(scene: Scene) -> None:
    """Somebody made a certificate for the host's name himself: the pinned root knows nothing of it."""
    _never_spoken_to(scene, Authority("myself").server(scene.folder), Authority("ours"), "is not trusted")


@attack("the server's certificate is over")
def expired_certificate(scene: Scene) -> None:
    """The right authority vouched for the right host until yesterday: not spoken to."""
    ours = Authority("ours")
    _never_spoken_to(scene, ours.server(scene.folder, ago=timedelta(days=3)), ours, "is not trusted")


@attack("an authority of the system vouches for the server")
def not_the_pinned_root(scene: Scene) -> None:
    """A unit that pins its root trusts nobody else, be it an authority that the whole machine trusts: a
    server with which other settings sync is not spoken to.
    """
    world, ours = Authority("the world's"), Authority("ours")
    server = world.server(scene.folder)
    trusted = scene.folder / "authorities.pem"
    trusted.write_bytes(world.pem)
    with patch.dict(os.environ, {"SSL_CERT_FILE": str(trusted)}):
        with _secure(scene, server, ours) as settings:
            assert not scene.sync(**settings | {"tls": None}).changed
        _never_spoken_to(scene, server, ours, "is not trusted")


@attack("the secure port does not speak TLS")
def no_tls(scene: Scene) -> None:
    """Whoever sits in between answers the secure address in clear text, with the very files: not listened
    to.
    """
    with scene.unmoved(None, url=scene.server.url.replace("http:", "https:"), tls=tls_context(None)):
        scene.next_list()
    _is_weather(scene, "no secure connection")


@attack("the server speaks yesterday's TLS only")
def old_tls(scene: Scene) -> None:
    """A server, or somebody who talks it down, offers nothing above TLS 1.1: not spoken to."""
    ours = Authority("ours")
    old = ours.server(scene.folder)
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        old.minimum_version = ssl.TLSVersion.TLSv1
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    _never_spoken_to(scene, old, ours, "no secure connection")
