"""A row of the books as a test wants it, what it does not care about filled in."""

from __future__ import annotations

import msgspec

from gateway.stores.base import RequestRow

_REQUEST = RequestRow(
    id="r",
    at_ms=1,
    team_id="t",
    key_id="k",
    dialect="chat",
    client_model="auto",
    stream=False,
    status="ok",
    http_status=200,
    tier="base",
    ground="none",
)


def request_row(**changes: object) -> RequestRow:
    """Return a plain request that went well, changed."""
    return msgspec.structs.replace(_REQUEST, **changes)
