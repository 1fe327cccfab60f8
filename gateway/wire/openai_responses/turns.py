"""Items of a Responses input read as turns, one at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Raw

from gateway.wire.anthropic_types import UNREADABLE
from gateway.wire.openai_responses.body import Item, Outcome, Part, read_item
from policies.facts import Role, Turn

_ROLES: Mapping[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
}
_OBJECT = msgspec.json.Decoder(dict[str, Raw])


def read_turns(raw: Raw) -> tuple[Turn, ...]:
    """Return what an item says: one turn, or none of reasoning, which is said to nobody.

    An item that does not fit the dialect is its own JSON text, so nothing hides in it.
    """
    turn = _read(raw)
    return () if turn is None else (turn,)


def show_image(raw: Raw) -> bool:
    """Return whether an item shows an image."""
    return any(turn.images for turn in read_turns(raw))


def _read(raw: Raw) -> Turn | None:
    try:
        item = read_item(raw)
    except UNREADABLE:
        return Turn(role="user", parts=(bytes(raw).decode(errors="replace"),))
    if item.type == "message":
        return _spoken(item)
    if item.type.endswith("_output"):
        return _answered(item)
    if item.type.endswith("_call"):
        broken = item.type == "function_call" and _broken(item.arguments)
        return Turn(role="assistant", tool_calls=(item.name or item.type,), tool_arguments_broken=broken)
    return None


def _spoken(item: Item) -> Turn:
    parts = _as_parts(item.content)
    return Turn(role=_ROLES.get(item.role, "user"), parts=_texts(parts), images=_images(parts))


def _answered(item: Item) -> Turn:
    output = item.output
    if isinstance(output, Outcome):
        return Turn(role="tool", parts=(output.content,), tool_failed=output.success is False)
    parts = _as_parts(output)
    return Turn(role="tool", parts=_texts(parts), images=_images(parts))


def _as_parts(content: str | Sequence[Part] | None) -> Sequence[Part]:
    return [Part("input_text", content)] if isinstance(content, str) else content or ()


def _texts(parts: Sequence[Part]) -> tuple[str, ...]:
    return tuple(text for part in parts if (text := part.text or part.refusal))


def _images(parts: Sequence[Part]) -> int:
    return sum(part.type == "input_image" for part in parts)


def _broken(arguments: str) -> bool:
    """Tell whether a call's arguments are no JSON object; none at all is fine."""
    if not arguments.strip():
        return False
    try:
        _OBJECT.decode(arguments)
    except UNREADABLE:
        return True
    return False
