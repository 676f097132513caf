"""What a judgement is made of stays as it was made."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields
from typing import Any

import pytest
from desk import Desk, vaccination

from appliance.judging import Basis, judge
from verifier.policy.bundle import SIGNATURE_ONLY


def test_nobody_changes_what_a_judgement_is_made_of() -> None:
    """Every value from the envelope to the verdict is frozen, has no room for more, and shows nothing."""
    desk = Desk()
    judged = judge(desk.signer().issue(vaccination()), Basis(desk.trust, (SIGNATURE_ONLY,), desk.now))
    certificate = judged.assessment.certificate
    assert certificate is not None
    shown: tuple[Any, ...] = (
        judged, judged.opened, judged.opened.envelope, judged.assessment, certificate, certificate.holder,
        certificate.events[0], judged.verdict, judged.verdict.ruled[0],
    )  # fmt: skip
    for value in (*shown, judged.assessment.time):
        for each in fields(value):
            with pytest.raises(FrozenInstanceError):
                setattr(value, each.name, None)
        with pytest.raises((FrozenInstanceError, AttributeError, TypeError)):
            value.more = 1
    for value in shown:
        assert repr(value) == object.__repr__(value)
