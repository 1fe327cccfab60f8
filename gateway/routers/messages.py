"""Anthropic Messages."""

from __future__ import annotations

from aiohttp import web

from gateway.keyring import Caller
from gateway.wiring import WIRING, Guarded


async def create(request: web.Request, caller: Caller) -> web.StreamResponse:
    """Serve one message, whole or streamed."""
    wiring = request.app[WIRING]
    return await wiring.pipeline.serve(request, caller, wiring.codecs["messages"])


ROUTES = (
    Guarded(
        method="POST",
        path="/v1/messages",
        handler=create,
        scope="inference",
        summary="Anthropic Messages, routed by the same policy.",
    ),
)
