"""Probes and metrics: no key, no upstream call."""

from __future__ import annotations

import msgspec
from aiohttp import web

from gateway.wiring import WIRING, Public

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


async def liveness(_request: web.Request) -> web.Response:
    """Say that the process runs."""
    return web.json_response({"status": "alive"})


async def readiness(request: web.Request) -> web.Response:
    """Say whether requests can be served and booked; 503 when not."""
    wiring = request.app[WIRING]
    fails_open = wiring.configuration.settings.general_settings.on_state_outage == "open"
    healthy = wiring.books.healthy and (wiring.state.healthy or fails_open)
    body = {
        "status": "ready" if healthy else "unready",
        "books": "ok" if wiring.books.healthy else "rows are not reaching the database",
        "state": "ok" if wiring.state.healthy else "budgets cannot be checked",
        "policy_revision": wiring.policies.revision,
        "policy_reload_error": wiring.policies.last_error,
    }
    return web.Response(
        status=200 if healthy else 503, body=msgspec.json.encode(body), content_type="application/json"
    )


async def metrics(request: web.Request) -> web.Response:
    """Return Prometheus metrics, of all workers where there are several."""
    wiring = request.app[WIRING]
    siblings = wiring.siblings
    body = wiring.telemetry.exposition() if siblings is None else await siblings.exposition()
    return web.Response(body=body, headers={"content-type": CONTENT_TYPE})


ROUTES = (
    *(
        Public(method="GET", path=path, handler=liveness, summary="Whether the process runs.")
        for path in ("/health/liveness", "/health/liveliness", "/health")
    ),
    Public(
        method="GET",
        path="/health/readiness",
        handler=readiness,
        summary="Whether requests can be served and booked.",
        statuses=(200, 503),
    ),
    Public(
        method="GET", path="/metrics", handler=metrics, summary="Prometheus metrics.", media=("text/plain",)
    ),
)
