"""Teams, keys, budgets and who changed them: the records, what may be asked for, and the protocol."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, Protocol

import msgspec
from msgspec import UNSET, Meta, UnsetType

from gateway.credentials import Fingerprint
from gateway.exchange import Scope
from policies.facts import RewriteContract

Period = Literal["1d", "1w", "1mo"]
Baseline = Literal["all-premium", "all-base", "requested"]
Versions = frozenset[int] | None
"""The versions at which a change is still wanted; None for any."""
Name = Annotated[str, Meta(min_length=1, max_length=64)]
Pace = Annotated[int, Meta(ge=1, le=10**12)]
"""A limit of requests, tokens or calls."""
MOST_PACKS = 8
"""Packs one key may carry."""
UnixMs = Annotated[int, Meta(ge=0, le=10**15)]


class TeamRow(msgspec.Struct, frozen=True, kw_only=True):
    """A team: who pays, in which time zone, under which contract."""

    id: str
    name: str
    created_ms: int
    rewrite: RewriteContract = "auto-only"
    honours_route_wish: bool = True
    baseline: Baseline = "all-premium"
    time_zone: str = "UTC"
    rpm: int | None = None
    """Requests per minute of all its keys together; None for no limit. Likewise the next two."""
    tpm: int | None = None
    """Tokens per minute."""
    concurrency: int | None = None
    """Requests at a time."""
    deleted_ms: int | None = None
    version: int = 1


class KeyRow(msgspec.Struct, frozen=True, kw_only=True):
    """A key as it is kept: never the secret, only what identifies it to people."""

    id: str
    name: str
    team_id: str
    last4: str
    created_ms: int
    scopes: tuple[Scope, ...] = ("inference",)
    allowed_models: tuple[str, ...] | None = None
    expires_ms: int | None = None
    revoked_ms: int | None = None
    blocked_ms: int | None = None
    rpm: int | None = None
    """Requests per minute; None for no limit of its own. Likewise the next two."""
    tpm: int | None = None
    concurrency: int | None = None
    packs: tuple[str, ...] = ()
    """Packs laid over the team's, by the names the configuration offers them under."""
    rewrite: RewriteContract | None = None
    """What may be rewritten when a model is named; None for the team's contract."""
    version: int = 1


class BudgetRow(msgspec.Struct, frozen=True, kw_only=True):
    """A money limit of a team or key per period in the team's time zone."""

    id: str
    scope: str
    """`team:<id>` or `key:<id>`."""
    limit_nano: int
    period: Period
    hard: bool = True


class OwnedBudget(msgspec.Struct, frozen=True, kw_only=True):
    """A live limit with the time zone its period runs in."""

    budget: BudgetRow
    time_zone: str


class KeyGrant(msgspec.Struct, frozen=True, kw_only=True):
    """A live key with its team and its budgets: all that authentication needs, in one read."""

    key: KeyRow
    team: TeamRow
    budgets: tuple[BudgetRow, ...] = ()
    until_ms: int | None = None
    """When the key, or the former secret it was found by, ceases to be valid; None: never by itself."""


class TeamSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is asked for when a team is made."""

    name: Name
    rewrite: RewriteContract = "auto-only"
    honours_route_wish: bool = True
    baseline: Baseline = "all-premium"
    time_zone: Name = "UTC"
    rpm: Pace | None = None
    tpm: Pace | None = None
    concurrency: Pace | None = None


class TeamChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be different about a team; what is left out stays, null lifts a limit."""

    name: Name | UnsetType = UNSET
    rewrite: RewriteContract | UnsetType = UNSET
    honours_route_wish: bool | UnsetType = UNSET
    baseline: Baseline | UnsetType = UNSET
    time_zone: Name | UnsetType = UNSET
    rpm: Pace | UnsetType | None = UNSET
    tpm: Pace | UnsetType | None = UNSET
    concurrency: Pace | UnsetType | None = UNSET


class BudgetSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A money limit as it is asked for; the scope comes from where it is set."""

    limit_nano: int
    period: Period = "1mo"
    hard: bool = True


class KeySpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is asked for when a key is made."""

    name: str
    scopes: tuple[Scope, ...] = ("inference",)
    allowed_models: tuple[str, ...] | None = None
    expires_ms: int | None = None
    budgets: tuple[BudgetSpec, ...] = ()
    rpm: Pace | None = None
    tpm: Pace | None = None
    concurrency: Pace | None = None
    packs: tuple[Name, ...] = ()
    rewrite: RewriteContract | None = None


class KeyChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be different about a key; what is left out stays, null lifts a restriction."""

    name: Name | UnsetType = UNSET
    scopes: list[Scope] | UnsetType = UNSET
    allowed_models: list[str] | UnsetType | None = UNSET
    expires_ms: UnixMs | UnsetType | None = UNSET
    blocked: bool | UnsetType = UNSET
    rpm: Pace | UnsetType | None = UNSET
    tpm: Pace | UnsetType | None = UNSET
    concurrency: Pace | UnsetType | None = UNSET
    packs: Annotated[list[Name], Meta(max_length=MOST_PACKS)] | UnsetType = UNSET
    rewrite: RewriteContract | UnsetType | None = UNSET


class AuditRow(msgspec.Struct, frozen=True, kw_only=True):
    """One administrative act: who did what to which object."""

    id: str
    at_ms: int
    actor: str
    act: str
    object_id: str
    detail: str
    """JSON; never holds a secret or a hash."""


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a list: at most `limit` records past the one with the id `after`."""

    limit: int
    after: str | None = None


class Directory(Protocol):
    """Teams, keys and budgets; every change leaves one audit row in the same transaction.

    A team is addressed by id or by name. Changes happen one after another, however many gateways make
    them; one that changes nothing is no act. With `expected`, a change is made only to a record that is
    at one of these versions, and raises PreconditionFailed otherwise. Lists are in order of creation.
    Every method raises StoreUnavailable when the store is away.
    """

    async def pepper(self) -> bytes:
        """Return the pepper of key hashes, made once and kept; for gateways that configure none."""
        ...

    async def create_team(self, spec: TeamSpec, *, actor: str) -> TeamRow:
        """Add a team; raise Conflict when a live team has the name, InvalidRequest for a bad value."""
        ...

    async def find_team(self, team: str) -> TeamRow:
        """Return a live team by id or name; raise NotFound."""
        ...

    async def list_teams(self, page: Page | None = None) -> Sequence[TeamRow]:
        """Return the live teams."""
        ...

    async def update_team(
        self, team: str, change: TeamSpec | TeamChange, *, actor: str, expected: Versions = None
    ) -> TeamRow:
        """Give a team other settings; raise NotFound, Conflict or InvalidRequest."""
        ...

    async def delete_team(self, team: str, *, actor: str, expected: Versions = None) -> TeamRow:
        """Retire a team, revoke its keys and lift their budgets; its ledger stays. Raise NotFound."""
        ...

    async def create_key(self, team: str, spec: KeySpec, fingerprint: Fingerprint, *, actor: str) -> KeyRow:
        """Add a key and its budgets; raise NotFound, Conflict or InvalidRequest."""
        ...

    async def find_key(self, key_id: str) -> KeyRow:
        """Return a key, revoked or not; raise NotFound."""
        ...

    async def list_keys(self, team: str | None = None, page: Page | None = None) -> Sequence[KeyRow]:
        """Return keys that are not revoked, of one team or of all; raise NotFound."""
        ...

    async def update_key(
        self, key_id: str, change: KeyChange, *, actor: str, expected: Versions = None
    ) -> KeyRow:
        """Change a key, block or unblock it; raise NotFound, InvalidRequest, or Conflict if it is revoked."""
        ...

    async def rotate_key(
        self,
        key_id: str,
        fingerprint: Fingerprint,
        *,
        overlap_s: int = 0,
        actor: str,
        expected: Versions = None,
    ) -> KeyRow:
        """Give a key a new secret; no earlier one is valid for longer than `overlap_s` from now on.

        Raises NotFound, InvalidRequest, or Conflict if the key is revoked.
        """
        ...

    async def revoke_key(self, key_id: str, *, actor: str, expected: Versions = None) -> KeyRow:
        """End a key now and lift its budgets; ending it again changes nothing. Raise NotFound."""
        ...

    async def set_budget(self, scope: str, spec: BudgetSpec, *, actor: str) -> BudgetRow:
        """Set the limit of `team:<id>` or `key:<id>` for a period, replacing the one there was."""
        ...

    async def find_budget(self, scope: str, period: Period) -> OwnedBudget:
        """Return the limit of a scope for a period; raise NotFound."""
        ...

    async def remove_budget(self, scope: str, period: Period, *, actor: str) -> BudgetRow:
        """Lift a limit; raise NotFound."""
        ...

    async def list_budgets(self, scope: str | None = None, page: Page | None = None) -> Sequence[OwnedBudget]:
        """Return the limits of one scope or of all."""
        ...

    async def list_audit(self, page: Page | None = None) -> Sequence[AuditRow]:
        """Return the newest acts first, a hundred unless a page is asked for."""
        ...
