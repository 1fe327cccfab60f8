from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

import pytest
from msgspec.structs import replace
from policy_samples import NOW, SMALL_PACK, asking, make_policy

from policies import decide
from policies.facts import BudgetView, Declared, Features, Rights, Snapshot
from policies.pack import PackError
from policies.pack_tests import run_cases
from policies.trigger_validation import VALIDATORS, Assessment, History, validate
from policies.trigger_validation.history import TriggerRecord
from policies.validation_rules import Dimension

ASK = "Is this an sql injection?"
SNAPSHOT = Snapshot(now=NOW, rights=Rights(team="red"))
"""A Monday, 14:13 in UTC."""


def assess(
    rules: str = "{}",
    *,
    features: Features | None = None,
    snapshot: Snapshot = SNAPSHOT,
    records: Mapping[str, TriggerRecord] | None = None,
) -> Assessment:
    """Return the assessment of the one finding of an ask about security."""
    policy = make_policy(SMALL_PACK, f"pack: mine\nvalidation: {rules}\n")
    features = features or asking(ASK)
    decision = decide(features, snapshot, policy)
    (found,) = validate(decision, features, snapshot, policy, history=History(records or {}))
    return found


def marks(found: Assessment) -> dict[str, str]:
    """Return every dimension's mark."""
    return {check.dimension: check.mark for check in found.checks}


def test_every_dimension_has_a_validator() -> None:
    """The registry and the names packs may use are the same."""
    assert {v.dimension for v in VALIDATORS} == set(get_args(Dimension))


def test_without_rules_most_abstain() -> None:
    """A pack that says nothing confirms what can technically be served."""
    found = assess()

    assert (found.trigger, found.verdict, found.because) == (
        "critical_security",
        "confirmed",
        "no dimension objects",
    )
    assert marks(found) == {
        "business": "abstain", "technical": "pass", "cost_benefit": "abstain",
        "quality": "abstain", "security": "abstain",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("rules", "mark", "reason"),
    [
        ("{teams: [red]}", "pass", "team `red` may escalate"),
        ("{teams: [blue]}", "fail", "team `red` may not escalate"),
        ('{hours: {from: "09:00", until: "18:00"}}', "pass", "Mon 14:13 is within the hours for escalating"),
        ('{hours: {from: "09:00", until: "18:00", days: [sat]}}', "fail", "Mon 14:13 is outside the hours for escalating"),
        ('{hours: {from: "09:00", until: "18:00", time_zone: Asia/Tokyo}}', "fail", "Mon 23:13 is outside the hours for escalating"),
        ('{hours: {from: "22:00", until: "15:00", days: [sun]}}', "pass", "Mon 14:13 is within the hours for escalating"),
        ('{hours: {from: "22:00", until: "15:00", days: [mon]}}', "fail", "Mon 14:13 is outside the hours for escalating"),
        ("{environments: [Production]}", "pass", "environment `production` is one to escalate for"),
        ("{environments: [staging]}", "fail", "environment `production` is not one to escalate for"),
        ('{most_usd_per_request: "0.07"}', "pass", "expected $0.063750 <= $0.070000000 allowed a request"),
        ('{most_usd_per_request: "0.05"}', "fail", "expected $0.063750 > $0.050000000 allowed a request"),
        ("{teams: [blue], environments: [production]}", "fail", "team `red` may not escalate"),
    ],
)  # fmt: skip
def test_business(rules: str, mark: str, reason: str) -> None:
    """Team, hours, environment and price are held against the pack's rules."""
    features = asking(ASK, declared=Declared(environment="production", trusted=True))
    check = assess(f"{{business: {rules}}}", features=features).checks[0]

    assert (check.mark, check.reason) == (mark, reason)


@pytest.mark.parametrize(
    ("left_usd", "hard", "mark"), [(9, True, "pass"), (0, True, "fail"), (0, False, "abstain")]
)
def test_budget_is_a_business_rule(left_usd: int, hard: bool, mark: str) -> None:  # noqa: FBT001
    """A hard budget without room for the worst case fails; a soft one only warns elsewhere."""
    view = BudgetView(scope="team:t", limit_nano=left_usd * 10**9, spent_nano=0, reserved_nano=0, hard=hard)

    found = assess(snapshot=replace(SNAPSHOT, budgets=(view,)))

    assert marks(found)["business"] == mark


