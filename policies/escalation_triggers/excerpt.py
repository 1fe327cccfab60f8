"""The bounded part of a text that is searched, with the way back to the text's own offsets."""

from __future__ import annotations

import msgspec

MAX_CHARS = 16_384
"""How much of a text is read: the first and the last half of this many characters."""
_HALF = MAX_CHARS // 2


class Excerpt(msgspec.Struct, frozen=True):
    """A text, or its head and tail with a line break between them where it is longer than MAX_CHARS."""

    text: str
    skipped: int = 0
    """How far an offset in the tail lies behind its place in the whole text."""

    @classmethod
    def of(cls, text: str) -> Excerpt:
        """Return the excerpt of `text`."""
        if len(text) <= MAX_CHARS:
            return cls(text)
        return cls(f"{text[: _HALF - 1]}\n{text[-_HALF:]}", len(text) - MAX_CHARS)

    def original(self, start: int, end: int) -> tuple[int, int] | None:
        """Return where `[start, end)` stands in the whole text; None when it reaches over the gap."""
        if not self.skipped or end < _HALF:
            return start, end
        return (start + self.skipped, end + self.skipped) if start >= _HALF else None
