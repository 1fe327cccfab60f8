"""The one pass that tells which patterns may match a text, so that the others need not be run."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from itertools import chain

import re2

from policies.escalation_triggers.needles import needles

_MAX_BYTES = 1 << 25


class Sieve:
    """Looks for phrases as they are, and for the needles of all other patterns.

    A pattern with loops does not stand in the set itself: the set would remember, at every place of a text,
    how far each such pattern has got, and that takes thirty times the time on texts it has not seen.
    """

    def __init__(self, patterns: Sequence[str], phrases: Collection[int] = ()) -> None:
        """Compile; raise ValueError where the patterns are too much together.

        Args:
            patterns: case-insensitive RE2 patterns.
            phrases: positions of the patterns whose loops end with the word or the gap they are in.
        """
        self._always: list[int] = []
        leads: dict[str, list[int]] = {}
        others: dict[int, list[list[str]]] = {}
        for index, pattern in enumerate(patterns):
            known = needles(pattern)
            if index in phrases or known.is_finite:
                leads.setdefault(pattern, []).append(index)
                continue
            if not known.groups:
                self._always.append(index)
                continue
            first, *others[index] = [[f"(?i:{re2.escape(n)})" for n in group] for group in known.groups]
            for literal in first:
                leads.setdefault(literal, []).append(index)
        for literal in chain.from_iterable(chain.from_iterable(others.values())):
            leads.setdefault(literal, [])
        self._leads_to = list(leads.values())
        self._set = _set_of(leads) if leads else None
        places = dict(zip(leads, range(len(leads)), strict=True))
        self._others = {
            index: [frozenset(map(places.__getitem__, group)) for group in groups]
            for index, groups in others.items()
            if groups
        }
        self._gated = frozenset(self._others)

    def candidates(self, text: bytes) -> list[int]:
        """Return the positions of the patterns that may match `text` (UTF-8), in order."""
        seen = frozenset(self._set.Match(text) or ()) if self._set is not None else frozenset()
        found = {*self._always, *chain.from_iterable(map(self._leads_to.__getitem__, seen))}
        for index in found & self._gated:
            if any(map(seen.isdisjoint, self._others[index])):
                found.remove(index)
        return sorted(found)


def _set_of(patterns: Iterable[str]) -> re2.Set:
    options = re2.Options()
    options.log_errors = False
    options.never_capture = True
    options.max_mem = _MAX_BYTES
    result = re2.Set.SearchSet(options)
    for pattern in patterns:
        result.Add(pattern)
    try:
        result.Compile()
    except re2.error:
        raise ValueError("lexicon terms need too much memory together; shorten some") from None
    return result
