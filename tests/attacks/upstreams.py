"""Attacks on what a hub gathers, from the publisher upstream to the verdict at a desk.

A hub of its own, real lists over HTTP, two reviewers, and a unit that syncs what the hub has published.
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from http.server import SimpleHTTPRequestHandler
from pathlib import Path
from unittest.mock import patch

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from csca import Csca, private_key, vaccinated
from hub.pilot import Pilot
from hub.upstreams_europe import (
    EuServer,
    Signer,
    austria,
    b64,
    certify,
    german_entry,
    germany,
    kid_of,
    pem_of,
)
from trust_site import DAY, Fault, Server

from attacks import answers
from attacks.keyholders import Keyholders
from attacks.scene import HOUR, START, Scene, attack, served
from attacks.scene import Signer as Ministry
from attacks.tls import Authority
from trustsync.errors import Alarm
from trustsync.hub.config import NotPublishedError
from trustsync.hub.decisions import distrust
from trustsync.hub.fetch import Fetch
from trustsync.hub.gather import Gathered, gather
from trustsync.targets import PRODUCTION, TEST
from verifier.keys import ES256
from verifier.opening import open_code
from verifier.wire import hc1

ONLINE = ("online",)
COUNT = 24  # signers on the national list: one of them is less than a twentieth


@dataclass(frozen=True)
class Clinic:
    """A signer of certificates, as national lists hold them."""

    signer: Signer

    @property
    def certificate(self) -> bytes:
        return self.signer.certificate

    @property
    def kid(self) -> bytes:
        return kid_of(self.certificate)

    def code(self, name: str = "PATIENT") -> str:
        """One dose, signed by this clinic."""
        envelope = open_code(Ministry(1, self.kid).certificate(name, issued=START - HOUR)).envelope
        assert envelope is not None
        return hc1.seal(envelope.payload, kid=self.kid, alg=ES256, sign=self.signer.raw)


@cache
def clinic(number: int) -> Clinic:
    """One of many."""
    span = {"begin": START - 365 * DAY, "until": START + 3650 * DAY}
    return Clinic(certify(f"DSC {number}", private_key("SECP256R1", f"clinic {number}"), **span))


def clinics(*numbers: int) -> list[Clinic]:
    """Those of the honest national list, or these."""
    return [clinic(number) for number in (numbers or range(1, COUNT + 1))]


@cache
def _first_night() -> tuple[Path, int]:
    """A hub and a post after one honest night, made once and then copied; the port of its server."""
    folder = Path(tempfile.mkdtemp(prefix="vaxgate-hub-"))
    maker = os.getpid()
    atexit.register(lambda: shutil.rmtree(folder, ignore_errors=True) if os.getpid() == maker else None)
    Pilot.found(folder / "hub")
    with served(Keyholders(folder)) as server:
        office = Office(folder, server, START)
        office.listen("national", "de", pins=_pin("de"))
        office.national(clinics())
        office.gather()
        office.pilot.approve("an", "binh")
        office.pilot.publish()
        office.night()
        return folder, server.server_address[1]


def opened(scene: Scene) -> Office:
    """A hub with a national list, and a post that has synced from it once; its server is the scene's."""
    base, port = _first_night()
    for name in ("hub", "post"):
        shutil.copytree(base / name, scene.folder / name)
    file = scene.folder / "hub" / "hub.toml"
    file.write_text(file.read_text().replace(f":{port}/", f":{scene.server.server_address[1]}/"))
    office = Office(scene.folder, scene.server, START + HOUR)
    office.national(clinics())
    assert office.unit.answer(clinic(1).code()) == "PASS"
    return office


