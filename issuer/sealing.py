"""From a family's document to its code: signed as it is, whatever it says.

The rules this module keeps:

* Nothing is checked and nothing is remembered here. Who wants a code with a fault changes a good document and
  seals it, or seals a good one with another signer.
* A document is all that the family lets an issuer say. Of the CWT families (HC1, DDCC, ICVP, LT1, AT1) that
  is the payload, and issuer and times are put round it. SHC, NZCP and DIVOC say them inside; VDS-NC has no
  times.
* The encoders stand beside the verifier's decoders; here only the choice between them is made.

    document = document_of(Family.SHC, payload, signer.issuer, country="XV", …)
    sealed = seal_document(Family.SHC, document, signer, issued_at=now, expires_at=None)
    sealed.code, sealed.text, sealed.parts(2)
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from issuer.errors import IssuerError
from issuer.keys import Algorithm, SigningKey
from verifier.certificate import Family
from verifier.times import written
from verifier.wire import cbor, ddcc, divoc, hc1, icvp, national, nzcp, shc, vds_nc


@dataclass(frozen=True, slots=True, repr=False)
class Signer:
    """A signing key and how it is known.

    kid: as it stands in a code. issuer: what documents name as their issuer. certificate: X.509, DER;
    ``None`` in a family whose keys have none.
    """

    key: SigningKey
    kid: bytes
    issuer: str
    certificate: bytes | None = None


@dataclass(frozen=True, slots=True, repr=False)
class Sealed:
    """A signed document. code: what its symbol holds, bytes for DIVOC. signature: raw."""

    family: Family
    code: str | bytes
    kid: bytes
    algorithm: Algorithm
    signature: bytes

    @property
    def text(self) -> str:
        """The code as text; bytes as ``B64:`` and Base64, which verifiers take as well."""
        return text_of(self.code)

    def parts(self, count: int) -> list[str]:
        """The texts of a code that is printed as several symbols.

        Raises IssuerError for a family whose codes are one symbol.
        """
        if count == 1:
            return [self.text]
        if self.family is not Family.SHC or not isinstance(self.code, str):
            raise IssuerError(f"a {self.family} code is one symbol; only SHC can be printed in parts")
        try:
            return shc.numeric(shc.characters(self.code.removeprefix(shc.PREFIX)), count)
        except ValueError as error:
            raise IssuerError(str(error)) from error


def text_of(code: str | bytes) -> str:
    """What a symbol holds, as text."""
    return code if isinstance(code, str) else divoc.B64_PREFIX + base64.b64encode(code).decode()


def seal_document(
    family: Family,
    document: Mapping[Any, Any],
    signer: Signer,
    *,
    issued_at: datetime,
    expires_at: datetime | None,
) -> Sealed:
    """Sign a document of this family as it is.

    issued_at, expires_at: ``iat`` and ``exp`` of the CWT families; issued_at is also when a DIVOC proof says
    that it was made. Else the document says them itself. Raises IssuerError for a family that is not issued
    here, and for a VDS-NC signer without certificate.
    """
    signatures: list[bytes] = []

    def sign(data: bytes) -> bytes:
        signatures.append(signer.key.sign(data))
        return signatures[-1]

    algorithm = signer.key.algorithm
    cwt: dict[str, Any] = {
        "iss": signer.issuer,
        "iat": int(issued_at.timestamp()),
        "exp": None if expires_at is None else int(expires_at.timestamp()),
        "kid": signer.kid,
        "alg": algorithm.cose,
        "sign": sign,
    }
    code: str | bytes
    match family:
        case Family.HC1:
            code = hc1.encode_hc1(document, **cwt)
        case Family.DDCC:
            code = ddcc.encode_ddcc(
                document, sub_key=hc1.DDCC_TR if "test" in document else hc1.DDCC_VS, **cwt
            )
        case Family.ICVP:
            code = icvp.encode_icvp(document, **cwt)
        case Family.LT1:
            code = national.encode_lt1(document, **cwt)
        case Family.AT1:
            code = national.encode_at1(document, **cwt)
        case Family.SHC:
            jws = shc.encode_shc(document, kid=signer.kid.decode(), sign=sign)
            (code,) = shc.numeric(jws)
        case Family.VDS_NC:
            if signer.certificate is None:
                raise IssuerError("VDS-NC: a seal carries its signer's certificate, and this signer has none")
            code = vds_nc.encode_vds_nc(
                document, certificate=signer.certificate, alg=algorithm.value, sign=sign
            )
        case Family.DIVOC:
            code = divoc.packed(
                divoc.encode_divoc(
                    document,
                    verification_method=signer.kid.decode(),
                    created=written(issued_at),
                    alg=algorithm.value,
                    sign=sign,
                )
            )
        case Family.NZCP:
            code = nzcp.seal_nzcp(cbor.encode(dict(document)), kid=signer.kid, alg=algorithm.cose, sign=sign)
        case Family.DOC_2D | Family.VHL | Family.NL2 | Family.VDS:
            raise IssuerError(f"{family}: this issuer does not issue it")
    return Sealed(family, code, signer.kid, algorithm, signatures[-1])
