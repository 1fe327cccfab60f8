"""Gives every request its id and makes sure every answer carries it."""

from __future__ import annotations

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from gateway.clock import Clock, new_id
from gateway.scope import SCOPE, SERVER_NAME, RequestScope


async def sign(_request: web.Request, response: web.StreamResponse) -> None:
    """Put our name where the library would put its own and its versions."""
    response.headers["server"] = SERVER_NAME


def request_scope(clock: Clock) -> Middleware:
    """Return the outermost middleware."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        now = clock.now()
        scope = RequestScope(new_id("req", now), now, clock.monotonic())
        request[SCOPE] = scope
        response = await handler(request)
        if not response.prepared:
            response.headers.setdefault("x-request-id", scope.request_id)
        return response

    return middleware
