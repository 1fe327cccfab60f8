"""Deterministic words, token counts and identifiers."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import accumulate
from typing import TypeVar

import msgspec

T = TypeVar("T")
BYTES_PER_TOKEN = 4
HEX = "0123456789abcdef"
LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_VERBS = ("checks", "keeps", "splits", "names", "returns", "guards", "merges", "reads", "orders", "moves")
_QUALITIES = ("smaller", "naïve", "nightly", "shared", "older", "stable", "nested", "hidden", "typed", "lazy")
_NOUNS = ("parser", "ledger", "branch", "façade", "window", "socket", "table", "index", "module", "queue")
_LINKS = ("before", "after", "beside", "without", "through", "behind", "under", "until")
_PATTERN: tuple[tuple[str, ...], ...] = (("The", "A", "Each", "This"), _QUALITIES, _NOUNS, _VERBS)
_CLOSE: tuple[tuple[str, ...], ...] = (_LINKS, ("the", "its", "every"), _QUALITIES, _NOUNS)


class Stamp(msgspec.Struct, frozen=True):
    """Identity of one answer: unique per call, so identifiers made from it are too."""

    seed: str
    now: float

    def letters(self, salt: str, length: int, alphabet: str = LETTERS) -> str:
        """Return `length` characters of `alphabet`, the same for the same salt."""
        size = len(alphabet)
        return "".join(alphabet[_draw(f"{self.seed}:{salt}:{n}") % size] for n in range(length))

    def clock_digits(self) -> str:
        """Return the second as `20250802131730`."""
        return datetime.fromtimestamp(self.now, UTC).strftime("%Y%m%d%H%M%S")


def _draw(seed: str) -> int:
    return int.from_bytes(hashlib.blake2b(seed.encode(), digest_size=8).digest())


def pick(seed: str, items: Sequence[T]) -> T:
    """Return one of `items`, always the same for the same seed."""
    return items[_draw(seed) % len(items)]


def count_tokens(*parts: str) -> int:
    """Return a plausible token count: a quarter of the bytes, rounded up."""
    return -(-sum(len(part.encode()) for part in parts) // BYTES_PER_TOKEN)


def compose_words(ask: str, count: int) -> list[str]:
    """Return `count` pieces of prose about `ask`, each with the space before it."""
    topics = tuple(re.findall(r"\w{4,}", ask)[:12]) or _NOUNS
    slots = (*_PATTERN, *_CLOSE)
    pieces: list[str] = []
    for n in range(count):
        slot = n % (len(slots) + 1)
        items = slots[slot] if slot < len(slots) else topics
        word = pick(f"{ask}:{n}", items)
        pieces.append(f" {word}." if slot == len(slots) else f" {word}")
    return pieces


def compose_text(ask: str, salt: str) -> str:
    """Return an answer to `ask` of a few sentences, with characters of more than one byte in it."""
    head = " ".join(ask.split())[:48]
    length = 24 + _draw(ask + salt) % 4 * 9
    return f"On “{head}” — in short:{''.join(compose_words(ask + salt, length))}"


def split_pieces(text: str) -> tuple[str, ...]:
    """Split `text` into word-like pieces that join to it again."""
    return tuple(re.findall(r"\s*\S{1,24}|\s+", text))


def cut_evenly(text: str, count: int) -> tuple[str, ...]:
    """Split `text` into at most `count` pieces of equal length."""
    size = max(1, -(-len(text) // max(1, count)))
    return tuple(text[start : start + size] for start in range(0, len(text), size))


def fit_tokens(pieces: tuple[str, ...], budget: int) -> tuple[str, ...]:
    """Return the leading pieces that cost at most `budget` tokens together, at least one."""
    spent = accumulate(len(piece.encode()) for piece in pieces)
    kept = sum(1 for total in spent if total <= budget * BYTES_PER_TOKEN)
    return pieces[: max(1, kept)]
