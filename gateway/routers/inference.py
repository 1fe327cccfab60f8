"""What clients come for: one handler behind every inference endpoint, one line here for each."""

from __future__ import annotations

from collections.abc import Awaitable, Iterator

from aiohttp import web

from gateway.intake import read_body
from gateway.keyring import Caller
from gateway.routers.inference_shapes import (
    ChatCompletion,
    ChatCompletionBody,
    CountBody,
    Counted,
    EmbeddingBody,
    Embeddings,
    Message,
    MessageBody,
    ResponseAnswer,
    ResponseBody,
)
from gateway.wire.token_count import count_body
from gateway.wiring import WIRING, Guarded, GuardedHandler
from policies.facts import Dialect

_ENDPOINTS: tuple[tuple[Dialect, tuple[str, ...], str, type, type], ...] = (
    (
        "chat",
        ("/v1/chat/completions", "/chat/completions"),
        "OpenAI Chat Completions, routed by policy.",
        ChatCompletionBody,
        ChatCompletion,
    ),
    (
        "messages",
        ("/v1/messages",),
        "Anthropic Messages, routed by the same policy.",
        MessageBody,
        Message,
    ),
    (
        "responses",
        ("/v1/responses", "/responses"),
        "OpenAI Responses without stored state, routed by the same policy.",
        ResponseBody,
        ResponseAnswer,
    ),
    (
        "embeddings",
        ("/v1/embeddings", "/embeddings"),
        "OpenAI Embeddings, served by the model that is named.",
        EmbeddingBody,
        Embeddings,
    ),
)
_WHOLE = ("application/json",)
_STREAMED = (*_WHOLE, "text/event-stream")


async def count_tokens(request: web.Request, _caller: Caller) -> web.Response:
    """Return an upper bound of a message's input tokens; nothing is sent to a vendor."""
    codec = request.app[WIRING].codecs["messages"]
    body = count_body(codec.parse_request(await read_body(request)))
    return web.Response(body=body, content_type="application/json")


def _serving(dialect: Dialect) -> GuardedHandler:
    def create(request: web.Request, caller: Caller) -> Awaitable[web.StreamResponse]:
        wiring = request.app[WIRING]
        return wiring.pipeline.serve(request, caller, wiring.codecs[dialect])

    return create


def _routes() -> Iterator[Guarded]:
    for dialect, paths, summary, body, answer in _ENDPOINTS:
        for path in paths:
            yield Guarded(
                method="POST",
                path=path,
                handler=_serving(dialect),
                scope="inference",
                summary=summary,
                body=body,
                answer=answer,
                media=_WHOLE if dialect == "embeddings" else _STREAMED,
            )


ROUTES = (
    *_routes(),
    Guarded(
        method="POST",
        path="/v1/messages/count_tokens",
        handler=count_tokens,
        scope="inference",
        summary="An upper bound of a message's input tokens, counted here.",
        body=CountBody,
        answer=Counted,
    ),
)
