"""From what was scanned to an opened container: a code recognised and unwrapped, with nothing believed.

The rules this module keeps:

* No key, no list and no time is asked here; whoever opens a code knows no more than what it claims to be.
* Any text, any bytes and any parts give an OpenedCode; what breaks a format is its finding.

    opened = open_code("HC1:6BF…")
    opened.family, opened.envelope, opened.finding
    open_parts(["shc:/2/2/…", "shc:/1/2/…"]).envelope
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from verifier.certificate import Family
from verifier.families import FORMS
from verifier.reasons import Finding, Reason, finding
from verifier.wire import dispatch, shc
from verifier.wire.envelope import Envelope
from verifier.wire.errors import MalformedError


@dataclass(frozen=True, slots=True, repr=False)
class OpenedCode:
    """A code that was recognised and opened. finding: why it goes no further; ``None`` when there is an
    envelope.
    """

    family: Family | None
    envelope: Envelope | None
    finding: Finding | None = None


def open_code(text: str | bytes) -> OpenedCode:
    """Recognise a code and open its container, believing nothing; never raises for any text.

    text: as scanned; bytes are taken as UTF-8 where they are that and no archive, else as Latin-1, one
    character a byte.
    """
    text = dispatch.trimmed(_text(text) if isinstance(text, bytes) else text)
    kind = dispatch.recognise(text)
    if kind.finding is not None or kind.family is None:
        return OpenedCode(kind.family, None, kind.finding or finding(Reason.NOT_CERT))
    try:
        return OpenedCode(kind.family, FORMS[kind.family].unwrap(text))
    except MalformedError as error:
        return OpenedCode(kind.family, None, error.finding())


def _text(data: bytes) -> str:
    try:
        return data.decode("latin-1" if data.startswith(dispatch.ZIP) else "utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def open_parts(texts: Sequence[str]) -> OpenedCode:
    """The parts of one many-part code, in any order, opened as one; never raises."""
    try:
        parts = [part for text in texts if (part := shc.part_of(dispatch.trimmed(text))) is not None]
        if len(parts) != len(texts):
            raise MalformedError("shc", "a code that is no part among the parts")
        return open_code(shc.join(parts))
    except MalformedError as error:
        return OpenedCode(Family.SHC, None, error.finding())
