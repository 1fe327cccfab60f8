"""The durable books on SQLite or PostgreSQL, with a journal in front so that the path never waits for SQL."""

from __future__ import annotations

import asyncio
import hashlib
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

from gateway.clock import Clock, SystemClock, new_id
from gateway.errors import ConfigError, StoreUnavailable
from gateway.stores.attempts_sql import read_attempts_of
from gateway.stores.base import (
    AnyRow,
    AttemptRow,
    BookedLine,
    DecisionRow,
    KeyGrant,
    OutcomeRow,
    ReportLine,
    ReportQuery,
    RequestRow,
    StepTime,
)
from gateway.stores.booked_sql import read_booked
from gateway.stores.database import Database
from gateway.stores.directory import SqlDirectory
from gateway.stores.directory_rows import read_grant, read_grant_of
from gateway.stores.drain import Drain, replay
from gateway.stores.ledger_sql import (
    count_decisions,
    decisions_named,
    find_decision,
    read_decisions,
    read_requests,
)
from gateway.stores.outcomes_sql import read_labelled, read_outcomes, read_step_times, read_tier
from gateway.stores.pruning_sql import prune_decisions, prune_requests
from gateway.stores.reports_sql import read_report
from gateway.stores.spent_sql import agree_on_note, read_paid, read_spent
from gateway.stores.spool import LIMIT_BYTES, Claim, Spool, claim_dead, claim_new
from gateway.stores.state_base import PaidRequest
from gateway.stores.upkeep import Retention, Upkeep
from gateway.stores.workflows_sql import SqlWorkflows
from policies.facts import Tier
from policies.trigger_validation.history import Labelled

_EPOCH = "state_epoch"


