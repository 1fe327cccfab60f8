"""What a decision is made by: the compiled packs and the deployments they choose among."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import cached_property
from typing import Literal

import msgspec

from policies.condition import Condition
from policies.data_guard import DataClass
from policies.envelope import Envelopes
from policies.escalation_triggers.base import SignalSource
from policies.facts import Dialect, Tier
from policies.gate import Gate, gate_of
from policies.measuring import Measuring
from policies.origin import Level, Origin
from policies.pricing import ModelCard, Price, PriceTable
from policies.validation_rules import ValidationRules
from policies.verdicts import Meanwhile, Retry

CheckedStreams = Literal["withhold", "demanded", "relay"]
"""All, those whose form the client demands, or none but the ones that end without a word."""


class Deployment(msgspec.Struct, frozen=True, kw_only=True):
    """A provider's model we can send to, as far as deciding needs to know it."""

    id: str
    model_name: str
    """The configured name clients may ask for; several deployments can share it."""
    provider: str
    model: str
    """The vendor's own model name."""
    dialects: tuple[Dialect, ...]
    card: ModelCard


class Fleet(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """Every deployment, the tiers they form, and the price table in force."""

    deployments: Mapping[str, Deployment]
    tiers: Mapping[Tier, tuple[str, ...]]
    """Deployment ids in order of preference."""
    fallbacks: Mapping[str, tuple[str, ...]]
    """By model name: the deployments a pinned request may fall back to."""
    prices: PriceTable
    retry: Retry = Retry()

    def named(self, model_name: str) -> tuple[str, ...]:
        """Return the ids of the deployments configured under `model_name`."""
        return tuple(d.id for d in self.deployments.values() if d.model_name == model_name)

    def tier_of(self, deployment: str) -> Tier:
        """Return the tier that lists a deployment; one in no tier counts as base."""
        return "premium" if deployment in self.tiers["premium"] else "base"

    def prices_on(self, day: date) -> Mapping[str, Price | None]:
        """Return the price of every deployment on a day, None before its first; looked up once a day."""
        known = self._priced.get(day)
        if known is None:
            known = {name: deployment.card.price_on(day) for name, deployment in self.deployments.items()}
            self._priced.clear()
            self._priced[day] = known
        return known

    @cached_property
    def listed(self) -> tuple[tuple[str, Tier], ...]:
        """Every deployment of a tier with that tier, base first."""
        tiers: tuple[Tier, ...] = ("base", "premium")
        return tuple((deployment, tier) for tier in tiers for deployment in self.tiers[tier])

    @cached_property
    def _priced(self) -> dict[date, Mapping[str, Price | None]]:
        return {}


class Trigger(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """A declared test over signals; firing may demand a floor."""

    id: str
    kind: str
    when: Condition
    reason: str
    layer: str
    """The pack it comes from."""
    level: Level = "organisation"
    priority: int = 0
    floor: Tier | None = None
    locked: bool = False
    """A later pack may not weaken or remove it."""

    @cached_property
    def gate(self) -> Gate:
        """The bounds of which a request has to reach one before the condition is worth a look."""
        return gate_of(self.when)


class Economy(msgspec.Struct, frozen=True, kw_only=True):
    """When expected gain alone justifies the premium model."""

    enabled: bool = True
    score: str = "detector.gain"
    """The signal that ranks requests by expected gain."""
    threshold: float = 0.6
    target_share: float | None = None
    """Share of judged requests the controller lets through; None keeps the threshold fixed."""
    expected_output_tokens: int = 700
    """Assumed for showing the price of alternatives when the client set no limit."""


class Fallback(msgspec.Struct, frozen=True, kw_only=True):
    """Which way a request may move when a whole tier fails."""

    base_to_premium: bool = True
    premium_to_base: bool = True
    floor_may_fall: bool = False
    """Whether a request held at premium by a floor may run on base when premium is gone."""


class ApprovalRules(msgspec.Struct, frozen=True, kw_only=True):
    """What a person has to agree to before it is carried out; nothing unless a pack says so."""

    above_nano: int | None = None
    """Requests that may cost more than this."""
    data_classes: frozenset[str] = frozenset()
    """Declared classes, in lower case."""
    triggers: frozenset[str] = frozenset()
    expires_after_s: float = 86_400.0
    meanwhile: Meanwhile = "deny"
    webhook: str = ""

    @property
    def asks(self) -> bool:
        """Whether anything needs approval."""
        return self.above_nano is not None or bool(self.data_classes or self.triggers)


Way = tuple[tuple[Deployment, Tier], ...]
"""Deployments in the order they may be tried, each with the tier it serves in."""
Crossing = tuple[Tier, Tier | None, tuple[str, ...]]
"""What a way depends on besides the policy: the tier decided on, the floor, the deployments pinned."""


class Policy(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """Compiled packs over a fleet: everything `decide` needs that is not a fact of the request."""

    revision: str
    """Content hash of the packs, the envelopes and the detector."""
    triggers: tuple[Trigger, ...]
    """By descending priority, then id."""
    sources: tuple[SignalSource, ...]
    envelopes: Envelopes
    economy: Economy
    fallback: Fallback
    fleet: Fleet
    validation: ValidationRules = ValidationRules()
    approval: ApprovalRules = ApprovalRules()
    answer_checks: tuple[str, ...] = ()
    """The checks a base answer has to pass where premium can redo it."""
    checked_streams: CheckedStreams = "demanded"
    """Which base streams are held back to their end, to be checked before the client sees them."""
    data_classes: tuple[DataClass, ...] = ()
    reads: frozenset[str] = frozenset()
    """Prefixes of the signals that some trigger or the economy reads, `data` also for classes to be found."""
    sticky_turns: int = 0
    housekeeping_tier: Tier = "base"
    default_tier: Tier = "base"
    lexicons: Mapping[str, Mapping[str, float]] = msgspec.field(default_factory=dict)
    """By name: every term with its weight, as `sources` look for them."""
    origins: Mapping[str, Origin] = msgspec.field(default_factory=dict)
    """Which pack had the last word on each setting, e.g. `economy.threshold`."""

    @cached_property
    def ways(self) -> dict[Crossing, Way]:
        """Ways that were worked out already; as many as tiers, floors and model names make."""
        return {}

    @cached_property
    def measuring(self) -> Measuring:
        """What measures with `sources` for `triggers`, and remembers what it found in an ask."""
        return Measuring(self.sources, self.triggers)
