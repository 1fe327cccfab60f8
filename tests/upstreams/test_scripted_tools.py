"""The fake vendors, driven by the official clients and by raw HTTP: tools."""

from __future__ import annotations

import json

import anthropic
import httpx
import jsonschema
import openai
import pytest
from scripted_calls import (
    ASK,
    CHAT_TOOLS,
    CLAUDE_TOOLS,
    GLM,
    GPT,
    OPUS,
    WEATHER,
    chat_body,
    post_chat,
)

from gateway.upstreams.scripted import Scenario, Vendors
from gateway.upstreams.scripted.schema import build_instance


@pytest.mark.parametrize(
    ("ask", "called"),
    [
        ("use get_tides now", ["get_tides"]),
        ("call tool", ["get_weather"]),
        ("call tool for both cities", ["get_weather", "get_tides"]),
        ("get_tides and get_weather in parallel", ["get_weather", "get_tides"]),
        ("say hello", []),
    ],
)
async def test_tools_named_in_the_ask(
    ask: str, called: list[str], chat: openai.AsyncOpenAI, claude: anthropic.AsyncAnthropic
) -> None:
    """Both dialects call what the ask names, with arguments that fit the schema."""
    messages = [{"role": "user", "content": ask}]
    glm = await chat.chat.completions.create(model=GLM, messages=messages, tools=CHAT_TOOLS)
    opus = await claude.messages.create(model=OPUS, max_tokens=300, messages=messages, tools=CLAUDE_TOOLS)
    calls = glm.choices[0].message.tool_calls or []
    uses = [block for block in opus.content if block.type == "tool_use"]
    assert [call.function.name for call in calls] == [use.name for use in uses] == called
    for arguments in [*(json.loads(call.function.arguments) for call in calls), *(use.input for use in uses)]:
        jsonschema.validate(arguments, WEATHER)


async def test_tool_result_gets_words(chat: openai.AsyncOpenAI, claude: anthropic.AsyncAnthropic) -> None:
    """The turn after a tool's result is text, even when the result names a tool."""
    asked = [{"role": "user", "content": "call tool"}]
    first = await chat.chat.completions.create(model=GLM, messages=asked, tools=CHAT_TOOLS)
    call = first.choices[0].message.tool_calls[0]
    result = {"role": "tool", "tool_call_id": call.id, "content": "get_weather says sun"}
    history = [*asked, first.choices[0].message.model_dump(exclude_none=True), result]
    final = await chat.chat.completions.create(model=GLM, messages=history, tools=CHAT_TOOLS)
    use = (
        await claude.messages.create(model=OPUS, max_tokens=300, messages=asked, tools=CLAUDE_TOOLS)
    ).content[0]
    block = {"type": "tool_result", "tool_use_id": use.id, "content": "get_weather says sun"}
    spoken = {"role": "assistant", "content": [use.model_dump(exclude_none=True)]}
    turns = [*asked, spoken, {"role": "user", "content": [block]}]
    opus = await claude.messages.create(model=OPUS, max_tokens=300, messages=turns, tools=CLAUDE_TOOLS)
    assert final.choices[0].finish_reason == "stop"
    assert opus.stop_reason == "end_turn"


@pytest.mark.parametrize("interleaved", [0, 3])
async def test_streamed_tools_rebuild(vendors: Vendors, interleaved: int) -> None:
    """Argument fragments join to valid JSON per index, interleaved or not."""
    vendors.script(GPT, Scenario(interleaved_tools=interleaved))
    body = chat_body(
        GPT, tools=CHAT_TOOLS, messages=[{"role": "user", "content": "call both tools"}], stream=True
    )
    joined: dict[int, str] = {}
    order: list[int] = []
    async with openai.AsyncOpenAI(base_url=vendors.openai_url, api_key="k") as client:
        async for chunk in await client.chat.completions.create(**body):
            for part in chunk.choices[0].delta.tool_calls or []:
                joined[part.index] = joined.get(part.index, "") + (part.function.arguments or "")
                order.append(part.index)
    assert len(joined) == (interleaved or 2)
    assert all(json.loads(arguments)["days"] >= 5 for arguments in joined.values())
    assert (order == sorted(order)) is not bool(interleaved)


