"""Messages of the chat dialect read as turns, one at a time."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

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
_LEADING_KNOWN_ROLE = re.compile(rb'\{\s*"role"\s*:\s*"(?:%b)"' % "|".join(ROLES).encode())


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


def role_of(message: msgspec.Raw) -> str | None:
    """Return a message's role; None where it has none."""
    leading = _LEADING_ROLE.match(message)
    if leading:
        return leading[1].decode()
    try:
        return _ROLE_ONLY.decode(message).role
    except msgspec.DecodeError:
        return None


def find_unknown_role(messages: Sequence[msgspec.Raw], since: int) -> int | None:
    """Return the first message from number `since` on that has none of `ROLES`; None where all have."""
    for at in range(since, len(messages)):
        if _LEADING_KNOWN_ROLE.match(messages[at]) is None and role_of(messages[at]) not in ROLES:
            return at
    return None


def read_turns(raw: msgspec.Raw) -> tuple[Turn, ...]:
    """Read one message; one that does not fit the dialect is its own JSON text, so nothing hides in it."""
    try:
        message = _MESSAGE.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        return (Turn(role=ROLES.get(role_of(raw) or "", "user"), parts=(bytes(raw).decode(),)),)
    content = message.content
    if isinstance(content, str) and not (message.refusal or message.tool_calls or message.function_call):
        return (Turn(role=ROLES.get(message.role, "user"), parts=(content,) if content else ()),)
    return (_with_parts(message),)


def _with_parts(message: _Message) -> Turn:
    content, images = message.content, 0
    if isinstance(content, list):
        texts = [text for part in content if (text := part.text or part.refusal)]
        images = len([part for part in content if part.type == "image_url"])
    else:
        texts = [content] if content else []
    if message.refusal:
        texts.append(message.refusal)
    called = _called(message) if message.tool_calls or message.function_call else ()
    return Turn(
        role=ROLES.get(message.role, "user"),
        parts=tuple(texts),
        tool_calls=tuple([function.name for function in called]),
        tool_arguments_broken=any(map(_broken, [function.arguments for function in called])),
        images=images,
    )


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
