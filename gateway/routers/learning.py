"""What became of decisions: feedback, statistics, and what they speak for changing."""

from __future__ import annotations

from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import Meta

from gateway.exchange import Principal
from gateway.http_values import answer, read_json, read_query
from gateway.keyring import Caller
from gateway.outcomes import Feedback, Noted, take_feedback
from gateway.reports import parse_span
from gateway.routers.reports import seen_team
from gateway.statistics import Reading, Statistics, build_statistics
from gateway.stores.base import ReportQuery
from gateway.suggesting import Suggestions, suggest_changes
from gateway.wiring import WIRING, Guarded, Wiring
from policies.policy import Policy

Text = Annotated[str, Meta(max_length=64)]


class Window(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which decisions: days or instants (ISO 8601) in `tz`, the last 30 days unless told; one team's."""

    since: Text | None = None
    until: Text | None = None
    tz: Text | None = None
    team: Text | None = None


async def feedback(request: web.Request, caller: Caller) -> web.Response:
    """Take down what the caller says of an answer; saying it again changes nothing."""
    wiring, principal = request.app[WIRING], caller.principal
    said = await read_json(request, Feedback)
    now_ms = int(wiring.clock.now() * 1000)
    return answer(await take_feedback(said, principal, wiring.policies.ruled, wiring, now_ms=now_ms))


async def statistics(request: web.Request, caller: Caller) -> web.Response:
    """Return how escalating has gone for the caller's team, or for all teams for an admin key."""
    wiring, principal = request.app[WIRING], caller.principal
    asked = read_query(request, Window)
    team = await seen_team(wiring, principal, asked.team)
    reading = await _read(wiring, _span(asked, caller, wiring), team)
    policy = await _policy(wiring, principal, asked.team)
    return answer(build_statistics(reading, policy.validation.quality))


async def suggestions(request: web.Request, caller: Caller) -> web.Response:
    """Return the changes that outcomes speak for; a person makes them, in a pack."""
    wiring, principal = request.app[WIRING], caller.principal
    asked = read_query(request, Window)
    team = await seen_team(wiring, principal, asked.team)
    await wiring.books.flush()
    policy = await _policy(wiring, principal, asked.team)
    span = _span(asked, caller, wiring)
    return answer(await suggest_changes(wiring.decisions, wiring.outcomes, policy, span, team_id=team))


async def _policy(wiring: Wiring, principal: Principal, asked_team: str | None) -> Policy:
    """Return the policy of the team an admin asks about, else the one that rules the caller's key."""
    if principal.organisation and asked_team:
        return wiring.policies.for_team((await wiring.directory.find_team(asked_team)).name)
    return await wiring.policies.ruling(principal)


def _span(asked: Window, caller: Caller, wiring: Wiring) -> tuple[int, int]:
    zone = asked.tz or caller.principal.time_zone
    return parse_span(asked.since, asked.until, zone, now=wiring.clock.now())


async def _read(wiring: Wiring, span: tuple[int, int], team: str | None) -> Reading:
    await wiring.books.flush()
    since_ms, until_ms = span
    query = ReportQuery(since_ms=since_ms, until_ms=until_ms, team_id=team)
    (total,) = await wiring.books.report(query)
    return Reading(
        since_ms=since_ms,
        until_ms=until_ms,
        team=team,
        total=total,
        by_ground=await wiring.books.report(msgspec.structs.replace(query, group_by=("ground",))),
        by_trigger=await wiring.books.report(msgspec.structs.replace(query, group_by=("trigger",))),
        labelled=await wiring.outcomes.labelled(since_ms, until_ms, team_id=team),
        steps=await wiring.outcomes.step_times(since_ms, until_ms, team_id=team),
    )


ROUTES = (
    Guarded(
        method="POST",
        path="/v1/escalation/feedback",
        handler=feedback,
        scope="inference",
        summary="Say of an answer that it was accepted, from the wrong tier, or failed; idempotent.",
        body=Feedback,
        answer=Noted,
    ),
    Guarded(
        method="GET",
        path="/v1/escalation/statistics",
        handler=statistics,
        scope="reports",
        summary="How escalating has gone: rates, money, precision of every trigger, step latencies.",
        query=Window,
        answer=Statistics,
    ),
    Guarded(
        method="GET",
        path="/v1/escalation/suggestions",
        handler=suggestions,
        scope="reports",
        summary="Thresholds, weights and terms that outcomes speak for changing; nothing changes by itself.",
        query=Window,
        answer=Suggestions,
    ),
)
