from __future__ import annotations

import msgspec
import pytest
from msgspec.structs import replace

from gateway.config_file import default_configuration
from gateway.decision_log import AskDigest, DecisionRecord
from gateway.pack_files import PACKS, load_library, load_reach
from gateway.policy_layers import load_policies
from gateway.replay import BackTest, Rehearsal, Summary, replay
from policies import decide
from policies.facts import Ask, Features, Session, Snapshot
from policies.pack import PackText, load_pack
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


def lax(policy: Policy) -> Policy:
    """Return a policy that escalates nothing."""
    economy = replace(policy.economy, enabled=False)
    return replace(policy, triggers=(), economy=economy, revision="lax")


def rehearsed(policy: Policy, *records: DecisionRecord, **summary: object) -> BackTest:
    """Return the back-test of some records."""
    rehearsal, total = Rehearsal(lambda _team, _packs: policy), Summary(**summary)  # type: ignore[arg-type]
    for record in records:
        total.add(rehearsal.replay(record))
    return total.result()


def test_without_triggers_floors_are_gone(policy: Policy) -> None:
    """Taking the triggers away moves critical work to base, and the saving is priced."""
    found = rehearsed(lax(policy), *(recorded(ask, policy) for ask in ASKS))

    (move,) = found.moves
    assert (found.decisions, found.changed, found.unpriced) == (3, 2, 0)
    assert (move.team, move.from_tier, move.to_tier, move.decisions) == ("a", "premium", "base", 2)
    assert move.cost_change_usd == found.cost_change_usd == "-0.123520000"
    assert [c.reason for c in found.examples] == ["no trigger fired"] * 2


def test_hindsight(policy: Policy) -> None:
    """What is known of outcomes says whether the candidate would have done better."""
    records = [replace_id(recorded(ask, policy), f"dec_{n}") for n, ask in enumerate(ASKS)]
    needed = {"dec_0": True, "dec_1": False, "dec_2": False}

    found = rehearsed(lax(policy), *records, needed=needed)

    assert (found.hindsight.known, found.hindsight.right_then, found.hindsight.right_now) == (3, 2, 2)


def test_kept_prompts_are_measured_anew(policy: Policy) -> None:
    """A changed lexicon can be tried where the prompt was kept, and only there."""
    record = recorded(ASKS[1], policy)
    kept = msgspec.structs.replace(record, features=replace(record.features, ask=Ask(text=ASKS[1])))
    words = PackText("w", "pack: w\nlexicons: {security: [{term: heading, weight: 9}]}")
    default = PackText("d", (PACKS / "default.yaml").read_text())
    candidate = load_pack([default, words], library=load_library(), fleet=policy.fleet)

    assert [rehearsed(candidate, r).changed for r in (record, kept)] == [0, 1]
    assert rehearsed(candidate, kept).prompts_kept == 1


def test_unmeasured_signals_are_counted(policy: Policy) -> None:
    """A candidate that tests what nobody recorded says so."""
    text = "pack: w\nlexicons: {novel: [x]}\ntriggers: [{id: n, kind: k, reason: r, when: {signal: lexicon.novel, above: 0}}]"
    packs = [PackText("d", (PACKS / "default.yaml").read_text()), PackText("w", text)]
    candidate = load_pack(packs, library=load_library(), fleet=policy.fleet)

    assert rehearsed(candidate, recorded(ASKS[1], policy)).not_measured == 1


def test_sessions_follow_the_candidate(policy: Policy) -> None:
    """A raise the candidate does not make does not stick, and one it makes does."""
    sticky = replace(policy, sticky_turns=5, revision="sticky")
    raised = Session(tier="premium", turns_since_escalation=1)
    critical, routine = (in_session(recorded(ask, policy), "s") for ask in ASKS[:2])
    remembered = msgspec.structs.replace(routine, snapshot=replace(routine.snapshot, session=raised))

    follows = rehearsed(sticky, critical, routine)
    starts_raised = rehearsed(sticky, remembered)
    forgets = rehearsed(replace(lax(policy), sticky_turns=5), critical, remembered)

    assert [m.to_tier for m in follows.moves] == ["premium"]
    assert [m.to_tier for m in starts_raised.moves] == ["premium"]
    assert [(m.to_tier, m.decisions) for m in forgets.moves] == [("base", 1)]


def test_controllers_follow_the_candidate(policy: Policy) -> None:
    """A target share is kept by the candidate's own controller, not by the recorded threshold."""
    eager = replace(policy, triggers=(), economy=replace(policy.economy, target_share=0.5), revision="eager")
    records = [recorded(ASKS[n % 3], policy) for n in range(120)]

    found = rehearsed(eager, *records)
    premium = sum(r.decision.tier == "premium" for r in records)
    premium += sum(m.decisions if m.to_tier == "premium" else -m.decisions for m in found.moves)

    assert 45 <= premium <= 75


def replace_id(record: DecisionRecord, name: str) -> DecisionRecord:
    """Return the record under another id."""
    return msgspec.structs.replace(record, id=name)


def in_session(record: DecisionRecord, session: str) -> DecisionRecord:
    """Return the record as one of a session."""
    return msgspec.structs.replace(record, features=replace(record.features, session=session))
