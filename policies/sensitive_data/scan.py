"""The search itself: every text of a body, member by member, in linear time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache

import msgspec
import re2

from policies.facts import DataScan, Sighting
from policies.sensitive_data.patterns import PATTERNS, Pattern

MAX_SIGHTINGS = 32
"""Places that are reported; all are counted up to `MAX_CANDIDATES`."""
MAX_CANDIDATES = 5_000
"""Look-alikes of one pattern in one member that are checked; past them the kind counts as seen."""
_MEMBERS = frozenset(
    "messages system tools functions input instructions metadata prompt user response_format text".split()
)
"""Members whose names may be told; any other is the caller's own word."""
_ENCODED_CHARS = 1_024
_LONG_NUMBER = 10**8
_SET_BYTES = 1 << 24


def scan_body(raw: bytes) -> DataScan:
    """Return what a JSON body holds of sensitive data; inline files and images are not searched."""
    try:
        body = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return scan_texts([("body", raw.decode("utf-8", "replace"))])
    return scan_texts(_members(body))


def scan_texts(texts: Iterable[tuple[str, str]]) -> DataScan:
    """Return what texts, each with the name of its place, hold of sensitive data."""
    counts: Counter[str] = Counter()
    sightings: list[Sighting] = []
    for where, text in texts:
        for sighting in _found(where, text):
            counts[sighting.kind] += 1
            if len(sightings) < MAX_SIGHTINGS:
                sightings.append(sighting)
    return DataScan(counts=tuple(sorted(counts.items())), sightings=tuple(sightings))


def _found(where: str, text: str) -> Iterator[Sighting]:
    """Yield every datum of one text, pattern by pattern; an overlap of two kinds counts for both."""
    raw = text.encode("utf-8", "replace")
    search, compiled = _search()
    for index in sorted(search.Match(raw) or ()):
        pattern = PATTERNS[index]
        matches = compiled[index].finditer(raw)
        for number, match in enumerate(matches):
            if number >= MAX_CANDIDATES:
                yield Sighting(kind=pattern.kind, where=where, start=0, end=len(text))
                break
            group = 1 if match.re.groups else 0
            if _is_real(pattern, match.group(group)):
                start, end = match.span(group)
                yield _sighting(pattern.kind, where, raw, start, end)


def _is_real(pattern: Pattern, datum: bytes) -> bool:
    return pattern.check(datum.decode("utf-8", "replace"))


def _sighting(kind: str, where: str, raw: bytes, start: int, end: int) -> Sighting:
    first = len(raw[:start].decode("utf-8", "ignore"))
    length = len(raw[start:end].decode("utf-8", "ignore"))
    return Sighting(kind=kind, where=where, start=first, end=first + length)


@cache
def _search() -> tuple[re2.Set, tuple[re2._Regexp[bytes], ...]]:
    """Compile the patterns, once and only where a policy asks for them."""
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _SET_BYTES
    together = re2.Set.SearchSet(options)
    for pattern in PATTERNS:
        together.Add(pattern.expression)
    together.Compile()
    return together, tuple(re2.compile(pattern.expression.encode(), options) for pattern in PATTERNS)


def _members(body: object) -> Iterator[tuple[str, str]]:
    """Yield each member of a body, or each item of a member that is a list, as one text."""
    if not isinstance(body, dict):
        yield "body", "\n".join(_texts(body))
        return
    for key, value in body.items():
        name = key if key in _MEMBERS else "other"
        if isinstance(value, list):
            yield from ((f"{name}[{n}]", "\n".join(_texts(item))) for n, item in enumerate(value))
        else:
            yield name, "\n".join(_texts({key: value}))


def _texts(value: object) -> Iterator[str]:
    """Yield every text below `value` in order: strings, names of members, and numbers long enough to tell."""
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, str):
            yield item if not item.startswith("data:") else item[:_ENCODED_CHARS]
        elif isinstance(item, dict):
            pending += reversed([part for pair in item.items() for part in pair if not _is_file(*pair)])
        elif isinstance(item, list):
            pending += reversed(item)
        elif isinstance(item, int) and item >= _LONG_NUMBER:
            yield str(item)


def _is_file(key: object, value: object) -> bool:
    """Tell a file's or image's encoded bytes, which are not text."""
    encoded = key in {"data", "file_data"} and isinstance(value, str) and len(value) > _ENCODED_CHARS
    return encoded and " " not in str(value)[:_ENCODED_CHARS]
