from __future__ import annotations

import asyncio
import gc
from pathlib import Path

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


@BOTH
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("path", ["/v1/messages", "/v1/responses"])
async def test_every_dialect_is_let_go(
    gateway: Running, model: str, vendor: str, prices: tuple[int, int], path: str, *, stream: bool
) -> None:
    """Clients of the other dialects leave as well: the vendor sees it, the input is billed."""
    key = await gateway.key(budget_usd="10")
    gateway.vendors.script(vendor, Scenario(hang=True))
    asked = body(model, stream=stream) | {"input": ROUTINE, "max_tokens": 50, "store": False}
    del asked["max_tokens" if path == "/v1/responses" else "input"]
    del asked["messages" if path == "/v1/responses" else "store"]
    task = asyncio.create_task(gateway.post(key, asked, path))
    await gateway.vendors.wait_calls(1)
    await leave(task)
    await gateway.vendors.wait_disconnect(1.0)
    (row,) = await gateway.closed(1)
    assert (row["status"], row["cost_nano"]) == ("cancelled", row["input_tokens"] * prices[0])


async def test_client_leaves_during_the_cascade(launch: Launch, tmp_path: Path) -> None:
    """A client that leaves while premium redoes an answer ends that call; the withheld one is billed too."""
    (tmp_path / "checked.yaml").write_text("pack: checked\nanswer_checks: {enabled: [empty_or_looping]}\n")
    gateway = await launch(
        policy={"packs": ["small.yaml", "checked.yaml"]},
        router_settings={"fallbacks": [{"glm-4.5": ["claude-opus-4-1"]}]},
    )
    key = await gateway.key(budget_usd="10")
    gateway.vendors.script(GLM, Scenario(content=" "))
    gateway.vendors.script(OPUS, Scenario(hang=True))
    task = asyncio.create_task(gateway.post(key, body("auto", stream=False)))
    await gateway.vendors.wait_calls(2)
    await leave(task)
    assert (await gateway.vendors.wait_disconnect(1.0)).model == OPUS
    (row,) = await gateway.closed(1)
    spent = [(a["model"], a["outcome"]) for a in await gateway.rows("attempts")]
    assert (row["status"], row["attempts"]) == ("cancelled", 2)
    assert spent == [("glm-4.5", "check_failed"), ("claude-opus-4-1", "cancelled")]
    assert row["cost_nano"] == sum(int(str(a["cost_nano"])) for a in await gateway.rows("attempts"))


async def test_half_closed_client_is_answered_or_let_go(gateway: Running, key: str) -> None:
    """A client that ends its sending side leaves nothing open behind it."""
    host, port = gateway.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    sent = b'{"model":"glm-4.5","messages":[{"role":"user","content":"x"}]}'
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n"
    writer.write(head.encode() + b"content-length: %d\r\n\r\n" % len(sent) + sent)
    writer.write_eof()
    answer = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    assert answer == b"" or answer.startswith(b"HTTP/1.1 200")
    statuses = [row["status"] for row in await gateway.closed(1 if answer else 0)]
    assert statuses == (["ok"] if answer else [])


async def test_connection_is_reused_after_a_departure(gateway: Running, key: str) -> None:
    """A client that left one stream gets its next answers, whole, over new and kept connections."""
    gateway.vendors.script(GLM, Scenario(events=60, hang_after_events=30))
    task = asyncio.create_task(gateway.post(key, body("glm-4.5", stream=True)))
    await gateway.vendors.wait_calls(1, events=30)
    await leave(task)
    gateway.vendors.script(GLM, Scenario(content="whole"))
    answers = [await gateway.post(key, body("glm-4.5", stream=False)) for _ in range(3)]
    assert {status for status, _, _ in answers} == {200}
    assert all(b"whole" in told for _, _, told in answers)


async def test_streams_leave_nothing_behind(gateway: Running, key: str) -> None:
    """After hundreds of streams, one in ten abandoned, there are no more tasks and objects than after the first."""
    gateway.vendors.script(GLM, Scenario(events=20))
    asked = body("glm-4.5", stream=True)

    async def rounds(count: int) -> tuple[int, int]:
        for _ in range(count):
            tasks = [asyncio.create_task(gateway.post(key, asked)) for _ in range(10)]
            tasks[0].cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        gateway.vendors.calls.clear()
        async with asyncio.timeout(10):
            while gateway.open_holds:  # noqa: ASYNC110 - no event tells
                await asyncio.sleep(0.002)
        await gateway.wiring.books.flush()
        gc.collect()
        return len(asyncio.all_tasks()), len(gc.get_objects())

    tasks, before = await rounds(4)
    growths = []
    for _ in range(3):
        later_tasks, objects = await rounds(16)
        growths.append(objects - before)
        before = objects
    assert later_tasks <= tasks + 10
    assert min(growths) < 160  # what leaks grows every time; a memo that fills does not
