from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from running_gateway import GLM, OPUS, Json, Launch, Running

from gateway.upstreams.scripted import Scenario

CHECKS = "[empty_or_looping, tool_arguments, schema, truncation, refusal, code_parses]"
PERSON = {"type": "object", "required": ["age"], "properties": {"age": {"type": "integer"}}}
WEATHER = {"type": "object", "required": ["city"], "properties": {"city": {"type": "string"}}}
ASK = "call the tool get_weather for these lines"
SAID = [{"role": "user", "content": ASK}]
PATHS = {"chat": "/v1/chat/completions", "messages": "/v1/messages", "responses": "/v1/responses"}
PLAIN: dict[str, Json] = {
    "chat": {"messages": SAID},
    "messages": {"messages": SAID, "max_tokens": 3000},
    "responses": {"input": ASK},
}
FUNCTION = {"name": "get_weather", "parameters": WEATHER}
FORM = {"type": "json_schema", "name": "p", "schema": PERSON}
SCHEMA: dict[str, Json] = {
    "chat": {"response_format": {"type": "json_schema", "json_schema": {"name": "p", "schema": PERSON}}},
    "messages": {"output_config": {"format": {"type": "json_schema", "schema": PERSON}}},
    "responses": {"text": {"format": FORM}},
}
TOOL: dict[str, Json] = {
    "chat": {"tools": [{"type": "function", "function": FUNCTION}], "tool_choice": "required"},
    "messages": {
        "tools": [{"name": "get_weather", "input_schema": WEATHER}],
        "tool_choice": {"type": "any"},
    },
    "responses": {"tools": [{"type": "function", **FUNCTION}], "tool_choice": "required"},
}
NOTHING: dict[str, Json] = {dialect: {} for dialect in PATHS}
THOUGHTLESS: dict[str, Json] = {
    "chat": {"thinking": {"type": "disabled"}},
    "messages": {},
    "responses": {"reasoning": {"effort": "none"}},
}
BAD = Scenario(content='{"age": "forty"}')
GOOD = Scenario(content='{"age": 40}')
FAILING = [
    (SCHEMA, BAD, "schema"),
    (SCHEMA, Scenario(content="Here it is."), "schema"),
    (TOOL, Scenario(broken_tool_json=True), "tool_arguments"),
    (NOTHING, Scenario(content="It is so, and it is so again. " * 60), "empty_or_looping"),
    (NOTHING, Scenario(content="I'm sorry, but I can't help with that."), "refusal"),
    (NOTHING, Scenario(content="```python\ndef half(:\n    return (\n```"), "code_parses"),
    (NOTHING, Scenario(content="```python\nprint(1)\n"), "truncation"),
]
SAMPLES = [
    *FAILING,
    (NOTHING, Scenario(content=" "), "empty_or_looping"),
    (NOTHING, Scenario(refusal=True), "refusal"),
]
TITLE = [
    {"role": "system", "content": "You are a title generator. You output ONLY a thread title. Nothing else."},
    {"role": "user", "content": "Generate a title for this conversation:\n"},
    {"role": "user", "content": ASK},
]
Checked = Callable[..., Awaitable[Running]]


def asked(dialect: str, more: dict[str, Json], **rest: object) -> Json:
    """Return a routine request for a stream."""
    return {"model": "auto", "stream": True, **PLAIN[dialect], **more[dialect], **rest}


def called(gateway: Running) -> list[str | None]:
    """Return the models that were called, in order."""
    return [call.model for call in gateway.vendors.calls]


@pytest.fixture
async def checked(launch: Launch, tmp_path: Path) -> Checked:
    """Return what starts a gateway that checks base answers, streams as it is told."""

    async def start(streams: str, **sections: object) -> Running:
        section = f"answer_checks: {{enabled: {CHECKS}, streams: {streams}}}"
        (tmp_path / "checked.yaml").write_text(f"pack: checked\n{section}\n", encoding="utf-8")
        policy = {"packs": ["small.yaml", "checked.yaml"]}
        return await launch(policy=policy, **sections)

    return start


@pytest.mark.parametrize("asked_for", [{"stream": True}, {"stream": False}])
@pytest.mark.parametrize("dialect", PATHS)
async def test_redone_in_every_dialect(checked: Checked, dialect: str, asked_for: Json) -> None:
    """Whatever is wrong with a base answer, no client sees it, and what it cost is booked as wasted."""
    gateway = await checked("withhold")
    key = await gateway.key()
    for more, scenario, check in SAMPLES:
        gateway.vendors.script(GLM, scenario)
        status, headers, _ = await gateway.post(key, asked(dialect, more, **asked_for), PATHS[dialect])
        row, (wasted, shown) = (await gateway.rows())[-1], (await gateway.rows("attempts"))[-2:]
        assert (check, status, headers["x-gateway-tier"]) == (check, 200, "premium")
        assert headers["x-gateway-attempts"] == "2"
        assert "failed an answer check" in headers["x-gateway-reason"]
        assert (wasted["outcome"], wasted["delivered"], shown["delivered"]) == ("check_failed", 0, 1)
        assert (row["status"], row["wasted_nano"]) == ("ok", wasted["cost_nano"])
        assert int(str(row["wasted_nano"])) > 0
        _, _, told = await gateway.get(key, f"/v1/decisions/{headers['x-gateway-decision-id']}")
        decision = json.loads(told)
        assert decision["record"]["failed_check"] == check
        assert f"failed the check {check}" in " ".join(decision["explanation"]["why_not"])
    assert called(gateway) == [GLM, OPUS] * len(SAMPLES)
    assert gateway.open_holds == 0


