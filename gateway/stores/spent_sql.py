"""What the books say a budget's scope has spent: the truth every counter of admission is rebuilt from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    func,
    insert,
    literal,
    or_,
    select,
    union_all,
    update,
)

from gateway.errors import InvalidRequest
from gateway.stores.attempts_sql import IS_SOLE
from gateway.stores.row_values import SEPARATOR
from gateway.stores.schema import attempts, meta, requests
from gateway.stores.state_base import PaidRequest, split_scope

_r, _a = requests.c, attempts.c
_OWNED = {"team": _r.team_id, "key": _r.key_id}


def read_spent(
    connection: Connection, scope: str, since_ms: int, request_ids: Sequence[str] = ()
) -> tuple[int, frozenset[str]]:
    """Return the nano-USD of a scope's requests since an instant, and which of the named requests it holds.

    One statement, hence one snapshot: a named request is in the sum exactly if it is returned. Raise
    InvalidRequest for what is no scope.
    """
    parts = [*_sums(scope, since_ms), select(literal(0), _r.id).where(_r.id.in_(request_ids))]
    rows = connection.execute(union_all(*parts)).all()
    return sum(int(nano or 0) for nano, _ in rows), frozenset(found for _, found in rows if found)


def read_paid(connection: Connection, request_ids: Sequence[str]) -> dict[str, PaidRequest]:
    """Return those of the requests that are closed, with what each model cost."""
    whole = or_(_r.status == "interrupted", IS_SOLE).label("whole")
    closed = select(_r.id, _r.model, _r.cost_nano, whole).where(_r.id.in_(request_ids))
    tried = select(_a.request_id, _a.model, _a.cost_nano).where(_a.request_id.in_(request_ids))
    parts: dict[str, Counter[str]] = {}
    for row in connection.execute(tried):
        parts.setdefault(row.request_id, Counter())[row.model] += row.cost_nano
    return {
        row.id: PaidRequest(
            cost_nano=row.cost_nano,
            by_model={row.model: row.cost_nano} if row.whole else parts.get(row.id, {}),
        )
        for row in connection.execute(closed)
    }


def agree_on_note(connection: Connection, name: str, fresh: str, instead_of: str | None) -> str:
    """Return a noted value that all processes agree on; replace it only if it is still the one named."""
    current = select(meta.c.value).where(meta.c.name == name)
    if instead_of is not None:
        replace = update(meta).where(meta.c.name == name, meta.c.value == instead_of)
        connection.execute(replace.values(value=fresh))
    found = connection.scalar(current)
    if found is None:
        connection.execute(insert(meta).values(name=name, value=fresh))
    return fresh if found is None else found


def _sums(scope: str, since_ms: int) -> tuple[Select[int, str], ...]:
    """Return the queries whose results add up to what the scope has spent."""
    parts = split_scope(scope)
    since: list[ColumnElement[bool]] = [_r.at_ms >= since_ms]
    kind, _, owner_id = parts.owner.partition(":")
    if kind:
        since.append(_OWNED[kind] == owner_id)
    if parts.kind in _OWNED:
        return (_total(_r.cost_nano).where(*since),)
    if parts.kind == "model":
        return (
            _total(_a.cost_nano)
            .select_from(requests.join(attempts, _a.request_id == _r.id))
            .where(_a.model == parts.value, *since),
            # a request whose process died has no attempts in the books, only its worst case
            _total(_r.cost_nano).where(
                or_(_r.status == "interrupted", IS_SOLE), _r.model == parts.value, *since
            ),
        )
    if parts.kind == "tag":
        listed, tag = literal(SEPARATOR) + _r.tags + SEPARATOR, f"{SEPARATOR}{parts.value}{SEPARATOR}"
        # LIKE knows wildcards, and on SQLite no capitals
        return (_total(_r.cost_nano).where(func.replace(listed, tag, "") != listed, *since),)
    raise InvalidRequest(f"`{scope[:80]}` is not a scope; use {SCOPES}", param="scope")


def _total(cost: ColumnElement[int]) -> Select[int, str]:
    return select(func.sum(cost), literal(""))


SCOPES = "team:<id>, key:<id>, model:<name> or tag:<name>, the last two also as team:<id>/model:<name>"
