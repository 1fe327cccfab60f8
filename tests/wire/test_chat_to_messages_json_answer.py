from __future__ import annotations

from typing import Any

import pytest
from anthropic_samples import tool, translated

from gateway.errors import GatewayError, InvalidRequest, Unsupported
from gateway.wire.chat_to_messages.json_answer import HELPER

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "additionalProperties": False}
BY_SCHEMA = {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA, "strict": True}}
ANY_JSON = {"type": "json_object"}


@pytest.mark.parametrize("asked", [BY_SCHEMA, ANY_JSON])
def test_helper_is_forced_when_alone(asked: dict[str, Any]) -> None:
    """Without tools of the client's, the helper has to be called, once."""
    body = translated(response_format=asked)

    assert [one["name"] for one in body["tools"]] == [HELPER]
    assert body["tools"][0]["input_schema"]["type"] == "object"
    assert body["tool_choice"] == {"type": "tool", "name": HELPER, "disable_parallel_tool_use": True}


def test_schema_reaches_the_helper() -> None:
    """The helper's input follows the client's schema, byte for byte."""
    assert translated(response_format=BY_SCHEMA)["tools"][0]["input_schema"] == SCHEMA


def test_clients_tools_stay_usable() -> None:
    """Beside tools of the client's nothing is forced; the system prompt asks for the helper."""
    body = translated(response_format=ANY_JSON, tools=[tool()], messages=[{"role": "user", "content": "x"}])

    assert [one["name"] for one in body["tools"]] == ["f", HELPER]
    assert "tool_choice" not in body
    assert HELPER in body["system"][-1]["text"]


def test_forbidden_tools_leave_the_helper_alone() -> None:
    """Where the client forbids its tools, the helper is forced."""
    body = translated(response_format=ANY_JSON, tools=[tool()], tool_choice="none")

    assert body["tool_choice"]["name"] == HELPER


def test_thinking_excludes_forcing() -> None:
    """A client that wants thought and JSON gets both."""
    body = translated(response_format=ANY_JSON, reasoning_effort="low")

    assert "thinking" in body
    assert "tool_choice" not in body


@pytest.mark.parametrize("asked", [None, {"type": "text"}])
def test_plain_text_needs_no_helper(asked: object) -> None:
    """Without a JSON wish nothing is added."""
    body = translated(response_format=asked)

    assert "tools" not in body
    assert "system" not in body


@pytest.mark.parametrize(
    ("asked", "kind", "param"),
    [
        ({"type": "grammar"}, InvalidRequest, "response_format.type"),
        ({"type": "json_schema"}, InvalidRequest, "response_format.json_schema.schema"),
        (
            {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "array"}}},
            Unsupported,
            "response_format.json_schema.schema",
        ),
        (
            {"type": "json_schema", "json_schema": {"name": "x", "schema": []}},
            InvalidRequest,
            "response_format.json_schema.schema",
        ),
    ],
)
def test_what_cannot_be_followed(asked: dict[str, Any], kind: type[GatewayError], param: str | None) -> None:
    """Formats no tool's input can follow are refused by name."""
    with pytest.raises(kind) as caught:
        translated(response_format=asked)

    assert caught.value.param == param