class Office:
    """A hub and a post that syncs from it. server: of its publishers upstream, and of what it publishes."""

    def __init__(self, folder: Path, server: Server, now: datetime) -> None:
        self.server = server
        self.pilot = Pilot(folder / "hub", now)
        self.unit = Scene(folder / "post", Keyholders(self.pilot.config.repository(PRODUCTION)), server)
        self.unit.now = self.pilot.now

    def listen(
        self,
        name: str,
        kind: str,
        *,
        at: str | None = None,
        pins: Mapping[str, str] | None = None,
        environment: str = PRODUCTION,
        more: str = "",
    ) -> None:
        """The hub asks this publisher too, from now on. at: the address of a server of his own."""
        pinned = ", ".join(f'{role} = "{pin}"' for role, pin in (pins or {}).items())
        self.pilot.configure(
            f'[[source]]\nname = "{name}"\nkind = "{kind}"\nenvironment = "{environment}"\n'
            f'url = "{at or self.server.url}/upstream/{name}"\npins = {{ {pinned} }}\n{more}\n'
        )

    def serves(self, path: str, answer: bytes | Fault) -> None:
        """What a publisher answers under this path."""
        self.server.faults[f"/upstream/{path}"] = (
            answers.sent(answer) if isinstance(answer, bytes) else answer
        )

    def national(self, held: Sequence[Clinic], signer: str = "de", name: str = "national") -> bytes:
        """The national list from now on, signed by the key with this label."""
        entries = [german_entry(each.certificate) for each in held]
        data = germany(entries, key=private_key("SECP256R1", signer)).raw["dsc-list"]
        self.serves(name, data)
        return data

    def gather(self) -> dict[str, Gathered]:
        """A gathering over the network; what became of each source."""
        with self.pilot.ledger() as ledger, Fetch() as get:
            results = gather(self.pilot.config, ledger, self.pilot.now, get)
        return {each.source: each for each in results}

    def night(self) -> None:
        """The post syncs what is published."""
        self.server.directory = self.pilot.config.repository(PRODUCTION)
        self.unit.now = self.pilot.now
        self.unit.sync()

    def nightly(self, *keys: str) -> tuple[str, ...]:
        """A night at the hub with nobody there: what it waits for. Then the post syncs.

        keys: folders of those that lie there; all of them where none is named.
        """
        self.pilot.now += DAY
        self.gather()
        waiting = self.pilot.publish(keys=keys or ("",), nightly=True).waiting
        self.night()
        return waiting


def _pin(label: str) -> dict[str, str]:
    """The public half of a list's key, as hub.toml has it."""
    return {"key": f"hex:{pem_of(private_key('SECP256R1', label)).hex()}"}


# --- Lists that are not theirs --------------------------------------------------------------------------


@attack("a national list is signed by somebody else")
def signed_by_another(scene: Scene) -> None:
    """At the national address lies a list in good order with one more signer, by a key that nobody pinned:
    the hub keeps the bytes and the list before, goes on, and tells; no desk ever hears of that signer.
    """
    office = opened(scene)
    data = office.national([*clinics(), clinic(99)], signer="somebody")
    refused = office.gather()["national"]
    assert "signature does not hold" in str(refused.error)
    (kept,) = (office.pilot.config.archive / refused.archive).iterdir()
    assert kept.read_bytes() == data
    assert office.nightly() == ()
    assert office.unit.answer(clinic(1).code()) == "PASS"
    assert office.unit.answer(clinic(99).code()) == "FAIL KEY_UNKNOWN"


@attack("an old national list is played to the hub")
def replayed_upstream(scene: Scene) -> None:
    """The list bears no date, so an old one cannot be told from a new one: a signer was withdrawn and the
    list before it comes again. What was withdrawn stays so, at the hub and at the desk, until people
    reinstate it.
    """
    office = opened(scene)
    office.national(clinics(*range(2, COUNT + 1)))
    assert office.nightly() == ()
    assert office.unit.answer(clinic(1).code()) == "FAIL KEY_WITHDRAWN"
    office.national(clinics())
    assert office.nightly() == ()
    assert [key.kid for key in office.pilot.change().returned] == [clinic(1).kid]
    assert office.unit.answer(clinic(1).code()) == "FAIL KEY_WITHDRAWN"
    assert office.unit.answer(clinic(2).code()) == "PASS"


@attack("a dated list goes back in time")
def dated_backwards(scene: Scene) -> None:
    """A publisher who dates his lists has withdrawn a signer; the list of the day before, which is still
    valid, is played to the hub: refused by its date.
    """
    office = opened(scene)
    signer = certify("at list", private_key("SECP256R1", "at"), begin=START - DAY, until=START + 9 * DAY)
    office.listen("dated", "at", pins={"certificate": f"hex:{signer.certificate.hex()}"})

    def publishes(numbers: Sequence[int], hours: int) -> None:
        listed = [{"i": clinic(n).kid, "c": clinic(n).certificate} for n in numbers]
        begin = START + hours * HOUR
        made = austria(listed, signer=signer, begin=begin, end=begin + 3 * DAY)
        for end, file in (("dated", "content"), ("datedsig", "signature")):
            office.serves(end, made.raw[file])

    publishes([1, 31, 32], -1)
    office.gather()
    office.pilot.approve("an", "binh")
    assert office.nightly() == ()
    assert office.unit.answer(clinic(31).code()) == "PASS"
    publishes([1, 32], 20)
    assert office.nightly() == ()
    assert office.unit.answer(clinic(31).code()) == "FAIL KEY_WITHDRAWN"
    publishes([1, 31, 32], -1)
    assert "goes backwards" in str(office.gather()["dated"].error)
    assert office.nightly() == ()
    assert office.unit.answer(clinic(31).code()) == "FAIL KEY_WITHDRAWN"


