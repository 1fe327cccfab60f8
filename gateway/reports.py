"""Cost and ROI reports: a question in, exact figures out. Pure."""

from __future__ import annotations

import csv
import io
import math
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Literal, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from msgspec import Meta

from gateway.errors import InvalidRequest
from gateway.stores.base import GroupBy, ReportLine, ReportQuery
from policies.pricing import usd

GROUPS: tuple[GroupBy, ...] = get_args(GroupBy)
DEFAULT_DAYS = 30
MAX_DAYS = 3_700
MOST_LINES = 10_000
_FEWEST_FOR_INTERVAL = 30
_NORMAL_95 = 1.959964
Kind = Literal["costs", "roi"]


class CostLine(msgspec.Struct, frozen=True, kw_only=True):
    """What one group cost; USD as exact decimal text."""

    group: dict[str, str]
    requests: int
    failed: int
    cancelled: int
    attempts: int
    premium_requests: int
    input_tokens: int
    output_tokens: int
    reasoning_tokens: int
    """Part of the output tokens."""
    cache_read_tokens: int
    cache_write_tokens: int
    cost_usd: str
    wasted_usd: str
    cache_saved_usd: str
    """What prompt caches saved, signed: writing to one may cost more than reading from it saves."""
    estimated: int
    estimated_usd: str
    """The part of the cost that rests on estimated usage."""
    interrupted: int


class RoiLine(msgspec.Struct, frozen=True, kw_only=True):
    """What one group saved against its declared baseline; signed, never clamped.

    `cost_usd` is all of the cost. `compared_cost_usd` is the part whose baseline is priced, so that savings
    compare like with like; `coverage` is the share of requests in it.
    """

    group: dict[str, str]
    requests: int
    premium_share: float | None
    cost_usd: str
    compared_cost_usd: str
    baseline_usd: str
    savings_usd: str
    savings_low_usd: str | None
    """With the high one, an interval that holds the expected savings of such a period 19 times in 20: normal,
    from the spread of the requests' own savings; null below 30 compared requests."""
    savings_high_usd: str | None
    savings_share: float | None
    wasted_usd: str
    cache_saved_usd: str
    """What prompt caches saved, signed."""
    coverage: float | None
    unpriced_baselines: int
    estimated: int
    interrupted: int


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A report with the question it answers."""

    kind: Kind
    since: str
    until: str
    time_zone: str
    group_by: tuple[str, ...]
    lines: list[CostLine] | list[RoiLine]
    total: CostLine | RoiLine
    """Over all pages."""
    next_page: str | None = None


class Question(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may be asked of a report; days and instants are ISO 8601, in `tz`."""

    since: str | None = None
    """A day, or an instant; 30 days ago unless told."""
    until: str | None = None
    """A day (included) or an instant (excluded); now unless told."""
    group_by: str = ""
    """Groups, separated by commas."""
    tz: str | None = None
    """The IANA zone in which days begin; the team's own unless told."""
    team: str | None = None
    """Only this team's requests, by id or name; likewise one key's (by id), model's, tier's or tag's."""
    key: str | None = None
    model: str | None = None
    tier: str | None = None
    tag: str | None = None
    format: Literal["json", "csv"] = "json"
    limit: Annotated[int, Meta(ge=1, le=MOST_LINES)] = 1_000
    """How many lines a page has."""
    page: str | None = None
    """The `next_page` of the page before."""


def parse_query(asked: Question, *, now: float, team_id: str | None, time_zone: str) -> ReportQuery:
    """Return the question to the books; raise InvalidRequest naming the parameter."""
    zone = asked.tz or time_zone
    since_ms, until_ms = parse_span(asked.since, asked.until, zone, now=now)
    return ReportQuery(
        since_ms=since_ms,
        until_ms=until_ms,
        group_by=_groups(asked.group_by),
        team_id=team_id,
        key_id=asked.key,
        models=_only(asked.model),
        tiers=_only(asked.tier),
        tags=_only(asked.tag),
        time_zone=zone,
    )