async def test_claude_streams_tools(claude: anthropic.AsyncAnthropic) -> None:
    """The client parses the input out of partial JSON."""
    messages = [{"role": "user", "content": "call both tools"}]
    async with claude.messages.stream(
        model=OPUS, max_tokens=300, messages=messages, tools=CLAUDE_TOOLS
    ) as stream:
        message = await stream.get_final_message()
    assert message.stop_reason == "tool_use"
    assert [jsonschema.validate(block.input, WEATHER) for block in message.content] == [None, None]


async def test_forced_tool_is_called(chat: openai.AsyncOpenAI, claude: anthropic.AsyncAnthropic) -> None:
    """A forced tool is called whatever the ask says; GLM ignores the field and does what it is told."""
    forced = {"type": "function", "function": {"name": "get_tides"}}
    told = {"role": "system", "content": "Answer by calling the function `get_tides`."}
    body = chat_body(tools=CHAT_TOOLS, tool_choice=forced)
    deaf = await chat.chat.completions.create(**body)
    glm = await chat.chat.completions.create(**body | {"messages": [told, *body["messages"]]})
    opus = await claude.messages.create(
        model=OPUS,
        max_tokens=300,
        messages=ASK,
        tools=CLAUDE_TOOLS,
        tool_choice={"type": "tool", "name": "get_tides"},
    )
    assert deaf.choices[0].message.tool_calls is None
    assert glm.choices[0].message.tool_calls[0].function.name == "get_tides"
    assert opus.content[0].name == "get_tides"


async def test_json_schema_is_met(vendors: Vendors, http: httpx.AsyncClient) -> None:
    """OpenAI's `response_format` gets an instance."""
    wanted = {"type": "json_schema", "json_schema": {"name": "w", "schema": WEATHER}}
    reply = await post_chat(http, vendors.openai_url, response_format=wanted)
    jsonschema.validate(json.loads(reply.json()["choices"][0]["message"]["content"]), WEATHER)


async def test_zai_follows_instructions(chat: openai.AsyncOpenAI) -> None:
    """Z.ai ignores a schema in `response_format`; in JSON mode its model follows the one it is shown."""
    wanted = {"type": "json_schema", "json_schema": {"name": "w", "schema": WEATHER}}
    ignored = await chat.chat.completions.create(**chat_body(response_format=wanted))
    assert not ignored.choices[0].message.content.startswith("{")
    told = {"role": "system", "content": f"Follow this JSON schema:\n{json.dumps(WEATHER)}"}
    shown = chat_body(response_format={"type": "json_object"}, messages=[told, *ASK])
    answer = await chat.chat.completions.create(**shown)
    jsonschema.validate(json.loads(answer.choices[0].message.content), WEATHER)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "array", "items": {"enum": ["a", "b"]}, "minItems": 3},
        {"type": ["null", "number"], "exclusiveMinimum": 2.5, "maximum": 3},
        {"type": "integer", "multipleOf": 7, "minimum": 30},
        {"anyOf": [{"type": "null"}, {"type": "string", "minLength": 40}]},
        {"type": "string", "maxLength": 3},
        {"type": "string", "format": "date"},
        {"const": {"a": 1}},
        {"allOf": [{"properties": {"a": {"type": "boolean"}}, "required": ["a"]}, {"required": ["b"]}],
         "properties": {"b": {"type": "null"}}, "type": "object"},
        {"$ref": "#/$defs/node", "$defs": {"node": {"type": "object", "required": ["name"], "properties": {
            "name": {"type": "string"}, "next": {"$ref": "#/$defs/node"},
            "all": {"type": "array", "items": {"$ref": "#/$defs/node"}}}}}},
    ],
)  # fmt: skip
def test_instances_are_valid(schema: dict[str, object]) -> None:
    """The generator satisfies what tools use of JSON schema, recursion included."""
    jsonschema.validate(build_instance(schema, "seed"), schema)
