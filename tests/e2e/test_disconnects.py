from __future__ import annotations

import asyncio

import pytest
from running_gateway import GLM, OPUS, ROUTINE, Launch, Running

from gateway.upstreams.scripted import Scenario

BOTH = pytest.mark.parametrize(
    ("model", "vendor", "prices"),
    [("glm-4.5", GLM, (600, 2_200)), ("claude-opus-4-1", OPUS, (15_000, 75_000))],
    ids=["glm", "opus"],
)
"""Prices are nano-USD per token."""


def body(model: str, *, stream: bool) -> dict[str, object]:
    """Return a small request."""
    return {"model": model, "messages": [{"role": "user", "content": ROUTINE}], "stream": stream}


async def leave(task: asyncio.Task[object]) -> None:
    """Close a client's connection in the middle of its request."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@BOTH
@pytest.mark.parametrize("stream", [False, True])
async def test_client_leaves_before_first_token(
    gateway: Running, model: str, vendor: str, prices: tuple[int, int], *, stream: bool
) -> None:
    """The vendor sees it within a second; the input is booked as an estimate; nothing stays reserved."""
    key = await gateway.key(budget_usd="10")
    gateway.vendors.script(vendor, Scenario(hang=True))
    task = asyncio.create_task(gateway.post(key, body(model, stream=stream)))
    await gateway.vendors.wait_calls(1)
    assert gateway.open_holds == 1
    await leave(task)
    await gateway.vendors.wait_disconnect(1.0)
    (row,) = await gateway.closed(1)
    assert (row["status"], row["estimated"], row["output_tokens"]) == ("cancelled", 1, 0)
    assert row["cost_nano"] == row["input_tokens"] * prices[0] > 0
    assert gateway.open_holds == 0


@BOTH
async def test_client_leaves_mid_stream(
    gateway: Running, model: str, vendor: str, prices: tuple[int, int]
) -> None:
    """Prompt and delivered words are billed once, as an estimate, when the count never arrived."""
    key = await gateway.key(budget_usd="10")
    gateway.vendors.script(vendor, Scenario(events=60, hang_after_events=30))
    head = {"authorization": f"Bearer {key}"}
    url = f"{gateway.url}/v1/chat/completions"
    async with gateway.http.post(url, json=body(model, stream=True), headers=head) as response:
        await gateway.vendors.wait_calls(1, events=30)
        await response.content.readuntil(b"content")
        response.close()
    await gateway.vendors.wait_disconnect(1.0)
    (row,) = await gateway.closed(1)
    assert (row["status"], row["estimated"], row["attempts"]) == ("cancelled", 1, 1)
    assert 0 < row["output_tokens"] <= 60
    assert row["cost_nano"] == row["input_tokens"] * prices[0] + row["output_tokens"] * prices[1]
    assert gateway.open_holds == 0


async def test_prompt_is_counted_by_the_vendor(gateway: Running, key: str) -> None:
    """A prompt the vendor has counted at the start of its stream is billed at that count."""
    gateway.vendors.script(OPUS, Scenario(events=60, hang_after_events=30))
    request = body("claude-opus-4-1", stream=True)
    task = asyncio.create_task(gateway.post(key, request))
    await gateway.vendors.wait_calls(1, events=30)
    await leave(task)
    (cancelled,) = await gateway.closed(1)
    gateway.vendors.script(OPUS, Scenario())
    await gateway.post(key, request)
    assert cancelled["input_tokens"] == (await gateway.rows())[-1]["input_tokens"]


async def test_client_leaves_between_attempts(launch: Launch) -> None:
    """A client that leaves while a retry is waited for closes its request too."""
    gateway = await launch(router_settings={"num_retries": 2})
    key = await gateway.key(budget_usd="10")
    gateway.vendors.script(GLM, Scenario(status=503, retry_after=7))
    task = asyncio.create_task(gateway.post(key, body("glm-4.5", stream=True)))
    await gateway.vendors.wait_calls(1)
    await leave(task)
    (row,) = await gateway.closed(1)
    assert (row["status"], row["attempts"], row["cost_nano"]) == ("cancelled", 1, 0)
    assert gateway.open_holds == 0


@pytest.mark.parametrize(
    "fault", [Scenario(hang=True), Scenario(cut_after_events=0), Scenario(events=9, cut_after_events=5)]
)
async def test_killed_calls_leak_nothing(gateway: Running, fault: Scenario) -> None:
    """Twenty calls that die leave no reservation, and the next one works."""
    key = await gateway.key(budget_usd="1000")
    gateway.vendors.script("*", fault)
    tasks = [asyncio.create_task(gateway.post(key, body("auto", stream=n % 2 == 0))) for n in range(20)]
    await gateway.vendors.wait_calls(20)
    if fault.hang:
        await asyncio.gather(*(leave(task) for task in tasks))
    await asyncio.gather(*tasks, return_exceptions=True)
    rows = await gateway.closed(20)
    assert gateway.open_holds == 0
    assert {row["status"] for row in rows} <= {"cancelled", "failed"}
    gateway.vendors.script("*", Scenario())
    assert (await gateway.post(key, body("auto", stream=False)))[0] == 200
