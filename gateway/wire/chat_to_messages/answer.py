"""A Messages answer into a chat completion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from gateway.exchange import Fault
from gateway.wire.anthropic_stream import embedded_fault
from gateway.wire.anthropic_types import (
    UNREADABLE,
    Message,
    ReceivedBlock,
    RedactedThinkingBlock,
    TextBlock,
    ThinkingBlock,
    ToolUseBlock,
    read_block,
)
from gateway.wire.anthropic_usage import ChatUsage, chat_usage, read_usage
from gateway.wire.base import Answer
from gateway.wire.chat_to_messages.body import AnswerForm
from gateway.wire.chat_to_messages.json_answer import HELPER
from gateway.wire.vendor_errors import garbled

FinishReason = Literal["stop", "length", "tool_calls", "function_call", "content_filter"]

_FINISH_REASONS: Mapping[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
_MESSAGE = msgspec.json.Decoder(Message)


class CalledFunction(Struct):
    """What is called, with its arguments as JSON text."""

    name: str
    arguments: str


class ToolCallOut(Struct):
    """One tool call; `id` is the vendor's own."""

    id: str
    function: CalledFunction
    type: Literal["function"] = "function"


class MessageOut(Struct):
    """What the assistant said; `thinking_blocks` is for clients that send them back."""

    content: str | None
    role: Literal["assistant"] = "assistant"
    refusal: None = None
    reasoning_content: str | UnsetType = UNSET
    thinking_blocks: Sequence[ThinkingBlock | RedactedThinkingBlock] | UnsetType = UNSET
    tool_calls: Sequence[ToolCallOut] | UnsetType = UNSET
    function_call: CalledFunction | UnsetType = UNSET


class Choice(Struct):
    """The one answer."""

    message: MessageOut
    finish_reason: FinishReason
    index: int = 0
    logprobs: None = None


class Completion(Struct):
    """OpenAI's `chat.completion`."""

    id: str
    created: int
    model: str
    choices: tuple[Choice]
    usage: ChatUsage | UnsetType = UNSET
    object: Literal["chat.completion"] = "chat.completion"


class AnswerSettings(Struct, frozen=True, kw_only=True):
    """What an answer needs beside its bytes."""

    created: int
    """Unix time in seconds."""
    model: str
    """Stands in where the vendor names none."""
    provider: str
    """Whose error codes are read."""
    form: AnswerForm


def translate_answer(body: bytes, settings: AnswerSettings) -> Answer:
    """Return the chat completion for a 200 answer; an error in its place, or a broken body, is a fault."""
    try:
        message = _MESSAGE.decode(body)
        if bytes(message.error):
            return _faulty(embedded_fault(settings.provider, message.error))
        if message.content is None:
            return _faulty(garbled("the answer has no content", body))
        blocks = [block for raw in message.content if (block := read_block(raw)) is not None]
    except UNREADABLE as error:
        return _faulty(garbled(f"the answer cannot be read: {error}", body))
    return _complete(message, blocks, settings)


def _complete(message: Message, blocks: Sequence[ReceivedBlock], settings: AnswerSettings) -> Answer:
    usage = None if message.usage is None else read_usage(message.usage)
    completion = Completion(
        id=chat_id(message.id),
        created=settings.created,
        model=message.model or settings.model,
        choices=(_choice(blocks, message.stop_reason, legacy_calls=settings.form.legacy_calls),),
        usage=UNSET if usage is None else chat_usage(usage),
    )
    return Answer(body=msgspec.json.encode(completion), usage=usage)


def chat_id(message_id: str) -> str:
    """Return the completion's id for a message's."""
    return f"chatcmpl-{message_id}"


class Calls(Struct, frozen=True, kw_only=True):
    """Which calls an answer made, as far as its finish reason goes."""

    any: bool
    """Of the client's tools."""
    legacy: bool = False
    """They are told as `function_call`."""
    helped: bool = False
    """The JSON helper was called, which is no call to the client."""


def finish_reason(stop_reason: str | None, calls: Calls) -> FinishReason:
    """Return why the answer ended, as OpenAI says it."""
    reason = _FINISH_REASONS.get(stop_reason or "", "tool_calls" if calls.any else "stop")
    if reason != "tool_calls":
        return reason
    if calls.helped and not calls.any:
        return "stop"
    return "function_call" if calls.legacy else reason


def _faulty(fault: Fault) -> Answer:
    return Answer(body=b"", usage=None, fault=fault)


def _choice(blocks: Sequence[ReceivedBlock], stop_reason: str | None, *, legacy_calls: bool) -> Choice:
    thought = "".join(block.thinking for block in blocks if isinstance(block, ThinkingBlock))
    used = [block for block in blocks if isinstance(block, ToolUseBlock)]
    helped = [block for block in used if block.name == HELPER]
    calls = [_call(block) for block in used if block.name != HELPER]
    text = "".join(block.text for block in blocks if isinstance(block, TextBlock))
    content = compact(helped[0].input) if helped else text
    message = MessageOut(
        content=content if content or not calls else None,
        reasoning_content=thought or UNSET,
        thinking_blocks=_signed(blocks) or UNSET,
    )
    if legacy_calls and calls:
        message.function_call = calls[0].function
    elif calls:
        message.tool_calls = calls
    made = Calls(any=bool(calls), legacy=legacy_calls, helped=bool(helped))
    return Choice(message, finish_reason(stop_reason, made))


def _signed(blocks: Sequence[ReceivedBlock]) -> list[ThinkingBlock | RedactedThinkingBlock]:
    """Return the reasoning a client can send back: what carries a signature or is sealed altogether."""
    thinking = (block for block in blocks if isinstance(block, ThinkingBlock | RedactedThinkingBlock))
    return [block for block in thinking if isinstance(block, RedactedThinkingBlock) or block.signature]


def _call(block: ToolUseBlock) -> ToolCallOut:
    return ToolCallOut(block.id, CalledFunction(block.name, compact(block.input)))


def compact(value: Raw) -> str:
    """Return a tool's input as JSON text without white space; `{}` for none."""
    return msgspec.json.format(value, indent=-1).decode() if bytes(value) else "{}"
