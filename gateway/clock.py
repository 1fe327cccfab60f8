"""Time and identity: the only places the shell reads a clock or draws randomness."""

from __future__ import annotations

import os
import threading
import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import Protocol


class Clock(Protocol):
    """A source of wall-clock and monotonic seconds."""

    def now(self) -> float:
        """Return Unix time in seconds."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go back, for durations."""
        ...


class SystemClock:
    """The machine's own clock."""

    now = staticmethod(time.time)
    monotonic = staticmethod(time.monotonic)


def iso_now() -> str:
    """Return the instant in ISO 8601, UTC, to the microsecond."""
    second, rest_ns = divmod(time.time_ns(), 1_000_000_000)
    return f"{_iso_second(second)}.{rest_ns // 1000:06d}Z"


@lru_cache(maxsize=2)
def _iso_second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


class FixedClock:
    """A clock for tests and replay: it stands still until told to move."""

    def __init__(self, now: float = 1_767_225_600.0) -> None:
        self._now = now

    def now(self) -> float:
        """Return the set time."""
        return self._now

    def monotonic(self) -> float:
        """Return the set time; only differences mean anything."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Move the clock by `seconds`."""
        self._now += seconds


class _Entropy(threading.local):
    """The kernel's random bytes, drawn by thread and a page at a time: one system call for many ids."""

    def __init__(self) -> None:
        self._page, self._at = b"", 0

    def draw(self, count: int) -> bytes:
        """Return `count` bytes that nobody else gets."""
        start, self._at = self._at, self._at + count
        if self._at > len(self._page):
            self._page, start, self._at = os.urandom(4096), 0, count
        return self._page[start : start + count]

    def forget(self) -> None:
        """Draw anew: a forked process must not repeat its parent's bytes."""
        self._page, self._at = b"", 0


_entropy = _Entropy()
os.register_at_fork(after_in_child=_entropy.forget)


def random_seed() -> int:
    """Return 32 random bits for a decision's own draws."""
    return int.from_bytes(_entropy.draw(4), "big")


def decision_id_of(request_id: str) -> str:
    """Return the id of a request's decision, which names the same instant and randomness."""
    return "dec_" + request_id.partition("_")[2]


def new_id(prefix: str, now: float) -> str:
    """Return `prefix_` + 11 hex digits of milliseconds + 20 random ones: unique, sortable by time."""
    return f"{prefix}_{int(now * 1000):011x}{_entropy.draw(10).hex()}"
