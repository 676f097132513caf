"""Faults of the container of EU DCC codes: headers, COSE, compression, Base45, prefix.

LT1, AT1, DDCC and ICVP have the same container; what is broken here is broken there in the same way.
"""

from __future__ import annotations

import gzip
import zlib
from datetime import datetime
from functools import partial
from typing import Any

import cbor2

from issuer.faults.base import Catalogue, Code, Payload
from issuer.faults.cwt import code, same, with_members, without
from issuer.keys import Algorithm
from issuer.office import Issuer
from verifier.certificate import Family
from verifier.reasons import Reason, State
from verifier.trust import Domain
from verifier.wire import cose
from verifier.wire.hc1 import PREFIX

_PRIVATE = -70001  # a header label for private use, which nobody here knows
_NOBODY = bytes(8)  # a KID that no key has
_SIGNATURE = 64  # bytes

faults = Catalogue(Family.HC1)
_code = partial(code, Family.HC1)


# --- Headers


@faults.add("kid-unprotected", State.PASS)
def kid_unprotected(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Names its key only where the signature does not cover it."""
    kid = issuer.signer(Domain.HCERT).kid
    return _code(issuer, payload, now, protected=without(cose.HEADER_KID), unprotected={cose.HEADER_KID: kid})


@faults.add("kid-in-both", State.PASS)
def kid_in_both(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Names its key, and another one where the signature does not cover it: the protected one wins."""
    return _code(issuer, payload, now, unprotected={cose.HEADER_KID: _NOBODY})


@faults.add("kid-in-both-swapped", State.FAIL, Reason.KEY_UNKNOWN)
def kid_in_both_swapped(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Names a key that nobody has, and its own one where the signature does not cover it."""
    kid = issuer.signer(Domain.HCERT).kid
    nobody = with_members({cose.HEADER_KID: _NOBODY})
    return _code(issuer, payload, now, protected=nobody, unprotected={cose.HEADER_KID: kid})


@faults.add("kid-as-text", State.FAIL, Reason.MALFORMED)
def kid_as_text(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Names its key in hexadecimal letters, where COSE has bytes."""
    return _code(
        issuer, payload, now, protected=lambda names: names | {cose.HEADER_KID: names[cose.HEADER_KID].hex()}
    )


@faults.add("crit-unknown", State.FAIL, Reason.MALFORMED)
def crit_unknown(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Says that a header which nobody knows must not be ignored."""
    extra = with_members({cose.HEADER_CRIT: [_PRIVATE], _PRIVATE: 1})
    return _code(issuer, payload, now, protected=extra)


@faults.add("crit-unprotected", State.FAIL, Reason.MALFORMED)
def crit_unprotected(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Says which headers must not be ignored where the signature does not cover it."""
    extra = {cose.HEADER_CRIT: [_PRIVATE], _PRIVATE: 1}
    return _code(issuer, payload, now, unprotected=extra)


@faults.add("header-unknown", State.PASS)
def header_unknown(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Has headers that nobody knows and nobody must know."""
    extra = {_PRIVATE: 1}
    return _code(issuer, payload, now, protected=with_members(extra), unprotected=extra)


@faults.add("header-label-twice", State.FAIL, Reason.MALFORMED)
def header_label_twice(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Its protected header names two algorithms."""
    extra = cbor2.dumps(cose.HEADER_ALG) + cbor2.dumps(Algorithm.PS256.cose)
    return _code(issuer, payload, now, header=lambda header: _one_more(header) + extra)


@faults.add("header-not-a-map", State.FAIL, Reason.MALFORMED)
def header_not_a_map(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Its protected header is an array."""
    return _code(issuer, payload, now, header=lambda header: cbor2.dumps(list(cbor2.loads(header).items())))


@faults.add("header-not-wrapped", State.FAIL, Reason.MALFORMED)
def header_not_wrapped(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Its protected header is a map and not the bytes of one."""
    return _code(issuer, payload, now, header=cbor2.loads)


@faults.add("header-empty", State.FAIL, Reason.ALG_REFUSED)
def header_empty(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Its protected header is empty; algorithm and KID stand where the signature does not cover them."""
    signer = issuer.signer(Domain.HCERT)
    names = {cose.HEADER_ALG: signer.key.algorithm.cose, cose.HEADER_KID: signer.kid}
    return _code(issuer, payload, now, header=lambda _: b"", unprotected=names)


def _one_more(encoded: bytes) -> bytes:
    """A short CBOR map or array that says that it has one member more."""
    return bytes((encoded[0] + 1,)) + encoded[1:]


# --- COSE_Sign1


@faults.add("untagged", State.PASS)
def untagged(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """No tag says that it is a COSE_Sign1."""
    return _code(issuer, payload, now, tag=same)


@faults.add("tagged-cwt", State.PASS)
def tagged_cwt(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Tagged as a CWT, and inside as a COSE_Sign1."""
    return _code(issuer, payload, now, tag=lambda four: cbor2.CBORTag(61, cbor2.CBORTag(18, four)))


@faults.add("tagged-mac", State.FAIL, Reason.MALFORMED)
def tagged_mac(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Tagged as a COSE_Mac0, which has four elements too."""
    return _code(issuer, payload, now, tag=lambda four: cbor2.CBORTag(17, four))


@faults.add("tagged-cwt-only", State.FAIL, Reason.MALFORMED)
def tagged_cwt_only(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Tagged as a CWT, and no tag inside says of which kind."""
    return _code(issuer, payload, now, tag=lambda four: cbor2.CBORTag(61, four))


@faults.add("payload-detached", State.FAIL, Reason.MALFORMED)
def payload_detached(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Its payload is not there; the signature is that of the payload."""
    return _code(issuer, payload, now, array=lambda four: [*four[:2], None, four[3]])


@faults.add("element-fifth", State.FAIL, Reason.MALFORMED)
def element_fifth(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Its array has a fifth element."""
    return _code(issuer, payload, now, array=lambda four: [*four, b""])


@faults.add("signature-not-bytes", State.FAIL, Reason.MALFORMED)
def signature_not_bytes(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Its signature is a text of hexadecimal letters."""
    return _code(issuer, payload, now, signature=lambda signed: signed.hex())


@faults.add("cose-indefinite", State.FAIL, Reason.MALFORMED)
def cose_indefinite(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Its array does not say how many elements it has."""
    return _code(issuer, payload, now, sign1=lambda data: data[:1] + b"\x9f" + data[2:] + b"\xff")


@faults.add("cose-trailing", State.FAIL, Reason.MALFORMED)
def cose_trailing(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Another byte stands after the COSE_Sign1."""
    return _code(issuer, payload, now, sign1=lambda data: data + b"\0")


@faults.add("cose-length-false", State.FAIL, Reason.MALFORMED)
def cose_length_false(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Its signature is said to be longer than what is there."""
    return _code(
        issuer, payload, now, sign1=lambda data: data[: -_SIGNATURE - 1] + b"\xff" + data[-_SIGNATURE:]
    )


# --- Compression


@faults.add("body-stored", State.PASS)
def body_stored(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """A zlib stream that compresses nothing."""
    return _code(issuer, payload, now, body=lambda data: zlib.compress(data, 0))


@faults.add("not-compressed", State.FAIL, Reason.MALFORMED)
def not_compressed(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Not compressed."""
    return _code(issuer, payload, now, body=same)


@faults.add("body-raw-deflate", State.FAIL, Reason.MALFORMED)
def body_raw_deflate(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Deflated without the header and the sum of zlib."""
    return _code(issuer, payload, now, body=lambda data: zlib.compress(data, 9, -zlib.MAX_WBITS))


@faults.add("body-gzip", State.FAIL, Reason.MALFORMED)
def body_gzip(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Compressed as a file of gzip."""
    return _code(issuer, payload, now, body=lambda data: gzip.compress(data, mtime=0))


@faults.add("body-cut-short", State.FAIL, Reason.MALFORMED)
def body_cut_short(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """The zlib stream ends before its end; its text is in order."""
    return _code(issuer, payload, now, body=lambda data: zlib.compress(data, 9)[:-8])


@faults.add("body-without-sum", State.FAIL, Reason.MALFORMED)
def body_without_sum(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """The zlib stream lacks its check sum and nothing else."""
    return _code(issuer, payload, now, body=lambda data: zlib.compress(data, 9)[:-4])


@faults.add("body-sum-wrong", State.FAIL, Reason.MALFORMED)
def body_sum_wrong(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """The check sum of the zlib stream is another one."""

    def body(data: bytes) -> bytes:
        stream = zlib.compress(data, 9)
        return stream[:-1] + bytes((stream[-1] ^ 1,))

    return _code(issuer, payload, now, body=body)


@faults.add("body-trailing", State.FAIL, Reason.MALFORMED)
def body_trailing(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """A byte stands after the end of the zlib stream."""
    return _code(issuer, payload, now, body=lambda data: zlib.compress(data, 9) + b"\0")


# --- Base45


@faults.add("base45-lower-case", State.FAIL, Reason.MALFORMED)
def base45_lower_case(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Its letters are small behind the prefix."""
    return _body(issuer, payload, now, str.lower)


@faults.add("base45-length", State.FAIL, Reason.MALFORMED)
def base45_length(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """A character is left over at the end that is no group by itself."""
    return _body(issuer, payload, now, lambda text: text + "0" * (1 + len(text) % 3 // 2))


@faults.add("base45-triple", State.FAIL, Reason.MALFORMED)
def base45_triple(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Its first group of three says more than two bytes can."""
    return _body(issuer, payload, now, lambda text: ":::" + text[3:])


@faults.add("base45-pair", State.FAIL, Reason.MALFORMED)
def base45_pair(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """A group of two at its end says more than one byte can."""
    return _body(issuer, payload, now, lambda text: text[: len(text) // 3 * 3] + "::")


@faults.add("base45-digit-lost", State.FAIL, Reason.MALFORMED)
def base45_digit_lost(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """A character in its middle is missing, as when a blank was taken for none."""
    return _body(issuer, payload, now, lambda text: text[: len(text) // 2] + text[len(text) // 2 + 1 :])


@faults.add("line-end", State.PASS)
def line_end(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """A line end follows, as some readers add it."""
    return _code(issuer, payload, now, text=lambda text: text + "\r\n")


# --- Prefix


@faults.add("prefix-hc2", State.CHECK, Reason.UNSUPPORTED)
def prefix_hc2(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Its prefix is that of a later version."""
    return _code(issuer, payload, now, text=lambda text: "HC2:" + text.removeprefix(PREFIX))


@faults.add("without-prefix", State.RESCAN, Reason.NOT_CERT)
def without_prefix(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """It has no prefix."""
    return _code(issuer, payload, now, text=lambda text: text.removeprefix(PREFIX))


@faults.add("prefix-lower-case", State.RESCAN, Reason.NOT_CERT)
def prefix_lower_case(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """The letters of its prefix are small."""
    return _code(issuer, payload, now, text=lambda text: PREFIX.lower() + text.removeprefix(PREFIX))


@faults.add("prefix-of-a-link", State.RESCAN, Reason.NOT_CERT)
def prefix_of_a_link(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """A web address stands before it, as in codes of some apps."""
    return _code(issuer, payload, now, text=lambda text: f"https://app.example/#{text}")


def _body(issuer: Issuer, payload: Payload, now: datetime, change: Any) -> Code:
    """A code whose text behind the prefix was changed."""
    return _code(issuer, payload, now, text=lambda text: PREFIX + change(text.removeprefix(PREFIX)))
