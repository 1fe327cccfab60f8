"""How escalating has gone: rates, money, precision and latencies of a window. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from gateway.stores.base import ReportLine, StepTime
from policies.pricing import usd
from policies.trigger_validation.calibration import Calibrated
from policies.trigger_validation.history import (
    UNHAPPY,
    History,
    Labelled,
    TriggerRecord,
    count_outcomes,
    settle_labels,
)
from policies.validation_rules import QualityRules

NO_TRIGGER = "none"
MOST_DAYS = 366


class TriggerLine(msgspec.Struct, frozen=True, kw_only=True):
    """One trigger: how often it fired, what it cost, and how often it was right."""

    trigger: str
    fired: int
    premium_requests: int
    cost_usd: str
    true_positives: int
    false_positives: int
    false_negatives: int
    failed: int
    """It fired, premium served, and the work failed all the same."""
    precision: Calibrated
    """Shrunk toward the share of all triggers; `sample` says how many outcomes it rests on."""


class StepLine(msgspec.Struct, frozen=True, kw_only=True):
    """How long one step of the escalation workflows took, in milliseconds."""

    step: str
    count: int
    p50_ms: int
    p95_ms: int
    max_ms: int


class Statistics(msgspec.Struct, frozen=True, kw_only=True):
    """How escalating has gone; shares are null where there is nothing to share."""

    since: str
    until: str
    team: str | None
    requests: int
    premium_requests: int
    escalation_rate: float | None
    grounds: dict[str, int]
    """Requests by what sent them where they went."""
    delivered_rate: float | None
    """Requests that were answered."""
    success_rate: float | None
    """Requests that were answered, and of which neither caller nor any sign says that the answer failed."""
    outcomes: dict[str, int]
    """Decisions by what became of them, one outcome each; the others are unknown."""
    cost_usd: str
    cost_per_success_usd: str | None
    savings_usd: str
    """Against the declared baseline, over the requests that can be compared; signed."""
    roi: float | None
    """Savings per USD spent on those requests; signed."""
    wasted_usd: str
    coverage: float | None
    """Share of the requests that can be compared with the baseline."""
    validation_confidence: Calibrated
    """How often a trigger is right when it fires, over all triggers."""
    triggers: list[TriggerLine]
    steps: list[StepLine]


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What statistics are made from."""

    since_ms: int
    until_ms: int
    team: str | None
    total: ReportLine
    by_ground: Sequence[ReportLine]
    by_trigger: Sequence[ReportLine]
    labelled: Sequence[Labelled]
    steps: Sequence[StepTime]


def build_statistics(reading: Reading, rules: QualityRules) -> Statistics:
    """Return the statistics of a window."""
    total = reading.total
    lines = {line.group["trigger"]: line for line in reading.by_trigger}
    lines.pop(NO_TRIGGER, None)
    settled = settle_labels(reading.labelled)
    history = count_outcomes(settled, {name: line.requests for name, line in lines.items()})
    answered = total.requests - total.failed - total.cancelled - total.interrupted
    succeeded = max(0, answered - sum(map(_failed, settled)))
    savings = total.baseline_nano - total.compared_cost_nano
    return Statistics(
        since=_instant(reading.since_ms),
        until=_instant(reading.until_ms),
        team=reading.team,
        requests=total.requests,
        premium_requests=total.premium_requests,
        escalation_rate=_share(total.premium_requests, total.requests),
        grounds={line.group["ground"] or "unknown": line.requests for line in reading.by_ground},
        delivered_rate=_share(answered, total.requests),
        success_rate=_share(succeeded, total.requests),
        outcomes=dict(sorted(Counter(outcome.label for outcome in settled).items())),
        cost_usd=_money(total.cost_nano),
        cost_per_success_usd=_money(round(total.cost_nano / succeeded)) if succeeded else None,
        savings_usd=_money(savings),
        roi=_share(savings, total.compared_cost_nano),
        wasted_usd=_money(total.wasted_nano),
        coverage=_share(total.requests - total.unpriced_baselines, total.requests),
        validation_confidence=history.overall(rules),
        triggers=[_trigger(name, history, lines, rules) for name in sorted({*lines, *history.records})],
        steps=_step_lines(reading.steps),
    )


def _failed(outcome: Labelled) -> bool:
    """Tell whether the delivered answer was not good; a failed check's answer was redone before that."""
    if outcome.label == "wrong_tier":
        return outcome.tier == "base"
    return outcome.label in UNHAPPY and outcome.label != "check_failed"


def _trigger(
    name: str, history: History, lines: Mapping[str, ReportLine], rules: QualityRules
) -> TriggerLine:
    record, line = history.records.get(name, TriggerRecord()), lines.get(name)
    return TriggerLine(
        trigger=name,
        fired=record.fired,
        premium_requests=line.premium_requests if line else 0,
        cost_usd=_money(line.cost_nano if line else 0),
        true_positives=record.true_positives,
        false_positives=record.false_positives,
        false_negatives=record.false_negatives,
        failed=record.failed,
        precision=history.precision(name, rules),
    )


def _step_lines(times: Sequence[StepTime]) -> list[StepLine]:
    by_step: dict[str, list[int]] = {}
    for time in times:
        by_step.setdefault(time.step, []).append(time.took_ms)
    return [_step_line(step, sorted(took)) for step, took in by_step.items()]


def _step_line(step: str, took: Sequence[int]) -> StepLine:
    """Return a step's percentiles by nearest rank."""
    last = len(took) - 1
    return StepLine(
        step=step,
        count=len(took),
        p50_ms=took[round(last * 0.5)],
        p95_ms=took[round(last * 0.95)],
        max_ms=took[-1],
    )


def _instant(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat()


def _money(nano: int) -> str:
    return f"{usd(nano):f}"


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 6) if whole else None
