"""Every attack, by importing the chapters."""

from attacks import metadata
from attacks.scene import ATTACKS

__all__ = ["ATTACKS", "metadata"]
