"""Decision records: why a request went where it went."""

from __future__ import annotations

import msgspec
from aiohttp import web

from gateway.decision_log import read_record
from gateway.errors import NotFound
from gateway.explain import explain
from gateway.keyring import Caller
from gateway.wiring import WIRING, Guarded


async def get_decision(request: web.Request, caller: Caller) -> web.Response:
    """Return one decision with its explanation; another team's does not exist for the caller."""
    wiring = request.app[WIRING]
    principal = caller.principal
    team = principal.seen_team
    name = request.match_info["id"]
    row = wiring.pipeline.refused.find(name, team)
    if row is None:
        await wiring.books.flush()
        row = await wiring.decisions.decision(name, team)
    if row is None:
        raise NotFound("no decision of yours has this id; ids come in x-gateway-decision-id")
    record = read_record(row)
    body = {
        "explanation": explain(
            record.decision,
            fell_below_floor=record.fell_below_floor,
            failed_check=record.failed_check,
            policy=wiring.policies.known(record.team, record.snapshot.rights.packs),
            declared=record.features.declared,
        ),
        "record": record,
    }
    return web.Response(body=msgspec.json.encode(body), content_type="application/json")


ROUTES = (
    Guarded(
        method="GET",
        path="/v1/decisions/{id}",
        handler=get_decision,
        scope="inference",
        summary="Why a request went where it went: triggers, spans, candidates, prices.",
    ),
)
