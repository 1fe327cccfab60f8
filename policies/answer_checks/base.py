"""What an answer check sees, and what it says."""

from __future__ import annotations

from typing import Protocol

import msgspec

MAX_CHARS = 262_144
"""How much of an answer is looked at: a longer one is judged by its first part, its end by its last line."""


class ToolCall(msgspec.Struct, frozen=True, kw_only=True):
    """A tool the answer calls, its arguments as the model wrote them."""

    name: str
    arguments: str


class Tool(msgspec.Struct, frozen=True, kw_only=True):
    """A tool the request declared; `parameters` is its JSON schema, None where it declared none."""

    name: str
    parameters: bytes | None = None


class AnswerView(msgspec.Struct, frozen=True, kw_only=True):
    """A finished answer, in any dialect, as far as checking it needs."""

    text: str
    tool_calls: tuple[ToolCall, ...] = ()
    finish_reason: str | None = None
    """In OpenAI's words: stop, length, tool_calls, content_filter; None where the vendor gave none."""
    json_schema: bytes | None = None
    """The JSON schema the request demands of the answer; `{"type": "object"}` stands for JSON mode."""
    tools: tuple[Tool, ...] = ()


class CheckResult(msgspec.Struct, frozen=True, kw_only=True):
    """One check's verdict; the reason never quotes the answer's own words."""

    check: str
    passed: bool | None
    """None where the check does not apply, or cannot tell within its bounds."""
    reason: str


class Check(Protocol):
    """One file: `name` and a total, pure `judge`."""

    name: str

    def judge(self, view: AnswerView) -> CheckResult:
        """Return the verdict on an answer; never raises, never looks at more than MAX_CHARS."""
        ...


def passed(check: str, reason: str) -> CheckResult:
    """Return the verdict that an answer is good as far as this check goes."""
    return CheckResult(check=check, passed=True, reason=reason)


def failed(check: str, reason: str) -> CheckResult:
    """Return the verdict that an answer is not good enough."""
    return CheckResult(check=check, passed=False, reason=reason)


def not_applicable(check: str, reason: str) -> CheckResult:
    """Return that a check has nothing to say."""
    return CheckResult(check=check, passed=None, reason=reason)
