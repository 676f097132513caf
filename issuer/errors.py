"""What is wrong on the issuer's side.

An IssuerError says what happened, what it means and what to do next, in words for the person who typed the
command. It never holds anything about a Holder.

    raise IssuerError(f"{path} holds no issuer; make one with: vaxgate-issuer init {path}")
"""

from __future__ import annotations


class IssuerError(Exception):
    """The issuer cannot do what was asked."""
