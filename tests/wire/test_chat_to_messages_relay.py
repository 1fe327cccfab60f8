from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from anthropic_samples import (
    NOW,
    PING,
    STOP,
    bridge,
    chat,
    chunks,
    deltas,
    grew,
    opened,
    opened_call,
    shut,
    sse,
    start,
    stopped,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.chat import ChatCompletionChunk

from gateway.wire.chat_to_messages.json_answer import HELPER
from gateway.wire.chat_to_messages.relay import ChatRelay

STREAMS = sorted((Path(__file__).parents[1] / "corpus/messages_streams").glob("*.sse"))
WITH_USAGE = {"stream": True, "stream_options": {"include_usage": True}}
JSON = {"response_format": {"type": "json_object"}}


def relay(**asked: object) -> ChatRelay:
    """Return a fresh relay."""
    return bridge().relay(chat(**asked))


def sent(*events: dict[str, Any], **asked: object) -> bytes:
    """Return all a client gets of a stream that went well."""
    one = relay(**asked)
    body = one.feed(sse(start(), *events, STOP))
    one.close()
    assert one.fault is None
    return body + one.finish(None)


def called(stream: bytes) -> list[tuple[str, str, str]]:
    """Return (id, name, arguments) of each call, put together as clients do."""
    calls: dict[int, list[str]] = {}
    for delta in deltas(stream):
        for part in delta.get("tool_calls", []):
            call = calls.setdefault(part["index"], [part.get("id", ""), part["function"].get("name", ""), ""])
            call[2] += part["function"]["arguments"]
    return [(call[0], call[1], call[2]) for _, call in sorted(calls.items())]


def test_whole_stream() -> None:
    """A stream is the role, the text, one finish and `[DONE]`, each chunk in OpenAI's shape."""
    body = sent(
        opened(0, "text", text=""), grew(0, "text", "Hé"), PING, grew(0, "text", "y"), shut(0), stopped()
    )

    assert deltas(body) == [{"role": "assistant", "content": ""}, {"content": "Hé"}, {"content": "y"}, {}]
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks(body)] == [None, None, None, "stop"]
    assert body.endswith(b"data: [DONE]\n\n")
    for chunk in chunks(body):
        assert ChatCompletionChunk.model_validate(chunk).created == NOW
        assert (chunk["id"], chunk["model"]) == ("chatcmpl-msg_1", "claude-opus-4-1")
        assert "usage" not in chunk


@pytest.mark.parametrize(
    ("stop", "finish"),
    [
        ("end_turn", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("refusal", "content_filter"),
        ("pause_turn", "stop"),
        (None, "stop"),
    ],
)
def test_finish_reasons(stop: str | None, finish: str) -> None:
    """Stop reasons, refusals among them, end a stream as they end a complete answer."""
    body = sent(opened(0, "text", text="x"), stopped(stop))

    assert chunks(body)[-1]["choices"][0]["finish_reason"] == finish


def test_usage_and_receipt_come_last() -> None:
    """Usage and the gateway's receipt stand in one chunk without choices, held until `finish`."""
    one = relay(**WITH_USAGE)

    fed = one.feed(sse(start(cache_read_input_tokens=90), stopped(), STOP))
    last = one.finish({"cost_nano": 5, "model": "opus"})

    assert all(chunk["usage"] is None for chunk in chunks(fed))
    (chunk,) = chunks(last)
    assert ChatCompletionChunk.model_validate(chunk).choices == []
    assert chunk["usage"]["prompt_tokens"] == 100
    assert chunk["usage"]["prompt_tokens_details"]["cached_tokens"] == 90
    assert chunk["gateway"] == {"cost_nano": 5, "model": "opus"}
    assert last.endswith(b"data: [DONE]\n\n")


def test_usage_stays_hidden_unasked() -> None:
    """A client that did not ask sees no usage and no receipt."""
    one = relay(stream=True)
    one.feed(sse(start(), stopped(), STOP))

    assert one.finish({"cost_nano": 5}) == b"data: [DONE]\n\n"
    assert one.usage is not None


def test_three_interleaved_calls_are_byte_equal() -> None:
    """Calls growing in turns, usage on every chunk, keep their own arguments byte for byte."""
    inputs = ['{"path": "a\\u00e9.py",  "n":1}', '{"q":"x y"}', '{"list":[1,{"b":null}]}']
    events = [opened_call(i + 1, f"toolu_{i}", f"f{i}") for i in range(3)]
    pieces = [(i, text[at : at + 5]) for at in range(0, 40, 5) for i, text in enumerate(inputs)]
    for i, piece in pieces:
        events += [grew(i + 1, "input_json", piece), stopped(None)]
    events += [shut(3), shut(1), shut(2), stopped("tool_use"), stopped("tool_use")]

    body = sent(*events)

    assert called(body) == [(f"toolu_{i}", f"f{i}", text) for i, text in enumerate(inputs)]
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks(body)].count("tool_calls") == 1


