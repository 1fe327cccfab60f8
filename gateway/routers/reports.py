"""Cost and ROI reports, scoped to what the key may see."""

from __future__ import annotations

import asyncio
from functools import partial

import msgspec
from aiohttp import web

from gateway.authority import require_organisation
from gateway.exchange import Principal
from gateway.http_values import answer, read_query
from gateway.intake import read_body
from gateway.invoices import ROLES, Role, read_invoice
from gateway.keyring import Caller
from gateway.reconciliation import Reconciliation, reconcile_with
from gateway.reports import Kind, Question, Report, build_report, page_of, parse_query, to_csv, with_names
from gateway.wiring import WIRING, Guarded, Wiring


async def report(kind: Kind, request: web.Request, caller: Caller) -> web.Response:
    """Return a report over the caller's team, or over all teams for an admin key."""
    wiring, principal, asked = request.app[WIRING], caller.principal, read_query(request, Question)
    team = await seen_team(wiring, principal, asked.team)
    query = parse_query(asked, now=wiring.clock.now(), team_id=team, time_zone=principal.time_zone)
    await wiring.books.flush()
    lines, next_page = page_of(await wiring.books.report(query), asked)
    (total,) = await wiring.books.report(msgspec.structs.replace(query, group_by=()))
    names = {team.id: team.name for team in await wiring.directory.list_teams()}
    built = build_report(kind, query, with_names(lines, names), total, next_page=next_page)
    return _encoded(asked, built)


class Comparing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How an invoice is read: the zone its days begin in, and a CSV's headings where they are not known."""

    tz: str = "UTC"
    day: str | None = None
    model: str | None = None
    amount: str | None = None
    currency: str | None = None


async def compare(request: web.Request, caller: Caller) -> web.Response:
    """Return a vendor's cost export, sent as the body, beside the books of all teams."""
    require_organisation(caller.principal)
    wiring, how = request.app[WIRING], read_query(request, Comparing)
    body = await read_body(request)
    columns: dict[Role, str] = {role: name for role in ROLES if (name := getattr(how, role)) is not None}
    invoice = await asyncio.to_thread(read_invoice, body, columns)
    await wiring.books.flush()
    fleet = wiring.policies.reach.fleet
    return answer(await reconcile_with(wiring.books, invoice, fleet, time_zone=how.tz))


async def seen_team(wiring: Wiring, principal: Principal, asked: str | None) -> str | None:
    """Return the id of the team a report is limited to; None for all, which only an admin sees."""
    if not principal.organisation:
        return principal.team_id
    return (await wiring.directory.find_team(asked)).id if asked else None


def _encoded(asked: Question, built: Report) -> web.Response:
    if asked.format == "json":
        return web.Response(body=msgspec.json.encode(built), content_type="application/json")
    response = web.Response(text=to_csv(built), content_type="text/csv")
    if built.next_page is not None:
        response.headers["x-next-page"] = built.next_page
    return response


ROUTES = (
    Guarded(
        method="POST",
        path="/v1/reports/reconcile",
        handler=compare,
        scope="admin",
        summary="A vendor's cost export (CSV or JSON) beside the books, by model and day, with causes.",
        query=Comparing,
        answer=Reconciliation,
    ),
    Guarded(
        method="GET",
        path="/v1/reports/costs",
        handler=partial(report, "costs"),
        scope="reports",
        summary="What requests cost, exact, by team, key, model, trigger, tag, day or anything recorded.",
        query=Question,
        media=("application/json", "text/csv"),
    ),
    Guarded(
        method="GET",
        path="/v1/reports/roi",
        handler=partial(report, "roi"),
        scope="reports",
        summary="What routing saved against the declared baseline, signed, with coverage and an interval.",
        query=Question,
        media=("application/json", "text/csv"),
    ),
)
