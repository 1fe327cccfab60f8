"""The spans of constant offset agree with the time zone database at every instant."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.stores.business_days import DAY_MS, day_of, find_zone, offset_spans

ZONES = (
    "UTC",
    "America/New_York",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "Pacific/Apia",
    "America/St_Johns",
    "Asia/Gaza",
)


def local(at_ms: int, zone: str) -> datetime:
    """Return the wall clock of a zone at an instant."""
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at_ms)).astimezone(ZoneInfo(zone))


@given(
    zone=st.sampled_from(ZONES),
    start=st.integers(0, 2_000_000_000_000),
    length=st.integers(1, 500 * DAY_MS),
    place=st.floats(0, 1, exclude_max=True),
)
def test_local_day(zone: str, start: int, length: int, place: float) -> None:
    """The day of any instant is the zone's own."""
    at = start + int(length * place)
    spans = offset_spans(ZoneInfo(zone), start, start + length)
    span = next(span for span in spans if at < span.until_ms)
    assert day_of((at + span.offset_ms) // DAY_MS) == local(at, zone).date().isoformat()


@given(zone=st.sampled_from(ZONES), start=st.integers(0, 2_000_000_000_000))
def test_spans_change_exactly(zone: str, start: int) -> None:
    """Each span ends at the very millisecond at which the offset changes."""
    spans = offset_spans(ZoneInfo(zone), start, start + 400 * DAY_MS)
    for span, following in pairwise(spans):
        assert local(span.until_ms - 1, zone).utcoffset() == timedelta(milliseconds=span.offset_ms)
        assert local(span.until_ms, zone).utcoffset() == timedelta(milliseconds=following.offset_ms)
        assert span.offset_ms != following.offset_ms


@pytest.mark.parametrize(
    ("zone", "spans"), [("Asia/Kolkata", 1), ("America/New_York", 3), ("Australia/Lord_Howe", 3)]
)
def test_spans_of_a_year(zone: str, spans: int) -> None:
    """A year has as many spans as the zone changes its clock, and one."""
    year = offset_spans(find_zone(zone), 1_767_225_600_000, 1_798_761_600_000)
    assert len(year) == spans


def test_skipped_day() -> None:
    """The day that Samoa left out belongs to nobody."""
    before = 1_325_239_200_000
    spans = offset_spans(ZoneInfo("Pacific/Apia"), before - DAY_MS, before + DAY_MS)
    days = [
        day_of((at + span.offset_ms) // DAY_MS) for at, span in zip((before - 1, before), spans, strict=True)
    ]
    assert days == ["2011-12-29", "2011-12-31"]
