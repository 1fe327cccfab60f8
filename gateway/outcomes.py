"""What became of decisions: the caller's word taken down, and signs noticed on the way."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Protocol

import msgspec
import structlog
from msgspec import Meta

from gateway.clock import Clock
from gateway.decision_log import read_record
from gateway.errors import Conflict, InvalidRequest, NotFound, StoreUnavailable
from gateway.exchange import Principal
from gateway.ledger import Account
from gateway.stores.base import AttemptRow, Books, DecisionReader, OutcomeReader, OutcomeRow, RequestStatus
from policies.facts import Tier
from policies.policy import Policy
from policies.trigger_validation.history import SaidKind, SeenKind, premium_needed
from policies.trigger_validation.nearest import nearest_trigger
from policies.trigger_validation.signs import (
    CHOSEN,
    Glimpse,
    after,
    asked_for_premium,
    is_stuck,
    same_ask,
    signs,
)
from policies.yaml_lines import nearest

MAX_SESSIONS = 50_000
MOST_WORDS = 50
"""How often the feedback on one decision may be changed."""


class Feedback(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the caller says of an answer."""

    decision_id: Annotated[str, Meta(min_length=1, max_length=64)]
    """From `x-gateway-decision-id`; the request's id does as well."""
    verdict: SaidKind
    """`accepted`: good, from the right model; `wrong_tier`: the other would have done; `failed`: not good."""
    trigger: Annotated[str, Meta(max_length=64)] = ""
    """The trigger that should have fired, for work that went to base and should not have."""
    comment: Annotated[str, Meta(max_length=2_000)] = ""


class Noted(msgspec.Struct, frozen=True, kw_only=True):
    """The feedback as it counts now."""

    decision_id: str
    verdict: SaidKind
    tier: Tier
    """Where the answer was made."""
    premium_needed: bool | None
    """What is learnt of it: whether the work needed premium; null where that is not told."""
    trigger: str
    """The trigger that should have fired: the one named, else the one that came nearest."""
    repeated: bool
    """The same was said before, and nothing was added."""


class Sources(Protocol):
    """The books as feedback needs them."""

    @property
    def books(self) -> Books:
        """Return where outcomes are appended."""
        ...

    @property
    def decisions(self) -> DecisionReader:
        """Return where decisions are read."""
        ...

    @property
    def outcomes(self) -> OutcomeReader:
        """Return where outcomes are read."""
        ...


Ruled = Callable[[str, tuple[str, ...]], Awaitable[Policy]]
"""Finds the policy for what a team's key with these packs once sent."""


async def take_feedback(
    feedback: Feedback, principal: Principal, ruled: Ruled, sources: Sources, *, now_ms: int
) -> Noted:
    """Write down the caller's word; raise NotFound for another team's decision, InvalidRequest, Conflict.

    Triggers are those of the policy that rules the key which made the request, whoever speaks of it.
    """
    team = principal.seen_team
    await sources.books.flush()
    row = await sources.decisions.decision(feedback.decision_id, team)
    if row is None:
        raise NotFound("no decision of yours has this id; ids come in x-gateway-decision-id")
    words = [outcome for outcome in await sources.outcomes.outcomes(row.id) if outcome.said]
    record = read_record(row)
    decision, policy = record.decision, await ruled(record.team, record.snapshot.rights.packs)
    _check_trigger(feedback.trigger, policy)
    tier = await sources.outcomes.served_tier(row.request_id) or decision.tier
    missed = feedback.trigger
    if not missed and premium_needed(feedback.verdict, tier):
        missed = nearest_trigger(policy.triggers, decision.signals)
    said = OutcomeRow(
        id=f"{row.id}.{len(words)}.{feedback.verdict}",
        decision_id=row.id,
        request_id=row.request_id,
        team_id=row.team_id,
        key_id=principal.key_id,
        at_ms=now_ms,
        decided_ms=row.at_ms,
        label=feedback.verdict,
        said=True,
        tier=tier,
        missed=missed,
        comment=feedback.comment.replace("\0", ""),
    )
    return _noted(feedback.verdict, said, repeated=not _added(words, said, sources.books))


def _check_trigger(name: str, policy: Policy) -> None:
    known = {trigger.id for trigger in policy.triggers}
    if name and name not in known:
        raise InvalidRequest(f"no trigger is called `{name}`{nearest(name, known)}", param="trigger")


