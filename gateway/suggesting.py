"""Suggestions for packs: labelled outcomes with the signals that were recorded beside them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import msgspec

from gateway.decision_log import DecisionRecord, read_record
from gateway.stores.base import DecisionReader, DecisionRow, OutcomeReader
from policies.policy import Policy
from policies.trigger_validation.history import Labelled, premium_needed, settle_labels
from policies.trigger_validation.suggestions import MOST_EVIDENCE, Evidence, Suggestion, suggest

_LEXICON = "lexicon."


class Suggestions(msgspec.Struct, frozen=True, kw_only=True):
    """Changes for a person to make in a pack; nothing changes by itself."""

    decisions: int
    """How many decisions with a known outcome they rest on."""
    suggestions: tuple[Suggestion, ...]


async def suggest_changes(
    decisions: DecisionReader,
    outcomes: OutcomeReader,
    policy: Policy,
    window: tuple[int, int],
    *,
    team_id: str | None,
) -> Suggestions:
    """Return what the outcomes of a window `[since_ms, until_ms)` speak for; counted off the event loop."""
    labelled = await outcomes.labelled(*window, team_id=team_id)
    settled = {o.decision_id: o for o in settle_labels(labelled) if _needed(o) is not None}
    newest = list(settled)[-MOST_EVIDENCE:]
    rows = await decisions.decisions_named(newest)
    return await asyncio.to_thread(_suggested, rows, settled, policy)


def _suggested(rows: Iterable[DecisionRow], settled: dict[str, Labelled], policy: Policy) -> Suggestions:
    evidence = [_evidence(row, settled[row.id]) for row in rows]
    known = [e for e in evidence if e is not None]
    return Suggestions(decisions=len(known), suggestions=suggest(policy.triggers, known))


def _evidence(row: DecisionRow, outcome: Labelled) -> Evidence | None:
    try:
        record = read_record(row)
    except msgspec.ValidationError:
        return None
    return Evidence(
        needed=bool(_needed(outcome)),
        signals=record.decision.signals,
        missed=outcome.missed,
        terms=_terms(record),
        text=record.features.ask.text,
    )


def _terms(record: DecisionRecord) -> tuple[tuple[str, str], ...]:
    """Return the lexicon terms that findings rested on, where they rested on nothing else."""
    return tuple(
        (finding.trigger, span.label)
        for finding in record.decision.findings
        if all(name.startswith(_LEXICON) for name in finding.signals)
        for span in finding.spans
    )


def _needed(outcome: Labelled) -> bool | None:
    return premium_needed(outcome.label, outcome.tier)
