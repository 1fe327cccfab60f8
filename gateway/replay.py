"""Yesterday's decisions under today's policy: what would change, and what it would cost. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from gateway.decision_log import DecisionRecord
from policies.engine import fire, judge
from policies.facts import Tier
from policies.policy import Policy
from policies.verdicts import Decision, Signal


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
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


@dataclass(slots=True)
class Summary:
    """What a replay came to."""

    decisions: int = 0
    moves: Counter[tuple[str, Tier, Tier]] = field(default_factory=Counter)
    """By team, old tier and new tier."""
    cost_change_nano: Counter[str] = field(default_factory=Counter)
    """By team."""
    unpriced: int = 0

    def add(self, replayed: Replayed) -> None:
        """Count one decision."""
        self.decisions += 1
        if not replayed.changed:
            return
        team = replayed.record.team
        self.moves[team, replayed.record.decision.tier, replayed.decision.tier] += 1
        change = replayed.cost_change_nano
        if change is None:
            self.unpriced += 1
        else:
            self.cost_change_nano[team] += change


def replay(record: DecisionRecord, policy: Policy) -> Replayed:
    """Judge a record's signals and snapshot again.

    Under the policy that decided it the verdict is the same, bit for bit; a changed lexicon or detector
    cannot be replayed without the prompt, which is not kept by default, so the recorded signals stand.
    """
    signals = {name: Signal(value=value) for name, value in record.decision.signals.items()}
    findings, errors = fire(policy.triggers, signals)
    decision = judge(
        record.features, record.snapshot, policy, signals=signals, findings=findings, errors=errors
    )
    return Replayed(record=record, decision=decision)


def summarise(replays: Iterable[Replayed]) -> Summary:
    """Return the sum of many replays."""
    summary = Summary()
    for replayed in replays:
        summary.add(replayed)
    return summary


def _expected(decision: Decision, tier: Tier | None) -> int | None:
    """Return what the first deployment of a tier (default: the decided one) was expected to cost."""
    wanted = tier or decision.tier
    return next((a.expected_nano for a in decision.alternatives if a.tier == wanted), None)