def _added(words: Sequence[OutcomeRow], said: OutcomeRow, books: Books) -> bool:
    """Append what was said unless it is the last word already; raise Conflict for one change too many."""
    if words and _same(words[-1], said):
        return False
    if len(words) >= MOST_WORDS:
        raise Conflict(f"feedback on this decision was changed {MOST_WORDS} times; it stands as it is")
    books.append(said)
    return True


def _noted(verdict: SaidKind, said: OutcomeRow, *, repeated: bool) -> Noted:
    return Noted(
        decision_id=said.decision_id,
        verdict=verdict,
        tier=said.tier,
        premium_needed=premium_needed(verdict, said.tier),
        trigger=said.missed,
        repeated=repeated,
    )


class OutcomeWatch:
    """Notices from the next request of a conversation that the answer before it was not good enough.

    It remembers one glimpse a session of this process and reads nothing but what is measured anyway.
    """

    def __init__(self, books: Books, clock: Clock, most: int = MAX_SESSIONS) -> None:
        self._books = books
        self._clock = clock
        self._most = most
        self._glimpses: OrderedDict[tuple[str, str], Glimpse] = OrderedDict()

    def closed(self, account: Account, status: RequestStatus) -> None:
        """Take a closed request into account; what cannot be written down is dropped, never the request."""
        seen: list[OutcomeRow] = []
        for attempt in account.attempts:
            if attempt.outcome == "check_failed":
                glimpse = self._glimpse(account, attempt)
                seen.append(self._row(account, glimpse, "check_failed", like_before=True))
                break
        served, features = account.served, account.exchange.features
        if status == "ok" and served is not None and features.ask.housekeeping is None:
            now = self._glimpse(account, served)
            before = self._remember((account.exchange.principal.team_id, features.session or ""), now)
            if before is not None and (noticed := signs(before, now)):
                alike = same_ask(before, now)
                seen += [self._row(account, before, sign, like_before=alike) for sign in noticed]
        if seen:
            self._append(seen)

    def _append(self, seen: Sequence[OutcomeRow]) -> None:
        try:
            self._books.append(*seen)
        except StoreUnavailable:
            structlog.get_logger("gateway").warning("outcomes_dropped", count=len(seen))

    def _glimpse(self, account: Account, served: AttemptRow) -> Glimpse:
        exchange = account.exchange
        decision, features = exchange.decision, exchange.features
        talk = features.conversation
        return Glimpse(
            decision_id=account.decision.id,
            request_id=exchange.id,
            decided_ms=int(exchange.started_s * 1000),
            tier="premium" if served.tier == "premium" else "base",
            chosen=decision.ground in CHOSEN,
            wants_premium=asked_for_premium(decision),
            ask=hash(features.ask.text),
            messages=talk.message_count,
            reasks=talk.reasks,
            stuck=is_stuck(talk),
            began_s=exchange.started_monotonic_s,
            ended_s=self._clock.monotonic(),
        )

    def _remember(self, place: tuple[str, str], now: Glimpse) -> Glimpse | None:
        """Remember a glimpse and return the one it replaces."""
        before = self._glimpses.pop(place, None)
        self._glimpses[place] = now if before is None else after(before, now)
        if len(self._glimpses) > self._most:
            self._glimpses.popitem(last=False)
        return before

    def _row(self, account: Account, of: Glimpse, label: SeenKind, *, like_before: bool) -> OutcomeRow:
        """Return a sign about an answer; only equal asks have signals that speak of it too."""
        exchange, missed = account.exchange, ""
        if like_before and premium_needed(label, of.tier):
            missed = nearest_trigger(exchange.policy.triggers, exchange.decision.signals)
        return OutcomeRow(
            id=f"{of.decision_id}.{label}",
            decision_id=of.decision_id,
            request_id=of.request_id,
            team_id=exchange.principal.team_id,
            key_id=exchange.principal.key_id,
            at_ms=int(self._clock.now() * 1000),
            decided_ms=of.decided_ms,
            label=label,
            said=False,
            tier=of.tier,
            missed=missed,
        )


def _same(one: OutcomeRow, other: OutcomeRow) -> bool:
    return (one.label, one.missed, one.comment) == (other.label, other.missed, other.comment)
