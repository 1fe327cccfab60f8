"""OpenAI Responses."""

from __future__ import annotations

from aiohttp import web

from gateway.keyring import Caller
from gateway.wiring import WIRING, Guarded


async def create(request: web.Request, caller: Caller) -> web.StreamResponse:
    """Serve one response, whole or streamed; nothing of it is stored."""
    wiring = request.app[WIRING]
    return await wiring.pipeline.serve(request, caller, wiring.codecs["responses"])


ROUTES = tuple(
    Guarded(
        method="POST",
        path=path,
        handler=create,
        scope="inference",
        summary="OpenAI Responses without stored state, routed by the same policy.",
    )
    for path in ("/v1/responses", "/responses")
)
