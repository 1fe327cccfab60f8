"""Time and identity: the only places the shell reads a clock or draws randomness."""

from __future__ import annotations

import os
import time
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


def new_id(prefix: str, now: float) -> str:
    """Return `prefix_` + 11 hex digits of milliseconds + 20 random ones: unique, sortable by time."""
    return f"{prefix}_{int(now * 1000):011x}{os.urandom(10).hex()}"
