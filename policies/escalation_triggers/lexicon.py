"""Lexicon signals: declared terms, found in time linear in the ask.

`lexicon.<name>` is the sum of the weights of the distinct terms found. A term that is negated ("not a
security issue") does not count; one that stands only inside quotation marks counts half. Terms are
literal phrases, word-bounded and case-insensitive; `*` inside a word stands for any letters, and a term
in `/slashes/` is an RE2 expression. RE2 has no backtracking, so no pack can stall the gateway.

One pass looks for all phrases and for the needles of all expressions (`sieve.py`); only the few terms that
it lets through are run.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from itertools import chain

import msgspec
import re2

from policies.escalation_triggers.excerpt import Excerpt
from policies.escalation_triggers.recall import remembering
from policies.escalation_triggers.sieve import Sieve
from policies.escalation_triggers.whole_words import word_finder
from policies.facts import Features
from policies.linear_search import Find, finder
from policies.verdicts import Signal, Span

MAX_TERMS = 5_000
MAX_PLACES_PER_TERM = 16
"""How many occurrences of one term are looked at, until one counts in full."""
_TERM_BYTES = 1 << 20
_MAX_PROGRAM = 500_000
"""Instructions of all terms together."""
_LETTERS = r"[\w\x{80}-\x{10FFFF}]*"
"""RE2's `\\w` is ASCII; every other character counts as a letter here."""
_BETWEEN_WORDS = r"[\s_\-]+"
_QUOTED_WEIGHT = 0.5
_NEGATION = re.compile(
    r"(?:\b(?:no|not|non|never|without|nothing|ignore|skip|except|(?:is|are|do|does|did|wo)n['\u2019]t)\b"
    r"[\s\w,'\u2019-]{0,18}|\bnon-)$",
)
_NEGATION_HINTS = ("no", "n't", "n\u2019t", "never", "without", "skip", "except")
"""One of these is in every negation; most places have none, and finding that out is cheap."""
_QUOTES = {'"': '"', "`": "`", "\u201c": "\u201d", "\u00ab": "\u00bb"}
_WINDOW = 32
_QUOTE_REACH = 200
_QUOTING = (*_QUOTES, ">")


class Term(msgspec.Struct, frozen=True):
    """One entry of a lexicon."""

    text: str
    weight: float = 1.0

    @property
    def is_expression(self) -> bool:
        """Tell whether the term is an RE2 expression rather than a phrase."""
        return len(self.text) > len("//") and self.text[0] == self.text[-1] == "/"


class _Entry(msgspec.Struct, frozen=True):
    signal: str
    term: Term
    find: Find
    find_lowered: Find | None
    """The same for a text that is ASCII and in small letters, where there is a shorter way."""


class _Text(msgspec.Struct):
    """An excerpt encoded once: RE2 works on bytes, spans are in characters."""

    excerpt: Excerpt
    raw: bytes
    lowered: bytes | None
    """Where all is ASCII, the same in small letters."""
    may_quote: bool

    def char_offset(self, offset: int) -> int:
        return offset if self.lowered is not None else len(self.raw[:offset].decode("utf-8", "ignore"))


class LexiconSource:
    """All lexicons of a policy behind one sieve."""

    prefix = "lexicon"
    of_ask = True

    def __init__(self, lexicons: Mapping[str, Sequence[Term]]) -> None:
        """Compile; raise ValueError naming the term that RE2 refuses, or what is too much together."""
        self._unseen = {f"lexicon.{name}": Signal(value=0.0) for name in lexicons}
        terms = [(f"lexicon.{name}", term) for name, terms in lexicons.items() for term in terms]
        patterns = [compile_term(term) for _, term in terms]
        if len(terms) > MAX_TERMS:
            raise ValueError(f"{len(terms)} lexicon terms; keep at most {MAX_TERMS}")
        if sum(pattern.programsize for pattern in patterns) > _MAX_PROGRAM:
            raise ValueError(f"{len(terms)} lexicon terms need too much memory together; shorten some")
        self._entries = [
            _Entry(name, term, finder(pattern), None if term.is_expression else word_finder(term.text))
            for (name, term), pattern in zip(terms, patterns, strict=True)
        ]
        phrases = {number for number, (_, term) in enumerate(terms) if not term.is_expression}
        self._sieve = Sieve([term_pattern(term) for _, term in terms], phrases)
        self._of_text = remembering(self._measure)

    def names(self) -> Collection[str]:
        """Return `lexicon.<name>` for every lexicon."""
        return self._unseen.keys()

    def measure(self, features: Features) -> Mapping[str, Signal]:
        """Return every lexicon's strength with the spans of its terms, in order of place."""
        return self._of_text(features.ask.text)

    def _measure(self, ask: str) -> Mapping[str, Signal]:
        excerpt = Excerpt.of(ask)
        raw = excerpt.text.encode("utf-8", "replace")
        lowered = raw.lower() if len(raw) == len(excerpt.text) else None
        text = _Text(excerpt, raw, lowered, may_quote=any(map(excerpt.text.__contains__, _QUOTING)))
        seen: dict[str, list[list[Span]]] = {}
        for index in self._sieve.candidates(raw):
            entry = self._entries[index]
            found = _found(entry, text)
            if found:
                seen.setdefault(entry.signal, []).append(found)
        return self._unseen | {name: _signal(found) for name, found in seen.items()}

    def locate(self, name: str, features: Features) -> tuple[Span, ...]:  # noqa: ARG002
        """Return nothing: `measure` already gives every span."""
        return ()


