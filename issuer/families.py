"""The families that this issuer issues: whose keys sign them, with which algorithms, under which names.

The rules this module keeps:

* A family belongs to one domain of keys; HC1, DDCC and ICVP share one, as their containers are the same.
* The first algorithm of a domain is the one that is taken when nobody asks for another.
* Names lie under ``issuer.example``, which RFC 2606 gives to nobody: they can never lead to a real issuer.
  The test environment has names of its own, so that a sample is never taken for the real thing.
* What is published stands where the names say, if the served root is ``https://issuer.example/xv``.

    domain_of(Family.ICVP)                               # Domain.HCERT
    issuer_name(Domain.SHC, "XV", PRODUCTION)            # "https://issuer.example/xv/shc"
    issuer_name(Domain.NZCP, "XV", PRODUCTION)           # "did:web:issuer.example:xv"
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_never

from issuer.keys import Algorithm
from trustsync.targets import PRODUCTION, TEST
from verifier.certificate import Family
from verifier.trust import Domain

HOST = "issuer.example"
COUNTRY = "XV"  # ISO 3166-1 leaves it to users: no state will ever have it

_DOMAINS: Mapping[Family, Domain] = {
    Family.HC1: Domain.HCERT,
    Family.DDCC: Domain.HCERT,
    Family.ICVP: Domain.HCERT,
    Family.LT1: Domain.LT1,
    Family.AT1: Domain.AT1,
    Family.SHC: Domain.SHC,
    Family.VDS_NC: Domain.VDS_NC,
    Family.DIVOC: Domain.DIVOC,
    Family.NZCP: Domain.NZCP,
}
ISSUED = tuple(_DOMAINS)  # every family that is issued here

_EVERY = tuple(Algorithm)
ALGORITHMS: Mapping[Domain, tuple[Algorithm, ...]] = {
    Domain.HCERT: _EVERY,
    Domain.LT1: _EVERY,
    Domain.AT1: _EVERY,
    Domain.SHC: (Algorithm.ES256,),
    Domain.VDS_NC: (Algorithm.ES256,),
    Domain.DIVOC: (Algorithm.EDDSA, Algorithm.PS256),
    Domain.NZCP: (Algorithm.ES256,),
}


def domain_of(family: Family) -> Domain:
    """The domain whose keys sign a family. Raises KeyError for one that is not issued here."""
    return _DOMAINS[family]


def issuer_name(domain: Domain, country: str, environment: str) -> str:
    """What documents of a domain name as their issuer: the country, or a name of its own."""
    match domain:
        case Domain.HCERT | Domain.LT1 | Domain.AT1 | Domain.VDS_NC:
            return country
        case Domain.SHC:
            return f"{base_url(country, environment)}/shc"
        case Domain.DIVOC | Domain.NZCP:
            return did(country, environment)
        case _:
            assert_never(domain)


def base_url(country: str, environment: str = PRODUCTION) -> str:
    """The address under which an issuer's names lie."""
    return f"https://{HOST}/{country.lower()}" + ("/test" if environment == TEST else "")


def did(country: str, environment: str = PRODUCTION) -> str:
    """The issuer's name as a DID, whose document stands at ``did.json`` below :func:`base_url`."""
    return f"did:web:{HOST}:{country.lower()}" + (":test" if environment == TEST else "")
