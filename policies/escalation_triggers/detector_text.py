"""What the learnt detector reads in a text: a bounded part of it, its features and its shape.

Everything works on one byte per character (what is not ASCII reads as `?`), because translating and
splitting bytes runs at C speed and offsets stay those of the text.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from math import log1p
from typing import Final

import msgspec

HEAD_CHARS: Final = 2500
TAIL_CHARS: Final = 700
TITLE_CHARS: Final = 120
EXEMPLAR_CHARS: Final = 20_000
"""Longer texts are not searched for worked examples before the question."""

MEASURES: Final = (
    "chars",
    "pages",
    "lines",
    "numbers",
    "distinct_words",
    "distinct_share",
    "chars_per_token",
    "word_share",
    "questions",
    "longest_number",
    "commas",
    "full_stops",
    "ands",
    "parentheses",
    "equals",
    "brackets",
    "single_quotes",
    "double_quotes",
)
"""What the numbers of `measures` are, in order."""

_CUE_CHARS: Final = 3
"""`A:` alone is too common in prose to be the cue of worked examples."""
_PAGE_CHARS: Final = 256
"""Up to about this length a text is short, and it matters little how short."""
_MAX_TRIES: Final = 64
_COUNTED: Final = (b"(", b"=", b"[", b"'", b'"')
_UPPER: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_LOWER: Final = _UPPER.lower()
_WORD: Final = frozenset(_LOWER + _UPPER + b"0123456789")
_FOLD: Final = bytes(ord(chr(byte).lower()) if byte in _WORD else 32 for byte in range(256))
_CASE: Final = bytes(97 * (byte in _LOWER) + 65 * (byte in _UPPER) or 32 for byte in range(256))
_NO_MARKS: Final = bytes(byte for byte in range(256) if byte in _WORD or not 32 < byte < 127)  # noqa: PLR2004
_MARKS: Final = [bytes((byte,)) for byte in range(256)]
_TITLE_MARKS: Final = [b"^" + mark for mark in _MARKS]


class Scan(msgspec.Struct, frozen=True):
    """The part of a text that is read, cut up."""

    piece: bytes
    words: list[bytes]
    distinct: set[bytes]
    title: set[bytes]
    marks: bytes
    """Every mark of the piece, in order."""
    distinct_marks: set[int]
    title_marks: bytes
    line_ends: int


def scan(text: str) -> Scan:
    """Return what is read of `text`, cut into words and marks."""
    read = "\n".join([text[start:end] for start, end in reading(text)])
    piece = as_bytes(read)
    title = piece.lstrip()[:TITLE_CHARS].partition(b"\n")[0]
    told = piece if read.isascii() else read.encode("ascii", "ignore")
    words = split_words(piece)
    marks = told.translate(None, _NO_MARKS)
    return Scan(
        piece,
        words,
        set(words),
        set(split_words(title)),
        marks,
        set(marks),
        title.translate(None, _NO_MARKS),
        piece.count(b"\n"),
    )


def as_bytes(text: str) -> bytes:
    """Return one byte per character of `text`."""
    return text.encode("ascii", "replace")


def split_words(piece: bytes) -> list[bytes]:
    """Return the lower-case words, parts of camelCase names and numbers of `piece`, in order."""
    return _uncamelled(piece).translate(_FOLD).split()


def reading(text: str) -> tuple[tuple[int, int], ...]:
    """Return the ranges of `text` that are read: after any worked examples, the head and the tail."""
    start = _ask_start(text) if len(text) <= EXEMPLAR_CHARS else 0
    if len(text) - start <= HEAD_CHARS + TAIL_CHARS:
        return ((start, len(text)),)
    return ((start, start + HEAD_CHARS), (len(text) - TAIL_CHARS, len(text)))


def features(scanned: Scan) -> set[bytes]:
    """Return the distinct features: words, and what `beside_words` tells."""
    return scanned.distinct.union(beside_words(scanned))


def beside_words(scanned: Scan) -> list[bytes]:
    """Return the other features, each once: marks, words and marks of the title, how it opens, sizes."""
    words = scanned.words
    found = [
        b"#chars%d" % _bucket(len(scanned.piece)),
        b"#lines%d" % _bucket(scanned.line_ends),
        *map(_MARKS.__getitem__, scanned.distinct_marks),
        *map(_TITLE_MARKS.__getitem__, set(scanned.title_marks)),
        *map(b"^".__add__, scanned.title),
    ]
    if words:
        found.append(b"^ " + words[0])
    if len(words) > 1:
        found.append(b"^ %b %b" % (words[0], words[1]))
    return found


def measures(scanned: Scan) -> tuple[float, ...]:
    """Return the shape of the text as numbers, none of them about what it says; see `MEASURES`."""
    words, marks, distinct = scanned.words, scanned.marks, scanned.distinct
    chars, tokens = len(scanned.piece), len(words) + len(marks) or 1
    numbers = list(filter(bytes.isdigit, distinct))
    kinds = len(distinct) + len(scanned.distinct_marks)
    return (
        log1p(chars),
        log1p(chars / _PAGE_CHARS),
        log1p(scanned.line_ends),
        log1p(len(numbers)),
        log1p(kinds),
        kinds / tokens,
        chars / tokens,
        len(words) / tokens,
        min(3.0, marks.count(b"?")),
        log1p(max(map(len, numbers), default=0)),
        log1p(marks.count(b",")),
        log1p(marks.count(b".")),
        log1p(scanned.piece.count(b" and ")),
        *map(log1p, map(marks.count, _COUNTED)),
    )


def word_of(feature: bytes) -> bytes:
    """Return the word or mark a feature tells of; nothing for sizes."""
    if len(feature) > 1 and feature[:1] in {b"^", b"#"}:
        return feature[1:].lstrip().partition(b" ")[0] if feature[:1] == b"^" else b""
    return feature


def names_of(word: bytes) -> tuple[bytes, ...]:
    """Return the features that tell of one word: by itself, in the title, and opening the text."""
    return word, b"^" + word, b"^ " + word


class Piece(msgspec.Struct, frozen=True):
    """A stretch of a text that is read, by `as_bytes`, and where it starts."""

    start: int
    raw: bytes
    lowered: bytes


def pieces_of(text: str) -> list[Piece]:
    """Return what is read of `text`, to look for words in."""
    cut = [(start, as_bytes(text[start:end])) for start, end in reading(text)]
    return [Piece(start, raw, raw.lower()) for start, raw in cut]


def first_place(pieces: Iterable[Piece], word: bytes) -> tuple[int, int] | None:
    """Return where a word or mark, from `word_of`, first stands in what is read of a text."""
    for piece in pieces:
        place = _find(piece, word)
        if place >= 0:
            return piece.start + place, piece.start + place + len(word)
    return None


def _find(piece: Piece, word: bytes) -> int:
    """Return where `word` stands whole, as `split_words` cuts it, or -1."""
    text, lowered = piece.raw, piece.lowered
    at = lowered.find(word)
    for _ in range(_MAX_TRIES):
        if at < 0 or word[0] not in _WORD or (_is_cut(text, at) and _is_cut(text, at + len(word))):
            return at
        at = lowered.find(word, at + 1)
    return -1


def _is_cut(text: bytes, at: int) -> bool:
    """Tell whether no word reaches over the place before `text[at]`."""
    if not 0 < at < len(text) or text[at - 1] not in _WORD or text[at] not in _WORD:
        return True
    return text[at - 1] in _LOWER and text[at] in _UPPER


def _uncamelled(piece: bytes) -> bytes:
    """Return `piece` with a space wherever a capital follows a small letter."""
    sketch = piece.translate(_CASE)
    find, start, parts = sketch.find, 0, []
    while (cut := find(b"aA", start)) >= 0:
        parts.append(piece[start : cut + 1])
        start = cut + 1
    return b" ".join([*parts, piece[start:]]) if parts else piece


def _ask_start(text: str) -> int:
    """Return where the last question starts when earlier ones end in the same cue, such as `Answer:`."""
    body = text.rstrip()
    cue = body[body.rfind("\n") + 1 :]
    if len(cue) < _CUE_CHARS or not cue.endswith(":"):
        return 0
    before = body.rfind(f"\n{cue}\n", 0, len(body) - len(cue))
    return 0 if before < 0 else before + len(cue) + 2


def _bucket(size: int) -> int:
    return int(2 * math.log2(size + 1))