def term_pattern(term: Term) -> str:
    """Return the RE2 pattern of one term; bounds beside characters outside ASCII are checked afterwards."""
    text = term.text
    if term.is_expression:
        return f"(?i:{text[1:-1]})"
    words = (_LETTERS.join(re2.escape(piece) for piece in word.split("*")) for word in text.split())
    head = r"\b" if _is_ascii_word(text[:1]) else ""
    tail = r"\b" if _is_ascii_word(text[-1:]) else ""
    return f"(?i:{head}{_BETWEEN_WORDS.join(words)}{tail})"


@lru_cache(maxsize=1_024)
def compile_term(term: Term) -> re2._Regexp[str]:
    """Return a term's pattern, one for all layers; raise ValueError saying why it cannot be used."""
    options = re2.Options()
    options.log_errors = False
    options.never_capture = True
    options.max_mem = _TERM_BYTES
    try:
        pattern = re2.compile(term_pattern(term), options)
    except (re2.error, UnicodeError) as error:
        raise ValueError(f"term `{term.text}` is not a linear-time pattern ({_reason(error)})") from None
    if not term.text.strip("* ") or any(_is_empty(pattern.search(text)) for text in ("", "ab c")):
        raise ValueError(f"term `{term.text}` matches any text; give it at least one fixed letter")
    return pattern


def _is_empty(match: re2._Match[str] | None) -> bool:
    return match is not None and match.start() == match.end()


def _reason(error: Exception) -> str:
    first = error.args[0] if error.args else error
    return first.decode("utf-8", "replace") if isinstance(first, bytes) else str(first)


def _signal(found: Sequence[Sequence[Span]]) -> Signal:
    """Return the sum of every term's best place, whatever the order of the terms."""
    if len(found) == 1 and len(found[0]) == 1:
        return Signal(value=float(found[0][0].weight), spans=(found[0][0],))
    value = math.fsum(max(span.weight for span in spans) for spans in found)
    return Signal(value=value, spans=tuple(sorted(chain.from_iterable(found), key=_place)))


def _found(entry: _Entry, text: _Text) -> list[Span]:
    """Return where a term stands whole and un-negated, up to the first place that is not a quotation."""
    excerpt, offset, found = text.excerpt, 0, []
    raw, find = text.raw, entry.find
    if text.lowered is not None and entry.find_lowered is not None:
        raw, find = text.lowered, entry.find_lowered
    for _ in range(MAX_PLACES_PER_TERM):
        first, offset = find(raw, offset)
        if first < 0:
            break
        start, end = text.char_offset(first), text.char_offset(offset)
        place = excerpt.original(start, end)
        if place is None or not _counts(entry, text, start, end):
            continue
        quoted = text.may_quote and _is_quoted(excerpt.text, start, end)
        weight = entry.term.weight * (_QUOTED_WEIGHT if quoted else 1.0)
        found.append(Span(start=place[0], end=place[1], label=entry.term.text, weight=weight))
        if not quoted:
            break
    return found


def _counts(entry: _Entry, text: _Text, start: int, end: int) -> bool:
    """Tell whether a match is whole words (an expression says so itself, RE2 for ASCII) and not negated."""
    words = text.excerpt.text
    is_whole = text.lowered is not None or entry.term.is_expression or _is_whole(words, start, end)
    return is_whole and not _is_negated(words, start)


def _is_whole(text: str, start: int, end: int) -> bool:
    before = start > 0 and _is_letter(text[start - 1]) and _is_letter(text[start])
    return not before and not (end < len(text) and _is_letter(text[end]) and _is_letter(text[end - 1]))


def _is_letter(char: str) -> bool:
    """Tell whether words of this character are set apart by spaces: cased scripts, digits, `_`."""
    return char.isdigit() or char == "_" or char.upper() != char.lower()


def _is_ascii_word(char: str) -> bool:
    return char.isascii() and (char.isalnum() or char == "_")


def _is_negated(text: str, start: int) -> bool:
    before = text[max(0, start - _WINDOW) : start].lower()
    return any(map(before.__contains__, _NEGATION_HINTS)) and _NEGATION.search(before) is not None


def _is_quoted(text: str, start: int, end: int) -> bool:
    """Tell whether the line is a quotation, or its marks stand open before `start` and close after `end`."""
    reach = max(0, start - _QUOTE_REACH)
    line_start = text.rfind("\n", reach, start) + 1 or reach
    if text.startswith(">", line_start) and (line_start == 0 or text[line_start - 1] == "\n"):
        return True
    before = text[line_start:start]
    for left, right in _QUOTES.items():
        if left in before and _is_open(before, left, right):
            return right in text[end : end + _QUOTE_REACH].partition("\n")[0]
    return False


def _is_open(before: str, left: str, right: str) -> bool:
    if left == right:
        return before.count(left) % 2 == 1
    return before.rfind(left) > before.rfind(right)


def _place(span: Span) -> tuple[int, int, str]:
    return span.start, span.end, span.label
