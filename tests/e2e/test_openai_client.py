from __future__ import annotations

import json
from decimal import Decimal

import pytest
from openai import AsyncOpenAI, BadRequestError, NotFoundError
from openai.types.chat import ChatCompletionChunk
from running_gateway import CRITICAL, GLM, OPUS, ROUTINE, Running

from gateway.upstreams.scripted import Scenario

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": name,
            "description": name,
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}},
                "required": ["city"],
            },
        },
    }
    for name in ("get_weather", "get_time")
]
SCHEMA = {
    "type": "json_schema",
    "json_schema": {
        "name": "verdict",
        "strict": True,
        "schema": {
            "type": "object",
            "properties": {"safe": {"type": "boolean"}, "why": {"type": "string"}},
            "required": ["safe", "why"],
            "additionalProperties": False,
        },
    },
}
BOTH = pytest.mark.parametrize("model", ["glm-4.5", "claude-opus-4-1"])


def ask(text: str) -> list[dict[str, str]]:
    """Return a conversation of one question."""
    return [{"role": "user", "content": text}]


async def collect(stream: object) -> list[ChatCompletionChunk]:
    """Return every chunk of a stream."""
    return [chunk async for chunk in stream]  # type: ignore[attr-defined]


def text_of(chunks: list[ChatCompletionChunk]) -> str:
    """Return the text the chunks add up to."""
    return "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)


@pytest.mark.parametrize(("text", "tier", "model"), [(ROUTINE, "base", GLM), (CRITICAL, "premium", OPUS)])
async def test_plain_answer(gateway: Running, client: AsyncOpenAI, text: str, tier: str, model: str) -> None:
    """`auto` goes to the tier the ask deserves and says so in the headers."""
    raw = await client.chat.completions.with_raw_response.create(model="auto", messages=ask(text))
    answer = raw.parse()
    assert answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.prompt_tokens > 0
    assert raw.headers["x-gateway-tier"] == tier
    assert raw.headers["x-gateway-attempts"] == "1"
    assert raw.headers["x-request-id"].startswith("req_")
    assert raw.headers["x-gateway-decision-id"].startswith("dec_")
    assert gateway.vendors.calls[-1].model == model


@pytest.mark.parametrize("text", [ROUTINE, CRITICAL])
async def test_streamed_answer(client: AsyncOpenAI, text: str) -> None:
    """A stream has one role chunk, text, one finish reason, and no usage nobody asked for."""
    raw = await client.chat.completions.with_raw_response.create(
        model="auto", messages=ask(text), stream=True
    )
    chunks = await collect(raw.parse())
    assert len(text_of(chunks)) > 20
    assert [c.choices[0].finish_reason for c in chunks if c.choices[0].finish_reason] == ["stop"]
    assert [c for c in chunks if c.usage] == []
    assert raw.headers["content-type"].startswith("text/event-stream")
    assert raw.headers["x-gateway-model"] in {"glm-4.5", "claude-opus-4-1"}


@BOTH
async def test_usage_with_receipt(gateway: Running, client: AsyncOpenAI, model: str) -> None:
    """The usage chunk that was asked for stands last, without choices, and carries the exact cost."""
    stream = await client.chat.completions.create(
        model=model, messages=ask("hello"), stream=True, stream_options={"include_usage": True}
    )
    last = (await collect(stream))[-1]
    assert last.choices == []
    assert last.usage is not None
    assert last.usage.total_tokens == last.usage.prompt_tokens + last.usage.completion_tokens
    receipt = (last.model_extra or {})["gateway"]
    (row,) = await gateway.rows()
    assert Decimal(receipt["cost_usd"]) * 10**9 == row["cost_nano"]
    assert receipt["attempts"] == 1


@BOTH
@pytest.mark.parametrize("stream", [False, True])
async def test_parallel_tools(client: AsyncOpenAI, model: str, *, stream: bool) -> None:
    """Two calls keep their own index, id and arguments, streamed or not."""
    answer = await client.chat.completions.create(
        model=model,
        messages=ask("call get_weather and get_time in parallel"),
        tools=TOOLS,
        stream=stream,
    )
    calls: dict[int, dict[str, str]] = {}
    deltas = (
        [t for c in await collect(answer) if c.choices for t in c.choices[0].delta.tool_calls or []]
        if stream
        else list(answer.choices[0].message.tool_calls)
    )
    for n, call in enumerate(deltas):
        known = calls.setdefault(call.index if stream else n, {"id": "", "name": "", "arguments": ""})
        known["id"] += call.id or ""
        known["name"] += call.function.name or ""
        known["arguments"] += call.function.arguments or ""
    assert sorted(call["name"] for call in calls.values()) == ["get_time", "get_weather"]
    assert len({call["id"] for call in calls.values()}) == 2
    assert all(json.loads(call["arguments"])["city"] for call in calls.values())


