"""What the learnt detector reads in a text: a bounded part of it, its features and its shape."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

HEAD_CHARS: Final = 2500
TAIL_CHARS: Final = 700
TITLE_CHARS: Final = 120
EXEMPLAR_CHARS: Final = 20_000
"""Longer texts are not searched for worked examples before the question."""

_SPAN_CHARS: Final = 80
_CUE_CHARS: Final = 3
"""`A:` alone is too common in prose to be the cue of worked examples."""

_MARKS: Final = (",", ".", " and ", "(", "=", "[", "'", '"')
_TOKEN: Final = re.compile(
    r"[a-z]+|[A-Z][a-z]+|[A-Z]+(?![a-z])|[0-9]+|[!-/:-@\[-^`{-~]|[^\W\d_A-Za-z]+|[^\w\s]"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """The part of a text that is read, its tokens, and those of them that are words or numbers."""

    piece: str
    words: list[str]
    plain: list[str]


def scan(text: str) -> Scan:
    """Return what is read of `text`, cut into tokens."""
    piece = "\n".join(text[start:end] for start, end in reading(text))
    words = tokens(piece)
    return Scan(piece=piece, words=words, plain=list(filter(str.isalnum, words)))


def tokens(text: str) -> list[str]:
    """Return lower-case words, camelCase parts, numbers and single marks, in order."""
    found = _TOKEN.findall(text)
    return "\n".join(found).lower().split("\n") if found else []


def reading(text: str) -> tuple[tuple[int, int], ...]:
    """Return the ranges of `text` that are read: after any worked examples, the head and the tail."""
    start = _ask_start(text) if len(text) <= EXEMPLAR_CHARS else 0
    if len(text) - start <= HEAD_CHARS + TAIL_CHARS:
        return ((start, len(text)),)
    return ((start, start + HEAD_CHARS), (len(text) - TAIL_CHARS, len(text)))


def features(scanned: Scan) -> set[str]:
    """Return the distinct features: tokens, pairs of words, title words and size buckets."""
    plain = scanned.plain
    found = set(scanned.words)
    found.update(map(" ".join, pairwise(plain)))
    found.update("^" + word for word in _title_words(scanned.piece))
    if plain:
        found.update(("^ " + plain[0], "^ " + " ".join(plain[:2])))
    found.add(f"#chars{_bucket(len(scanned.piece))}")
    found.add(f"#lines{_bucket(scanned.piece.count(chr(10)))}")
    return found


def measures(scanned: Scan) -> tuple[float, ...]:
    """Return the shape of the text as numbers, none of them about what it says."""
    piece, total = scanned.piece, len(scanned.words) or 1
    distinct = set(scanned.words)
    numbers = list(filter(str.isdigit, distinct))
    return (
        math.log1p(len(piece)),
        math.log1p(piece.count("\n")),
        math.log1p(len(numbers)),
        math.log1p(len(distinct)),
        len(distinct) / total,
        len(piece) / total,
        len(scanned.plain) / total,
        min(3.0, piece.count("?")),
        math.log1p(max(map(len, numbers), default=0)),
        *(math.log1p(piece.count(mark)) for mark in _MARKS),
    )


def first_places(text: str) -> Iterator[tuple[tuple[int, int], str]]:
    """Yield each feature made of words once, with the span of its first occurrence in `text`."""
    placed = [
        (match.start(), match.end(), match.group().lower())
        for start, end in reading(text)
        for match in _TOKEN.finditer(text, start, end)
    ]
    plain = [place for place in placed if place[2].isalnum()]
    pairs = [(a[0], b[1], f"{a[2]} {b[2]}") for a, b in pairwise(plain)]
    titled = [(a, b, "^" + word) for a, b, word in placed[: len(_title_words(scan(text).piece))]]
    opening = [(a, b, "^ " + word) for a, b, word in (*plain[:1], *pairs[:1])]
    seen: set[str] = set()
    for start, end, feature in (*placed, *titled, *opening, *pairs):
        if feature not in seen and end - start <= _SPAN_CHARS:
            seen.add(feature)
            yield (start, end), feature


def _ask_start(text: str) -> int:
    """Return where the last question starts when earlier ones end in the same cue, such as `Answer:`."""
    body = text.rstrip()
    cue = body[body.rfind("\n") + 1 :]
    if len(cue) < _CUE_CHARS or not cue.endswith(":"):
        return 0
    before = body.rfind(f"\n{cue}\n", 0, len(body) - len(cue))
    return 0 if before < 0 else before + len(cue) + 2


def _title_words(piece: str) -> list[str]:
    return tokens(piece.lstrip()[:TITLE_CHARS].split("\n", 1)[0])


def _bucket(size: int) -> int:
    return int(2 * math.log2(size + 1))
