"""The fake vendors, driven by the official clients and by raw HTTP."""

from __future__ import annotations

import asyncio
import json
import re
import ssl
from collections.abc import AsyncIterator

import anthropic
import httpx
import jsonschema
import openai
import pytest

from gateway.clock import FixedClock
from gateway.upstreams.scripted import Scenario, Script, Vendors, serve_scripted
from gateway.upstreams.scripted.scenario import parse_scenario
from gateway.upstreams.scripted.schema import build_instance

TLS = ssl.create_default_context()
"""Made once: every client would otherwise read the certificates anew."""
GLM, OPUS, GPT = "glm-4.5", "claude-opus-4-5", "gpt-4.1"
ASK = [{"role": "user", "content": "Explain the parser in the sandbox module"}]
WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 5}},
    "required": ["city", "days"],
}
CHAT_TOOLS = [
    {"type": "function", "function": {"name": name, "parameters": WEATHER}}
    for name in ("get_weather", "get_tides")
]
CLAUDE_TOOLS = [{"name": name, "input_schema": WEATHER} for name in ("get_weather", "get_tides")]
IMAGE = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "u"}}]}
CLAUDE_HEADERS = {"x-api-key": "sk-test-9876", "anthropic-version": "2023-06-01"}
CHAT_HEADERS = {"authorization": "Bearer sk-test-9876"}


@pytest.fixture
async def vendors() -> AsyncIterator[Vendors]:
    """A fake on a free port."""
    async with serve_scripted(clock=FixedClock()) as served:
        yield served


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    """A raw client."""
    async with httpx.AsyncClient(timeout=5, verify=TLS) as client:
        yield client


@pytest.fixture
async def chat(vendors: Vendors) -> AsyncIterator[openai.AsyncOpenAI]:
    """OpenAI's client, pointed at Z.ai."""
    wire = openai.DefaultAsyncHttpxClient(verify=TLS)
    async with openai.AsyncOpenAI(
        base_url=vendors.zai_url, api_key="k", max_retries=0, http_client=wire
    ) as client:
        yield client


@pytest.fixture
async def claude(vendors: Vendors) -> AsyncIterator[anthropic.AsyncAnthropic]:
    """Anthropic's client."""
    wire = anthropic.DefaultAsyncHttpxClient(verify=TLS)
    async with anthropic.AsyncAnthropic(
        base_url=vendors.url, api_key="k", max_retries=0, http_client=wire
    ) as client:
        yield client


def chat_body(model: str = GLM, **extra: object) -> dict[str, object]:
    """A chat request."""
    return {"model": model, "messages": ASK, **extra}


def claude_body(**extra: object) -> dict[str, object]:
    """A Messages request."""
    return {"model": "claude-opus-4-1", "max_tokens": 300, "messages": ASK, **extra}


def chunks_of(text: str) -> list[dict[str, object]]:
    """The JSON of every data line but the last."""
    lines = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")]
    return [json.loads(line) for line in lines if line != "[DONE]"]


async def post_chat(http: httpx.AsyncClient, base: str, **extra: object) -> httpx.Response:
    """Send a chat request."""
    return await http.post(f"{base}/chat/completions", json=chat_body(**extra), headers=CHAT_HEADERS)


async def post_claude(http: httpx.AsyncClient, url: str, **extra: object) -> httpx.Response:
    """Send a Messages request."""
    return await http.post(f"{url}/v1/messages", json=claude_body(**extra), headers=CLAUDE_HEADERS)


async def read_stream(http: httpx.AsyncClient, url: str, into: bytearray) -> None:
    """Append what arrives of a streamed message."""
    async with http.stream("POST", url, json=claude_body(stream=True), headers=CLAUDE_HEADERS) as answer:
        async for part in answer.aiter_raw():
            into.extend(part)


# --- answers -----------------------------------------------------------------------------------------


async def test_same_ask_same_words(chat: openai.AsyncOpenAI) -> None:
    """An answer is a function of the ask, and says something about it."""
    first, second = [await chat.chat.completions.create(**chat_body()) for _ in range(2)]
    assert first.choices[0].message.content == second.choices[0].message.content
    assert "sandbox" in first.choices[0].message.content
    assert first.id != second.id


async def test_streamed_words_vary(chat: openai.AsyncOpenAI) -> None:
    """The stream joins to the plain answer, in many different pieces."""
    plain = await chat.chat.completions.create(**chat_body())
    stream = await chat.chat.completions.create(**chat_body(stream=True))
    pieces = [c.choices[0].delta.content or "" async for c in stream]
    assert "".join(pieces) == plain.choices[0].message.content
    assert len(set(pieces)) > 20


