"""Every attack, by importing the chapters."""

from attacks import (
    clock,
    company,
    content,
    keys,
    metadata,
    network,
    offline,
    roots,
    rules,
    store,
    thefts,
    transfer,
    upstreams,
    webserver,
)
from attacks.scene import ATTACKS

__all__ = [
    "ATTACKS", "clock", "company", "content", "keys", "metadata", "network", "offline", "roots",
    "rules", "store", "thefts", "transfer", "upstreams", "webserver",
]  # fmt: skip
