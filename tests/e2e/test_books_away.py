from __future__ import annotations

import asyncio
import json

from running_gateway import GLM, ROUTINE, Json, Running

from gateway.upstreams.scripted import Scenario


def body(*, stream: bool) -> Json:
    """Return a request for one answer."""
    return {"model": "glm-4.5", "messages": [{"role": "user", "content": ROUTINE}], "stream": stream}


def fill_journal(gateway: Running) -> None:
    """Leave the ledger's journal no room for another line."""
    spool = gateway.wiring.books._journal[1]
    spool._limit = spool._segment._size = 0


async def test_no_books_no_call(gateway: Running) -> None:
    """A call whose cost could not be written down is not made, and nothing stays reserved."""
    key = await gateway.key(budget_usd="10")
    fill_journal(gateway)
    for stream in (False, True):
        status, _, told = await gateway.post(key, body(stream=stream))
        assert (status, json.loads(told)["error"]["code"]) == (503, "store_unavailable")
    assert gateway.vendors.calls == []
    assert gateway.open_holds == 0


async def test_no_books_no_clean_end(gateway: Running) -> None:
    """A stream whose row cannot be written ends in an error, because it must not look settled."""
    key = await gateway.key(budget_usd="10")
    gateway.vendors.script(GLM, Scenario(events=60, delay_event_ms=2))
    task = asyncio.create_task(gateway.post(key, body(stream=True)))
    await gateway.vendors.wait_calls(1, events=30)
    fill_journal(gateway)
    _, _, told = await task
    events = [line[6:] for line in told.decode().splitlines() if line.startswith("data: ")]
    assert json.loads(events[-2])["error"]["code"] == "store_unavailable"
    assert events[-1] == "[DONE]"
    assert gateway.open_holds == 0


async def test_no_books_no_plain_answer(gateway: Running) -> None:
    """A plain answer whose row cannot be written is not handed over."""
    key = await gateway.key(budget_usd="10")
    gateway.vendors.script(GLM, Scenario(delay_first_ms=100))
    task = asyncio.create_task(gateway.post(key, body(stream=False)))
    await gateway.vendors.wait_calls(1)
    fill_journal(gateway)
    assert (await task)[0] == 503
    assert gateway.open_holds == 0
