"""What the fake model says, before any dialect dresses it."""

from __future__ import annotations

import re
from typing import Literal

import msgspec
from msgspec.structs import replace

from gateway.upstreams.scripted.scenario import Scenario
from gateway.upstreams.scripted.schema import build_instance
from gateway.upstreams.scripted.text import (
    compose_text,
    compose_words,
    count_tokens,
    cut_evenly,
    fit_tokens,
    split_pieces,
)

Finish = Literal["stop", "length", "tool_calls", "refusal"]
REFUSAL = "I can't help with that request."


class Tool(msgspec.Struct, frozen=True):
    """A tool the request declares."""

    name: str
    schema: object


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """What matters of a request, whatever its dialect."""

    text: str
    """The newest human words, or the newest tool result's."""
    after_tool_result: bool = False
    tools: tuple[Tool, ...] = ()
    forced_tool: str | None = None
    """The tool that must be called; an empty name means any."""
    parallel: bool = True
    schema: object | None = None
    """The JSON schema the answer must satisfy."""
    thinks: bool = False
    max_tokens: int | None = None
    choices: int = 1
    """How many answers are wanted."""


class ToolCall(msgspec.Struct, frozen=True):
    """One call, its arguments as JSON text."""

    name: str
    arguments: str


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """The fake model's answer, in the pieces a stream would carry."""

    reasoning: tuple[str, ...] = ()
    pieces: tuple[str, ...] = ()
    calls: tuple[ToolCall, ...] = ()
    interleaved: bool = False
    finish: Finish = "stop"

    @property
    def text(self) -> str:
        """The whole text."""
        return "".join(self.pieces)

    @property
    def reasoning_tokens(self) -> int:
        """Tokens spent on reasoning."""
        return count_tokens(*self.reasoning)

    @property
    def output_tokens(self) -> int:
        """Everything that is billed as output, at least one."""
        called = [part for call in self.calls for part in (call.name, call.arguments)]
        return max(1, self.reasoning_tokens + count_tokens(*self.pieces) + count_tokens(*called))


def compose_answer(ask: Ask, scenario: Scenario, salt: str = "") -> Answer:
    """Return the answer to `ask`: tool calls, an instance of the schema, or prose; the same every time."""
    if scenario.refusal:
        return Answer(pieces=split_pieces(REFUSAL), finish="refusal")
    reasoning = tuple(compose_words(f"{ask.text} thought{salt}", 12)) if ask.thinks else ()
    calls = _calls(ask, scenario)
    if calls:
        answer = Answer(calls=calls, interleaved=scenario.interleaved_tools > 1, finish="tool_calls")
    else:
        answer = _limited(
            Answer(pieces=_pieces(ask, scenario, salt)), None if scenario.is_sized else ask.max_tokens
        )
    return replace(_truncated(answer) if scenario.truncated else answer, reasoning=reasoning)


def _pieces(ask: Ask, scenario: Scenario, salt: str) -> tuple[str, ...]:
    if scenario.content is not None:
        text = scenario.content
    elif ask.schema is not None:
        text = _json(build_instance(ask.schema, ask.text[:40] or "value"))
    else:
        text = compose_text(ask.text, salt)
    huge = ("x" * (scenario.huge_event_kb * 1024),) if scenario.huge_event_kb else ()
    if scenario.events is None:
        return (*split_pieces(text), *huge)
    if scenario.content is None and ask.schema is None:
        return tuple(compose_words(ask.text + salt, scenario.events))
    return cut_evenly(text, scenario.events)


def _limited(answer: Answer, budget: int | None) -> Answer:
    if budget is None or count_tokens(*answer.pieces) <= budget:
        return answer
    return replace(answer, pieces=fit_tokens(answer.pieces, budget), finish="length")


def _truncated(answer: Answer) -> Answer:
    pieces = answer.pieces[: (len(answer.pieces) + 1) // 2]
    return replace(answer, pieces=pieces, calls=_break_last(answer.calls), finish="length")


def _break_last(calls: tuple[ToolCall, ...]) -> tuple[ToolCall, ...]:
    return (*calls[:-1], replace(calls[-1], arguments=calls[-1].arguments[:-2])) if calls else ()


def _calls(ask: Ask, scenario: Scenario) -> tuple[ToolCall, ...]:
    chosen = _chosen_tools(ask, scenario)
    calls = tuple(ToolCall(tool.name, _arguments(tool, ask, n)) for n, tool in enumerate(chosen))
    return _break_last(calls) if scenario.broken_tool_json else calls


def _chosen_tools(ask: Ask, scenario: Scenario) -> list[Tool]:
    tools = ask.tools
    if ask.forced_tool is not None:
        return [tool for tool in tools if ask.forced_tool in {"", tool.name}][:1]
    if ask.after_tool_result or not tools:
        return []
    if scenario.interleaved_tools:
        return [tools[n % len(tools)] for n in range(scenario.interleaved_tools)]
    named = [tool for tool in tools if re.search(rf"\b{re.escape(tool.name)}\b", ask.text, re.IGNORECASE)]
    if not named and not re.search(r"\bcall (a |the |both )?tools?\b", ask.text, re.IGNORECASE):
        return []
    if ask.parallel and re.search(r"\bboth\b|\bin parallel\b", ask.text, re.IGNORECASE):
        others = [tool for tool in tools if tool not in named]
        return [*named, *others, *tools][:2]
    return named[:1] or [tools[0]]


def _arguments(tool: Tool, ask: Ask, nth: int) -> str:
    return _json(build_instance(tool.schema, f"{ask.text[:40]} {tool.name}{nth or ''}"))


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
