"""Our own reader and chain, served as the peers are, from the project's own environment."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import datetime
from typing import Any

from serving import Maker, luma_of, serve

from appliance.judging import Basis, judge
from appliance.reader.live import Reader
from appliance.reader.mending import restoring_module
from appliance.reader.stills import read_still
from verifier.policy.bundle import SIGNATURE_ONLY
from verifier.reasons import State
from verifier.trust import Domain, TrustedKey, TrustList


def scan(_setup: Any) -> Callable[[memoryview], list[str | None]]:
    """What ``vaxgate scan`` makes of a picture."""
    restoring_module()
    return lambda luma: [code.text for code in read_still(luma).codes]


def first_look(_setup: Any) -> Callable[[memoryview], list[str | None]]:
    """The first of many looks that a camera gives us: another traveller's frame each time."""
    restoring_module()
    return lambda luma: [code.text for code in Reader()(luma).codes]


def chain(setup: dict[str, Any]) -> Callable[[list[str]], list[bool]]:
    """A whole verdict, by a bundle that asks for the signature alone."""
    keys = [
        TrustedKey(
            base64.b64decode(key["kid"]),
            base64.b64decode(key["spki"]),
            country=key["country"],
            issuer=key["issuer"],
            domain=Domain(key["domain"]),
        )
        for family in setup["keys"].values()
        for key in family
    ]
    basis = Basis(TrustList.of(keys), (SIGNATURE_ONLY,), datetime.fromisoformat(setup["now"]))
    return lambda texts: [judge(text, basis).verdict.state is State.PASS for text in texts]


MAKERS: dict[str, Maker] = {
    "vaxgate scan": ("vaxgate", scan),
    "vaxgate live, first look": ("vaxgate", first_look),
    "vaxgate": ("vaxgate", chain),
}

if __name__ == "__main__":
    serve(MAKERS, lambda item: luma_of(item) if isinstance(item, dict) else item)
