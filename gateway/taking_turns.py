"""How requests that are served at the same time let each other through."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import Final


class Others:
    """The requests served at the same time; `await` goes on once those that can have gone a stage further.

    The code of a request's whole path is larger than the processor's nearest caches. Requests that run
    through it one after the other evict each part before the next one needs it; requests that take turns
    stage by stage run each part while it is at hand. What that saves stands in docs/performance.md.

    A request may be cancelled here, so it stands where nothing is half done: tests/e2e/test_departures.py
    cancels at every one.
    """

    __slots__ = ("_paused",)

    def __init__(self) -> None:
        self._paused = 0

    async def meet(self) -> None:
        """Wait for those who get a request, or an answer to it, in the same round of the loop."""
        self._paused += 1
        try:
            await asyncio.sleep(0)
        finally:
            self._paused -= 1

    def __await__(self) -> Generator[None, None, None]:
        """Let the others through; one that met nobody, or is the last, goes on at once."""
        if self._paused:
            self._paused += 1
            try:
                yield
            finally:
                self._paused -= 1


OTHERS: Final = Others()
"""Those of this process, whichever loop or application serves them: nothing but time depends on it."""
