"""A complete answer in the client's dialect as the answer checks see it; what cannot be read is not checked.

A further dialect takes a function here, and its line in VIEWS and STREAM_VIEWS.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import msgspec
from msgspec import Raw

from gateway.exchange import ChatRequest
from gateway.wire.answer_events import gather_chat, gather_message, gather_response
from gateway.wire.answer_shapes import (
    Block,
    ChatAnswer,
    ChatAsked,
    Choice,
    Format,
    Message,
    MessagesAsked,
    Response,
    ResponsesAsked,
)
from gateway.wire.anthropic_types import UNREADABLE, present
from gateway.wire.responses_to_chat.tools import LEFT_OUT
from policies.answer_checks import AnswerView, Tool, ToolCall
from policies.facts import Dialect

_ANY_OBJECT = b'{"type":"object"}'
"""The schema of JSON mode."""


_CHAT_ANSWER, _CHAT_ASKED = msgspec.json.Decoder(ChatAnswer), msgspec.json.Decoder(ChatAsked)
_MESSAGE, _MESSAGES_ASKED = msgspec.json.Decoder(Message), msgspec.json.Decoder(MessagesAsked)
_RESPONSE, _RESPONSES_ASKED = msgspec.json.Decoder(Response), msgspec.json.Decoder(ResponsesAsked)
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
    return _within_limit(request, views)


def view_events(request: ChatRequest, stream: bytes) -> tuple[AnswerView, ...]:
    """Return the same of an answer that came as events, all of them in the client's dialect."""
    try:
        views = STREAM_VIEWS[request.dialect](request.raw, stream)
    except UNREADABLE:
        return ()
    return _within_limit(request, views)


def _within_limit(request: ChatRequest, views: Iterable[AnswerView]) -> tuple[AnswerView, ...]:
    is_limited = request.max_output_tokens is not None
    return tuple(v for v in views if not (is_limited and v.finish_reason == "length"))


def _view_chat(raw: bytes, answer: ChatAnswer) -> tuple[AnswerView, ...]:
    asked = _CHAT_ASKED.decode(raw)
    declared = [holder.function for holder in asked.tools or () if holder.function] + (asked.functions or [])
    tools = tuple(_tool(function.name, function.parameters) for function in declared)
    has_other_tools = any(holder.function is None for holder in asked.tools or ())
    views = (
        _view_choice(c, _schema(asked.response_format), () if has_other_tools else tools)
        for c in answer.choices
    )
    return tuple(filter(None, views))


def _view_choice(choice: Choice, schema: bytes | None, tools: tuple[Tool, ...]) -> AnswerView | None:
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


def _view_messages(raw: bytes, message: Message) -> tuple[AnswerView, ...]:
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


def _calls(blocks: Iterable[Block]) -> Iterable[ToolCall]:
    for block in blocks:
        if block.type == "tool_use":
            yield ToolCall(name=block.name, arguments=bytes(block.input).decode())


def _view_response(raw: bytes, response: Response) -> tuple[AnswerView, ...]:
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


def _schema(asked: Format | None) -> bytes | None:
    """Return the schema an answer has to keep to, None where it may be any text."""
    if asked is None or asked.type not in {"json_object", "json_schema"}:
        return None
    given = bytes(present((asked.json_schema or asked).schema))
    return given or _ANY_OBJECT


View = Callable[[bytes, bytes], tuple[AnswerView, ...]]
"""From a request's bytes and its answer's."""
VIEWS: Mapping[Dialect, View] = {
    "chat": lambda raw, body: _view_chat(raw, _CHAT_ANSWER.decode(body)),
    "messages": lambda raw, body: _view_messages(raw, _MESSAGE.decode(body)),
    "responses": lambda raw, body: _view_response(raw, _RESPONSE.decode(body)),
}
"""By client dialect, of an answer given whole."""
STREAM_VIEWS: Mapping[Dialect, View] = {
    "chat": lambda raw, stream: _view_chat(raw, gather_chat(stream)),
    "messages": lambda raw, stream: _view_messages(raw, gather_message(stream)),
    "responses": lambda raw, stream: _view_response(raw, gather_response(stream)),
}
"""By client dialect, of an answer's events."""
