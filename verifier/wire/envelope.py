"""The opened container of any family: what was sealed, how, and by which key it says.

The rules this module keeps:

* Nothing in an Envelope is believed. Its payload stays bytes; whoever wants to know what it says verifies
  first.
* ``to_be_signed`` is what the signature covers, made from the bytes as they were received.
* What a family cannot be verified without reading early is named a hint.

    envelope = shc.open_shc(text)
    key.verify(envelope.alg, envelope.signature, envelope.to_be_signed)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from verifier.certificate import Family


@dataclass(frozen=True, slots=True, repr=False)
class Envelope:
    """An opened container of which nothing is believed yet.

    alg: COSE algorithm number as the signed header names it, ``None`` if it names none. kid: as sent,
    ``None`` if the container names no key. payload: the signed content. signature: raw. protected: a COSE
    header as received. loose_alg: whether an algorithm stands outside the signed header only. issuer_hint:
    the issuer that the unproven payload names, where keys are found by issuer and KID. certificate: the
    signer's X.509 certificate, DER, where the code carries it. parsed: what opening had to decode of the
    payload, kept so that nothing is decoded twice; as unproven as the payload itself.
    """

    alg: int | None
    kid: bytes | None
    payload: bytes
    signature: bytes
    to_be_signed: bytes
    protected: bytes = b""
    loose_alg: bool = False
    issuer_hint: str | None = None
    certificate: bytes | None = None
    parsed: Any = None


@dataclass(frozen=True, slots=True, repr=False)
class Claims:
    """What a payload says, as decoded from its bytes; proven if the signature over them was.

    family: of the document; narrower than the container's where the payload decides. document: the
    family's own payload, ``None`` where there is none. whole: all claims of the container, for reports.
    issuer: its own word. issued_at, expires_at: aware instants, ``None`` where absent or not usable.
    not_before: from when it holds, where it says so beside its issue. bad_time: what is wrong with one of
    them, ``None`` if all can be used.
    """

    family: Family
    document: Mapping[Any, Any] | None
    whole: Mapping[Any, Any] | None = None
    issuer: str | None = None
    issued_at: datetime | None = None
    expires_at: datetime | None = None
    not_before: datetime | None = None
    bad_time: str | None = None
