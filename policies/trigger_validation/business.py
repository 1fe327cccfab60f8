"""Business rules: may this team escalate, at this hour, in this environment, for this much?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

from policies.pricing import usd
from policies.trigger_validation.base import Case, Check, settle
from policies.validation_rules import BusinessRules, Dimension, Hours


class BusinessValidator:
    """Team, hours, environment and spending, each as far as the pack or a budget speaks of it."""

    dimension: Dimension = "business"

    def check(self, case: Case) -> Check:
        """Return fail with every rule that is broken."""
        said = [word for rule in _RULES for word in rule(case, case.policy.validation.business)]
        failed = [words for kept, words in said if not kept]
        passed = [words for kept, words in said if kept]
        return settle("business", failed, passed, "no business rule applies")


def _team(case: Case, rules: BusinessRules) -> Iterator[tuple[bool, str]]:
    if rules.teams is not None:
        team = case.snapshot.rights.team
        may = team in rules.teams
        yield may, f"team `{team}` {'may' if may else 'may not'} escalate"


def _hours(case: Case, rules: BusinessRules) -> Iterator[tuple[bool, str]]:
    if rules.hours is not None:
        local = datetime.fromtimestamp(case.snapshot.now, ZoneInfo(rules.hours.time_zone))
        within = _opens(rules.hours, local)
        yield within, f"{local:%a %H:%M} is {'within' if within else 'outside'} the hours for escalating"


def _environment(case: Case, rules: BusinessRules) -> Iterator[tuple[bool, str]]:
    said = case.features.declared
    declared = said.environment if said.trusted else None
    if rules.environments is not None and declared is not None:
        named = declared.casefold() in rules.environments
        yield named, f"environment `{declared}` is {'' if named else 'not '}one to escalate for"


def _spend(case: Case, rules: BusinessRules) -> Iterator[tuple[bool, str]]:
    price = case.premium_price
    most = rules.most_nano_per_request
    if most is None or price is None or price.expected_nano is None:
        return
    fits = price.expected_nano <= most
    sign = "<=" if fits else ">"
    yield fits, f"expected ${usd(price.expected_nano):.6f} {sign} ${usd(most):f} allowed a request"


def _budget(case: Case, rules: BusinessRules) -> Iterator[tuple[bool, str]]:  # noqa: ARG001 - one shape for all
    worst = next((c.worst_case_nano for c in case.decision.candidates if c.tier == "premium"), None)
    if worst is None:
        return
    for budget in case.snapshot.budgets:
        if budget.hard:
            fits = worst <= budget.left_nano
            owner = budget.scope.partition(":")[0]
            left = f"${usd(max(0, budget.left_nano)):f}"
            yield fits, f"the {owner}'s budget has {left} left for up to ${usd(worst):.6f}"


_RULES: tuple[Callable[[Case, BusinessRules], Iterator[tuple[bool, str]]], ...] = (
    _team,
    _hours,
    _environment,
    _spend,
    _budget,
)


def _opens(hours: Hours, local: datetime) -> bool:
    """Tell whether an instant is within the hours; what runs past midnight belongs to the day it began."""
    minute, day = local.hour * 60 + local.minute, local.weekday()
    if hours.from_minute <= hours.until_minute:
        return day in hours.days and hours.from_minute <= minute < hours.until_minute
    if minute >= hours.from_minute:
        return day in hours.days
    return minute < hours.until_minute and (day - 1) % 7 in hours.days
