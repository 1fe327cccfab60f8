"""The money of one request: reserve before the first byte, book every attempt, settle once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from functools import lru_cache

import msgspec

from gateway.admission import Admission, budgets_of
from gateway.clock import Clock
from gateway.exchange import Exchange
from gateway.pace import PaceLimit
from gateway.stores.answer_lengths import AnswerLengths
from gateway.stores.base import (
    AnyRow,
    AttemptRow,
    Books,
    BudgetRow,
    DecisionRow,
    OpenRow,
    RequestRow,
    RequestStatus,
    StateStore,
)
from policies.facts import Tier
from policies.pricing import Usage, as_if_uncached, cost_nano, usd
from policies.verdicts import Candidate, OutcomeKind

_DAY_S = 86_400
_NO_USAGE = Usage()
_NO_LIMITS: Mapping[str, tuple[PaceLimit, ...]] = {}
FREE_OUTCOMES: frozenset[OutcomeKind] = frozenset(
    {
        "connect_failed",
        "rate_limited",
        "overloaded",
        "server_error",
        "auth_failed",
        "account_empty",
        "bad_request",
        "unsupported",
        "context_overflow",
        "budget",
    }
)
"""Outcomes vendors do not charge for before the first token; otherwise a missing count is estimated."""


_BASELINE_TIERS: Mapping[str, Tier] = {
    "all-premium": "premium",
    "all-base": "base",
    "requested": "premium",
}
"""The tier whose first deployment a baseline speaks of, where none was pinned."""


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """What one request cost, and against what."""

    cost_nano: int
    wasted_nano: int
    cache_nano: int
    """What prompt caches saved, signed."""
    baseline: str
    baseline_nano: int | None
    estimated: bool
    attempts: int

    @property
    def savings_nano(self) -> int | None:
        """Return baseline minus cost, signed; None when the baseline cannot be priced."""
        return None if self.baseline_nano is None else self.baseline_nano - self.cost_nano

    def members(self) -> dict[str, str | int]:
        """Return the receipt as it is shown to clients: exact decimal USD as text."""
        shown: dict[str, str | int] = {"cost_usd": f"{usd(self.cost_nano):f}", "attempts": self.attempts}
        if self.savings_nano is not None:
            shown |= {"savings_usd": f"{usd(self.savings_nano):f}", "baseline": self.baseline}
        if self.estimated:
            shown["estimated"] = 1
        return shown


class Attempted(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one attempt when it is over."""

    candidate: Candidate
    outcome: OutcomeKind
    started_s: float
    """Seconds since the request began."""
    usage: Usage | None = None
    """The vendor's own count."""
    status: int | None = None
    delivered: bool = False
    delivered_tokens: int = 0