class SqlBooks:
    """The books in one database; what each method promises stands in the protocols of `base`.

    `url` is `sqlite:///<file>` or `postgresql://...`. The journal lies in `spool_dir`, by default beside
    the SQLite file; it must be on a disk that survives the process. `start` before use, `close` after.
    """

    def __init__(
        self,
        url: str,
        *,
        spool_dir: Path | None = None,
        clock: Clock | None = None,
        spool_limit_bytes: int = LIMIT_BYTES,
        flush_timeout_s: float = 10.0,
        retention: Retention | None = None,
    ) -> None:
        self._database = Database(url)
        self.clock = clock or SystemClock()
        self._root = spool_dir or _beside(self._database.sqlite_path)
        self._spool_limit_bytes = spool_limit_bytes
        self._flush_timeout_s = flush_timeout_s
        self._journal: tuple[Claim, Spool, Drain] | None = None
        self._retention = retention or Retention()
        self._upkeep: Upkeep | None = None
        self.directory = SqlDirectory(self._database, self.clock)
        self.workflows = SqlWorkflows(self._database)

    @property
    def healthy(self) -> bool:
        """Whether rows are reaching SQL and the journal has room: readiness, not liveness."""
        if self._journal is None:
            return False
        _, spool, drain = self._journal
        return drain.healthy and not spool.full

    @property
    def shared(self) -> bool:
        """Whether other machines may use the same database."""
        return self._database.sqlite_path is None

    @property
    def home(self) -> str:
        """What tells this journal's folder from those of other machines."""
        place = f"{socket.gethostname()}:{self._root.resolve()}"
        return hashlib.blake2b(place.encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()

    @property
    def driver_url(self) -> str:
        """Where the workflow library may keep its own: the same server, or a file beside ours."""
        path = self._database.sqlite_path
        if path is not None:
            return f"sqlite:///{path.with_name(path.name + '.workflows')}"
        return self._database.engine.url.render_as_string(hide_password=False)

    @property
    def spool_bytes(self) -> int:
        """How much the journal holds on disk."""
        return self._journal[1].kept_bytes if self._journal else 0

    async def start(self) -> tuple[RequestRow, ...]:
        """Migrate, bring in what dead processes left, open the journal.

        Returns the requests that died open, now closed as `interrupted` at their worst case, so that
        the caller can settle what it holds for them. Raises StoreUnavailable or ConfigError.
        """
        return await asyncio.to_thread(self._start)

    async def close(self) -> None:
        """Bring what was appended into SQL and let go; what SQL does not take stays for the next start."""
        journal, self._journal = self._journal, None
        upkeep, self._upkeep = self._upkeep, None
        if upkeep:
            await asyncio.to_thread(upkeep.stop)
        if journal:
            await asyncio.to_thread(_close, *journal)
        self._database.close()

    def append(self, *rows: AnyRow) -> None:
        """Write rows, all or none, so that they survive the process; raise StoreUnavailable."""
        if self._journal is None:
            raise StoreUnavailable("the ledger is not open, try again later")
        self._journal[1].append(rows)

    async def flush(self) -> None:
        """Return once every row appended so far can be read back; raise StoreUnavailable."""
        if self._journal is None:
            return
        _, spool, drain = self._journal
        if not await asyncio.to_thread(drain.wait_for, spool.end, self._flush_timeout_s):
            raise StoreUnavailable("the ledger's database does not keep up, try again later")

    async def find_grant(self, key_hash: str, now_ms: int) -> KeyGrant | None:
        """Return the grant of a key that is neither revoked nor expired."""
        return await self._database.run(lambda connection: read_grant(connection, key_hash, now_ms))

    async def find_grant_of(self, key_id: str, now_ms: int) -> KeyGrant | None:
        """Return the grant of a key by its id; likewise None once it is revoked or expired."""
        return await self._database.run(lambda connection: read_grant_of(connection, key_id, now_ms))

    async def spent_nano(self, scope: str, since_ms: int) -> int:
        """Return what a budget's scope has spent on requests since then."""
        return (await self._database.run(lambda connection: read_spent(connection, scope, since_ms)))[0]

    async def spent(
        self, scope: str, since_ms: int, request_ids: Sequence[str]
    ) -> tuple[int, frozenset[str]]:
        """Return the same with every row appended so far, and which of the named requests it holds."""
        await self.flush()
        return await self._database.run(
            lambda connection: read_spent(connection, scope, since_ms, request_ids)
        )

    async def paid(self, request_ids: Sequence[str]) -> Mapping[str, PaidRequest]:
        """Return those of the requests that are closed, with what they cost."""
        return await self._database.run(lambda connection: read_paid(connection, request_ids))

    async def agree_epoch(self, fresh: str, *, instead_of: str | None = None) -> str:
        """Return the noted epoch of shared counters; note `fresh` where none is, or only the old one."""
        return await self._database.run(
            lambda connection: agree_on_note(connection, _EPOCH, fresh, instead_of)
        )

    async def report(self, query: ReportQuery) -> Sequence[ReportLine]:
        """Return one line per group, ordered by group; with no grouping exactly one line.

        A request for which several triggers fired counts in each of their groups; `none` holds the rest.
        So do tags.
        """
        return await self._database.read(lambda connection: read_report(connection, query))

    async def reach(self) -> None:
        """Raise StoreUnavailable unless the database can be opened; nothing is made or changed."""
        await asyncio.to_thread(self._database.reach)

    async def booked(
        self, since_ms: int, until_ms: int, time_zone: str, cards: Mapping[str, str]
    ) -> Sequence[BookedLine]:
        """Return what vendor models were booked for by local day; raise InvalidRequest for pruned days."""
        span = (since_ms, until_ms)
        return await self._database.read(lambda connection: read_booked(connection, span, time_zone, cards))

    async def prune_requests(self, before_ms: int) -> int | None:
        """Delete the requests of the oldest hour that ended before an instant; None when there is none."""
        return await asyncio.to_thread(prune_requests, self._database, before_ms)

    async def prune_decisions(self, before_ms: int) -> int | None:
        """Delete some of the decisions older than an instant; None when there are none."""
        return await asyncio.to_thread(prune_decisions, self._database, before_ms)

    async def requests(self, since_ms: int, until_ms: int) -> AsyncIterator[Sequence[RequestRow]]:
        """Yield the requests of `[since_ms, until_ms)`, oldest first, a page at a time."""
        after = (since_ms, "")
        while page := await self._requests(after, until_ms):
            yield page
            after = (page[-1].at_ms, page[-1].id)

    async def attempts_of(self, request_ids: Sequence[str]) -> Sequence[AttemptRow]:
        """Return what was tried for these requests, in the order of the requests' ids."""
        return await self._database.run(lambda connection: read_attempts_of(connection, request_ids))

    async def attempts(self, request_id: str) -> Sequence[AttemptRow]:
        """Return what was tried for a request, in order."""
        return await self._database.run(lambda connection: read_attempts_of(connection, [request_id]))

    async def decision(self, decision_id: str, team_id: str | None = None) -> DecisionRow | None:
        """Return a decision by its id or its request's id; with a team, only if it is the team's own."""
        return await self._database.run(lambda connection: find_decision(connection, decision_id, team_id))

    async def decisions(
        self, since_ms: int, until_ms: int, *, team_id: str | None = None
    ) -> AsyncIterator[DecisionRow]:
        """Yield the decisions of `[since_ms, until_ms)`, oldest first, holding a page at a time."""
        after = (since_ms, "")
        while page := await self._page(after, until_ms, team_id):
            for row in page:
                yield row
            after = (page[-1].at_ms, page[-1].id)

    async def count_decisions(self, since_ms: int, until_ms: int, *, team_id: str | None = None) -> int:
        """Return how many decisions `[since_ms, until_ms)` holds."""
        return await self._database.run(
            lambda connection: count_decisions(connection, since_ms, until_ms, team_id)
        )

    async def decisions_named(self, ids: Sequence[str]) -> Sequence[DecisionRow]:
        """Return the decisions with these ids, as far as they are kept."""
        return await self._database.run(lambda connection: decisions_named(connection, ids))

    async def step_times(
        self, since_ms: int, until_ms: int, *, team_id: str | None = None
    ) -> Sequence[StepTime]:
        """Return how long steps took in the workflows submitted then, the newest MOST_WORKFLOWS of them."""
        return await self._database.run(
            lambda connection: read_step_times(connection, since_ms, until_ms, team_id)
        )

    async def outcomes(self, decision_id: str) -> Sequence[OutcomeRow]:
        """Return what is known of one decision, oldest first."""
        return await self._database.run(lambda connection: read_outcomes(connection, decision_id))

    async def served_tier(self, request_id: str) -> Tier | None:
        """Return the tier that answered a request; None while its books are open."""
        return await self._database.run(lambda connection: read_tier(connection, request_id))

    async def labelled(
        self, since_ms: int, until_ms: int, *, team_id: str | None = None
    ) -> Sequence[Labelled]:
        """Return the outcomes of the decisions of `[since_ms, until_ms)`; of too many the newest."""
        return await self._database.run(
            lambda connection: read_labelled(connection, since_ms, until_ms, team_id)
        )

    async def _requests(self, after: tuple[int, str], until_ms: int) -> list[RequestRow]:
        return await self._database.run(lambda connection: read_requests(connection, after, until_ms))

    async def _page(self, after: tuple[int, str], until_ms: int, team_id: str | None) -> list[DecisionRow]:
        return await self._database.run(
            lambda connection: read_decisions(connection, after, until_ms, team_id)
        )

    def _start(self) -> tuple[RequestRow, ...]:
        self._database.migrate()
        recovered = replay(self._database, claim_dead(self._root))
        claim = claim_new(self._root, new_id("w", self.clock.now()))
        spool = Spool(claim.folder, limit_bytes=self._spool_limit_bytes)
        self._journal = (claim, spool, Drain(self._database, claim, spool, self.clock))
        self._upkeep = Upkeep(self._database, self.clock, self._retention)
        return recovered


def _close(claim: Claim, spool: Spool, drain: Drain) -> None:
    spool.close()
    drain.stop()
    claim.release(remove=drain.clean)


def _beside(sqlite_path: Path | None) -> Path:
    if sqlite_path is None:
        raise ConfigError("a PostgreSQL ledger needs a folder for its journal; set spool_dir")
    return sqlite_path.with_name(sqlite_path.name + ".spool")
