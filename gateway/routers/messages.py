"""Anthropic Messages."""

from __future__ import annotations

from aiohttp import web

from gateway.intake import read_body
from gateway.keyring import Caller
from gateway.wire.token_count import count_body
from gateway.wiring import WIRING, Guarded


async def create(request: web.Request, caller: Caller) -> web.StreamResponse:
    """Serve one message, whole or streamed."""
    wiring = request.app[WIRING]
    return await wiring.pipeline.serve(request, caller, wiring.codecs["messages"])


async def count_tokens(request: web.Request, _caller: Caller) -> web.Response:
    """Return an upper bound of a message's input tokens; nothing is sent to a vendor."""
    codec = request.app[WIRING].codecs["messages"]
    body = count_body(codec.parse_request(await read_body(request)))
    return web.Response(body=body, content_type="application/json")


ROUTES = (
    Guarded(
        method="POST",
        path="/v1/messages/count_tokens",
        handler=count_tokens,
        scope="inference",
        summary="An upper bound of a message's input tokens, counted here.",
    ),
    Guarded(
        method="POST",
        path="/v1/messages",
        handler=create,
        scope="inference",
        summary="Anthropic Messages, routed by the same policy.",
    ),
)
