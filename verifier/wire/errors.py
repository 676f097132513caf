"""The one way in which a wire format says that bytes are not what they claim to be."""

from __future__ import annotations

from verifier.reasons import Finding, Reason, finding


class MalformedError(ValueError):
    """Bytes that break their format, go beyond its limits or belong to a version that is not read.

    reason: the code that a result carries for it. layer: where it broke (``base45``, ``zlib``, ``cose``…).
    The message names the layer and the rule that was broken, and never the content.
    """

    def __init__(self, layer: str, what: str, reason: Reason = Reason.MALFORMED) -> None:
        super().__init__(f"{layer}: {what}")
        self.layer = layer
        self.reason = reason

    def finding(self) -> Finding:
        """The Finding that a result carries for this."""
        return finding(self.reason, str(self))
