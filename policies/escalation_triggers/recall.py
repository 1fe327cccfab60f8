"""Measures of an ask are functions of its text alone, and an agent sends the same ask with every step."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar

REMEMBERED_ASKS = 256
REMEMBERED_CHARS = 8_192
"""Longer asks are measured each time: what is remembered has a bound in bytes."""

R = TypeVar("R")


def remembering(measure: Callable[[str], R]) -> Callable[[str], R]:
    """Return `measure`, which looks at a text once while it is among the last ones; the result is shared."""
    remembered = lru_cache(REMEMBERED_ASKS)(measure)
    return lambda text: measure(text) if len(text) > REMEMBERED_CHARS else remembered(text)
