"""Anthropic's client and OpenAI's Responses client, before vendors that speak another dialect."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI
from openai.types.responses import FunctionToolParam
from running_gateway import CRITICAL, OPUS, ROUTINE, Running

GLM_NAME = "glm-4.5"
FUNCTION: FunctionToolParam = {
    "type": "function",
    "name": "search",
    "parameters": {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]},
    "strict": False,
}


@pytest.fixture
async def claude(gateway: Running, key: str) -> AsyncIterator[AsyncAnthropic]:
    """Give Anthropic's own client of team red."""
    async with AsyncAnthropic(base_url=gateway.url, auth_token=key, max_retries=0) as client:
        yield client


async def test_anthropic_client_reaches_glm(claude: AsyncAnthropic, gateway: Running) -> None:
    """A routine ask in Anthropic's dialect is answered by GLM, with its cost in the books."""
    message = await claude.messages.create(
        model="claude-x", max_tokens=500, messages=[{"role": "user", "content": ROUTINE}]
    )

    assert message.model == GLM_NAME
    assert message.content[0].type == "text"
    assert message.stop_reason == "end_turn"
    (row,) = await gateway.rows()
    assert row["status"] == "ok"


async def test_anthropic_client_streams_from_glm(claude: AsyncAnthropic) -> None:
    """GLM's reasoning, text and usage arrive as Anthropic's client expects them."""
    async with claude.messages.stream(
        model="claude-x",
        max_tokens=4_000,
        thinking={"type": "enabled", "budget_tokens": 2_000},
        messages=[{"role": "user", "content": ROUTINE}],
    ) as stream:
        message = await stream.get_final_message()

    assert [block.type for block in message.content] == ["thinking", "text"]
    assert message.usage.input_tokens > 0
    assert message.usage.output_tokens > 0


async def test_anthropic_client_calls_tools_of_glm(claude: AsyncAnthropic) -> None:
    """A tool GLM calls comes as `tool_use`, and its result may go back."""
    tool = {"name": "search", "description": "Searches.", "input_schema": FUNCTION["parameters"]}
    said: list[object] = [{"role": "user", "content": "use search to find the lines"}]

    first = await claude.messages.create(model="claude-x", max_tokens=500, messages=said, tools=[tool])  # type: ignore[arg-type, list-item]
    call = first.content[-1]
    assert call.type == "tool_use"
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "three lines"}
    said += [first.to_param(), {"role": "user", "content": [result]}]
    second = await claude.messages.create(model="claude-x", max_tokens=500, messages=said, tools=[tool])  # type: ignore[arg-type, list-item]

    assert second.stop_reason == "end_turn"


@pytest.mark.parametrize(("ask", "model"), [(ROUTINE, GLM_NAME), (CRITICAL, OPUS)])
async def test_responses_client_reaches_both(client: AsyncOpenAI, ask: str, model: str) -> None:
    """The Responses client gets the same kind of response from either vendor, whole and streamed."""
    whole = await client.responses.create(model="auto", input=ask, store=False)
    async with client.responses.stream(model="auto", input=ask, store=False) as stream:
        streamed = await stream.get_final_response()

    assert (whole.model, streamed.model) == (model, model)
    assert whole.output_text == streamed.output_text
    assert streamed.usage is not None
    assert streamed.usage.total_tokens > 0


@pytest.mark.parametrize("ask", ["use search to find the lines", f"use search: {CRITICAL}"])
async def test_responses_client_makes_a_tool_round(client: AsyncOpenAI, ask: str) -> None:
    """A function is called and answered, the history going back as the client got it."""
    first = await client.responses.create(model="auto", input=ask, tools=[FUNCTION], store=False)
    call = first.output[-1]
    assert call.type == "function_call"
    assert "query" in json.loads(call.arguments)

    history: list[object] = [
        {"role": "user", "content": ask},
        *[item.to_dict() for item in first.output],
        {"type": "function_call_output", "call_id": call.call_id, "output": "three lines"},
    ]
    second = await client.responses.create(model="auto", input=history, tools=[FUNCTION], store=False)  # type: ignore[arg-type]

    assert second.output_text


async def test_stored_responses_are_refused(gateway: Running, key: str) -> None:
    """A client that relies on stored state learns that there is none, in OpenAI's shape."""
    body = {"model": "auto", "input": "x", "previous_response_id": "resp_1"}

    status, _, answer = await gateway.post(key, body, "/v1/responses")

    assert status == 400
    assert json.loads(answer)["error"]["param"] == "previous_response_id"
