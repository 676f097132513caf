"""Command lines as several commands have them: verbs with an example each, and how texts are read.

The rules this module keeps:

* A verb says what it does in words that serve in the list of verbs and in its own help, and shows how it is
  called.
* A text that cannot be read as what it should be is refused with an example of one that can.

    common = options()
    common.add_argument("--clock", type=instant)
    verbs = Verbs("vaxgate-hub", "Gathers lists.", EXAMPLES, {"serve": _serve}, common)
    serve = verbs.add("serve", "serve a repository", "serve --port 8000")
    serve.add_argument("--port", type=port)
    verbs.parser.parse_args(argv).run                    # _serve
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from datetime import UTC, datetime
from importlib.metadata import version

Run = Callable[[argparse.Namespace], int]


class Verbs:
    """The parser of a command whose first word says what is to be done.

    runs: what carries out each verb; it stands in the parsed options as ``run``. common: options that every
    verb takes.
    """

    def __init__(
        self,
        command: str,
        description: str,
        examples: str,
        runs: Mapping[str, Run],
        *common: argparse.ArgumentParser,
    ) -> None:
        self._command = command
        self._runs = runs
        self._common = common
        self.parser = argparse.ArgumentParser(
            prog=command,
            description=description,
            epilog=examples,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        self.parser.add_argument("--version", action="version", version=f"{command} {version('vaxgate')}")
        self._verbs = self.parser.add_subparsers(title="verbs", required=True, metavar="VERB")

    def group(self, name: str, words: str, example: str, runs: Mapping[str, Run]) -> Verbs:
        """A verb that has verbs of its own. runs: what carries out each of those."""
        inner = copy(self)
        inner._command, inner._runs = f"{self._command} {name}", runs
        inner.parser = self._parser(name, words, example, ())
        inner._verbs = inner.parser.add_subparsers(title="verbs", required=True, metavar="VERB")
        return inner

    def add(
        self, name: str, words: str, example: str, *more: argparse.ArgumentParser, description: str = ""
    ) -> argparse.ArgumentParser:
        """A verb, to which options of its own may be added.

        words: what it does, as in "sync now". example: how it is called, without the command; further lines
        are shown as they are. more: options that it shares with some verbs. description: in place of words,
        where there is more to say.
        """
        verb = self._parser(name, words, example, (*self._common, *more), description)
        verb.set_defaults(run=self._runs[name])
        return verb

    def _parser(
        self,
        name: str,
        words: str,
        example: str,
        parents: Sequence[argparse.ArgumentParser],
        description: str = "",
    ) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = self._verbs.add_parser(
            name,
            parents=parents,
            help=words,
            description=description or words[0].upper() + words[1:] + ".",
            epilog=f"example:\n  {self._command} {example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        return parser


def options() -> argparse.ArgumentParser:
    """Options that several verbs share, as yet none."""
    return argparse.ArgumentParser(add_help=False)


def clock_and_json() -> argparse.ArgumentParser:
    """The options ``--clock`` and ``--json``."""
    shared = options()
    shared.add_argument(
        "--clock", type=instant, metavar="T", help="the instant to take for now (default: now)"
    )
    shared.add_argument("--json", action="store_true", help="answer with one JSON object")
    return shared


def instant(text: str) -> datetime:
    """An instant with its offset, in UTC and whole seconds."""
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no instant such as 2021-11-30T12:00:00Z") from None
    if read.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text!r} has no offset; write it as 2021-11-30T12:00:00Z")
    return read.astimezone(UTC).replace(microsecond=0)


def port(text: str) -> int:
    """A port of TCP, or 0 for any free one."""
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port; 0 (any free one) to 65535 are expected")
    return int(text)
