"""What arrived at the fake vendors, for tests to look at and to wait for."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import msgspec

from gateway.upstreams.scripted.json_view import JsonObject
from gateway.upstreams.scripted.scenario import Scenario

_SECRETS = {"authorization", "x-api-key", "api-key", "cookie", "proxy-authorization"}


class VendorCall(msgspec.Struct, kw_only=True):
    """One call, from the vendor's side; the fields below `scenario` change until it is over."""

    path: str
    """Without the scenario prefix."""
    model: str
    headers: Mapping[str, str]
    """Names in lower case; the secret ones are left out."""
    key_tail: str
    """The last four characters of the key that came with it."""
    body: JsonObject
    scenario: Scenario = msgspec.field(default_factory=Scenario)
    status: int | None = None
    """What was answered; None while nothing was."""
    events_sent: int = 0
    """SSE events written whole."""
    closed_early: bool = False
    """The client left before the answer was complete."""
    was_cut: bool = False
    """The vendor itself closed the socket, as its scenario said."""


class CallLog:
    """The calls so far, and ways to wait for the next thing to happen."""

    def __init__(self) -> None:
        self.calls: list[VendorCall] = []
        self._left: asyncio.Queue[VendorCall] = asyncio.Queue()
        self._changed = asyncio.Condition()

    async def add(self, call: VendorCall) -> None:
        """Record a call."""
        self.calls.append(call)
        await self.tell()

    async def tell(self) -> None:
        """Wake whoever waits for calls or events."""
        async with self._changed:
            self._changed.notify_all()

    def mark_left(self, call: VendorCall) -> None:
        """Record that the client of `call` went away."""
        call.closed_early = True
        self._left.put_nowait(call)

    async def wait_disconnect(self, timeout_s: float) -> VendorCall:
        """Return the next call whose client left early, in order; raise TimeoutError."""
        async with asyncio.timeout(timeout_s):
            return await self._left.get()

    async def wait_calls(self, count: int, timeout_s: float, events: int) -> None:
        """Return once `count` calls arrived and the last of them was sent `events` events."""
        async with asyncio.timeout(timeout_s), self._changed:
            await self._changed.wait_for(lambda: self._reached(count, events))

    def _reached(self, count: int, events: int) -> bool:
        return len(self.calls) >= count and (count == 0 or self.calls[count - 1].events_sent >= events)


def public_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers without secrets, names in lower case."""
    lowered = {name.lower(): value for name, value in headers.items()}
    return {name: value for name, value in lowered.items() if name not in _SECRETS}


def key_tail(headers: Mapping[str, str]) -> str:
    """Return the last four characters of the caller's key."""
    return (headers.get("x-api-key") or headers.get("Authorization") or "")[-4:]
