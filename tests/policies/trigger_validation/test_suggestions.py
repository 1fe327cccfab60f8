from __future__ import annotations

from policy_samples import make_policy

from policies.trigger_validation.suggestions import Evidence, suggest

PACK = """\
pack: p
lexicons: {security: [x]}
triggers:
  - id: t
    kind: k
    reason: r
    floor: premium
    when: {any: [{signal: lexicon.security, at_least: 2}, {signal: request.input_tokens, above: 9000}]}
economy: {enabled: false}
"""
TRIGGERS = make_policy(PACK).triggers


def seen(strength: float, count: int, *, needed: bool, **more: object) -> list[Evidence]:
    """Return so many decisions of one strength."""
    signals = {"lexicon.security": strength, "request.input_tokens": 100.0}
    return [Evidence(needed=needed, signals=signals, **more)] * count  # type: ignore[arg-type]


def test_threshold_is_raised() -> None:
    """Firings that were wrong at a strength where none was right speak for a higher threshold."""
    (found,) = suggest(TRIGGERS, [*seen(2.0, 12, needed=False), *seen(4.0, 10, needed=True)])

    assert (found.kind, found.trigger, found.change) == (
        "threshold",
        "t",
        "lexicon.security at_least: 2 -> 3",
    )
    assert found.because == "12 decisions would have gone right that went wrong, 0 the other way"
    assert found.chance < 0.001


def test_threshold_is_lowered() -> None:
    """Work the trigger missed just below its threshold speaks for a lower one; others' misses do not."""
    evidence = [*seen(0.0, 9, needed=False), *seen(1.0, 9, needed=True, missed="t")]

    (found,) = suggest(TRIGGERS, evidence)
    assert found.change == "lexicon.security at_least: 2 -> 0.5"
    assert suggest(TRIGGERS, [*seen(0.0, 9, needed=False), *seen(1.0, 9, needed=True, missed="u")]) == ()


def test_chance_suggests_nothing() -> None:
    """Few outcomes, or outcomes that go both ways, speak for nothing."""
    assert suggest(TRIGGERS, []) == ()
    assert suggest(TRIGGERS, [*seen(2.0, 4, needed=False), *seen(4.0, 10, needed=True)]) == ()
    mixed = [*seen(2.0, 9, needed=False), *seen(2.0, 7, needed=True), *seen(4.0, 3, needed=True)]
    assert suggest(TRIGGERS, mixed) == ()


def test_misleading_term() -> None:
    """A term that speaks mostly in work that base does well is to be given less weight."""
    terms = (("t", "x"),)
    evidence = [*seen(5.0, 11, needed=False, terms=terms), *seen(5.0, 1, needed=True, terms=terms)]

    found = [s for s in suggest(TRIGGERS, evidence) if s.kind == "weight"]

    assert [s.change for s in found] == ["give the term `x` less weight, or drop it"]
    assert "premium was needed in 1 of the 12 decisions" in found[0].because


def test_missing_term() -> None:
    """A word of missed work that routine work does not have is proposed, where prompts are kept."""
    missed = seen(0.0, 12, needed=True, missed="t", text="Rotate the keystore please")
    routine = seen(0.0, 12, needed=False, text="Rename the button please")

    found = {s.change: s for s in suggest(TRIGGERS, [*missed, *routine]) if s.kind == "lexicon"}

    assert "add the term `keystore` to a lexicon it tests" in found
    assert not any("`please`" in change for change in found)
