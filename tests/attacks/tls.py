"""Servers with certificates of our own making, right and wrong, for what is spoken over HTTPS.

authority = Authority("ours")
with served(publisher, authority.server(folder, ip_address("127.0.0.1"))) as server: ...
tls_context(authority.pem)                     # what the unit pins
"""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

HERE = ip_address("127.0.0.1")
_DAY = timedelta(days=1)


class Authority:
    """A certificate authority, good for a day. TLS asks this machine's clock, not the story's."""

    def __init__(self, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        basic = x509.BasicConstraints(ca=True, path_length=0)
        self.pem = self._sign(self._name, self._key, basic, datetime.now(UTC)).public_bytes(Encoding.PEM)

    def server(
        self, folder: Path, host: str | IPv4Address = HERE, *, ago: timedelta = timedelta()
    ) -> ssl.SSLContext:
        """A server's context with a certificate for this host, which was good so long ago."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "server")])
        name = x509.DNSName(host) if isinstance(host, str) else x509.IPAddress(host)
        certificate = self._sign(subject, key, x509.SubjectAlternativeName([name]), datetime.now(UTC) - ago)
        file = folder / "server.pem"
        file.write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            + certificate.public_bytes(Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    def _sign(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        extension: x509.ExtensionType,
        day: datetime,
    ) -> x509.Certificate:
        serial = x509.random_serial_number()
        return (
            x509.CertificateBuilder(self._name, subject, key.public_key(), serial, day - _DAY, day + _DAY)
            .add_extension(extension, critical=False)
            .sign(self._key, hashes.SHA256())
        )