@pytest.mark.parametrize(
    ("given_at_start", "fragments", "expected"),
    [({}, [""], "{}"), ({}, [], "{}"), ({"a": 1}, [], '{"a":1}'), ({}, ["", '{"a"', ":2}"], '{"a":2}')],
)
def test_arguments_are_never_empty(
    given_at_start: dict[str, int], fragments: list[str], expected: str
) -> None:
    """A call without arguments has `{}`, also from vendors that send the input in one piece."""
    begin = opened(0, "tool_use", id="t", name="f", input=given_at_start)

    body = sent(begin, *(grew(0, "input_json", one) for one in fragments), shut(0), stopped("tool_use"))

    assert called(body) == [("t", "f", expected)]


def test_thinking_is_streamed_and_handed_over() -> None:
    """Reasoning streams as it comes; signed and sealed blocks follow at the end, whole."""
    body = sent(
        opened(0, "thinking", thinking="", signature=""),
        grew(0, "thinking", "h"),
        grew(0, "thinking", "m"),
        grew(0, "signature", "Eq"),
        grew(0, "signature", "AB"),
        shut(0),
        opened(1, "redacted_thinking", data="Ezz"),
        opened(2, "text", text="so"),
        stopped(),
    )

    assert deltas(body)[1:] == [
        {"reasoning_content": "h"},
        {"reasoning_content": "m"},
        {"content": "so"},
        {
            "thinking_blocks": [
                {"type": "thinking", "thinking": "hm", "signature": "EqAB"},
                {"type": "redacted_thinking", "data": "Ezz"},
            ]
        },
        {},
    ]


def test_unsigned_thinking_is_not_handed_over() -> None:
    """Reasoning without a signature cannot be sent back and is shown only."""
    body = sent(opened(0, "thinking", thinking=""), grew(0, "thinking", "hm"), stopped())

    assert "thinking_blocks" not in str(deltas(body))


def test_server_tools_and_novelties_are_passed_over() -> None:
    """What a chat client has no use for leaves no trace, and no index moves."""
    body = sent(
        opened(0, "server_tool_use", id="s", name="web_search", input={}),
        grew(0, "input_json", '{"query":"x"}'),
        shut(0),
        opened(1, "web_search_tool_result", tool_use_id="s", content=[]),
        {"type": "content_block_delta", "index": 1, "delta": {"type": "citations_delta", "citation": {}}},
        {"type": "event_of_tomorrow", "delta": {"type": "x"}, "n": 1},
        opened_call(2, "t"),
        shut(2),
        stopped("tool_use", server_tool_use={"web_search_requests": 1}),
    )

    assert called(body) == [("t", "f", "{}")]
    assert not any("content" in delta for delta in deltas(body)[1:])