async def test_zai_chunks_keep_their_oddities(vendors: Vendors, http: httpx.AsyncClient) -> None:
    """No `object`, the role on every delta, reasoning first, usage unasked beside the finish reason."""
    text = (await post_chat(http, vendors.zai_url, stream=True)).text
    chunks = chunks_of(text)
    assert all("object" not in chunk for chunk in chunks)
    assert all(chunk["choices"][0]["delta"]["role"] == "assistant" for chunk in chunks)
    assert "reasoning_content" in chunks[1]["choices"][0]["delta"]
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
    assert chunks[-1]["usage"]["completion_tokens"] > 0
    assert text.endswith("data: [DONE]\n\n")


async def test_zai_thinking_turns_off(vendors: Vendors, http: httpx.AsyncClient) -> None:
    """`thinking: disabled` means no reasoning; a plain answer carries `request_id`."""
    answer = (await post_chat(http, vendors.zai_url, thinking={"type": "disabled"})).json()
    assert "reasoning_content" not in answer["choices"][0]["message"]
    assert answer["request_id"] == answer["id"]


async def test_openai_shows_usage_when_asked(vendors: Vendors, http: httpx.AsyncClient) -> None:
    """The textbook server adds one chunk without choices, and only on demand."""
    asked = await post_chat(
        http, vendors.openai_url, model=GPT, stream=True, stream_options={"include_usage": True}
    )
    unasked = await post_chat(http, vendors.openai_url, model=GPT, stream=True)
    assert chunks_of(asked.text)[-1]["choices"] == []
    assert chunks_of(asked.text)[-1]["usage"]["total_tokens"] > 0
    assert not any("usage" in chunk for chunk in chunks_of(unasked.text))


async def test_openai_gives_n_choices(vendors: Vendors, http: httpx.AsyncClient) -> None:
    """`n` answers differ and are all counted."""
    one = (await post_chat(http, vendors.openai_url, model=GPT)).json()
    three = (await post_chat(http, vendors.openai_url, model=GPT, n=3)).json()
    assert len({choice["message"]["content"] for choice in three["choices"]}) == 3
    assert three["usage"]["completion_tokens"] > 2 * one["usage"]["completion_tokens"]


async def test_claude_streams_like_it_answers(claude: anthropic.AsyncAnthropic) -> None:
    """The client rebuilds the plain message from the events; usage is cumulative."""
    plain = await claude.messages.create(model=OPUS, max_tokens=300, messages=ASK)
    async with claude.messages.stream(model=OPUS, max_tokens=300, messages=ASK) as stream:
        streamed = await stream.get_final_message()
    assert streamed.content[0].text == plain.content[0].text
    assert streamed.usage.output_tokens == plain.usage.output_tokens > 20
    assert streamed.model == "claude-opus-4-5-20251101"


async def test_claude_event_order(vendors: Vendors, http: httpx.AsyncClient) -> None:
    """Start, block, ping, deltas, and the ending, each under its own event name."""
    text = (await post_claude(http, vendors.url, stream=True)).text
    names = re.findall(r"^event: (\w+)$", text, re.MULTILINE)
    assert names[:4] == ["message_start", "content_block_start", "ping", "content_block_delta"]
    assert names[-3:] == ["content_block_stop", "message_delta", "message_stop"]


async def test_glm_behind_anthropic_starts_at_zero(vendors: Vendors, http: httpx.AsyncClient) -> None:
    """Z.ai tells the input tokens only at the end."""
    text = (await post_claude(http, vendors.zai_anthropic_url, model=GLM, stream=True)).text
    events = chunks_of(text)
    assert events[0]["message"]["usage"] == {"input_tokens": 0, "output_tokens": 0}
    assert events[-2]["usage"]["input_tokens"] > 0


async def test_usage_follows_size(chat: openai.AsyncOpenAI) -> None:
    """About four bytes make a token."""
    body = chat_body(messages=[{"role": "user", "content": "word " * 4000}])
    answer = await chat.chat.completions.create(**body)
    assert 4900 < answer.usage.prompt_tokens < 5100


async def test_max_tokens_truncates(chat: openai.AsyncOpenAI, claude: anthropic.AsyncAnthropic) -> None:
    """A small limit ends the answer in the vendor's own word for it."""
    glm = await chat.chat.completions.create(**chat_body(max_tokens=5))
    opus = await claude.messages.create(model=OPUS, max_tokens=5, messages=ASK)
    assert glm.choices[0].finish_reason == "length"
    assert opus.stop_reason == "max_tokens"
    assert len(opus.content[0].text) <= 20


