"""From configured models to deployments: what policy may choose among, and how each is reached."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from hashlib import sha256

import msgspec

from gateway.errors import ConfigError
from gateway.exchange import Timeouts
from gateway.pace import PaceLimit, pace_limits
from gateway.settings import LitellmParams, ModelEntry, ModelInfo, Settings
from gateway.upstreams.providers import AUTHENTICATION, PATHS, PROVIDERS
from policies.facts import Dialect, Tier
from policies.policy import Deployment, Fleet
from policies.pricing import ModelCard, Price, PriceTable
from policies.verdicts import Retry
from policies.yaml_lines import nearest

LITELLM = "litellm"
"""Transport of a deployment whose provider only the library knows."""
ENVIRONMENT = "environment"
"""The proxy of a deployment that heeds the process' own `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`."""
LITELLM_EMBEDDINGS = "litellm_embeddings"
_MILLION = Decimal(1_000_000)
_NOTHING = Decimal(0)
_LONG_AGO = date(2000, 1, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where and how one dialect of a deployment is reached; its secrets stay out of its repr."""

    transport: str
    """`http`, `litellm`, `litellm_embeddings`, or `proxied:` and a digest of the proxy."""
    url: str
    headers: Mapping[str, str] = field(repr=False)
    proxy: str = field(default="", repr=False)
    """URL of the HTTP proxy on the way, which may hold a password; `environment` for the environment's."""
    timeouts: Timeouts = Timeouts()


class Reach(msgspec.Struct, frozen=True, kw_only=True):
    """The fleet with its endpoints by deployment id and dialect."""

    fleet: Fleet
    endpoints: Mapping[str, Mapping[Dialect, Endpoint]]
    limits: Mapping[str, tuple[PaceLimit, ...]] = msgspec.field(default_factory=dict)
    """The pace each deployment bears, by its id; those without limits are left out."""

    def proxies(self) -> dict[str, str]:
        """Return the proxies on the way to vendors by the name of their transport."""
        ends = (end for by_dialect in self.endpoints.values() for end in by_dialect.values())
        return {end.transport: end.proxy for end in ends if end.proxy}


def build_reach(settings: Settings, prices: PriceTable) -> Reach:
    """Return every configured deployment, priced; raise ConfigError for what cannot be served or priced."""
    ids = _ids(settings.model_list)
    entries = dict(zip(ids, settings.model_list, strict=True))
    deployments = {i: _deployment(i, entry, prices) for i, entry in entries.items()}
    names = {d.model_name for d in deployments.values()}
    tiers: dict[Tier, tuple[str, ...]] = {
        "base": tuple(_members("tiers.base", settings.tiers.base, deployments, names)),
        "premium": tuple(_members("tiers.premium", settings.tiers.premium, deployments, names)),
    }
    fallbacks = {
        name: tuple(_members("router_settings.fallbacks", others, deployments, names))
        for rule in settings.router_settings.fallbacks
        for name, others in rule.items()
    }
    fleet = Fleet(
        deployments=deployments,
        tiers=tiers,
        fallbacks=fallbacks,
        prices=prices,
        retry=Retry(
            attempts_per_deployment=settings.router_settings.num_retries + 1,
            deadline_s=settings.router_settings.timeout,
        ),
    )
    endpoints = {i: dict(_endpoints(entry, deployments[i], settings)) for i, entry in entries.items()}
    return Reach(fleet=fleet, endpoints=endpoints, limits=dict(_limits(entries)))


def split_model(model: str) -> tuple[str, str]:
    """Split `provider/model`; a name without a prefix is OpenAI's."""
    provider, slash, name = model.partition("/")
    return (provider, name) if slash else ("openai", model)


def _ids(entries: list[ModelEntry]) -> list[str]:
    """Return one id per deployment: the given one, the model name, or the name with a number."""
    seen: Counter[str] = Counter()
    ids: list[str] = []
    for entry in entries:
        wanted = entry.model_info.id or entry.model_name
        seen[wanted] += 1
        ids.append(wanted if seen[wanted] == 1 else f"{wanted}#{seen[wanted]}")
    return ids


def _deployment(deployment_id: str, entry: ModelEntry, prices: PriceTable) -> Deployment:
    provider, model = split_model(entry.litellm_params.model)
    native = PROVIDERS.get(provider)
    card = _card(entry, prices)
    dialects: list[Dialect] = ["embeddings" if card.embeds else native.dialect if native else "chat"]
    if entry.model_info.anthropic_api_base and dialects == ["chat"]:
        dialects.append("messages")
    return Deployment(
        id=deployment_id,
        model_name=entry.model_name,
        provider=provider,
        model=model if native else entry.litellm_params.model,
        dialects=tuple(dialects),
        card=card,
    )


def _card(entry: ModelEntry, prices: PriceTable) -> ModelCard:
    """Return the model's card from the price table with the entry's own figures over it."""
    info, name = entry.model_info, entry.litellm_params.model
    name = name if "/" in name else f"openai/{name}"
    known = prices.card(info.base_model or name)
    embeds = info.mode == "embedding" if info.mode else known is not None and known.embeds
    own = _own_price(entry.litellm_params, info, embeds=embeds)
    if known is None and own is None:
        raise ConfigError(
            f"model `{entry.model_name}`: no price is known for `{info.base_model or name}`"
            f"{nearest(name, (*prices.cards, *prices.aliases))}; set model_info.base_model, or "
            "input_cost_per_token and output_cost_per_token, or add it to a table in policy.prices"
        )
    card = known or ModelCard(name=name, context_window=128_000, max_output_tokens=8_192)
    return ModelCard(
        name=name,
        context_window=info.max_input_tokens or card.context_window,
        max_output_tokens=0 if embeds else info.max_output_tokens or card.max_output_tokens,
        images=card.images if info.supports_vision is None else info.supports_vision,
        tools=card.tools if info.supports_function_calling is None else info.supports_function_calling,
        embeds=embeds,
        prices=card.prices if own is None else (own,),
    )


def _own_price(params: LitellmParams, info: ModelInfo, *, embeds: bool) -> Price | None:
    """Return the price written into the entry itself, if both halves are there."""
    given_in = _first(info.input_cost_per_token, params.input_cost_per_token)
    given_out = _first(info.output_cost_per_token, params.output_cost_per_token, _NOTHING if embeds else None)
    if given_in is None or given_out is None:
        return None
    read, write = info.cache_read_input_token_cost, info.cache_creation_input_token_cost
    return Price(
        since=_LONG_AGO,
        input=given_in * _MILLION,
        output=given_out * _MILLION,
        cache_read=None if read is None else read * _MILLION,
        cache_write_5m=None if write is None else write * _MILLION,
    )


def _first(*values: Decimal | None) -> Decimal | None:
    return next((value for value in values if value is not None), None)


def _members(
    setting: str, wanted: list[str], deployments: Mapping[str, Deployment], names: set[str]
) -> Iterator[str]:
    for name in wanted:
        if name not in names:
            raise ConfigError(f"`{setting}` names `{name}`, which is not in model_list{nearest(name, names)}")
        if setting.startswith("tiers.") and any(
            d.card.embeds for d in deployments.values() if d.model_name == name
        ):
            raise ConfigError(f"`{setting}` names `{name}`, which only embeds; leave it out of the tiers")
        yield from (d.id for d in deployments.values() if d.model_name == name)


def _endpoints(
    entry: ModelEntry, deployment: Deployment, settings: Settings
) -> Iterator[tuple[Dialect, Endpoint]]:
    params, provider, dialect = entry.litellm_params, deployment.provider, deployment.dialects[0]
    native = PROVIDERS.get(provider)
    key = params.api_key.get_secret_value() if params.api_key else ""
    timeouts = _timeouts(params, settings)
    if native is None:
        headers = {"x-api-key": key} if key else {}
        url = params.api_base or ""
        transport = LITELLM_EMBEDDINGS if dialect == "embeddings" else LITELLM
        yield dialect, Endpoint(transport=transport, url=url, headers=headers, timeouts=timeouts)
        return
    if dialect == "embeddings" and native.dialect != "chat":
        raise ConfigError(f"model `{entry.model_name}`: provider `{provider}` serves no embeddings")
    base = params.api_base or native.api_base
    if base is None:
        raise ConfigError(f"model `{entry.model_name}`: provider `{provider}` needs litellm_params.api_base")
    proxy = _proxy(entry)
    yield dialect, _http(base, dialect, key, timeouts, proxy)
    if "messages" in deployment.dialects[1:] and entry.model_info.anthropic_api_base:
        base = entry.model_info.anthropic_api_base
        yield "messages", _http(base, "messages", key, timeouts, proxy)


def _limits(entries: Mapping[str, ModelEntry]) -> Iterator[tuple[str, tuple[PaceLimit, ...]]]:
    for deployment_id, entry in entries.items():
        given, scope = entry.litellm_params, f"deployment:{deployment_id}"
        limits = pace_limits(scope, rpm=given.rpm, tpm=given.tpm, concurrency=given.max_parallel_requests)
        if limits:
            yield deployment_id, limits


def _http(base: str, dialect: Dialect, key: str, timeouts: Timeouts, proxy: str) -> Endpoint:
    if not base.startswith(("http://", "https://")):
        raise ConfigError(f"`{base[:120]}` is no base URL; start it with https:// or http://")
    base = base.rstrip("/")
    path = PATHS[dialect]
    if dialect == "messages":
        base = base.removesuffix("/v1")
    headers = {"content-type": "application/json", **AUTHENTICATION[dialect](key)}
    transport = f"proxied:{sha256(proxy.encode()).hexdigest()[:8]}" if proxy else "http"
    return Endpoint(transport=transport, url=base + path, headers=headers, timeouts=timeouts, proxy=proxy)


def _proxy(entry: ModelEntry) -> str:
    """Return the proxy on the way to the entry's vendor, empty for none; raise ConfigError."""
    given = entry.litellm_params.proxy
    proxy = given.get_secret_value() if given else ""
    if proxy and proxy != ENVIRONMENT and not proxy.startswith("http://"):
        message = "litellm_params.proxy is no HTTP proxy; start it with http://, or write `environment`"
        raise ConfigError(f"model `{entry.model_name}`: {message}")
    return proxy


def _timeouts(params: LitellmParams, settings: Settings) -> Timeouts:
    router = settings.router_settings
    return Timeouts(
        connect_s=router.connect_timeout,
        first_byte_s=router.first_byte_timeout,
        idle_s=router.stream_timeout,
        total_s=params.timeout or router.timeout,
    )
