"""A gateway and its scripted vendors on a loop of their own, so that clients may block."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from client import Access, Client
from running_gateway import GLM, GLM_KEY, OPUS, OPUS_KEY, Json, Running, configure, run_gateway

from gateway.upstreams.scripted import Scenario, VendorCall, Vendors, serve_scripted

T = TypeVar("T")
MODELS = ("glm-4.5", "claude-opus-4-1")
"""One model of each dialect vendors speak."""
LIMITED = "status=429,retry_after=1,fail_first=1"
BROKEN = "events=60,cut_after_events=30"
FAULTS = {"limited": LIMITED, "broken": BROKEN}
"""Deployments that are always in trouble, by the ending of their name."""
_LONGEST_S = 20


@dataclass(slots=True, kw_only=True)
class Stage:
    """The running gateway, seen from a thread that may block."""

    running: Running
    key: str
    loop: asyncio.AbstractEventLoop
    clients: dict[tuple[type[Client], Access], Client] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Return where the gateway listens."""
        return self.running.url

    @property
    def calls(self) -> list[VendorCall]:
        """Return what the vendors were asked."""
        return self.running.vendors.calls

    def run(self, work: Coroutine[object, object, T]) -> T:
        """Return the result of something done on the gateway's loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(_LONGEST_S)

    def script(self, scenario: Scenario) -> None:
        """Declare what both vendors do from now on, and forget what they were asked."""
        for model in (GLM, OPUS):
            self.running.vendors.script(model, scenario)
        self.calls.clear()

    def client(self, kind: type[Client], access: Access) -> Client:
        """Return a client pointed here, the same one every time."""
        if (kind, access) not in self.clients:
            self.clients[kind, access] = kind(access)
        return self.clients[kind, access]

    def newest_row(self) -> dict[str, object]:
        """Return the newest request in the books."""
        return self.run(self.running.rows())[-1]


def _with_faults(vendors: Vendors) -> Json:
    """Return a configuration with a deployment per model and fault beside the two that work."""
    config = configure(vendors, router_settings={"allowed_fails": 1000})
    models, tiers = config["model_list"], config["tiers"]
    assert isinstance(models, list)
    assert isinstance(tiers, dict)
    for ending, scenario in FAULTS.items():
        prefix = f"{vendors.url}/scenario/{scenario}"
        glm = {"model": f"zai/{GLM}", "api_base": f"{prefix}/api/paas/v4", "api_key": GLM_KEY}
        opus = {"model": f"anthropic/{OPUS}", "api_base": prefix, "api_key": OPUS_KEY}
        for tier, model, params in zip(("base", "premium"), MODELS, (glm, opus), strict=True):
            models.append({"model_name": f"{model}-{ending}", "litellm_params": params})
            tiers[tier].append(f"{model}-{ending}")
    return config


async def _serve(folder: Path, opened: asyncio.Future[Stage], closing: asyncio.Event) -> None:
    async with serve_scripted() as vendors, run_gateway(folder, vendors, _with_faults(vendors)) as running:
        key = await running.key()
        opened.set_result(Stage(running=running, key=key, loop=asyncio.get_running_loop()))
        await closing.wait()


@contextmanager
def open_stage(folder: Path) -> Iterator[Stage]:
    """Run a gateway in a thread for the length of the block."""
    loop = asyncio.new_event_loop()
    opened: asyncio.Future[Stage] = loop.create_future()
    closing = asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=(_serve(folder, opened, closing),))
    thread.start()
    try:
        stage = asyncio.run_coroutine_threadsafe(asyncio.wait_for(opened, _LONGEST_S), loop).result()
        yield stage
        for client in stage.clients.values():
            client.close()
    finally:
        loop.call_soon_threadsafe(closing.set)
        thread.join(_LONGEST_S)
        loop.close()