async def test_prompt_cache_written_then_read(claude: anthropic.AsyncAnthropic) -> None:
    """A marked prefix is written once and read by the next call, also when the conversation grew."""
    system = [{"type": "text", "text": "rules " * 900, "cache_control": {"type": "ephemeral"}}]
    first = await claude.messages.create(model=OPUS, max_tokens=50, system=system, messages=ASK)
    longer = [*ASK, {"role": "assistant", "content": "So."}, {"role": "user", "content": "And then?"}]
    second = await claude.messages.create(model=OPUS, max_tokens=50, system=system, messages=longer)
    assert first.usage.cache_creation_input_tokens > 1000
    assert first.usage.cache_read_input_tokens == 0
    assert second.usage.cache_read_input_tokens == first.usage.cache_creation_input_tokens
    assert second.usage.cache_creation_input_tokens == 0


async def test_long_cache_is_counted_apart(claude: anthropic.AsyncAnthropic) -> None:
    """A marker of one hour shows under its own name."""
    marker = {"type": "ephemeral", "ttl": "1h"}
    system = [{"type": "text", "text": "rules " * 900, "cache_control": marker}]
    answer = await claude.messages.create(model=OPUS, max_tokens=50, system=system, messages=ASK)
    assert answer.usage.cache_creation.ephemeral_1h_input_tokens > 1000
    assert answer.usage.cache_creation.ephemeral_5m_input_tokens == 0


async def test_thinking_signature_comes_back(claude: anthropic.AsyncAnthropic) -> None:
    """A streamed thought is signed, and accepted when echoed unchanged, refused when altered."""
    thinking = {"type": "enabled", "budget_tokens": 1024}
    async with claude.messages.stream(model=OPUS, max_tokens=2000, messages=ASK, thinking=thinking) as stream:
        thought = (await stream.get_final_message()).content[0]
    echo = {"type": "thinking", "thinking": thought.thinking, "signature": thought.signature}
    history = [*ASK, {"role": "assistant", "content": [echo]}, {"role": "user", "content": "Go on"}]
    await claude.messages.create(model=OPUS, max_tokens=2000, messages=history)
    echo["thinking"] += "!"
    with pytest.raises(anthropic.BadRequestError, match="Invalid `signature` in `thinking` block"):
        await claude.messages.create(model=OPUS, max_tokens=2000, messages=history)


async def test_counting_tokens(claude: anthropic.AsyncAnthropic) -> None:
    """The count is the prompt's that the answer bills."""
    counted = await claude.messages.count_tokens(model=OPUS, messages=ASK)
    assert counted.input_tokens > 5


async def test_embeddings_and_models(vendors: Vendors, claude: anthropic.AsyncAnthropic) -> None:
    """Both clients list their vendor's models; equal texts have equal vectors."""
    async with openai.AsyncOpenAI(base_url=vendors.openai_url, api_key="k") as client:
        made = await client.embeddings.create(model="embed", input=["a", "b", "a"], dimensions=8)
        names = [model.id async for model in client.models.list()]
    assert made.data[0].embedding == made.data[2].embedding != made.data[1].embedding
    assert GLM in names
    assert [model.type async for model in claude.models.list()] == ["model", "model"]


# --- tools and schemas -------------------------------------------------------------------------------


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
    """A forced tool is called whatever the ask says."""
    forced = {"type": "function", "function": {"name": "get_tides"}}
    glm = await chat.chat.completions.create(**chat_body(tools=CHAT_TOOLS, tool_choice=forced))
    opus = await claude.messages.create(
        model=OPUS,
        max_tokens=300,
        messages=ASK,
        tools=CLAUDE_TOOLS,
        tool_choice={"type": "tool", "name": "get_tides"},
    )
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


# --- refusals ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("extra", "code", "said"),
    [
        ({"messages": [{"role": "developer", "content": "x"}]}, "1214", "Incorrect role information"),
        ({"messages": []}, "1214", "messages parameter is illegal"),
        ({"temperature": 1.5}, "1214", "temperature parameter is illegal"),
        ({"model": "gpt-4"}, "1211", "Unknown Model"),
        ({"messages": [IMAGE]}, "1210", "Invalid API parameter"),
        ({"messages": [{"role": "user", "content": "x" * 600_000}]}, "1261", "Prompt exceeds max length"),
    ],
)  # fmt: skip
async def test_zai_refuses(
    extra: dict[str, object], code: str, said: str, vendors: Vendors, http: httpx.AsyncClient
) -> None:
    """GLM's 400s have a code and a message, and no type."""
    answer = await post_chat(http, vendors.zai_url, **extra)
    assert answer.status_code == 400
    assert set(answer.json()["error"]) == {"code", "message"}
    assert answer.json()["error"]["code"] == code
    assert said in answer.json()["error"]["message"]


