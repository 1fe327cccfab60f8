"""Does the answer decline to do the work?"""

from __future__ import annotations

import re2

from policies.answer_checks.base import AnswerView, CheckResult, failed, not_applicable, passed

_HEAD = 300
_MAX_REFUSAL = 700
"""Characters; a longer answer does work beside declining some of it."""
_CANNOT = (
    r"\bI (?:can't|cannot|can not|won't|will not|must decline|have to decline)(?: to)?|"
    r"\bI am (?:not able|unable)(?: to)?|"
    r"\bI'm (?:not able|unable)(?: to)?|\bI'm (?:sorry|afraid),? (?:but )?(?:I )?(?:can't|cannot|won't)"
)
_WORK = (
    r"help(?: you)?(?: with| out| here| there|[.,!]|$)|assist|comply|fulfill? (?:this|that|your)|"
    r"(?:engage|participate) in|"
    r"do that[.,!]|support (?:this|that)|continue with (?:this|that)|(?:discuss|answer) (?:this|that)|"
    r"provide (?:that|this|you with|instructions|assistance|guidance|help)|"
    r"(?:create|generate|write|produce) (?:that|this|content|malicious|such|code (?:that|for|to))"
)
_PATTERNS = (
    rf"(?:{_CANNOT}) ?(?:directly )?(?:{_WORK})",
    r"\b(?:must|have to|need to) (?:respectfully )?decline\b",
    r"\bas an ai(?: language)? model,? i (?:can(?:'|no)?t|cannot|am (?:not able|unable)|don't|do not)\b",
    r"\b(?:this|that|your) request (?:violates|goes against|is against|conflicts with)\b",
    r"\b(?:against|violates?) (?:my|our|the) (?:guidelines|polic(?:y|ies)|programming|principles)\b",
    r"^(?:(?:很)?抱歉|对不起|不好意思)[^\n]{0,20}(?:无法|不能|没法|不可以)(?:[^\n]{0,12})(?:帮助|协助|提供|回答|完成|满足|处理|生成|讨论)",
    r"^我(?:无法|不能)(?:[^\n]{0,12})(?:帮助|协助|提供|回答|满足|讨论)",
    r"^(?:es tut mir leid|leider)[^\n]{0,20}(?:kann|darf) ich (?:dir|ihnen|das|dabei|diese)[^\n]{0,30}nicht",
    r"^(?:désolé|je suis désolé)[^\n]{0,20}je ne (?:peux|puis) pas",
    r"^(?:lo siento)[^\n]{0,20}no puedo (?:ayudar|proporcionar|hacer|cumplir)",
)
_OPTIONS = re2.Options()
_OPTIONS.log_errors = False
_NEEDS_MORE = re2.compile(
    r"(?i)(?:don't|do not) have (?:direct |any )?access|without (?:seeing|more|the|access|knowing)|"
    r"(?:but|however|instead),? (?:here(?:'s| is| are)|you can (?:find|run|use|check|set|see|do|get))|"
    r"(?:could|can) you (?:share|provide|paste|send)|please (?:share|provide|paste|send|attach)|until you",
    _OPTIONS,
)
"""Asking for what is missing, or another way to the same end, is no refusal."""
_REFUSES = re2.compile("(?i)" + "|".join(f"(?:{pattern})" for pattern in _PATTERNS), _OPTIONS)


class RefusalCheck:
    """The vendor's filter stopped the answer, or it is short and begins by declining."""

    name = "refusal"

    def judge(self, view: AnswerView) -> CheckResult:
        """Return the verdict; code, a tool call or a long answer show that work was done."""
        if view.finish_reason in {"content_filter", "refusal"}:
            return failed(self.name, "the vendor's filter stopped the answer")
        text = view.text[: _MAX_REFUSAL * 4].strip()
        if not text or view.tool_calls:
            return not_applicable(self.name, "there is no text to judge")
        if len(text) > _MAX_REFUSAL or "```" in text:
            return passed(self.name, "the answer does work")
        head = text[:_HEAD].replace("\u2019", "'").encode("utf-8", "replace")
        if _REFUSES.search(head) and not _NEEDS_MORE.search(
            text.replace("\u2019", "'").encode("utf-8", "replace")
        ):
            return failed(self.name, "the answer declines to do the work")
        return passed(self.name, "the answer does not decline")
