"""What a judgement is made of stays as it was made."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields

import pytest
from desk import Desk, vaccination

from appliance.judging import Basis, judge
from verifier.policy.bundle import SIGNATURE_ONLY


def test_nobody_changes_what_a_judgement_is_made_of() -> None:
    """Every value from the envelope to the verdict is frozen and has no room for more."""
    desk = Desk()
    judged = judge(desk.signer().issue(vaccination()), Basis(desk.trust, (SIGNATURE_ONLY,), desk.now))
    certificate = judged.assessment.certificate
    assert certificate is not None
    for value in (
        judged, judged.opened, judged.opened.envelope, judged.assessment, judged.assessment.time,
        certificate, certificate.holder, certificate.events[0], judged.verdict, judged.verdict.ruled[0],
    ):  # fmt: skip
        for each in fields(value):
            with pytest.raises(FrozenInstanceError):
                setattr(value, each.name, None)
        with pytest.raises((FrozenInstanceError, AttributeError, TypeError)):
            value.more = 1
