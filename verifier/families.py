"""Every family of documents: how its container is opened, its claims decoded, and its content read.

The rules this module keeps:

* A family is a row of a table. Whoever adds one writes a module under ``verifier/wire/`` and a row here.
* Opening believes nothing and needs no key; content is read from claims whose signature held.
* What a family's keys may sign, and with which algorithms, is the family's and never the code's word.

    form = FORMS[Family.SHC]
    envelope = form.unwrap("shc:/56762909…")
    claims = form.decode(envelope)               # for reports at once, for judging after the signature
    payload = read(claims)                       # holder and events
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from verifier.certificate import Family, Payload
from verifier.keys import ALGORITHMS, EDDSA, ES256, ES384, ES512, PS256
from verifier.reasons import Reason
from verifier.trust import Domain
from verifier.wire import dcc, ddcc, divoc, fhir, hc1, icvp, national, nzcp, shc, vds_nc
from verifier.wire.envelope import Claims, Envelope
from verifier.wire.errors import MalformedError


@dataclass(frozen=True, slots=True)
class Form:
    """One family of containers.

    unwrap: the envelope in a text as scanned. decode: the claims of an envelope. Both raise MalformedError.
    domain: of the keys that sign it. algorithms: COSE numbers that it allows. owners: whether
    documents name the owner of their key by the name that lists use. by_issuer: whether a key is found by
    that name together with the KID. fixed_curves: whether an algorithm names its curve, as in JOSE (RFC 7518
    §3.4).
    """

    unwrap: Callable[[str], Envelope]
    decode: Callable[[Envelope], Claims]
    domain: Domain
    algorithms: frozenset[int] = ALGORITHMS
    owners: bool = False
    by_issuer: bool = False
    fixed_curves: bool = False


def _cwt(container: Family) -> Callable[[Envelope], Claims]:
    return lambda envelope: hc1.decode_claims(envelope.payload, container)


def _hcert(prefix: str) -> Callable[[str], Envelope]:
    return lambda text: hc1.open_hcert(text, prefix)


FORMS: Mapping[Family, Form] = {
    Family.HC1: Form(_hcert(hc1.PREFIX), _cwt(Family.HC1), Domain.HCERT),
    Family.LT1: Form(_hcert(national.PREFIX_LT1), _cwt(Family.LT1), Domain.LT1),
    Family.AT1: Form(_hcert(national.PREFIX_AT1), _cwt(Family.AT1), Domain.AT1),
    Family.SHC: Form(
        shc.open_shc,
        shc.decode_shc,
        Domain.SHC,
        frozenset({ES256}),
        owners=True,
        by_issuer=True,
        fixed_curves=True,
    ),
    Family.VDS_NC: Form(
        vds_nc.open_vds_nc,
        vds_nc.decode_vds_nc,
        Domain.VDS_NC,
        frozenset({ES256, ES384, ES512}),
        fixed_curves=True,
    ),
    Family.DIVOC: Form(
        divoc.open_divoc, divoc.decode_divoc, Domain.DIVOC, frozenset({PS256, EDDSA}), owners=True
    ),
    Family.NZCP: Form(
        nzcp.open_nzcp,
        nzcp.decode_nzcp,
        Domain.NZCP,
        frozenset({ES256}),
        owners=True,
        by_issuer=True,
        fixed_curves=True,
    ),
}

# Documents of these families say when they expire; one that does not needs a person's look (SC-D15).
EXPIRING = frozenset({Family.HC1, Family.LT1, Family.AT1, Family.NZCP})
# Good inside their own country only (SC-F13).
DOMESTIC = frozenset({Family.LT1, Family.AT1, Family.NZCP})

_READERS: Mapping[Family, Callable[[Claims], Payload]] = {
    Family.HC1: lambda claims: dcc.read_payload(claims.document),
    Family.DDCC: ddcc.read_ddcc,
    Family.ICVP: icvp.read_icvp,
    Family.VHL: national.read_links,
    Family.LT1: national.read_lt1,
    Family.AT1: national.read_at1,
    Family.SHC: fhir.read_card,
    Family.VDS_NC: vds_nc.read_vds_nc,
    Family.DIVOC: divoc.read_divoc,
    Family.NZCP: nzcp.read_nzcp,
}


_TEXT_KIDS = frozenset({Domain.SHC, Domain.NZCP, Domain.DIVOC})


def shown_kid(domain: Domain | None, kid: bytes) -> str:
    """A KID as people read it: the text that it is where a domain's KIDs are texts, else hex."""
    if domain not in _TEXT_KIDS:
        return kid.hex()
    text = kid.decode("utf-8", "replace")
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def read(claims: Claims) -> Payload:
    """The content of decoded claims in the common vocabulary.

    Raises MalformedError when there is no document in them, or one that cannot be right; its reason is
    ``UNSUPPORTED`` for a document of a kind or version that is not read.
    """
    if claims.document is None:
        hcert = (claims.whole or {}).get(hc1.CLAIM_HCERT)
        if isinstance(hcert, Mapping) and hcert and not hc1.SUB_KEYS.keys() & hcert.keys():
            raise MalformedError("claims", "a payload of a kind that is not known here", Reason.UNSUPPORTED)
        raise MalformedError("claims", "no document in it")
    return _READERS[claims.family](claims)
