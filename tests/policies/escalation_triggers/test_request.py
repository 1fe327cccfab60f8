from __future__ import annotations

import pytest

from policies.escalation_triggers.request import RequestSource
from policies.facts import Ask, Declared, Features

ASK = Ask(text="x")


def measure(features: Features) -> dict[str, float]:
    """Return the request's signals by their short names."""
    signals = RequestSource().measure(features)
    return {name.removeprefix("request."): signal.value for name, signal in signals.items()}


def test_undeclared() -> None:
    """An impact nobody declared is not measured; what nobody calls production is none."""
    assert measure(Features(ask=ASK)) == {
        "has_images": 0.0,
        "has_tools": 0.0,
        "input_tokens": 0.0,
        "declared_production": 0.0,
    }


def test_everything() -> None:
    """Flags are 0 or 1, sizes as they are."""
    features = Features(
        ask=ASK,
        has_images=True,
        has_tools=True,
        input_tokens=9,
        max_output_tokens=0,
        declared=Declared(
            trusted=True, environment="staging", impact="none", revenue_impact="none", customer_impact="none"
        ),
    )

    assert measure(features) == {
        "has_images": 1.0,
        "has_tools": 1.0,
        "input_tokens": 9.0,
        "max_output_tokens": 0.0,
        "declared_production": 0.0,
        "declared_impact": 0.0,
        "declared_revenue_impact": 0.0,
        "declared_customer_impact": 0.0,
    }
    assert {f"request.{name}" for name in measure(features)} == set(RequestSource().names())


@pytest.mark.parametrize(
    ("impact", "value"),
    [("low", 0.25), ("Medium", 0.5), ("HIGH", 0.75), ("critical", 1.0), ("whatever", None)],
)
def test_impact(impact: str, value: float | None) -> None:
    """Impact is a scale; a word that is not on it is not measured."""
    assert (
        measure(Features(ask=ASK, declared=Declared(trusted=True, impact=impact))).get("declared_impact")
        == value
    )


@pytest.mark.parametrize(
    ("environment", "value"), [("prod", 1.0), ("Production", 1.0), ("live", 1.0), ("dev", 0.0)]
)
def test_production(environment: str, value: float) -> None:
    """Production goes by several names."""
    assert (
        measure(Features(ask=ASK, declared=Declared(trusted=True, environment=environment)))[
            "declared_production"
        ]
        == value
    )


def test_no_place() -> None:
    """A request's signals stand nowhere in the ask."""
    assert RequestSource().locate("request.has_tools", Features(ask=ASK)) == ()


def test_untrusted() -> None:
    """What a key without the right declares counts as not declared."""
    said = Declared(environment="production", impact="critical")

    assert measure(Features(ask=ASK, declared=said)) == measure(Features(ask=ASK))


def test_greatest_impact() -> None:
    """The impact is the greatest of those declared."""
    said = Declared(trusted=True, impact="low", revenue_impact="critical", customer_impact="?")

    assert measure(Features(ask=ASK, declared=said))["declared_impact"] == 1.0
