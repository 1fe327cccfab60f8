"""What is known of an HTTP request before anyone has looked at it."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from aiohttp import web

SERVER_NAME = "gateway"
"""What the `server` header says: no versions, which tell an attacker where to begin."""


class RequestScope(msgspec.Struct, frozen=True):
    """The request's id and the instants it began, for the answer, the log and the books alike."""

    request_id: str
    started_s: float
    """Unix time."""
    started_monotonic_s: float


SCOPE = web.RequestKey("scope", RequestScope)
DECIDED = web.RequestKey("decided", Mapping[str, str])
"""Headers about the decision, for an error that comes after it was made and booked."""
