"""The given sources cut into pieces that can be measured: one per file, block or file of a diff."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice, pairwise

import msgspec
from msgspec.structs import replace

from policies.context_analysis.diffs import FileDiff, looks_like_diff, read_diff, safe_path, touched
from policies.context_analysis.report import Change, Snippet

MAX_PIECES = 1_000
MAX_PIECE_BYTES = 65_536
MAX_CHUNKS = 200
"""Hunks of one file; further ones are counted but not measured."""
MAX_LINE = 2_000
"""Characters; a longer line is no line that someone wrote, and is left out."""
_DIFF_TAGS = frozenset(("diff", "patch", "udiff"))
_PROBE = 4_096
_ODD = re.compile("[\\x00-\\x08\\x0b\\x0e-\\x1a\\x1c-\\x1f\\ud800-\\udfff\\ufffd]")
"""Controls that text has no use for, surrogates, and what replaced an unreadable byte."""
_BINARY_SHARE = 0.05

Sources = Mapping[str, str] | Sequence[Snippet]


class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """One file's text as it will be measured."""

    path: str | None
    tag: str | None
    chunks: tuple[str, ...]
    """The whole text, or the new side of each hunk; empty where it is binary or past the limits."""
    lines: int
    size: int
    """Bytes of the text as given."""
    kept: int
    """Bytes of `chunks`."""
    numbers: tuple[int, ...] | None = None
    """Line numbers in the new file for a diff; None where lines count from 1."""
    fresh: tuple[bool, ...] | None = None
    change: Change | None = None

    @property
    def is_whole(self) -> bool:
        """Tell whether nothing was left out and the text is not one side of a diff."""
        return self.change is None and self.size == self.kept


def read_pieces(sources: Sources, limit_bytes: int) -> Iterator[Piece]:
    """Yield the pieces of all sources in order; once `limit_bytes` are kept, further ones come empty."""
    left = limit_bytes
    for piece in islice(_pieces(sources), MAX_PIECES):
        bounded = _bounded(piece, min(left, MAX_PIECE_BYTES))
        left -= bounded.kept
        yield bounded


def byte_length(text: str) -> int:
    """Return the length of `text` in UTF-8."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def _pieces(sources: Sources) -> Iterator[Piece]:
    for snippet in _snippets(sources):
        if _is_diff(snippet):
            files, unread = read_diff(snippet.text)
            yield from map(_from_diff, files)
            if files and unread:
                yield _unread(snippet.text[-unread:])
            if files:
                continue
        yield Piece(
            path=safe_path(snippet.path) if snippet.path else None,
            tag=snippet.tag,
            chunks=(snippet.text,),
            lines=snippet.text.count("\n") + 1,
            size=byte_length(snippet.text),
            kept=0,
        )


def _unread(text: str) -> Piece:
    return Piece(path=None, tag=None, chunks=(), lines=text.count("\n"), size=byte_length(text), kept=0)


def _snippets(sources: Sources) -> Iterator[Snippet]:
    if isinstance(sources, Mapping):
        return (Snippet(text=text, path=path) for path, text in sources.items())
    return iter(sources)


def _is_diff(snippet: Snippet) -> bool:
    if snippet.tag is not None:
        return snippet.tag.lower() in _DIFF_TAGS
    if snippet.path is not None:
        return snippet.path.endswith((".diff", ".patch"))
    return looks_like_diff(snippet.text)


def _from_diff(file: FileDiff) -> Piece:
    bounds = pairwise([*file.starts, len(file.lines)])
    text_size = sum(map(byte_length, file.lines)) + len(file.lines)
    return Piece(
        path=file.path,
        tag=None,
        chunks=tuple("\n".join(file.lines[start:end]) for start, end in bounds),
        lines=len(file.lines),
        size=text_size,
        kept=0,
        numbers=tuple(file.numbers),
        fresh=tuple(file.fresh),
        change=Change(
            added=file.added,
            removed=file.removed,
            hunks=file.hunks,
            touched=tuple(dict.fromkeys(touched(file))),
        ),
    )


def _bounded(piece: Piece, limit: int) -> Piece:
    """Cut a piece at a line's end within `limit` bytes, blank endless lines, and empty a binary."""
    chunks: list[str] = []
    for chunk in piece.chunks[:MAX_CHUNKS]:
        short = _shortened(chunk, limit)
        limit -= byte_length(short)
        chunks.append(short)
        if len(short) < len(chunk):
            break
    if any(map(is_binary, chunks)) or not any(map(str.strip, chunks)):
        return replace(piece, chunks=(), kept=0)
    kept = sum(map(byte_length, chunks))
    lost = sum(byte_length(line) for chunk in chunks for line in chunk.split("\n") if len(line) > MAX_LINE)
    whole = len(chunks) == len(piece.chunks) and all(map(_same_length, chunks, piece.chunks))
    return replace(
        piece,
        chunks=tuple(map(_without_endless_lines, chunks)) if lost else tuple(chunks),
        kept=(piece.size if whole else kept) - lost,
    )


def _same_length(one: str, other: str) -> bool:
    return len(one) == len(other)


def _shortened(text: str, limit: int) -> str:
    if byte_length(text[: limit + 1]) <= limit:
        return text
    cut = text[: max(0, limit)].encode("utf-8", "surrogatepass")[: max(0, limit)]
    return cut.decode("utf-8", "ignore").rpartition("\n")[0]


def _without_endless_lines(text: str) -> str:
    return "\n".join("" if len(line) > MAX_LINE else line for line in text.split("\n"))


def is_binary(text: str) -> bool:
    """Tell whether a text holds a NUL, or more control characters than text does."""
    probe = text[:_PROBE]
    return "\0" in text or len(_ODD.findall(probe)) > len(probe) * _BINARY_SHARE
