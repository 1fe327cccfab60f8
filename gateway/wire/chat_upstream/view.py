"""The view of a translated request that the bridges of chat clients work by."""

from __future__ import annotations

from gateway.exchange import ChatRequest


def as_chat(request: ChatRequest, raw: bytes = b"{}") -> ChatRequest:
    """Return another dialect's request as a chat client's; `raw` is its translation, if one is to be sent."""
    return ChatRequest(
        dialect="chat",
        raw=raw,
        model=request.model,
        stream=request.stream,
        max_output_tokens=request.max_output_tokens,
    )
