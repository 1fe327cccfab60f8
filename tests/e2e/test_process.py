from __future__ import annotations

import json
import time
from decimal import Decimal
from pathlib import Path
from signal import SIGKILL, SIGTERM

import aiohttp
import psutil
import pytest
from openai import AsyncOpenAI
from running_gateway import GLM, ROUTINE, configure, prepare_books, read_rows, run_gateway, serve_gateway

from gateway.upstreams.scripted import Scenario, Vendors

ASK = [{"role": "user", "content": ROUTINE}]


async def first_words(client: AsyncOpenAI) -> object:
    """Start a stream and return it once text has come."""
    stream = await client.chat.completions.create(model="glm-4.5", messages=ASK, stream=True, max_tokens=500)
    async for chunk in stream:
        if chunk.choices[0].delta.content:
            break
    return stream


async def test_killed_in_mid_stream(tmp_path: Path, vendors: Vendors) -> None:
    """After kill -9 the finished requests are all there, and the one under way once, at its worst case."""
    key = await prepare_books(tmp_path, budget_usd="0.01")
    async with serve_gateway(tmp_path, configure(vendors)) as served:
        client = served.client(key)
        for _ in range(3):
            await client.chat.completions.create(model="glm-4.5", messages=ASK, max_tokens=500)
        vendors.script(GLM, Scenario(events=60, hang_after_events=30))
        await first_words(client)
        await served.stop(SIGKILL)
        await client.close()
    async with run_gateway(tmp_path, vendors, configure(vendors)) as again:
        rows = await again.rows()
        assert [row["status"] for row in rows] == ["ok", "ok", "ok", "interrupted"]
        assert (rows[3]["estimated"], rows[3]["cost_nano"]) == (1, 1_134_800)
        assert again.open_holds == 0
        status, _, told = await again.get(key, "/v1/reports/costs")
        spent = sum(Decimal(str(row["cost_nano"])) for row in rows) / 10**9
        assert status == 200
        assert Decimal(json.loads(told)["total"]["cost_usd"]) == spent
        assert await again.wiring.books.spent_nano(f"key:{rows[3]['key_id']}", 0) == spent * 10**9
    async with run_gateway(tmp_path, vendors, configure(vendors)) as third:
        assert len(await third.rows()) == 4


async def test_terminated_in_mid_stream(tmp_path: Path, vendors: Vendors) -> None:
    """A stream under way at SIGTERM is brought to its end, and nobody new is let in."""
    key = await prepare_books(tmp_path)
    vendors.script(GLM, Scenario(events=60, delay_event_ms=10))
    async with serve_gateway(tmp_path, configure(vendors)) as served:
        client = served.client(key)
        stream = await first_words(client)
        served.process.send_signal(SIGTERM)
        rest = [chunk async for chunk in stream]  # type: ignore[attr-defined]
        assert rest[-1].choices[0].finish_reason == "stop"
        assert await served.wait() == 0
        await client.close()
    (row,) = read_rows(tmp_path)
    assert (row["status"], row["estimated"]) == ("ok", 0)


@pytest.mark.parametrize("drain_s", [0, 0.2])
async def test_drain_has_an_end(tmp_path: Path, vendors: Vendors, drain_s: float) -> None:
    """A stream that does not end within the drain time is cut and booked as cancelled."""
    key = await prepare_books(tmp_path)
    vendors.script(GLM, Scenario(events=60, hang_after_events=30))
    async with serve_gateway(tmp_path, configure(vendors, server={"drain_seconds": drain_s})) as served:
        client = served.client(key)
        await first_words(client)
        assert await served.stop(SIGTERM) == 0
        await client.close()
    (row,) = read_rows(tmp_path)
    assert (row["status"], row["estimated"]) == ("cancelled", 1)


async def test_footprint(tmp_path: Path, vendors: Vendors, record_property: pytest.RecordProperty) -> None:
    """Serving loads none of the heavy client libraries; start-up time and memory are recorded."""
    began = time.monotonic()
    async with serve_gateway(tmp_path, configure(vendors)) as served, aiohttp.ClientSession() as http:
        async with http.get(f"{served.url}/health/readiness") as response:
            assert response.status == 200
        record_property("start_s", round(time.monotonic() - began, 2))
        process = psutil.Process(served.process.pid)
        record_property("rss_mib", process.memory_info().rss // 2**20)
        mapped = "\n".join(file.path for file in process.memory_maps())
        assert "aiohttp" in mapped
        assert "tiktoken" not in mapped
        assert "jiter" not in mapped
