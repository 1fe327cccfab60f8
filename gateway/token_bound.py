"""An upper bound of a text's tokens from its bytes, counted in parts that add up. Pure.

A token of prose or code is about four ASCII bytes and hardly ever less than three on average; digits,
capitals and commas may be a token each, as in tables, hex and base64; a character outside ASCII is at
most two tokens to its two to four bytes. `benchmarks/input_bound.py` measures it.
"""

from __future__ import annotations

import msgspec

_DENSE = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ,"
_WIDE = bytes(range(0x80, 0x100))
_MARGIN = 16


class Tally(msgspec.Struct, frozen=True):
    """What was counted in a text: all bytes, those outside ASCII, those that may be a token each.

    Of the digits of an escaped character two are not counted as such, so `dense` may be below zero.
    """

    size: int
    wide: int
    dense: int

    def plus(self, other: Tally, behind: Tally | None = None) -> Tally:
        """Return the tally of texts in a row; a character or an escape must not lie across the joint."""
        size, wide, dense = self.size + other.size, self.wide + other.wide, self.dense + other.dense
        if behind is None:
            return Tally(size, wide, dense)
        return Tally(size + behind.size, wide + behind.wide, dense + behind.dense)

    def tokens(self) -> int:
        """Return an upper bound of the tokens."""
        dense = max(0, self.dense)
        return (self.size - self.wide - dense) // 3 + self.wide * 2 // 3 + dense + _MARGIN


def tally(raw: bytes) -> Tally:
    """Count what the bound is reckoned from, in time linear in the bytes."""
    size = len(raw)
    wide = 0 if raw.isascii() else size - len(raw.translate(None, _WIDE))
    return Tally(size, wide, size - len(raw.translate(None, _DENSE)) - 2 * raw.count(b"\\u"))