@pytest.mark.parametrize(
    ("rules", "facts", "health", "mark", "reason"),
    [
        ("{}", {}, {}, "pass", "opus can serve it"),
        ("{}", {"input_tokens": 400_000}, {}, "fail", "300000 tokens exceed the context window of opus (200000)"),
        ("{context_share: 0.5}", {"input_tokens": 140_000}, {}, "fail", "105700 tokens with the answer exceed the 100000 that may be used of opus"),
        ("{}", {}, {"opus": "open"}, "fail", "opus is cooling down after failures"),
        ("{}", {}, {"opus": "limited"}, "fail", "opus is limiting our requests"),
        ("{native_dialect: true}", {"dialect": "messages"}, {}, "fail", "opus does not speak the dialect messages"),
        ("{}", {"dialect": "messages"}, {}, "pass", "opus can serve it"),
    ],
)  # fmt: skip
def test_technical(
    rules: str, facts: dict[str, object], health: dict[str, str], mark: str, reason: str
) -> None:
    """What no premium deployment can serve now fails, and says what stands in the way."""
    snapshot = replace(SNAPSHOT, health=health)
    check = assess(f"{{technical: {rules}}}", features=asking(ASK, **facts), snapshot=snapshot).checks[1]

    assert (check.mark, check.reason) == (mark, reason)


@pytest.mark.parametrize(
    ("rules", "impact", "mark", "reason"),
    [
        ("{}", "high", "abstain", "the pack does not say what a success is worth"),
        ('{value_of_success_usd: "2"}', None, "abstain", "request.declared_impact was not measured"),
        ('{value_of_success_usd: "2"}', "high", "pass", "gain 0.75 x $2.000000000 = $1.500000 covers 1 x $0.061760 extra"),
        ('{value_of_success_usd: "0.01"}', "high", "fail", "gain 0.75 x $0.010000000 = $0.007500 does not cover 1 x $0.061760 extra"),
        ('{value_of_success_usd: "0.1", least_return: 2}', "high", "fail", "gain 0.75 x $0.100000000 = $0.075000 does not cover 2 x $0.061760 extra"),
    ],
)  # fmt: skip
def test_cost_benefit(rules: str, impact: str | None, mark: str, reason: str) -> None:
    """The expected worth of a success is held against the extra cost."""
    features = asking(ASK, declared=Declared(impact=impact, trusted=True))
    check = assess(f"{{cost_benefit: {rules}}}", features=features).checks[2]

    assert (check.mark, check.reason) == (mark, reason)


@pytest.mark.parametrize(
    ("right", "wrong", "mark"),
    [(5, 5, "abstain"), (30, 5, "pass"), (2, 60, "fail"), (9, 15, "abstain")],
)
def test_quality(right: int, wrong: int, mark: str) -> None:
    """Precision passes or fails once outcomes are enough to tell; the confidence shows how many there are."""
    found = assess(records={"critical_security": TriggerRecord(true_positives=right, false_positives=wrong)})

    assert marks(found)["quality"] == mark
    assert found.confidence.sample == right + wrong
    assert found.confidence.low < found.confidence.mean < found.confidence.high


@pytest.mark.parametrize(
    ("classes", "data_class", "mark", "reason"),
    [
        ("[]", "secret", "abstain", "the pack names no classes of data"),
        ("[{name: secret, providers: []}]", None, "abstain", "no class of data applies"),
        (
            "[{name: secret, providers: []}]",
            "Secret",
            "fail",
            "opus may not receive data of class secret (declared)",
        ),
        ("[{name: secret, providers: [vendor]}]", "secret", "pass", "opus may receive data of class secret"),
        (
            "[{name: secret}]",
            "odd",
            "fail",
            "opus may not receive data of class odd (declared; this policy knows no such class)",
        ),
    ],
)
def test_security(classes: str, data_class: str | None, mark: str, reason: str) -> None:
    """Data no premium deployment may receive fails; an unknown class is received by nobody."""
    policy = make_policy(SMALL_PACK, f"pack: mine\ndata_classes: {classes}")
    features = asking(ASK, declared=Declared(data_class=data_class))
    decision = decide(features, SNAPSHOT, policy)
    (found,) = validate(decision, features, SNAPSHOT, policy)

    assert (found.checks[4].mark, found.checks[4].reason) == (mark, reason)


