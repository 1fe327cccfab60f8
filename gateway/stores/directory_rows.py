"""Directory records out of SQL rows; a key's hash goes in and is never read back."""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection, RowMapping, or_, select

from gateway.credentials import Fingerprint
from gateway.exchange import Scope
from gateway.stores.base import BudgetRow, KeyGrant, KeyRow, TeamRow
from gateway.stores.schema import Value, budgets, keys, teams

_KEY_COLUMNS = tuple(keys.c[name] for name in KeyRow.__struct_fields__)
_JSON_COLUMNS = ("scopes", "allowed_models")


def read_team(row: RowMapping) -> TeamRow:
    """Return the team in a row that has its columns."""
    return TeamRow(**{name: row[teams.c[name]] for name in TeamRow.__struct_fields__})


def read_key(row: RowMapping) -> KeyRow:
    """Return the key in a row that has its columns."""
    values = {name: row[keys.c[name]] for name in KeyRow.__struct_fields__}
    scopes = msgspec.json.decode(values.pop("scopes"), type=tuple[Scope, ...])
    models = values.pop("allowed_models")
    allowed = None if models is None else msgspec.json.decode(models, type=tuple[str, ...])
    return KeyRow(scopes=scopes, allowed_models=allowed, **values)


def read_budget(row: RowMapping) -> BudgetRow:
    """Return the budget in a row that has its columns."""
    return BudgetRow(**{name: row[budgets.c[name]] for name in BudgetRow.__struct_fields__})


def key_values(key: KeyRow, fingerprint: Fingerprint) -> dict[str, Value]:
    """Return the column values of a key."""
    values = msgspec.structs.asdict(key)
    for name in _JSON_COLUMNS:
        if values[name] is not None:
            values[name] = msgspec.json.encode(values[name]).decode()
    return {**values, "key_hash": fingerprint.key_hash}


def read_keys(connection: Connection, team_id: str | None) -> list[KeyRow]:
    """Return the keys that are not revoked, by name, of one team or of all."""
    query = select(*_KEY_COLUMNS).where(keys.c.revoked_ms.is_(None))
    if team_id is not None:
        query = query.where(keys.c.team_id == team_id)
    return sorted(
        (read_key(row) for row in connection.execute(query).mappings()), key=lambda key: (key.name, key.id)
    )


def read_grant(connection: Connection, key_hash: str, now_ms: int) -> KeyGrant | None:
    """Return a live key with its live team and the budgets of both, in one query."""
    of_either = or_(budgets.c.scope == "team:" + teams.c.id, budgets.c.scope == "key:" + keys.c.id)
    query = (
        select(*_KEY_COLUMNS, *teams.c, *budgets.c)
        .join_from(keys, teams)
        .outerjoin(budgets, of_either)
        .where(
            keys.c.key_hash == key_hash,
            keys.c.revoked_ms.is_(None),
            or_(keys.c.expires_ms.is_(None), keys.c.expires_ms > now_ms),
            teams.c.deleted_ms.is_(None),
        )
        .order_by(budgets.c.scope, budgets.c.period)
    )
    rows = connection.execute(query).mappings().all()
    if not rows:
        return None
    limits = tuple(read_budget(row) for row in rows if row[budgets.c.id] is not None)
    return KeyGrant(key=read_key(rows[0]), team=read_team(rows[0]), budgets=limits)
