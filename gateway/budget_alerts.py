"""Tells of budgets that are filling up: once per period and threshold, whoever's request crosses it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

import msgspec

from gateway.stores.base import BudgetWindow
from gateway.telemetry import Telemetry
from policies.pricing import usd


class BudgetAlerts(msgspec.Struct, frozen=True):
    """Watches spending; thresholds are shares of a limit, such as 0.8."""

    thresholds: Sequence[Decimal]
    telemetry: Telemetry

    def __call__(self, budget: BudgetWindow, before_nano: int, after_nano: int) -> None:
        """Note every threshold that lies between two readings of what is spent."""
        for threshold in crossed(self.thresholds, budget.limit_nano, before_nano, after_nano):
            self.telemetry.budget_alert(budget.scope, budget.period, str(threshold))
            self.telemetry.log.warning(
                "budget_alert",
                scope=budget.scope,
                period=budget.period,
                hard=budget.hard,
                threshold=str(threshold),
                limit_usd=f"{usd(budget.limit_nano):f}",
                spent_usd=f"{usd(after_nano):f}",
            )


def crossed(
    thresholds: Sequence[Decimal], limit_nano: int, before_nano: int, after_nano: int
) -> Iterator[Decimal]:
    """Yield the thresholds that were not reached before and are now; spending only grows, so each once."""
    for threshold in thresholds:
        if before_nano < threshold * limit_nano <= after_nano:
            yield threshold
