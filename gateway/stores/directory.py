"""Teams, keys and budgets in SQL; each change writes its audit row in the same transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress

import msgspec
from sqlalchemy import Connection, delete, insert, or_, select, update

from gateway.clock import Clock, new_id
from gateway.credentials import Fingerprint, mint_pepper
from gateway.errors import Conflict, InvalidRequest, NotFound
from gateway.stores.base import AuditRow, BudgetRow, BudgetSpec, KeyRow, KeySpec, TeamRow, TeamSpec
from gateway.stores.database import Database
from gateway.stores.directory_rows import key_values, read_budget, read_key, read_keys, read_team
from gateway.stores.directory_rules import check_budget, check_key, check_team
from gateway.stores.schema import audit, budgets, fit_text, keys, meta, teams

_PEPPER = "key_pepper"
_MOST_AUDIT_ROWS = 10_000


class SqlDirectory:
    """The directory in a database; see `Directory` for what each method promises."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def pepper(self) -> bytes:
        """Return the pepper of key hashes, made once and kept."""
        query = select(meta.c.value).where(meta.c.name == _PEPPER)
        found = await self._database.run(lambda connection: connection.scalar(query))
        if found is None:
            fresh = insert(meta).values(name=_PEPPER, value=mint_pepper().hex())
            with suppress(Conflict):  # another process was first
                await self._database.run(lambda connection: connection.execute(fresh))
            found = await self._database.run(lambda connection: connection.scalar(query))
        return bytes.fromhex(str(found))

    async def create_team(self, spec: TeamSpec, *, actor: str) -> TeamRow:
        """Add a team; raise Conflict or InvalidRequest."""
        check_team(spec)
        team = TeamRow(id=self._new_id("team"), created_ms=self._now_ms(), **msgspec.structs.asdict(spec))

        def work(connection: Connection) -> None:
            connection.execute(insert(teams).values(msgspec.structs.asdict(team)))
            self._record(connection, actor, "team.create", team.id, {"name": team.name})

        try:
            await self._database.run(work)
        except Conflict:
            raise Conflict(
                f"a team named `{spec.name}` exists already; choose another name", param="name"
            ) from None
        return team

    async def find_team(self, team: str) -> TeamRow:
        """Return a live team by id or name; raise NotFound."""
        return await self._database.run(lambda connection: _find_team(connection, team))

    async def list_teams(self) -> Sequence[TeamRow]:
        """Return the live teams, by name."""
        query = select(teams).where(teams.c.deleted_ms.is_(None))
        rows = await self._database.run(lambda connection: connection.execute(query).mappings().all())
        return sorted((read_team(row) for row in rows), key=lambda team: team.name)

    async def delete_team(self, team: str, *, actor: str) -> TeamRow:
        """Retire a team and revoke its keys; raise NotFound."""
        now_ms = self._now_ms()

        def work(connection: Connection) -> TeamRow:
            found = _find_team(connection, team)
            connection.execute(update(teams).where(teams.c.id == found.id).values(deleted_ms=now_ms))
            live = (keys.c.team_id == found.id, keys.c.revoked_ms.is_(None))
            connection.execute(update(keys).where(*live).values(revoked_ms=now_ms))
            self._record(connection, actor, "team.delete", found.id, {"name": found.name})
            return msgspec.structs.replace(found, deleted_ms=now_ms)

        return await self._database.run(work)

    async def create_key(self, team: str, spec: KeySpec, fingerprint: Fingerprint, *, actor: str) -> KeyRow:
        """Add a key and its budgets; raise NotFound, Conflict or InvalidRequest."""
        now_ms = self._now_ms()
        check_key(spec, now_ms)

        def work(connection: Connection) -> KeyRow:
            key = KeyRow(
                id=self._new_id("key"),
                name=spec.name,
                team_id=_find_team(connection, team).id,
                last4=fingerprint.last4,
                created_ms=now_ms,
                scopes=spec.scopes,
                allowed_models=spec.allowed_models,
                expires_ms=spec.expires_ms,
            )
            connection.execute(insert(keys).values(key_values(key, fingerprint)))
            for budget in spec.budgets:
                self._put_budget(connection, f"key:{key.id}", budget)
            self._record(connection, actor, "key.create", key.id, msgspec.to_builtins(spec))
            return key

        try:
            return await self._database.run(work)
        except Conflict:
            raise Conflict(
                f"the team has a key named `{spec.name}` already; choose another name", param="name"
            ) from None

    async def list_keys(self, team: str | None = None) -> Sequence[KeyRow]:
        """Return keys that are not revoked, of one team or of all, by name; raise NotFound."""

        def work(connection: Connection) -> list[KeyRow]:
            return read_keys(connection, None if team is None else _find_team(connection, team).id)

        return await self._database.run(work)

    async def revoke_key(self, key_id: str, *, actor: str) -> KeyRow:
        """End a key now; ending it again changes nothing. Raise NotFound."""
        now_ms = self._now_ms()

        def work(connection: Connection) -> KeyRow:
            this = keys.c.id == key_id
            ended = connection.execute(
                update(keys).where(this, keys.c.revoked_ms.is_(None)).values(revoked_ms=now_ms)
            )
            row = connection.execute(select(keys).where(this)).mappings().one_or_none()
            if row is None:
                raise NotFound(f"no key has the id `{fit_text(key_id, 64)}`; list the keys to see them")
            if ended.rowcount:
                self._record(connection, actor, "key.revoke", key_id, {})
            return read_key(row)

        return await self._database.run(work)

    async def set_budget(self, scope: str, spec: BudgetSpec, *, actor: str) -> BudgetRow:
        """Set the limit of `team:<id>` or `key:<id>` for a period, replacing the one there was."""
        check_budget(spec)

        def work(connection: Connection) -> BudgetRow:
            _check_scope(connection, scope)
            budget = self._put_budget(connection, scope, spec)
            self._record(connection, actor, "budget.set", budget.id, msgspec.to_builtins(budget))
            return budget

        return await self._database.run(work)

    async def remove_budget(self, budget_id: str, *, actor: str) -> None:
        """Lift a limit; raise NotFound."""

        def work(connection: Connection) -> None:
            if not connection.execute(delete(budgets).where(budgets.c.id == budget_id)).rowcount:
                raise NotFound(f"no budget has the id `{fit_text(budget_id, 64)}`; list them to see")
            self._record(connection, actor, "budget.remove", budget_id, {})

        await self._database.run(work)

    async def list_budgets(self, scope: str | None = None) -> Sequence[BudgetRow]:
        """Return the limits of one scope or of all, by scope and period."""
        query = select(budgets).order_by(budgets.c.scope, budgets.c.period)
        if scope is not None:
            query = query.where(budgets.c.scope == scope)
        rows = await self._database.run(lambda connection: connection.execute(query).mappings().all())
        return [read_budget(row) for row in rows]

    async def list_audit(self, *, limit: int = 100) -> Sequence[AuditRow]:
        """Return the newest acts first."""
        query = select(audit).order_by(audit.c.at_ms.desc(), audit.c.id.desc())
        query = query.limit(min(max(limit, 0), _MOST_AUDIT_ROWS))
        rows = await self._database.run(lambda connection: connection.execute(query).mappings().all())
        return [AuditRow(**row) for row in rows]

    def _put_budget(self, connection: Connection, scope: str, spec: BudgetSpec) -> BudgetRow:
        values = msgspec.structs.asdict(spec)
        this = (budgets.c.scope == scope, budgets.c.period == spec.period)
        statement = update(budgets).where(*this).values(values).returning(budgets.c.id)
        budget_id = connection.scalar(statement)
        if budget_id is None:
            budget_id = self._new_id("budget")
            connection.execute(insert(budgets).values(id=budget_id, scope=scope, **values))
        return BudgetRow(id=budget_id, scope=scope, **values)

    def _record(
        self, connection: Connection, actor: str, act: str, object_id: str, detail: Mapping[str, object]
    ) -> None:
        values = {
            "id": self._new_id("act"),
            "at_ms": self._now_ms(),
            "actor": fit_text(actor, 64),
            "act": act,
            "object_id": object_id,
            "detail": msgspec.json.encode(detail).decode(),
        }
        connection.execute(insert(audit).values(values))

    def _now_ms(self) -> int:
        return int(self._clock.now() * 1000)

    def _new_id(self, prefix: str) -> str:
        return new_id(prefix, self._clock.now())


def _find_team(connection: Connection, team: str) -> TeamRow:
    named = or_(teams.c.id == team, teams.c.name == team)
    rows = connection.execute(select(teams).where(named, teams.c.deleted_ms.is_(None))).mappings()
    found = sorted((read_team(row) for row in rows), key=lambda row: row.id != team)
    if not found:
        raise NotFound(f"no team is called `{fit_text(team, 64)}`; create it first")
    return found[0]


def _check_scope(connection: Connection, scope: str) -> None:
    kind, _, scope_id = scope.partition(":")
    live = {
        "team": select(teams.c.id).where(teams.c.id == scope_id, teams.c.deleted_ms.is_(None)),
        "key": select(keys.c.id).where(keys.c.id == scope_id, keys.c.revoked_ms.is_(None)),
    }
    if kind not in live:
        raise InvalidRequest(
            f"`{fit_text(scope, 64)}` is not a scope; use team:<id> or key:<id>", param="scope"
        )
    if connection.scalar(live[kind]) is None:
        raise NotFound(f"there is no live {kind} with the id `{fit_text(scope_id, 64)}`")
