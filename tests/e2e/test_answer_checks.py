from __future__ import annotations

import json
from pathlib import Path

import pytest
from running_gateway import GLM, OPUS, Json, Launch, Running

from gateway.upstreams.scripted import Scenario

CHECKED = "pack: checked\nanswer_checks: {enabled: [empty_or_looping, tool_arguments, schema]}\n"
PERSON = {"type": "object", "required": ["age"], "properties": {"age": {"type": "integer"}}}
WEATHER = {"type": "object", "required": ["city"], "properties": {"city": {"type": "string"}}}
AS_JSON: Json = {"response_format": {"type": "json_schema", "json_schema": {"name": "p", "schema": PERSON}}}
AS_LIST: Json = {"type": "json_schema", "json_schema": {"name": "p", "schema": {"type": "array"}}}
"""What Anthropic's dialect cannot say: a tool's input is an object."""
TOOLS: Json = {"tools": [{"type": "function", "function": {"name": "get_weather", "parameters": WEATHER}}]}
MESSAGES: Json = {
    "messages": [{"role": "user", "content": "who is it"}],
    "max_tokens": 300,
    "output_config": {"format": {"type": "json_schema", "schema": PERSON}},
}
RESPONSES: Json = {
    "input": "who is it",
    "text": {"format": {"type": "json_schema", "name": "p", "schema": PERSON}},
}
BAD = Scenario(content='{"age": "forty"}')
DOWN = Scenario(status=503)


def body(**more: object) -> Json:
    """Return a routine request for one answer."""
    said = [{"role": "user", "content": "call the tool get_weather for these lines"}]
    return {"model": "auto", "messages": said, **more}


@pytest.fixture
async def gateway(launch: Launch, tmp_path: Path) -> Running:
    """Give a gateway that checks base answers."""
    (tmp_path / "checked.yaml").write_text(CHECKED, encoding="utf-8")
    return await launch(
        policy={"packs": ["small.yaml", "checked.yaml"]},
        router_settings={"fallbacks": [{"glm-4.5": ["claude-opus-4-1"]}]},
    )


def called(gateway: Running) -> list[str | None]:
    """Return the models that were called, in order."""
    return [call.model for call in gateway.vendors.calls]


@pytest.mark.parametrize(
    ("asked", "scenario", "check"),
    [
        (TOOLS, Scenario(broken_tool_json=True), "tool_arguments"),
        (AS_JSON, BAD, "schema"),
        (AS_JSON, Scenario(content="Here it is."), "schema"),
        ({}, Scenario(content=" "), "empty_or_looping"),
    ],
)
async def test_redone_by_premium(
    gateway: Running, key: str, asked: Json, scenario: Scenario, check: str
) -> None:
    """A base answer that fails its checks never reaches the client, and its cost is booked as wasted."""
    gateway.vendors.script(GLM, scenario)
    status, headers, told = await gateway.post(key, body(**asked))
    (row,), (wasted, shown) = await gateway.rows(), await gateway.rows("attempts")
    assert (status, headers["x-gateway-tier"], headers["x-gateway-attempts"]) == (200, "premium", "2")
    assert "x-gateway-check-failed" not in headers
    assert called(gateway) == [GLM, OPUS]
    assert "opus" in json.loads(told)["model"]
    assert (wasted["outcome"], wasted["delivered"], shown["delivered"]) == ("check_failed", 0, 1)
    assert (row["attempts"], row["wasted_nano"]) == (2, wasted["cost_nano"])
    assert int(str(row["wasted_nano"])) > 0
    assert row["cost_nano"] == int(str(wasted["cost_nano"])) + int(str(shown["cost_nano"]))
    metrics = gateway.wiring.telemetry.exposition().decode()
    assert f'gateway_answer_check_failures_total{{check="{check}",deployment="glm-4.5"}} 1.0' in metrics


@pytest.mark.parametrize("asked", [{}, TOOLS, AS_JSON, {"max_tokens": 5}])
async def test_good_is_not_redone(gateway: Running, key: str, asked: Json) -> None:
    """A good answer costs one call."""
    _, headers, _ = await gateway.post(key, body(**asked))
    (row,) = await gateway.rows()
    assert (headers["x-gateway-tier"], row["attempts"], row["wasted_nano"]) == ("base", 1, 0)
    assert called(gateway) == [GLM]


