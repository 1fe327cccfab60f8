from __future__ import annotations

import json
from typing import Any

import pytest
from anthropic_samples import SIGNATURE, messages, text
from matrix_samples import BRIDGES, GLM, GPT

from gateway.errors import InvalidRequest, Unsupported
from gateway.exchange import Target

TOOL = {"name": "f", "description": "does f", "input_schema": {"type": "object"}}
PNG = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA"}}
PDF = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "AA"}}

FILED = {"type": "image", "source": {"type": "file"}}


def said_by(role: str, *blocks: dict[str, Any]) -> dict[str, Any]:
    """Return the field that holds one message."""
    return {"messages": [{"role": role, "content": list(blocks)}]}


def sent(target: Target = GLM, **fields: object) -> dict[str, Any]:
    """Return what a Messages request looks like at a chat vendor."""
    bridge = BRIDGES.between("messages", "chat", target.provider)
    body: dict[str, Any] = json.loads(bridge.request(messages(**fields), target))
    return body


def said(*turns: tuple[str, Any], target: Target = GLM, **fields: object) -> list[dict[str, Any]]:
    """Return the messages a history becomes."""
    history = [{"role": role, "content": content} for role, content in turns]
    found: list[dict[str, Any]] = sent(target, messages=history, **fields)["messages"]
    return found


def test_tool_round() -> None:
    """Results follow the call as tool messages, failures in words, then what tools showed, then the text."""
    use = [
        {"type": "tool_use", "id": i, "name": "f", "input": value}
        for i, value in (("a", {"n": 1}), ("b", {}))
    ]
    results = [
        text("and now?"),
        {"type": "tool_result", "tool_use_id": "a", "content": [text("r"), PNG]},
        {"type": "tool_result", "tool_use_id": "b", "content": "boom", "is_error": True},
    ]

    history = said(("user", "go"), ("assistant", [text("on it"), *use]), ("user", results))

    assert [one["role"] for one in history] == ["user", "assistant", "tool", "tool", "user"]
    assert [call["function"]["arguments"] for call in history[1]["tool_calls"]] == ['{"n":1}', "{}"]
    assert [(one["tool_call_id"], one["content"]) for one in history[2:4]] == [
        ("a", "r"),
        ("b", "The tool failed:\n\nboom"),
    ]
    note, image, words = history[4]["content"]
    assert (note["text"], words["text"]) == ("shown by the tool call a:", "and now?")
    assert image["image_url"]["url"] == "data:image/png;base64,AA"


def test_images_wait_for_every_result() -> None:
    """What a tool showed never stands between the results of one turn, even without a text after them."""
    use = [{"type": "tool_use", "id": i, "name": "f", "input": {}} for i in ("a", "b")]
    results = [{"type": "tool_result", "tool_use_id": i, "content": [PNG]} for i in ("a", "b")]

    history = said(("user", "go"), ("assistant", use), ("user", results), ("assistant", "ok"), ("user", "x"))

    assert [one["role"] for one in history] == [
        "user",
        "assistant",
        "tool",
        "tool",
        "user",
        "assistant",
        "user",
    ]
    assert [part["type"] for part in history[4]["content"]] == ["text", "image_url"] * 2


@pytest.mark.parametrize("system", ["be brief", [text("be"), text("brief")]])
def test_system_prompt(system: object) -> None:
    """A system prompt is one message, in front."""
    words = "be brief" if isinstance(system, str) else "be\n\nbrief"

    assert said(("user", "x"), system=system)[0] == {"role": "system", "content": words}


def test_billing_line_is_left_out() -> None:
    """The line Claude Code writes for Anthropic's books would change the prompt's prefix every time."""
    system = [text("x-anthropic-billing-header: cch=1"), text("be brief")]

    assert said(("user", "x"), system=system)[0]["content"] == "be brief"


@pytest.mark.parametrize(
    ("provider", "signature", "kept"), [("zai", "", True), ("zai", SIGNATURE, False), ("openai", "", False)]
)
def test_reasoning_goes_back_to_its_maker(provider: str, signature: str, kept: bool) -> None:  # noqa: FBT001
    """Thinking is no content; unsigned thinking is GLM's own and goes back to it."""
    thought = {"type": "thinking", "thinking": "hm", "signature": signature}
    target = GLM if provider == "zai" else GPT

    turn = said(("user", "x"), ("assistant", [thought, text("so")]), ("user", "y"), target=target)[1]

    assert turn["content"] == "so"
    assert turn.get("reasoning_content") == ("hm" if kept else None)


@pytest.mark.parametrize(
    ("choice", "expected", "parallel"),
    [
        ({"type": "auto"}, "auto", None),
        ({"type": "any", "disable_parallel_tool_use": True}, "required", False),
        ({"type": "none"}, "none", None),
        ({"type": "tool", "name": "f"}, {"type": "function", "function": {"name": "f"}}, None),
    ],
)
def test_tool_choices(choice: object, expected: object, parallel: bool | None) -> None:  # noqa: FBT001
    """Tools become functions, and the choice among them keeps its meaning."""
    body = sent(GPT, tools=[TOOL], tool_choice=choice)

    function = {"name": "f", "description": "does f", "parameters": {"type": "object"}}
    assert body["tools"] == [{"function": function, "type": "function"}]
    assert (body["tool_choice"], body.get("parallel_tool_calls")) == (expected, parallel)


