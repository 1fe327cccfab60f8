from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.config_file import default_configuration
from gateway.decision_log import AskDigest, DecisionRecord
from gateway.policy_source import load_policies, load_reach
from gateway.replay import replay, summarise
from policies import decide
from policies.facts import Ask, Features, Snapshot
from policies.policy import Policy

NOW = 1_790_000_000.0
ASKS = (
    "Fix the SQL injection in the login form and rotate the leaked credentials.",
    "Fix the typo in the README heading.",
    "Profile the hot path, p99 latency tripled because of lock contention.",
)


@pytest.fixture(scope="module")
def policy() -> Policy:
    """Return the default policy."""
    configuration = default_configuration()
    return load_policies(configuration, load_reach(configuration).fleet).organisation


def recorded(ask: str, policy: Policy) -> DecisionRecord:
    """Decide an ask and keep what the decision log keeps: no text."""
    features = Features(ask=Ask(text=ask), input_tokens=1_000)
    snapshot = Snapshot(now=NOW, seed=7)
    decision = decide(features, snapshot, policy)
    masked = replace(features, ask=Ask(text=""))
    return DecisionRecord(
        version=1,
        id="dec_1",
        request_id="req_1",
        at=NOW,
        team="a",
        key_id="k",
        ask=AskDigest(chars=len(ask), blake2b="", evidence_blocks=0),
        features=masked,
        snapshot=snapshot,
        decision=decision,
    )


@pytest.mark.parametrize("ask", ASKS)
def test_same_policy_same_verdict(ask: str, policy: Policy) -> None:
    """Without the prompt, the recorded facts give yesterday's tier, ground, score and candidates."""
    record = recorded(ask, policy)

    again = replay(record, policy).decision

    then = record.decision
    assert (again.tier, again.ground, again.score) == (then.tier, then.ground, then.score)
    assert again.candidates == then.candidates
    assert [f.trigger for f in again.findings] == [f.trigger for f in then.findings]


def test_without_triggers_floors_are_gone(policy: Policy) -> None:
    """Taking the triggers away moves critical work to base, and the saving is priced."""
    lax = replace(policy, triggers=(), economy=replace(policy.economy, enabled=False))

    summary = summarise(replay(recorded(ask, policy), lax) for ask in ASKS)

    assert summary.decisions == 3
    assert summary.moves == {("a", "premium", "base"): 2}
    assert summary.cost_change_nano["a"] < 0
