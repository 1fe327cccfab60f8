"""OpenAI's organization costs and usage: the question, the buckets of time, the answer. Pure.

Shapes as in https://developers.openai.com/api/reference/resources/admin (usage, costs); a team is a project.
Buckets are spans of UTC; the first begins at `start_time` and the last ends at `end_time`.
"""

from __future__ import annotations

import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Annotated, Generic, Literal, TypeVar

import msgspec
from msgspec import Meta

from gateway.errors import InvalidRequest
from gateway.stores.base import GroupBy, ReportLine, ReportQuery
from policies.pricing import usd

LAST_S = 253_402_300_799
"""The end of the year 9999."""
Instant = Annotated[int, Meta(ge=0, le=LAST_S)]
Id = Annotated[str, Meta(min_length=1, max_length=128)]
Ids = Annotated[list[Id], Meta(max_length=100)]
Width = Literal["1m", "1h", "1d"]
Number = Annotated[msgspec.Raw, Meta(extra_json_schema={"type": "number"})]
"""A JSON number written out to its last digit."""
Result = TypeVar("Result")

WIDTH_S: Mapping[Width, int] = {"1m": 60, "1h": 3_600, "1d": 86_400}
_USAGE_LIMITS: Mapping[Width, tuple[int, int]] = {"1m": (60, 1_440), "1h": (24, 168), "1d": (7, 31)}
"""How many buckets a page has by default, and at most."""
_GROUPS: Mapping[str, GroupBy] = {
    "project_id": "team",
    "api_key_id": "key",
    "model": "model",
    "line_item": "model",
}
_CURSOR = struct.Struct(">QQ")
_PREFIX = "page_"


class CostsQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is asked about costs; instants are Unix seconds, the end excluded."""

    start_time: Instant
    end_time: Instant | None = None
    bucket_width: Literal["1d"] = "1d"
    project_ids: Ids = []
    api_key_ids: Ids = []
    group_by: list[Literal["project_id", "api_key_id", "line_item"]] = []
    limit: Annotated[int, Meta(ge=1, le=180)] = 7
    page: str | None = None


class UsageQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is asked about usage; instants are Unix seconds, the end excluded."""

    start_time: Instant
    end_time: Instant | None = None
    bucket_width: Width = "1d"
    project_ids: Ids = []
    api_key_ids: Ids = []
    models: Ids = []
    group_by: list[Literal["project_id", "api_key_id", "model"]] = []
    limit: Annotated[int, Meta(ge=1, le=1_440)] | None = None
    page: str | None = None


class Amount(msgspec.Struct, frozen=True, kw_only=True):
    """Money to the last digit."""

    value: Number
    currency: Literal["usd"] = "usd"


class CostsResult(msgspec.Struct, frozen=True, kw_only=True):
    """What one group cost in one bucket; a line item is the model that answered."""

    object: Literal["organization.costs.result"] = "organization.costs.result"
    amount: Amount
    line_item: str | None = None
    project_id: str | None = None
    api_key_id: str | None = None
    quantity: int | None = None
    """Tokens in and out, when grouped by line item."""


class UsageResult(msgspec.Struct, frozen=True, kw_only=True):
    """What one group used in one bucket; audio, users, batches and service tiers are not told apart."""

    object: Literal["organization.usage.completions.result"] = "organization.usage.completions.result"
    input_tokens: int
    """Cached and cache-written tokens included."""
    output_tokens: int
    input_cached_tokens: int
    input_cache_write_tokens: int
    input_uncached_tokens: int
    input_audio_tokens: int = 0
    output_audio_tokens: int = 0
    num_model_requests: int
    project_id: str | None = None
    user_id: str | None = None
    api_key_id: str | None = None
    model: str | None = None
    batch: bool | None = None
    service_tier: str | None = None


class Bucket(msgspec.Struct, Generic[Result], frozen=True, kw_only=True):
    """The results of one span of time; none when nothing happened."""

    object: Literal["bucket"] = "bucket"
    start_time: int
    end_time: int
    results: list[Result]


class BucketPage(msgspec.Struct, Generic[Result], frozen=True, kw_only=True):
    """Consecutive buckets."""

    object: Literal["page"] = "page"
    data: list[Bucket[Result]]
    has_more: bool
    next_page: str | None


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """The buckets of one page: edges in Unix seconds, and the end of the whole question."""

    edges: tuple[int, ...]
    width_s: int
    until_s: int

    @property
    def next_page(self) -> str | None:
        """Return the cursor of what comes next, None at the end."""
        return write_cursor(self.edges[-1], self.until_s) if self.edges[-1] < self.until_s else None


