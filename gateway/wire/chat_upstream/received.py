"""Chat answers and chunks as the bridges to other client dialects read them."""

from __future__ import annotations

import msgspec
from msgspec import Raw, Struct

from gateway.wire.anthropic_types import ABSENT, UNREADABLE
from gateway.wire.chat_to_messages.body import SignedThinking


class Function(Struct):
    """A call's name and arguments; JSON text, or an object from vendors that skip the text."""

    name: str | None = None
    arguments: Raw = ABSENT


class Call(Struct):
    """One tool call, or a piece of one."""

    function: Function | None = None
    id: str | None = None
    index: int | None = None


class Piece(Struct):
    """A part of the content, from vendors that give parts."""

    text: str = ""


class Said(Struct):
    """What a message or a delta holds; vendors name reasoning in two ways."""

    content: str | list[Piece] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: list[Call] | None = None
    thinking_blocks: list[SignedThinking] | None = None

    @property
    def text(self) -> str:
        """The content, empty for none."""
        if isinstance(self.content, list):
            return "".join(piece.text for piece in self.content)
        return self.content or ""

    @property
    def thought(self) -> str:
        """The reasoning, by either name."""
        return self.reasoning_content or self.reasoning or ""


class Choice(Struct):
    """One answer, or a piece of one."""

    delta: Said | None = None
    message: Said | None = None
    finish_reason: str | None = None


class Received(Struct):
    """An answer or a chunk."""

    id: str | None = None
    model: str | None = None
    choices: list[Choice] | None = None


_RECEIVED = msgspec.json.Decoder(Received)
_TEXT = msgspec.json.Decoder(str)


def read_received(data: bytes) -> Received:
    """Return what an answer or a chunk says; raise one of UNREADABLE."""
    return _RECEIVED.decode(data)


def arguments_text(written: Raw) -> str:
    """Return a call's arguments as text, empty for none."""
    raw = bytes(written)
    if raw in {b"", b"null"}:
        return ""
    try:
        return _TEXT.decode(raw)
    except UNREADABLE:
        return raw.decode(errors="replace")
