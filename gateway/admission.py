"""What one request claims of budgets and limits, from its first attempt to its last."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TypeVar

import msgspec

from gateway.budgets import window
from gateway.errors import BudgetExceeded
from gateway.exchange import Exchange, Principal
from gateway.pace import NO_ROOMS, NO_SCOPES, PaceLimit, Room
from gateway.stores.answer_lengths import AnswerLengths
from gateway.stores.base import AttemptRow, BudgetRow, BudgetWindow, Hold, StateStore, split_scope
from gateway.stores.state_base import NOBODYS_ZONE
from policies.candidates import shortened
from policies.facts import Features
from policies.policy import Deployment
from policies.verdicts import Candidate

T = TypeVar("T")

_TAG, _MODEL = "tag", "model"
_NO_MODELS: Mapping[str, tuple[BudgetWindow, ...]] = {}
_REAL_SHARE = (3, 4)
"""`Features.input_tokens` is an upper bound; limits of pace count what is likely, and settle what was."""


class Covered(msgspec.Struct, frozen=True):
    """What an attempt may cost together with those before it, and how long its answer may get for that."""

    amount_nano: int
    output_limit: int | None = None
    """Tokens of each answer, where less than the longest was claimed; the call has to be sent with it."""


class Admission(msgspec.Struct, kw_only=True):
    """The claims of one request: `cover` before every attempt, `settle` once."""

    exchange: Exchange
    state: StateStore
    lengths: AnswerLengths
    budgets: tuple[BudgetWindow, ...] = ()
    """Those that see all of the request, whatever model serves it."""
    by_model: Mapping[str, tuple[BudgetWindow, ...]]
    """Those that see only the calls of one model."""
    limits: tuple[PaceLimit, ...] = ()
    by_deployment: Mapping[str, tuple[PaceLimit, ...]]
    rooms: tuple[Room, ...] = NO_ROOMS
    """What the limits left when the request was last admitted."""
    hold: Hold | None = None
    """What is claimed and not settled."""

    async def cover(self, candidate: Candidate, attempts: Sequence[AttemptRow]) -> Covered:
        """Claim this attempt's worst case on top of what is spent, in nano-USD.

        Where a hard budget has no room for the model's longest answer and the client set no limit, the
        longest likely answer is claimed instead, and becomes the call's limit: what is claimed is always
        all that the call can cost. Raise RateLimited or BudgetExceeded, and claim nothing then that was not
        claimed before.
        """
        if not (self.budgets or self.limits or self.by_model or self.by_deployment):
            return Covered(_spent_then(candidate, attempts))
        try:
            return Covered(await self._cover(candidate, attempts))
        except BudgetExceeded as refusal:
            likely = self._likely(candidate)
            if likely is None:
                raise
            shorter, tokens = likely
            try:
                return Covered(await self._cover(shorter, attempts), tokens)
            except BudgetExceeded:
                raise refusal from None

    async def _cover(self, candidate: Candidate, attempts: Sequence[AttemptRow]) -> int:
        amount_nano = _spent_then(candidate, attempts)
        hold = self._claim(candidate, attempts, amount_nano)
        if hold.budgets or hold.limits:
            self.rooms = await self.state.admit(hold)
            self.hold = hold
        return amount_nano

    async def settle(self, attempts: Sequence[AttemptRow]) -> None:
        """Turn the claims into what was spent; without claims there is nothing to do."""
        held, self.hold = self.hold, None
        if held is None:
            return
        if held.budgets:
            self._learn(attempts)
        await self.state.settle(
            Hold(
                id=held.id,
                budgets=held.budgets,
                limits=held.limits,
                amount_nano=sum(attempt.cost_nano for attempt in attempts),
                by_scope=self._by_scope(attempts),
                tokens=_tokens(attempts),
            )
        )

    def _likely(self, candidate: Candidate) -> tuple[Candidate, int] | None:
        """Return the candidate with its longest likely answer, in tokens; None where that is no help."""
        exchange = self.exchange
        deployment = exchange.policy.fleet.deployments[candidate.deployment]
        tokens = self.lengths.longest_likely(exchange.principal.team_id, deployment.model_name)
        if tokens is None:
            return None
        features, snapshot = exchange.features, exchange.snapshot
        shorter = shortened(candidate, tokens, features=features, snapshot=snapshot, deployment=deployment)
        return None if shorter is None else (shorter, tokens)

    def _learn(self, attempts: Iterable[AttemptRow]) -> None:
        """Remember how long whole answers get that no client limited."""
        features = self.exchange.features
        if features.max_output_tokens is not None or features.choices > 1:
            return
        for a in attempts:
            if a.outcome == "ok" and not a.estimated:
                self.lengths.note(self.exchange.principal.team_id, a.model, a.output_tokens)

    def _claim(self, candidate: Candidate, attempts: Sequence[AttemptRow], amount_nano: int) -> Hold:
        exchange, held = self.exchange, self.hold
        deployment = exchange.policy.fleet.deployments[candidate.deployment]
        name = deployment.model_name
        own = self.by_model.get(name, ())
        return Hold(
            id=exchange.id,
            budgets=_joined(held.budgets if held else self.budgets, own),
            limits=_joined(held.limits if held else self.limits, self.by_deployment.get(deployment.id, ())),
            amount_nano=amount_nano,
            by_scope=self._by_scope(attempts, name, candidate.worst_case_nano),
            tokens=_tokens(attempts) + _likely_tokens(exchange, deployment),
        )

    def _by_scope(
        self, attempts: Sequence[AttemptRow], model: str = "", worst_case_nano: int = 0
    ) -> Mapping[str, int]:
        """Return what each budget of one model has seen, and will see if that is the model called next."""
        if not self.by_model:
            return NO_SCOPES
        return {
            budget.scope: sum(a.cost_nano for a in attempts if a.model == name)
            + (worst_case_nano if name == model else 0)
            for name, budgets in self.by_model.items()
            for budget in budgets
        }


def budgets_of(
    rows: tuple[BudgetRow, ...], principal: Principal, features: Features, now: float
) -> tuple[tuple[BudgetWindow, ...], Mapping[str, tuple[BudgetWindow, ...]]]:
    """Return the running periods of the budgets that see this request: wholly, and by model."""
    if not rows:
        return (), _NO_MODELS
    running, by_model = _running(rows, principal.time_zone, int(now) // 60)
    return tuple([window for tag, window in running if tag is None or tag in features.tags]), by_model


@lru_cache(maxsize=1024)
def _running(
    rows: tuple[BudgetRow, ...], time_zone: str, minute: int
) -> tuple[tuple[tuple[str | None, BudgetWindow], ...], Mapping[str, tuple[BudgetWindow, ...]]]:
    """Return the periods that run in a minute, each with the tag it asks for, and those of models.

    A budget nobody owns runs in `NOBODYS_ZONE`; the others in the time zone of the team that pays.
    """
    whole: list[tuple[str | None, BudgetWindow]] = []
    by_model: dict[str, tuple[BudgetWindow, ...]] = {}
    for row in rows:
        scope = split_scope(row.scope)
        running = window(row, time_zone if scope.owner else NOBODYS_ZONE, minute * 60)
        if scope.kind == _MODEL:
            by_model[scope.value] = (*by_model.get(scope.value, ()), running)
        else:
            whole.append((scope.value if scope.kind == _TAG else None, running))
    return tuple(whole), by_model


def _joined(known: tuple[T, ...], more: tuple[T, ...]) -> tuple[T, ...]:
    return (*known, *(one for one in more if one not in known)) if more else known


def _spent_then(candidate: Candidate, attempts: Iterable[AttemptRow]) -> int:
    """Return what the request will have cost at most when the candidate has been tried too."""
    amount_nano = candidate.worst_case_nano
    for attempt in attempts:
        amount_nano += attempt.cost_nano
    return amount_nano


def _tokens(attempts: Iterable[AttemptRow]) -> int:
    return sum(
        a.input_tokens
        + a.output_tokens
        + a.cache_read_tokens
        + a.cache_write_5m_tokens
        + a.cache_write_1h_tokens
        for a in attempts
    )


def _likely_tokens(exchange: Exchange, deployment: Deployment) -> int:
    """Return what a call is taken to use of a limit until its usage is known."""
    features = exchange.features
    asked = features.max_output_tokens
    likely = exchange.policy.economy.expected_output_tokens if asked is None else asked
    output = min(max(0, likely), deployment.card.max_output_tokens) * max(1, features.choices)
    return features.input_tokens * _REAL_SHARE[0] // _REAL_SHARE[1] + output
