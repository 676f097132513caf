"""Recorded cases of rules, one JSON object a line: what an expression gives, and what is wrong with one.

The rules this module keeps:

* Every case gets its line, in the order of the file; a rule that has no answer is answered by its error.
* What a rule says is compared elsewhere: here is only what our engine answers.

    list(eval_cases(Path("spec.jsonl")))             # [{"id": …, "result": …}, {"id": …, "error": …}, …]
    list(check_cases(Path("validation.jsonl")))      # [{"id": …, "valid": …, "issues": […]}, …]
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from appliance.cli.cases import Case, CaseError, read_cases
from verifier.policy.certlogic import EvaluationError, ExpressionError, evaluate, plain
from verifier.policy.validation import issues


def eval_cases(path: Path) -> Iterator[dict[str, Any]]:
    """The value of each case's ``logic`` for its ``data``. Raises CaseError for a line that is no case."""
    for case in read_cases(path):
        logic = _logic(case, path)
        try:
            yield {"id": case.identity, "result": plain(evaluate(logic, case.line.get("data")))}
        except (EvaluationError, ExpressionError) as error:
            yield {"id": case.identity, "error": str(error)}


def check_cases(path: Path) -> Iterator[dict[str, Any]]:
    """Whether each case's ``logic`` is valid CertLogic. Raises CaseError for a line that is no case."""
    for case in read_cases(path):
        found = issues(_logic(case, path))
        yield {
            "id": case.identity,
            "valid": not found,
            "issues": [
                {"path": issue.path, "expr": issue.expression, "message": issue.message} for issue in found
            ],
        }


def _logic(case: Case, path: Path) -> Any:
    if "logic" not in case.line:
        raise CaseError(f'{path.name}, case {case.identity}: it has no "logic", so there is nothing to judge')
    return case.line["logic"]