async def test_zai_ignores_what_it_does_not_know(vendors: Vendors, http: httpx.AsyncClient) -> None:
    """`max_completion_tokens` and `n` change nothing at Z.ai."""
    answer = (await post_chat(http, vendors.zai_url, max_completion_tokens=3, n=4)).json()
    assert [choice["finish_reason"] for choice in answer["choices"]] == ["stop"]


async def test_zai_vision_model_sees(vendors: Vendors, http: httpx.AsyncClient) -> None:
    """glm-4.5v takes the image that glm-4.5 refuses."""
    assert (await post_chat(http, vendors.zai_url, model="glm-4.5v", messages=[IMAGE])).status_code == 200


USE = {"type": "tool_use", "id": "t1", "name": "get_weather", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "t1", "content": "sun"}


def after_use(*blocks: dict[str, object]) -> list[dict[str, object]]:
    """A history in which a tool was used."""
    return [*ASK, {"role": "assistant", "content": list(blocks)}, {"role": "user", "content": [RESULT]}]


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        ({"max_tokens": None}, "max_tokens: Field required"),
        ({"max_tokens": 32_001}, "max_tokens: 32001 > 32000, which is the maximum allowed"),
        ({"seed": 1}, "seed: Extra inputs are not permitted"),
        ({"messages": [{"role": "user", "content": "x", "name": "joe"}]}, "messages.0.name: Extra inputs"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": ""}]}]},
         "messages: text content blocks must be non-empty"),
        ({"messages": [{"role": "user", "content": ""}]}, "all messages must have non-empty content"),
        ({"messages": [{"role": "system", "content": "x"}]}, 'Unexpected role "system". The Messages API'),
        ({"messages": [{"role": "tool", "content": "x"}]}, 'Unexpected role "tool". Allowed roles'),
        ({"messages": []}, "messages: at least one message is required"),
        ({"temperature": 0.5, "top_p": 0.9}, "`temperature` and `top_p` cannot both be specified"),
        ({"temperature": 1.2}, "temperature: range: 0..1"),
        ({"messages": after_use(USE)}, "blocks must define tools."),
        ({"messages": after_use(USE)[:2], "tools": CLAUDE_TOOLS}, "messages.1: `tool_use` ids were found"),
        ({"messages": [after_use(USE)[2]], "tools": CLAUDE_TOOLS}, "messages.0.content.0: unexpected"),
        ({"messages": after_use(USE | {"id": "a:b"}), "tools": CLAUDE_TOOLS}, "String should match pattern"),
        ({"messages": after_use({"type": "thinking", "thinking": "hm"}, USE), "tools": CLAUDE_TOOLS},
         "messages.1.content.0.thinking.signature: Field required"),
        ({"messages": after_use(USE), "tools": CLAUDE_TOOLS, "max_tokens": 2000,
          "thinking": {"type": "enabled", "budget_tokens": 1024}}, "Expected `thinking` or"),
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, "must be greater than"),
        ({"messages": [{"role": "user", "content": "x" * 900_000}]}, "prompt is too long"),
    ],
)  # fmt: skip
async def test_anthropic_refuses(
    extra: dict[str, object], said: str, vendors: Vendors, http: httpx.AsyncClient
) -> None:
    """Anthropic's 400s, in its words and its shape."""
    answer = await post_claude(http, vendors.url, **extra)
    assert answer.status_code == 400
    body = answer.json()
    assert (body["type"], body["error"]["type"]) == ("error", "invalid_request_error")
    assert body["request_id"] == answer.headers["request-id"]
    assert said in body["error"]["message"]


async def test_older_claude_takes_both_samplers(vendors: Vendors, http: httpx.AsyncClient) -> None:
    """Only newer models refuse temperature with top_p."""
    old = {"model": "claude-3-5-haiku-20241022", "temperature": 0.5, "top_p": 0.9}
    assert (await post_claude(http, vendors.url, **old)).status_code == 200


async def test_count_knows_fewer_fields(vendors: Vendors, http: httpx.AsyncClient) -> None:
    """`max_tokens` is unknown to count_tokens."""
    url = f"{vendors.url}/v1/messages/count_tokens"
    answer = await http.post(url, json=claude_body(), headers=CLAUDE_HEADERS)
    assert answer.json()["error"]["message"] == "max_tokens: Extra inputs are not permitted"


