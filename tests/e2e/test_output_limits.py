from __future__ import annotations

import asyncio
import json

import pytest
from running_gateway import GLM, OPUS, ROUTINE, Json, Running

from gateway.upstreams.scripted import Scenario
from policies.answer_length import FEWEST, SMALLEST

MODELS = {GLM: "glm-4.5", OPUS: "claude-opus-4-1"}


def asking(path: str, model: str) -> Json:
    """Return a request without a limit, in the dialect of a path."""
    if path.endswith("responses"):
        return {"model": model, "input": ROUTINE}
    return {"model": model, "messages": [{"role": "user", "content": ROUTINE}]}


async def known_team(gateway: Running, model: str) -> None:
    """Serve a team as many answers as make its usual length known."""
    key = await gateway.key(budget_usd="1000")
    one = asking("/v1/chat/completions", model)
    for _ in range(FEWEST // 10):
        served = await asyncio.gather(*(gateway.post(key, one) for _ in range(10)))
        assert {status for status, _, _ in served} == {200}


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses"])
@pytest.mark.parametrize(("vendors_model", "cents"), [(GLM, "0.02"), (OPUS, "0.2")])
async def test_likely_answer_is_held(gateway: Running, path: str, vendors_model: str, cents: str) -> None:
    """A budget too small for the longest answer serves a known team, with a limit that is told and recorded."""
    model = MODELS[vendors_model]
    key = await gateway.key(budget_usd=cents)
    assert (await gateway.post(key, asking(path, model), path))[0] == 429
    await known_team(gateway, model)
    status, headers, told = await gateway.post(key, asking(path, model), path)
    assert (status, headers["x-gateway-output-limit"]) == (200, str(SMALLEST)), told
    assert gateway.vendors.calls[-1].body["max_tokens"] == SMALLEST
    _, _, record = await gateway.get(key, f"/v1/decisions/{headers['x-gateway-decision-id']}")
    assert json.loads(record)["record"]["output_limit"] == SMALLEST


async def test_room_leaves_answers_alone(gateway: Running) -> None:
    """While the budget has room, a known team's calls go out without a limit."""
    await known_team(gateway, MODELS[GLM])
    key = await gateway.key(budget_usd="10")
    _, headers, _ = await gateway.post(key, asking("/v1/chat/completions", MODELS[GLM]))
    assert "x-gateway-output-limit" not in headers
    assert "max_tokens" not in gateway.vendors.calls[-1].body


async def test_parallel_calls_share_a_small_budget(gateway: Running) -> None:
    """Where two longest answers have no room, many likely ones run at a time."""
    await known_team(gateway, MODELS[OPUS])
    key = await gateway.key(budget_usd="0.5")
    calls = len(gateway.vendors.calls)
    gateway.vendors.script(OPUS, Scenario(hang=True))
    one = asking("/v1/chat/completions", MODELS[OPUS])
    tasks = [asyncio.create_task(gateway.post(key, one)) for _ in range(10)]
    await gateway.vendors.wait_calls(calls + 10)
    assert gateway.open_holds == 10
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await gateway.closed(10)
