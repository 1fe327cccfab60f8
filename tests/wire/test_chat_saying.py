from __future__ import annotations

import json
import re
from typing import Any

import pytest

from gateway.wire import Bridges, build_codecs
from gateway.wire.base import Relay
from gateway.wire.sse import DONE, blocks, events
from policies.facts import Dialect

WORDS = ("a", "", '"q"', "\\", "é\u2028", "😀", "line\n", '","', "data: {", "x" * 400) * 8
CODECS, BRIDGES = build_codecs(), Bridges(lambda: 1.0)
ASKED: dict[Dialect, dict[str, Any]] = {
    "messages": {"max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]},
    "responses": {"input": "hi"},
}


def chunk(finish: str | None = None, **delta: object) -> bytes:
    """Make a chat chunk."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: %b\n\n" % json.dumps({"id": "c1", "model": "m", "choices": [choice]}).encode()


def relay(client: Dialect) -> Relay:
    """Return a fresh relay of a chat stream to another dialect."""
    raw = json.dumps({"model": "auto", "stream": True, **ASKED[client]}).encode()
    return BRIDGES.between(client, "chat", "openai").relay(CODECS[client].parse_request(raw))


def call(arguments: str) -> bytes:
    """Make a piece of a tool's call."""
    return chunk(tool_calls=[{"index": 0, "id": "t1", "function": {"name": "f", "arguments": arguments}}])


STREAM = b"".join(
    (
        chunk(role="assistant", content=""),
        *(chunk(reasoning_content=word) for word in WORDS),
        *(chunk(content=word) for word in WORDS),
        *(chunk(refusal=word) for word in WORDS),
        call('{"a'),
        call('":1}'),
        *(chunk(content=word) for word in WORDS),
        chunk("tool_calls"),
        DONE,
    )
)


@pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r\n"])
@pytest.mark.parametrize("client", ASKED)
def test_burst_equals_one_by_one(client: Dialect, end: bytes) -> None:
    """Like chunks in a row come out as if each had been read alone."""
    burst, paced = relay(client), relay(client)
    stream = STREAM.replace(b"\n\n", end)
    sent = [burst.feed(stream), b"".join(paced.feed(raw) for raw in blocks(stream))]
    for at, one in enumerate((burst, paced)):
        one.close()
        assert one.fault is None
        sent[at] += one.finish(None)
    at_once, singly = ([(event.name, json.loads(event.data)) for event in events(whole)] for whole in sent)
    assert at_once == singly
    assert len(at_once) > 3 * len(WORDS)


@pytest.mark.parametrize("client", ASKED)
def test_every_text_is_said(client: Dialect) -> None:
    """All the words arrive, in order, each in an event of its own."""
    words = [chunk(content=word) for word in WORDS if word]
    sent = relay(client).feed(chunk(role="assistant", content="") + b"".join(words))
    kinds = re.compile(r"content_block_delta|response\.output_text\.delta")
    deltas = [json.loads(event.data)["delta"] for event in events(sent) if kinds.fullmatch(event.name)]
    assert [delta["text"] if client == "messages" else delta for delta in deltas] == list(filter(None, WORDS))
