from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.exchange import ChatRequest
from gateway.wire.base import Relay
from gateway.wire.chat_to_chat import ChatToChat
from gateway.wire.openai_chat import OpenAIChat
from gateway.wire.sse import events
from policies.pricing import Usage

DONE = b"data: [DONE]\n\n"
USAGE = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
HEAD = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
ZAI_HEAD = {"id": "2025", "created": 1, "model": "glm-4.5"}


def asked(*, usage: bool = False, n: int = 1) -> ChatRequest:
    """Make the request of a streaming client."""
    body = {"model": "auto", "messages": [{"role": "user"}], "stream": True, "n": n}
    return OpenAIChat().parse_request(
        json.dumps({**body, "stream_options": {"include_usage": usage}}).encode()
    )


def event(document: object) -> bytes:
    """Encode one event as vendors do."""
    return b"data: %b\n\n" % json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


def chunk(delta: object, finish: str | None = None, **fields: object) -> bytes:
    """Make an OpenAI chunk."""
    return event({**HEAD, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **fields})


def raw(delta: object, **choice: object) -> bytes:
    """Make a chunk as Z.ai sends it."""
    return event({**ZAI_HEAD, "choices": [{"index": 0, "delta": {"role": "assistant", **delta}, **choice}]})  # type: ignore[dict-item]


def raw_call(arguments: str, **fields: str) -> bytes:
    """Make a tool call's chunk as Z.ai sends it, without a usable index."""
    return raw({"tool_calls": [{**fields, "index": -1, "function": {"arguments": arguments}}]})


ROLE = chunk({"role": "assistant", "content": ""})
TEXTS = [
    chunk({"content": text})
    for text in ("Hi", " \u2028é", ' "x"', "\n", "a\\", ": [DONE]", "", '{"usage":{}}')
]
STOP = chunk({}, "stop")
TALLY = event({**HEAD, "choices": [], "usage": USAGE})
OVERLOADED = event({"error": {"message": "x", "type": "overloaded_error"}})
LIMITED = b'event: error\ndata: {"code":429,"message":"x"}\n\n'
PLAIN = b"".join((ROLE, *TEXTS, STOP))
ZAI_STREAM = b"".join(
    (
        *(raw({"reasoning_content": f"r{i}"}) for i in range(40)),
        *(raw({"content": text}) for text in ("a", 'b"c', "\\", "é", "d" * 300) * 9),
        raw_call("", id="t1"),
        *(raw_call(text) for text in ('{"a', '":', "1}")),
        raw_call("{}", id="t2"),
        raw({"content": ""}, finish_reason="tool_calls"),
        event({**ZAI_HEAD, "choices": [{"index": 0, "finish_reason": "stop", "delta": {}}], "usage": USAGE}),
        DONE,
    )
)


def relay_all(relay: Relay, stream: bytes, cuts: list[int] | None = None) -> bytes:
    """Feed a stream cut at the given places and close it; return what goes to the client before the end."""
    edges = [0, *sorted(cut % len(stream) for cut in cuts or ()), len(stream)]
    out = b"".join(relay.feed(stream[a:b]) for a, b in pairwise(edges))
    relay.close()
    return out


def documents(stream: bytes) -> list[dict[str, object]]:
    """Decode a stream's chunks, the end mark left out."""
    return [json.loads(item.data) for item in events(stream) if item.data != b"[DONE]"]


@given(st.lists(st.integers(min_value=0), max_size=40))
@settings(deadline=None)
def test_same_bytes_any_chunking(cuts: list[int]) -> None:
    """An orderly stream passes as the bytes it came in, its ending kept back."""
    relay = ChatToChat("openai").relay(asked())
    assert relay_all(relay, PLAIN + TALLY + DONE, cuts) == PLAIN
    assert relay.finish(None) == DONE
    assert (relay.fault, relay.has_output) == (None, True)
    assert relay.usage == Usage(input_tokens=9, output_tokens=3)


@given(st.lists(st.integers(min_value=0), max_size=40))
@settings(deadline=None, max_examples=50)
def test_repairs_same_any_chunking(cuts: list[int]) -> None:
    """Repaired chunks do not depend on how the stream was cut."""
    whole, cut = (ChatToChat("zai").relay(asked(usage=True)) for _ in range(2))
    assert relay_all(cut, ZAI_STREAM, cuts) == relay_all(whole, ZAI_STREAM)
    assert cut.finish(None) == whole.finish(None)
    assert cut.delivered_tokens == whole.delivered_tokens


