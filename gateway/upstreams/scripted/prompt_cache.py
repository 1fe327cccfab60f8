"""Anthropic's prompt cache: what a marked prefix costs to write and what finding it again saves."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import msgspec

from gateway.upstreams.scripted.json_view import JsonObject, field, rows, text
from gateway.upstreams.scripted.text import BYTES_PER_TOKEN


class PromptUse(msgspec.Struct, frozen=True, kw_only=True):
    """How a prompt's tokens are billed; the three add up to the prompt."""

    fresh: int
    written: int = 0
    read: int = 0
    keeps_1h: bool = False

    def as_usage(self, spoken: int) -> JsonObject:
        """Return Anthropic's usage object, `spoken` tokens of output included."""
        short, long = (0, self.written) if self.keeps_1h else (self.written, 0)
        return {
            "input_tokens": self.fresh,
            "cache_creation_input_tokens": self.written,
            "cache_read_input_tokens": self.read,
            "cache_creation": {"ephemeral_5m_input_tokens": short, "ephemeral_1h_input_tokens": long},
            "output_tokens": spoken,
            "service_tier": "standard",
        }


class PromptCache:
    """Remembers marked prefixes for as long as the server runs; unlike the vendor's it has no least size."""

    def __init__(self) -> None:
        self._seen: set[bytes] = set()

    def bill(self, body: JsonObject) -> PromptUse:
        """Return how `body` is billed, and remember the prefixes it marks."""
        digest = hashlib.blake2b(text(body.get("model")).encode())
        size = read = written = 0
        keeps_1h = False
        marked: list[bytes] = []
        for block, marker in _prefix_blocks(body):
            size += len(block)
            digest.update(block)
            if digest.digest() in self._seen:
                read = size
            if marker is not None:
                marked.append(digest.digest())
                written, keeps_1h = size, field(marker, "ttl") == "1h"
        read = min(read, written)
        self._seen.update(marked)
        total, written, read = (count // BYTES_PER_TOKEN for count in (size, written, read))
        return PromptUse(fresh=max(1, total - written), written=written - read, read=read, keeps_1h=keeps_1h)


def _prefix_blocks(body: JsonObject) -> Iterator[tuple[bytes, object]]:
    """Yield every block of the prompt in the vendor's order, without and with its `cache_control`."""
    blocks = [*rows(body.get("tools")), *_content("system", body.get("system"))]
    for message in rows(body.get("messages")):
        blocks += _content(text(field(message, "role")), field(message, "content"))
    for n, block in enumerate(blocks):
        bare = (
            {key: value for key, value in block.items() if key != "cache_control"}
            if isinstance(block, dict)
            else block
        )
        automatic = body.get("cache_control") if n == len(blocks) - 1 else None
        yield msgspec.json.encode(bare), field(block, "cache_control") or automatic


def _content(role: str, content: object) -> list[object]:
    """Return content as blocks; a string is one text block."""
    whole = [{"type": "text", "text": content}] if isinstance(content, str) else rows(content)
    return [{"role": role} | block for block in whole if isinstance(block, dict)]
