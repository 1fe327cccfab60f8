"""What a team, key or budget may not be."""

from __future__ import annotations

import pytest

from gateway.errors import InvalidRequest
from gateway.stores.base import BudgetSpec, KeySpec, TeamSpec
from gateway.stores.directory_rules import check_budget, check_key, check_team

DAY = BudgetSpec(limit_nano=1, period="1d")


@pytest.mark.parametrize(
    ("spec", "param"),
    [
        (TeamSpec(name=""), "name"),
        (TeamSpec(name="x" * 65), "name"),
        (TeamSpec(name=" x"), "name"),
        (TeamSpec(name="a\0b"), "name"),
        (TeamSpec(name="a\nb"), "name"),
        (TeamSpec(name="a", time_zone="Mars"), "time_zone"),
        (TeamSpec(name="a", baseline="cheap"), "baseline"),  # type: ignore[arg-type]
        (TeamSpec(name="a", rewrite="never"), "rewrite"),  # type: ignore[arg-type]
        (TeamSpec(name=7), "name"),  # type: ignore[arg-type]
    ],
)
def test_bad_team(spec: TeamSpec, param: str | None) -> None:
    """Each mistake is named."""
    with pytest.raises(InvalidRequest) as caught:
        check_team(spec)
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("spec", "param"),
    [
        (KeySpec(name=""), "name"),
        (KeySpec(name="a", scopes=()), "scopes"),
        (KeySpec(name="a", scopes=("root",)), "scopes[0]"),  # type: ignore[arg-type]
        (KeySpec(name="a", expires_ms=10), "expires_ms"),
        (KeySpec(name="a", expires_ms=2**63), "expires_ms"),
        (KeySpec(name="a", allowed_models=("",)), "allowed_models"),
        (KeySpec(name="a", allowed_models=("m",) * 257), "allowed_models"),
        (KeySpec(name="a", budgets=(DAY, DAY)), "budgets"),
        (KeySpec(name="a", budgets=(BudgetSpec(limit_nano=-1),)), "limit_nano"),
    ],
)
def test_bad_key(spec: KeySpec, param: str | None) -> None:
    """Each mistake is named."""
    with pytest.raises(InvalidRequest) as caught:
        check_key(spec, 10)
    assert caught.value.param == param


@pytest.mark.parametrize("limit", [-1, 10**15 + 1])
def test_bad_budget(limit: int) -> None:
    """A budget is an amount of money one can mean."""
    with pytest.raises(InvalidRequest):
        check_budget(BudgetSpec(limit_nano=limit))


def test_good_specs() -> None:
    """What people would ask for is let through."""
    check_team(TeamSpec(name="Core team (Zürich)", time_zone="Europe/Zurich", baseline="requested"))
    check_key(KeySpec(name="ci", scopes=("inference", "admin"), expires_ms=11, budgets=(DAY,)), 10)
    check_budget(BudgetSpec(limit_nano=0))
