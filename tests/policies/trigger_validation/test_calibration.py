from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.trigger_validation.calibration import beta_quantile, beta_share, binomial_tail, calibrate
from policies.trigger_validation.history import History, TriggerRecord, premium_needed
from policies.validation_rules import QualityRules


@pytest.mark.parametrize(
    ("a", "b", "quantile", "share"),
    [
        (1, 1, 0.05, 0.3),
        (7, 3, 0.450358350493389, 0.004290894),
        (200, 14, 0.904714995912993, 5.4339598133e-87),
        (0.5, 12, 0.00016727323857301, 0.9962251034199),
    ],
)
def test_beta_as_elsewhere(a: float, b: float, quantile: float, share: float) -> None:
    """The 5% quantile and the share below 0.3 are those of SciPy."""
    assert beta_quantile(0.05, a, b) == pytest.approx(quantile, rel=1e-9)
    assert beta_share(0.3, a, b) == pytest.approx(share, rel=1e-9)


@pytest.mark.parametrize(("hits", "sample", "tail"), [(8, 10, 0.0546875), (0, 5, 1.0), (5, 5, 0.03125)])
def test_sign_test(hits: int, sample: int, tail: float) -> None:
    """The tail of fair throws is exact."""
    assert binomial_tail(hits, sample) == pytest.approx(tail)


@given(st.integers(0, 5_000), st.integers(0, 5_000), st.floats(0, 1), st.floats(0.1, 1_000))
def test_between_prior_and_measured(hits: int, misses: int, prior: float, weight: float) -> None:
    """The mean lies between the prior and what was measured, and inside its interval."""
    found = calibrate(hits, hits + misses, prior=prior, weight=weight, interval=0.9)
    measured = hits / (hits + misses) if hits + misses else prior

    assert min(prior, measured) - 0.002 <= found.mean <= max(prior, measured) + 0.002
    assert 0.0 <= found.low <= found.high <= 1.0


def test_few_outcomes_lean_on_all() -> None:
    """A trigger seen once is thought of as the others are; one seen often speaks for itself."""
    records = {
        "old": TriggerRecord(true_positives=90, false_positives=10),
        "new": TriggerRecord(false_positives=1),
    }
    history, rules = History(records), QualityRules()

    assert history.precision("new", rules).mean > 0.75
    assert history.precision("old", rules).mean == pytest.approx(0.9, abs=0.01)
    assert history.precision("never", rules).sample == 0


@pytest.mark.parametrize(
    ("label", "at_base", "at_premium"),
    [
        ("accepted", False, True),
        ("wrong_tier", True, False),
        ("failed", True, None),
        ("reask", True, None),
        ("check_failed", True, None),
    ],
)
def test_what_outcomes_tell(label: str, at_base: bool | None, at_premium: bool | None) -> None:  # noqa: FBT001
    """A failure at base asks for premium; at premium it says nothing of the tier."""
    assert premium_needed(label, "base") is at_base  # type: ignore[arg-type]
    assert premium_needed(label, "premium") is at_premium  # type: ignore[arg-type]
