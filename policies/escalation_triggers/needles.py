"""Needles: groups of short literals, one of each group of which stands in every match of a pattern.

Looking for all needles of all patterns at once tells which few patterns are worth running; the idea is
that of RE2's own prefilter (Cox, "Regular Expression Matching with a Trigram Index", 2012). Reading is
cautious: a construct that is not understood gives no needles, and the pattern is then always run.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

import msgspec

MIN_CHARS: Final = 3
MAX_CHARS: Final = 12
"""Longer needles are cut: their beginning is as telling and cheaper to keep."""
_MAX_GROUPS: Final = 3
"""What further groups would add to the most telling ones is not worth looking for."""
_MAX_VARIANTS: Final = 24
_MAX_DEPTH: Final = 20
_CHAR_WORTH: Final = 4
_GROUP = re.compile(r"\?(?:P?<\w+>|[imsU-]*:)")
_FLAGS = re.compile(r"\?[imsU-]+\)")
_REPEAT = re.compile(r"(?:[*+?]|\{(\d+)(?:,\d*)?\})\??")
_CLASS = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]")
_FEW = re.compile(r"\[([a-zA-Z0-9 _.]{1,4})\]")
_Literals = frozenset[str]
_ZERO_WIDTH: Final = frozenset("bBAz")
_KINDS_OF_CHAR: Final = frozenset("dDwWsSntrfv")


class _Unreadable(Exception):
    """The pattern holds a construct this reader does not know."""


class _Part(msgspec.Struct, frozen=True):
    """What a piece of a pattern matches: one of `exact`, or any text with one of each of `holds` in it."""

    exact: _Literals | None = None
    holds: tuple[_Literals, ...] = ()

    def groups(self) -> tuple[_Literals, ...]:
        """Return groups of literals, one of each of which stands in every match."""
        return self.holds if self.exact is None else (self.exact,)


_ANYTHING = _Part()
_NOTHING = _Part(frozenset(("",)))


class Needles(msgspec.Struct, frozen=True):
    """What is known of a pattern's matches before it is run."""

    groups: tuple[_Literals, ...] = ()
    """Case-folded ASCII literals, one of each group of which stands in every match; the most telling first.
    Empty where none can be told: such a pattern has to be run on every text."""
    is_finite: bool = False
    """The pattern matches a few texts and no others."""


def needles(pattern: str) -> Needles:
    """Return what stands in every match of an RE2 `pattern`."""
    reader = _Reader(pattern)
    try:
        part = reader.alternatives(0)
    except _Unreadable:
        return Needles()
    if reader.at < len(pattern):
        return Needles()
    telling = sorted(filter(_is_telling, part.groups()), key=_weight, reverse=True)
    groups = dict.fromkeys(_cut(group) for group in telling[:_MAX_GROUPS])
    return Needles(tuple(groups), is_finite=part.exact is not None)


def _is_telling(group: _Literals) -> bool:
    return min(map(len, group)) >= MIN_CHARS


class _Reader:
    """A recursive descent over one pattern."""

    def __init__(self, pattern: str) -> None:
        self.at = 0
        self._pattern = pattern

    def alternatives(self, depth: int) -> _Part:
        """Read branches up to the end or a closing parenthesis."""
        if depth > _MAX_DEPTH:
            raise _Unreadable
        branches = [self._sequence(depth)]
        while self._next() == "|":
            self.at += 1
            branches.append(self._sequence(depth))
        return _either(branches)

    def _next(self) -> str:
        return self._pattern[self.at : self.at + 1]

    def _sequence(self, depth: int) -> _Part:
        parts = []
        while self._next() not in {"", "|", ")"}:
            part = self._atom(depth)
            while repeat := _REPEAT.match(self._pattern, self.at):
                part = _repeated(part, repeat)
                self.at = repeat.end()
            parts.append(part)
        return _in_a_row(parts)

    def _atom(self, depth: int) -> _Part:
        char = self._next()
        if char == "(":
            return self._group(depth)
        if char == "[":
            return self._class()
        if char == "\\":
            return self._escape()
        self.at += 1
        if char in "^$":
            return _NOTHING
        return _literal(char) if char != "." else _ANYTHING

    def _group(self, depth: int) -> _Part:
        self.at += 1
        if flags := _FLAGS.match(self._pattern, self.at):
            self.at = flags.end()
            return _NOTHING
        if opening := _GROUP.match(self._pattern, self.at):
            self.at = opening.end()
        elif self._next() == "?":
            raise _Unreadable
        inner = self.alternatives(depth + 1)
        if self._next() != ")":
            raise _Unreadable
        self.at += 1
        return inner

    def _class(self) -> _Part:
        if few := _FEW.match(self._pattern, self.at):
            self.at = few.end()
            return _Part(frozenset(few[1].lower()))
        whole = _CLASS.match(self._pattern, self.at)
        if whole is None or "[:" in whole[0]:
            raise _Unreadable
        self.at = whole.end()
        return _ANYTHING

    def _escape(self) -> _Part:
        char = self._pattern[self.at + 1 : self.at + 2]
        self.at += 2
        if char in _ZERO_WIDTH:
            return _NOTHING
        if char in _KINDS_OF_CHAR:
            return _ANYTHING
        if not char or char.isalnum():
            raise _Unreadable
        return _literal(char)


def _literal(char: str) -> _Part:
    return _Part(frozenset((char.lower(),))) if char.isascii() else _ANYTHING


def _repeated(part: _Part, repeat: re.Match[str]) -> _Part:
    mark, least = repeat[0][0], repeat[1]
    if mark == "?":
        return _ANYTHING if part.exact is None else _Part(part.exact | {""})
    if mark == "*" or (mark == "{" and int(least) == 0):
        return _ANYTHING
    return _Part(holds=part.groups())


def _either(branches: list[_Part]) -> _Part:
    """Join branches by the most telling group of each."""
    known = [max(groups, key=_weight) for groups in (branch.groups() for branch in branches) if groups]
    union = frozenset[str]().union(*known)
    if len(branches) == 1:
        return branches[0]
    if len(known) < len(branches) or len(union) > _MAX_VARIANTS:
        return _ANYTHING
    is_exact = all(branch.exact is not None for branch in branches)
    return _Part(exact=union) if is_exact else _Part(holds=(union,))


def _in_a_row(parts: Iterable[_Part]) -> _Part:
    """Join exact parts that follow each other; every run is a group of its own."""
    run: _Literals = frozenset(("",))
    groups: list[_Literals] = []
    is_exact = True
    for part in parts:
        if part.exact is not None and len(run) * len(part.exact) <= _MAX_VARIANTS:
            run = frozenset(head + tail for head in run for tail in part.exact)
            continue
        is_exact = False
        groups += [run, *part.holds]
        run = frozenset(("",)) if part.exact is None else part.exact
    return _Part(exact=run) if is_exact else _Part(holds=(*groups, run))


def _cut(group: _Literals) -> _Literals:
    """Return the group with long literals cut, without those that hold another one."""
    cut = {needle[:MAX_CHARS] for needle in group}
    return frozenset(needle for needle in cut if not any(other in needle for other in cut - {needle}))


def _weight(group: _Literals) -> tuple[int, list[str]]:
    """Return how much a group tells: long literals are rare, and each of many may be common."""
    return _CHAR_WORTH * min(map(len, group)) - len(group), sorted(group)
