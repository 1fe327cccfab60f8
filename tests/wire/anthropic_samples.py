"""Values the tests of the Anthropic wire share."""

from __future__ import annotations

import json
from typing import Any

from gateway.exchange import ChatRequest, Target
from gateway.wire.anthropic_messages import AnthropicMessages
from gateway.wire.chat_to_messages.bridge import ChatToMessages
from gateway.wire.openai_chat import OpenAIChat

NOW = 1_767_225_600
SIGNATURE = "EqQBCgIYAhIM1gbcDa9GJwZA2b3hGgxBdjrkzLoky3dl1pkiMOYds="
OPUS = Target(
    deployment="opus",
    provider="anthropic",
    model="claude-opus-4-1",
    dialect="messages",
    max_output_tokens=32_000,
)
USER = {"role": "user", "content": "hello"}


def bridge(provider: str = "anthropic") -> ChatToMessages:
    """Return the bridge under test, its clock standing still."""
    return ChatToMessages(lambda: NOW + 0.9, provider)


def chat(**fields: object) -> ChatRequest:
    """Return a chat client's request; one user's message unless told otherwise."""
    return OpenAIChat().parse_request(json.dumps({"model": "auto", "messages": [USER], **fields}).encode())


def messages(**fields: object) -> ChatRequest:
    """Return an Anthropic client's request; one user's message unless told otherwise."""
    body = {"model": "claude-x", "max_tokens": 100, "messages": [USER], **fields}
    return AnthropicMessages().parse_request(json.dumps(body).encode())


def translated(target: Target = OPUS, **fields: object) -> dict[str, Any]:
    """Return what a chat request looks like at Anthropic."""
    body: dict[str, Any] = json.loads(bridge().request(chat(**fields), target))
    return body


def turns(*said: dict[str, Any], **fields: object) -> list[tuple[str, list[dict[str, Any]]]]:
    """Return the turns a chat history becomes, as (role, blocks)."""
    body = translated(messages=list(said), **fields)
    return [(turn["role"], turn["content"]) for turn in body["messages"]]


def text(words: str) -> dict[str, Any]:
    """Return a text block."""
    return {"type": "text", "text": words}


def call(call_id: str, name: str = "f", arguments: str = "{}") -> dict[str, Any]:
    """Return a chat tool call."""
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def tool(name: str = "f", **function: object) -> dict[str, Any]:
    """Return a chat tool."""
    return {"type": "function", "function": {"name": name, **function}}


def sse(*events: dict[str, Any]) -> bytes:
    """Return the events as Anthropic sends them."""
    return b"".join(
        b"event: %b\ndata: %b\n\n" % (event["type"].encode(), json.dumps(event).encode()) for event in events
    )


def start(**usage: object) -> dict[str, Any]:
    """Return `message_start`."""
    message = {"id": "msg_1", "model": "claude-opus-4-1", "usage": {"input_tokens": 10, **usage}}
    return {"type": "message_start", "message": message}


def opened(index: int, kind: str, **fields: object) -> dict[str, Any]:
    """Return `content_block_start`."""
    return {"type": "content_block_start", "index": index, "content_block": {"type": kind, **fields}}


def opened_call(index: int, call_id: str, name: str = "f") -> dict[str, Any]:
    """Return the start of a tool call."""
    return opened(index, "tool_use", id=call_id, name=name, input={})


_DELTA_FIELDS = {
    "text": "text",
    "thinking": "thinking",
    "signature": "signature",
    "input_json": "partial_json",
}


def grew(index: int, kind: str, value: str) -> dict[str, Any]:
    """Return `content_block_delta` of `kind` text, thinking, signature or input_json."""
    delta = {"type": f"{kind}_delta", _DELTA_FIELDS[kind]: value}
    return {"type": "content_block_delta", "index": index, "delta": delta}


def shut(index: int) -> dict[str, Any]:
    """Return `content_block_stop`."""
    return {"type": "content_block_stop", "index": index}


def stopped(reason: str | None = "end_turn", **usage: object) -> dict[str, Any]:
    """Return `message_delta`."""
    counts = {"output_tokens": 20, **usage}
    return {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None}, "usage": counts}


STOP = {"type": "message_stop"}
PING = {"type": "ping"}


def failed(kind: str = "overloaded_error", message: str = "Overloaded") -> dict[str, Any]:
    """Return an `error` event."""
    return {"type": "error", "error": {"type": kind, "message": message}}


def chunks(sent: bytes) -> list[dict[str, Any]]:
    """Return the JSON of a chat stream's chunks, `[DONE]` left out."""
    datas = [part.removeprefix(b"data: ") for part in sent.split(b"\n\n") if part]
    return [json.loads(data) for data in datas if data != b"[DONE]"]


def deltas(sent: bytes) -> list[dict[str, Any]]:
    """Return what each chunk with a choice adds."""
    return [chunk["choices"][0]["delta"] for chunk in chunks(sent) if chunk["choices"]]