@pytest.mark.parametrize(
    ("path", "headers", "status", "said"),
    [
        ("/api/paas/v4/chat/completions", {}, 401, "Authentication parameter not received in Header"),
        (
            "/api/paas/v4/chat/completions",
            {"authorization": "Bearer sk-wrong"},
            401,
            "token expired or incorrect",
        ),
        ("/v1/chat/completions", {}, 401, "You didn't provide an API key"),
        ("/v1/chat/completions", {"authorization": "Bearer sk-wrong"}, 401, "Incorrect API key provided"),
        ("/v1/messages", {}, 401, "x-api-key header is required"),
        ("/v1/messages", {"x-api-key": "sk-wrong"}, 401, "invalid x-api-key"),
        ("/v1/messages", {"authorization": "Bearer sk-wrong"}, 401, "Invalid bearer token"),
        ("/v1/messages", {"x-api-key": "k"}, 400, "anthropic-version: header is required"),
    ],
)
async def test_credentials(
    path: str, headers: dict[str, str], status: int, said: str, vendors: Vendors, http: httpx.AsyncClient
) -> None:
    """Every vendor has its own words for a missing and for a wrong key."""
    answer = await http.post(vendors.url + path, json=chat_body(), headers=headers)
    assert answer.status_code == status
    assert said in answer.json()["error"]["message"]


async def test_clients_raise_their_errors(vendors: Vendors) -> None:
    """The official clients map a 401 to their own exception, with the code one of them keys on."""
    async with openai.AsyncOpenAI(base_url=vendors.openai_url, api_key="sk-wrong") as client:
        with pytest.raises(openai.AuthenticationError) as caught:
            await client.chat.completions.create(**chat_body(GPT))
    assert caught.value.code == "invalid_api_key"
    async with anthropic.AsyncAnthropic(base_url=vendors.url, api_key="sk-wrong") as claude:
        with pytest.raises(anthropic.AuthenticationError):
            await claude.messages.create(model=OPUS, max_tokens=9, messages=ASK)


async def test_unknown_claude_is_not_found(claude: anthropic.AsyncAnthropic) -> None:
    """A foreign model name is a 404."""
    with pytest.raises(anthropic.NotFoundError, match="model: gpt-4"):
        await claude.messages.create(model="gpt-4", max_tokens=9, messages=ASK)


# --- scenarios ---------------------------------------------------------------------------------------


async def test_rate_limit_waits(vendors: Vendors, http: httpx.AsyncClient) -> None:
    """A 429 carries a bare retry-after and each vendor's own error."""
    base = f"{vendors.url}/scenario/status=429,retry_after=34"
    glm = await post_chat(http, f"{base}/api/paas/v4")
    opus = await post_claude(http, base)
    assert (glm.status_code, glm.headers["retry-after"], glm.json()["error"]["code"]) == (429, "34", "1302")
    assert (opus.headers["retry-after"], opus.json()["error"]["type"]) == ("34", "rate_limit_error")


async def test_empty_account_has_its_code(vendors: Vendors, http: httpx.AsyncClient) -> None:
    """Z.ai's 1113 looks like a rate limit and is none."""
    vendors.script(GLM, Scenario(status=429, code="1113"))
    error = (await post_chat(http, vendors.zai_url)).json()["error"]
    assert error == {
        "code": "1113",
        "message": "Insufficient balance or no resource package. Please recharge.",
    }


@pytest.mark.parametrize(("body", "starts"), [("json", b'{"'), ("html", b"<html>"), ("empty", b"")])
@pytest.mark.parametrize("status", [500, 503, 529])
async def test_error_bodies(
    status: int, body: str, starts: bytes, vendors: Vendors, http: httpx.AsyncClient
) -> None:
    """A failure may come as JSON, as a proxy's page, or as nothing."""
    answer = await post_claude(http, f"{vendors.url}/scenario/status={status},body={body}")
    assert answer.status_code == status
    assert answer.content[:6].startswith(starts)
    assert bool(answer.content) is bool(starts)


async def test_fails_first_then_answers(vendors: Vendors, http: httpx.AsyncClient) -> None:
    """`fail_first` counts calls, and a new script starts the count again."""
    for _ in range(2):
        vendors.script(GLM, Scenario(fail_first=2, status=500))
        statuses = [(await post_chat(http, vendors.zai_url)).status_code for _ in range(3)]
        assert statuses == [500, 500, 200]


