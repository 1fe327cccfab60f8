"""The search itself: every text of a body, member by member, in linear time and within bounds of its own."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import islice, takewhile

import msgspec
import re2

from policies.facts import DataScan, Sighting
from policies.sensitive_data.patterns import PATTERNS, Pattern

MAX_CHARS = 8_000_000
"""Text that is searched, more than any model reads; a body with more is searched in part, and says so."""
MAX_VALUES = 200_000
"""Values of a body that are looked at; likewise."""
MAX_MEMBERS = 1_000
"""Members that are searched by themselves; further ones are searched as one."""
MAX_SIGHTINGS = 32
"""Places that are reported; all are counted up to `MAX_CANDIDATES`."""
MAX_CANDIDATES = 5_000
"""Look-alikes of one pattern in one body that are checked; past them the kind counts as seen."""
_MEMBERS = frozenset(
    "messages system tools functions input instructions metadata prompt user response_format text".split()
)
"""Members whose names may be told; any other is the caller's own word."""
_ENCODED_CHARS = 1_024
_BASE64 = r"[A-Za-z0-9+/_=\s-]*"
_FILE, _FILE_URL = re.compile(_BASE64), re.compile(rf"data:[\w.+-]+/[\w.+-]+[\w;=.+-]*;base64,{_BASE64}")
_LONG_NUMBER = 10**8
_HOLDERS = (str, dict, list)
_SET_BYTES = 1 << 24


def scan_body(raw: bytes) -> DataScan:
    """Return what a JSON body holds of sensitive data; inline files and images are not searched."""
    try:
        body = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return scan_texts([("body", raw.decode("utf-8", "replace"))])
    reading = _Reading(MAX_VALUES)
    search = _Search()
    for where, text in _grouped(_members(body), reading):
        search.add(where, text)
    return search.result(unread_chars=len(raw) if reading.left <= 0 else 0)


def scan_texts(texts: Iterable[tuple[str, str]]) -> DataScan:
    """Return what texts, each with the name of its place, hold of sensitive data."""
    search = _Search()
    for where, text in texts:
        search.add(where, text)
    return search.result()


class _Search:
    """One search through the texts of a body; whatever they hold, its work is bounded by `MAX_CHARS`."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._sightings: list[Sighting] = []
        self._tried: Counter[int] = Counter()
        """Candidates checked so far, by pattern."""
        self._searched = self._unsearched = 0

    def add(self, where: str, text: str) -> None:
        """Search one text, as far as there is room for it."""
        room = MAX_CHARS - self._searched
        self._unsearched += max(0, len(text) - room)
        text = text[:room]
        self._searched += len(text)
        raw = text.encode("utf-8", "replace")
        together, patterns = _compiled()
        for index in sorted(together.Match(raw) or ()):
            self._count(index, patterns[index], where, raw)

    def result(self, unread_chars: int = 0) -> DataScan:
        """Return what was found, and in how much of the texts."""
        missed = max(self._unsearched, unread_chars - self._searched)
        coverage = 1.0 if missed <= 0 else self._searched / (self._searched + missed)
        return DataScan(
            counts=tuple(sorted(self._counts.items())),
            sightings=tuple(self._sightings),
            coverage=coverage if coverage == 1.0 else min(0.999, round(coverage, 3)),
        )

    def _count(self, index: int, expression: re2._Regexp[bytes], where: str, raw: bytes) -> None:
        """Count every datum of one pattern; an overlap of two kinds counts for both."""
        pattern, room = PATTERNS[index], MAX_CANDIDATES - self._tried[index]
        group = 1 if expression.groups else 0
        tried = 0
        for match in islice(expression.finditer(raw), max(0, room)):
            tried += 1
            if _is_real(pattern, match.group(group)):
                self._counts[pattern.kind] += 1
                if len(self._sightings) < MAX_SIGHTINGS:
                    self._sightings.append(_sighting(pattern.kind, where, raw, *match.span(group)))
        self._tried[index] += tried
        if 0 < room == tried:
            self._counts[pattern.kind] += 1  # what may hide behind so many look-alikes is not guessed


def _is_real(pattern: Pattern, datum: bytes) -> bool:
    return pattern.check(datum.decode("utf-8", "replace"))


def _sighting(kind: str, where: str, raw: bytes, start: int, end: int) -> Sighting:
    first = len(raw[:start].decode("utf-8", "ignore"))
    length = len(raw[start:end].decode("utf-8", "ignore"))
    return Sighting(kind=kind, where=where, start=first, end=first + length)


@cache
def _compiled() -> tuple[re2.Set, tuple[re2._Regexp[bytes], ...]]:
    """Compile the patterns, once and only where a policy asks for them."""
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _SET_BYTES
    together = re2.Set.SearchSet(options)
    for pattern in PATTERNS:
        together.Add(pattern.expression)
    together.Compile()
    return together, tuple(re2.compile(pattern.expression.encode(), options) for pattern in PATTERNS)


def _members(body: object) -> Iterator[tuple[str, object]]:
    """Yield each member of a body, or each item of a member that is a list."""
    if not isinstance(body, dict):
        yield "body", body
        return
    for key, value in body.items():
        name = key if key in _MEMBERS else "other"
        if isinstance(value, list):
            yield from ((f"{name}[{n}]", item) for n, item in enumerate(value) if _may_hold_text(item))
            yield name, key
        else:
            yield name, {key: value}


class _Reading:
    """How many values may still be looked at."""

    __slots__ = ("left",)

    def __init__(self, most: int) -> None:
        self.left = most


def _grouped(members: Iterator[tuple[str, object]], reading: _Reading) -> Iterator[tuple[str, str]]:
    """Yield the text of each member; of those after the first thousand, one text."""
    for where, value in islice(members, MAX_MEMBERS):
        yield where, "\n".join(_texts(value, reading))
    rest = takewhile(lambda _: reading.left > 0, members)
    yield "other", "\n".join(text for _, value in rest for text in _texts(value, reading))


def _texts(value: object, reading: _Reading) -> Iterator[str]:
    """Yield every text below `value` in order: strings, names of members, and numbers long enough to tell."""
    pending = [value]
    while pending and reading.left > 0:
        reading.left -= 1
        item = pending.pop()
        if isinstance(item, str):
            yield item if not _is_file_url(item) else item[:_ENCODED_CHARS]
        elif isinstance(item, dict):
            parts = [part for pair in item.items() for part in pair if not _is_file(*pair)]
            pending += filter(_may_hold_text, reversed(parts))
        elif isinstance(item, list):
            pending += filter(_may_hold_text, reversed(item))
        elif isinstance(item, int):
            yield str(item)


def _may_hold_text(value: object) -> bool:
    """Tell what is looked at from small numbers, of which lists of tokens hold very many."""
    return isinstance(value, _HOLDERS) or (isinstance(value, int) and value >= _LONG_NUMBER)


def _is_file_url(text: str) -> bool:
    """Tell a data URL from text that begins like one, such as a pasted event stream."""
    return text.startswith("data:") and _FILE_URL.fullmatch(text) is not None


def _is_file(key: object, value: object) -> bool:
    """Tell a file's or image's encoded bytes, which are not text."""
    if key not in {"data", "file_data"} or not isinstance(value, str) or len(value) <= _ENCODED_CHARS:
        return False
    return _is_file_url(value) or _FILE.fullmatch(value) is not None
