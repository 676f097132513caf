"""How a command ends: what went wrong becomes a line on stderr and an exit status, never a traceback.

The rules this module keeps:

* Wrong use is 2. A fault round the command (a full disk, no rights) is 1; a reader that went away is none.

    return ended("vaxgate-rules", lambda: run(options), UsageError, BundleError)
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from appliance.cli.answer import readable


def ended(command: str, run: Callable[[], int], *wrong_use: type[Exception]) -> int:
    """Run a command and return its exit status. wrong_use: what it raises for what it was given."""
    try:
        return run()
    except wrong_use as error:
        print(f"{command}: {_harmless(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        _let_go()  # whoever read has read enough
        return 1
    except OSError as error:
        print(f"{command}: {error.filename or 'the output'}: {error.strerror}", file=sys.stderr)
        if error.filename is None:
            _let_go()
        return 1


def _harmless(error: Exception) -> str:
    """What it says, without what a terminal would obey: it may name what stands in a file."""
    return "\n".join(readable(line) for line in str(error).splitlines())


def _let_go() -> None:
    """Nothing more is written, also not what still waits when the interpreter ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
