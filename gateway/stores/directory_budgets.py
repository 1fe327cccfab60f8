"""Changes to budgets, each inside an act."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec
from msgspec.structs import asdict
from sqlalchemy import ColumnElement, Connection, Select, and_, delete, insert, literal, or_, select, update

from gateway.errors import InvalidRequest, NotFound
from gateway.stores.directory_acts import Act
from gateway.stores.directory_base import BudgetRow, BudgetSpec, OwnedBudget, Page, Period
from gateway.stores.directory_rows import OWNED_BY_NOBODY, in_scope, on_page, read_budget
from gateway.stores.directory_rules import check_budget
from gateway.stores.schema import budgets, fit_text, keys, teams
from gateway.stores.spent_sql import SCOPES
from gateway.stores.state_base import NOBODYS_ZONE, split_scope


def set_budget(act: Act, scope: str, spec: BudgetSpec) -> BudgetRow:
    """Set the limit of a scope for a period; raise NotFound or InvalidRequest."""
    check_budget(spec)
    _check_scope(act.connection, scope)
    known = _find(act.connection, scope, spec.period)
    if known and (known.limit_nano, known.hard) == (spec.limit_nano, spec.hard):
        return known
    budget = put_budget(act, scope, spec)
    act.record("budget.set", budget.id, msgspec.to_builtins(budget))
    return budget


def put_budget(act: Act, scope: str, spec: BudgetSpec) -> BudgetRow:
    """Write a limit over the one there was, if any; checks and records nothing."""
    values = asdict(spec)
    known = _find(act.connection, scope, spec.period)
    if known:
        act.connection.execute(update(budgets).where(budgets.c.id == known.id).values(values))
        return msgspec.structs.replace(known, **values)
    budget = BudgetRow(id=act.new_id("budget"), scope=scope, **values)
    act.connection.execute(insert(budgets).values(asdict(budget)))
    return budget


def remove_budget(act: Act, scope: str, period: Period) -> BudgetRow:
    """Lift a limit; raise NotFound."""
    known = _find(act.connection, scope, period)
    if known is None:
        raise _missing(scope, period)
    act.connection.execute(delete(budgets).where(budgets.c.id == known.id))
    act.record("budget.remove", known.id, msgspec.to_builtins(known))
    return known


def find_owned(connection: Connection, scope: str, period: Period) -> OwnedBudget:
    """Return the limit of a live scope for a period; raise NotFound."""
    query = _owned().where(budgets.c.scope == scope, budgets.c.period == period)
    found = _read_owned(connection, query)
    if not found:
        raise _missing(scope, period)
    return found[0]


def read_owned(connection: Connection, scope: str | None, page: Page | None) -> list[OwnedBudget]:
    """Return the limits of one live scope or of all, in order of creation."""
    query = _owned() if scope is None else _owned().where(budgets.c.scope == scope)
    return _read_owned(connection, on_page(query, budgets.c.id, page))


def lift_budgets_of_team(act: Act, team_id: str) -> None:
    """Forget the limits of a team that ends, and of its keys."""
    of_keys = select("key:" + keys.c.id).where(keys.c.team_id == team_id)
    _lift(
        act,
        or_(
            in_scope(literal(f"team:{team_id}")),
            *(in_scope(literal(key)) for key in act.connection.scalars(of_keys)),
        ),
    )


def lift_budgets_of_key(act: Act, key_id: str) -> None:
    """Forget the limits of a key that ends."""
    _lift(act, in_scope(literal(f"key:{key_id}")))


def _lift(act: Act, which: ColumnElement[bool]) -> None:
    act.connection.execute(delete(budgets).where(which))


def _find(connection: Connection, scope: str, period: Period) -> BudgetRow | None:
    this = (budgets.c.scope == scope, budgets.c.period == period)
    row = connection.execute(select(budgets).where(*this)).mappings().one_or_none()
    return None if row is None else read_budget(row)


def _owned() -> Select[*tuple[object, ...]]:
    """Select the limits of live owners, each with the time zone of the team that pays."""
    its_key = and_(in_scope("key:" + keys.c.id), keys.c.revoked_ms.is_(None))
    its_team = or_(in_scope("team:" + teams.c.id), teams.c.id == keys.c.team_id)
    return (
        select(*budgets.c, teams.c.time_zone)
        .select_from(budgets)
        .outerjoin(keys, its_key)
        .outerjoin(teams, and_(its_team, teams.c.deleted_ms.is_(None)))
        .where(or_(teams.c.id.is_not(None), OWNED_BY_NOBODY))
    )


def _read_owned(connection: Connection, query: Select[*tuple[object, ...]]) -> list[OwnedBudget]:
    rows = connection.execute(query).mappings()
    return [
        OwnedBudget(budget=read_budget(row), time_zone=row[teams.c.time_zone] or NOBODYS_ZONE) for row in rows
    ]


def _missing(scope: str, period: Period) -> NotFound:
    return NotFound(f"`{fit_text(scope, 80)}` has no budget per {period}; list the budgets to see them")


def _check_scope(connection: Connection, scope: str) -> None:
    """Raise InvalidRequest for what is no scope, NotFound for one whose owner is not there."""
    parts = split_scope(scope)
    named_part = parts.kind in _OWNERS or (parts.kind in _PARTS and bool(parts.value))
    if not named_part or not scope.isprintable() or len(scope) > _LONGEST_SCOPE:
        raise InvalidRequest(f"`{fit_text(scope, 64)}` is not a scope; use {SCOPES}", param="scope")
    kind, _, owner_id = parts.owner.partition(":")
    if kind and connection.scalar(_OWNERS[kind](owner_id)) is None:
        raise NotFound(f"there is no live {kind} with the id `{fit_text(owner_id, 64)}`")


_PARTS = ("model", "tag")
_LONGEST_SCOPE = 128
_OWNERS: Mapping[str, Callable[[str], Select[str]]] = {
    "team": lambda owner_id: select(teams.c.id).where(teams.c.id == owner_id, teams.c.deleted_ms.is_(None)),
    "key": lambda owner_id: select(keys.c.id).where(keys.c.id == owner_id, keys.c.revoked_ms.is_(None)),
}
