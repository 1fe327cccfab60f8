from __future__ import annotations

import asyncio
import json
import time

import pytest
from running_gateway import GLM, OPUS, ROUTINE, Json, Launch, Running, configure, run_gateway

from gateway.errors import ConfigError
from gateway.upstreams.scripted import Scenario, Vendors

CENT = 10_000_000
"""Nano-USD."""


def body(model: str, text: str = ROUTINE, **more: object) -> Json:
    """Return a request for one answer."""
    return {"model": model, "messages": [{"role": "user", "content": text}], **more}


def models(vendors: Vendors, **changes: Json) -> list[Json]:
    """Return the usual two models with parts of each entry replaced, by the model's first word."""
    entries = configure(vendors)["model_list"]
    assert isinstance(entries, list)
    for entry in entries:
        for part, values in changes.get(str(entry["model_name"]).partition("-")[0], {}).items():
            entry[part] = {**entry.get(part, {}), **values}
    return entries


async def test_fifty_at_once(gateway: Running) -> None:
    """Of fifty simultaneous requests of ten cents each a dollar admits as many as fit, and not one more."""
    key = await gateway.key(budget_usd="1")
    gateway.vendors.script(OPUS, Scenario(hang=True))
    asked = [gateway.post(key, body("claude-opus-4-1", max_tokens=1200)) for _ in range(50)]
    tasks = [asyncio.create_task(one) for one in asked]
    refused = []
    for next_done in asyncio.as_completed(tasks):
        refused.append(await next_done)
        if len(refused) == 40:
            break
    await gateway.vendors.wait_calls(10)
    assert {(status, json.loads(told)["error"]["code"]) for status, _, told in refused} == {
        (429, "budget_exceeded")
    }
    assert gateway.open_holds == 10
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert sum(int(str(row["cost_nano"])) for row in await gateway.closed(10)) <= 100 * CENT
    assert len(gateway.vendors.calls) == 10


async def test_never_above_the_limit(gateway: Running) -> None:
    """Requests go on until the money is gone; what was spent in all stays within the limit."""
    key = await gateway.key(budget_usd="0.05")
    one = body("claude-opus-4-1", max_tokens=100)
    answers = set()
    for _ in range(5):
        answers |= {
            status for status, _, _ in await asyncio.gather(*(gateway.post(key, one) for _ in range(10)))
        }
    spent = sum(int(str(row["cost_nano"])) for row in await gateway.rows())
    assert 3 * CENT < spent <= 5 * CENT
    assert answers == {200, 429}
    assert gateway.open_holds == 0


async def test_paid_fallback_needs_budget(launch: Launch, vendors: Vendors) -> None:
    """A free model that is down does not fall back to a paid one the budget has no room for."""
    free = {"litellm_params": {"input_cost_per_token": 0, "output_cost_per_token": 0}}
    gateway = await launch(model_list=models(vendors, glm=free))
    key = await gateway.key(budget_usd="0.0001")
    vendors.script(GLM, Scenario(status=503))
    status, _, told = await gateway.post(key, body("auto"))
    assert (status, json.loads(told)["error"]["type"]) == (429, "budget_exceeded")
    assert [call.model for call in vendors.calls] == [GLM]
    vendors.script(GLM, Scenario())
    assert (await gateway.post(key, body("auto")))[0] == 200


@pytest.mark.parametrize("model", ["anthropic/claude-nonexistent-9", "zai/glm-99"])
async def test_unpriced_model_refuses_to_start(launch: Launch, vendors: Vendors, model: str) -> None:
    """A model without a price is an error at start that names it."""
    with pytest.raises(ConfigError, match=model):
        await launch(model_list=models(vendors, claude={"litellm_params": {"model": model}}))


async def test_no_fallback_to_a_smaller_window(launch: Launch) -> None:
    """A prompt too long for the fallback is not sent to it."""
    gateway = await launch(router_settings={"fallbacks": [{"claude-opus-4-1": ["glm-4.5"]}]})
    gateway.vendors.script(OPUS, Scenario(status=503))
    long = body("claude-opus-4-1", "word " * 120_000)
    status, _, told = await gateway.post(await gateway.key(), long)
    assert (status, json.loads(told)["error"]["code"]) == (503, "upstream_unavailable")
    assert {call.model for call in gateway.vendors.calls} == {OPUS}


async def test_too_long_for_everyone(gateway: Running, key: str) -> None:
    """A prompt no model can take is refused in OpenAI's words without a call."""
    status, _, told = await gateway.post(key, body("auto", "word " * 250_000))
    assert (status, json.loads(told)["error"]["code"]) == (400, "context_length_exceeded")
    assert gateway.vendors.calls == []


async def test_retry_after_is_passed_on(launch: Launch) -> None:
    """A vendor's wait that is too long to sit out reaches the client bare, after one try."""
    gateway = await launch(router_settings={"num_retries": 2})
    gateway.vendors.script(GLM, Scenario(status=429, retry_after=34))
    status, headers, told = await gateway.post(await gateway.key(), body("glm-4.5"))
    assert (status, headers["retry-after"]) == (429, "34")
    assert json.loads(told)["error"]["type"] == "rate_limit_error"
    assert len(gateway.vendors.calls) == 1


async def test_retry_after_is_honoured(launch: Launch) -> None:
    """A short wait is sat out, not undercut."""
    gateway = await launch(router_settings={"num_retries": 1})
    gateway.vendors.script(GLM, Scenario(status=429, retry_after=1, fail_first=1))
    began = time.monotonic()
    status, headers, _ = await gateway.post(await gateway.key(), body("glm-4.5"))
    assert (status, headers["x-gateway-attempts"]) == (200, "2")
    assert time.monotonic() - began >= 1


async def test_refusal_explains_itself(gateway: Running) -> None:
    """A budget's refusal says when to return, what was reserved and why; no vendor is blamed for it."""
    key = await gateway.key(budget_usd="0.0001")
    status, headers, told = await gateway.post(key, body("claude-opus-4-1"))
    assert status == 429
    assert 0 < int(headers["retry-after"]) <= 86_400
    assert "no max_tokens was sent, so an answer of 32000 tokens was reserved" in told.decode()
    assert (
        "no max_tokens" not in (await gateway.post(key, body("claude-opus-4-1", max_tokens=900)))[2].decode()
    )
    got, _, record = await gateway.get(key, f"/v1/decisions/{headers['x-gateway-decision-id']}")
    assert (got, json.loads(record)["record"]["id"]) == (200, headers["x-gateway-decision-id"])
    other = await gateway.key("blue")
    assert (await gateway.get(other, f"/v1/decisions/{headers['x-gateway-decision-id']}"))[0] == 404
    assert b"gateway_attempt_failures_total{" not in gateway.wiring.telemetry.exposition()
    assert await gateway.rows() == []


async def test_budget_survives_a_restart(gateway: Running) -> None:
    """What was spent before counts after a restart."""
    key = await gateway.key(budget_usd="0.01")
    while (await gateway.post(key, body("claude-opus-4-1", max_tokens=60)))[0] == 200:
        pass
    await gateway.wiring.books.flush()
    async with run_gateway(gateway.folder, gateway.vendors, configure(gateway.vendors)) as again:
        assert (await again.post(key, body("claude-opus-4-1", max_tokens=60)))[0] == 429