async def test_own_limit_is_not_redone(gateway: Running, key: str) -> None:
    """JSON that the client's own limit cut short would be cut short again."""
    gateway.vendors.script(GLM, Scenario(content='{"age": 40, "said": "one two three four five six"}'))
    _, _, told = await gateway.post(key, body(max_tokens=5, **AS_JSON))
    assert (json.loads(told)["choices"][0]["finish_reason"], called(gateway)) == ("length", [GLM])


@pytest.mark.parametrize("asked", [{}, {"stream": True}])
async def test_not_checked(gateway: Running, key: str, asked: Json) -> None:
    """A model asked for by name answers for itself."""
    gateway.vendors.script(GLM, BAD)
    status, _, told = await gateway.post(key, body(**AS_JSON, **asked) | {"model": "glm-4.5"})
    assert (status, called(gateway)) == (200, [GLM])
    assert b"age" in told


@pytest.mark.parametrize("premium", [DOWN, Scenario(status=400), Scenario(garbage=True)])
async def test_premium_fails_too(gateway: Running, key: str, premium: Scenario) -> None:
    """When premium cannot redo it, the client gets the base answer with the failed check named."""
    gateway.vendors.script(GLM, BAD)
    gateway.vendors.script(OPUS, premium)
    status, headers, told = await gateway.post(key, body(**AS_JSON))
    (row,), attempts = await gateway.rows(), await gateway.rows("attempts")
    assert (status, headers["x-gateway-check-failed"], headers["x-gateway-attempts"]) == (200, "schema", "2")
    assert (headers["x-gateway-tier"], row["tier"], row["model"]) == ("base", "base", "glm-4.5")
    assert b"forty" in told
    assert (attempts[0]["outcome"], attempts[0]["delivered"]) == ("check_failed", 1)
    assert (row["status"], row["wasted_nano"]) == ("ok", attempts[1]["cost_nano"])


async def test_premium_cannot_say_it(gateway: Running, key: str) -> None:
    """Where premium has no way to do what was asked, the base answer is delivered."""
    gateway.vendors.script(GLM, BAD)
    status, headers, told = await gateway.post(key, body(response_format=AS_LIST))
    assert (status, headers["x-gateway-check-failed"], called(gateway)) == (200, "schema", [GLM])
    assert b"forty" in told


async def test_no_budget_for_premium(gateway: Running) -> None:
    """Where the budget has room for base only, the base answer is delivered and nothing is wasted."""
    gateway.vendors.script(GLM, BAD)
    key = await gateway.key(budget_usd="0.01")
    status, headers, _ = await gateway.post(key, body(max_completion_tokens=500, **AS_JSON))
    (row,) = await gateway.rows()
    assert (status, headers["x-gateway-check-failed"], headers["x-gateway-attempts"]) == (200, "schema", "1")
    assert (called(gateway), row["attempts"], row["wasted_nano"]) == ([GLM], 1, 0)
    assert gateway.open_holds == 0


@pytest.mark.parametrize(("path", "asked"), [("/v1/messages", MESSAGES), ("/v1/responses", RESPONSES)])
async def test_other_dialects(gateway: Running, key: str, path: str, asked: Json) -> None:
    """The other dialects are held to their schemas too."""
    gateway.vendors.script(GLM, BAD)
    status, headers, told = await gateway.post(key, {"model": "auto", **asked}, path)
    assert (status, headers["x-gateway-tier"], called(gateway)) == (200, "premium", [GLM, OPUS])
    assert b"forty" not in told


async def test_off_by_default(launch: Launch) -> None:
    """A policy that enables no check delivers what the base model said."""
    gateway = await launch()
    gateway.vendors.script(GLM, BAD)
    _, headers, _ = await gateway.post(await gateway.key(), body(**AS_JSON))
    assert (headers["x-gateway-tier"], called(gateway)) == ("base", [GLM])
