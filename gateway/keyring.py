"""From a presented key to the caller it stands for: cached, bounded, one answer for every failure."""

from __future__ import annotations

import hmac
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass
from typing import get_args

from gateway.clock import Clock
from gateway.credentials import hash_key
from gateway.errors import Unauthenticated
from gateway.exchange import Principal, Scope
from gateway.pace import PaceLimit, pace_limits
from gateway.stores.base import Books, BudgetRow, KeyGrant

MAX_SECRET_CHARS = 512
MAX_CACHED = 20_000
ADMIN_TEAM = "admin"
ALL_SCOPES: frozenset[Scope] = frozenset(get_args(Scope))
_REFUSAL = "incorrect API key provided; send a valid key as `Authorization: Bearer`, `x-api-key` or `api-key`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """An authenticated principal and the budgets and limits that bind it."""

    principal: Principal
    budgets: tuple[BudgetRow, ...] = ()
    limits: tuple[PaceLimit, ...] = ()


ADMIN = Caller(
    principal=Principal(
        key_id="master",
        key_name="master key",
        team_id=ADMIN_TEAM,
        team_name=ADMIN_TEAM,
        scopes=ALL_SCOPES,
        organisation=True,
    )
)


class KeyRing:
    """Looks keys up in the books and trusts an answer, good or bad, for a few seconds."""

    def __init__(
        self,
        *,
        books: Books,
        pepper: bytes,
        master_key: str | None,
        clock: Clock,
        trust_s: float,
        admin_teams: Collection[str] = (),
    ) -> None:
        self._admin_teams = frozenset(admin_teams)
        self._books = books
        self._pepper = pepper
        self._master = None if master_key is None else hash_key(master_key, pepper)
        self._clock = clock
        self._trust_s = trust_s
        self._era = 0
        self._cache: OrderedDict[str, tuple[float, Caller | None]] = OrderedDict()

    async def caller(self, secret: str | None) -> Caller:
        """Return whom `secret` stands for; raise Unauthenticated, the same for every reason."""
        if not secret or len(secret) > MAX_SECRET_CHARS or not secret.isascii():
            raise Unauthenticated(_REFUSAL)
        digest = hash_key(secret, self._pepper)
        if self._master is not None and hmac.compare_digest(digest, self._master):
            return ADMIN
        now = self._clock.monotonic()
        known = self._cache.get(digest)
        if known is None or known[0] <= now:
            era = self._era
            known = (now + self._trust_s, await self._look_up(digest))
            if era == self._era:  # what was read before a change must not be trusted after it
                self._remember(digest, known)
        if known[1] is None:
            raise Unauthenticated(_REFUSAL)
        return known[1]

    async def holder(self, key_id: str) -> Caller | None:
        """Return whom a key stands for by its id, read anew; None once it is revoked, blocked or expired."""
        if key_id == ADMIN.principal.key_id:
            return ADMIN
        grant = await self._books.find_grant_of(key_id, int(self._clock.now() * 1000))
        return None if grant is None else self._caller(grant)

    def forget(self) -> None:
        """Trust nothing read so far: keys, teams or budgets were changed in this process."""
        self._era += 1
        self._cache.clear()

    async def _look_up(self, digest: str) -> Caller | None:
        grant = await self._books.find_grant(digest, int(self._clock.now() * 1000))
        return None if grant is None else self._caller(grant)

    def _caller(self, grant: KeyGrant) -> Caller:
        overall = "admin" in grant.key.scopes and grant.team.name in self._admin_teams
        return _caller(grant, organisation=overall)

    def _remember(self, digest: str, entry: tuple[float, Caller | None]) -> None:
        self._cache[digest] = entry
        self._cache.move_to_end(digest)
        while len(self._cache) > MAX_CACHED:
            self._cache.popitem(last=False)


def _caller(grant: KeyGrant, *, organisation: bool) -> Caller:
    key, team = grant.key, grant.team
    return Caller(
        principal=Principal(
            key_id=key.id,
            key_name=key.name,
            team_id=team.id,
            team_name=team.name,
            scopes=frozenset(key.scopes),
            rewrite=key.rewrite or team.rewrite,
            packs=key.packs,
            honours_route_wish=team.honours_route_wish,
            allowed_models=None if key.allowed_models is None else frozenset(key.allowed_models),
            baseline=team.baseline,
            time_zone=team.time_zone,
            organisation=organisation,
        ),
        budgets=grant.budgets,
        limits=(
            *pace_limits(f"key:{key.id}", rpm=key.rpm, tpm=key.tpm, concurrency=key.concurrency),
            *pace_limits(f"team:{team.id}", rpm=team.rpm, tpm=team.tpm, concurrency=team.concurrency),
        ),
    )
