"""Records as rows: what fits goes as it is, what does not is cut or bound, value by value."""

from __future__ import annotations

import msgspec
import pytest
from row_samples import request_row

from gateway.stores.base import AnyRow, AttemptRow, DecisionRow, OutcomeRow, RequestRow
from gateway.stores.row_values import SHAPES
from gateway.stores.schema import LARGEST, Value, attempts, decisions, outcomes, requests

ATTEMPT = AttemptRow(
    id="r.0",
    request_id="r",
    at_ms=1,
    deployment="d",
    provider="p",
    model="m",
    tier="base",
    outcome="ok",
    delivered=True,
)
REQUEST = request_row()
DECISION = DecisionRow(id="d", request_id="r", at_ms=1, team_id="t", record=msgspec.Raw(b'{"a":"\\u0000"}'))
OUTCOME = OutcomeRow(
    id="d.reask",
    decision_id="d",
    request_id="r",
    team_id="t",
    key_id="k",
    at_ms=2,
    decided_ms=1,
    label="reask",
    said=False,
    tier="base",
)
TABLES = {AttemptRow: attempts, RequestRow: requests, DecisionRow: decisions, OutcomeRow: outcomes}


def columns_of(row: AnyRow, **changes: object) -> dict[str, Value]:
    """Return a changed row's values by column."""
    shape = SHAPES[type(row)]
    (values,) = shape.values([msgspec.structs.replace(row, **changes)])
    assert {*shape.columns} == {*TABLES[type(row)].columns.keys()}
    return dict(zip(shape.columns, values, strict=True))


@pytest.mark.parametrize("row", [ATTEMPT, REQUEST, DECISION, OUTCOME], ids=lambda row: type(row).__name__)
def test_fitting_rows(row: AnyRow) -> None:
    """Values that fit are those of the record."""
    rewritten = {"triggers": "", "tags": "", "record": '{"a":"\\u0000"}'}
    rewritten |= dict.fromkeys(("card", "called_ms", "call_ms")) if isinstance(row, RequestRow) else {}
    found = columns_of(row)
    assert found == {name: rewritten[name] if name in rewritten else getattr(row, name) for name in found}


@pytest.mark.parametrize(
    ("row", "name", "value", "fitted"),
    [
        (REQUEST, "client_model", "x" * 200, "x" * 128),
        (REQUEST, "client_model", "a\0b", "ab"),
        (REQUEST, "cost_nano", 10**16, LARGEST),
        (REQUEST, "latency_ms", -1, 0),
        (REQUEST, "cache_nano", -7, -7),
        (REQUEST, "cache_nano", -(10**16), -LARGEST),
        (REQUEST, "baseline_nano", -1, 0),
        (REQUEST, "triggers", ("b", "a", "b"), "a,b"),
        (REQUEST, "tags", ("x,y",), "xy"),
        (ATTEMPT, "input_tokens", 10**30, LARGEST),
        (ATTEMPT, "card", "c" * 129, "c" * 128),
        (OUTCOME, "comment", "y" * 2001, "y" * 2000),
        (DECISION, "record", msgspec.Raw(b"\xff"), "\N{REPLACEMENT CHARACTER}"),
    ],
)
def test_misfits(row: AnyRow, name: str, value: object, fitted: Value) -> None:
    """One value that does not fit is made to, and the others stay as they are."""
    found = columns_of(row, **{name: value})
    assert found == columns_of(row) | {name: fitted}