async def test_fail_first_in_a_url(vendors: Vendors, http: httpx.AsyncClient) -> None:
    """Without a named fault the first calls are 503s."""
    base = f"{vendors.url}/scenario/fail_first=1,retry_after=7/v1"
    first, second = [await post_chat(http, base, model=GPT) for _ in range(2)]
    assert (first.status_code, first.headers["retry-after"]) == (503, "7")
    assert second.status_code == 200


@pytest.mark.parametrize("events", [1, 4])
async def test_cut_stream_raises(vendors: Vendors, http: httpx.AsyncClient, events: int) -> None:
    """The socket closes after N whole events, without the end of the body."""
    url = f"{vendors.url}/scenario/cut_after_events={events}/v1/messages"
    got = bytearray()
    with pytest.raises(httpx.RemoteProtocolError):
        await read_stream(http, url, got)
    assert got.count(b"\n\n") == events
    assert (vendors.calls[0].was_cut, vendors.calls[0].closed_early) == (True, False)


async def test_cut_plain_answer_raises(vendors: Vendors, http: httpx.AsyncClient) -> None:
    """A plain answer stops short of its content-length."""
    with pytest.raises(httpx.RemoteProtocolError):
        await post_chat(http, f"{vendors.url}/scenario/cut_after_events=1/v1", model=GPT)


