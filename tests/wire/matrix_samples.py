"""Values the tests of the bridges to chat upstreams share, and the official clients fed from bytes."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import anthropic
import httpx
import httpx2
import openai

from gateway.exchange import ChatRequest, Target
from gateway.wire import Bridges
from gateway.wire.base import Relay
from gateway.wire.openai_responses.codec import OpenAIResponses

NOW = 1_767_225_600
GLM = Target(deployment="glm", provider="zai", model="glm-4.5", dialect="chat", max_output_tokens=98_304)
GPT = Target(deployment="gpt", provider="openai", model="gpt-x", dialect="chat", max_output_tokens=16_384)
RECEIPT = {"cost_nano": 5}
BRIDGES = Bridges(lambda: NOW + 0.9)
DONE = b"data: [DONE]\n\n"
USAGE = {"prompt_tokens": 30, "completion_tokens": 9, "prompt_tokens_details": {"cached_tokens": 20}}


def responses(**fields: object) -> ChatRequest:
    """Return a Responses client's request; one user's message unless told otherwise."""
    return OpenAIResponses().parse_request(
        json.dumps({"model": "gpt-x", "input": "hello", **fields}).encode()
    )


def chunk(delta: dict[str, Any], finish: str | None = None, **fields: object) -> bytes:
    """Return one chat chunk as a vendor sends it."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    body = {"id": "chatcmpl-7", "model": "glm-4.5", "choices": [choice], **fields}
    return b"data: %b\n\n" % json.dumps(body, separators=(",", ":")).encode()


def called(index: int, arguments: str, call_id: str | None = None, name: str = "f") -> bytes:
    """Return a chunk of a tool call; one with an id begins it."""
    function = {"arguments": arguments} | ({"name": name} if call_id else {})
    return chunk(
        {"tool_calls": [{"index": index, "function": function} | ({"id": call_id} if call_id else {})]}
    )


def answered(message: dict[str, Any], finish: str = "stop", **fields: object) -> bytes:
    """Return a complete chat answer."""
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    return json.dumps(
        {"id": "chatcmpl-7", "model": "glm-4.5", "choices": [choice], "usage": USAGE, **fields}
    ).encode()


def carried(relay: Relay, stream: bytes, cuts: list[int] | None = None) -> bytes:
    """Return all a client gets of a stream, cut where told, that went well."""
    edges = [0, *sorted(cut % (len(stream) + 1) for cut in cuts or ()), len(stream)]
    sent = b"".join([relay.feed(stream[a:b]) for a, b in pairwise(edges)])
    relay.close()
    assert relay.fault is None
    return sent + relay.finish(RECEIPT)


def events(sent: bytes) -> list[dict[str, Any]]:
    """Return the JSON of each event, whose name must be its type."""
    found = []
    for raw in sent.split(b"\n\n"):
        if raw and not raw.startswith(b":"):
            name, _, data = raw.partition(b"\ndata: ")
            found.append(json.loads(data))
            assert b"\n" not in data
            assert name == b"event: " + found[-1]["type"].encode()
    return found


def anthropic_client(body: bytes) -> anthropic.Anthropic:
    """Return the official client of a server that answers with `body`."""
    kind = "text/event-stream" if body.startswith(b"event:") else "application/json"
    transport = httpx2.MockTransport(
        lambda _: httpx2.Response(200, content=body, headers={"content-type": kind})
    )
    return anthropic.Anthropic(api_key="x", http_client=httpx2.Client(transport=transport), max_retries=0)


def openai_client(body: bytes) -> openai.OpenAI:
    """Return the official client of a server that answers with `body`."""
    kind = "text/event-stream" if body.startswith(b"event:") else "application/json"
    transport = httpx.MockTransport(
        lambda _: httpx.Response(200, content=body, headers={"content-type": kind})
    )
    return openai.OpenAI(api_key="x", http_client=httpx.Client(transport=transport), max_retries=0)
