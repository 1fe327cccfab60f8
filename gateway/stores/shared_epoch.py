"""Generations of shared counters: when they are believed, how they are rebuilt, what the dead have left.

The counters are a cache of the books. Each generation has an epoch, which the books remember; a server that
is empty, or was restored from elsewhere, is in no or in another epoch, so what it holds is never believed.
To rebuild without counting twice or too little, every process brings its rows into the books and declares
its open holds; only when all have had the time to do so is spending read from the books. What is paid before
waits by request id, and is added unless that reading held it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec
import structlog

from gateway.clock import Clock, new_id
from gateway.stores.redis import RedisLink
from gateway.stores.shared_answers import operation
from gateway.stores.state_base import Hold, PaidRequest, split_scope

_NOTING_S = 0.5
"""How long whoever noted an epoch in the books may take at most to write it into the server."""
_MOST_ORPHANS = 200

_log = structlog.get_logger(__name__)


class Truth(Protocol):
    """The books, as far as counters are rebuilt from them."""

    async def spent(
        self, scope: str, since_ms: int, request_ids: Sequence[str]
    ) -> tuple[int, frozenset[str]]:
        """Return what a scope has spent, with every row of ours, and which of the requests that holds."""
        ...

    async def paid(self, request_ids: Sequence[str]) -> Mapping[str, PaidRequest]:
        """Return those of the requests that are closed."""
        ...

    async def flush(self) -> None:
        """Return once every row of ours can be read."""
        ...

    async def agree_epoch(self, fresh: str, *, instead_of: str | None = None) -> str:
        """Return the epoch noted; note `fresh` where there is none, or only the one it is to replace."""
        ...


class Epochs:
    """Keeps the link in the epoch that the books know."""

    def __init__(self, link: RedisLink, truth: Truth, clock: Clock, *, rejoin_s: float) -> None:
        self._link, self._truth, self._clock = link, truth, clock
        self._rejoin_s = rejoin_s
        self._ready_s = 0.0

    @property
    def ready_in_s(self) -> float:
        """Return how long processes still have to declare what they hold; 0 or less: no longer."""
        return self._ready_s - self._clock.now()

    async def enter(self) -> bool:
        """Put the link into the epoch in force and return whether it is another than before.

        Raise Lost or StoreUnavailable while the server or the books are away.
        """
        found = await self._link.read_epoch()
        if found is not None and found == self._link.epoch:
            return False
        epoch = await self._agree(found)
        self._ready_s = int(epoch.rpartition("@")[2]) / 1000
        await self._truth.flush()
        self._link.epoch = epoch
        return True

    async def _agree(self, found: str | None) -> str:
        """Return the epoch in force; begin another where the server has lost the one the books know."""
        first = new_id("epoch", self._clock.now()) + "@0"
        noted = await self._truth.agree_epoch(first)
        if noted == first:
            await self._link.write_epoch(noted)
            return noted
        if found != noted:
            await asyncio.sleep(min(_NOTING_S, self._rejoin_s))
            found = await self._link.read_epoch()
            noted = await self._truth.agree_epoch(first)
        if found != noted:
            ready_ms = int((self._clock.now() + self._rejoin_s) * 1000)
            fresh = f"{new_id('epoch', self._clock.now())}@{ready_ms}"
            noted = await self._truth.agree_epoch(fresh, instead_of=noted)
            await self._link.write_epoch(noted)
            _log.warning("shared_state_rebuilt", epoch=noted, seconds=self._rejoin_s)
        return noted


async def settle_orphans(link: RedisLink, truth: Truth) -> int:
    """Settle holds of dead processes that the books have closed; return how many.

    What the books do not know yet keeps counting at its worst case: its process may have spent it.
    """
    answer = await link.call("orphans", _MOST_ORPHANS)
    orphans = dict(msgspec.convert(answer[1], list[tuple[str, list[str]]]))
    if not orphans:
        return 0
    paid = await truth.paid(list(orphans))
    for request_id, request in paid.items():
        parts = {
            scope: request.by_model.get(split_scope(scope).value, 0)
            for scope in orphans[request_id]
            if split_scope(scope).kind == "model"
        }
        hold = Hold(id=request_id, amount_nano=request.cost_nano, by_scope=parts)
        await link.call(*operation("settle", hold))
    _log.info("orphans_settled", settled=len(paid), unknown=len(orphans) - len(paid))
    return len(paid)
