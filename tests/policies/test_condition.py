from __future__ import annotations

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.condition import (
    MAX_DEPTH,
    Compare,
    Condition,
    ConditionDoc,
    Every,
    Negated,
    Some,
    evaluate,
    parse,
    signal_names,
)
from policies.verdicts import Signal, Span

SPAN = Span(start=0, end=3, label="sql")
SIGNALS = {
    "high": Signal(value=0.9, spans=(SPAN,)),
    "low": Signal(value=0.2, spans=(Span(start=4, end=5, label="x"),)),
    "count": Signal(value=3.0, spans=(SPAN,)),
    "broken": Signal(value=math.nan),
}
YES = {"signal": "high", "at_least": 0.5}
NO = {"signal": "low", "at_least": 0.5}
UNKNOWN = {"signal": "absent", "at_least": 0.5}


def condition(doc: object) -> Condition:
    """Return the condition a pack would write so."""
    return parse(msgspec.convert(doc, ConditionDoc))


@pytest.mark.parametrize(
    ("comparison", "bound", "matched"),
    [
        ("at_least", 0.9, True),
        ("at_least", 0.91, False),
        ("above", 0.9, False),
        ("above", 0.89, True),
        ("at_most", 0.9, True),
        ("at_most", 0.89, False),
        ("below", 0.9, False),
        ("below", 0.91, True),
    ],
)
def test_comparisons(comparison: str, bound: float, matched: bool) -> None:  # noqa: FBT001
    """Each comparison holds on its own side of the bound."""
    assert evaluate(condition({"signal": "high", comparison: bound}), SIGNALS).matched is matched


@pytest.mark.parametrize(
    ("doc", "matched", "missing"),
    [
        (UNKNOWN, False, ("absent",)),
        ({"signal": "broken", "below": 1}, False, ("broken",)),
        ({"not": UNKNOWN}, False, ("absent",)),
        ({"not": YES}, False, ()),
        ({"not": NO}, True, ()),
        ({"all": [YES, UNKNOWN]}, False, ("absent",)),
        ({"all": [NO, UNKNOWN]}, False, ()),
        ({"not": {"all": [NO, UNKNOWN]}}, True, ()),
        ({"any": [YES, UNKNOWN]}, True, ()),
        ({"any": [NO, UNKNOWN]}, False, ("absent",)),
        ({"not": {"any": [YES, UNKNOWN]}}, False, ()),
        ({"not": {"any": [NO, UNKNOWN]}}, False, ("absent",)),
        ({"any": [UNKNOWN, {"all": [UNKNOWN, YES]}]}, False, ("absent",)),
        ({"any": [{"all": [NO, UNKNOWN]}, NO]}, False, ()),
    ],
)
def test_missing_signals(doc: object, matched: bool, missing: tuple[str, ...]) -> None:  # noqa: FBT001
    """Three-valued logic: what was not measured matters only where it could decide."""
    verdict = evaluate(condition(doc), SIGNALS)

    assert (verdict.matched, verdict.missing) == (matched, missing)
    assert condition(doc).holds(SIGNALS) is (None if missing else matched)


@pytest.mark.parametrize(
    ("doc", "strength"),
    [
        (YES, 0.9),
        ({"signal": "count", "at_least": 2}, 1.0),
        ({"signal": "low", "below": 0.5}, 1.0),
        ({"not": NO}, 1.0),
        ({"not": YES}, 0.0),
        (NO, 0.0),
        ({"all": [YES, {"signal": "count", "above": 2}, {"signal": "low", "at_most": 0.3}]}, 0.9),
        ({"any": [{"signal": "low", "at_least": 0.1}, YES]}, 0.9),
        ({"any": [{"signal": "low", "at_least": 0.1}, NO]}, 0.2),
    ],
)
def test_strength(doc: object, strength: float) -> None:
    """The weakest part of `all`, the strongest of `any`; a bound from above holds fully."""
    assert evaluate(condition(doc), SIGNALS).strength == strength


