"""Demands a vendor's fields cannot make, made of the model in words."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import Struct


class InWords(Struct, frozen=True, kw_only=True):
    """What to change in a request so that a demand is made in words; nothing by default."""

    replace: Mapping[str, bytes] = msgspec.field(default_factory=dict)
    remove: tuple[str, ...] = ()
    instruction: str = ""


class _Turn(Struct):
    role: str
    content: str


def put_first(instruction: str, messages: bytes) -> bytes:
    """Return the encoded messages with a system message before them, every byte of theirs kept."""
    turn = msgspec.json.encode(_Turn("system", instruction))
    rest = messages.strip()[1:].lstrip()
    return b"[%b%b%b" % (turn, b"" if rest == b"]" else b",", rest)
