"""Can the client's tools be called with what the answer gives them?"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from policies.answer_checks.base import (
    MAX_CHARS,
    AnswerView,
    CheckResult,
    Tool,
    ToolCall,
    failed,
    not_applicable,
    passed,
)
from policies.answer_checks.json_schema import validate

_MAX_CALLS = 128


class ToolArgumentsCheck:
    """Every call names a declared tool, and its arguments are a JSON object that fits the parameters."""

    name = "tool_arguments"

    def judge(self, view: AnswerView) -> CheckResult:
        """Return the verdict on the first faulty call; empty arguments count as an empty object."""
        if not view.tool_calls:
            return not_applicable(self.name, "no tool is called")
        tools = {tool.name: tool for tool in view.tools}
        for number, call in enumerate(view.tool_calls[:_MAX_CALLS], 1):
            fault = _fault(call, tools)
            if fault:
                return failed(self.name, f"call {number}: {fault}")
        return passed(self.name, "every call can be made")


def _fault(call: ToolCall, tools: Mapping[str, Tool]) -> str:
    if tools and call.name not in tools:
        return "no such tool was declared"
    if len(call.arguments) > MAX_CHARS:
        return ""
    try:
        arguments = msgspec.json.decode((call.arguments.strip() or "{}").encode("utf-8", "surrogatepass"))
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return "the arguments are not JSON"
    if not isinstance(arguments, dict):
        return "the arguments are not an object"
    parameters = tools[call.name].parameters if call.name in tools else None
    return _mismatch(parameters, arguments) if parameters else ""


def _mismatch(parameters: bytes, arguments: object) -> str:
    try:
        verdict = validate(msgspec.json.decode(parameters), arguments)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return ""
    return verdict.fault if verdict.holds is False else ""
