"""Yesterday's decisions under another policy: what would change, for whom, and what it would cost. Pure."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from functools import lru_cache

import msgspec
from msgspec.structs import replace

from gateway.decision_log import DecisionRecord
from gateway.stores.economy import EconomyMemory
from gateway.stores.sessions import MAX_SESSIONS, next_session
from policies import decide
from policies.engine import fire, judge
from policies.facts import Session, Snapshot, Tier
from policies.policy import Policy
from policies.pricing import usd
from policies.verdicts import Decision, Signal


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """One recorded decision and the same facts judged again."""

    record: DecisionRecord
    decision: Decision

    @property
    def changed(self) -> bool:
        """Whether the request would go to another tier."""
        return self.record.decision.tier != self.decision.tier

    @property
    def cost_change_nano(self) -> int | None:
        """Return the expected cost now minus then, nano-USD; None where one of them is unpriced."""
        then, now = _expected(self.record.decision, None), _expected(self.record.decision, self.decision.tier)
        return None if then is None or now is None else now - then


def replay(record: DecisionRecord, policy: Policy, snapshot: Snapshot | None = None) -> Replayed:
    """Judge a record's facts again, under its own snapshot or another.

    Under the policy that decided it the verdict is the same, bit for bit. Where the prompt was kept it is
    measured anew; where it was not, the recorded signals stand, and a changed lexicon cannot be tried.
    """
    snapshot = snapshot or record.snapshot
    if record.features.ask.text and record.decision.policy_revision != policy.revision:
        return Replayed(record=record, decision=decide(record.features, snapshot, policy))
    values = record.decision.signals
    findings, errors = fire(policy.triggers, {name: _signal(value) for name, value in values.items()})
    decision = judge(record.features, snapshot, policy, values=values, findings=findings, errors=errors)
    return Replayed(record=record, decision=decision)


PolicyOf = Callable[[str, tuple[str, ...]], Policy]
"""Which policy rules a team's key with packs of its own."""


class Rehearsal:
    """Replays records in their order, with the sessions and controllers the policy would have had.

    Its memory is bounded like the gateway's own. A session is taken over as recorded when it is first met.
    """

    def __init__(self, policy_of: PolicyOf, most: int = MAX_SESSIONS) -> None:
        self._policy_of = policy_of
        self._most = most
        self._sessions: OrderedDict[tuple[str, str], Session | None] = OrderedDict()
        self._economy = EconomyMemory()

    def replay(self, record: DecisionRecord) -> Replayed:
        """Return the record judged again."""
        policy = self._policy_of(record.team, record.snapshot.rights.packs)
        place = (record.team, record.features.session or "")
        known = self._sessions.pop(place, record.snapshot.session)
        if known is not None and record.snapshot.session is not None:
            known = replace(known, caches=record.snapshot.session.caches)  # what vendors held is a fact
        target = policy.economy.target_share
        snapshot = record.snapshot
        if record.decision.policy_revision != policy.revision:
            threshold = self._economy.threshold(record.team, target)
            snapshot = replace(snapshot, session=known, economy_threshold=threshold)
        again = replay(record, policy, snapshot)
        if again.decision.ground != "housekeeping":
            known = next_session(known, again.decision)
        self._sessions[place] = known
        if len(self._sessions) > self._most:
            self._sessions.popitem(last=False)
        self._economy.note(record.team, target, again.decision)
        return again


class Move(msgspec.Struct, frozen=True, kw_only=True):
    """How many decisions of a team would move from one tier to another, at what expected cost (signed)."""

    team: str
    from_tier: Tier
    to_tier: Tier
    decisions: int
    cost_change_usd: str
    unpriced: int


class Changed(msgspec.Struct, frozen=True, kw_only=True):
    """One decision that would change."""

    decision_id: str
    team: str
    at: float
    from_tier: Tier
    to_tier: Tier
    reason: str
    cost_change_usd: str | None


class Hindsight(msgspec.Struct, frozen=True, kw_only=True):
    """Decisions of which it is known whether they needed premium: how many were, and would be, sent right."""

    known: int
    right_then: int
    right_now: int


