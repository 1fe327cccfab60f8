from __future__ import annotations

import pytest
from policy_samples import GLM, GLM_PRICE, NOW, OPUS, asking, deployment, make_fleet, make_policy

from policies.engine import decide
from policies.facts import DataScan, Declared, Snapshot
from policies.pack import PackError
from policies.policy import Policy
from policies.verdicts import Decision

PACK = """\
pack: org
economy: {enabled: false}
data_classes:
  - {name: personal, found: [personal], at_least: 2, deployments: [opus], waived_by: [synthetic], locked: true}
  - {name: secret, found: [secrets], providers: []}
  - {name: synthetic}
"""
EMAILS = DataScan(counts=(("email", 2),))
SECRET = DataScan(counts=(("token", 1),))


def decided(data: DataScan | None = None, policy: Policy | None = None, **said: object) -> Decision:
    """Return the decision for data found and declared."""
    features = asking("sort these", data=data or DataScan(), declared=Declared(**said))  # type: ignore[arg-type]
    return decide(features, Snapshot(now=NOW), policy or make_policy(PACK))


def test_narrowed() -> None:
    """What may not receive the data is dropped with the class and the kinds as the reason."""
    decision = decided(EMAILS)

    assert (decision.tier, decision.ground) == ("premium", "guard")
    assert [d.reason for d in decision.dropped] == ["glm may not receive data of class personal (2 email)"]
    assert [d.guard for d in decision.dropped] == ["organisation/org"]
    assert decision.data_classes == ("personal (2 email)",)
    assert decision.decided_by == "organisation/org"


def test_no_guard_by_name() -> None:
    """A deployment whose name reads like a refusal, and that lacks tools, is no class's doing."""
    name = "a class personal (one"
    fleet = make_fleet(base=(deployment(name, GLM_PRICE, tools=False),))
    policy = make_policy(PACK.replace("[opus]", f"[opus, {name}]"), fleet=fleet)
    decision = decide(asking("sort these", data=EMAILS, has_tools=True), Snapshot(now=NOW), policy)

    assert (decision.reason, decision.decided_by) == (f"base: {name} takes no tools", "")


def test_refused() -> None:
    """Where nobody may receive the data the request is refused, naming the class."""
    denial = decided(SECRET).denial

    assert denial is not None
    assert denial.code == "policy_denied"
    assert "class secret (1 token)" in denial.reason


def test_body_beyond_the_bound() -> None:
    """A body that could be searched in part only may hold anything, and the refusal says how much was seen."""
    decision = decided(DataScan(counts=(("email", 1),), coverage=0.999))

    assert decision.denial is not None
    assert "class secret (only 99 % of the body could be searched)" in decision.denial.reason
    assert decided(DataScan(counts=(("email", 1),))).denial is None


def test_coverage_is_a_signal() -> None:
    """A trigger can test how much was searched, and the decision keeps it."""
    pack = PACK + "triggers: [{id: huge, kind: k, reason: r, when: {signal: data.coverage, below: 1}}]\n"

    decision = decided(DataScan(coverage=0.5), make_policy(pack))

    assert [finding.trigger for finding in decision.findings] == ["huge"]
    assert decision.signals["data.coverage"] == 0.5


@pytest.mark.parametrize(
    ("said", "tier"),
    [
        ({}, "premium"),
        ({"data_class": "synthetic"}, "premium"),
        ({"data_class": "synthetic", "trusted": True}, "base"),
        ({"data_class": "Personal"}, "premium"),
    ],
)
def test_declared(said: dict[str, object], tier: str) -> None:
    """Anyone may declare a class that forbids more; only a trusted key waives what was found."""
    assert decided(EMAILS, **said).tier == tier


def test_too_few() -> None:
    """Below the class's count nothing applies."""
    assert decided(DataScan(counts=(("email", 1),))).data_classes == ()


def test_not_searched() -> None:
    """A body nobody searched is treated as the worst it could be."""
    features = asking("sort these")

    assert decide(features, Snapshot(now=NOW), make_policy(PACK)).denial is not None


def test_unknown_class() -> None:
    """A declared class that no pack defines goes to nobody; without classes it is no matter."""
    assert decided(data_class="cosmic").denial is not None
    assert decided(data_class="cosmic", policy=make_policy()).denial is None


def test_fallback_stays_inside() -> None:
    """No candidate of a plan is one that may not receive the data."""
    other = deployment("glm-2", None)
    policy = make_policy(PACK, fleet=make_fleet(base=(GLM, other), premium=(OPUS,)))

    assert [c.deployment for c in decided(EMAILS, policy).candidates] == ["opus"]


@pytest.mark.parametrize(
    "wider",
    [
        "{name: personal, found: [personal], at_least: 2, deployments: [opus, glm]}",
        "{name: personal, found: [email], at_least: 2, deployments: [opus]}",
        "{name: personal, found: [personal], at_least: 3, deployments: [opus]}",
        "{name: personal}",
    ],
)
def test_locked_class(wider: str) -> None:
    """A later pack may not widen a locked class; the error names the line."""
    with pytest.raises(PackError, match="locked by pack `org`") as caught:
        make_policy(PACK, f"pack: team\ndata_classes:\n  - {wider}\n")

    assert caught.value.line == 3


def test_narrower_class() -> None:
    """A later pack may narrow a locked class."""
    policy = make_policy(
        PACK, "pack: t\ndata_classes: [{name: personal, found: [personal, token], deployments: []}]"
    )

    assert decided(EMAILS, policy).denial is not None


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{name: a, found: [emial]}", "did you mean `email`"),
        ("{name: A}", "name"),
        ("{name: a}, {name: a}", "twice"),
    ],
)
def test_bad_classes(line: str, words: str) -> None:
    """A class that cannot be used is refused in words."""
    with pytest.raises(PackError, match=words):
        make_policy(PACK, f"pack: t\ndata_classes: [{line}]")