def test_json_helper_streams_as_content() -> None:
    """The helper's input is the content, text before it is left out, and the end is `stop`."""
    body = sent(
        opened(0, "text", text=""),
        grew(0, "text", "Here: "),
        opened_call(1, "t", HELPER),
        grew(1, "input_json", '{"a"'),
        grew(1, "input_json", ":1}"),
        shut(1),
        stopped("tool_use"),
        **JSON,
    )

    assert [delta["content"] for delta in deltas(body)[1:-1]] == ['{"a"', ":1}"]
    assert chunks(body)[-1]["choices"][0]["finish_reason"] == "stop"
    assert HELPER.encode() not in body


def test_json_answer_is_given_once() -> None:
    """A second call of the helper, or text after the first, would break the JSON and is left out."""
    helper = [opened_call(0, "t", HELPER), grew(0, "input_json", '{"a":1}'), shut(0)]
    again = [opened_call(2, "u", HELPER), grew(2, "input_json", '{"a":2}'), shut(2)]

    body = sent(
        *helper, opened(1, "text", text=""), grew(1, "text", "Done."), *again, stopped("tool_use"), **JSON
    )

    assert [delta["content"] for delta in deltas(body)[1:-1]] == ['{"a":1}']


@pytest.mark.parametrize(
    ("after", "finish"),
    [([stopped()], "stop"), ([opened_call(1, "t"), shut(1), stopped("tool_use")], "tool_calls")],
)
def test_json_answer_without_the_helper(after: list[dict[str, Any]], finish: str) -> None:
    """Withheld text is sent once it is clear that it is the answer, or stands before a client's call."""
    body = sent(opened(0, "text", text=""), grew(0, "text", '{"a"'), grew(0, "text", ":1}"), *after, **JSON)

    assert deltas(body)[1] == {"content": '{"a":1}'}
    assert chunks(body)[-1]["choices"][0]["finish_reason"] == finish


def test_legacy_call_streams() -> None:
    """A client that declares `functions` gets `function_call` deltas."""
    body = sent(
        opened_call(0, "t"), grew(0, "input_json", "{}"), stopped("tool_use"), functions=[{"name": "f"}]
    )

    assert deltas(body)[1:3] == [
        {"function_call": {"name": "f", "arguments": ""}},
        {"function_call": {"arguments": "{}"}},
    ]
    assert chunks(body)[-1]["choices"][0]["finish_reason"] == "function_call"


@pytest.mark.parametrize("path", STREAMS, ids=lambda path: path.stem)
@settings(max_examples=30, deadline=None)
@given(cuts=st.lists(st.integers(min_value=0), max_size=12))
def test_chunking_does_not_matter(path: Path, cuts: list[int]) -> None:
    """A stream of the corpus gives the same bytes however it is cut."""
    stream = path.read_bytes()
    whole, pieces = relay(**WITH_USAGE), relay(**WITH_USAGE)
    edges = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]

    expected = whole.feed(stream) + whole.finish({"a": 1})
    found = b"".join(pieces.feed(stream[a:b]) for a, b in pairwise(edges)) + pieces.finish({"a": 1})

    assert found == expected
    assert pieces.usage == whole.usage
    assert found.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize("path", STREAMS, ids=lambda path: path.stem)
def test_stream_and_answer_agree(path: Path) -> None:
    """A stream says the same as the complete answer made of it."""
    stream = path.read_bytes()
    one = relay(**WITH_USAGE)
    body = one.feed(stream)
    answer = json.loads(path.with_suffix(".json").read_bytes())

    complete = json.loads(bridge().answer(chat(), json.dumps(answer).encode()).body)

    message, said = complete["choices"][0]["message"], deltas(body)
    assert "".join(delta.get("content") or "" for delta in said) == (message["content"] or "")
    thought = "".join(delta.get("reasoning_content", "") for delta in said)
    assert thought == message.get("reasoning_content", "")
    made = [(one["id"], one["function"]["name"]) for one in message.get("tool_calls", [])]
    assert [(i, name) for i, name, _ in called(body)] == made
    assert chunks(one.finish(None))[0]["usage"] == complete["usage"]
