"""OpenAI Chat Completions."""

from __future__ import annotations

from aiohttp import web

from gateway.keyring import Caller
from gateway.wiring import WIRING, Guarded


async def create(request: web.Request, caller: Caller) -> web.StreamResponse:
    """Serve one chat completion, whole or streamed."""
    wiring = request.app[WIRING]
    return await wiring.pipeline.serve(request, caller, wiring.codecs["chat"])


ROUTES = tuple(
    Guarded(
        method="POST",
        path=path,
        handler=create,
        scope="inference",
        summary="OpenAI Chat Completions, routed by policy.",
    )
    for path in ("/v1/chat/completions", "/chat/completions")
)
