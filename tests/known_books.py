"""Books that say what a test wants them to say, for stores that rebuild their counters from them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gateway.errors import StoreUnavailable
from gateway.stores.state_base import PaidRequest


@dataclass(slots=True)
class KnownBooks:
    """A few sums and requests; `away` makes every question fail."""

    sums: dict[tuple[str, int], int] = field(default_factory=dict)
    requests: dict[str, PaidRequest] = field(default_factory=dict)
    epoch: str | None = None
    away: bool = False
    asked: int = 0

    async def spent(
        self, scope: str, since_ms: int, request_ids: Sequence[str]
    ) -> tuple[int, frozenset[str]]:
        """Return a scope's sum, and the named requests it is taken to hold."""
        await self.flush()
        self.asked += 1
        return self.sums.get((scope, since_ms), 0), frozenset(request_ids) & frozenset(self.requests)

    async def paid(self, request_ids: Sequence[str]) -> Mapping[str, PaidRequest]:
        """Return those that are closed."""
        await self.flush()
        return {name: self.requests[name] for name in request_ids if name in self.requests}

    async def flush(self) -> None:
        """Do nothing but take a moment."""
        await asyncio.sleep(0)
        if self.away:
            raise StoreUnavailable("the ledger's database does not answer, try again later")

    async def agree_epoch(self, fresh: str, *, instead_of: str | None = None) -> str:
        """Note an epoch."""
        await self.flush()
        if self.epoch in {None, instead_of}:
            self.epoch = fresh
        assert self.epoch is not None
        return self.epoch
