"""Does the answer stop before its end?"""

from __future__ import annotations

import re

from policies.answer_checks.base import MAX_CHARS, AnswerView, CheckResult, failed, not_applicable, passed
from policies.context_analysis.fences import closes_nested, read_fences

_MIN_TEXT = 80
_MAX_TAIL = 400
_DANGLING = re.compile(
    r"(?:[,(\[{]|\b(?:the|an?|and|or|but|of|to|with|from|for|in|on|at|by|that|which|because|into|than|"
    r"is|are|was|were|will|would|should|can|could|your|their|its))$",
    re.IGNORECASE,
)


class TruncationCheck:
    """The vendor cut the answer, a fence stays open, or the last sentence breaks off."""

    name = "truncation"

    def judge(self, view: AnswerView) -> CheckResult:
        """Return the verdict; where tools are called, only the vendor's word counts."""
        if view.finish_reason == "length":
            return failed(self.name, "the vendor cut the answer at its length limit")
        if view.tool_calls or not view.text.strip():
            return not_applicable(self.name, "there is no text to judge")
        if len(view.text) <= MAX_CHARS and _has_open_fence(view.text):
            return failed(self.name, "a code block is never closed")
        if len(view.text) >= _MIN_TEXT and _breaks_off(view.text[-_MAX_TAIL:]):
            return failed(self.name, "the last sentence breaks off")
        return passed(self.name, "the answer comes to its end")


def _has_open_fence(text: str) -> bool:
    """Tell whether a block stays open however its fences are read; a bare last mark opens nothing."""
    blocks = read_fences(text).blocks
    if not blocks or blocks[-1].closed or not blocks[-1].body.strip():
        return False
    return not closes_nested(text)


def _breaks_off(tail: str) -> bool:
    last = tail.rstrip().rsplit("\n", 1)[-1]
    if last.lstrip().startswith(("```", "|", "#", ">")) or last.count(" ") < 3:  # noqa: PLR2004 - no sentence
        return False
    return _DANGLING.search(last) is not None
