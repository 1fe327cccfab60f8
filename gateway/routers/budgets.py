"""Budgets: what a team, key, model or tag may spend per period, and what it has spent."""

from __future__ import annotations

from typing import get_args

import msgspec
from aiohttp import web

from gateway.administration import Money, parse_usd
from gateway.authority import reach_budget
from gateway.budgets import window
from gateway.errors import InvalidRequest, ModelNotFound
from gateway.http_values import Listing, Paging, answer, listing, read_json, read_query
from gateway.keyring import Caller
from gateway.stores.base import BudgetSpec, OwnedBudget, Period, split_scope
from gateway.stores.directory_base import Name
from gateway.wiring import WIRING, Guarded, Wiring
from policies.pricing import usd
from policies.yaml_lines import nearest

_PATH = r"/v1/budgets/{scope:[\s\S]+}/{period}"


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """A limit with what the books say was spent in the period that is running; USD as exact text."""

    id: str
    scope: str
    """`team:<id>`, `key:<id>`, `model:<name>`, `tag:<name>`; `team:<id>/model:<name>` is a part."""
    period: Period
    hard: bool
    limit_usd: str
    spent_usd: str
    remaining_usd: str
    """Negative when more was spent than the limit allows."""
    since_ms: int
    """When the period began, in the team's time zone."""
    time_zone: str


class BudgetPaging(Paging, frozen=True, kw_only=True):
    """Which part of the list of budgets is asked for."""

    scope: Name | None = None


async def list_budgets(request: web.Request, caller: Caller) -> web.Response:
    """Return the limits of live teams and keys; to a team's admin its team's, or those of the scope asked."""
    wiring, paging = request.app[WIRING], read_query(request, BudgetPaging)
    own = caller.principal.seen_team
    scope = paging.scope or (None if own is None else f"team:{own}")
    if scope is not None:
        await reach_budget(wiring.directory, caller.principal, scope, change=False)
    found = await wiring.directory.list_budgets(scope, paging.page)
    await wiring.books.flush()
    return answer(listing([await _status(wiring, owned) for owned in found], paging))


async def get_budget(request: web.Request, caller: Caller) -> web.Response:
    """Return one limit."""
    wiring = request.app[WIRING]
    await reach_budget(wiring.directory, caller.principal, request.match_info["scope"], change=False)
    owned = await wiring.directory.find_budget(request.match_info["scope"], _period(request))
    await wiring.books.flush()
    return answer(await _status(wiring, owned))


async def put_budget(request: web.Request, caller: Caller) -> web.Response:
    """Set a limit; again changes nothing."""
    wiring, scope, period = request.app[WIRING], request.match_info["scope"], _period(request)
    await reach_budget(wiring.directory, caller.principal, scope, change=True)
    _check_model(wiring, scope)
    money = await read_json(request, Money)
    spec = BudgetSpec(
        limit_nano=parse_usd(money.limit_usd, param="limit_usd"), period=period, hard=money.hard
    )
    await wiring.directory.set_budget(scope, spec, actor=caller.principal.key_id)
    return await get_budget(request, caller)


async def delete_budget(request: web.Request, caller: Caller) -> web.Response:
    """Lift a limit."""
    directory, scope = request.app[WIRING].directory, request.match_info["scope"]
    await reach_budget(directory, caller.principal, scope, change=True)
    await directory.remove_budget(scope, _period(request), actor=caller.principal.key_id)
    return web.Response(status=204)


async def _status(wiring: Wiring, owned: OwnedBudget) -> Budget:
    budget = owned.budget
    since_ms = window(budget, owned.time_zone, wiring.clock.now()).since_ms
    spent = await wiring.books.spent_nano(budget.scope, since_ms)
    return Budget(
        id=budget.id,
        scope=budget.scope,
        period=budget.period,
        hard=budget.hard,
        limit_usd=f"{usd(budget.limit_nano):f}",
        spent_usd=f"{usd(spent):f}",
        remaining_usd=f"{usd(budget.limit_nano - spent):f}",
        since_ms=since_ms,
        time_zone=owned.time_zone,
    )


def _check_model(wiring: Wiring, scope: str) -> None:
    """Raise ModelNotFound for a budget that would never count: no deployment has the name."""
    parts, fleet = split_scope(scope), wiring.policies.reach.fleet
    if parts.kind == "model" and not fleet.named(parts.value):
        names = {deployment.model_name for deployment in fleet.deployments.values()}
        hint = nearest(parts.value, names)
        raise ModelNotFound(f"no deployment is called `{parts.value[:80]}`{hint}", param="scope")


def _period(request: web.Request) -> Period:
    asked = request.match_info["period"]
    known: tuple[Period, ...] = get_args(Period)
    for period in known:
        if period == asked:
            return period
    raise InvalidRequest(f"`{asked[:40]}` is not a period; use {', '.join(known)}", param="period")


ROUTES = (
    Guarded(
        method="GET",
        path="/v1/budgets",
        handler=list_budgets,
        scope="admin",
        summary="The limits of live teams and keys with what is spent, oldest first.",
        query=BudgetPaging,
        answer=Listing[Budget],
    ),
    Guarded(
        method="GET",
        path=_PATH,
        handler=get_budget,
        scope="admin",
        summary="The limit of `team:<id>`, `key:<id>` or `model:<name>` per period; what is spent.",
        answer=Budget,
    ),
    Guarded(
        method="PUT",
        path=_PATH,
        handler=put_budget,
        scope="admin",
        summary="Set a limit, in place of the one there was.",
        body=Money,
        answer=Budget,
    ),
    Guarded(
        method="DELETE",
        path=_PATH,
        handler=delete_budget,
        scope="admin",
        summary="Lift a limit.",
        status=204,
    ),
)
