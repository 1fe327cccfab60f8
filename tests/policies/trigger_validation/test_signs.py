from __future__ import annotations

import pytest
from msgspec.structs import replace
from policy_samples import make_policy

from policies.condition import ConditionDoc, parse
from policies.trigger_validation.history import Labelled, TriggerRecord, count_outcomes, settle_labels
from policies.trigger_validation.nearest import closeness, nearest_trigger
from policies.trigger_validation.signs import Glimpse, after, signs

BEFORE = Glimpse(
    decision_id="dec_1", request_id="req_1", decided_ms=0, tier="base", chosen=True, wants_premium=False,
    ask=1, messages=1, reasks=0, stuck=False, began_s=0.0, ended_s=5.0,
)  # fmt: skip
NOW = replace(BEFORE, ask=2, messages=3, began_s=20.0, ended_s=25.0)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ({}, []),
        ({"reasks": 1}, ["reask"]),
        ({"reasks": 1, "ask": 1}, []),
        ({"ask": 1, "messages": 1}, ["regenerate"]),
        ({"ask": 1, "messages": 3}, []),
        ({"wants_premium": True}, ["manual_upgrade"]),
        ({"stuck": True}, ["tool_error_loop"]),
        ({"stuck": True, "wants_premium": True, "reasks": 1}, ["reask", "manual_upgrade", "tool_error_loop"]),
        ({"reasks": 1, "began_s": 4.0}, []),
        ({"reasks": 1, "began_s": 2_000.0}, []),
    ],
)
def test_signs(now: dict[str, object], expected: list[str]) -> None:
    """What the next request of a conversation does says what became of the answer before."""
    assert list(signs(BEFORE, replace(NOW, **now))) == expected


def test_machines_are_not_discontent() -> None:
    """An ask sent over and over is a machine's; only the first repetitions count."""
    seen, before = [], BEFORE
    for turn in range(1, 6):
        now = replace(BEFORE, began_s=turn * 10.0, ended_s=turn * 10.0 + 1)
        seen.append(list(signs(before, now)))
        before = after(before, now)

    assert seen == [["regenerate"], ["regenerate"], [], [], []]


@pytest.mark.parametrize("change", [{"chosen": False}, {"tier": "premium"}])
def test_upgrades_of_own_choice_say_nothing(change: dict[str, object]) -> None:
    """Asking for premium after having asked for base, or having had premium, blames nobody."""
    assert list(signs(replace(BEFORE, **change), replace(NOW, wants_premium=True))) == []


def test_last_word_counts() -> None:
    """Of all that is known of a decision the caller's last word counts, else the last sign."""
    said = [
        Labelled(decision_id="a", label="accepted", said=True, tier="base"),
        Labelled(decision_id="a", label="failed", said=True, tier="base"),
        Labelled(decision_id="a", label="reask", said=False, tier="base"),
        Labelled(decision_id="b", label="reask", said=False, tier="base"),
        Labelled(decision_id="b", label="accepted", said=True, tier="base"),
    ]

    assert [(o.decision_id, o.label) for o in settle_labels(said)] == [("a", "failed"), ("b", "accepted")]


def test_counts_per_trigger() -> None:
    """A firing is right where premium was needed; silence is wrong for the trigger that should have spoken."""
    outcomes = [
        Labelled(decision_id="1", label="accepted", said=True, tier="premium", triggers=("x", "y")),
        Labelled(decision_id="2", label="wrong_tier", said=True, tier="premium", triggers=("x",)),
        Labelled(decision_id="3", label="failed", said=True, tier="premium", triggers=("x",)),
        Labelled(decision_id="4", label="wrong_tier", said=True, tier="base", missed="y"),
        Labelled(decision_id="5", label="accepted", said=True, tier="base"),
        Labelled(decision_id="6", label="failed", said=True, tier="base", triggers=("y",), missed="y"),
    ]

    assert count_outcomes(outcomes, {"x": 9, "z": 1}).records == {
        "x": TriggerRecord(fired=9, true_positives=1, false_positives=1, failed=1),
        "y": TriggerRecord(true_positives=2, false_negatives=1),
        "z": TriggerRecord(fired=1),
    }


@pytest.mark.parametrize(
    ("doc", "value", "expected"),
    [
        (ConditionDoc(signal="a", at_least=2), 1.0, 0.5),
        (ConditionDoc(signal="a", at_least=2), 2.0, 1.0),
        (ConditionDoc(signal="a", above=2), 2.0, 0.99),
        (ConditionDoc(signal="a", below=2), 4.0, 0.5),
        (ConditionDoc(signal="a", at_most=2), 2.0, 1.0),
        (ConditionDoc(signal="b", at_least=2), 1.0, 0.0),
        (
            ConditionDoc(all=[ConditionDoc(signal="a", at_least=2), ConditionDoc(signal="a", at_least=4)]),
            1.0,
            0.25,
        ),
        (
            ConditionDoc(any=[ConditionDoc(signal="a", at_least=2), ConditionDoc(signal="a", at_least=4)]),
            1.0,
            0.5,
        ),
        (ConditionDoc(not_=ConditionDoc(signal="a", at_least=2)), 1.0, 1.0),
        (ConditionDoc(not_=ConditionDoc(signal="a", at_least=2)), 3.0, 0.0),
    ],
)
def test_closeness(doc: ConditionDoc, value: float, expected: float) -> None:
    """Nearness to firing is a share of what the condition needs."""
    assert closeness(parse(doc), {"a": value}) == pytest.approx(expected)


@pytest.mark.parametrize(("strength", "expected"), [(0.2, ""), (0.6, "critical_security"), (1.5, "")])
def test_nearest_trigger(strength: float, expected: str) -> None:
    """The trigger that should have spoken came near without firing."""
    assert nearest_trigger(make_policy().triggers, {"lexicon.security": strength}) == expected