@pytest.mark.parametrize(
    ("thinking", "glm", "gpt"),
    [
        (None, "disabled", None),
        ({"type": "disabled"}, "disabled", None),
        ({"type": "enabled", "budget_tokens": 1_024}, "enabled", "low"),
        ({"type": "enabled", "budget_tokens": 8_000}, "enabled", "medium"),
        ({"type": "enabled", "budget_tokens": 31_999}, "enabled", "high"),
        ({"type": "adaptive"}, "enabled", "medium"),
    ],
)
def test_thinking(thinking: object, glm: str, gpt: str | None) -> None:
    """A budget is a switch for GLM, which thinks unless told not to, and an effort for others."""
    assert sent(GLM, thinking=thinking)["thinking"] == {"type": glm}
    assert sent(GPT, thinking=thinking).get("reasoning_effort") == gpt


def test_options() -> None:
    """Limits, sampling, stops and the user travel; what chat cannot say is left out."""
    body = sent(
        GPT, max_tokens=50_000, temperature=0.3, top_p=0.9, top_k=5, stop_sequences=["END"], stream=True,
        metadata={"user_id": "u"}, service_tier="auto",
    )  # fmt: skip

    assert body.pop("messages")
    assert body == {
        "model": "gpt-x",
        "max_completion_tokens": 16_384,
        "temperature": 0.3,
        "top_p": 0.9,
        "stop": ["END"],
        "user": "u",
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_limit_by_vendor() -> None:
    """Whoever is not OpenAI looks for the limit under its old name."""
    body = sent(GLM, max_tokens=100)

    assert (body["max_tokens"], "max_completion_tokens" in body) == (100, False)


def test_output_schema() -> None:
    """A demanded schema becomes a response format, and for GLM an instruction before all that was said."""
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    asked = {"output_config": {"format": {"type": "json_schema", "schema": schema}}}

    assert sent(GPT, **asked)["response_format"]["json_schema"]["schema"] == schema
    assert sent(**asked)["response_format"] == {"type": "json_object"}
    told, *rest = sent(**asked)["messages"]
    assert json.loads(told["content"].partition("\n")[2]) == schema
    assert rest == sent()["messages"]
    assert rest


def test_glm_is_told_what_to_call() -> None:
    """A forced call reaches GLM as the one tool and a word before all that was said."""
    other = TOOL | {"name": "g"}
    told, *rest = (body := sent(tools=[TOOL, other], tool_choice={"type": "tool", "name": "g"}))["messages"]

    assert ([tool["function"]["name"] for tool in body["tools"]], "tool_choice" in body) == (["g"], False)
    assert (told["role"], "`g`" in told["content"], rest) == ("system", True, sent()["messages"])


def test_glm_knows_the_user() -> None:
    """An agent's long name for its user reaches GLM as a digest under its own field."""
    named = sent(metadata={"user_id": "user_" + "a" * 140})

    assert (len(named["user_id"]), "user" in named) == (32, False)


@pytest.mark.parametrize(
    ("block", "part"),
    [
        (
            {"type": "image", "source": {"type": "url", "url": "https://x.test/a"}},
            {"type": "image_url", "image_url": {"url": "https://x.test/a"}},
        ),
        (
            PDF,
            {
                "type": "file",
                "file": {"file_data": "data:application/pdf;base64,AA", "filename": "document.pdf"},
            },
        ),
    ],
)
def test_parts(block: dict[str, Any], part: dict[str, Any]) -> None:
    """Images and files are parts where the vendor takes them."""
    assert said(("user", [text("see"), block]), target=GPT)[0]["content"] == [text("see"), part]


@pytest.mark.parametrize(
    "block",
    [
        {"type": "document", "title": "T", "source": {"type": "text", "data": "body"}},
        {"type": "search_result", "title": "T", "source": "", "content": [text("body")]},
    ],
)
def test_texts_in_other_clothes(block: dict[str, Any]) -> None:
    """Documents of text and search results are plain text, which every vendor takes."""
    assert said(("user", [block]))[0]["content"] == "T\nbody"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "tools[0].type"),
        ({"mcp_servers": [{"url": "x"}]}, "mcp_servers"),
        ({"stop_sequences": list("ab")}, "stop_sequences"),
        (said_by("user", PDF), "messages[0].content[0].source"),
        (said_by("user", {"type": "container_upload"}), "messages[0].content[0].type"),
        (said_by("assistant", {"type": "server_tool_use", "id": "s"}), "messages[0].content[0].type"),
        (said_by("user", FILED), "messages[0].content[0].source.type"),
    ],
)
def test_unsupported(fields: dict[str, Any], param: str) -> None:
    """What this vendor cannot be asked is refused by name, so that another may be tried."""
    with pytest.raises(Unsupported) as caught:
        sent(**fields)

    assert caught.value.param == param


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        ({"tools": [{"name": "f"}]}, "tools[0].input_schema"),
        ({"tools": [TOOL], "tool_choice": {"type": "maybe"}}, "tool_choice.type"),
        ({"output_format": {"type": "xml"}}, "output_config.format"),
    ],
)
def test_malformed(fields: dict[str, Any], param: str) -> None:
    """What no vendor accepts is refused with the place of the fault."""
    with pytest.raises(InvalidRequest) as caught:
        sent(**fields)

    assert caught.value.param is not None
    assert caught.value.param.startswith(param)
