"""Short human phrases: approvals, complaints, and asks that repeat the one before."""

from __future__ import annotations

import re
from functools import lru_cache

from policies.envelope.document import WordingDoc

MAX_APPROVAL_CHARS = 80
_MAX_APPROVAL_WORDS = 8
_MAX_COMPLAINT_CHARS = 400
_MAX_COMPARED_CHARS = 1_200
_MIN_COMPARED_WORDS = 3
_SAME_SHARE = 0.6
_REMEMBERED_TURNS = 512
_REMEMBERED_CHARS = 8_192
_WORD = re.compile(r"[^\W_]+")


class Wording:
    """The phrases of `envelopes.yaml`, compiled."""

    def __init__(self, doc: WordingDoc) -> None:
        self._signs = frozenset(phrase for phrase in doc.approvals if not _words(phrase))
        self._approvals = frozenset(filter(None, map(_words, doc.approvals)))
        self._choices = frozenset(filter(None, map(_words, doc.choices)))
        self._phrases = self._approvals | self._choices | set(filter(None, map(_words, doc.fillers)))
        self._longest = max(map(len, self._phrases), default=0)
        self._repeated = lru_cache(_REMEMBERED_TURNS)(self._repeats)
        self._complaints = tuple(f" {' '.join(words)} " for words in map(_words, doc.complaints) if words)

    def approves(self, text: str) -> bool:
        """Tell whether `text` is nothing but consent: "yes, go ahead", "1", "ok", "sí, adelante"."""
        if len(text) > MAX_APPROVAL_CHARS:
            return False
        words = _words(text)
        if not words:
            return text.strip() in self._signs
        return len(words) <= _MAX_APPROVAL_WORDS and self._covered(words)

    def _covered(self, words: tuple[str, ...]) -> bool:
        """Tell whether approving phrases, at most one choice and fillers make up all the words."""
        start = choices = 0
        approved = False
        while start < len(words):
            rest = (words[start : start + length] for length in range(self._longest, 0, -1))
            phrase = next((phrase for phrase in rest if phrase in self._phrases), None)
            if phrase is None:
                return False
            approved = approved or phrase in self._approvals
            choices += phrase in self._choices
            start += len(phrase)
        return choices == 1 or (approved and not choices)

    def repeats(self, text: str, earlier: str) -> bool:
        """Tell whether `text` complains about the answer to `earlier` or asks much the same again."""
        if len(text) > _REMEMBERED_CHARS or len(earlier) > _REMEMBERED_CHARS:
            return self._repeats(text, earlier)
        return self._repeated(text, earlier)

    def _repeats(self, text: str, earlier: str) -> bool:
        words = _words(text[:_MAX_COMPARED_CHARS])
        if len(text) <= _MAX_COMPLAINT_CHARS:
            line = f" {' '.join(words)} "
            if any(complaint in line for complaint in self._complaints):
                return True
        return _alike(frozenset(words), frozenset(_words(earlier[:_MAX_COMPARED_CHARS])))


def _alike(new: frozenset[str], old: frozenset[str]) -> bool:
    if min(len(new), len(old)) < _MIN_COMPARED_WORDS:
        return False
    return len(new & old) >= _SAME_SHARE * len(new | old)


@lru_cache(_REMEMBERED_TURNS)
def _words(text: str) -> tuple[str, ...]:
    """Return the words of a text, folded, without punctuation; apostrophes join."""
    plain = text.casefold().replace("'", "").replace("\u2019", "")
    return tuple(_WORD.findall(plain))
