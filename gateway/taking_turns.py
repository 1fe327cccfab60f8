"""How requests that are served at the same time let each other through."""

from __future__ import annotations

from collections.abc import Generator
from typing import Final


class _Others:
    """Goes on once every other request that can has gone one stage further.

    The code of a request's whole path is larger than the processor's nearest caches. Requests that run
    through it one after the other evict each part before the next one needs it; requests that take turns
    stage by stage run each part while it is at hand. What that saves stands in docs/performance.md.

    A request may be cancelled here, so it stands where nothing is half done.
    """

    __slots__ = ()

    def __await__(self) -> Generator[None, None, None]:
        """Let the event loop run whatever is ready, once."""
        yield


OTHERS: Final = _Others()