def parse_span(since: str | None, until: str | None, tz: str, *, now: float) -> tuple[int, int]:
    """Return the Unix ms a window begins and ends at; raise InvalidRequest naming the parameter."""
    zone = _zone(tz)
    end = _instant(until, zone, "until", end=True)
    end = datetime.fromtimestamp(now, zone) + timedelta(seconds=1) if end is None else end
    start = _instant(since, zone, "since", end=False)
    if start is None:
        start = (end - timedelta(days=DEFAULT_DAYS)).replace(hour=0, minute=0, second=0, microsecond=0)
    if not start < end:
        raise InvalidRequest("`since` must be before `until`", param="since")
    if end - start > timedelta(days=MAX_DAYS):
        raise InvalidRequest(f"a report spans at most {MAX_DAYS} days; narrow it", param="since")
    if start.timestamp() < 0:
        raise InvalidRequest("there is nothing before 1970; begin later", param="since")
    return int(start.timestamp() * 1000), int(end.timestamp() * 1000)


def page_of(lines: Sequence[ReportLine], asked: Question) -> tuple[Sequence[ReportLine], str | None]:
    """Return the lines of the page asked for, and the name of the next one; raise InvalidRequest."""
    after = None if asked.page is None else _read_cursor(asked.page)
    rest = lines if after is None else [line for line in lines if tuple(line.group.values()) > after]
    shown = rest[: asked.limit]
    return shown, _write_cursor(shown[-1]) if len(rest) > len(shown) else None


def _only(value: str | None) -> tuple[str, ...]:
    return () if value is None else (value,)


def _write_cursor(line: ReportLine) -> str:
    packed = msgspec.json.encode(tuple(line.group.values()))
    return urlsafe_b64encode(packed).rstrip(b"=").decode()


def _read_cursor(page: str) -> tuple[str, ...]:
    try:
        after = msgspec.json.decode(urlsafe_b64decode(page + "=="), type=tuple[str, ...])
    except (ValueError, msgspec.DecodeError):
        after = ()
    if not after:
        message = "`page` is not one of this question; send `next_page` back with the same parameters"
        raise InvalidRequest(message, param="page")
    return after


def build_report(
    kind: Kind,
    query: ReportQuery,
    lines: Sequence[ReportLine],
    total: ReportLine,
    *,
    next_page: str | None = None,
) -> Report:
    """Return the report in its public shape."""
    zone = ZoneInfo(query.time_zone)
    shown: list[CostLine] | list[RoiLine]
    shown = [_cost_line(line) for line in lines] if kind == "costs" else [_roi_line(line) for line in lines]
    return Report(
        kind=kind,
        since=datetime.fromtimestamp(query.since_ms / 1000, zone).isoformat(),
        until=datetime.fromtimestamp(query.until_ms / 1000, zone).isoformat(),
        time_zone=query.time_zone,
        group_by=query.group_by,
        lines=shown,
        total=_cost_line(total) if kind == "costs" else _roi_line(total),
        next_page=next_page,
    )


def with_names(lines: Sequence[ReportLine], names: Mapping[str, str]) -> list[ReportLine]:
    """Return the lines with team and key ids replaced by what people call them, where that is known."""
    return [
        msgspec.structs.replace(line, group={g: names.get(value, value) for g, value in line.group.items()})
        for line in lines
    ]


class _Raw(msgspec.Struct, frozen=True):
    kind: Kind
    since: str
    until: str
    time_zone: str
    group_by: tuple[str, ...]
    lines: list[msgspec.Raw]
    total: msgspec.Raw
    next_page: str | None = None


def decode_report(body: bytes) -> Report:
    """Return a report from its JSON; raise msgspec.ValidationError for anything else."""
    raw = msgspec.json.decode(body, type=_Raw)
    lines: list[CostLine] | list[RoiLine]
    total: CostLine | RoiLine
    if raw.kind == "costs":
        lines = [msgspec.json.decode(line, type=CostLine) for line in raw.lines]
        total = msgspec.json.decode(raw.total, type=CostLine)
    else:
        lines = [msgspec.json.decode(line, type=RoiLine) for line in raw.lines]
        total = msgspec.json.decode(raw.total, type=RoiLine)
    return Report(
        kind=raw.kind,
        since=raw.since,
        until=raw.until,
        time_zone=raw.time_zone,
        group_by=raw.group_by,
        lines=lines,
        total=total,
        next_page=raw.next_page,
    )


