from __future__ import annotations

import pytest
from policy_samples import SMALL_PACK, make_policy

from policies.differences import differences
from policies.lint import warnings
from policies.near_misses import near_misses

OVER = """\
pack: over
triggers:
  - {id: critical_security, kind: security, reason: r, floor: premium, when: {signal: lexicon.security, at_least: 2}}
  - {id: extra, kind: k, reason: r, floor: premium, when: {not: {signal: request.has_tools, above: 0}}}
  - {id: small_talk, disabled: true}
economy: {threshold: 0.5}
sticky_turns: 0
data_classes: [{name: secret, found: [token], providers: []}]
"""


def test_differences_in_words() -> None:
    """Triggers, bounds, settings and classes that differ are told one by one; equal policies tell nothing."""
    assert differences(make_policy(SMALL_PACK), make_policy(SMALL_PACK, OVER)) == (
        "trigger critical_security: priority 100 -> 0",
        "trigger critical_security: lexicon.security >= 1 -> 2",
        "trigger extra is new (k, demands premium): not (request.has_tools > 0)",
        "trigger small_talk is gone",
        "economy.threshold 0.6 -> 0.5",
        "sticky_turns 3 -> 0",
        "data class secret is new: nobody for token",
    )
    assert differences(make_policy(), make_policy()) == ()


@pytest.mark.parametrize(
    ("trigger", "words"),
    [
        ("{id: a, kind: k, reason: r, when: {signal: declared.service.x, at_least: 2}}", "never exceeds 1"),
        (
            "{id: a, kind: k, reason: r, when: {all: [{signal: lexicon.security, above: 3}, {signal: lexicon.security, below: 1}]}}",
            "cannot be both from 3 and up to 1",
        ),
        (
            "{id: critical_security, kind: k, reason: r, when: {signal: lexicon.security, at_least: 1}}",
            "drops its floor",
        ),
        ("{id: critical_security, disabled: true}", "is disabled"),
    ],
)
def test_odd_packs(trigger: str, words: str) -> None:
    """Bounds out of reach and floors weakened in passing are told of."""
    policy = make_policy(SMALL_PACK, f"pack: team\ntriggers: [{trigger}]")

    (line,) = warnings(make_policy(SMALL_PACK), policy, ["small", "team"])

    assert words in line


def test_shipped_packs_are_sound() -> None:
    """A pack that says nothing odd has no warning; one that takes another's name has."""
    assert warnings(None, make_policy(SMALL_PACK), ["small"]) == ()
    assert (
        "own name" in warnings(make_policy(), make_policy(SMALL_PACK, "pack: small"), ["small", "small"])[0]
    )


def test_near_misses() -> None:
    """What came close is told with the value and the bound; what fired or is far away is not."""
    triggers = make_policy(SMALL_PACK, OVER).triggers

    (miss,) = near_misses(triggers, {"lexicon.security": 1.5, "request.has_tools": 0.0}, ["extra"])

    assert (miss.trigger, miss.because) == ("critical_security", "lexicon.security 1.50 < 2.00")
    assert near_misses(triggers, {"lexicon.security": 0.5}, ["extra"]) == ()
    assert near_misses(triggers, {"lexicon.security": 1.5}, ["extra", "critical_security"]) == ()
