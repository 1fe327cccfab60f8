"""A chat completion into an Anthropic message."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec
from msgspec import Struct

from gateway.wire.anthropic_types import UNREADABLE, TextBlock, ThinkingBlock, ToolUseBlock
from gateway.wire.base import Answer
from gateway.wire.chat_to_messages.body import Call as NamedCall
from gateway.wire.chat_to_messages.body import ChatMessage, ToolCall
from gateway.wire.chat_to_messages.calls import read_calls
from gateway.wire.chat_upstream.received import Received, Said, read_received
from gateway.wire.messages_to_chat.usage import SentUsage, StopReason, message_id, sent_usage, stop_reason
from gateway.wire.vendor_errors import garbled
from policies.pricing import Usage

MADE_UP_SIGNATURE = ""
"""The signature of reasoning nobody signed. Anthropic's clients demand a string; an empty one is taken out
again before Claude sees the history (see `foreign_thinking`)."""

SentContent = TextBlock | ThinkingBlock | ToolUseBlock


class SentMessage(Struct):
    """Anthropic's `message`; in a stream's first event the content is empty and the reason unknown."""

    id: str
    model: str
    content: Sequence[SentContent]
    stop_reason: StopReason | None
    usage: SentUsage
    stop_sequence: None = None
    role: Literal["assistant"] = "assistant"
    type: Literal["message"] = "message"


def translate_answer(answer: Answer, model: str) -> Answer:
    """Return the message for a chat bridge's answer; a fault stays one. `model` stands in for no name."""
    if answer.fault is not None:
        return answer
    try:
        received = read_received(answer.body)
    except UNREADABLE as error:
        fault = garbled(f"the answer cannot be read: {error}", answer.body)
        return Answer(body=b"", usage=answer.usage, fault=fault)
    message = _message(received, answer.usage or Usage(), model)
    return Answer(body=msgspec.json.encode(message), usage=answer.usage)


def _message(received: Received, usage: Usage, model: str) -> SentMessage:
    choice = received.choices[0] if received.choices else None
    said = (choice.message if choice else None) or Said()
    calls = _calls(said)
    finish = choice.finish_reason if choice else None
    return SentMessage(
        id=message_id(received.id),
        model=received.model or model,
        content=[*_spoken(said), *calls],
        stop_reason=stop_reason(finish, called=bool(calls), refused=bool(said.refusal)),
        usage=sent_usage(usage),
    )


def _spoken(said: Said) -> list[SentContent]:
    text = said.text or said.refusal
    thought: list[SentContent] = [ThinkingBlock(said.thought, MADE_UP_SIGNATURE)] if said.thought else []
    return [*thought, TextBlock(text)] if text else thought


def _calls(said: Said) -> list[ToolUseBlock]:
    calls = [
        ToolCall(NamedCall(call.function.name or "", call.function.arguments), call.id or "")
        for call in said.tool_calls or ()
        if call.function is not None
    ]
    return read_calls([ChatMessage("assistant", tool_calls=calls)], 0)
