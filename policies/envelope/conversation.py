"""How the work has gone: failures, errors that come back, broken calls and re-asks in a bounded tail."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise

from policies.envelope.document import FailuresDoc
from policies.envelope.wording import Wording
from policies.facts import Conversation

_HEAD_CHARS = 300
_TAIL_CHARS = 600
_MAX_LINE_CHARS = 400
_MAX_LINES = 60
_MIN_ADDRESS = 7
_HEX = frozenset("0123456789abcdef-")
_HEX_DIGITS = frozenset("0123456789")
_DIGITS = re.compile(r"\d+")
_NONE: frozenset[str] = frozenset()
_HINTS = (
    "rror",
    "ERR",
    "ail",
    "AIL",
    "xcept",
    "anic",
    "atal",
    "ot found",
    "enied",
    "o such",
    "raceback",
    "xit",
)
"""One of these stands in every line that reports a failure; most results hold none and are done with."""


class ErrorLines:
    """The failure rules of `envelopes.yaml`, compiled."""

    def __init__(self, doc: FailuresDoc) -> None:
        self._starts = tuple(doc.starts)
        self._first_word_ends = tuple(doc.first_word_ends)
        self._has = tuple(doc.has)
        self._unless = tuple(doc.unless)
        literals = (*doc.starts, *doc.first_word_ends, *doc.has)
        self._hints = (*_HINTS, *(text for text in literals if not _holds_any(text, _HINTS)))

    def find(self, result: str) -> frozenset[str]:
        """Return the error lines at the head and tail of a tool result, without numbers and folders."""
        sample = result
        if len(result) > _HEAD_CHARS + _TAIL_CHARS:
            sample = f"{result[:_HEAD_CHARS]}\n{result[-_TAIL_CHARS:]}"
        if not _holds_any(sample, self._hints):
            return _NONE
        lines = sample.split("\n")
        if len(lines) > _MAX_LINES:
            lines = lines[: _MAX_LINES // 2] + lines[-_MAX_LINES // 2 :]
        return frozenset(_normal(line) for line in lines if self._tells(line[:_MAX_LINE_CHARS].strip()))

    def find_in(self, texts: Sequence[str]) -> frozenset[str]:
        """Return the error lines of all texts of one turn, each once."""
        return frozenset().union(*map(self.find, texts)) if texts else _NONE

    def _tells(self, line: str) -> bool:
        if not line:
            return False
        told = (
            line.startswith(self._starts)
            or line.split(None, 1)[0].endswith(self._first_word_ends)
            or _holds_any(line, self._has)
        )
        return told and not _holds_any(line, self._unless)


class Tail:
    """What is counted while the turns go by, newest first."""

    _failures = 0
    broken_calls = 0
    """Tool calls of the model that could not be used."""

    def __init__(self, wording: Wording) -> None:
        self._wording = wording
        self._lines: dict[str, int] = {}
        self.humans: list[str] = []
        """What people said."""

    def add_result(self, lines: frozenset[str], *, failed: bool = False) -> None:
        """Count a turn's tool results by the error lines in them."""
        self._failures += failed or bool(lines)
        self.add_lines(lines)

    def add_lines(self, lines: frozenset[str]) -> None:
        """Count error lines, of results or of what a person pasted."""
        for line in lines:
            self._lines[line] = self._lines.get(line, 0) + 1

    def measure(self, message_count: int) -> Conversation:
        """Return the counts."""
        return Conversation(
            message_count=message_count,
            user_turns=len(self.humans),
            tool_failures=self._failures,
            repeated_error=max(self._lines.values()) if self._lines else 0,
            broken_tool_calls=self.broken_calls,
            reasks=self._reasks(),
        )

    def _reasks(self) -> int:
        """Return how many of the newest asks in a row repeat or complain about the one before."""
        count = 0
        for newer, older in pairwise(self.humans):
            if not self._wording.repeats(newer, older):
                break
            count += 1
        return count


def _holds_any(text: str, literals: Iterable[str]) -> bool:
    for literal in literals:  # noqa: SIM110 - a generator costs more than the searches
        if literal in text:
            return True
    return False


def _normal(line: str) -> str:
    """Return an error line without what changes from run to run: folders, digits and addresses."""
    words = line[:_MAX_LINE_CHARS].replace("\\", "/").split()
    names = [word.rsplit("/", 1)[-1] if "/" in word else word for word in words]
    return " ".join([name if name.isalpha() else _undigited(name) for name in names])


def _undigited(word: str) -> str:
    if _DIGITS.search(word) is None:
        return word
    bare = word.strip("()[]{},:;.'\"").lower().removeprefix("0x")
    if len(bare) >= _MIN_ADDRESS and _HEX.issuperset(bare) and not _HEX_DIGITS.isdisjoint(bare):
        return "#"
    return _DIGITS.sub("#", word)
