from __future__ import annotations

import pytest
from policy_samples import NOW, SMALL_PACK, asking, make_policy

from policies.approval import base_meanwhile
from policies.candidates import refreshed
from policies.engine import decide
from policies.facts import Declared, Snapshot
from policies.policy import ApprovalRules

SNAPSHOT = Snapshot(now=NOW)
CRITICAL = "Fix the SQL injection in login"
PLAIN = "Write a haiku"


def rules(*sections: str) -> ApprovalRules:
    """Return the approval rules of packs laid over the small one."""
    packs = (f"pack: p{n}\napproval: {text}\n" for n, text in enumerate(sections))
    return make_policy(SMALL_PACK, *packs).approval


@pytest.mark.parametrize(
    ("section", "text", "data_class", "reasons"),
    [
        ("{}", CRITICAL, None, None),
        ("{triggers: [critical_security]}", CRITICAL, None, ["critical_security fired"]),
        ("{triggers: [critical_security]}", PLAIN, None, None),
        ("{data_classes: [Secret]}", PLAIN, "secret", ["its data is declared secret"]),
        ("{data_classes: [secret]}", PLAIN, None, None),
        ('{above_usd: "1000"}', CRITICAL, None, None),
        ('{above_usd: "0"}', PLAIN, None, ["it may cost"]),
    ],
)
def test_what_is_asked(section: str, text: str, data_class: str | None, reasons: list[str] | None) -> None:
    """Cost, data and triggers ask for a person as the pack says, with the reason; otherwise nobody does."""
    policy = make_policy(SMALL_PACK, f"pack: a\napproval: {section}\n")
    need = decide(asking(text, declared=Declared(data_class=data_class)), SNAPSHOT, policy).approval
    assert (need is None) == (reasons is None)
    found = zip(need.reasons if need else (), reasons or (), strict=True)
    assert all(reason.startswith(expected) for reason, expected in found)


def test_packs_only_ask_for_more() -> None:
    """A later pack adds reasons and lowers the amount; it cannot take either away."""
    merged = rules(
        '{above_usd: "2", data_classes: [secret], expires_after: 30m, meanwhile: base}',
        '{above_usd: "5", triggers: [critical_security], expires_after: 2d}',
    )
    assert merged.above_nano == 2 * 10**9
    assert (merged.data_classes, merged.triggers) == ({"secret"}, {"critical_security"})
    assert (merged.expires_after_s, merged.meanwhile) == (172_800.0, "base")


def test_base_meanwhile_never_costs_premium() -> None:
    """Without a person only base deployments may serve, fallbacks included, and the floor is flagged."""
    policy = make_policy(SMALL_PACK, "pack: a\napproval: {triggers: [critical_security]}\n")
    made = decide(asking(CRITICAL), SNAPSHOT, policy)
    lowered = base_meanwhile(made, asking(CRITICAL), SNAPSHOT, policy)
    assert {c.tier for c in lowered.candidates} == {"base"}
    assert (lowered.tier, lowered.ground, lowered.floor, lowered.below_floor) == (
        "base",
        "approval",
        "premium",
        True,
    )
    assert lowered.approval == made.approval


def test_approved_amount_binds() -> None:
    """What was agreed to is not exceeded later: a request that has become dearer is refused."""
    policy = make_policy(SMALL_PACK, "pack: a\napproval: {triggers: [critical_security]}\n")
    made = decide(asking(CRITICAL), SNAPSHOT, policy)
    assert refreshed(made, asking(CRITICAL), SNAPSHOT, policy).candidates == made.candidates
    dearer = refreshed(made, asking(CRITICAL, input_tokens=100_000), SNAPSHOT, policy)
    assert dearer.denial is not None
    assert "approved" in dearer.denial.reason
