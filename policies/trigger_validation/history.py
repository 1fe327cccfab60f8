"""What became of decisions: labelled outcomes counted per trigger.

An outcome tells whether the premium model was needed. The caller's word (`accepted`, `wrong_tier`,
`failed`) beats what was merely measured (a re-ask, a regeneration, a manual upgrade, a failed answer check, a
loop of tool errors). A failure at premium says nothing of the tier: the work was too hard for both, or badly
asked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Literal, get_args

import msgspec

from policies.facts import Tier
from policies.trigger_validation.calibration import Calibrated, calibrate, pooled
from policies.validation_rules import QualityRules

SaidKind = Literal["accepted", "wrong_tier", "failed"]
SeenKind = Literal["reask", "regenerate", "manual_upgrade", "check_failed", "tool_error_loop"]
OutcomeLabel = Literal[SaidKind, SeenKind]

SAID: tuple[SaidKind, ...] = get_args(SaidKind)
SEEN: tuple[SeenKind, ...] = get_args(SeenKind)
UNHAPPY: frozenset[OutcomeLabel] = frozenset({"wrong_tier", "failed", *SEEN})
"""Outcomes that say the answer was not good enough, or not from the right model."""


_FIRED: Mapping[bool | None, str] = {True: "true_positives", False: "false_positives", None: "failed"}
NEVER_FIRED: Mapping[str, int] = {}


def premium_needed(label: OutcomeLabel, tier: Tier) -> bool | None:
    """Tell whether a decision served at `tier` turned out to need premium; None where that is not told."""
    if label == "accepted":
        return tier == "premium"
    if label == "wrong_tier":
        return tier == "base"
    return True if tier == "base" else None


class Labelled(msgspec.Struct, frozen=True, kw_only=True):
    """One outcome of one decision, with the triggers that had fired in it."""

    decision_id: str
    label: OutcomeLabel
    said: bool
    tier: Tier
    triggers: tuple[str, ...] = ()
    missed: str = ""


class TriggerRecord(msgspec.Struct, frozen=True, kw_only=True):
    """How often a trigger fired, and what became of the decisions it spoke in."""

    fired: int = 0
    true_positives: int = 0
    """It fired and premium was needed."""
    false_positives: int = 0
    """It fired and base would have done."""
    false_negatives: int = 0
    """It was silent, premium was needed, and it is the one that should have spoken."""
    failed: int = 0
    """It fired, premium served, and the work failed all the same: counts for neither."""

    @property
    def sample(self) -> int:
        """Return how many outcomes tell whether its firing was right."""
        return self.true_positives + self.false_positives


class History(msgspec.Struct, frozen=True):
    """Records by trigger."""

    records: Mapping[str, TriggerRecord] = msgspec.field(default_factory=dict)

    def precision(self, trigger: str, rules: QualityRules) -> Calibrated:
        """Return how often a trigger is right when it fires, shrunk toward all triggers' share."""
        own = self.records.get(trigger, TriggerRecord())
        return calibrate(
            own.true_positives,
            own.sample,
            prior=self.pooled_precision,
            weight=rules.prior_weight,
            interval=rules.interval,
        )

    def overall(self, rules: QualityRules) -> Calibrated:
        """Return how often a trigger is right when it fires, over all triggers."""
        known = self.records.values()
        hits, sample = sum(r.true_positives for r in known), sum(r.sample for r in known)
        return calibrate(hits, sample, prior=0.5, weight=2.0, interval=rules.interval)

    @property
    def pooled_precision(self) -> float:
        """Return the share of firings that were right, over all triggers."""
        known = self.records.values()
        return pooled(sum(r.true_positives for r in known), sum(r.sample for r in known))


EMPTY = History()


def settle_labels(labelled: Iterable[Labelled]) -> tuple[Labelled, ...]:
    """Return one outcome a decision, from all oldest first: the caller's last word, else the last sign."""
    settled: dict[str, Labelled] = {}
    for outcome in labelled:
        known = settled.get(outcome.decision_id)
        if known is None or outcome.said or not known.said:
            settled[outcome.decision_id] = outcome
    return tuple(settled.values())


def count_outcomes(settled: Iterable[Labelled], fired: Mapping[str, int] = NEVER_FIRED) -> History:
    """Return the record of every trigger from settled outcomes, and from how often each has fired."""
    counts: dict[str, Counter[str]] = {name: Counter() for name in fired}
    for outcome in settled:
        needed = premium_needed(outcome.label, outcome.tier)
        for trigger in outcome.triggers:
            counts.setdefault(trigger, Counter())[_FIRED[needed]] += 1
        if needed and outcome.missed and outcome.missed not in outcome.triggers:
            counts.setdefault(outcome.missed, Counter())["false_negatives"] += 1
    return History(
        {name: TriggerRecord(fired=fired.get(name, 0), **count) for name, count in sorted(counts.items())}
    )