class BackTest(msgspec.Struct, frozen=True, kw_only=True):
    """What a candidate policy would have changed."""

    decisions: int
    changed: int
    cost_change_usd: str
    """Expected cost now minus then over the changes that can be priced; signed."""
    unpriced: int
    unreadable: int
    """Records of another version of the gateway; left out."""
    not_measured: int
    """Decisions in which the candidate tests signals nobody recorded; its triggers were skipped there."""
    prompts_kept: int
    """Decisions measured anew from their prompt; the others stand on their recorded signals."""
    moves: list[Move]
    hindsight: Hindsight
    examples: list[Changed]


class _Moved(msgspec.Struct):
    decisions: int = 0
    cost_nano: int = 0
    unpriced: int = 0


class Summary(msgspec.Struct, kw_only=True):
    """The running sum of a back-test; its size depends on teams and examples, not on decisions."""

    most_examples: int = 20
    needed: Mapping[str, bool] = msgspec.field(default_factory=dict)
    """Whether premium was needed, by decision id, where that is known."""
    decisions: int = 0
    unreadable: int = 0
    counts: Counter[str] = msgspec.field(default_factory=Counter)
    moves: dict[tuple[str, Tier, Tier], _Moved] = msgspec.field(default_factory=dict)
    examples: list[Changed] = msgspec.field(default_factory=list)

    def add(self, replayed: Replayed) -> None:
        """Count one decision."""
        record, now = replayed.record, replayed.decision
        self.decisions += 1
        self.counts["not_measured"] += bool(now.errors)
        self.counts["prompts_kept"] += bool(record.features.ask.text)
        needed = self.needed.get(record.id)
        if needed is not None:
            self.counts["known"] += 1
            self.counts["right_then"] += needed == (record.decision.tier == "premium")
            self.counts["right_now"] += needed == (now.tier == "premium")
        if replayed.changed:
            self._add_change(replayed)

    def _add_change(self, replayed: Replayed) -> None:
        record, now, change = replayed.record, replayed.decision, replayed.cost_change_nano
        moved = self.moves.setdefault((record.team, record.decision.tier, now.tier), _Moved())
        moved.decisions += 1
        moved.cost_nano += change or 0
        moved.unpriced += change is None
        if len(self.examples) < self.most_examples:
            self.examples.append(
                Changed(
                    decision_id=record.id,
                    team=record.team,
                    at=record.at,
                    from_tier=record.decision.tier,
                    to_tier=now.tier,
                    reason=now.reason,
                    cost_change_usd=None if change is None else _money(change),
                )
            )

    def result(self) -> BackTest:
        """Return what it came to."""
        return BackTest(
            decisions=self.decisions,
            changed=sum(moved.decisions for moved in self.moves.values()),
            cost_change_usd=_money(sum(moved.cost_nano for moved in self.moves.values())),
            unpriced=sum(moved.unpriced for moved in self.moves.values()),
            unreadable=self.unreadable,
            not_measured=self.counts["not_measured"],
            prompts_kept=self.counts["prompts_kept"],
            moves=[
                Move(
                    team=team,
                    from_tier=old,
                    to_tier=new,
                    decisions=moved.decisions,
                    cost_change_usd=_money(moved.cost_nano),
                    unpriced=moved.unpriced,
                )
                for (team, old, new), moved in sorted(self.moves.items())
            ],
            hindsight=Hindsight(
                known=self.counts["known"],
                right_then=self.counts["right_then"],
                right_now=self.counts["right_now"],
            ),
            examples=self.examples,
        )


@lru_cache(maxsize=65_536)
def _signal(value: float) -> Signal:
    """Return a signal; most values recur, and a look-up costs a fifth of making one."""
    return Signal(value=value)


def _money(nano: int) -> str:
    return f"{usd(nano):f}"


def _expected(decision: Decision, tier: Tier | None) -> int | None:
    """Return what the first deployment of a tier (default: the decided one) was expected to cost."""
    wanted = tier or decision.tier
    return next((a.expected_nano for a in decision.alternatives if a.tier == wanted), None)