async def test_error_before_any_output(vendors: Vendors, http: httpx.AsyncClient) -> None:
    """HTTP 200, one role chunk, then the vendor's error, and no clean end."""
    text = (
        await post_chat(http, f"{vendors.url}/scenario/error_after_events=1/api/paas/v4", stream=True)
    ).text
    role, failed = chunks_of(text)
    assert role["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert failed["error"]["code"] == "1234"
    assert "[DONE]" not in text


async def test_claude_error_event(vendors: Vendors) -> None:
    """Anthropic's client raises the error it finds in a stream."""
    base = f"{vendors.url}/scenario/error_after_events=6"
    async with anthropic.AsyncAnthropic(base_url=base, api_key="k", max_retries=0) as client:
        with pytest.raises(anthropic.APIStatusError, match="overloaded_error"):
            async with client.messages.stream(model=OPUS, max_tokens=99, messages=ASK) as stream:
                await stream.get_final_message()


async def test_error_inside_plain_200(vendors: Vendors, http: httpx.AsyncClient) -> None:
    """Without a stream the same fault is a 200 that holds an error."""
    answer = await post_chat(http, f"{vendors.url}/scenario/error_after_events=1/v1", model=GPT)
    assert (answer.status_code, answer.json()["error"]["type"]) == (200, "server_error")


@pytest.mark.parametrize(("scenario", "content"), [("garbage=true", b"<html>"), ("empty=true", b"")])
async def test_garbage_and_empty(
    scenario: str, content: bytes, vendors: Vendors, http: httpx.AsyncClient
) -> None:
    """A 200 that is no answer, streamed or not."""
    for stream in (False, True):
        answer = await post_claude(http, f"{vendors.url}/scenario/{scenario}", stream=stream)
        assert answer.status_code == 200
        assert answer.content[:6] == content


async def test_no_usage(vendors: Vendors, http: httpx.AsyncClient) -> None:
    """Usage stays away from streams and answers."""
    base = f"{vendors.url}/scenario/no_usage=true"
    glm = await post_chat(http, f"{base}/api/paas/v4", stream=True)
    opus = await post_claude(http, base, stream=True)
    assert not any("usage" in chunk for chunk in chunks_of(glm.text))
    assert chunks_of(opus.text)[0]["message"]["usage"] == {"input_tokens": 0, "output_tokens": 0}
    assert "usage" not in chunks_of(opus.text)[-2]
    assert "usage" not in (await post_chat(http, f"{base}/v1", model=GPT)).json()


async def test_usage_on_every_chunk(vendors: Vendors, http: httpx.AsyncClient) -> None:
    """Counts grow from chunk to chunk up to the true one."""
    base = f"{vendors.url}/scenario/usage_every_chunk=true"
    glm = await post_chat(http, f"{base}/api/paas/v4", stream=True)
    counts = [chunk["usage"]["completion_tokens"] for chunk in chunks_of(glm.text)]
    assert counts == sorted(counts)
    opus = chunks_of((await post_claude(http, base, stream=True)).text)
    assert len([event for event in opus if event["type"] == "message_delta"]) > 10


async def test_crumbs_and_crlf_change_nothing(vendors: Vendors) -> None:
    """Writes of three bytes cut characters and lines; clients see the same answer."""
    texts = []
    for prefix in ("", "/scenario/chunk_bytes=3,crlf"):
        async with (
            anthropic.AsyncAnthropic(base_url=vendors.url + prefix, api_key="k") as client,
            client.messages.stream(model=OPUS, max_tokens=99, messages=ASK) as stream,
        ):
            texts.append(await stream.get_final_text())
    assert texts[0] == texts[1]
    assert "“" in texts[0]


async def test_crumbs_split_characters(vendors: Vendors, http: httpx.AsyncClient) -> None:
    """Pieces arrive that are no UTF-8 by themselves, with CR LF between lines."""
    url = f"{vendors.url}/scenario/chunk_bytes=1,crlf,content=%C3%A9/v1/chat/completions"
    async with http.stream("POST", url, json=chat_body(GPT, stream=True), headers=CHAT_HEADERS) as answer:
        parts = [part async for part in answer.aiter_raw()]
    assert any(part.decode(errors="ignore").encode() != part for part in parts)
    assert b"\r\n\r\n" in b"".join(parts)
    assert b"\n\n" not in b"".join(parts)


async def test_broken_tool_json(vendors: Vendors, chat: openai.AsyncOpenAI) -> None:
    """Arguments that do not parse."""
    vendors.script(GLM, Scenario(broken_tool_json=True))
    body = chat_body(tools=CHAT_TOOLS, messages=[{"role": "user", "content": "call tool"}])
    answer = await chat.chat.completions.create(**body)
    with pytest.raises(json.JSONDecodeError):
        json.loads(answer.choices[0].message.tool_calls[0].function.arguments)


async def test_refusals(vendors: Vendors, http: httpx.AsyncClient) -> None:
    """Each vendor refuses in its own way."""
    base = f"{vendors.url}/scenario/refusal=true"
    glm = (await post_chat(http, f"{base}/api/paas/v4")).json()["choices"][0]
    gpt = (await post_chat(http, f"{base}/v1", model=GPT)).json()["choices"][0]
    opus = (await post_claude(http, base)).json()
    assert glm["finish_reason"] == "sensitive"
    assert (gpt["finish_reason"], gpt["message"]["content"]) == ("stop", None)
    assert "can't help" in gpt["message"]["refusal"]
    assert opus["stop_reason"] == "refusal"


async def test_truncated(vendors: Vendors, http: httpx.AsyncClient) -> None:
    """The answer stops half way and says so."""
    whole = (await post_chat(http, vendors.zai_url)).json()["choices"][0]
    half = (await post_chat(http, f"{vendors.url}/scenario/truncated=true/api/paas/v4")).json()["choices"][0]
    assert half["finish_reason"] == "length"
    assert whole["message"]["content"].startswith(half["message"]["content"])


async def test_content_and_events(vendors: Vendors, http: httpx.AsyncClient) -> None:
    """The text can be given, and the number of its pieces."""
    given = "a,b/c \u2028 %22 é"
    base = f"{vendors.url}/scenario/content=a%2Cb%2Fc%20%E2%80%A8%20%2522%20%C3%A9,events=4/v1"
    text = (await post_chat(http, base, model=GPT, stream=True)).content.decode()
    pieces = [json.loads(line[6:])["choices"][0]["delta"].get("content") for line in text.split("\n")[2:-6:2]]
    assert "".join(pieces) == given
    assert len(pieces) == 4


async def test_huge_event(vendors: Vendors, http: httpx.AsyncClient) -> None:
    """One event of the size asked for."""
    answer = await post_claude(
        http, f"{vendors.url}/scenario/huge_event_kb=300", stream=True, max_tokens=30_000
    )
    assert max(map(len, answer.text.split("\n\n"))) > 300 * 1024


async def test_quirks(vendors: Vendors, http: httpx.AsyncClient) -> None:
    """Z.ai's index of -1 and its second finish."""
    vendors.script("*", Scenario(quirks=True))
    ask = [{"role": "user", "content": "call tool"}]
    chunks = chunks_of(
        (await post_chat(http, vendors.zai_url, stream=True, tools=CHAT_TOOLS, messages=ask)).text
    )
    assert [c["choices"][0].get("finish_reason") for c in chunks[-2:]] == ["tool_calls", "tool_calls"]
    assert chunks[-3]["choices"][0]["delta"]["tool_calls"][0]["index"] == -1


async def test_delays_hold_back(vendors: Vendors, http: httpx.AsyncClient) -> None:
    """Nothing is answered while the first event is delayed."""
    vendors.script(GLM, Scenario(delay_first_ms=60_000))
    sending = asyncio.create_task(post_chat(http, vendors.zai_url))
    await vendors.wait_calls(1)
    assert not sending.done()
    assert vendors.calls[0].status is None
    sending.cancel()
    assert (await vendors.wait_disconnect()).closed_early


async def test_event_delays_hold_back(vendors: Vendors, http: httpx.AsyncClient) -> None:
    """The head is out while the first event waits."""
    vendors.script(GLM, Scenario(delay_event_ms=60_000))
    async with http.stream("POST", f"{vendors.zai_url}/chat/completions", json=chat_body(stream=True),
                           headers=CHAT_HEADERS) as answer:  # fmt: skip
        assert answer.status_code == 200
        assert vendors.calls[0].events_sent == 0
    assert (await vendors.wait_disconnect()).model == GLM


async def test_hang_ends_with_the_client(vendors: Vendors, http: httpx.AsyncClient) -> None:
    """A hanging call is noticed when its client leaves, and other calls are served meanwhile."""
    vendors.script(GLM, Scenario(hang=True))
    hanging = asyncio.create_task(post_chat(http, vendors.zai_url))
    await vendors.wait_calls(1)
    assert (await post_claude(http, vendors.url)).status_code == 200
    hanging.cancel()
    assert (await vendors.wait_disconnect()) is vendors.calls[0]
    assert [call.closed_early for call in vendors.calls] == [True, False]


async def test_leaving_mid_stream_is_seen(vendors: Vendors, http: httpx.AsyncClient) -> None:
    """A client that stops reading in the middle is recorded with what it was sent."""
    vendors.script(OPUS, Scenario(hang_after_events=5))
    body = claude_body(model=OPUS, stream=True, max_tokens=64_000)
    async with http.stream("POST", f"{vendors.url}/v1/messages", json=body, headers=CLAUDE_HEADERS):
        await vendors.wait_calls(1, events=5)
    assert (await vendors.wait_disconnect()).events_sent == 5


async def test_no_disconnect_times_out(vendors: Vendors, http: httpx.AsyncClient) -> None:
    """A client that stayed to the end did not leave."""
    await post_claude(http, vendors.url, stream=True)
    assert not vendors.calls[0].closed_early
    with pytest.raises(TimeoutError):
        await vendors.wait_disconnect(0.01)


async def test_calls_are_recorded_without_secrets(vendors: Vendors, http: httpx.AsyncClient) -> None:
    """Path, model, body and harmless headers are kept; of the key only its tail."""
    await post_claude(http, f"{vendors.url}/scenario/no_usage=true", metadata={"user_id": "u"})
    call = vendors.calls[0]
    assert (call.path, call.model, call.key_tail, call.status) == (
        "/v1/messages",
        "claude-opus-4-1",
        "9876",
        200,
    )
    assert call.body["metadata"] == {"user_id": "u"}
    assert call.headers["anthropic-version"] == "2023-06-01"
    assert call.scenario == Scenario(no_usage=True)
    assert "sk-test" not in str(call)


async def test_script_given_at_start(http: httpx.AsyncClient) -> None:
    """A script steers from the first call; a URL's scenario wins over it."""
    async with serve_scripted(Script({GLM: Scenario(status=503)})) as vendors:
        scripted = await post_chat(http, vendors.zai_url)
        by_url = await post_chat(http, f"{vendors.url}/scenario/status=529/api/paas/v4")
        other = await post_chat(http, vendors.zai_url, model="glm-4.5-air")
    assert [scripted.status_code, by_url.status_code, other.status_code] == [503, 529, 200]


@pytest.mark.parametrize("text", ["statsu=429", "status=abc", "status=99", "body=xml", "events=-1"])
async def test_unreadable_scenario_is_told(text: str, vendors: Vendors, http: httpx.AsyncClient) -> None:
    """A misspelt scenario is an error that lists the names, not an answer."""
    with pytest.raises(ValueError, match="unreadable scenario"):
        parse_scenario(text)
    answer = await post_claude(http, f"{vendors.url}/scenario/{text}")
    assert answer.status_code == 400
    assert "retry_after" in answer.json()["error"]["message"]


async def test_unknown_path_is_not_found(vendors: Vendors, http: httpx.AsyncClient) -> None:
    """What no vendor serves is a 404."""
    assert (await http.post(f"{vendors.url}/v1/nothing", json={})).status_code == 404


@pytest.mark.parametrize("raw", [b"{", b"[1]"])
async def test_unreadable_body(raw: bytes, vendors: Vendors, http: httpx.AsyncClient) -> None:
    """A body that is no JSON object is a 400."""
    url = f"{vendors.openai_url}/chat/completions"
    assert (await http.post(url, content=raw, headers=CHAT_HEADERS)).status_code == 400
