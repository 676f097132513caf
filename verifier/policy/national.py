"""Placeholder until IMPORTS writes this module."""
from verifier.policy.judging import Ruled
from verifier.reasons import Reason, finding


def rule_nationally(shown, book, context, time):
    return Ruled((finding(Reason.RULES_MISSING),))
