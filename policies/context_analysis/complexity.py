"""Cyclomatic complexity of code in many languages, by lizard, which never runs what it reads.

lizard's own tokenizer and state machines take quadratic time on unclosed comments, long strings and deep
nesting, so it is only given text whose comments and string contents are gone, and only text that is not
nested or branched beyond what people write. Measured on 64 KiB of hostile text: 0.7 s at worst.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Protocol

import msgspec

from policies.context_analysis.lexing import bracket_excess

MAX_DEPTH = 60
_MAX_TOKENS = 40_000
_MAX_QUERIES = 200
"""Question marks between two angle brackets: lizard looks for `<? extends T>` by trial."""
_STRING = re.compile(r'"\n*+"')
_GLUED_STRING = re.compile(r'(?<=\w)"\n*+"')
"""Only where a prefix or keyword stands before it: a space elsewhere would change Python's indentation."""
_OPENER = re.compile(r"/(?=\*)|%(?=[qQrwiI]?[\[{(<])|<(?=<<)|\[(?==*\[)")
"""What opens a comment or string for one of lizard's tokenizers, which look for its end at every place."""
_STRAY = re.compile(r"[\\`'\"#]")


class Complexity(msgspec.Struct, frozen=True):
    """McCabe's number of each function, and of the code outside functions."""

    functions: tuple[int, ...]
    outside: int

    @property
    def highest(self) -> int:
        """Return the number of the most branched function, or of the code outside if that is higher."""
        return max((*self.functions, self.outside))

    @property
    def mean(self) -> float:
        """Return the mean over functions; the number of the code outside where there is none."""
        return sum(self.functions) / len(self.functions) if self.functions else float(self.outside)


def measure(bare: str, suffix: str) -> Complexity | None:
    """Return the complexity of comment-free, string-free text; None where it cannot be told in bounds."""
    text = _tamed(bare)
    if not _is_tame(text):
        return None
    parts = _lizard()
    context = parts.context(f"code.{suffix}")
    reader_class = parts.reader_for(f"code.{suffix}")
    if reader_class is None:
        return None
    reader = reader_class(context)
    try:
        tokens: Iterable[str] = _bounded(reader.generate_tokens(text))
        for process in parts.processors:
            tokens = process(tokens, reader)
        for _ in reader(tokens, reader):
            pass
    except Exception:  # noqa: BLE001 - a foreign parser on broken code may fail in any way
        return None
    return Complexity(
        tuple(f.cyclomatic_complexity for f in context.fileinfo.function_list),
        context.global_pseudo_function.cyclomatic_complexity,
    )


def _tamed(bare: str) -> str:
    plain = _STRING.sub("0 ", _GLUED_STRING.sub(" 0 ", bare))
    return _OPENER.sub(r"\g<0> ", _STRAY.sub(" ", plain))


def _is_tame(text: str) -> bool:
    level, deepest, _ = bracket_excess(text)
    if deepest > MAX_DEPTH or level > MAX_DEPTH:
        return False
    return all(stretch.count("?") <= _MAX_QUERIES for stretch in re.split(r"[<>]", text))


def _bounded(tokens: Iterable[str]) -> Iterator[str]:
    for count, token in enumerate(tokens):
        if count > _MAX_TOKENS:
            raise OverflowError
        yield token


class _Counted(Protocol):
    cyclomatic_complexity: int


class _FileInfo(Protocol):
    function_list: list[_Counted]


class _Context(Protocol):
    fileinfo: _FileInfo
    global_pseudo_function: _Counted


class _Reader(Protocol):
    def generate_tokens(self, source_code: str) -> Iterable[str]: ...

    def __call__(self, tokens: Iterable[str], reader: _Reader) -> Iterable[str]: ...


class _MakeContext(Protocol):
    def __call__(self, filename: str) -> _Context: ...


class _MakeReader(Protocol):
    def __call__(self, context: _Context) -> _Reader: ...


class _FindReader(Protocol):
    def __call__(self, filename: str) -> _MakeReader | None: ...


class _Process(Protocol):
    def __call__(self, tokens: Iterable[str], reader: _Reader) -> Iterable[str]: ...


class _Parts(msgspec.Struct, frozen=True):
    """The parts of lizard that work on text in memory."""

    context: _MakeContext
    reader_for: _FindReader
    processors: tuple[_Process, ...]


@cache
def _lizard() -> _Parts:
    """Import lizard on first use; it puts its caller's folder on `sys.path`, which is taken back."""
    before = set(sys.path)
    import lizard  # type: ignore[import-untyped]

    for folder in set(sys.path) - before:
        sys.path.remove(folder)
    return _Parts(lizard.FileInfoBuilder, lizard.get_reader_for, tuple(lizard.get_extensions([])))
