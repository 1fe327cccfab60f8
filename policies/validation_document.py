"""The pack's `validation` section: its shape as written, and how one pack's lies over another's."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import Annotated, Literal, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from msgspec import Meta

from policies.pricing import nano
from policies.validation_rules import (
    DIMENSIONS,
    BusinessRules,
    Combining,
    CostBenefitRules,
    Dimension,
    Hours,
    QualityRules,
    TechnicalRules,
    ValidationRules,
)

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = get_args(Day)
MAX_LIST = 500
_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)|24:00")
_Names = Annotated[list[str], Meta(max_length=MAX_LIST)]


class HoursDoc(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """When premium work is done: `HH:MM` in a time zone; one that ends before it begins passes midnight."""

    from_: str
    until: str
    days: tuple[Day, ...] = DAYS
    time_zone: str = "UTC"


class BusinessDoc(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who may escalate, when, where and for how much."""

    teams: _Names | None = None
    hours: HoursDoc | None = None
    environments: _Names | None = None
    most_usd_per_request: str | None = None


class TechnicalDoc(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the premium deployments must be able to do."""

    context_share: float | None = None
    native_dialect: bool | None = None


class CostBenefitDoc(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a success is worth, and how often its expected worth must cover the extra cost."""

    value_of_success_usd: str | None = None
    least_return: float | None = None


class QualityDoc(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How precise a trigger must have been, over how many labelled outcomes."""

    least_precision: float | None = None
    least_outcomes: int | None = None
    interval: float | None = None
    prior_weight: float | None = None


class CombineDoc(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What each dimension's verdict does to a finding."""

    business: Combining | None = None
    technical: Combining | None = None
    cost_benefit: Combining | None = None
    quality: Combining | None = None
    security: Combining | None = None


class ValidationDoc(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The validation section; a value left out keeps what an earlier pack said."""

    combine: CombineDoc = CombineDoc()
    business: BusinessDoc = BusinessDoc()
    technical: TechnicalDoc = TechnicalDoc()
    cost_benefit: CostBenefitDoc = CostBenefitDoc()
    quality: QualityDoc = QualityDoc()


class RuleError(ValueError):
    """A rule that cannot be used: where in the section, what is wrong and what to do."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(message)
        self.path = path
        self.message = message


def overlay_rules(below: ValidationRules, doc: ValidationDoc) -> ValidationRules:
    """Return the rules with what `doc` says laid over them; raise RuleError."""
    return ValidationRules(
        combine={**below.combine, **_combine(doc.combine)},
        business=_business(below.business, doc.business),
        technical=_technical(below.technical, doc.technical),
        cost_benefit=_cost_benefit(below.cost_benefit, doc.cost_benefit),
        quality=_quality(below.quality, doc.quality),
    )


def _combine(doc: CombineDoc) -> dict[Dimension, Combining]:
    given = {name: getattr(doc, name) for name in DIMENSIONS}
    return {name: value for name, value in given.items() if value is not None}


def _business(below: BusinessRules, doc: BusinessDoc) -> BusinessRules:
    most = doc.most_usd_per_request
    return BusinessRules(
        teams=below.teams if doc.teams is None else frozenset(doc.teams),
        hours=below.hours if doc.hours is None else _hours(doc.hours),
        environments=below.environments if doc.environments is None else _folded(doc.environments),
        most_nano_per_request=below.most_nano_per_request
        if most is None
        else _money("business.most_usd_per_request", most),
    )


def _hours(doc: HoursDoc) -> Hours:
    try:
        ZoneInfo(doc.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        message = f"`{doc.time_zone[:40]}` is not an IANA time zone, such as Europe/Berlin"
        raise RuleError("business.hours.time_zone", message) from None
    return Hours(
        from_minute=_minute("business.hours.from", doc.from_),
        until_minute=_minute("business.hours.until", doc.until),
        days=frozenset(DAYS.index(day) for day in doc.days),
        time_zone=doc.time_zone,
    )


def _technical(below: TechnicalRules, doc: TechnicalDoc) -> TechnicalRules:
    share = _within("technical.context_share", doc.context_share, low=0.01, high=1.0)
    return TechnicalRules(
        context_share=below.context_share if share is None else share,
        native_dialect=below.native_dialect if doc.native_dialect is None else doc.native_dialect,
    )


def _cost_benefit(below: CostBenefitRules, doc: CostBenefitDoc) -> CostBenefitRules:
    value = doc.value_of_success_usd
    least = _within("cost_benefit.least_return", doc.least_return, low=0.0, high=1_000_000.0)
    return CostBenefitRules(
        value_of_success_nano=below.value_of_success_nano
        if value is None
        else _money("cost_benefit.value_of_success_usd", value),
        least_return=below.least_return if least is None else least,
    )


def _quality(below: QualityRules, doc: QualityDoc) -> QualityRules:
    precision = _within("quality.least_precision", doc.least_precision, low=0.0, high=1.0)
    interval = _within("quality.interval", doc.interval, low=0.5, high=0.999)
    weight = _within("quality.prior_weight", doc.prior_weight, low=0.1, high=10_000.0)
    outcomes = _within("quality.least_outcomes", doc.least_outcomes, low=1, high=1_000_000)
    return QualityRules(
        least_precision=below.least_precision if precision is None else precision,
        least_outcomes=below.least_outcomes if outcomes is None else int(outcomes),
        interval=below.interval if interval is None else interval,
        prior_weight=below.prior_weight if weight is None else weight,
    )


def _folded(names: list[str]) -> frozenset[str]:
    return frozenset(name.casefold() for name in names)


def _minute(path: str, text: str) -> int:
    if not _CLOCK.fullmatch(text):
        raise RuleError(path, f"`{text[:20]}` is not a time of day; write it like 08:30")
    hours, _, minutes = text.partition(":")
    return int(hours) * 60 + int(minutes)


def _within(path: str, value: float | None, *, low: float, high: float) -> float | None:
    if value is not None and not low <= value <= high:
        raise RuleError(path, f"`{value}` is outside {low:g}..{high:g}; correct it")
    return value


def _money(path: str, text: str) -> int:
    try:
        amount = nano(Decimal(text))
    except (InvalidOperation, ValueError):
        amount = -1
    if amount < 0:
        raise RuleError(path, f'`{text[:40]}` is not an amount of USD; write it like "0.25"')
    return amount
