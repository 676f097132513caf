"""Rules as a Python function: what operators write while expressions are compiled.

The rules this module keeps:

* No word of a rule stands in the text of the function. Texts, numbers and lists of a rule are bound to
  names; the text is made of names of ours and of places in lists. So no rule can write code.
* A member of the data is looked up once, before the first rule, whichever rules ask for it. That gives a
  value or null and never an error; what may raise is written where it is reached.
* What is evaluated later, again or not at all is a function within the function.

    writer = Writer(item)
    function = writer.single(lambda: writer.put(f"not {writer.member(steps_of('payload.v.1'))}"))
    function({"payload": {"v": [{}]}})           # True
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Any, Protocol

from verifier.policy.language import EvaluationError, Run, Steps

Item = Callable[[Any, str, int | None], Any]  # of a value the member by this name, or at this index
Answers = Callable[[Any], Sequence[Any] | None]  # over data, of several rules; see Writer.together
_RUN = "run"  # what the rule that is evaluated may still work
_OWN_RUN = "<run>"  # the same; of a rule that repeats nothing, one for this place alone
_SPEND = "<spend>"
# Lines of a function with several rules. Python needs kilobytes for each while it compiles one, and
# the longer a function is the more time for each.
_LONG = 5_000
_LITERALS = {"None": None, "True": True, "False": False}


@dataclass(slots=True)
class _Function:
    """A function that is being written: its head, which comes first, its body, and how deep the next line of
    the body lies.
    """

    head: list[str] = field(default_factory=list)
    body: list[str] = field(default_factory=list)
    depth: int = 1


class Writer:
    """Writes one function of the data. What operators hand to each other are names of values.

    item: finds a member in a value, and raises for nothing.
    """

    def __init__(self, item: Item) -> None:
        self._names: dict[str, Any] = {
            "Run": Run, "no_answer": (EvaluationError, RecursionError), "item": item, "failed": _failed,
            "type": type, "dict": dict, "list": list, "str": str, "int": int, "len": len, "__builtins__": {},
        }  # fmt: skip
        self._bound: dict[int, str] = {}
        self._functions = [_Function()]
        self.truths, self.instants = {"True", "False"}, set[str]()  # names of what is surely one
        self._head = {"data"}  # names of what is made in the head, before the first rule
        self._made: dict[tuple[str, Any], str] = {}
        self._count = 0
        self._values = 0  # of the rule; the next one uses the same names, since a large frame costs time
        self._repeats = False

    # --- names

    def bound(self, value: Any) -> str:
        """A name for a value of the rule, or for a function of ours."""
        for literal, same in _LITERALS.items():
            if value is same:
                return literal
        name = self._bound.get(id(value))
        if name is None:
            name = self._bound[id(value)] = self._new("c")
            self._names[name] = value
        return name

    def constant(self, name: str) -> Any:
        """What a name is bound to; ``...`` for a value that is there only when the function runs."""
        return _LITERALS[name] if name in _LITERALS else self._names.get(name, ...)

    def _new(self, letter: str) -> str:
        self._count += 1
        return f"{letter}{self._count}"

    # --- lines

    def line(self, text: str) -> None:
        """One line of the function that is being written."""
        here = self._functions[-1]
        here.body.append("\t" * here.depth + text)

    def put(self, source: str, name: str = "") -> str:
        """The name of what this gives where it is reached; a new name unless one is given."""
        if not name:
            self._values += 1
            name = f"v{self._values}"
            self.truths.discard(name)
            self.instants.discard(name)
        self.line(f"{name} = {source}")
        return name

    def put_truth(self, source: str) -> str:
        """The same for what is always true or false."""
        return self.known_truth(self.put(source), ())

    def known_truth(self, name: str, values: Sequence[str]) -> str:
        """``name``, which is that of one of these values: always true or false where each of them is."""
        if self.truths.issuperset(values):
            self.truths.add(name)
        return name

    def failing(self, message: str) -> str:
        """For what is invalid: it raises when it is reached, and not before."""
        return self.put(f"failed({self.bound(message)})")

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """Lines that are reached as ``head`` says."""
        self.line(head)
        here = self._functions[-1]
        here.depth += 1
        yield
        here.depth -= 1

    def function(self, write: Callable[..., str], *letters: str) -> str:
        """The name of a function that gives what ``write`` writes, of one parameter for each letter."""
        parameters = [self._new(letter) for letter in letters]
        self._functions.append(_Function())
        self.line(f"return {write(*parameters)}")
        inner = self._functions.pop()
        name = self._new("f")
        lines = [f"def {name}({', '.join(parameters)}):", *inner.head, *inner.body]
        self._functions[-1].head += ["\t" + line for line in lines]
        return name

    # --- what a rule may still work

    def run(self) -> str:
        """For what repeats within a rule."""
        self._repeats = True
        return _RUN

    def run_spending(self, steps: int) -> str:
        """For what works so much and no more: that counts only in a rule that repeats something besides."""
        if steps:
            self.line(f"{_SPEND}{steps})")
        return _OWN_RUN

    # --- members of the data

    def member(self, steps: Steps, value: str = "data") -> str:
        """A member of the data, looked up once in the function's head; of any other value, looked up here."""
        for name, index in steps if value != "None" else ():
            key = self.bound(name)
            if index is None:
                found = f"{value}.get({key}) if type({value}) is dict"
            else:
                found = f"{value}[{index}] if type({value}) is list and len({value}) > {index}"
            found = f"None if {value} is None else {found} else item({value}, {key}, {index})"
            value = self._ahead((value, (name, index)), found) if value in self._head else self.put(found)
        return value

    def made_of(self, make: Callable[[Any], Any], value: str) -> str:
        """What ``make``, which raises for nothing, gives for a value; of a member of the data, made once."""
        source = f"{self.bound(make)}({value})"
        return self._ahead((value, make), source) if value in self._head else self.put(source)

    def _ahead(self, what: tuple[str, Any], source: str) -> str:
        name = self._made.get(what)
        if name is None:
            name = self._made[what] = self._new("m")
            self._head.add(name)
            self._functions[0].head.append(f"\t{name} = {source}")
        return name

    # --- functions that were written

    def single(self, write: Callable[[], str]) -> Callable[[Any], Any]:
        """The function that gives the answer of one rule, or raises what its operators raise."""
        with self._rule():
            self.line(f"return {write()}")
        return self._written()

    def together(self, rules: Iterable[Callable[[], str]]) -> tuple[Answers, int]:
        """A function of the first of these rules, at least one if there is any, and of how many: as many as
        make it a long one. No further is taken from ``rules``.

        It gives the answers of the rules, ``None`` for one that has no answer; and ``None`` in place of them
        all where each is true.
        """
        answers: list[str] = []
        (whole,) = self._functions
        for write in rules:
            answers.append(self._new("a"))
            with self._rule():
                with self.block("try:"):
                    self.put(write(), answers[-1])
                with self.block("except no_answer:"):
                    self.put("None", answers[-1])
            if len(whole.head) + len(whole.body) > _LONG:
                break
        every = " and ".join(f"{answer} is True" for answer in answers)
        self.line(f"return None if {every or True} else ({''.join(f'{answer}, ' for answer in answers)})")
        return self._written(), len(answers)

    @contextmanager
    def _rule(self) -> Iterator[None]:
        whole = self._functions[0]
        self._repeats, self._values = False, 0
        starts = len(whole.head), len(whole.body)
        yield
        for lines, start in zip((whole.head, whole.body), starts, strict=True):
            if self._repeats:
                lines[start:] = [
                    line.replace(_SPEND, f"{_RUN}.spend(").replace(_OWN_RUN, _RUN) for line in lines[start:]
                ]
            else:
                lines[start:] = [
                    line.replace(_OWN_RUN, "Run()") for line in lines[start:] if _SPEND not in line
                ]
        if self._repeats:
            whole.body.insert(starts[1], f"\t{_RUN} = Run()")

    def _written(self) -> Callable[[Any], Any]:
        (whole,) = self._functions
        text = "\n".join(["def rules(data):", *whole.head, *whole.body, ""])
        exec(compile(text, "<rules>", "exec"), self._names)  # noqa: S102 - of names that were made here
        return self._names["rules"]  # type: ignore[no-any-return]


def _failed(message: str) -> Any:
    raise EvaluationError(message)


class Compiling(Protocol):
    """What an operator may ask of the compiler.

    own: whether our dialect is compiled. zone: of the desk.
    """

    own: bool
    zone: tzinfo
    writer: Writer

    def node(self, expression: Any) -> str:
        """The name of an operand's value, evaluated here; what is invalid raises when it is reached."""

    def later(self, expression: Any) -> str:
        """The name of a function that evaluates an operand when it is called."""

    def step(self, expression: Any) -> tuple[str, int]:
        """The name of such a function of accumulator and current item; and the number of its nodes."""

    def var(self, path: str) -> str:
        """The name of what stands at a path."""


Operator = Callable[[Compiling, list[Any]], str]  # from the operands as written, the name of the value
