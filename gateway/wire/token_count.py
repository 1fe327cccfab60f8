"""How many tokens an Anthropic prompt has, where no vendor can be asked: an upper bound.

Only what the model reads is counted: the texts of messages, system prompt and tools, not the JSON around
them. A token of real text is hardly ever less than three ASCII bytes on average, and a character outside
ASCII is at most two tokens; an image is at most 1,600, whatever its bytes; every message, block and tool
costs a few more. Source: https://docs.claude.com/en/docs/build-with-claude/token-counting
"""

from __future__ import annotations

import msgspec

from gateway.exchange import ChatRequest

BYTES_PER_TOKEN = 3
TOKENS_PER_WIDE_CHARACTER = 2
TOKENS_PER_IMAGE = 1_600
TOKENS_PER_OBJECT = 4
"""For what a message, a block or a tool is wrapped in."""

_READ = ("system", "messages", "tools")
_UNREAD = frozenset(("type", "id", "tool_use_id", "media_type", "signature", "cache_control", "role"))


def count_tokens(request: ChatRequest) -> int:
    """Return an upper bound of the tokens of a Messages request's prompt."""
    body: dict[str, object] = msgspec.json.decode(request.raw, type=dict[str, object])
    return sum(_count(body.get(name)) for name in _READ)


def count_body(request: ChatRequest) -> bytes:
    """Return what `count_tokens` answers."""
    return msgspec.json.encode({"input_tokens": count_tokens(request)})


def _count(value: object) -> int:
    match value:
        case str():
            return _text(value)
        case list():
            return sum(map(_count, value))
        case {"type": "image", "source": _}:
            return TOKENS_PER_IMAGE
        case dict():
            read = (_text(name) + _count(one) for name, one in value.items() if name not in _UNREAD)
            return TOKENS_PER_OBJECT + sum(read)
        case None:
            return 0
        case _:
            return 1 + len(str(value)) // BYTES_PER_TOKEN


def _text(text: str) -> int:
    """Bound one text's tokens; an empty one has none."""
    wide = 0 if text.isascii() else sum(not letter.isascii() for letter in text)
    return -(-(len(text) - wide) // BYTES_PER_TOKEN) + wide * TOKENS_PER_WIDE_CHARACTER
