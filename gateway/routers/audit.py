"""The audit trail: who did what to which object, and when."""

from __future__ import annotations

import msgspec
from aiohttp import web

from gateway.authority import require_organisation
from gateway.http_values import Listing, Paging, answer, listing, read_query
from gateway.keyring import Caller
from gateway.stores.base import AuditRow
from gateway.wiring import WIRING, Guarded


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """One administrative act; never holds a secret or a hash."""

    id: str
    at_ms: int
    actor: str
    """The id of the key that did it, `master`, or `cli` and `config` for the operator's own."""
    act: str
    object_id: str
    detail: msgspec.Raw
    """An object; what was changed shows the old and the new value."""


async def list_acts(request: web.Request, caller: Caller) -> web.Response:
    """Return acts, the newest first."""
    require_organisation(caller.principal)
    paging = read_query(request, Paging)
    acts = [_act(row) for row in await request.app[WIRING].directory.list_audit(paging.page)]
    return answer(listing(acts, paging))


def _act(row: AuditRow) -> Act:
    return Act(
        id=row.id,
        at_ms=row.at_ms,
        actor=row.actor,
        act=row.act,
        object_id=row.object_id,
        detail=msgspec.Raw(row.detail),
    )


ROUTES = (
    Guarded(
        method="GET",
        path="/v1/audit",
        handler=list_acts,
        scope="admin",
        summary="Who did what to which team, key or budget, newest first.",
        query=Paging,
        answer=Listing[Act],
    ),
)
