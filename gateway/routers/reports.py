"""Cost and ROI reports, scoped to what the key may see."""

from __future__ import annotations

from functools import partial

import msgspec
from aiohttp import web

from gateway.errors import InvalidRequest
from gateway.keyring import Caller
from gateway.reports import Kind, Report, build_report, parse_query, to_csv, with_names
from gateway.wiring import WIRING, Guarded


async def report(kind: Kind, request: web.Request, caller: Caller) -> web.Response:
    """Return a report over the caller's team, or over all teams for an admin key."""
    wiring, principal = request.app[WIRING], caller.principal
    everything = "admin" in principal.scopes
    asked = request.query.get("team") if everything else None
    team = (
        principal.team_id
        if not everything
        else (await wiring.directory.find_team(asked)).id
        if asked
        else None
    )
    query = parse_query(request.query, now=wiring.clock.now(), team_id=team, time_zone=principal.time_zone)
    await wiring.books.flush()
    lines = await wiring.books.report(query)
    total = await wiring.books.report(msgspec.structs.replace(query, group_by=()))
    names = {team.id: team.name for team in await wiring.directory.list_teams()}
    built = build_report(kind, query, with_names(lines, names), total[0])
    return _encoded(request, built)


def _encoded(request: web.Request, built: Report) -> web.Response:
    wanted = request.query.get("format", "json")
    if wanted == "json":
        return web.Response(body=msgspec.json.encode(built), content_type="application/json")
    if wanted == "csv":
        return web.Response(text=to_csv(built), content_type="text/csv")
    raise InvalidRequest(f"unknown format `{wanted[:40]}`; ask for json or csv", param="format")


ROUTES = (
    Guarded(
        method="GET",
        path="/v1/reports/costs",
        handler=partial(report, "costs"),
        scope="reports",
        summary="What requests cost, exact, by team, key, model, tier, trigger or day.",
    ),
    Guarded(
        method="GET",
        path="/v1/reports/roi",
        handler=partial(report, "roi"),
        scope="reports",
        summary="What routing saved against the declared baseline, signed, with coverage.",
    ),
)
