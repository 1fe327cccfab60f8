"""Is this answer good enough to deliver? To add a check: write its file, add its line here, nothing else."""

from __future__ import annotations

from collections.abc import Collection

from policies.answer_checks.base import AnswerView, Check, CheckResult, Tool, ToolCall
from policies.answer_checks.code_parses import CodeParsesCheck
from policies.answer_checks.empty_or_looping import EmptyOrLoopingCheck
from policies.answer_checks.refusal import RefusalCheck
from policies.answer_checks.schema import SchemaCheck
from policies.answer_checks.tool_arguments import ToolArgumentsCheck
from policies.answer_checks.truncation import TruncationCheck

__all__ = ["CHECKS", "CHECK_NAMES", "AnswerView", "CheckResult", "Tool", "ToolCall", "check_answer"]

CHECKS: tuple[Check, ...] = (
    EmptyOrLoopingCheck(),
    TruncationCheck(),
    ToolArgumentsCheck(),
    SchemaCheck(),
    RefusalCheck(),
    CodeParsesCheck(),
)
CHECK_NAMES: tuple[str, ...] = tuple(check.name for check in CHECKS)


def check_answer(view: AnswerView, enabled: Collection[str]) -> tuple[CheckResult, ...]:
    """Return the verdicts of the enabled checks, in the registry's order; a name unknown here is passed over.

    The answer is good enough when no verdict is False.
    """
    return tuple(check.judge(view) for check in CHECKS if check.name in enabled)
