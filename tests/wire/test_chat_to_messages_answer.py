from __future__ import annotations

import json
from typing import Any

import pytest
from anthropic_samples import NOW, SIGNATURE, bridge, chat, text, turns
from openai.types.chat import ChatCompletion

from gateway.wire.chat_to_messages.json_answer import HELPER


def body(*content: dict[str, Any], stop: str | None = "end_turn", **fields: object) -> bytes:
    """Return a complete Messages answer."""
    message = {
        "id": "msg_01",
        "type": "message",
        "role": "assistant",
        "model": "claude-opus-4-1",
        "content": list(content),
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": {"input_tokens": 10, "output_tokens": 5},
    }
    return json.dumps(message | fields).encode()


def completion(*content: dict[str, Any], stop: str | None = "end_turn", **asked: object) -> dict[str, Any]:
    """Return the chat completion the client gets, checked against OpenAI's own model of it."""
    answer = bridge().answer(chat(**asked), body(*content, stop=stop))
    assert answer.fault is None
    ChatCompletion.model_validate_json(answer.body)
    found: dict[str, Any] = json.loads(answer.body)
    return found


def used(call_id: str, name: str = "f", **given: object) -> dict[str, Any]:
    """Return a tool_use block."""
    return {"type": "tool_use", "id": call_id, "name": name, "input": given}


def test_whole_completion() -> None:
    """An answer has OpenAI's shape to the last field."""
    assert completion(text("Hel"), text("lo")) == {
        "id": "chatcmpl-msg_01",
        "object": "chat.completion",
        "created": NOW,
        "model": "claude-opus-4-1",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hello", "refusal": None},
                "finish_reason": "stop",
                "logprobs": None,
            }
        ],
        "usage": {
            "prompt_tokens": 10,
            "completion_tokens": 5,
            "total_tokens": 15,
            "prompt_tokens_details": {
                "cached_tokens": 0,
                "cache_write_tokens": 0,
                "cache_creation_tokens": 0,
            },
            "completion_tokens_details": {"reasoning_tokens": 0},
        },
    }


def test_parallel_calls() -> None:
    """Calls keep the vendor's ids and their order; arguments are compact JSON, `{}` for none."""
    choice = completion(used("toolu_a", a=[1, 2]), used("toolu_b"), stop="tool_use")["choices"][0]

    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] is None
    assert choice["message"]["tool_calls"] == [
        {"id": "toolu_a", "type": "function", "function": {"name": "f", "arguments": '{"a":[1,2]}'}},
        {"id": "toolu_b", "type": "function", "function": {"name": "f", "arguments": "{}"}},
    ]


def test_thinking_can_be_sent_back() -> None:
    """Signed reasoning reaches the client in a form that returns to Anthropic unchanged."""
    blocks = [
        {"type": "thinking", "thinking": "hm", "signature": SIGNATURE},
        {"type": "redacted_thinking", "data": SIGNATURE},
    ]

    message = completion(*blocks, text("so"))["choices"][0]["message"]

    assert message["reasoning_content"] == "hm"
    assert message["thinking_blocks"] == blocks
    assert turns({"role": "user", "content": "x"}, message)[1][1] == [*blocks, text("so")]


def test_unsigned_thinking_is_shown_only() -> None:
    """Reasoning without a signature is shown, and not offered for sending back."""
    message = completion({"type": "thinking", "thinking": "hm"}, text("so"))["choices"][0]["message"]

    assert message["reasoning_content"] == "hm"
    assert "thinking_blocks" not in message


@pytest.mark.parametrize(
    ("stop", "finish"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("pause_turn", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("refusal", "content_filter"),
        ("invented_tomorrow", "stop"),
        (None, "stop"),
    ],
)
def test_finish_reasons(stop: object, finish: str) -> None:
    """Every stop reason has its word at OpenAI."""
    assert completion(text("x"), stop=stop)["choices"][0]["finish_reason"] == finish


@pytest.mark.parametrize(
    ("content", "message", "finish"),
    [
        ([text("Sure:"), used("t", HELPER, a=1)], {"content": '{"a":1}'}, "stop"),
        ([used("t", HELPER)], {"content": "{}"}, "stop"),
    ],
)
def test_json_helper_does_not_leak(
    content: list[dict[str, Any]], message: dict[str, Any], finish: str
) -> None:
    """The helper's input is the content, and no call is seen."""
    choice = completion(*content, stop="tool_use", response_format={"type": "json_object"})["choices"][0]

    assert choice["message"] == {"role": "assistant", "refusal": None} | message
    assert choice["finish_reason"] == finish


def test_clients_call_beside_the_helper() -> None:
    """A call of the client's own tool is told, whatever else was called."""
    choice = completion(used("t", HELPER, a=1), used("u"), stop="tool_use")["choices"][0]

    assert [one["id"] for one in choice["message"]["tool_calls"]] == ["u"]
    assert choice["finish_reason"] == "tool_calls"


def test_legacy_call() -> None:
    """A client that declares `functions` gets a `function_call`."""
    choice = completion(used("t", a=1), stop="tool_use", functions=[{"name": "f"}])["choices"][0]

    assert choice["message"]["function_call"] == {"name": "f", "arguments": '{"a":1}'}
    assert "tool_calls" not in choice["message"]
    assert choice["finish_reason"] == "function_call"


def test_blocks_of_server_tools_are_passed_over() -> None:
    """Blocks a chat client has no use for are left out, known or not."""
    odd = [
        {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
        {"type": "web_search_tool_result", "tool_use_id": "s", "content": []},
        {"type": "block_of_tomorrow", "text": 5},
    ]

    assert completion(*odd, text("x"))["choices"][0]["message"]["content"] == "x"


@pytest.mark.parametrize(
    ("found", "kind"),
    [
        (b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}', "overloaded"),
        (b'{"type":"error","error":{"type":"rate_limit_error","message":"slow"}}', "rate_limited"),
        (b'{"type":"error","error":{"type":"api_error","message":"oops"}}', "server_error"),
        (b'{"error":{}}', "garbled"),
        (b"{}", "garbled"),
        (b"", "garbled"),
        (b"<html>", "garbled"),
        (b'{"content":[{"type":"text"}]}', "garbled"),
        (b'{"content":' + b"[" * 100_000, "garbled"),
    ],
)
def test_no_answer_in_a_200(found: bytes, kind: str) -> None:
    """An error, or what cannot be read, in a 200 is a fault and has no body."""
    answer = bridge().answer(chat(), found)

    assert answer.fault is not None
    assert answer.fault.kind == kind
    assert answer.body == b""


def test_vendors_own_codes_are_read() -> None:
    """Z.ai's code for an empty account is told apart from a rate limit."""
    answer = bridge("zai").answer(chat(), b'{"error":{"code":"1113","message":"recharge"}}')

    assert answer.fault is not None
    assert answer.fault.kind == "account_empty"
