"""Messages of the Anthropic dialect read as turns, one message at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Raw, Struct

from gateway.wire.anthropic_types import ABSENT, UNREADABLE
from policies.facts import Role, Turn


class _Block(Struct):
    type: str = ""
    text: str | None = None
    name: str = ""
    input: Raw = ABSENT
    content: str | list[_Block] | None = None
    is_error: bool | None = None


class _Message(Struct):
    role: str = "user"
    content: str | list[_Block] | None = None


_Content = str | list[_Block] | None
_MESSAGE = msgspec.json.Decoder(_Message)
_CONTENT: msgspec.json.Decoder[_Content] = msgspec.json.Decoder(_Content)
_OBJECT = msgspec.json.Decoder(dict[str, Raw])
_ROLES: Mapping[str, Role] = {"assistant": "assistant", "system": "system"}
_RESULTS = ("tool_result", "mcp_tool_result")
_CALLS = ("tool_use", "server_tool_use", "mcp_tool_use")


def read_turns(raw: Raw) -> tuple[Turn, ...]:
    """Return what one message says, newest first: a human's text, then the tool results before it.

    A message that does not fit the dialect is its own JSON text, so nothing hides in it.
    """
    try:
        message = _MESSAGE.decode(raw)
    except UNREADABLE:
        return (Turn(role="user", parts=(bytes(raw).decode(errors="replace"),)),)
    said = _as_blocks(message.content)
    results = [block for block in said if block.type in _RESULTS]
    if not results:
        return (_spoken(_ROLES.get(message.role, "user"), said),)
    others = [block for block in said if block.type not in _RESULTS]
    if not others:
        return (_answered(results),)
    return _spoken(_ROLES.get(message.role, "user"), others), _answered(results)


def read_system(raw: Raw | None) -> Turn | None:
    """Return the system prompt as a turn; None where there is none."""
    if raw is None:
        return None
    try:
        blocks = _as_blocks(_CONTENT.decode(raw))
    except UNREADABLE:
        return Turn(role="system", parts=(bytes(raw).decode(errors="replace"),))
    return Turn(role="system", parts=_texts(blocks)) if blocks else None


def _as_blocks(content: _Content) -> list[_Block]:
    return [_Block("text", content)] if isinstance(content, str) else content or []


def _texts(blocks: Sequence[_Block]) -> tuple[str, ...]:
    return tuple(block.text for block in blocks if block.text)


def _spoken(role: Role, blocks: Sequence[_Block]) -> Turn:
    calls = [block for block in blocks if block.type in _CALLS]
    return Turn(
        role=role,
        parts=_texts(blocks),
        tool_calls=tuple(call.name for call in calls),
        tool_arguments_broken=any(_broken(call.input) for call in calls),
        images=sum(block.type == "image" for block in blocks),
    )


def _answered(results: Sequence[_Block]) -> Turn:
    inner = [block for result in results for block in _as_blocks(result.content)]
    return Turn(
        role="tool",
        parts=_texts(inner),
        tool_failed=any(result.is_error for result in results),
        images=sum(block.type == "image" for block in inner),
    )


def _broken(value: Raw) -> bool:
    """Tell whether a call's input is no JSON object; none at all is fine."""
    if not bytes(value):
        return False
    try:
        _OBJECT.decode(value)
    except UNREADABLE:
        return True
    return False