def to_csv(report: Report) -> str:
    """Return the report's lines as CSV with a header line; groups first, then figures."""
    out = io.StringIO()
    fields = [name for name in (report.total.__struct_fields__) if name != "group"]
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([*report.group_by, *fields])
    for line in report.lines:
        writer.writerow(
            [*(plain(line.group[g]) for g in report.group_by), *(getattr(line, f) for f in fields)]
        )
    return out.getvalue()


def plain(text: str) -> str:
    """Return a name so that no spreadsheet reads it as a formula."""
    return f"'{text}" if text[:1] in {"=", "+", "-", "@", "\t", "\r"} else text


def _cost_line(line: ReportLine) -> CostLine:
    return CostLine(
        group=line.group,
        requests=line.requests,
        failed=line.failed,
        cancelled=line.cancelled,
        attempts=line.attempts,
        premium_requests=line.premium_requests,
        input_tokens=line.input_tokens,
        output_tokens=line.output_tokens,
        reasoning_tokens=line.reasoning_tokens,
        cache_read_tokens=line.cache_read_tokens,
        cache_write_tokens=line.cache_write_tokens,
        cost_usd=_money(line.cost_nano),
        wasted_usd=_money(line.wasted_nano),
        cache_saved_usd=_money(line.cache_nano),
        estimated=line.estimated,
        estimated_usd=_money(line.estimated_nano),
        interrupted=line.interrupted,
    )


def _roi_line(line: ReportLine) -> RoiLine:
    savings = line.baseline_nano - line.compared_cost_nano
    low, high = _interval(line, savings)
    return RoiLine(
        group=line.group,
        requests=line.requests,
        premium_share=_share(line.premium_requests, line.requests),
        cost_usd=_money(line.cost_nano),
        compared_cost_usd=_money(line.compared_cost_nano),
        baseline_usd=_money(line.baseline_nano),
        savings_usd=_money(savings),
        savings_low_usd=low,
        savings_high_usd=high,
        savings_share=_share(savings, line.baseline_nano),
        wasted_usd=_money(line.wasted_nano),
        cache_saved_usd=_money(line.cache_nano),
        coverage=_share(line.requests - line.unpriced_baselines, line.requests),
        unpriced_baselines=line.unpriced_baselines,
        estimated=line.estimated,
        interrupted=line.interrupted,
    )


def _interval(line: ReportLine, savings_nano: int) -> tuple[str | None, str | None]:
    """Return the 95 % interval of the summed savings, the compared requests taken as a sample of such."""
    compared = line.requests - line.unpriced_baselines
    if compared < _FEWEST_FOR_INTERVAL:
        return None, None
    mean = savings_nano / 1e9 / compared
    variance = max(0.0, line.savings_squares / compared - mean * mean) * compared / (compared - 1)
    half = _NORMAL_95 * math.sqrt(compared * variance)
    return f"{savings_nano / 1e9 - half:.6f}", f"{savings_nano / 1e9 + half:.6f}"


def _money(nano: int) -> str:
    return f"{usd(nano):f}"


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 6) if whole else None


def _groups(text: str) -> tuple[GroupBy, ...]:
    asked = [part.strip() for part in text.split(",") if part.strip()]
    for name in asked:
        if name not in GROUPS:
            known = ", ".join(GROUPS)
            raise InvalidRequest(f"cannot group by `{name[:40]}`; known are {known}", param="group_by")
    return tuple(g for name in dict.fromkeys(asked) for g in GROUPS if g == name)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        message = f"`{name[:40]}` is not an IANA time zone, such as Europe/Berlin"
        raise InvalidRequest(message, param="tz") from None


def _instant(text: str | None, zone: ZoneInfo, param: str, *, end: bool) -> datetime | None:
    if text is None:
        return None
    try:
        instant = datetime.fromisoformat(text)
        if len(text) <= len("2026-01-01") and end:
            instant += timedelta(days=1)
    except (ValueError, OverflowError):
        message = f"`{text[:40]}` is no day or instant; write 2026-01-31 or 2026-01-31T12:00"
        raise InvalidRequest(message, param=param) from None
    return instant.replace(tzinfo=zone) if instant.tzinfo is None else instant.astimezone(zone)
