from __future__ import annotations

from typing import Any

import pytest
from anthropic_samples import USER, call, tool, translated

from gateway.errors import GatewayError, InvalidRequest, Unsupported

SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
EMPTY = {"type": "object", "properties": {}}


@pytest.mark.parametrize(
    ("parameters", "schema"),
    [
        ({"parameters": SCHEMA}, SCHEMA),
        ({}, EMPTY),
        ({"parameters": None}, EMPTY),
        ({"parameters": {"properties": {}}}, EMPTY),
        ({"parameters": {"type": None, "$defs": {}}}, {"type": "object", "$defs": {}}),
    ],
)
def test_schema_root_is_an_object(parameters: dict[str, Any], schema: dict[str, Any]) -> None:
    """A tool's schema keeps all it says, and its root is an object."""
    (declared,) = translated(tools=[tool(description="d", strict=True, **parameters)])["tools"]

    assert declared == {"name": "f", "description": "d", "input_schema": schema}


def test_cache_marks_of_tools_travel() -> None:
    """A tool's cache mark stands beside the function or within it."""
    mark = {"cache_control": {"type": "ephemeral"}}
    declared = translated(tools=[tool("a") | mark, tool("b", **mark), tool("c")])["tools"]

    assert ["cache_control" in one for one in declared] == [True, True, False]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, None),
        ({"tool_choice": None}, None),
        ({"tool_choice": "auto"}, {"type": "auto"}),
        ({"tool_choice": "none"}, {"type": "none"}),
        ({"tool_choice": "required"}, {"type": "any"}),
        ({"tool_choice": tool("f")}, {"type": "tool", "name": "f"}),
        ({"parallel_tool_calls": True}, None),
        ({"parallel_tool_calls": False}, {"type": "auto", "disable_parallel_tool_use": True}),
        (
            {"parallel_tool_calls": False, "tool_choice": "required"},
            {"type": "any", "disable_parallel_tool_use": True},
        ),
        ({"parallel_tool_calls": False, "tool_choice": "none"}, {"type": "none"}),
    ],
)
def test_choice(asked: dict[str, Any], expected: object) -> None:
    """Every choice of OpenAI's has its word at Anthropic."""
    assert translated(tools=[tool("f")], **asked).get("tool_choice") == expected


def test_choice_without_tools_goes() -> None:
    """Anthropic refuses a choice among no tools."""
    assert "tool_choice" not in translated(tool_choice="auto", parallel_tool_calls=False)


@pytest.mark.parametrize(
    ("asked", "kind"),
    [("auto", "auto"), ("none", "none"), ({"name": "g"}, "tool")],
)
def test_legacy_functions(asked: object, kind: str) -> None:
    """`functions` and `function_call` are tools called one at a time."""
    body = translated(functions=[{"name": "g", "parameters": SCHEMA}], function_call=asked)

    assert body["tools"] == [{"name": "g", "input_schema": SCHEMA}]
    assert body["tool_choice"]["type"] == kind


def test_history_with_calls_declares_tools() -> None:
    """Anthropic wants the tools of a history declared; what the client left out cannot be called."""
    said = [
        USER,
        {"role": "assistant", "tool_calls": [call("a", "read"), call("b", "write"), call("c", "read")]},
        *({"role": "tool", "tool_call_id": i, "content": "x"} for i in "abc"),
    ]

    body = translated(messages=said)

    assert [one["name"] for one in body["tools"]] == ["read", "write"]
    assert body["tool_choice"] == {"type": "none"}


@pytest.mark.parametrize(
    ("fields", "kind", "param"),
    [
        ({"tools": [{"type": "web_search_preview"}]}, Unsupported, "tools[0].type"),
        ({"tools": [{"type": "custom", "custom": {"name": "x"}}]}, Unsupported, "tools[0].type"),
        ({"tools": [tool(parameters=[])]}, InvalidRequest, "tools[0].function.parameters"),
        ({"tools": [tool()], "tool_choice": "perhaps"}, InvalidRequest, "tool_choice"),
        ({"tools": [tool()], "tool_choice": {"type": "allowed_tools"}}, Unsupported, "tool_choice"),
    ],
)
def test_what_cannot_be_declared(fields: dict[str, Any], kind: type[GatewayError], param: str | None) -> None:
    """Tools and choices Anthropic cannot be told of are refused by name."""
    with pytest.raises(kind) as caught:
        translated(**fields)

    assert caught.value.param == param