def test_untrusted_environment_says_nothing() -> None:
    """Who may not speak for the work cannot claim production."""
    features = asking(ASK, declared=Declared(environment="production"))

    assert (
        marks(assess("{business: {environments: [production]}}", features=features))["business"] == "abstain"
    )


@pytest.mark.parametrize(
    ("combine", "verdict", "because"),
    [
        ("{business: veto}", "rejected", "business: team `red` may not escalate"),
        ("{business: required}", "rejected", "business: team `red` may not escalate"),
        ("{business: advisory}", "doubtful", "business: team `red` may not escalate"),
        ("{business: ignore}", "confirmed", "no dimension objects"),
        ("{business: advisory, quality: required}", "rejected", "quality: 0 labelled outcomes, 20 needed"),
    ],
)
def test_combining(combine: str, verdict: str, because: str) -> None:
    """The pack says what a dimension's verdict does to the finding."""
    found = assess(f"{{combine: {combine}, business: {{teams: [blue]}}}}")

    assert (found.verdict, found.because) == (verdict, because)


def test_one_assessment_a_finding() -> None:
    """Every finding is validated, in order; a decision without findings has nothing to validate."""
    policy = make_policy()
    for text, expected in ((f"{ASK} and a typo", ["critical_security", "small_talk"]), ("hello", [])):
        features = asking(text)
        decision = decide(features, SNAPSHOT, policy)
        found = validate(decision, features, SNAPSHOT, policy)
        assert [assessment.trigger for assessment in found] == expected


@pytest.mark.parametrize(
    ("rules", "line", "message"),
    [
        ("{combine: {busines: veto}}", 2, "busines"),
        ("{combine: {business: maybe}}", 2, "maybe"),
        (
            '{business: {hours: {from: "25:00", until: "26:00"}}}',
            2,
            "`25:00` is not a time of day; write it like 08:30",
        ),
        (
            '{business: {hours: {from: "08:00", until: "09:00", time_zone: Mars}}}',
            2,
            "`Mars` is not an IANA time zone",
        ),
        ('{business: {most_usd_per_request: "-1"}}', 2, "`-1` is not an amount of USD"),
        ('{cost_benefit: {value_of_success_usd: "much"}}', 2, "`much` is not an amount of USD"),
        ("{quality: {least_precision: 2}}", 2, "`2.0` is outside 0..1; correct it"),
        ("{technical: {context_share: 0}}", 2, "outside 0.01..1"),
    ],
)
def test_bad_rules(rules: str, line: int, message: str) -> None:
    """A rule that cannot be meant is refused with its line and the remedy."""
    with pytest.raises(PackError) as error:
        make_policy(SMALL_PACK, f"pack: mine\nvalidation: {rules}\n")

    assert error.value.line == line
    assert message in error.value.message


def test_later_packs_add_rules() -> None:
    """A pack that names one rule keeps the others of the packs below it."""
    upper = "pack: upper\nvalidation: {business: {teams: [red]}, combine: {quality: ignore}}"
    lower = 'pack: lower\nvalidation: {business: {most_usd_per_request: "1"}, quality: {least_outcomes: 3}}'
    rules = make_policy(SMALL_PACK, lower, upper).validation

    assert rules.business.teams == {"red"}
    assert (rules.business.most_nano_per_request, rules.quality.least_outcomes) == (10**9, 3)
    assert (rules.combine["quality"], rules.combine["business"]) == ("ignore", "veto")


def test_pack_tests_speak_of_assessments() -> None:
    """A case can say what validating a finding comes to, under what the caller declares."""
    policy = make_policy(SMALL_PACK, "pack: mine\nvalidation: {business: {environments: [staging]}}")
    case = "{tier: premium, ask: sql injection, declared: {environment: prod}, assessments: {critical_security: %s}}"

    assert run_cases(f"cases: [{case % 'rejected'}]", policy) == (1, ())
    (failure,) = run_cases(f"cases: [{case % 'confirmed'}]", policy)[1]
    assert failure.message == (
        "expected critical_security to be confirmed, got rejected "
        "(business: environment `prod` is not one to escalate for)"
    )
