"""Thinking that another vendor signed, taken out of a history before Claude sees it.

A conversation that moved from GLM to Claude holds GLM's thinking blocks; Anthropic refuses them
(`Invalid signature in thinking block`). The blocks go, everything said stays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Raw, Struct

from gateway.beginnings import Beginning
from gateway.wire.anthropic_signatures import is_signature
from gateway.wire.anthropic_types import UNREADABLE


class Stripped(Struct, frozen=True):
    """Top-level fields of the request to replace and to remove; both empty where all was Anthropic's own."""

    replace: Mapping[str, bytes] = msgspec.field(default_factory=dict)
    remove: tuple[str, ...] = ()


class _Block(Struct):
    type: str = ""
    signature: str | None = None
    data: str | None = None


class _Message(Struct):
    content: list[Raw] | str = ""
    role: str = ""


_BLOCK = msgspec.json.Decoder(_Block)
_MESSAGE = msgspec.json.Decoder(_Message)
_MEMBERS = msgspec.json.Decoder(dict[str, Raw])


def strip_foreign_thinking(messages: Sequence[Raw], beginning: Beginning | None = None) -> Stripped:
    """Return the changes that rid the history of foreign thinking, every other block byte for byte.

    What `messages` are remembered to begin with is looked through once, and only what is new after that.

    A turn of which nothing remains is left out; Anthropic joins the turns of one role around it. Where the
    newest assistant's turn calls tools and loses its thinking, the request's own `thinking` goes too:
    Anthropic demands signed thinking there or none at all.
    """
    unmixed = 0 if beginning is None else beginning.unmixed
    cleaned = [*messages[:unmixed], *map(_clean, messages[unmixed:])]
    if all(new is old for new, old in zip(cleaned, messages, strict=True)):
        if beginning is not None:
            beginning.unmixed = len(beginning.messages)
        return Stripped()
    kept = [message for message in cleaned if message is not None]
    remove = ("thinking",) if _must_stop_thinking(kept) else ()
    return Stripped({"messages": msgspec.json.encode(kept)}, remove)


def _clean(raw: Raw) -> Raw | None:
    if b'thinking"' not in bytes(raw):
        return raw
    blocks = _assistant_blocks(raw)
    kept = [block for block in blocks if not _is_foreign(block)]
    if len(kept) == len(blocks):
        return raw
    if not kept:
        return None
    members = _MEMBERS.decode(raw)
    return Raw(msgspec.json.encode(members | {"content": Raw(msgspec.json.encode(kept))}))


def _assistant_blocks(raw: Raw) -> list[Raw]:
    try:
        message = _MESSAGE.decode(raw)
    except UNREADABLE:
        return []
    return message.content if message.role == "assistant" and isinstance(message.content, list) else []


def _is_foreign(raw: Raw) -> bool:
    block = _read(raw)
    if block.type == "thinking":
        return not is_signature(block.signature)
    return block.type == "redacted_thinking" and not is_signature(block.data)


def _must_stop_thinking(messages: Sequence[Raw]) -> bool:
    newest = next((blocks for raw in reversed(messages) if (blocks := _assistant_blocks(raw))), [])
    kinds = [_read(block).type for block in newest]
    return "tool_use" in kinds and not kinds[0].endswith("thinking")


def _read(raw: Raw) -> _Block:
    try:
        return _BLOCK.decode(raw)
    except UNREADABLE:
        return _Block()
