"""What can be wrong with us: never with a document, never with a code.

The rules this module keeps:

* A message says what happened, what it would have meant and what to do next.
* No message holds anything of a Holder: no text of a code, no name, no picture.
* Of a fault that nobody foresaw only its kind and its place in the code are told: its text may hold a Holder.

    except ApplianceError as error:
        print(error, file=sys.stderr)
"""

from __future__ import annotations

import traceback


class ApplianceError(Exception):
    """A fault of the unit or of its set-up."""


class CameraError(ApplianceError):
    """The camera cannot be opened, or has stopped giving frames."""


class LampError(ApplianceError):
    """The lamp cannot be driven."""


class PictureError(ApplianceError):
    """A file is no picture that we read: of another kind, damaged, or beyond the limits."""


class ConfigError(ApplianceError):
    """``vaxgate.toml`` cannot be used; ``problems`` has one line for each thing that is wrong."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class DemoError(ApplianceError):
    """The demo could not be set up, or an answer differed from what the cast expects."""


def place_of(error: BaseException) -> str:
    """Kind and place of an exception, without its text, which may hold a Holder."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" in {frames[-1].name}, line {frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{where}"
