from __future__ import annotations

import json
from typing import Any

import pytest
from anthropic.types import Message
from anthropic_samples import messages
from matrix_samples import BRIDGES, answered

from gateway.wire.base import Answer


def translated(body: bytes, provider: str = "zai") -> Answer:
    """Return the message for a vendor's answer."""
    return BRIDGES.between("messages", "chat", provider).answer(messages(), body)


def test_whole_answer() -> None:
    """Reasoning, text and calls become blocks in Anthropic's own shape, and the usage its classes."""
    call = {"id": "c:1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
    body = answered({"content": "so", "reasoning_content": "hm", "tool_calls": [call]}, "tool_calls")

    answer = translated(body)

    message = Message.model_validate(json.loads(answer.body))
    assert [block.type for block in message.content] == ["thinking", "text", "tool_use"]
    assert (message.id, message.stop_reason, message.content[2].input) == ("msg_7", "tool_use", {"a": 1})
    assert message.content[2].id.startswith("c_1_")
    usage = message.usage
    assert (usage.input_tokens, usage.cache_read_input_tokens, usage.output_tokens) == (10, 20, 9)
    assert answer.usage is not None
    assert answer.usage.prompt_tokens == 30


@pytest.mark.parametrize(
    ("finish", "message", "reason"),
    [
        ("stop", {"content": "x"}, "end_turn"),
        ("length", {"content": "x"}, "max_tokens"),
        ("content_filter", {"content": "x"}, "refusal"),
        ("stop", {"content": None, "refusal": "no"}, "refusal"),
        ("stop", {"content": "", "tool_calls": [{"id": "c", "function": {"name": "f"}}]}, "tool_use"),
        ("sensitive", {"content": "x"}, "refusal"),
        ("odd", {"content": "x"}, "end_turn"),
    ],
)
def test_stop_reasons(finish: str, message: dict[str, Any], reason: str) -> None:
    """Finish reasons, the vendor's own among them, are told in Anthropic's words."""
    assert json.loads(translated(answered(message, finish)).body)["stop_reason"] == reason


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [("", {}), (None, {}), ({"a": 1}, {"a": 1}), ('{"a"', {"invalid_json": '{"a"'})],
)
def test_inputs_are_objects(arguments: object, expected: object) -> None:
    """A call's input is an object, whatever the vendor wrote."""
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": arguments}}

    body = json.loads(translated(answered({"content": None, "tool_calls": [call]})).body)

    assert [block["input"] for block in body["content"]] == [expected]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'{"error":{"code":"1305","message":"temporarily overloaded"}}', "overloaded"),
        (b"<html>", "garbled"),
        (b'{"choices":[{"message":{"content":5},"finish_reason":"stop"}]}', "garbled"),
        (answered({"content": ""}, "network_error"), "server_error"),
    ],
)
def test_faults(body: bytes, kind: str) -> None:
    """An answer that is none is a fault of its kind."""
    answer = translated(body)

    assert answer.fault is not None
    assert answer.fault.kind == kind