def span_of(query: CostsQuery | UsageQuery, now_s: int) -> Span:
    """Return the page's buckets, without an end through the bucket of now; raise InvalidRequest."""
    width_s = WIDTH_S[query.bucket_width]
    since_s, until_s = query.start_time, query.end_time or (now_s // width_s + 1) * width_s
    if query.end_time is not None and since_s >= query.end_time:
        raise InvalidRequest("`end_time` must be after `start_time`", param="end_time")
    if query.page is not None:
        since_s, until_s = _turned(query, width_s)
    edges = [since_s]
    while len(edges) <= _limit(query) and edges[-1] < until_s:
        edges.append(min((edges[-1] // width_s + 1) * width_s, until_s))
    return Span(edges=tuple(edges), width_s=width_s, until_s=max(until_s, since_s))


def ledger_query(query: CostsQuery | UsageQuery, span: Span, team_id: str | None) -> ReportQuery:
    """Return the question to the books; with a team, only about its own requests."""
    return ReportQuery(
        since_ms=span.edges[0] * 1000,
        until_ms=span.edges[-1] * 1000,
        group_by=tuple(dict.fromkeys(_GROUPS[name] for name in query.group_by)),
        team_id=team_id,
        team_ids=tuple(query.project_ids),
        key_ids=tuple(query.api_key_ids),
        models=tuple(query.models) if isinstance(query, UsageQuery) else (),
        bucket_s=span.width_s,
    )


def costs_page(query: CostsQuery, span: Span, lines: Sequence[ReportLine]) -> BucketPage[CostsResult]:
    """Return the answer about costs."""
    return _page(span, lines, [_costs(query, line) for line in lines])


def usage_page(span: Span, lines: Sequence[ReportLine]) -> BucketPage[UsageResult]:
    """Return the answer about usage."""
    return _page(span, lines, [_usage(line) for line in lines])


def write_cursor(since_s: int, until_s: int) -> str:
    """Return the opaque name of the page that begins then, of a question that ends then."""
    return _PREFIX + urlsafe_b64encode(_CURSOR.pack(since_s, until_s)).rstrip(b"=").decode()


def exact_number(nano: int) -> msgspec.Raw:
    """Return nano-USD as a JSON number of USD, without trailing zeros."""
    text = f"{usd(nano):f}"
    return msgspec.Raw(text.rstrip("0").rstrip(".") if "." in text else text)


def _turned(query: CostsQuery | UsageQuery, width_s: int) -> tuple[int, int]:
    """Return where the page asked for begins, and where the question ends."""
    since_s, until_s = _read_cursor(query.page or "")
    ends_right = query.end_time in {None, until_s}
    if not (ends_right and query.start_time < since_s < until_s and since_s % width_s == 0):
        raise _strange_page()
    return since_s, until_s


def _read_cursor(page: str) -> tuple[int, int]:
    try:
        packed = urlsafe_b64decode(page.removeprefix(_PREFIX) + "==")
        since_s, until_s = _CURSOR.unpack(packed)
    except (ValueError, struct.error):
        raise _strange_page() from None
    if write_cursor(since_s, until_s) != page or until_s > LAST_S:
        raise _strange_page()
    return since_s, until_s


def _strange_page() -> InvalidRequest:
    return InvalidRequest(
        "`page` is not one of this question; send `next_page` back with the same parameters", param="page"
    )


def _limit(query: CostsQuery | UsageQuery) -> int:
    if isinstance(query, CostsQuery):
        return query.limit
    usual, most = _USAGE_LIMITS[query.bucket_width]
    if query.limit is not None and query.limit > most:
        raise InvalidRequest(
            f"a page has at most {most} buckets of {query.bucket_width}; lower `limit`", param="limit"
        )
    return query.limit or usual


def _page(span: Span, lines: Sequence[ReportLine], results: Sequence[Result]) -> BucketPage[Result]:
    filed: dict[int, list[Result]] = defaultdict(list)
    for line, result in zip(lines, results, strict=True):
        filed[int(line.group["bucket"])].append(result)
    buckets = [
        Bucket(start_time=start, end_time=end, results=filed[start // span.width_s])
        for start, end in pairwise(span.edges)
    ]
    return BucketPage(data=buckets, has_more=span.next_page is not None, next_page=span.next_page)


def _costs(query: CostsQuery, line: ReportLine) -> CostsResult:
    itemised = "line_item" in query.group_by
    return CostsResult(
        amount=Amount(value=exact_number(line.cost_nano)),
        line_item=line.group.get("model"),
        project_id=line.group.get("team"),
        api_key_id=line.group.get("key"),
        quantity=_input_tokens(line) + line.output_tokens if itemised else None,
    )


def _usage(line: ReportLine) -> UsageResult:
    return UsageResult(
        input_tokens=_input_tokens(line),
        output_tokens=line.output_tokens,
        input_cached_tokens=line.cache_read_tokens,
        input_cache_write_tokens=line.cache_write_tokens,
        input_uncached_tokens=line.input_tokens,
        num_model_requests=line.requests,
        project_id=line.group.get("team"),
        api_key_id=line.group.get("key"),
        model=line.group.get("model"),
    )


def _input_tokens(line: ReportLine) -> int:
    return line.input_tokens + line.cache_read_tokens + line.cache_write_tokens
