"""A complete answer in the client's dialect as the answer checks see it; what cannot be read is not checked.

A further dialect takes a function here, and its line in VIEWS.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import msgspec
from msgspec import Raw, Struct

from gateway.exchange import ChatRequest
from gateway.wire.anthropic_types import ABSENT, UNREADABLE, present
from gateway.wire.responses_to_chat.tools import LEFT_OUT
from policies.answer_checks import AnswerView, Tool, ToolCall
from policies.facts import Dialect

_ANY_OBJECT = b'{"type":"object"}'
"""The schema of JSON mode."""


class _Function(Struct):
    name: str = ""
    arguments: str = ""
    parameters: Raw = ABSENT


class _Format(Struct):
    type: str = ""
    schema: Raw = ABSENT
    json_schema: _Format | None = None


class _Holder(Struct):
    """A call or a declared tool; Chat keeps its parts in `function`."""

    name: str = ""
    function: _Function | None = None
    input_schema: Raw = ABSENT


class _ChatMessage(Struct):
    content: str | None = None
    refusal: str | None = None
    tool_calls: list[_Holder] | None = None
    function_call: _Function | None = None
    audio: Raw = ABSENT


class _Choice(Struct):
    message: _ChatMessage
    finish_reason: str | None = None


class _ChatAnswer(Struct):
    choices: list[_Choice]


class _ChatAsked(Struct):
    tools: list[_Holder] | None = None
    functions: list[_Function] | None = None
    response_format: _Format | None = None


class _Block(Struct):
    type: str
    text: str = ""
    name: str = ""
    input: Raw = ABSENT


class _Message(Struct):
    content: list[_Block]
    stop_reason: str | None = None


class _OutputConfig(Struct):
    format: _Format | None = None


class _MessagesAsked(Struct):
    tools: list[_Holder] | None = None
    output_format: _Format | None = None
    output_config: _OutputConfig | None = None


class _Part(Struct):
    type: str
    text: str = ""
    refusal: str = ""


class _Item(Struct):
    type: str
    content: list[_Part] | None = None
    name: str = ""
    arguments: str = ""


class _Incomplete(Struct):
    reason: str = ""


class _Response(Struct):
    output: list[_Item]
    incomplete_details: _Incomplete | None = None


class _TextOptions(Struct):
    format: _Format | None = None


class _ResponsesTool(Struct):
    type: str = ""
    name: str = ""
    parameters: Raw = ABSENT


class _ResponsesAsked(Struct):
    tools: list[_ResponsesTool] | None = None
    text: _TextOptions | None = None


_CHAT_ANSWER, _CHAT_ASKED = msgspec.json.Decoder(_ChatAnswer), msgspec.json.Decoder(_ChatAsked)
_MESSAGE, _MESSAGES_ASKED = msgspec.json.Decoder(_Message), msgspec.json.Decoder(_MessagesAsked)
_RESPONSE, _RESPONSES_ASKED = msgspec.json.Decoder(_Response), msgspec.json.Decoder(_ResponsesAsked)
_READ_ITEMS = frozenset(("message", "function_call", "reasoning"))
_READ_BLOCKS = frozenset(("text", "tool_use", "thinking", "redacted_thinking"))
_FINISHES = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
    "max_output_tokens": "length",
    "content_filter": "content_filter",
}
"""Anthropic's stop reasons, and why a response is incomplete, in Chat's words."""


def view_answer(request: ChatRequest, body: bytes) -> tuple[AnswerView, ...]:
    """Return every choice of an answer, ready to be checked; empty where there is nothing to judge it by.

    A choice that the client's own token limit cut is left out: another model would be cut as well.
    """
    try:
        views = VIEWS[request.dialect](request.raw, body)
    except UNREADABLE:
        return ()
    is_limited = request.max_output_tokens is not None
    return tuple(v for v in views if not (is_limited and v.finish_reason == "length"))


def _view_chat(raw: bytes, body: bytes) -> tuple[AnswerView, ...]:
    choices = _CHAT_ANSWER.decode(body).choices
    asked = _CHAT_ASKED.decode(raw)
    declared = [holder.function for holder in asked.tools or () if holder.function] + (asked.functions or [])
    tools = tuple(_tool(function.name, function.parameters) for function in declared)
    has_other_tools = any(holder.function is None for holder in asked.tools or ())
    views = (
        _view_choice(c, _schema(asked.response_format), () if has_other_tools else tools) for c in choices
    )
    return tuple(filter(None, views))


def _view_choice(choice: _Choice, schema: bytes | None, tools: tuple[Tool, ...]) -> AnswerView | None:
    """Return a choice; None for one that speaks, or calls what takes no JSON."""
    message = choice.message
    called = [holder.function for holder in message.tool_calls or ()]
    if message.function_call:
        called.append(message.function_call)
    if bytes(present(message.audio)) or None in called:
        return None
    return AnswerView(
        text=message.content or message.refusal or "",
        tool_calls=tuple(ToolCall(name=f.name, arguments=f.arguments) for f in called if f),
        finish_reason=choice.finish_reason,
        json_schema=None if message.refusal else schema,
        tools=tools,
    )


def _view_messages(raw: bytes, body: bytes) -> tuple[AnswerView, ...]:
    message = _MESSAGE.decode(body)
    if any(block.type not in _READ_BLOCKS for block in message.content):
        return ()
    asked = _MESSAGES_ASKED.decode(raw)
    config = asked.output_config
    return (
        AnswerView(
            text="".join(block.text for block in message.content if block.type == "text"),
            tool_calls=tuple(_calls(message.content)),
            finish_reason=_FINISHES.get(message.stop_reason or "", message.stop_reason),
            json_schema=_schema(asked.output_format or (config.format if config else None)),
            tools=tuple(_tool(holder.name, holder.input_schema) for holder in asked.tools or ()),
        ),
    )


def _calls(blocks: Iterable[_Block]) -> Iterable[ToolCall]:
    for block in blocks:
        if block.type == "tool_use":
            yield ToolCall(name=block.name, arguments=bytes(block.input).decode())


def _view_response(raw: bytes, body: bytes) -> tuple[AnswerView, ...]:
    response = _RESPONSE.decode(body)
    if any(item.type not in _READ_ITEMS for item in response.output):
        return ()
    asked = _RESPONSES_ASKED.decode(raw)
    said = [part for item in response.output if item.type == "message" for part in item.content or ()]
    calls = [item for item in response.output if item.type == "function_call"]
    reason = response.incomplete_details.reason if response.incomplete_details else ""
    has_refused = any(part.type == "refusal" for part in said)
    declared = [tool for tool in asked.tools or () if tool.type not in LEFT_OUT]
    is_plain = all(tool.type == "function" for tool in declared)
    return (
        AnswerView(
            text="".join(part.text or part.refusal for part in said),
            tool_calls=tuple(ToolCall(name=call.name, arguments=call.arguments) for call in calls),
            finish_reason=_FINISHES.get(reason, "tool_calls" if calls else "stop"),
            json_schema=None if has_refused else _schema(asked.text.format if asked.text else None),
            tools=tuple(_tool(tool.name, tool.parameters) for tool in declared) if is_plain else (),
        ),
    )


def _tool(name: str, parameters: Raw) -> Tool:
    return Tool(name=name, parameters=bytes(present(parameters)) or None)


def _schema(asked: _Format | None) -> bytes | None:
    """Return the schema an answer has to keep to, None where it may be any text."""
    if asked is None or asked.type not in {"json_object", "json_schema"}:
        return None
    given = bytes(present((asked.json_schema or asked).schema))
    return given or _ANY_OBJECT


VIEWS: Mapping[Dialect, Callable[[bytes, bytes], tuple[AnswerView, ...]]] = {
    "chat": _view_chat,
    "messages": _view_messages,
    "responses": _view_response,
}
"""By client dialect."""
