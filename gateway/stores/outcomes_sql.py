"""What became of decisions, read back from SQL."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection, Row, select

from gateway.stores.base import MOST_OUTCOMES, MOST_WORKFLOWS, OutcomeRow, StepTime
from gateway.stores.row_values import SEPARATOR
from gateway.stores.schema import outcomes, requests, workflow_events, workflows
from policies.facts import Tier
from policies.trigger_validation.history import Labelled

_o = outcomes.c


def read_outcomes(connection: Connection, decision_id: str) -> list[OutcomeRow]:
    """Return what is known of one decision, oldest first."""
    query = select(outcomes).where(_o.decision_id == decision_id).order_by(_o.at_ms, _o.id)
    return [OutcomeRow(**row) for row in connection.execute(query).mappings()]


def read_tier(connection: Connection, request_id: str) -> Tier | None:
    """Return the tier that answered a request; None while its books are open."""
    found = connection.scalar(select(requests.c.tier).where(requests.c.id == request_id))
    return None if found is None else ("premium" if found == "premium" else "base")


def read_labelled(
    connection: Connection, since_ms: int, until_ms: int, team_id: str | None
) -> Sequence[Labelled]:
    """Return the outcomes of the decisions of a window, oldest first; of too many the newest."""
    within = (_o.decided_ms >= since_ms) & (_o.decided_ms < until_ms)
    chosen = select(_o.id).where(within if team_id is None else within & (_o.team_id == team_id))
    newest = chosen.order_by(_o.decided_ms.desc(), _o.id.desc()).limit(MOST_OUTCOMES).subquery()
    query = (
        select(_o.id, _o.decision_id, _o.label, _o.said, _o.tier, _o.missed, requests.c.triggers)
        .join(newest, newest.c.id == _o.id)
        .outerjoin(requests, requests.c.id == _o.request_id)
        .order_by(_o.at_ms, _o.id)
    )
    return [_labelled(row) for row in connection.execute(query)]


def read_step_times(
    connection: Connection, since_ms: int, until_ms: int, team_id: str | None
) -> list[StepTime]:
    """Return how long the finished steps of a window's workflows took, from their last start to their end."""
    w, e = workflows.c, workflow_events.c
    within = (w.created_ms >= since_ms) & (w.created_ms < until_ms)
    chosen = select(w.id).where(within if team_id is None else within & (w.team_id == team_id))
    newest = chosen.order_by(w.created_ms.desc(), w.id.desc()).limit(MOST_WORKFLOWS).subquery()
    query = (
        select(e.workflow_id, e.step, e.kind, e.at_ms)
        .join(newest, newest.c.id == e.workflow_id)
        .where(e.kind.in_(("step_started", "step_completed")))
        .order_by(e.workflow_id, e.seq)
    )
    started: dict[tuple[str, str], int] = {}
    times: list[StepTime] = []
    for workflow_id, step, kind, at_ms in connection.execute(query):
        place = (workflow_id, str(step))
        if kind == "step_started":
            started[place] = at_ms
        elif place in started:
            times.append(StepTime(step=place[1], took_ms=max(0, at_ms - started.pop(place))))
    return times


def _labelled(row: Row[str, str, str, bool, str, str, str | None]) -> Labelled:
    return msgspec.convert(
        {
            "decision_id": row.decision_id,
            "label": row.label,
            "said": bool(row.said),
            "tier": row.tier,
            "triggers": tuple(row.triggers.split(SEPARATOR)) if row.triggers else (),
            "missed": row.missed,
        },
        Labelled,
    )
