"""The chains of the Python world: from a text to claims that a signature proves.

An engine takes a list of texts and says of each whether it proved it. Keys are loaded before the first turn,
and found by their KID: what a verifier that runs for longer than one certificate would do.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable
from typing import Any

from serving import Maker, serve

Chain = Callable[[list[str]], list[bool]]


def proving(verify: Callable[[str], Any]) -> Chain:
    """A chain of a function that gives the document, and raises or gives nothing for what is not proven."""

    def prove(texts: list[str]) -> list[bool]:
        proven = []
        for text in texts:
            try:
                proven.append(bool(verify(text)))
            except Exception:  # noqa: BLE001 - each peer has its own way to refuse
                proven.append(False)
        return proven

    return prove


def keys_of(setup: dict[str, Any], family: str) -> dict[bytes, bytes]:
    """The DER of each key by its KID."""
    return {base64.b64decode(key["kid"]): base64.b64decode(key["spki"]) for key in setup["keys"][family]}


def pem(der: bytes) -> str:
    return f"-----BEGIN PUBLIC KEY-----\n{base64.encodebytes(der).decode()}-----END PUBLIC KEY-----\n"


def straightforward(setup: dict[str, Any]) -> Chain:
    """What one writes first: base45, zlib, cbor2 and cryptography, one after the other."""
    import base45
    import cbor2
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    keys: Any = {kid: load_der_public_key(der) for kid, der in keys_of(setup, "HC1").items()}

    def verify(text: str) -> Any:
        protected, _loose, payload, raw = cbor2.loads(zlib.decompress(base45.b45decode(text[4:]))).value
        half = len(raw) // 2
        signature = encode_dss_signature(int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big"))
        message = cbor2.dumps(["Signature1", protected, b"", payload])
        keys[cbor2.loads(protected)[4]].verify(signature, message, ec.ECDSA(hashes.SHA256()))
        return cbor2.loads(payload)[-260][1]

    return proving(verify)


def pypi_cwt(setup: dict[str, Any]) -> Chain:
    import base45
    import cwt

    keys = [cwt.COSEKey.from_pem(pem(der), kid=kid) for kid, der in keys_of(setup, "HC1").items()]
    return proving(lambda text: cwt.decode(zlib.decompress(base45.b45decode(text[4:])), keys=keys)[-260][1])


def cose_keys(setup: dict[str, Any]) -> dict[bytes, Any]:
    """Keys as PyPI ``cose`` wants them: a P-256 key's point is the end of its DER."""
    from cose.keys import EC2Key
    from cose.keys.curves import P256

    points = {kid: der[-64:] for kid, der in keys_of(setup, "HC1").items()}
    return {kid: EC2Key(crv=P256, x=point[:32], y=point[32:]) for kid, point in points.items()}


def pypi_cose(setup: dict[str, Any]) -> Chain:
    """The way of python-hcert and of most scripts of 2021."""
    import base45
    import cbor2
    from cose.headers import KID
    from cose.messages import CoseMessage

    keys = cose_keys(setup)

    def verify(text: str) -> Any:
        message = CoseMessage.decode(zlib.decompress(base45.b45decode(text[4:])))
        message.key = keys[message.phdr[KID]]
        return message.verify_signature() and cbor2.loads(message.payload)[-260][1]

    return proving(verify)


def greenpass(setup: dict[str, Any]) -> Chain:
    from greenpass.logic import GreenPassParser

    keys = cose_keys(setup)

    def verify(text: str) -> Any:
        passed = GreenPassParser(text.encode())
        passed.set_key(keys[passed.get_kid()])
        return passed.verify() and passed.get_certificate()

    return proving(verify)


def pypi_joserfc(setup: dict[str, Any]) -> Chain:
    """joserfc, with what a SMART Health Card needs around it."""
    from joserfc import jws
    from joserfc.jwk import ECKey

    keys = {kid.decode(): ECKey.import_key(pem(der)) for kid, der in keys_of(setup, "SHC").items()}

    def verify(text: str) -> Any:
        digits = text.removeprefix("shc:/")
        token = "".join(chr(int(digits[at : at + 2]) + 45) for at in range(0, len(digits), 2))
        card = jws.deserialize_compact(token, lambda part: keys[part.headers()["kid"]], registry=registry)
        return json.loads(zlib.decompress(card.payload, -zlib.MAX_WBITS))["vc"]

    # ``zip`` is a header of JWE that these cards use in a JWS.
    from joserfc.jws import JWSRegistry
    from joserfc.registry import HeaderParameter

    registry = JWSRegistry(
        header_registry={"zip": HeaderParameter("Compression", "str")}, algorithms=["ES256"]
    )
    return proving(verify)


MAKERS: dict[str, Maker] = {
    "straightforward": ("cryptography", straightforward),
    "cwt": ("cwt", pypi_cwt),
    "joserfc": ("joserfc", pypi_joserfc),
    "cose": ("cose", pypi_cose),
    "greenpass": ("greenpass", greenpass),
}

if __name__ == "__main__":
    serve(MAKERS)
