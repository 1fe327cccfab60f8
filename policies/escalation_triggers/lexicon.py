"""Lexicon signals: declared terms, matched in one linear-time pass over the ask.

`lexicon.<name>` is the sum of the weights of the distinct terms found. A term that is negated ("not a
security issue") does not count; one that stands only inside quotation marks counts half. Terms are
literal phrases, word-bounded and case-insensitive; `*` inside a word stands for any letters, and a term
in `/slashes/` is an RE2 expression. RE2 has no backtracking, so no pack can stall the gateway.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import re2

from policies.facts import Features
from policies.verdicts import Signal, Span

MAX_CHARS = 16_384
"""How much of an ask is read: the first and the last half of this many characters."""
MAX_TERMS = 5_000
MAX_SPANS_PER_TERM = 4
_OPTIONS = re2.Options()
_OPTIONS.log_errors = False
_OPTIONS.max_mem = 1 << 20
_QUOTED_WEIGHT = 0.5
_NEGATION = re.compile(
    r"(?:\b(?:no|not|non|never|without|isn't|aren't|don't|doesn't|didn't|won't|nothing|ignore|skip|except)\b"
    r"[\s\w,'-]{0,18}|\bnon-)$",
    re.IGNORECASE,
)
_QUOTES = {'"': '"', "`": "`", "\u201c": "\u201d", "\u00ab": "\u00bb"}
_WINDOW = 32


@dataclass(frozen=True, slots=True)
class Term:
    """One entry of a lexicon."""

    text: str
    weight: float = 1.0


class LexiconSource:
    """All lexicons of a policy behind one pattern set."""

    prefix = "lexicon"

    def __init__(self, lexicons: Mapping[str, Sequence[Term]]) -> None:
        """Compile; raise ValueError naming the lexicon and term that RE2 refuses."""
        entries = [(name, term) for name, terms in lexicons.items() for term in terms]
        if len(entries) > MAX_TERMS:
            raise ValueError(f"{len(entries)} lexicon terms; keep at most {MAX_TERMS}")
        self._names = tuple(f"lexicon.{name}" for name in lexicons)
        self._entries = [(f"lexicon.{name}", term, _compile(name, term)) for name, term in entries]
        self._set = _pattern_set([term_pattern(term.text) for _, term in entries])

    def names(self) -> Collection[str]:
        """Return `lexicon.<name>` for every lexicon."""
        return self._names

    def measure(self, features: Features) -> Mapping[str, Signal]:
        """Return every lexicon's strength with the spans of its terms."""
        text = clip(features.ask.text)
        values = dict.fromkeys(self._names, 0.0)
        spans: dict[str, list[Span]] = {}
        for index in self._hits(text):
            name, term, pattern = self._entries[index]
            found = _positions(pattern, term, text)
            if found:
                values[name] += max(span.weight for span in found)
                spans.setdefault(name, []).extend(_unclipped(span, features.ask.text) for span in found)
        return {name: Signal(value=value, spans=tuple(spans.get(name, ()))) for name, value in values.items()}

    def locate(self, name: str, features: Features) -> tuple[Span, ...]:  # noqa: ARG002
        """Return nothing: `measure` already gives every span."""
        return ()

    def _hits(self, text: str) -> list[int]:
        if self._set is None or not text:
            return []
        return list(self._set.Match(text.encode("utf-8", "replace")) or ())


def clip(text: str) -> str:
    """Return `text`, or its head and tail joined where it is longer than MAX_CHARS."""
    if len(text) <= MAX_CHARS:
        return text
    half = MAX_CHARS // 2
    return text[: half - 1] + "\n" + text[-half:]


def term_pattern(term: str) -> str:
    """Return the RE2 pattern of one term."""
    if len(term) > len("//") and term.startswith("/") and term.endswith("/"):
        return f"(?i:{term[1:-1]})"
    words = [r"\w*".join(re2.escape(piece) for piece in word.split("*")) for word in term.split()]
    body = r"[\s_\-]+".join(words)
    head = r"\b" if term[:1].isalnum() or term[:1] == "_" else ""
    tail = r"\b" if term[-1:].isalnum() or term[-1:] == "_" else ""
    return f"(?i:{head}{body}{tail})"


def _compile(lexicon: str, term: Term) -> re2._Regexp[str]:
    if not term.text.strip():
        raise ValueError(f"lexicon `{lexicon}` has an empty term; remove it")
    try:
        return re2.compile(term_pattern(term.text), _OPTIONS)
    except re2.error as error:
        reason = str(error.args[0] if error.args else error)
        raise ValueError(
            f"lexicon `{lexicon}`: term `{term.text}` is not a linear-time pattern ({reason})"
        ) from None


def _pattern_set(patterns: Sequence[str]) -> re2.Set | None:
    if not patterns:
        return None
    result = re2.Set.SearchSet()
    for pattern in patterns:
        result.Add(pattern)
    result.Compile()
    return result


def _positions(pattern: re2._Regexp[str], term: Term, text: str) -> list[Span]:
    """Return the un-negated places of a term, at most MAX_SPANS_PER_TERM."""
    found: list[Span] = []
    start = 0
    for _ in range(MAX_SPANS_PER_TERM):
        match = pattern.search(text, start)
        if match is None or match.end() == match.start():
            break
        start = match.end()
        before = text[max(0, match.start() - _WINDOW) : match.start()]
        if _NEGATION.search(before):
            continue
        weight = term.weight * (_QUOTED_WEIGHT if _is_quoted(text, match.start(), match.end()) else 1.0)
        found.append(Span(start=match.start(), end=match.end(), label=term.text, weight=weight))
    return found


def _is_quoted(text: str, start: int, end: int) -> bool:
    """Tell whether the line's quotation marks stand open before `start` and close after `end`."""
    line_start = text.rfind("\n", max(0, start - 200), start) + 1 or max(0, start - 200)
    before, after = text[line_start:start], text[end : end + 200].split("\n", 1)[0]
    if text.startswith(">", line_start):
        return True
    return any(
        (before.count(left) % 2 == 1 if left == right else before.rfind(left) > before.rfind(right))
        and right in after
        for left, right in _QUOTES.items()
    )


def _unclipped(span: Span, text: str) -> Span:
    """Move a span found in the clipped tail back to its place in the whole text."""
    half = MAX_CHARS // 2
    if len(text) <= MAX_CHARS or span.start < half:
        return span
    shift = len(text) - MAX_CHARS
    return Span(start=span.start + shift, end=span.end + shift, label=span.label, weight=span.weight)
