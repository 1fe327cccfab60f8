"""Directory records out of SQL rows; a key's hash goes in and is never read back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import msgspec
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Null,
    RowMapping,
    Select,
    null,
    or_,
    select,
    union_all,
)

from gateway.exchange import Scope
from gateway.stores.directory_base import BudgetRow, KeyGrant, KeyRow, Page, TeamRow
from gateway.stores.schema import Value, budgets, former_secrets, keys, teams

Query = TypeVar("Query", bound=Select[*tuple[object, ...]])

_KEY_COLUMNS = tuple(keys.c[name] for name in KeyRow.__struct_fields__)
OWNED_BY_NOBODY = or_(*(budgets.c.scope.like(f"{kind}:%") for kind in ("model", "tag")))
"""Budgets that count what all teams spend on a model or under a tag."""
_UNTIL = "secret_until_ms"
_JSON_COLUMNS = ("scopes", "allowed_models", "packs")


def read_team(row: RowMapping) -> TeamRow:
    """Return the team in a row that has its columns."""
    return TeamRow(**{name: row[teams.c[name]] for name in TeamRow.__struct_fields__})


def read_key(row: RowMapping) -> KeyRow:
    """Return the key in a row that has its columns."""
    values = {name: row[keys.c[name]] for name in KeyRow.__struct_fields__}
    scopes = msgspec.json.decode(values.pop("scopes"), type=tuple[Scope, ...])
    models = values.pop("allowed_models")
    allowed = None if models is None else msgspec.json.decode(models, type=tuple[str, ...])
    packs = msgspec.json.decode(values.pop("packs"), type=tuple[str, ...])
    return KeyRow(scopes=scopes, allowed_models=allowed, packs=packs, **values)


def read_budget(row: RowMapping) -> BudgetRow:
    """Return the budget in a row that has its columns."""
    return BudgetRow(**{name: row[budgets.c[name]] for name in BudgetRow.__struct_fields__})


def key_columns() -> Sequence[Column[object]]:
    """Return the columns a key is read from: all but its hash."""
    return _KEY_COLUMNS


def key_values(key: KeyRow) -> dict[str, Value]:
    """Return the column values of a key; its hash is apart."""
    values = msgspec.structs.asdict(key)
    for name in _JSON_COLUMNS:
        if values[name] is not None:
            values[name] = msgspec.json.encode(values[name]).decode()
    return values


def on_page(query: Query, record_id: Column[str], page: Page | None) -> Query:
    """Return the query in order of ids, which is that of creation, and within the page."""
    query = query.order_by(record_id)
    if page is None:
        return query
    return (query if page.after is None else query.where(record_id > page.after)).limit(page.limit)


def in_scope(owner: ColumnElement[str]) -> ColumnElement[bool]:
    """Say that a budget is an owner's: its whole spending, or its spending on one model or tag."""
    return or_(budgets.c.scope == owner, budgets.c.scope.like(owner + "/%"))


def read_grant(connection: Connection, key_hash: str, now_ms: int) -> KeyGrant | None:
    """Return a live key with its live team and the budgets that bind it, in one query."""
    still_valid = former_secrets.c.until_ms > now_ms
    named = union_all(
        select(keys.c.id).where(keys.c.key_hash == key_hash),
        select(former_secrets.c.key_id).where(former_secrets.c.key_hash == key_hash, still_valid),
    )
    former = select(former_secrets.c.until_ms).where(former_secrets.c.key_hash == key_hash)
    return _read_grant(connection, keys.c.id.in_(named), now_ms, former.scalar_subquery())


def read_grant_of(connection: Connection, key_id: str, now_ms: int) -> KeyGrant | None:
    """Return the same of a key by its id."""
    return _read_grant(connection, keys.c.id == key_id, now_ms, null())


def _read_grant(
    connection: Connection,
    is_key: ColumnElement[bool],
    now_ms: int,
    secret_until_ms: ColumnElement[int] | Null,
) -> KeyGrant | None:
    of_any = or_(in_scope("team:" + teams.c.id), in_scope("key:" + keys.c.id), OWNED_BY_NOBODY)
    query = (
        select(*_KEY_COLUMNS, *teams.c, *budgets.c, secret_until_ms.label(_UNTIL))
        .join_from(keys, teams)
        .outerjoin(budgets, of_any)
        .where(
            is_key,
            keys.c.revoked_ms.is_(None),
            keys.c.blocked_ms.is_(None),
            or_(keys.c.expires_ms.is_(None), keys.c.expires_ms > now_ms),
            teams.c.deleted_ms.is_(None),
        )
        .order_by(budgets.c.scope, budgets.c.period)
    )
    rows = connection.execute(query).mappings().all()
    if not rows:
        return None
    limits = tuple(read_budget(row) for row in rows if row[budgets.c.id] is not None)
    key = read_key(rows[0])
    ends = [end for end in (key.expires_ms, rows[0][_UNTIL]) if end is not None]
    return KeyGrant(key=key, team=read_team(rows[0]), budgets=limits, until_ms=min(ends, default=None))
