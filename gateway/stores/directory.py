"""Teams, keys and budgets in SQL; each change writes its audit row in the same transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeVar

from sqlalchemy import Connection, insert, select

from gateway.clock import Clock
from gateway.credentials import Fingerprint, mint_pepper
from gateway.errors import Conflict
from gateway.stores import directory_budgets, directory_keys, directory_teams
from gateway.stores.database import Database
from gateway.stores.directory_acts import FIRST_PAGE, Act, read_acts
from gateway.stores.directory_base import (
    AuditRow,
    BudgetRow,
    BudgetSpec,
    KeyChange,
    KeyRow,
    KeySpec,
    OwnedBudget,
    Page,
    Period,
    TeamChange,
    TeamRow,
    TeamSpec,
    Versions,
)
from gateway.stores.schema import meta

T = TypeVar("T")

_PEPPER = "key_pepper"
_ONE_AT_A_TIME = {"sqlite": "BEGIN IMMEDIATE", "postgresql": "SELECT pg_advisory_xact_lock(7414938208)"}


class SqlDirectory:
    """The directory in a database; see `Directory` for what each method promises."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def pepper(self) -> bytes:
        """Return the pepper of key hashes, made once and kept."""
        query = select(meta.c.value).where(meta.c.name == _PEPPER)
        found = await self._read(lambda connection: connection.scalar(query))
        if found is None:
            fresh = insert(meta).values(name=_PEPPER, value=mint_pepper().hex())
            with suppress(Conflict):  # another process was first
                await self._database.run(lambda connection: connection.execute(fresh))
            found = await self._read(lambda connection: connection.scalar(query))
        return bytes.fromhex(str(found))

    async def create_team(self, spec: TeamSpec, *, actor: str) -> TeamRow:
        """Add a team; raise Conflict or InvalidRequest."""
        return await self._change(actor, lambda act: directory_teams.create_team(act, spec))

    async def find_team(self, team: str) -> TeamRow:
        """Return a live team by id or name; raise NotFound."""
        return await self._read(lambda connection: directory_teams.find_team(connection, team))

    async def list_teams(self, page: Page | None = None) -> Sequence[TeamRow]:
        """Return the live teams."""
        return await self._read(lambda connection: directory_teams.read_teams(connection, page))

    async def update_team(
        self, team: str, change: TeamSpec | TeamChange, *, actor: str, expected: Versions = None
    ) -> TeamRow:
        """Give a team other settings; raise NotFound, Conflict or InvalidRequest."""
        return await self._change(actor, lambda act: directory_teams.update_team(act, team, change, expected))

    async def delete_team(self, team: str, *, actor: str, expected: Versions = None) -> TeamRow:
        """Retire a team, revoke its keys and lift their budgets; raise NotFound."""
        return await self._change(actor, lambda act: directory_teams.delete_team(act, team, expected))

    async def create_key(self, team: str, spec: KeySpec, fingerprint: Fingerprint, *, actor: str) -> KeyRow:
        """Add a key and its budgets; raise NotFound, Conflict or InvalidRequest."""
        return await self._change(actor, lambda act: directory_keys.create_key(act, team, spec, fingerprint))

    async def find_key(self, key_id: str) -> KeyRow:
        """Return a key, revoked or not; raise NotFound."""
        return await self._read(lambda connection: directory_keys.find_key(connection, key_id))

    async def list_keys(self, team: str | None = None, page: Page | None = None) -> Sequence[KeyRow]:
        """Return keys that are not revoked, of one team or of all; raise NotFound."""
        return await self._read(lambda connection: directory_keys.read_keys(connection, team, page))

    async def update_key(
        self, key_id: str, change: KeyChange, *, actor: str, expected: Versions = None
    ) -> KeyRow:
        """Change a key, block or unblock it; raise NotFound, InvalidRequest or Conflict."""
        return await self._change(actor, lambda act: directory_keys.update_key(act, key_id, change, expected))

    async def rotate_key(
        self,
        key_id: str,
        fingerprint: Fingerprint,
        *,
        overlap_s: int = 0,
        actor: str,
        expected: Versions = None,
    ) -> KeyRow:
        """Give a key a new secret; raise NotFound, InvalidRequest or Conflict."""

        def rotate(act: Act) -> KeyRow:
            return directory_keys.rotate_key(act, key_id, fingerprint, overlap_s, expected)

        return await self._change(actor, rotate)

    async def revoke_key(self, key_id: str, *, actor: str, expected: Versions = None) -> KeyRow:
        """End a key now and lift its budgets; ending it again changes nothing. Raise NotFound."""
        return await self._change(actor, lambda act: directory_keys.revoke_key(act, key_id, expected))

    async def set_budget(self, scope: str, spec: BudgetSpec, *, actor: str) -> BudgetRow:
        """Set the limit of `team:<id>` or `key:<id>` for a period, replacing the one there was."""
        return await self._change(actor, lambda act: directory_budgets.set_budget(act, scope, spec))

    async def find_budget(self, scope: str, period: Period) -> OwnedBudget:
        """Return the limit of a scope for a period; raise NotFound."""
        return await self._read(lambda connection: directory_budgets.find_owned(connection, scope, period))

    async def remove_budget(self, scope: str, period: Period, *, actor: str) -> BudgetRow:
        """Lift a limit; raise NotFound."""
        return await self._change(actor, lambda act: directory_budgets.remove_budget(act, scope, period))

    async def list_budgets(self, scope: str | None = None, page: Page | None = None) -> Sequence[OwnedBudget]:
        """Return the limits of one scope or of all."""
        return await self._read(lambda connection: directory_budgets.read_owned(connection, scope, page))

    async def list_audit(self, page: Page | None = None) -> Sequence[AuditRow]:
        """Return the newest acts first."""
        return await self._read(lambda connection: read_acts(connection, page or FIRST_PAGE))

    async def _read(self, work: Callable[[Connection], T]) -> T:
        return await self._database.run(work)

    async def _change(self, actor: str, work: Callable[[Act], T]) -> T:
        """Do `work` while nobody else changes the directory: what it reads still holds when it writes."""

        def alone(connection: Connection) -> T:
            connection.exec_driver_sql(_ONE_AT_A_TIME[connection.dialect.name])
            return work(Act(connection, actor, self._clock.now()))

        return await self._database.run(alone)
