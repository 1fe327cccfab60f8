"""Where the days of a time zone begin, exact to the millisecond across changes of the clock."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec

from gateway.errors import InvalidRequest

DAY_MS = 86_400_000
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class OffsetSpan(msgspec.Struct, frozen=True):
    """The instants before `until_ms` (and after the span before) at which local time is UTC + `offset_ms`."""

    until_ms: int
    offset_ms: int


def find_zone(name: str, *, param: str = "time_zone") -> ZoneInfo:
    """Return the time zone of an IANA name; raise InvalidRequest."""
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, LookupError):
        raise InvalidRequest(
            f"`{name[:64]}` is not a known time zone; use an IANA name such as `Europe/Berlin`", param=param
        ) from None


def offset_spans(zone: ZoneInfo, since_ms: int, until_ms: int) -> tuple[OffsetSpan, ...]:
    """Return the spans of constant offset that cover `[since_ms, until_ms)`.

    The offset is sampled once a day and each change found by bisection. Since 1970 no zone has changed
    twice within 6.9 days, so no change is missed.
    """

    def offset(at_ms: int) -> int:
        instant = _EPOCH + timedelta(milliseconds=at_ms)
        return (zone.utcoffset(instant.astimezone(zone)) or timedelta()) // timedelta(milliseconds=1)

    spans: list[OffsetSpan] = []
    start = since_ms
    current = offset(start)
    while start < until_ms:
        end = min(start + DAY_MS, until_ms)
        following = offset(end)
        if following != current:
            spans.append(OffsetSpan(_first_change(offset, start, end), current))
        start, current = end, following
    return (*spans, OffsetSpan(until_ms, current))


def cuts(zone: ZoneInfo, since_ms: int, until_ms: int, *, by: str) -> list[int]:
    """Return where local days (or months, `by`) begin within `[since_ms, until_ms)`, and both its ends."""
    found: list[int] = [since_ms]
    label = _label(_day_at(since_ms, offset_spans(zone, since_ms, since_ms + 1)[0].offset_ms), by)
    start = since_ms
    for span in offset_spans(zone, since_ms, until_ms):
        midnight = (_day_at(start, span.offset_ms) + 1) * DAY_MS - span.offset_ms
        for at in (start, *range(midnight, span.until_ms, DAY_MS)):
            here = _label(_day_at(at, span.offset_ms), by)
            if here != label:
                found.append(at)
                label = here
        start = span.until_ms
    return [*found, until_ms]


def _day_at(at_ms: int, offset_ms: int) -> int:
    return (at_ms + offset_ms) // DAY_MS


def _label(local_day: int, by: str) -> str | int:
    return day_of(local_day)[:7] if by == "month" else local_day


def day_of(local_day: int) -> str:
    """Return the ISO date of a number of local days since 1970-01-01."""
    return date.fromordinal(_EPOCH_DAY + local_day).isoformat()


def _first_change(offset: Callable[[int], int], low: int, high: int) -> int:
    """Return the first instant whose offset differs from that at `low`; `high` differs."""
    before = offset(low)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if offset(middle) == before else (low, middle)
    return high