@BOTH
async def test_interleaved_tools(gateway: Running, client: AsyncOpenAI, model: str) -> None:
    """Three calls whose fragments take turns arrive whole, with usage on every chunk."""
    gateway.vendors.script("*", Scenario(interleaved_tools=3, usage_every_chunk=True))
    stream = await client.chat.completions.create(
        model=model, messages=ask("call a tool"), tools=TOOLS, stream=True
    )
    arguments: dict[int, str] = {}
    for chunk in await collect(stream):
        for call in chunk.choices[0].delta.tool_calls or [] if chunk.choices else []:
            arguments[call.index] = arguments.get(call.index, "") + (call.function.arguments or "")
    assert sorted(arguments) == [0, 1, 2]
    assert all(json.loads(text) for text in arguments.values())


@BOTH
async def test_tool_round(client: AsyncOpenAI, model: str) -> None:
    """A tool's result is taken back and answered in words."""
    messages: list[object] = list(ask("call get_weather"))
    first = await client.chat.completions.create(model=model, messages=messages, tools=TOOLS)
    message = first.choices[0].message
    assert first.choices[0].finish_reason == "tool_calls"
    result = {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "rain"}
    messages += [message.model_dump(exclude_none=True), result]
    second = await client.chat.completions.create(model=model, messages=messages, tools=TOOLS)
    assert second.choices[0].message.content
    assert second.choices[0].finish_reason == "stop"


@BOTH
@pytest.mark.parametrize("stream", [False, True])
async def test_json_schema(client: AsyncOpenAI, model: str, *, stream: bool) -> None:
    """An answer by schema is JSON of that schema and ends as `stop`, whatever the vendor can do."""
    answer = await client.chat.completions.create(
        model=model, messages=ask("is it safe"), response_format=SCHEMA, stream=stream
    )
    text = text_of(await collect(answer)) if stream else answer.choices[0].message.content
    assert sorted(json.loads(text)) == ["safe", "why"]


async def test_unknown_fields_pass(gateway: Running, client: AsyncOpenAI) -> None:
    """A field the gateway has never heard of reaches the vendor."""
    extra = {"thinking": {"type": "disabled"}, "vendor_secret_knob": [1, None]}
    await client.chat.completions.create(model="glm-4.5", messages=ask("hi"), extra_body=extra)
    assert gateway.vendors.calls[-1].body["vendor_secret_knob"] == [1, None]
    assert gateway.vendors.calls[-1].body["thinking"] == {"type": "disabled"}


async def test_models(client: AsyncOpenAI) -> None:
    """The models a key may use are listed, `auto` first; others do not exist."""
    listed = [model.id async for model in client.models.list()]
    assert listed == ["auto", "glm-4.5", "claude-opus-4-1"]
    assert (await client.models.retrieve("glm-4.5")).owned_by == "zai"
    with pytest.raises(NotFoundError) as refused:
        await client.models.retrieve("nope")
    assert refused.value.code == "model_not_found"


async def test_openai_names_are_routed(gateway: Running, client: AsyncOpenAI) -> None:
    """A client that insists on an OpenAI name is routed by policy."""
    await client.chat.completions.create(model="gpt-4o", messages=ask(CRITICAL))
    assert gateway.vendors.calls[-1].model == OPUS


async def test_decision_is_the_teams_own(gateway: Running, client: AsyncOpenAI, key: str) -> None:
    """A decision can be read back by its team, with the span that decided, and by nobody else."""
    raw = await client.chat.completions.with_raw_response.create(model="auto", messages=ask(CRITICAL))
    path = "/v1/decisions/" + raw.headers["x-gateway-decision-id"]
    status, _, body = await gateway.get(key, path)
    told = json.loads(body)
    assert status == 200
    assert told["record"]["decision"]["findings"][0]["spans"][0]["label"] == "oauth"
    assert "premium" in told["explanation"]["sentence"]
    assert CRITICAL not in body.decode()
    assert (await gateway.get(await gateway.key("blue"), path))[0] == 404


@pytest.mark.parametrize("wish", ["premium", "base"])
async def test_route_wish(gateway: Running, client: AsyncOpenAI, wish: str) -> None:
    """The caller's wish decides where nothing critical speaks against it."""
    headers = {"x-gateway-route": wish}
    raw = await client.chat.completions.with_raw_response.create(
        model="auto", messages=ask(ROUTINE), extra_headers=headers
    )
    assert raw.headers["x-gateway-tier"] == wish
    assert len(gateway.vendors.calls) == 1


@pytest.mark.parametrize("model", ["auto", "glm-4.5"])
async def test_several_answers_are_refused(gateway: Running, client: AsyncOpenAI, model: str) -> None:
    """`n` above 1 is refused where no vendor gives so many, rather than answered with one."""
    with pytest.raises(BadRequestError, match="one answer at a time") as refused:
        await client.chat.completions.create(model=model, messages=ask(ROUTINE), n=2)
    assert (refused.value.param, refused.value.code) == ("n", "unsupported_value")
    assert gateway.vendors.calls == []
