from __future__ import annotations

import pytest
from policy_samples import make_policy

from policies.pack_tests import Failure, run_cases
from policies.yaml_lines import DocumentError

POLICY = make_policy()


def failures(cases: str) -> list[str]:
    """Return what is wrong with the outcome of the given cases."""
    return [failure.message for failure in run_cases(f"cases:\n{cases}", POLICY)[1]]


def test_all_pass() -> None:
    """Cases that come out as written fail nothing, and are counted."""
    cases = """
cases:
  - {tier: premium, triggers: [critical_security], ask: "Is this SQL injection?"}
  - {tier: base, not_triggers: [critical_security], ask: "Write a haiku"}
  - tier: premium
    turns:
      - {role: system, text: You help}
      - {role: user, text: Write a haiku about my password}
      - {role: assistant, text: Here it is}
"""

    assert run_cases(cases, POLICY) == (3, ())


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("{tier: premium, ask: hello}", "expected tier premium, got base (no trigger fired)"),
        (
            "{tier: base, triggers: [small_talk], ask: hello}",
            "expected trigger small_talk to fire; fired: none",
        ),
        (
            "{tier: premium, triggers: [small_talk], ask: my password}",
            "expected trigger small_talk to fire; fired: critical_security",
        ),
        (
            "{tier: base, not_triggers: [small_talk], ask: a typo}",
            "trigger small_talk fired and should not have",
        ),
    ],
)
def test_failures(case: str, message: str) -> None:
    """What came out otherwise is told in words."""
    assert failures(f"- {case}") == [message]


def test_names_and_lines() -> None:
    """A failure carries the case's name, or its ask, and its line."""
    cases = "cases:\n- {tier: base, ask: hi}\n- {tier: premium, ask: hello}\n- {name: mine, tier: premium, ask: x}"

    assert run_cases(cases, POLICY)[1] == (
        Failure(name="hello", line=3, message="expected tier premium, got base (no trigger fired)"),
        Failure(name="mine", line=4, message="expected tier premium, got base (no trigger fired)"),
    )


@pytest.mark.parametrize(
    ("case", "problem"),
    [
        ("{tier: base}", "case `conversation` needs either `ask` or `turns`; give one"),
        ("{tier: base, turns: []}", "needs either `ask` or `turns`"),
        ("{tier: base, ask: x, turns: [{role: user, text: y}]}", "case `x` needs either `ask` or `turns`"),
        ("{tier: cheap, ask: x}", "`cheap` is not one of `base`, `premium`"),
        (
            "{tier: base, turns: [{role: robot, text: y}]}",
            "`robot` is not one of `system`, `user`, `assistant`, `tool`",
        ),
        (
            "{tier: base, ask: x, not_triggers: [smal_talk]}",
            "no trigger is called `smal_talk`; did you mean `small_talk`?",
        ),
        ("{tier: base, ask: x, triggers: [qqq]}", "no trigger is called `qqq`"),
        ("{teir: base, ask: x}", "has no setting `teir`; did you mean `tier`?"),
    ],
)
def test_bad_cases(case: str, problem: str) -> None:
    """A case that would pass or fail for the wrong reason is refused with its line."""
    with pytest.raises(DocumentError) as error:
        run_cases(f"cases:\n- {{tier: base, ask: fine}}\n- {case}", POLICY)

    assert problem in error.value.message
    assert error.value.line == 3
