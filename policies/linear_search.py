"""Where an RE2 pattern matches bytes, without the Python wrapper's objects for every match."""

from __future__ import annotations

from collections.abc import Callable

import re2

Find = Callable[[bytes, int], tuple[int, int]]
_UNANCHORED = re2._Anchor.UNANCHORED  # noqa: SLF001 - the wrapper has no public name for it


def finder(pattern: re2._Regexp[str]) -> Find:
    """Return a function of a text and an offset: where the first match from there stands, or (-1, -1).

    `pattern.search` makes a generator, a match and six calls of each match: three times its cost.
    """
    match = pattern._regexp.Match  # noqa: SLF001 - see above

    def find(text: bytes, start: int) -> tuple[int, int]:
        place: tuple[int, int] = match(_UNANCHORED, text, start, len(text))[0]
        return place

    return find