@pytest.mark.parametrize("provider", ["openai", "zai"])
def test_burst_equals_one_by_one(provider: str) -> None:
    """Runs of like chunks come out as if each had been read alone."""
    stream = ZAI_STREAM if provider == "zai" else PLAIN + TALLY + DONE
    burst, paced = (ChatToChat(provider).relay(asked()) for _ in range(2))
    one_by_one = b"".join(paced.feed(item.raw) for item in events(stream))
    assert burst.feed(stream) == one_by_one
    assert burst.delivered_tokens == paced.delivered_tokens


def test_crlf_and_comments() -> None:
    """Other line ends are read, keep-alive comments pass, the end mark is found."""
    stream = (b": ping\n\n" + PLAIN + TALLY + DONE).replace(b"\n\n", b"\r\n\r\n")
    relay = ChatToChat("openai").relay(asked())
    assert documents(relay_all(relay, stream)) == documents(PLAIN)
    assert (relay.fault, relay.finish(None)) == (None, DONE)


def test_usage_chunk_with_receipt() -> None:
    """A client that asked gets one usage chunk, with what the answer cost."""
    relay = ChatToChat("openai").relay(asked(usage=True))
    assert relay_all(relay, PLAIN + TALLY + DONE) == PLAIN
    ending = relay.finish({"cost_usd": "0.01", "tier": "base"})
    assert documents(ending) == [
        {**HEAD, "choices": [], "usage": USAGE, "gateway": {"cost_usd": "0.01", "tier": "base"}}
    ]
    assert ending.endswith(DONE)


@pytest.mark.parametrize("usage", [True, False])
def test_usage_on_every_chunk(usage: bool) -> None:  # noqa: FBT001 - a table's column
    """The newest count wins, and it is shown once at most."""
    counted = [
        chunk({"content": str(i)}, "stop" if i == 3 else None, usage={**USAGE, "completion_tokens": i})
        for i in (1, 2, 3)
    ]
    relay = ChatToChat("vllm").relay(asked(usage=usage))
    shown = documents(relay_all(relay, b"".join(counted) + DONE))
    assert [document.get("usage") for document in shown] == [None] * 3
    assert relay.usage == Usage(input_tokens=9, output_tokens=3)
    ending = [(item["choices"], item["usage"]) for item in documents(relay.finish(None))]
    assert ending == ([([], {**USAGE, "completion_tokens": 3})] if usage else [])


def test_null_usage_passes() -> None:
    """OpenAI's null usage on every chunk is no usage and no reason to touch it."""
    texts = b"".join(chunk({"content": f"t{i}"}, usage=None) for i in range(30))
    relay = ChatToChat("openai").relay(asked(usage=True))
    assert relay.feed(texts) == texts
    assert relay.usage is None


@pytest.mark.parametrize(
    ("delta", "output"),
    [
        ({"role": "assistant", "content": ""}, False),
        ({"role": "assistant", "content": None, "tool_calls": []}, False),
        ({"content": "x"}, True),
        ({"reasoning_content": "x"}, True),
        ({"refusal": "no"}, True),
        ({"tool_calls": [{"index": 0, "id": "t"}]}, True),
        ({"function_call": {"name": "f"}}, True),
    ],
)
def test_first_output(delta: dict[str, object], output: bool) -> None:  # noqa: FBT001 - a table's column
    """A role alone commits to nothing."""
    relay = ChatToChat("openai").relay(asked())
    assert relay.feed(chunk(delta)) == chunk(delta)
    assert relay.has_output is output


@pytest.mark.parametrize(
    ("stream", "kind", "sent"),
    [
        (ROLE, "cut_off", ROLE),
        (ROLE + TEXTS[0] + TEXTS[1][:30], "cut_off", ROLE + TEXTS[0]),
        (b"", "cut_off", b""),
        (ROLE + OVERLOADED + TEXTS[0], "overloaded", ROLE),
        (ROLE + TEXTS[0] + LIMITED, "rate_limited", ROLE + TEXTS[0]),
        (TEXTS[0] + b"data: oops\n\n" + DONE, "garbled", TEXTS[0]),
        (TEXTS[0] * 30 + b'data: {"choices":[{"del\n\n' + TEXTS[0], "garbled", TEXTS[0] * 30),
        (b'{"error":{"message":"x","code":"rate_limit_exceeded"}}', "rate_limited", b""),
        (b'{\n\n"error":{}}\n\n', "garbled", b""),
        (b"<html><body>busy</body></html>", "garbled", b""),
        (event({"code": 500, "msg": "404 NOT_FOUND", "success": False}), "server_error", b""),
        (b"data: " + b"x" * (9 << 20), "garbled", b""),
    ],
)
def test_streams_gone_wrong(stream: bytes, kind: str, sent: bytes) -> None:
    """No failure ends as a clean stream, and what came before it is not lost."""
    relay = ChatToChat("openai").relay(asked())
    assert relay_all(relay, stream) == sent
    assert relay.fault is not None
    assert relay.fault.kind == kind
    assert (relay.feed(TEXTS[0]), relay.finish(None)) == (b"", b"")


