"""Every attack, by importing the chapters."""

from attacks import clock, content, metadata, network, roots, thefts, transfer
from attacks.scene import ATTACKS

__all__ = ["ATTACKS", "clock", "content", "metadata", "network", "roots", "thefts", "transfer"]
