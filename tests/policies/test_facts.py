from __future__ import annotations

import pytest

from policies.facts import BudgetView


@pytest.mark.parametrize(("spent", "reserved", "left"), [(0, 0, 100), (60, 30, 10), (90, 30, -20)])
def test_budget_left(spent: int, reserved: int, left: int) -> None:
    """What is left is neither spent nor promised, and shows an overrun as it is."""
    view = BudgetView(scope="team:x", limit_nano=100, spent_nano=spent, reserved_nano=reserved)

    assert view.left_nano == left
