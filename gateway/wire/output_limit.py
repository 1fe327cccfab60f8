"""A limit on the answer that the client did not set, put where the client would have set it. Pure."""

from __future__ import annotations

from msgspec.structs import replace

from gateway.exchange import ChatRequest
from gateway.wire.chat_upstream.vendors import vendor_of
from gateway.wire.splice import members_of


def with_output_limit(request: ChatRequest, tokens: int, provider: str) -> ChatRequest:
    """Return the request as if its client had asked for at most `tokens` in each answer.

    Every bridge keeps a client's own limit, so this one mechanism reaches every upstream.
    """
    raw = members_of(request).splice(replace={_limit_name(request, provider): b"%d" % tokens})
    return replace(request, raw=raw, max_output_tokens=tokens, members=None, beginning=None)


def _limit_name(request: ChatRequest, provider: str) -> str:
    if request.dialect == "responses":
        return "max_output_tokens"
    is_renamed = request.dialect == "chat" and vendor_of(provider).limit_is_max_completion_tokens
    return "max_completion_tokens" if is_renamed else "max_tokens"
