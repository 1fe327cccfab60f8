"""Directory records out of SQL rows; a key's hash goes in and is never read back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Literal, TypeAlias, TypeVar

import msgspec
from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    RowMapping,
    Select,
    String,
    and_,
    bindparam,
    null,
    or_,
    select,
    union_all,
)

from gateway.exchange import Scope
from gateway.stores.directory_base import BudgetRow, KeyGrant, KeyRow, Page, TeamRow
from gateway.stores.schema import Value, budgets, former_secrets, keys, teams

KeyName: TypeAlias = Literal["hash", "id"]
"""What a key is looked up by."""

Query = TypeVar("Query", bound=Select[*tuple[object, ...]])

_KEY_COLUMNS = tuple(keys.c[name] for name in KeyRow.__struct_fields__)
_NOBODYS = ("model", "tag")
OWNED_BY_NOBODY = or_(*(budgets.c.scope.like(f"{kind}:%") for kind in _NOBODYS))
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
    return _grant(connection, "hash", {"key": key_hash, "now_ms": now_ms})


def read_grant_of(connection: Connection, key_id: str, now_ms: int) -> KeyGrant | None:
    """Return the same of a key by its id."""
    return _grant(connection, "id", {"key": key_id, "now_ms": now_ms})


def _grant(connection: Connection, by: KeyName, values: Mapping[str, Value]) -> KeyGrant | None:
    query = _grant_query(by, connection.dialect.name)
    rows = connection.execute(query, values).mappings().all()
    if not rows:
        return None
    limits = [read_budget(row) for row in rows if row[budgets.c.id] is not None]
    limits.sort(key=lambda budget: (budget.scope, budget.period))  # in SQL it would lead past the index
    key = read_key(rows[0])
    ends = [end for end in (key.expires_ms, rows[0][_UNTIL]) if end is not None]
    return KeyGrant(key=key, team=read_team(rows[0]), budgets=tuple(limits), until_ms=min(ends, default=None))


@cache
def _grant_query(by: KeyName, dialect: str) -> Select[*tuple[object, ...]]:
    """Return the query, built once: its building costs several times as much as its running."""
    name, now_ms = bindparam("key", type_=String), bindparam("now_ms", type_=BigInteger)
    is_key, until_ms = keys.c.id == name, null().label(_UNTIL)
    if by == "hash":
        former = former_secrets.c.key_hash == name
        by_former = select(former_secrets.c.key_id).where(former, former_secrets.c.until_ms > now_ms)
        is_key = keys.c.id.in_(union_all(select(keys.c.id).where(keys.c.key_hash == name), by_former))
        until_ms = select(former_secrets.c.until_ms).where(former).scalar_subquery().label(_UNTIL)
    return (
        select(*_KEY_COLUMNS, *teams.c, *budgets.c, until_ms)
        .join_from(keys, teams)
        .outerjoin(budgets, _binds(_BYTEWISE[dialect]))
        .where(
            is_key,
            keys.c.revoked_ms.is_(None),
            keys.c.blocked_ms.is_(None),
            or_(keys.c.expires_ms.is_(None), keys.c.expires_ms > now_ms),
            teams.c.deleted_ms.is_(None),
        )
    )


def _binds(bytewise: str) -> ColumnElement[bool]:
    """Say that a budget is the key's, its team's or nobody's, by ranges that an index can find."""
    scope = budgets.c.scope.collate(bytewise)
    owners = ("team:" + teams.c.id, "key:" + keys.c.id)
    return or_(
        *(budgets.c.scope == owner for owner in owners),
        *(and_(scope > owner + "/", scope < owner + "0") for owner in owners),  # "0" comes after "/"
        *(and_(scope > f"{kind}:", scope < f"{kind};") for kind in _NOBODYS),  # and ";" after ":"
    )


_BYTEWISE = {"sqlite": "BINARY", "postgresql": "C"}
"""The collations that compare texts as their bytes."""
