"""Admission state that several processes share: every claim is one step in Redis or Valkey.

Why a call per request and no leased slices: a slice lies idle in one process while another refuses for want
of it, which small budgets feel first, and a dead process takes its slices with it. Batched calls keep the
hard limit exact at a fraction of a call's cost each.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from functools import partial

import msgspec
import structlog

from gateway.clock import Clock
from gateway.errors import GatewayError, StoreUnavailable
from gateway.pace import Room
from gateway.stores.memory import MemoryState
from gateway.stores.redis import Answer, Lost, RedisLink
from gateway.stores.shared_answers import operation, read_admitted, read_paid, read_unread, refusal
from gateway.stores.shared_epoch import Epochs, Truth, settle_orphans
from gateway.stores.state_base import BudgetWindow, Hold, Watch, ignore_spending, view_of
from policies.facts import BudgetView

MOST_UNSETTLED = 100_000
"""Settlements kept while the server is away; a hold whose settlement is dropped is settled as an orphan."""
_BEATS_PER_REAPING = 10
_MOST_SEEDS = 8
_MOST_VIEWS = 50_000
_FRESH_MS = 10_000

_log = structlog.get_logger(__name__)


class SharedRules(msgspec.Struct, frozen=True, kw_only=True):
    """What happens without the server, and how long things take."""

    fails_open: bool = False
    """Serve without checking hard budgets while the server is away."""
    beat_s: float = 1.0
    """How often a process shows that it lives, and looks whether the counters do."""
    rejoin_s: float = 3.0
    """How long processes have to declare their holds after the counters were lost."""
    draining_s: float = 0.2
    """How long rows of other processes may take into the books, in ordinary times."""


class SharedState:
    """Budgets and limits of all processes on one server; `start` before use, `close` after."""

    def __init__(
        self,
        link: RedisLink,
        truth: Truth,
        clock: Clock,
        *,
        watch: Watch = ignore_spending,
        rules: SharedRules = SharedRules(),
    ) -> None:
        self._link, self._truth, self._clock = link, truth, clock
        self._rules = rules
        self._epochs = Epochs(link, truth, clock, rejoin_s=rules.rejoin_s)
        self._watch = watch
        self._joined = False
        self._known: dict[tuple[str, int], tuple[int, int]] = {}
        self._open: dict[str, Hold] = {}
        self._unsettled: dict[str, Hold] = {}
        self._telling: dict[str, asyncio.Future[Answer]] = {}
        self._keeper: asyncio.Task[None] | None = None
        self._seeding: dict[tuple[str, int], asyncio.Task[None]] = {}
        self._alone = MemoryState(truth.spent, now_s=clock.monotonic)
        """Limits of pace while the server is away: each process for itself."""

    @property
    def healthy(self) -> bool:
        """Whether hard budgets can be admitted against."""
        return self._joined and self._epochs.ready_in_s <= 0

    @property
    def open_holds(self) -> int:
        """Return how many holds of this process are open, or not yet heard of as closed."""
        return len(self._open) + len(self._unsettled)

    async def start(self) -> None:
        """Join the server if it is there, and keep to it from now on."""
        await self._try_to_join()
        self._keeper = asyncio.create_task(self._keep())

    async def close(self) -> None:
        """Tell what is still to be settled, then disconnect."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])
        await self.flush()
        await self._link.close()

    async def flush(self) -> None:
        """Return once what was settled is counted, or the server is away."""
        while self._telling:
            await asyncio.wait(list(self._telling.values()))

    def views(self, budgets: Sequence[BudgetWindow]) -> tuple[BudgetView, ...]:
        """Return the budgets as the last answer told them."""
        return tuple(view_of(b, *self._known.get((b.scope, b.since_ms), (0, 0))) for b in budgets)

    async def admit(self, hold: Hold) -> tuple[Room, ...]:
        """Claim all of the hold or nothing; raise StoreUnavailable too where an outage fails closed."""
        try:
            rooms = await self._claim(hold)
        except (Lost, StoreUnavailable) as error:
            rooms = await self._without(hold, error)
        except asyncio.CancelledError:
            self._give_up(hold)
            raise
        self._open[hold.id] = hold
        return rooms

    async def settle(self, hold: Hold) -> None:
        """Turn what was claimed into what was spent: told to the server now, and until it has heard it."""
        if self._open.pop(hold.id, None) is not None:
            await self._alone.settle(hold)
            self._tell(hold)

    async def _claim(self, hold: Hold) -> tuple[Room, ...]:
        for _ in range(_MOST_SEEDS):
            answer = await self._ask(*operation("admit", hold))
            unread = read_unread(answer, hold.budgets)
            if not unread:
                break
            for budget, pending in unread:
                await self._seed(budget, pending)
        else:
            raise StoreUnavailable(
                "budgets are being read, try again in a moment", retry_after_s=self._rules.beat_s
            )
        error = refusal(answer, hold)
        if error is not None:
            raise error
        admitted = read_admitted(answer, hold)
        self._remember(zip(hold.budgets, admitted.figures, strict=True))
        return admitted.rooms

    async def _ask(self, *asked: object) -> Answer:
        if not self._joined:
            raise Lost("the server is away")
        try:
            return await self._link.call(*asked)
        except Lost:
            self._joined = False
            raise

    async def _without(self, hold: Hold, error: Lost | StoreUnavailable) -> tuple[Room, ...]:
        """Serve a request without the server where that is allowed; limits of pace are kept by us alone."""
        if not self._rules.fails_open and any(budget.hard for budget in hold.budgets):
            self._give_up(hold)
            if isinstance(error, StoreUnavailable):
                raise error
            raise StoreUnavailable(
                "budgets cannot be checked now, try again in a moment",
                retry_after_s=max(self._rules.beat_s, self._epochs.ready_in_s),
                detail=str(error),
            )
        return await self._alone.admit(Hold(id=hold.id, limits=hold.limits, tokens=hold.tokens))

    async def _seed(self, budget: BudgetWindow, pending: Sequence[str]) -> None:
        """Have the server told what the books say a budget has spent, once for all who wait for it."""
        place = (budget.scope, budget.since_ms)
        seeding = self._seeding.get(place)
        if seeding is None:
            seeding = self._seeding[place] = asyncio.create_task(self._read(budget, pending))
            seeding.add_done_callback(lambda _: self._seeding.pop(place, None))
        await asyncio.shield(seeding)

    async def _read(self, budget: BudgetWindow, pending: Sequence[str]) -> None:
        wait_s = self._epochs.ready_in_s
        if wait_s > 0:
            message = "budgets are being counted anew, try again in a moment"
            raise StoreUnavailable(message, retry_after_s=wait_s)
        if self._clock.now() * 1000 - budget.since_ms > _FRESH_MS:
            await asyncio.sleep(self._rules.draining_s)
        spent, held = await self._truth.spent(budget.scope, budget.since_ms, pending)
        await self._ask("seed", budget.scope, budget.since_ms, spent, list(pending), list(held))

    def _give_up(self, hold: Hold) -> None:
        """Release what may have been claimed for a request that ends here; one admitted before settles."""
        if hold.id not in self._open:
            self._tell(Hold(id=hold.id, budgets=hold.budgets))

    def _tell(self, hold: Hold) -> None:
        if len(self._unsettled) >= MOST_UNSETTLED:
            _log.error("settlement_dropped", request_id=hold.id)
            return
        self._unsettled[hold.id] = hold
        if self._joined:
            self._send(hold)

    def _send(self, hold: Hold) -> None:
        told = self._telling[hold.id] = self._link.call(*operation("settle", hold))
        told.add_done_callback(partial(self._heard, hold))

    def _heard(self, hold: Hold, told: asyncio.Future[Answer]) -> None:
        self._telling.pop(hold.id, None)
        if told.cancelled() or told.exception() is not None:
            self._joined = False
            return
        self._unsettled.pop(hold.id, None)
        windows = {(budget.scope, budget.since_ms): budget for budget in hold.budgets}
        for part in read_paid(told.result()):
            budget = windows.get((part.scope, part.since_ms))
            if budget is not None:
                self._remember([(budget, (part.after_nano, part.reserved_nano))])
                self._watch(budget, part.before_nano, part.after_nano)

    def _remember(self, figures: Iterable[tuple[BudgetWindow, tuple[int, int]]]) -> None:
        for budget, (spent, reserved) in figures:
            self._known[budget.scope, budget.since_ms] = (spent, reserved)
        while len(self._known) > _MOST_VIEWS:
            del self._known[next(iter(self._known))]

    async def _keep(self) -> None:
        """Show that we live, rejoin when the server comes back, and settle what dead processes held."""
        beats = 0
        while True:
            await asyncio.sleep(self._rules.beat_s if self._joined else self._rules.beat_s / 4)
            if not self._joined:
                await self._try_to_join()
                continue
            beats += 1
            try:
                await self._ask("beat")
                if beats % _BEATS_PER_REAPING == 0:
                    await settle_orphans(self._link, self._truth)
            except (Lost, GatewayError) as error:
                _log.warning("shared_state_lost", cause=_cause(error))

    async def _try_to_join(self) -> None:
        try:
            begun = await self._epochs.enter()
            if begun:
                self._known.clear()
            declared = [self._link.call(*operation("declare", hold)) for hold in self._open.values()]
            await asyncio.gather(*declared)
        except (Lost, GatewayError) as error:
            _log.warning("shared_state_away", cause=_cause(error))
            return
        self._joined = True
        _log.info("shared_state_joined", epoch=self._link.epoch, anew=begun, open_holds=len(self._open))
        for hold in list(self._unsettled.values()):
            if hold.id not in self._telling:
                self._send(hold)


def _cause(error: Lost | GatewayError) -> str:
    return (error.detail or error.message) if isinstance(error, GatewayError) else str(error)
