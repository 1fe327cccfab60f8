"""A small fleet and small packs: two deployments with real prices, and triggers that need no detector."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal

from msgspec.structs import replace

from policies.envelope import Envelopes
from policies.facts import Ask, Features, Tier
from policies.pack import Library, PackText, load_pack
from policies.policy import Deployment, Fleet, Policy
from policies.pricing import ModelCard, Price, PriceTable
from policies.verdicts import Retry

NOW = 1_790_000_000.0
LIBRARY = Library(envelopes=Envelopes.compile({"clients": []}), detector=None)
GLM_PRICE = Price(
    since=date(2025, 7, 28), input=Decimal("0.6"), output=Decimal("2.2"), cache_read=Decimal("0.11")
)
OPUS_PRICE = Price(
    since=date(2025, 8, 5),
    input=Decimal(15),
    output=Decimal(75),
    cache_read=Decimal("1.5"),
    cache_write_5m=Decimal("18.75"),
    cache_write_1h=Decimal(30),
)


def deployment(name: str, price: Price | None, **card: int | bool) -> Deployment:
    """Return a deployment whose id, model name and vendor model are all `name`."""
    limits = ModelCard(name=f"vendor/{name}", context_window=131_072, max_output_tokens=8_000)
    prices = () if price is None else (price,)
    return Deployment(
        id=name,
        model_name=name,
        provider="vendor",
        model=name,
        dialects=("chat",),
        card=replace(limits, prices=prices, **card),  # type: ignore[arg-type]
    )


GLM = deployment("glm", GLM_PRICE)
OPUS = deployment("opus", OPUS_PRICE, context_window=200_000, images=True)


def make_fleet(
    *,
    base: tuple[Deployment, ...] = (GLM,),
    premium: tuple[Deployment, ...] = (OPUS,),
    fallbacks: Mapping[str, tuple[str, ...]] | None = None,
) -> Fleet:
    """Return a fleet of the given tiers."""
    tiers: dict[Tier, tuple[str, ...]] = {
        "base": tuple(d.id for d in base),
        "premium": tuple(d.id for d in premium),
    }
    return Fleet(
        deployments={d.id: d for d in (*base, *premium)},
        tiers=tiers,
        fallbacks=fallbacks or {},
        prices=PriceTable(revision="prices-1", cards={}, aliases={}),
        retry=Retry(),
    )


FLEET = make_fleet()
SMALL_PACK = """\
pack: small
lexicons:
  security: [{term: sql injection, weight: 2}, password*]
  routine: [typo]
triggers:
  - id: critical_security
    kind: security
    reason: the ask touches security
    floor: premium
    priority: 100
    when: {signal: lexicon.security, at_least: 1}
  - id: small_talk
    kind: routine
    reason: the ask is routine
    when: {signal: lexicon.routine, at_least: 1}
economy: {score: request.declared_impact, threshold: 0.6}
sticky_turns: 3
"""


def make_policy(*texts: str, fleet: Fleet = FLEET) -> Policy:
    """Return the policy of the given pack texts, by default the small pack."""
    packs = [PackText(f"pack{n}.yaml", text) for n, text in enumerate(texts or (SMALL_PACK,), 1)]
    return load_pack(packs, library=LIBRARY, fleet=fleet)


def asking(text: str, **facts: object) -> Features:
    """Return the features of an ask."""
    return replace(Features(ask=Ask(text=text), input_tokens=1_000), **facts)  # type: ignore[arg-type]
