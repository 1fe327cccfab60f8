"""Tool calls of a chat history: ids Anthropic accepts, and arguments as objects."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

import msgspec
from msgspec import Raw

from gateway.errors import InvalidRequest
from gateway.wire.anthropic_types import UNREADABLE, ToolUseBlock
from gateway.wire.chat_to_messages.body import Call, ChatMessage

_FOREIGN = re.compile(r"[^a-zA-Z0-9_-]")
_OBJECT = msgspec.json.Decoder(dict[str, Raw])
_TEXT = msgspec.json.Decoder(str)


def safe_id(call_id: str) -> str:
    """Return `call_id`, or where Anthropic would refuse it, a legal name that no other id gets.

    The same id always maps to the same name, so calls and results of one history still meet; answers
    need no way back, since their ids are the vendor's own.
    """
    if call_id and not _FOREIGN.search(call_id):
        return call_id
    digest = hashlib.blake2b(call_id.encode(), digest_size=6).hexdigest()
    return f"{_FOREIGN.sub('_', call_id)}_{digest}"


def read_calls(messages: Sequence[ChatMessage], at: int) -> list[ToolUseBlock]:
    """Return the tool calls of the assistant's message at `at`, a legacy `function_call` included."""
    message = messages[at]
    blocks = [
        ToolUseBlock(safe_id(call.id), call.function.name, _arguments(call.function))
        for call in message.tool_calls or ()
    ]
    if message.function_call is not None:
        blocks.append(
            ToolUseBlock(_legacy_id(at), message.function_call.name, _arguments(message.function_call))
        )
    return blocks


def result_id(messages: Sequence[ChatMessage], at: int) -> str:
    """Return which call the tool's or function's message at `at` answers."""
    message = messages[at]
    if message.role == "function":
        called = [i for i in range(at) if messages[i].function_call is not None]
        return _legacy_id(called[-1] if called else at)
    if message.tool_call_id is None:
        raise InvalidRequest(
            "a tool's message needs the id of the call it answers", param=f"messages[{at}].tool_call_id"
        )
    return safe_id(message.tool_call_id)


def _legacy_id(at: int) -> str:
    """Name a `function_call`, which has no id of its own, by where it stands."""
    return f"call_{at}"


def _arguments(call: Call) -> Raw:
    """Return the arguments as a JSON object.

    Blank text is an object without members. Text that is no JSON object (a model broke it) goes as
    `{"invalid_json": text}`: the model sees what it wrote, and the history stays one that can be sent.
    """
    text = _text(bytes(call.arguments))
    if not text.strip() or text == "null":
        return Raw(b"{}")
    try:
        _OBJECT.decode(text)
    except UNREADABLE:
        return Raw(msgspec.json.encode({"invalid_json": text}))
    return Raw(text.encode())


def _text(written: bytes) -> str:
    try:
        return _TEXT.decode(written)
    except UNREADABLE:
        return written.decode(errors="replace")