class Ledger:
    """Opens accounts; the only writer of money."""

    def __init__(
        self,
        *,
        books: Books,
        state: StateStore,
        clock: Clock,
        deployment_limits: Mapping[str, tuple[PaceLimit, ...]] = _NO_LIMITS,
    ) -> None:
        self._books = books
        self._state = state
        self._clock = clock
        self._deployment_limits = deployment_limits
        self._lengths = AnswerLengths()

    def account(
        self,
        exchange: Exchange,
        budgets: tuple[BudgetRow, ...],
        decision: DecisionRow,
        limits: tuple[PaceLimit, ...] = (),
    ) -> Account:
        """Return the account of one request; nothing is promised until `cover`."""
        whole, by_model = budgets_of(budgets, exchange.principal, exchange.features, exchange.started_s)
        admission = Admission(
            exchange=exchange,
            state=self._state,
            lengths=self._lengths,
            budgets=whole,
            by_model=by_model,
            limits=limits,
            by_deployment=self._deployment_limits,
        )
        return Account(
            exchange=exchange,
            admission=admission,
            decision=decision,
            books=self._books,
            clock=self._clock,
            day=_day(int(exchange.started_s) // _DAY_S),
        )


class Account(msgspec.Struct, kw_only=True):
    """The books of one request while it runs. `cover` before every attempt, `book` after it, `close` once."""

    exchange: Exchange
    admission: Admission
    decision: DecisionRow
    books: Books
    clock: Clock
    day: date
    """When the request came, by UTC: the day of its prices."""
    first_byte_s: float | None = None
    attempts: list[AttemptRow] = []
    also: tuple[AnyRow, ...] = ()
    """Rows that stand or fall with the books of this request: the answer a workflow paid for."""
    receipt: Receipt | None = None
    _spent_nano: int = 0
    _cached_nano: int = 0
    opened: bool = False
    """Something was promised or called: the request belongs in the ledger."""

    async def cover(self, candidate: Candidate) -> int | None:
        """Promise this attempt's worst case on top of what is already spent.

        Return how many tokens each answer may have where less than the longest was promised.
        Raise BudgetExceeded or RateLimited where there is no room, StoreUnavailable when the opening cannot
        be written: a call whose cost could be lost is not made.
        """
        covered = await self.admission.cover(candidate, self.attempts)
        self.opened = True
        exchange = self.exchange
        principal, decision = exchange.principal, exchange.decision
        self.books.append(
            OpenRow(
                id=exchange.id,
                at_ms=int(exchange.started_s * 1000),
                team_id=principal.team_id,
                key_id=principal.key_id,
                tier=candidate.tier,
                deployment=candidate.deployment,
                model=exchange.policy.fleet.deployments[candidate.deployment].model_name,
                worst_case_nano=covered.amount_nano,
                policy_revision=decision.policy_revision,
                price_revision=decision.price_revision,
            )
        )
        return covered.output_limit

    def book(self, attempted: Attempted) -> None:
        """Record one finished attempt at the price in force when the request came."""
        exchange, attempts, candidate = self.exchange, self.attempts, attempted.candidate
        deployment = exchange.policy.fleet.deployments[candidate.deployment]
        card = deployment.card
        usage = attempted.usage or self._estimate(attempted)
        price = card.price_on(self.day)
        cost = 0 if price is None else cost_nano(usage, price)
        self._spent_nano += cost
        if price is not None and usage.prompt_tokens > usage.input_tokens:
            self._cached_nano += cost_nano(as_if_uncached(usage), price) - cost
        elapsed_s = self.clock.monotonic() - exchange.started_monotonic_s
        attempts.append(
            AttemptRow(
                id=f"{exchange.id}.{len(attempts)}",
                request_id=exchange.id,
                at_ms=int((exchange.started_s + attempted.started_s) * 1000),
                deployment=deployment.id,
                provider=deployment.provider,
                model=deployment.model_name,
                tier=candidate.tier,
                outcome=attempted.outcome,
                status=attempted.status or 0,
                delivered=attempted.delivered,
                input_tokens=usage.input_tokens,
                output_tokens=usage.output_tokens,
                cache_read_tokens=usage.cache_read_tokens,
                cache_write_5m_tokens=usage.cache_write_5m_tokens,
                cache_write_1h_tokens=usage.cache_write_1h_tokens,
                reasoning_tokens=usage.reasoning_tokens,
                cost_nano=cost,
                estimated=usage.estimated,
                latency_ms=int(elapsed_s * 1000) - int(attempted.started_s * 1000),
                card=card.name,
            )
        )

    def deliver_withheld(self) -> None:
        """Mark the attempt whose answer failed its checks as the one the client gets after all."""
        at = next(n for n, attempt in enumerate(self.attempts) if attempt.outcome == "check_failed")
        self.attempts[at] = msgspec.structs.replace(self.attempts[at], delivered=True)

    async def close(self, status: RequestStatus, http_status: int) -> Receipt:
        """Write the rows, then settle the hold; a second call changes nothing and returns the receipt."""
        if self.receipt is not None:
            return self.receipt
        row = self._row(status, http_status)
        self.receipt = Receipt(
            cost_nano=row.cost_nano,
            wasted_nano=row.wasted_nano,
            cache_nano=row.cache_nano,
            baseline=row.baseline,
            baseline_nano=row.baseline_nano,
            estimated=row.estimated,
            attempts=row.attempts,
        )
        try:
            self.books.append(*self.attempts, row, self.decision, *self.also)
        finally:
            if self.admission.hold is not None:
                await self.admission.settle(self.attempts)
        return self.receipt

    @property
    def served(self) -> AttemptRow | None:
        """Return the attempt the client got, or else the last one made."""
        for attempt in self.attempts:
            if attempt.delivered:
                return attempt
        return self.attempts[-1] if self.attempts else None

    def _estimate(self, attempted: Attempted) -> Usage:
        """Return what an attempt without the vendor's count is taken to have used."""
        if attempted.outcome in FREE_OUTCOMES and not attempted.delivered_tokens:
            return _NO_USAGE
        return Usage(
            input_tokens=self.exchange.features.input_tokens * 3 // 4,
            output_tokens=attempted.delivered_tokens,
            estimated=True,
        )

    def _row(self, status: RequestStatus, http_status: int) -> RequestRow:
        exchange, attempts, served = self.exchange, self.attempts, self.served
        decision, features, request = exchange.decision, exchange.features, exchange.request
        baseline, baseline_nano = self._baseline(served)
        used = attempts[0] if len(attempts) == 1 else _together(attempts)
        elapsed_s = self.clock.monotonic() - exchange.started_monotonic_s
        return RequestRow(
            id=exchange.id,
            at_ms=int(exchange.started_s * 1000),
            team_id=exchange.principal.team_id,
            key_id=exchange.principal.key_id,
            dialect=request.dialect,
            client_model=request.model[:128],
            stream=request.stream,
            status=status,
            http_status=http_status,
            tier=served.tier if served else decision.tier,
            ground=decision.ground,
            triggers=tuple([finding.trigger for finding in decision.findings]),
            model=served.model if served else "",
            deployment=served.deployment if served else "",
            provider=served.provider if served else "",
            attempts=len(attempts),
            input_tokens=used.input_tokens,
            output_tokens=used.output_tokens,
            cache_read_tokens=used.cache_read_tokens,
            cache_write_5m_tokens=used.cache_write_5m_tokens,
            cache_write_1h_tokens=used.cache_write_1h_tokens,
            reasoning_tokens=used.reasoning_tokens,
            cost_nano=self._spent_nano,
            wasted_nano=sum([a.cost_nano for a in attempts if not a.delivered]),
            baseline=baseline,
            baseline_nano=baseline_nano,
            estimated=used.estimated,
            latency_ms=int(elapsed_s * 1000),
            first_byte_ms=0 if self.first_byte_s is None else int(self.first_byte_s * 1000),
            session=features.session or "",
            policy_revision=decision.policy_revision,
            price_revision=decision.price_revision,
            tags=features.tags,
            cache_nano=self._cached_nano,
        )

    def _baseline(self, served: AttemptRow | None) -> tuple[str, int | None]:
        """Return the declared baseline's name and the cost of the delivered usage at its prices.

        The token classes are kept as they were: a cached prompt is priced as cached for the baseline too,
        which never flatters the savings. A request that delivered nothing has a baseline of 0, so that what
        it wasted counts against the savings.
        """
        exchange, fleet = self.exchange, self.exchange.policy.fleet
        name = exchange.principal.baseline
        if exchange.features.dialect == "embeddings":
            name = "requested"  # nothing else was ever considered: no tier's price is a comparison
        tier = _BASELINE_TIERS.get(name)
        chosen = () if tier is None else fleet.tiers[tier]
        if name == "requested" and exchange.features.pinned_deployments:
            chosen = exchange.features.pinned_deployments
        if not chosen:
            return name, None
        if served is None or not served.delivered:
            return name, 0
        price = fleet.deployments[chosen[0]].card.price_on(self.day)
        # candidates without a price in force were dropped before they got here
        return name, 0 if price is None else cost_nano(served, price)


@lru_cache(maxsize=4)
def _day(number: int) -> date:
    """Return the `number`th day since 1970, by UTC."""
    return datetime.fromtimestamp(number * _DAY_S, UTC).date()


def _together(attempts: Sequence[AttemptRow]) -> Usage:
    """Return the tokens of several calls."""
    return Usage(
        input_tokens=sum(a.input_tokens for a in attempts),
        output_tokens=sum(a.output_tokens for a in attempts),
        cache_read_tokens=sum(a.cache_read_tokens for a in attempts),
        cache_write_5m_tokens=sum(a.cache_write_5m_tokens for a in attempts),
        cache_write_1h_tokens=sum(a.cache_write_1h_tokens for a in attempts),
        reasoning_tokens=sum(a.reasoning_tokens for a in attempts),
        estimated=any(a.estimated for a in attempts),
    )
