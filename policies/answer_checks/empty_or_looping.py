"""Is there an answer at all, or only the same words over and over?"""

from __future__ import annotations

from collections import Counter

from policies.answer_checks.base import MAX_CHARS, AnswerView, CheckResult, failed, not_applicable, passed
from policies.context_analysis.fences import read_fences

_TAIL = 6_000
_MIN_LOOP = 300
_MIN_TURNS = 6
_PROBE = 24
"""The last characters of a loop recur in each of its turns; looking for them is cheap."""
_MIN_LETTERS = 4
_MIN_LINE = 25
_MIN_SAME_LINES = 12
_SHINGLE = 8
_MIN_SHINGLES = 200
_MIN_FRESH = 0.2


class EmptyOrLoopingCheck:
    """The answer has words (or calls a tool), and they are not one loop."""

    name = "empty_or_looping"

    def judge(self, view: AnswerView) -> CheckResult:
        """Return the verdict; only prose can loop, since data and tables repeat by right."""
        text = view.text[:MAX_CHARS]
        if not text.strip():
            if view.tool_calls:
                return not_applicable(self.name, "the answer is a tool call")
            return failed(self.name, "the answer is empty")
        if view.json_schema is not None:
            return passed(self.name, "the answer has content")
        if _ends_in_loop(text.rstrip()[-_TAIL:]):
            return failed(self.name, "the answer ends in a loop")
        if _repeats(read_fences(text).outside):
            return failed(self.name, "the answer says the same over and over")
        return passed(self.name, "the answer has content")


def _ends_in_loop(tail: str) -> bool:
    """Tell whether the end is one unit of words repeated (Knuth-Morris-Pratt on the reversed text)."""
    if tail.count(tail[-_PROBE:]) < _MIN_TURNS - 1:
        return False
    text = tail[::-1]
    border = [0] * len(text)
    for index in range(1, len(text)):
        length = border[index - 1]
        while length and text[index] != text[length]:
            length = border[length - 1]
        border[index] = length + (text[index] == text[length])
        span = index + 1
        period = span - border[index]
        if span >= _MIN_LOOP and span >= _MIN_TURNS * period and _is_wordy(text[:period]):
            return True
    return False


def _is_wordy(unit: str) -> bool:
    """Tell words from rulers, tables of noughts, padding and markup."""
    letters = {character for character in unit if character.isalpha()}
    return len(letters) >= _MIN_LETTERS and not any(mark in unit for mark in "|<>{};=\t")


def _repeats(prose: str) -> bool:
    lines = [line.strip() for line in prose.split("\n") if line.strip() and _is_wordy(line)]
    if lines:
        line, count = Counter(lines).most_common(1)[0]
        long_enough = len(line) >= _MIN_LINE and count >= _MIN_SAME_LINES
        if long_enough and count * len(line) > len(prose) // 2:
            return True
    words = " ".join(lines).split()
    shingles = [tuple(words[i : i + _SHINGLE]) for i in range(len(words) - _SHINGLE + 1)]
    return len(shingles) >= _MIN_SHINGLES and len(set(shingles)) < len(shingles) * _MIN_FRESH
