from __future__ import annotations

import json
from typing import Any

import pytest
from matrix_samples import BRIDGES, GLM, GPT, responses

from gateway.errors import GatewayError, InvalidRequest, Unsupported
from gateway.exchange import Target

PNG = {"type": "input_image", "image_url": "data:image/png;base64,AA"}
FUNCTION = {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": False}
PATCH = {
    "type": "custom",
    "name": "apply_patch",
    "description": "Edits files.",
    "format": {"type": "grammar", "syntax": "lark", "definition": "start: begin"},
}


def sent(target: Target = GLM, **fields: object) -> dict[str, Any]:
    """Return what a Responses request looks like at a chat vendor."""
    bridge = BRIDGES.between("responses", "chat", target.provider)
    body: dict[str, Any] = json.loads(bridge.request(responses(**fields), target))
    return body


def names(**fields: object) -> list[str]:
    """Return the names of the functions declared to the vendor."""
    return [tool["function"]["name"] for tool in sent(**fields).get("tools", [])]


def test_conversation_of_an_agent() -> None:
    """What the assistant thinks, says and calls in a row is one message; results follow, images after."""
    history = sent(
        instructions="be Codex",
        input=[
            {"role": "developer", "content": "rules"},
            {"role": "user", "content": [{"type": "input_text", "text": "fix"}, PNG]},
            {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]},
            {"role": "assistant", "content": [{"type": "output_text", "text": "on it"}]},
            {"type": "function_call", "name": "f", "arguments": "{}", "call_id": "a"},
            {"type": "custom_tool_call", "name": "apply_patch", "input": "***\n", "call_id": "b"},
            {"type": "function_call_output", "call_id": "a", "output": [PNG]},
            {"type": "custom_tool_call_output", "call_id": "b", "output": "done"},
            {"role": "user", "content": "thanks"},
        ],
    )["messages"]

    roles = ["system", "system", "user", "assistant", "tool", "tool", "user"]
    assert [one["role"] for one in history] == roles
    turn = history[3]
    assert (turn["content"], turn["reasoning_content"]) == ("on it", "hm")
    calls = [(call["id"], call["function"]["arguments"]) for call in turn["tool_calls"]]
    assert calls == [("a", "{}"), ("b", '{"input":"***\\n"}')]
    assert [one["tool_call_id"] for one in history[4:6]] == ["a", "b"]
    assert [part["type"] for part in history[6]["content"]] == ["text", "image_url", "text"]


def test_images_are_shown_before_the_next_word() -> None:
    """What a tool returned is shown before a developer speaks, and even where nobody does."""
    call = {"type": "function_call", "name": "f", "arguments": "{}", "call_id": "a"}
    result = {"type": "function_call_output", "call_id": "a", "output": [PNG]}

    spoken = sent(input=[call, result, {"role": "developer", "content": "rules"}])["messages"]
    silent = sent(input=[call, result])["messages"]

    assert [one["role"] for one in spoken] == ["assistant", "tool", "user", "system"]
    assert [one["role"] for one in silent] == ["assistant", "tool", "user"]


def test_reasoning_stays_with_its_maker() -> None:
    """A vendor that does not take reasoning back is not given any."""
    thought = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]}

    history = sent(
        GPT, input=[thought, {"role": "assistant", "content": "so"}, {"role": "user", "content": "x"}]
    )

    assert history["messages"][0] == {"role": "assistant", "content": "so"}


def test_options() -> None:
    """Limits, sampling, format and user travel under chat's names."""
    schema = {"type": "object"}
    body = sent(
        GPT,
        max_output_tokens=90_000,
        temperature=0.5,
        top_p=0.5,
        parallel_tool_calls=False,
        tools=[FUNCTION],
        tool_choice="required",
        reasoning={"effort": "high", "summary": "auto"},
        text={"format": {"type": "json_schema", "name": "n", "schema": schema, "strict": True}},
        user="u",
        stream=True,
        include=["reasoning.encrypted_content"],
        prompt_cache_key="k",
    )

    assert body.pop("messages") == [{"role": "user", "content": "hello"}]
    assert body.pop("tools")
    assert body == {
        "model": "gpt-x",
        "max_completion_tokens": 16_384,
        "temperature": 0.5,
        "top_p": 0.5,
        "parallel_tool_calls": False,
        "tool_choice": "required",
        "reasoning_effort": "high",
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "n", "schema": schema, "strict": True},
        },
        "user": "u",
        "stream": True,
        "stream_options": {"include_usage": True},
    }


@pytest.mark.parametrize(
    ("reasoning", "thinking"),
    [
        (None, None),
        ({"effort": None}, None),
        ({"effort": "none"}, {"type": "disabled"}),
        ({"effort": "minimal"}, {"type": "disabled"}),
        ({"effort": "medium"}, {"type": "enabled"}),
    ],
)
def test_effort_is_a_switch_for_glm(reasoning: object, thinking: object) -> None:
    """GLM knows only whether to think."""
    body = sent(reasoning=reasoning)

    assert (body.get("thinking"), "reasoning_effort" in body) == (thinking, False)


def test_custom_tool_is_a_function_of_one_text() -> None:
    """A custom tool's grammar goes along in words, since no function can enforce it."""
    (tool,) = sent(tools=[PATCH])["tools"]

    function = tool["function"]
    assert function["name"] == "apply_patch"
    assert function["description"].endswith("this lark grammar:\nstart: begin")
    assert list(function["parameters"]["properties"]) == ["input"]


