"""The one pass that tells which patterns may match a text, so that the others need not be run."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import re2

from policies.escalation_triggers.needles import needles

_MAX_BYTES = 1 << 23


class Sieve:
    """Looks for the needles of all patterns; a pattern without any may match every text.

    The needles are one set of literals: whole patterns in one set remember, at every place of a text, how
    far each of them has got, and that takes ten times the memory and time.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        """Compile; raise ValueError where the needles are too much together."""
        self._always: list[int] = []
        by_needle: dict[str, list[int]] = {}
        for index, pattern in enumerate(patterns):
            found = needles(pattern)
            if not found:
                self._always.append(index)
            for needle in found:
                by_needle.setdefault(needle, []).append(index)
        self._patterns_of = list(by_needle.values())
        self._needles = _set_of(by_needle) if by_needle else None

    def candidates(self, text: str) -> list[int]:
        """Return the positions of the patterns that may match `text`, in order."""
        found = set(self._always)
        if self._needles is not None:
            for needle in self._needles.Match(text.casefold().encode("utf-8", "replace")) or ():
                found.update(self._patterns_of[needle])
        return sorted(found)


def _set_of(literals: Collection[str]) -> re2.Set:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MAX_BYTES
    result = re2.Set.SearchSet(options)
    for literal in literals:
        result.Add(re2.escape(literal))
    try:
        result.Compile()
    except re2.error:
        raise ValueError(
            f"{len(literals)} parts of lexicon terms need too much memory together; shorten some"
        ) from None
    return result
