"""From a presented key to the caller it stands for: cached, bounded, one answer for every failure."""

from __future__ import annotations

import asyncio
import hmac
from collections import OrderedDict
from collections.abc import Collection
from functools import partial
from math import inf
from typing import NamedTuple, get_args

import msgspec

from gateway.clock import Clock
from gateway.credentials import hash_key
from gateway.errors import StoreUnavailable, Unauthenticated
from gateway.exchange import Principal, Scope
from gateway.pace import PaceLimit, pace_limits
from gateway.stores.base import Books, BudgetRow, KeyGrant

MAX_SECRET_CHARS = 512
MAX_CACHED = 20_000
ADMIN_TEAM = "admin"
ASK_AGAIN_S = 1.0
"""How long books that did not answer are left alone, and how long they may take over a known key."""
ALL_SCOPES: frozenset[Scope] = frozenset(get_args(Scope))
_REFUSAL = "incorrect API key provided; send a valid key as `Authorization: Bearer`, `x-api-key` or `api-key`"


class Caller(msgspec.Struct, frozen=True, kw_only=True):
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


class Trust(msgspec.Struct, frozen=True, kw_only=True):
    """How long what the books said of a key is believed."""

    fresh_s: float
    stale_s: float = 0.0
    """How much longer while the books cannot be read."""


class _Known(NamedTuple):
    """What the books said of a key; both instants are monotonic and none is later than the key's own end."""

    fresh_until_s: float
    stale_until_s: float
    caller: Caller | None


class _Asked(NamedTuple):
    """A reading under way, and until when (monotonic) it is fresh enough for those who ask meanwhile."""

    answer: asyncio.Task[_Known]
    until_s: float


class KeyRing:
    """Looks keys up in the books and trusts an answer, good or bad, for a few seconds.

    While the books cannot be read, a good answer is trusted for longer; a bad one never is.
    """

    def __init__(
        self,
        *,
        books: Books,
        pepper: bytes,
        master_key: str | None,
        clock: Clock,
        trust: Trust,
        admin_teams: Collection[str] = (),
    ) -> None:
        self._admin_teams = frozenset(admin_teams)
        self._books = books
        self._pepper = pepper
        self._master = None if master_key is None else hash_key(master_key, pepper)
        self._clock = clock
        self._trust = trust
        self._away_until_s = -inf
        self._era = 0
        self._cache: OrderedDict[str, _Known] = OrderedDict()
        self._asked: dict[str, _Asked] = {}

    async def caller(self, secret: str | None) -> Caller:
        """Return whom `secret` stands for; raise Unauthenticated, the same for every reason."""
        if not secret or len(secret) > MAX_SECRET_CHARS or not secret.isascii():
            raise Unauthenticated(_REFUSAL)
        digest = hash_key(secret, self._pepper)
        if self._master is not None and hmac.compare_digest(digest, self._master):
            return ADMIN
        now = self._clock.monotonic()
        known = self._cache.get(digest)
        if known is None or known.fresh_until_s <= now:
            known = await self._refreshed(digest, known, now)
        if known.caller is None:
            raise Unauthenticated(_REFUSAL)
        return known.caller

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
        self._asked.clear()

    async def _refreshed(self, digest: str, known: _Known | None, now_s: float) -> _Known:
        """Return what the books say now, or while they cannot be read what they said before."""
        if known is None or known.caller is None or known.stale_until_s <= now_s:
            return await self._look_up(digest, now_s)
        if now_s < self._away_until_s:
            return known
        era = self._era
        try:
            async with asyncio.timeout(ASK_AGAIN_S):
                return await self._look_up(digest, now_s)
        except (StoreUnavailable, TimeoutError):
            if era != self._era:  # a change was made meanwhile: this key may be what it ended
                raise StoreUnavailable("the key cannot be checked now, try again in a moment") from None
            self._away_until_s = self._clock.monotonic() + ASK_AGAIN_S
            self._asked.pop(digest, None)  # may hang for ever
            return known

    async def _look_up(self, digest: str, now_s: float) -> _Known:
        """Return what the books say; whoever asks of a key while it is read waits for that one reading."""
        asked = self._asked.get(digest)
        if asked is None or asked.until_s <= now_s:
            asked = _Asked(asyncio.create_task(self._read(digest)), now_s + self._trust.fresh_s)
            asked.answer.add_done_callback(partial(self._answered, digest))
            self._asked[digest] = asked
        return await asyncio.shield(asked.answer)

    def _answered(self, digest: str, answer: asyncio.Task[_Known]) -> None:
        asked = self._asked.get(digest)
        if asked is not None and asked.answer is answer:
            del self._asked[digest]
        if not answer.cancelled():
            answer.exception()  # seen, even where all who asked have left

    async def _read(self, digest: str) -> _Known:
        """Return what the books say, and trust it unless something was changed while they were read."""
        era, read_s, read_ms = self._era, self._clock.monotonic(), int(self._clock.now() * 1000)
        grant = await self._books.find_grant(digest, read_ms)
        ends_ms = inf if grant is None or grant.until_ms is None else grant.until_ms
        left_s, fresh_s = (ends_ms - read_ms) / 1000, self._trust.fresh_s
        known = _Known(
            fresh_until_s=read_s + min(fresh_s, left_s),
            stale_until_s=read_s + min(fresh_s + self._trust.stale_s, left_s),
            caller=None if grant is None else self._caller(grant),
        )
        if era == self._era:
            self._remember(digest, known)
        return known

    def _caller(self, grant: KeyGrant) -> Caller:
        overall = "admin" in grant.key.scopes and grant.team.name in self._admin_teams
        return _caller(grant, organisation=overall)

    def _remember(self, digest: str, entry: _Known) -> None:
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