@pytest.mark.parametrize("dialect", PATHS)
async def test_good_is_replayed(checked: Checked, dialect: str) -> None:
    """A stream that passes its checks is, event by event, what it would have been unchecked."""
    bodies = []
    for streams in ("withhold", "relay"):
        gateway = await checked(streams)
        gateway.vendors.script(GLM, GOOD)
        _, headers, told = await gateway.post(await gateway.key(), asked(dialect, SCHEMA), PATHS[dialect])
        assert (headers["x-gateway-tier"], called(gateway)) == ("base", [GLM] * (len(bodies) + 1))
        bodies.append([line[:24] for line in told.split(b"\n")])
    assert bodies[0] == bodies[1]


@pytest.mark.parametrize("dialect", PATHS)
@pytest.mark.parametrize(
    ("more", "scenario", "models"),
    [
        (SCHEMA, BAD, [GLM, OPUS]),
        (TOOL, Scenario(broken_tool_json=True), [GLM, OPUS]),
        (NOTHING, Scenario(content="I'm sorry, but I can't help with that."), [GLM]),
        (THOUGHTLESS, Scenario(content=""), [GLM, OPUS]),
    ],
)
async def test_only_demanded(
    checked: Checked, dialect: str, more: dict[str, Json], scenario: Scenario, models: list[str]
) -> None:
    """Left to itself, a stream is held back only where nobody could use a part of it, or nothing came at all."""
    gateway = await checked("demanded")
    gateway.vendors.script(GLM, scenario)
    await gateway.post(await gateway.key(), asked(dialect, more), PATHS[dialect])
    assert called(gateway) == models


@pytest.mark.parametrize("dialect", PATHS)
@pytest.mark.parametrize("premium", [Scenario(status=503), Scenario(empty=True), Scenario(garbage=True)])
async def test_premium_fails_too(checked: Checked, dialect: str, premium: Scenario) -> None:
    """When premium cannot redo a stream, what was held back is sent after all, the failed check named."""
    gateway = await checked("demanded")
    gateway.vendors.script(GLM, BAD)
    gateway.vendors.script(OPUS, premium)
    _, headers, told = await gateway.post(await gateway.key(), asked(dialect, SCHEMA), PATHS[dialect])
    (row,), attempts = await gateway.rows(), await gateway.rows("attempts")
    assert (headers["x-gateway-check-failed"], headers["x-gateway-tier"]) == ("schema", "base")
    assert b"age" in told
    assert told.rstrip().endswith(b"}" if dialect != "chat" else b"[DONE]")
    assert (attempts[0]["outcome"], attempts[0]["delivered"]) == ("check_failed", 1)
    assert (row["status"], row["wasted_nano"]) == ("ok", attempts[1]["cost_nano"])


@pytest.mark.parametrize("dialect", PATHS)
async def test_no_budget_for_premium(checked: Checked, dialect: str) -> None:
    """Where the budget has room for base only, the base stream is sent and nothing is wasted."""
    gateway = await checked("demanded")
    gateway.vendors.script(GLM, BAD)
    key, limit = (
        await gateway.key(budget_usd="0.01"),
        "max_output_tokens" if dialect == "responses" else "max_tokens",
    )
    _, headers, told = await gateway.post(key, asked(dialect, SCHEMA, **{limit: 500}), PATHS[dialect])
    (row,) = await gateway.rows()
    assert (headers["x-gateway-check-failed"], headers["x-gateway-attempts"]) == ("schema", "1")
    assert (called(gateway), row["attempts"], row["wasted_nano"]) == ([GLM], 1, 0)
    assert b"age" in told
    assert gateway.open_holds == 0


async def test_cut_off_unseen(checked: Checked) -> None:
    """A stream that breaks off while it is held back is replaced; relayed, it would end in an error."""
    gateway = await checked("demanded")
    gateway.vendors.script(GLM, Scenario(content='{"age": 40}', cut_after_events=14))
    status, headers, told = await gateway.post(await gateway.key(), asked("chat", SCHEMA))
    assert (status, headers["x-gateway-tier"], b"error" in told) == (200, "premium", False)


async def test_endless_is_let_go(checked: Checked) -> None:
    """A stream longer than may be held back is sent on unchecked, whole."""
    gateway = await checked("withhold")
    gateway.vendors.script(GLM, Scenario(huge_event_kb=5000))
    _, headers, told = await gateway.post(await gateway.key(), asked("chat", NOTHING))
    assert (headers["x-gateway-tier"], called(gateway)) == ("base", [GLM])
    assert len(told) > 5_000_000
    assert told.endswith(b"[DONE]\n\n")


async def test_waiting_client_hears(checked: Checked) -> None:
    """While a stream is held back its client gets comments, and learns from one who answered."""
    gateway = await checked("demanded", server={"keepalive_seconds": 0.1})
    gateway.vendors.script(GLM, Scenario(content='{"age": "forty"}', delay_event_ms=30))
    _, headers, told = await gateway.post(await gateway.key(), asked("chat", SCHEMA))
    assert "x-gateway-tier" not in headers
    assert told.startswith(b": keep-alive\n\n")
    assert b"\n: x-gateway-tier: premium\n" in told
    assert b"\n: x-gateway-attempts: 2\n" in told


@pytest.mark.parametrize(
    "more",
    [
        {"model": "glm-4.5"},
        {"messages": TITLE},
    ],
)
@pytest.mark.parametrize("stream", ["withhold", "relay"])
async def test_not_checked(checked: Checked, more: Json, stream: str) -> None:
    """A model asked for by name answers for itself, and housekeeping is worth no second call."""
    gateway = await checked(stream)
    gateway.vendors.script(GLM, BAD)
    _, headers, told = await gateway.post(await gateway.key(), asked("chat", SCHEMA) | more)
    assert (headers["x-gateway-attempts"], called(gateway)) == ("1", [GLM])
    assert b"age" in told
