from __future__ import annotations

import json
from typing import Any

import pytest
from anthropic_samples import (
    STOP,
    bridge,
    chat,
    grew,
    messages,
    opened,
    opened_call,
    shut,
    sse,
    start,
    stopped,
)

from gateway.wire.base import Relay
from gateway.wire.messages_to_messages import MessagesToMessages
from gateway.wire.sse import blocks, events

WORDS = ("a", "", '"q"', "\\", "é\u2028", "😀", "line\n", '","', "data: {", "x" * 400) * 12
GROWN = [
    start(),
    opened(0, "thinking", thinking="", signature=""),
    *(grew(0, "thinking", word) for word in WORDS),
    grew(0, "signature", "sig"),
    shut(0),
    opened(1, "text", text=""),
    *(grew(1, "text", word) for word in WORDS),
    shut(1),
    opened_call(2, "toolu_1"),
    *(grew(2, "input_json", piece) for piece in ('{"a', '":"', *("b" * 30), '"}')),
    shut(2),
    stopped("tool_use"),
    STOP,
]
GOOD = grew(0, "text", "good")


def relays(form: str) -> Relay:
    """Return a fresh relay of Anthropic's stream to a chat client or to its own."""
    return bridge().relay(chat(stream=True)) if form == "chat" else MessagesToMessages().relay(messages())


def documents(stream: bytes) -> list[dict[str, Any]]:
    """Decode a stream's events, the end mark left out."""
    return [json.loads(event.data) for event in events(stream) if event.data != b"[DONE]"]


@pytest.mark.parametrize("form", ["chat", "messages"])
def test_burst_equals_one_by_one(form: str) -> None:
    """Like deltas in a row come out as if each had been read alone, and count the same."""
    burst, paced = relays(form), relays(form)
    stream = sse(*GROWN)
    singly = b"".join(paced.feed(raw) for raw in blocks(stream))
    assert documents(burst.feed(stream)) == documents(singly)
    assert burst.finish(None) == paced.finish(None)
    assert burst.delivered_tokens == paced.delivered_tokens > 0
    assert (burst.usage, burst.fault) == (paced.usage, None)


@pytest.mark.parametrize("form", ["chat", "messages"])
@pytest.mark.parametrize("broken", ["\\x", "\\", 'a","text":"b\\ud83d', "tab\there"])
def test_broken_text_in_a_run(form: str, broken: str) -> None:
    """A delta that is no JSON is a fault wherever it stands; what came before it is sent."""
    good = sse(*[GOOD] * 60)
    bad = sse(GOOD).replace(b"good", broken.encode())
    relay, plain = relays(form), relays(form)
    before = sse(start(), opened(0, "text", text="")) + good
    assert documents(relay.feed(before + bad + good)) == documents(plain.feed(before))
    assert relay.fault is not None
    assert relay.fault.kind == "garbled"


def test_hidden_fields_are_read() -> None:
    """A text that is more than one string is read properly, not carried over as it is."""
    odd = sse(GOOD).replace(b"good", b'odd","more":"b')
    stream = sse(start(), opened(0, "text", text="")) + sse(*[GOOD] * 40) + odd + sse(GOOD)
    texts = [
        document["choices"][0]["delta"].get("content") for document in documents(relays("chat").feed(stream))
    ]
    assert texts[1:] == ["good"] * 40 + ["odd", "good"]
