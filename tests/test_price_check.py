from __future__ import annotations

import json
from datetime import date
from decimal import Decimal

import pytest

from gateway.price_check import ForeignMap, Verdict
from policies.pricing import ModelCard, Price

OPUS = ModelCard(
    name="anthropic/claude-opus-4-1",
    context_window=1,
    max_output_tokens=1,
    prices=(
        Price(since=date(2025, 8, 5), input=Decimal(15), output=Decimal(75), cache_read=Decimal("1.50")),
    ),
)
SAME = {
    "litellm_provider": "anthropic",
    "input_cost_per_token": 1.5e-05,
    "output_cost_per_token": 7.5e-05,
    "cache_read_input_token_cost": 1.5e-06,
}
TODAY = date(2026, 1, 1)


@pytest.mark.parametrize(
    ("entries", "verdict", "fields"),
    [
        ({"claude-opus-4-1": SAME}, "same", set()),
        ({"anthropic/claude-opus-4-1": SAME}, "same", set()),
        ({"anthropic/claude-opus-4-1-20250805": SAME}, "same", set()),
        ({"claude-opus-4-1": SAME | {"output_cost_per_token": 1e-05}}, "differs", {"output"}),
        ({"claude-opus-4-1": {"litellm_provider": "anthropic"}}, "free", {"input", "output", "cache_read"}),
        ({"claude-opus-4-1": SAME | {"litellm_provider": "bedrock"}}, "unknown", set()),
        ({"claude-opus-4-1": {"input_cost_per_token": "not a price"}}, "unknown", set()),
        ({}, "unknown", set()),
    ],
)
def test_verdicts(entries: dict[str, object], verdict: Verdict, fields: set[str]) -> None:
    """A model is found under any of its names, of its own vendor, and every class that differs is named."""
    checked = ForeignMap(json.dumps(entries).encode()).check(
        OPUS, ("anthropic/claude-opus-4-1-20250805",), TODAY
    )
    assert (checked.verdict, set(checked.differences)) == (verdict, fields)


def test_price_of_tomorrow() -> None:
    """A model without a price in force is said to have none."""
    body = json.dumps({"claude-opus-4-1": SAME}).encode()
    assert ForeignMap(body).check(OPUS, (), date(2025, 1, 1)).verdict == "not yet"
