"""Codes of every family taken apart: the bytes and the members that they are made of, and the way back.

for part in parts_of(Family.SHC, code):
    part.code(part.data)                    # the same code again
for document, build in documents(Family.HC1, code):
    build(document)                         # the same content under the same signature
"""

from __future__ import annotations

import base64
import io
import json
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import cbor2

from verifier.certificate import Family
from verifier.wire import base45, base64url, nzcp, shc

Code = str | bytes
Route = tuple[Any, ...]
PREFIX = {Family.LT1: "LT1:", Family.AT1: "AT1:"}


@dataclass(frozen=True)
class Part:
    """A run of bytes inside a container, and the code that the container is when they are others."""

    name: str
    data: bytes
    code: Callable[[bytes], Code]


def parts_of(family: Family, code: Code) -> list[Part]:
    """The decoded container of a code, as the bytes that it is made of."""
    if family is Family.SHC:
        assert isinstance(code, str)
        return shc_parts(code)
    if family is Family.VDS_NC:
        assert isinstance(code, str)
        return [Part("seal", code.encode(), lambda data: data)]
    if family is Family.DIVOC:
        return [Part("document", divoc_json(code), lambda data: data)]
    assert isinstance(code, str)
    unpack, pack = packing(family)
    return [Part("sign1", unpack(code), pack)]


def packing(family: Family) -> tuple[Callable[[str], bytes], Callable[[bytes], str]]:
    """From a code of the COSE families to its COSE_Sign1, and back."""
    if family is Family.NZCP:
        return (lambda code: nzcp.decode_base32(code[8:])), (
            lambda data: "NZCP:/1/" + nzcp.encode_base32(data)
        )
    prefix = PREFIX.get(family, "HC1:")
    return (
        lambda code: zlib.decompress(base45.decode(code[4:])),
        lambda data: prefix + base45.encode(zlib.compress(data, 9)),
    )


def shc_parts(code: str) -> list[Part]:
    """Header, payload as compressed, payload as inflated, signature: each changed while the others stand."""
    digits = code.removeprefix(shc.PREFIX)
    jws = shc.characters(digits)
    header, payload, signature = jws.split(".")
    deflated = unbase64(payload)
    return [
        Part(
            "header",
            unbase64(header),
            lambda data: numeric(f"{base64url.encode(data)}.{payload}.{signature}"),
        ),
        Part("deflated", deflated, lambda data: numeric(f"{header}.{base64url.encode(data)}.{signature}")),
        Part(
            "payload",
            zlib.decompress(deflated, -15),
            lambda data: numeric(f"{header}.{base64url.encode(deflate(data))}.{signature}"),
        ),
        Part(
            "signature",
            unbase64(signature),
            lambda data: numeric(f"{header}.{payload}.{base64url.encode(data)}"),
        ),
        Part("jws", jws.encode(), lambda data: data.decode("latin-1")),
    ]


def numeric(jws: str) -> str:
    return shc.numeric(jws)[0]


def deflate(data: bytes) -> bytes:
    stream = zlib.compressobj(9, zlib.DEFLATED, -15)
    return stream.compress(data) + stream.flush()


def unbase64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def divoc_json(code: Code) -> bytes:
    data = code if isinstance(code, bytes) else base64.b64decode(code.removeprefix("B64:"))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return archive.read("certificate.json")


def members(value: Any, path: Route = ()) -> Iterator[Route]:
    """The path of every member of every object, at any depth."""
    if isinstance(value, dict):
        for name, member in value.items():
            yield (*path, name)
            yield from members(member, (*path, name))
    elif isinstance(value, list):
        for number, member in enumerate(value):
            yield from members(member, (*path, number))


def at(value: Any, path: Route) -> Any:
    for step in path:
        value = value[step]
    return value


def documents(family: Family, code: Code) -> list[tuple[Any, Callable[[Any], Code]]]:
    """What has members in a code, and the code that says something else there under the same signature."""
    if family is Family.SHC:
        header, _, payload, _, _ = shc_parts(str(code))
        return [
            (json.loads(part.data), lambda value, part=part: part.code(dumped(value)))
            for part in (header, payload)
        ]
    if family is Family.VDS_NC:
        return [(json.loads(code), lambda value: dumped(value).decode())]
    if family is Family.DIVOC:
        return [(json.loads(divoc_json(code)), dumped)]
    unpack, pack = packing(family)
    protected, unprotected, payload, signature = cbor2.loads(unpack(str(code))).value

    def sealed(whole: dict[str, Any]) -> str:
        array = [
            cbor2.dumps(whole["protected"]),
            whole["unprotected"],
            cbor2.dumps(whole["payload"]),
            whole["signature"],
        ]
        return pack(cbor2.dumps(cbor2.CBORTag(18, array)))

    whole = {
        "protected": dict(cbor2.loads(protected)),
        "unprotected": dict(unprotected),
        "payload": plain(cbor2.loads(payload)),
        "signature": signature,
    }
    return [(whole, sealed)]


def plain(value: Any) -> Any:
    """Decoded CBOR with dicts and lists that can be changed."""
    if isinstance(value, dict):
        return {name: plain(member) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [plain(member) for member in value]
    return value


def dumped(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