@pytest.mark.parametrize(
    "ending", [b"", b"\n", b"data: [DONE]", b"data: [DONE]\n", DONE + b"data: junk\n\n", b"data: \n\n"]
)
def test_sloppy_endings(ending: bytes) -> None:
    """A finish without its end mark, or with something after it, is complete."""
    relay = ChatToChat("openai").relay(asked())
    assert relay_all(relay, PLAIN + ending) == PLAIN
    assert (relay.fault, relay.finish(None)) == (None, DONE)


def test_last_event_without_blank_line() -> None:
    """A whole last event that lacks its blank line still reaches the client."""
    relay = ChatToChat("openai").relay(asked())
    assert relay_all(relay, ROLE + TEXTS[0] + STOP[:-2]) == ROLE + TEXTS[0]
    assert (relay.fault, relay.finish(None)) == (None, STOP + DONE)


def test_every_choice_must_finish() -> None:
    """Two answers asked for and one finished is a cut."""
    relay = ChatToChat("openai").relay(asked(n=2))
    relay_all(relay, PLAIN)
    assert relay.fault is not None


def test_parallel_tools_keep_apart() -> None:
    """Interleaved calls pass byte for byte, with usage on every chunk or without."""
    parts = [(0, '{"a":'), (1, '{"b":'), (2, '{"c":'), (1, "2}"), (0, "1}"), (2, "3}")]
    calls = [chunk({"tool_calls": [{"index": i, "function": {"arguments": text}}]}) for i, text in parts]
    relay = ChatToChat("openai").relay(asked())
    assert relay_all(relay, ROLE + b"".join(calls) + STOP + DONE) == ROLE + b"".join(calls) + STOP


def test_zai_chunks_become_openai_chunks() -> None:
    """Fields are filled in, the role comes once, a stream finishes once, usage comes apart."""
    relay = ChatToChat("zai").relay(asked(usage=True))
    shown = documents(relay_all(relay, ZAI_STREAM))
    choices = [document["choices"][0] for document in shown]  # type: ignore[index]
    assert {(document["object"], document["id"]) for document in shown} == {("chat.completion.chunk", "2025")}
    assert ["role" in choice["delta"] for choice in choices] == [True] + [False] * (len(choices) - 1)
    assert [choice["finish_reason"] for choice in choices][-2:] == [None, "tool_calls"]
    assert all("finish_reason" in choice for choice in choices)
    assert [item["choices"] for item in documents(relay.finish(None))] == [[]]


def test_zai_texts_survive() -> None:
    """Every text reaches the client once and in order."""
    came, shown = documents(ZAI_STREAM), documents(relay_all(ChatToChat("zai").relay(asked()), ZAI_STREAM))

    def texts(chunks: list[dict[str, object]]) -> str:
        deltas = [choice["delta"] for item in chunks for choice in item["choices"]]  # type: ignore[attr-defined]
        return "".join(delta.get("reasoning_content", "") + delta.get("content", "") for delta in deltas)

    assert texts(shown) == texts(came)


def test_zai_tool_calls_numbered() -> None:
    """Calls numbered -1 get their own index, arguments staying with their call."""
    shown = documents(relay_all(ChatToChat("zai").relay(asked()), ZAI_STREAM))
    arguments: dict[int, str] = {}
    for document in shown:
        for call in document["choices"][0]["delta"].get("tool_calls", ()):  # type: ignore[index]
            arguments[call["index"]] = arguments.get(call["index"], "") + call["function"]["arguments"]
    assert arguments == {0: '{"a":1}', 1: "{}"}


def test_zai_failed_finish() -> None:
    """Z.ai's network error is a failure, however politely it ends."""
    relay = ChatToChat("zai").relay(asked())
    relay_all(relay, raw({"content": "a"}) + raw({}, finish_reason="network_error") + DONE)
    assert relay.fault is not None
    assert relay.fault.kind == "server_error"


def test_delivered_tokens_lower_bound() -> None:
    """Chunks count one token each, long texts more, nothing before the first output."""
    relay = ChatToChat("openai").relay(asked())
    relay.feed(ROLE)
    assert relay.delivered_tokens == 0
    relay.feed(TEXTS[0] * 50)
    assert relay.delivered_tokens == 50
    relay.feed(chunk({"content": "word " * 400}))
    assert 200 < relay.delivered_tokens < 400
