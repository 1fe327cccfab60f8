"""Messages of the chat dialect read as turns, one at a time."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

import msgspec

from policies.facts import Role, Turn

ROLES: Mapping[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "function": "tool",
}
_LEADING_ROLE = re.compile(rb'\{\s*"role"\s*:\s*"([a-z]+)"')


class _Part(msgspec.Struct):
    type: str = ""
    text: str | None = None
    refusal: str | None = None


class _Function(msgspec.Struct):
    name: str = ""
    arguments: msgspec.Raw = msgspec.Raw(b"null")


class _ToolCall(msgspec.Struct):
    function: _Function | None = None
    custom: _Function | None = None


class _Message(msgspec.Struct):
    role: str = "user"
    content: str | list[_Part] | None = None
    refusal: str | None = None
    tool_calls: list[_ToolCall] | None = None
    function_call: _Function | None = None


class _RoleOnly(msgspec.Struct):
    role: str


_MESSAGE = msgspec.json.Decoder(_Message)
_ROLE_ONLY = msgspec.json.Decoder(_RoleOnly)
_ARGUMENTS = msgspec.json.Decoder(str | dict[str, msgspec.Raw] | None)
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_REMEMBERED_TURNS = 512
_REMEMBERED_BYTES = 8_192
"""A client sends its whole conversation with every step: turns up to this size are read once."""


def role_of(message: msgspec.Raw) -> str | None:
    """Return a message's role; None where it has none."""
    leading = _LEADING_ROLE.match(message)
    if leading:
        return leading[1].decode()
    try:
        return _ROLE_ONLY.decode(message).role
    except msgspec.DecodeError:
        return None


def read_turn(raw: msgspec.Raw) -> Turn:
    """Read one message; one that does not fit the dialect is its own JSON text, so nothing hides in it."""
    text = bytes(raw)
    return _remembered(text) if len(text) <= _REMEMBERED_BYTES else _read(text)


def _read(raw: bytes) -> Turn:
    try:
        message = _MESSAGE.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        return Turn(role=ROLES.get(role_of(msgspec.Raw(raw)) or "", "user"), parts=(raw.decode(),))
    content = message.content
    parts = [_Part("text", content)] if isinstance(content, str) else content or []
    called = _called(message)
    texts = (part.text or part.refusal for part in parts)
    return Turn(
        role=ROLES.get(message.role, "user"),
        parts=(*filter(None, texts), *filter(None, (message.refusal,))),
        tool_calls=tuple(function.name for function in called),
        tool_arguments_broken=any(_broken(function.arguments) for function in called),
        images=sum(part.type == "image_url" for part in parts),
    )


_remembered = lru_cache(_REMEMBERED_TURNS)(_read)


def _called(message: _Message) -> list[_Function]:
    called = [call.function or call.custom for call in message.tool_calls or ()]
    return [function for function in (*called, message.function_call) if function is not None]


def _broken(arguments: msgspec.Raw) -> bool:
    """Tell whether a call's arguments are no JSON object; none at all are fine."""
    try:
        text = _ARGUMENTS.decode(arguments)
        if isinstance(text, str) and text.strip():
            _OBJECT.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return True
    return False