@pytest.mark.parametrize(
    ("doc", "because"),
    [
        (YES, "high 0.90 >= 0.50"),
        (UNKNOWN, "absent not measured"),
        ({"signal": "count", "below": 9}, "count 3.00 < 9.00"),
        ({"not": {"signal": "count", "above": 9}}, "not (count 3.00 > 9.00)"),
        ({"all": [YES, {"signal": "count", "at_most": 3}]}, "high 0.90 >= 0.50 and count 3.00 <= 3.00"),
        ({"all": [YES, NO, UNKNOWN]}, "low 0.20 >= 0.50"),
        ({"all": [YES, UNKNOWN]}, "absent not measured"),
        ({"any": [NO, YES]}, "high 0.90 >= 0.50"),
        ({"any": [NO, UNKNOWN]}, "low 0.20 >= 0.50 or absent not measured"),
    ],
)
def test_because(doc: object, because: str) -> None:
    """The words name only the parts that decided, with what was measured."""
    assert evaluate(condition(doc), SIGNALS).because == because


def test_evidence() -> None:
    """Spans and signals come from the parts that held, each once."""
    verdict = evaluate(condition({"any": [YES, NO, {"signal": "count", "above": 1}, YES]}), SIGNALS)

    assert verdict.spans == (SPAN,)
    assert verdict.signals == ("high", "count")
    assert evaluate(condition({"not": NO}), SIGNALS).signals == ()


@pytest.mark.parametrize(
    ("doc", "problem"),
    [
        ({}, "exactly one of `all`, `any`, `not` or `signal`"),
        ({"all": [YES], "signal": "high"}, "exactly one of"),
        ({"all": []}, "`all` is empty; give at least one condition"),
        ({"any": []}, "`any` is empty"),
        ({"all": [YES], "at_least": 1}, "a comparison belongs beside its `signal`"),
        ({"signal": "high"}, "signal `high` needs exactly one of `at_least`, `above`, `at_most`, `below`"),
        ({"signal": "high", "above": 1, "below": 2}, "needs exactly one of"),
        ({"signal": "high", "above": math.inf}, "compared with `inf`; give a finite number"),
        ({"signal": "high", "above": math.nan}, "give a finite number"),
    ],
)
def test_ambiguous(doc: object, problem: str) -> None:
    """A condition that can be read two ways is refused."""
    with pytest.raises(ValueError, match=problem):
        condition(doc)


def test_depth() -> None:
    """Conditions nest only so far."""
    doc: object = YES
    for _ in range(MAX_DEPTH):
        doc = {"not": doc}

    assert evaluate(condition(doc), SIGNALS).matched
    with pytest.raises(ValueError, match="nest deeper than 12; split the trigger"):
        condition({"not": doc})


def test_signal_names() -> None:
    """Every signal that is read is named, wherever it stands."""
    tree = condition({"all": [YES, {"any": [NO, {"not": UNKNOWN}]}]})

    assert list(signal_names(tree)) == ["high", "low", "absent"]


NAMES = st.sampled_from(("a", "b", "c"))
COMPARES = st.builds(Compare, NAMES, st.sampled_from(("at_least", "below")), st.sampled_from((0.0, 0.5)))
TREES = st.recursive(
    COMPARES,
    lambda inner: st.one_of(
        st.builds(Negated, inner),
        st.builds(Every, st.lists(inner, min_size=1, max_size=3).map(tuple)),
        st.builds(Some, st.lists(inner, min_size=1, max_size=3).map(tuple)),
    ),
    max_leaves=8,
)


@given(tree=TREES, known=st.dictionaries(NAMES, st.floats(0, 1)), rest=st.tuples(*[st.floats(0, 1)] * 3))
def test_verdicts_last(tree: Condition, known: dict[str, float], rest: tuple[float, float, float]) -> None:
    """What was told without some signals stays so whatever they turn out to be."""
    verdict = evaluate(tree, {name: Signal(value=value) for name, value in known.items()})
    full = dict(zip("abc", rest, strict=True)) | known
    later = evaluate(tree, {name: Signal(value=value) for name, value in full.items()})

    for told, measured in ((verdict, known), (later, full)):
        truth = tree.holds({name: Signal(value=value) for name, value in measured.items()})
        assert truth is (None if told.missing else told.matched)
    assert not later.missing
    if not verdict.missing:
        assert later.matched == verdict.matched
    assert 0.0 <= later.strength <= 1.0
    assert later.matched or later.strength == 0.0
