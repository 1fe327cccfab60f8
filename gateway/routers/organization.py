"""OpenAI's organization reports, so that finance tools work unchanged; a team is a project."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web

from gateway.http_values import answer, read_query
from gateway.keyring import Caller
from gateway.organization import (
    BucketPage,
    CostsQuery,
    CostsResult,
    Span,
    UsageQuery,
    UsageResult,
    costs_page,
    ledger_query,
    span_of,
    usage_page,
)
from gateway.stores.base import ReportLine
from gateway.wiring import WIRING, Guarded


async def costs(request: web.Request, caller: Caller) -> web.Response:
    """Return costs in buckets."""
    query = read_query(request, CostsQuery)
    span, lines = await _ask(request, caller, query)
    return answer(costs_page(query, span, lines))


async def usage(request: web.Request, caller: Caller) -> web.Response:
    """Return usage in buckets."""
    span, lines = await _ask(request, caller, read_query(request, UsageQuery))
    return answer(usage_page(span, lines))


async def _ask(
    request: web.Request, caller: Caller, query: CostsQuery | UsageQuery
) -> tuple[Span, Sequence[ReportLine]]:
    """Return the page's buckets and the books' sums, of the caller's own team unless it is an admin."""
    wiring, principal = request.app[WIRING], caller.principal
    span = span_of(query, int(wiring.clock.now()))
    team = principal.seen_team
    await wiring.books.flush()
    return span, await wiring.books.report(ledger_query(query, span, team))


ROUTES = (
    Guarded(
        method="GET",
        path="/v1/organization/costs",
        handler=costs,
        scope="reports",
        summary="What requests cost, in OpenAI's shape: by day, project, key and line item.",
        query=CostsQuery,
        answer=BucketPage[CostsResult],
    ),
    Guarded(
        method="GET",
        path="/v1/organization/usage/completions",
        handler=usage,
        scope="reports",
        summary="Tokens and requests, in OpenAI's shape: by minute, hour or day, project, key and model.",
        query=UsageQuery,
        answer=BucketPage[UsageResult],
    ),
)