@attack("a national list forgets half of its signers")
def half_forgotten(scene: Scene) -> None:
    """Rightly signed, and a country's travellers would all be red in the morning: so large a change waits for
    two people. The rest of the night goes on without them, and one person twice is not two.
    """
    office = opened(scene)
    office.national(clinics(*range(1, COUNT // 2 + 1)))
    (waits,) = office.nightly()
    assert "asks for 2 reviewers" in waits
    assert office.unit.answer(clinic(COUNT).code()) == "PASS"
    assert office.unit.look().signed_at == office.pilot.now
    office.pilot.approve("an", "an")
    with pytest.raises(NotPublishedError, match="signed so far: an"):
        office.pilot.publish()
    office.pilot.approve("binh")
    office.pilot.publish()
    office.night()
    assert office.unit.answer(clinic(COUNT).code()) == "FAIL KEY_WITHDRAWN"
    assert office.unit.answer(clinic(1).code()) == "PASS"


@attack("a list changes after the reviewers have looked")
def changed_after_review(scene: Scene) -> None:
    """Two people have signed ten new signers; before it is published the list has one more. They have not
    seen that one: their signatures are for another change.
    """
    office = opened(scene)
    office.national(clinics(*range(1, COUNT + 11)))
    office.gather()
    office.pilot.approve("an", "binh")
    office.national([*clinics(*range(1, COUNT + 11)), clinic(99)])
    (waits,) = office.nightly()
    assert "nobody has signed it" in waits
    assert office.unit.answer(clinic(99).code()) == "FAIL KEY_UNKNOWN"
    assert office.unit.answer(clinic(COUNT + 1).code()) == "FAIL KEY_UNKNOWN"
    office.national(clinics(*range(1, COUNT + 11)))
    office.gather()
    office.pilot.publish()
    office.night()
    assert office.unit.answer(clinic(COUNT + 1).code()) == "PASS"


@attack("the key under a national list is stolen")
def stolen_national_key(scene: Scene) -> None:
    """The thief signs a true list with one signer of his own in it: so small a change of a proven list goes
    through, and his certificates are green for a night. The hub's people distrust that signer, whatever his
    list goes on saying, and from their word on it is red.
    """
    office = opened(scene)
    office.national([*clinics(), clinic(99)])
    assert office.nightly() == ()
    assert office.unit.answer(clinic(99).code()) == "PASS"
    with office.pilot.ledger() as ledger:
        distrust(ledger, PRODUCTION, clinic(99).kid, by="an", now=office.pilot.now)
    assert office.nightly() == ()
    assert office.unit.answer(clinic(99).code()) == "FAIL KEY_WITHDRAWN"
    assert office.unit.answer(clinic(1).code()) == "PASS"
    assert office.nightly() == ()
    assert office.unit.answer(clinic(99).code()) == "FAIL KEY_WITHDRAWN"


# --- Lists that nothing proves --------------------------------------------------------------------------


@contextlib.contextmanager
def _services(office: Office) -> Iterator[dict[str, Server]]:
    """Two servers over HTTPS, by their hosts, with certificates that this machine believes."""
    world = Authority("the world's")
    folder, publisher = office.unit.folder, office.unit.publisher
    (folder / "world.pem").write_bytes(world.pem)
    believed = patch.dict(os.environ, {"SSL_CERT_FILE": str(folder / "world.pem")})
    with (
        believed,
        served(publisher, world.server(folder)) as here,
        served(publisher, world.server(folder, "localhost")) as there,
    ):
        yield {"127.0.0.1": here, "localhost": there}


def _speaks(server: Server, name: str, held: Sequence[Clinic]) -> None:
    """A verifier service that nothing but the connection proves."""
    kids = [each.kid for each in held]
    get = EuServer(
        [each.certificate for each in held],
        kids,
        [10 * (place + 1) for place in range(len(held))],
        json.dumps([b64(kid) for kid in kids]).encode(),
    )

    def answer(handler: SimpleHTTPRequestHandler, _file: Path) -> None:
        reply = get(handler.path, handler.headers)  # its headers are a mapping too
        handler.send_response(reply.status)
        for header, value in {**reply.headers, "Content-Length": str(len(reply.body))}.items():
            handler.send_header(header, value)
        handler.end_headers()
        handler.wfile.write(reply.body)

    for end in ("signercertificateUpdate", "signercertificateStatus"):
        server.faults[f"/upstream/{name}/{end}"] = answer


@attack("one connection brings a new signer")
def one_connection(scene: Scene) -> None:
    """A service whose lists nobody signs names one more signer; so does a second list of the same host, which
    who has forged the one connection has forged too, and a third that came in clear. It waits for a person,
    until another host says the same.
    """
    office = opened(scene)
    honest, more = clinics(1), clinics(1, 99)
    with _services(office) as servers:
        for name, host in (("service", "127.0.0.1"), ("other", "127.0.0.1"), ("elsewhere", "localhost")):
            office.listen(name, "eu", at=f"https://{host}:{servers[host].server_address[1]}")
            _speaks(servers[host], name, honest if host == "localhost" else more)
        office.listen("in-clear", "eu", at=office.server.url.replace("127.0.0.1", "localhost"))
        _speaks(office.server, "in-clear", more)
        assert {each.error for each in office.gather().values()} == {None}
        (waits,) = office.nightly()
        assert "one connection alone" in waits
        assert office.unit.answer(clinic(99).code()) == "FAIL KEY_UNKNOWN"
        _speaks(servers["localhost"], "elsewhere", more)
        assert office.nightly() == ()
    assert office.unit.answer(clinic(99).code()) == "PASS"


@attack("a connection forgets the signers of a signed list")
def connection_against_signature(scene: Scene) -> None:
    """A service that nothing proves has named the national signers too, and now names one of them: whoever
    can forge a connection can let nobody in by it, and can take nobody's colour away either.
    """
    office = opened(scene)
    with _services(office) as servers:
        here = servers["127.0.0.1"]
        office.listen("service", "eu", at=f"https://127.0.0.1:{here.server_address[1]}")
        _speaks(here, "service", clinics())
        assert office.nightly() == ()
        _speaks(here, "service", clinics(1))
        assert office.gather()["service"].keys == 1
        assert office.pilot.change().empty
        assert office.nightly() == ()
    assert office.unit.answer(clinic(2).code()) == "PASS"


@attack("somebody's own authority for a country")
def new_authority(scene: Scene) -> None:
    """A CSCA vouches for signers without number, so one that comes or goes is never a small change. One
    person is not enough; and when the file under its address is exchanged, it is not the pinned one.
    """
    office = opened(scene)
    true, false = Csca("XV", label="true"), Csca("XV", label="false")
    pem = _pem(true)
    pins = {"sha256": hashlib.sha256(pem).hexdigest()}
    office.listen("authorities", "files", pins=pins, more='options = { domain = "vds-nc" }')
    office.serves("authorities", pem)
    (waits,) = office.nightly()
    assert "a CSCA" in waits
    office.pilot.approve("binh")
    assert office.nightly() != ()
    seal, forged = (authority.signer().seal(vaccinated()) for authority in (true, false))
    assert office.unit.answer(seal) == "FAIL KEY_UNKNOWN"
    office.pilot.approve("an", "binh")
    office.pilot.publish()
    office.night()
    assert office.unit.answer(seal) == "PASS"
    office.serves("authorities", _pem(false))
    assert "not the one" in str(office.gather()["authorities"].error)
    assert office.nightly() == ()
    assert office.unit.answer(seal) == "PASS"
    assert office.unit.answer(forged) == "FAIL CHAIN_BAD"


def _pem(authority: Csca) -> bytes:
    return x509.load_der_x509_certificate(authority.certificate()).public_bytes(Encoding.PEM)


# --- Two worlds -----------------------------------------------------------------------------------------


@attack("a list of the test environment with real keys in it")
def mixed_worlds(scene: Scene) -> None:
    """The development list names a real clinic and a sample signer whose secret half the world has. Of it the
    real list gets names alone: a sample is called a sample, a real key is not, and no sample key is anywhere
    among the published files.
    """
    office = opened(scene)
    office.listen("dev", "de", pins=_pin("dev"), environment=TEST)
    office.national([clinic(1), clinic(98)], signer="dev", name="dev")
    office.gather()
    for environment in (PRODUCTION, TEST):
        office.pilot.approve("an", "binh", environment=environment)
        office.pilot.publish(environment)
    office.night()
    assert office.unit.answer(clinic(98).code()) == "FAIL KEY_TEST"
    assert office.unit.answer(clinic(1).code()) == "PASS"
    secret = clinic(98).certificate
    assert not [path for path, data in office.pilot.tree().items() if secret[-64:] in data]
    assert [path for path, data in office.pilot.tree(TEST).items() if secret[-64:] in data]


@attack("the test repository at the real address")
def test_repository(scene: Scene) -> None:
    """By somebody's mistake the web server gives out the hub's other repository, in which sample keys are
    real: it hangs from another root; refused, whatever it says.
    """
    office = opened(scene)
    office.listen("dev", "de", pins=_pin("dev"), environment=TEST)
    office.national([clinic(98)], signer="dev", name="dev")
    office.gather()
    office.pilot.approve("an", "binh", environment=TEST)
    office.pilot.publish(TEST)
    with office.unit.unmoved(Alarm.SIGNATURE):
        office.server.directory = office.pilot.config.repository(TEST)
    assert office.unit.answer(clinic(98).code()) == "FAIL KEY_UNKNOWN"
    assert office.unit.answer(clinic(1).code()) == "PASS"
