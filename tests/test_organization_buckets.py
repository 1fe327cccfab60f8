"""The buckets of OpenAI's organization reports."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import InvalidRequest
from gateway.organization import LAST_S, WIDTH_S, Span, UsageQuery, exact_number, span_of, write_cursor

NOW_S = 1_767_225_999
_widths = st.sampled_from(("1m", "1h", "1d"))
_instants = st.integers(0, LAST_S - 10**7)


def pages(query: UsageQuery) -> list[Span]:
    """Return all pages of a question that has an end."""
    spans = [span_of(query, NOW_S)]
    while spans[-1].next_page:
        fields = {name: getattr(query, name) for name in query.__struct_fields__}
        spans.append(span_of(UsageQuery(**fields | {"page": spans[-1].next_page}), NOW_S))
    return spans


@given(since=_instants, width=_widths, buckets=st.floats(0.01, 9), limit=st.integers(1, 5))
def test_pages_cover_the_question(since: int, width: str, buckets: float, limit: int) -> None:
    """The pages are one unbroken row of buckets from start to end, none across a boundary of UTC."""
    until = since + max(1, int(WIDTH_S[width] * buckets))  # type: ignore[index]
    query = UsageQuery(start_time=since, end_time=until, bucket_width=width, limit=limit)  # type: ignore[arg-type]
    spans = pages(query)
    edges = [since] + [edge for span in spans for edge in span.edges[1:]]
    assert all(before.edges[-1] == after.edges[0] for before, after in pairwise(spans))
    assert all(len(span.edges) - 1 <= limit for span in spans)
    assert (edges[0], edges[-1]) == (since, until)
    assert all(
        low < high and low // spans[0].width_s == (high - 1) // spans[0].width_s
        for low, high in pairwise(edges)
    )


@given(text=st.text(max_size=40) | st.binary(max_size=20).map(lambda raw: "page_" + raw.hex()))
def test_invented_pages_are_refused(text: str) -> None:
    """A page that was not given out is a mistake of the caller's, whatever it looks like."""
    with pytest.raises(InvalidRequest) as caught:
        span_of(UsageQuery(start_time=0, page=text), NOW_S)
    assert caught.value.param == "page"


def test_open_end_stays_put() -> None:
    """Pages of a question without an end go on to the end the first page had, though time goes on."""
    query = UsageQuery(start_time=NOW_S - 86_400, limit=1)
    first = span_of(query, NOW_S)
    later = UsageQuery(start_time=NOW_S - 86_400, limit=31, page=first.next_page)
    assert span_of(later, NOW_S + 10**6).edges[-1] == first.until_s == 1_767_312_000


def test_cursor_ends_with_time() -> None:
    """A cursor cannot carry a question past the last instant there is."""
    with pytest.raises(InvalidRequest):
        span_of(UsageQuery(start_time=0, page=write_cursor(86_400, LAST_S + 1)), NOW_S)


@pytest.mark.parametrize(
    ("nano", "text"),
    [
        (0, b"0"),
        (1, b"0.000000001"),
        (10**9, b"1"),
        (1_500_000_000, b"1.5"),
        (10**24, b"1000000000000000"),
        (123_456_789_012_345_678_901_234_567, b"123456789012345678.901234567"),
    ],
)
def test_numbers_keep_every_digit(nano: int, text: bytes) -> None:
    """Money is written without an exponent, without rounding and without idle zeros."""
    assert bytes(exact_number(nano)) == text
