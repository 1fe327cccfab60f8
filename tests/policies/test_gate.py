from __future__ import annotations

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.condition import Compare, Condition, ConditionDoc, Every, Negated, Some, parse
from policies.gate import gate_of
from policies.measuring import worth_a_look
from policies.policy import Trigger
from policies.verdicts import Signal

NAMES = st.sampled_from(("a", "b", "c"))
BOUNDS = st.sampled_from((-1.0, 0.0, 0.5))
VALUES = BOUNDS | st.floats()
COMPARES = st.builds(Compare, NAMES, st.sampled_from(("at_least", "above", "at_most", "below")), BOUNDS)
TREES = st.recursive(
    COMPARES,
    lambda inner: st.one_of(
        st.builds(Negated, inner),
        st.builds(Every, st.lists(inner, min_size=1, max_size=3).map(tuple)),
        st.builds(Some, st.lists(inner, min_size=1, max_size=3).map(tuple)),
    ),
    max_leaves=8,
)
A = {"signal": "a", "at_least": 2}
LOW_A = {"signal": "a", "above": 1}
B = {"signal": "b", "at_least": 3}
NO_C = {"signal": "c", "below": 9}


@pytest.mark.parametrize(
    ("doc", "gate"),
    [
        (A, {"a": 2.0}),
        (NO_C, {}),
        ({"not": A}, {}),
        ({"all": [NO_C, B, A]}, {"b": 3.0}),
        ({"all": [NO_C, {"not": A}]}, {}),
        ({"all": [{"any": [A, B]}, LOW_A]}, {"a": 1.0}),
        ({"any": [A, B, LOW_A]}, {"a": 1.0, "b": 3.0}),
        ({"any": [{"all": [A, B]}, {"all": [LOW_A, B]}]}, {"a": 1.0}),
        ({"any": [A, NO_C]}, {}),
    ],
)
def test_gates(doc: object, gate: dict[str, float]) -> None:
    """Every way to hold is barred by one bound; a way that no bound bars leaves the gate open."""
    assert dict(gate_of(parse(msgspec.convert(doc, ConditionDoc)))) == gate


def trigger(condition: Condition) -> Trigger:
    """Return a trigger on a condition."""
    return Trigger(id="t", kind="k", when=condition, reason="r", layer="l")


@pytest.mark.parametrize(
    ("value", "looked"), [(1.99, False), (2.0, True), (math.nan, True), (-math.inf, True), (None, True)]
)
def test_glance(value: float | None, looked: bool) -> None:  # noqa: FBT001
    """Only what was measured and is below its bound spares a look; a condition without bounds gets one."""
    signals = {} if value is None else {"a": Signal(value=value)}
    at_least, negated = trigger(Compare("a", "at_least", 2.0)), trigger(Negated(Compare("a", "above", 9.0)))

    assert worth_a_look([at_least, negated], signals) == [*([at_least] if looked else []), negated]


@given(tree=TREES, values=st.dictionaries(NAMES, VALUES))
def test_passed_over(tree: Condition, values: dict[str, float]) -> None:
    """What is passed over does not hold, and is not a condition that could not be told."""
    signals = {name: Signal(value=value) for name, value in values.items()}

    assert worth_a_look([trigger(tree)], signals) or tree.holds(signals) is False