def test_tools_of_a_namespace() -> None:
    """A namespace's tools go by their joint name, at most 64 characters of it."""
    inner = [{"type": "function", "name": "q"}, {"type": "function", "name": "x" * 70}]

    found = names(tools=[{"type": "namespace", "name": "mcp__a", "tools": inner}])

    assert found[0] == "mcp__a__q"
    assert len(found[1]) == 64


def test_tools_declared_unasked_are_left_out() -> None:
    """What Codex declares with every request is no reason to refuse it."""
    tools = [FUNCTION, {"type": "web_search"}, {"type": "image_generation"}, {"type": "local_shell"}]

    assert names(tools=tools) == ["f", "local_shell"]
    assert "tool_choice" not in sent(tools=[{"type": "web_search"}], tool_choice="auto")


@pytest.mark.parametrize(
    ("choice", "tools", "expected"),
    [
        ("none", ["f", "apply_patch"], "none"),
        ({"type": "function", "name": "f"}, ["f", "apply_patch"], "f"),
        ({"type": "custom", "name": "apply_patch"}, ["f", "apply_patch"], "apply_patch"),
        ({"type": "allowed_tools", "mode": "required", "tools": [{"name": "f"}]}, ["f"], "required"),
    ],
)
def test_tool_choices(choice: object, tools: list[str], expected: str) -> None:
    """A choice keeps its meaning, whatever kind of tool it names."""
    body = sent(GPT, tools=[FUNCTION, PATCH], tool_choice=choice)

    chosen = body["tool_choice"]
    assert (chosen if isinstance(chosen, str) else chosen["function"]["name"]) == expected
    assert [tool["function"]["name"] for tool in body["tools"]] == tools


@pytest.mark.parametrize(
    ("choice", "tools", "word"),
    [
        ("auto", ["f", "apply_patch"], None),
        ("none", [], None),
        ("required", ["f", "apply_patch"], "at least one"),
        ({"type": "custom", "name": "apply_patch"}, ["apply_patch"], "`apply_patch`"),
        ({"type": "allowed_tools", "mode": "required", "tools": [{"name": "f"}]}, ["f"], "at least one"),
    ],
)
def test_tool_choices_of_glm(choice: object, tools: list[str], word: str | None) -> None:
    """Who knows only `auto` gets the tools that may be called, and the demand in words."""
    body = sent(tools=[FUNCTION, PATCH], tool_choice=choice)

    assert body.get("tool_choice", "auto") == "auto"
    assert [tool["function"]["name"] for tool in body.get("tools", [])] == tools
    assert len(body["messages"]) == (2 if word else 1)
    assert (word or "hello") in body["messages"][0]["content"]
    assert body["messages"][-1] == {"role": "user", "content": "hello"}


@pytest.mark.parametrize(
    ("error", "fields", "param"),
    [
        (Unsupported, {"tools": [{"type": "file_search"}]}, "tools[0].type"),
        (
            Unsupported,
            {"tools": [{"type": "web_search"}], "tool_choice": {"type": "web_search"}},
            "tool_choice",
        ),
        (Unsupported, {"tools": [{"type": "web_search"}], "tool_choice": "required"}, "tools"),
        (Unsupported, {"top_logprobs": 2}, "top_logprobs"),
        (Unsupported, {"input": [{"type": "mcp_call"}]}, "input[0].type"),
        (
            Unsupported,
            {"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]},
            "input[0].content[0].image_url",
        ),
        (
            Unsupported,
            {"input": [{"role": "user", "content": [{"type": "input_audio"}]}]},
            "input[0].content[0].type",
        ),
        (InvalidRequest, {"input": [{"type": "function_call_output", "output": "x"}]}, "input[0].call_id"),
        (InvalidRequest, {"tools": [{"type": "function"}]}, "tools[0].name"),
        (InvalidRequest, {"text": {"format": {"type": "xml"}}}, "text.format.type"),
        (InvalidRequest, {"text": {"format": {"type": "json_schema"}}}, "text.format.schema"),
        (InvalidRequest, {"temperature": "hot"}, "temperature"),
    ],
)
def test_refusals(error: type[GatewayError], fields: dict[str, Any], param: str) -> None:
    """What cannot be sent is refused with the place the client wrote it at."""
    with pytest.raises(error) as caught:
        sent(**fields)

    assert caught.value.param == param


def test_history_from_elsewhere() -> None:
    """Records of tools OpenAI ran are left out; what was said of them stays."""
    history = sent(
        input=[{"type": "web_search_call", "id": "ws"}, {"role": "assistant", "content": "found it"}]
    )

    assert history["messages"] == [{"role": "assistant", "content": "found it"}]


def test_shell_history() -> None:
    """A shell call travels as a call of the function that stands for the shell."""
    action = {"type": "exec", "command": ["ls"], "env": {}}
    turn, result = sent(
        tools=[{"type": "local_shell"}],
        input=[
            {"type": "local_shell_call", "call_id": "s", "action": action, "status": "completed"},
            {"type": "local_shell_call_output", "id": "s", "output": "a.py"},
        ],
    )["messages"]

    assert turn["tool_calls"][0]["function"]["name"] == "local_shell"
    assert json.loads(turn["tool_calls"][0]["function"]["arguments"])["command"] == ["ls"]
    assert result == {"role": "tool", "tool_call_id": "s", "content": "a.py"}
