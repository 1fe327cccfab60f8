"""Everything that can be configured, with its default and its meaning; the source of `docs/settings.md`.

Order of precedence: `GATEWAY_*` environment variables (nested with `__`, e.g.
`GATEWAY_GENERAL_SETTINGS__DATABASE_URL`) over config.yaml over the defaults below. The file keeps LiteLLM's
shape, so its users migrate by changing a port.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from gateway.deployment_settings import ModelEntry
from gateway.setting_values import Pace, SecretStr, Section, check_name, read_secret
from policies.facts import RewriteContract

Period = Literal["1d", "1w", "1mo"]
Baseline = Literal["all-premium", "all-base", "requested"]
FEWEST_REQUEST_DAYS = 62
"""Requests that may be in a running period are kept: budgets are rebuilt from them."""


class Tiers(Section, frozen=True):
    """Model names by tier, in order of preference."""

    base: Annotated[list[str], Meta(description="What suffices for routine work.")] = msgspec.field(
        default_factory=list
    )
    premium: Annotated[list[str], Meta(description="What critical work deserves.")] = msgspec.field(
        default_factory=list
    )


class PolicySettings(Section, frozen=True):
    """Which packs decide."""

    packs: Annotated[
        list[str], Meta(description="Pack files (relative to config.yaml) or names of built-in packs.")
    ] = msgspec.field(default_factory=lambda: ["default"])
    key_packs: Annotated[
        list[str],
        Meta(max_length=64, description="Packs that keys may carry over their team's, by these names."),
    ] = msgspec.field(default_factory=list)
    prices: Annotated[list[str], Meta(description="Price tables laid over the built-in one.")] = (
        msgspec.field(default_factory=list)
    )
    reload_seconds: Annotated[
        float, Meta(ge=0, le=3600, description="How often pack files are checked for changes; 0 never.")
    ] = 2.0


class RouterSettings(Section, frozen=True):
    """Retries and what a pinned model may fall back to (LiteLLM's `router_settings`)."""

    fallbacks: Annotated[
        list[dict[str, list[str]]], Meta(description="`[{model: [others]}]`; tiers rule `auto`.")
    ] = msgspec.field(default_factory=list)
    num_retries: Annotated[int, Meta(ge=0, le=10, description="Further tries at one deployment.")] = 2
    allowed_fails: Annotated[
        int, Meta(ge=1, le=1000, description="Failures within a minute after which a deployment is rested.")
    ] = 5
    cooldown_time: Annotated[
        float,
        Meta(gt=0, le=300, description="Seconds a deployment rests before a probe; doubles while it fails."),
    ] = 10.0
    timeout: Annotated[
        float, Meta(gt=0, le=7200, description="Seconds for a whole request, attempts together.")
    ] = 600.0
    connect_timeout: Annotated[float, Meta(gt=0, le=600, description="Seconds to connect to a vendor.")] = (
        10.0
    )
    first_byte_timeout: Annotated[
        float,
        Meta(
            gt=0,
            le=7200,
            description="Seconds until a vendor begins to answer: the head, and the first token of a stream.",
        ),
    ] = 300.0
    stream_timeout: Annotated[
        float, Meta(gt=0, le=7200, description="Seconds between two parts of a stream.")
    ] = 120.0


class GeneralSettings(Section, frozen=True):
    """Stores and secrets (LiteLLM's `general_settings`)."""

    master_key: Annotated[
        SecretStr | None, Meta(description="Admin key with every scope; none closes admin routes.")
    ] = None
    admin_teams: Annotated[
        list[str],
        Meta(
            description="Teams whose keys with the scope `admin` administer all teams; "
            "others' only their own."
        ),
    ] = msgspec.field(default_factory=list)
    database_url: Annotated[SecretStr, Meta(description="SQLite or PostgreSQL URL of the books.")] = (
        SecretStr("sqlite:///gateway.db")
    )
    redis_url: Annotated[
        SecretStr | None,
        Meta(description="Redis or Valkey that several processes share limits and budgets on; none for one."),
    ] = None
    on_state_outage: Annotated[
        Literal["closed", "open"],
        Meta(
            description="While that server is away: refuse requests under hard budgets, "
            "or serve them unchecked."
        ),
    ] = "closed"
    spool_dir: Annotated[
        str | None, Meta(description="Folder of the write-ahead spool; beside the database by default.")
    ] = None
    budget_alerts: Annotated[
        list[Decimal],
        Meta(
            description="Shares of a budget's limit that are logged and counted when spending reaches them."
        ),
    ] = msgspec.field(default_factory=lambda: [Decimal("0.8"), Decimal(1)])
    keys_stale_seconds: Annotated[
        float,
        Meta(
            ge=0,
            le=86_400,
            description="How much longer a key that was good is trusted while the database cannot be read; "
            "0: not at all. Until then a revocation by another process may go unseen.",
        ),
    ] = 300.0
    key_pepper: Annotated[
        SecretStr | None, Meta(description="Secret mixed into key hashes; generated if absent.")
    ] = None

    def __post_init__(self) -> None:
        """Raise ValueError for what no type can refuse."""
        if not all(share.is_finite() for share in self.budget_alerts):
            raise ValueError("`budget_alerts` must be finite numbers")


class ServerSettings(Section, frozen=True):
    """The listening side and its bounds."""

    host: Annotated[str, Meta(description="Address to listen on.")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535, description="Port to listen on; 0 picks a free one.")] = 4000
    workers: Annotated[
        int, Meta(ge=1, le=64, description="Processes; more than one needs stores that can be shared.")
    ] = 1
    max_body_bytes: Annotated[
        int, Meta(ge=1024, le=2**30, description="Longest request body, decompressed.")
    ] = 20 * 2**20
    max_concurrency: Annotated[
        int, Meta(ge=1, le=10**6, description="Inference requests at a time; more are refused with 503.")
    ] = 4096
    max_answer_bytes: Annotated[
        int, Meta(ge=1024, le=2**31, description="Longest answer that is not streamed.")
    ] = 64 * 2**20
    drain_seconds: Annotated[
        float, Meta(ge=0, le=3600, description="How long shutting down waits for requests.")
    ] = 30.0
    head_seconds: Annotated[
        float,
        Meta(gt=0, le=600, description="Seconds a new connection may take to send its first request's head."),
    ] = 30.0
    keepalive_seconds: Annotated[
        float,
        Meta(
            ge=0,
            le=600,
            description="Longest silence in a stream before an SSE comment (Anthropic: a `ping`) is sent; "
            "0 never. Before the first token it commits the status 200: what fails later is an error event.",
        ),
    ] = 15.0
    key_cache_seconds: Annotated[
        float, Meta(ge=0, le=300, description="How long a key is trusted before it is read again.")
    ] = 5.0


class WorkflowSettings(Section, frozen=True):
    """The durable escalation workflow; nothing of it is loaded before the first one is submitted."""

    enabled: Annotated[bool, Meta(description="Whether tasks may be submitted.")] = True
    concurrency: Annotated[
        int, Meta(ge=1, le=256, description="Workflows a process carries out at a time.")
    ] = 4
    max_waiting: Annotated[
        int,
        Meta(ge=1, le=1_000_000, description="Unfinished workflows of one team beyond which it gets 429."),
    ] = 10_000
    max_task_bytes: Annotated[int, Meta(ge=1024, le=2**26, description="Longest task, as JSON.")] = 2 * 2**20
    reruns_after_interruption: Annotated[
        int,
        Meta(
            ge=0,
            le=5,
            description="How often a paid call is made again when the process died while it was in flight.",
        ),
    ] = 1
    lease_seconds: Annotated[
        float,
        Meta(ge=0.5, le=300, description="A process unheard of for so long loses its workflows to others."),
    ] = 10.0
    retention_hours: Annotated[
        float,
        Meta(gt=0, le=87_600, description="Tasks and answers are erased so long after the end; events stay."),
    ] = 168.0
    self_approval: Annotated[
        bool, Meta(description="Whether the key that submitted a workflow may approve it.")
    ] = False
    webhook_secret: Annotated[
        SecretStr | None, Meta(description="Signs webhooks (HMAC-SHA256); without it none is sent.")
    ] = None
    webhook_allow: Annotated[
        list[str],
        Meta(description="Hosts and networks (CIDR) that may be told though they are internal or not https."),
    ] = msgspec.field(default_factory=list)


class RetentionSettings(Section, frozen=True):
    """How long the ledger's rows are kept; the sums of requests that are deleted stay in every report."""

    requests_days: Annotated[
        Annotated[int, Meta(ge=FEWEST_REQUEST_DAYS, le=36_500)] | None,
        Meta(description="Days requests and attempts are kept; for ever."),
    ] = None
    decisions_days: Annotated[
        Annotated[int, Meta(ge=1, le=36_500)] | None,
        Meta(description="Days decision records are kept, for explaining and replaying."),
    ] = None


class LogSettings(Section, frozen=True):
    """What is logged and how."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description="Least severity logged.")
    ] = "info"
    format: Annotated[
        Literal["json", "console"], Meta(description="One JSON object a line, or for people.")
    ] = "json"
    store_prompts: Annotated[
        bool, Meta(description="Keep the ask's text in decision records; off keeps offsets and numbers only.")
    ] = False


class TeamEntry(Section, frozen=True):
    """A team declared in the file; created at start, changed settings applied."""

    name: str
    rewrite: Annotated[RewriteContract, Meta(description="What may be rewritten when a model is named.")] = (
        "auto-only"
    )
    honours_route_wish: Annotated[bool, Meta(description="Whether `x-gateway-route` is obeyed.")] = True
    baseline: Annotated[Baseline, Meta(description="What savings are measured against.")] = "all-premium"
    time_zone: Annotated[str, Meta(description="IANA zone in which budgets and days begin.")] = "UTC"
    packs: Annotated[list[str], Meta(description="Packs laid over the organisation's for this team.")] = (
        msgspec.field(default_factory=list)
    )
    budget_usd: Annotated[Decimal | None, Meta(description="Money limit per period.")] = None
    period: Annotated[Period, Meta(description="Budget period.")] = "1mo"
    rpm: Annotated[Pace | None, Meta(description="Requests per minute.")] = None
    tpm: Annotated[Pace | None, Meta(description="Tokens per minute.")] = None
    concurrency: Annotated[Pace | None, Meta(description="Requests at a time.")] = None

    def __post_init__(self) -> None:
        """Raise ValueError for what no type can refuse."""
        check_name("name", self.name)
        if self.budget_usd is not None and not (self.budget_usd.is_finite() and self.budget_usd > 0):
            raise ValueError("`budget_usd` must be a finite number > 0")


class Settings(Section, frozen=True):
    """The whole configuration."""

    model_list: Annotated[list[ModelEntry], Meta(description="The deployments.")] = msgspec.field(
        default_factory=list
    )
    tiers: Tiers = Tiers()
    aliases: Annotated[
        dict[str, str],
        Meta(
            description="Patterns of asked names that are no deployment, "
            "and what they mean (`auto` or a name)."
        ),
    ] = msgspec.field(
        default_factory=lambda: {"gpt-*": "auto", "chatgpt-*": "auto", "o[0-9]*": "auto", "claude-*": "auto"}
    )
    policy: PolicySettings = PolicySettings()
    router_settings: RouterSettings = RouterSettings()
    general_settings: GeneralSettings = GeneralSettings()
    server: ServerSettings = ServerSettings()
    workflows: WorkflowSettings = WorkflowSettings()
    retention: RetentionSettings = RetentionSettings()
    log: LogSettings = LogSettings()
    teams: Annotated[list[TeamEntry], Meta(description="Teams declared here rather than by CLI or API.")] = (
        msgspec.field(default_factory=list)
    )

    def __post_init__(self) -> None:
        """Raise ValueError for what no type can refuse."""
        names = [team.name for team in self.teams]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"the team `{twice}` is declared twice in `teams`; keep one")


def read_settings(values: Mapping[str, object]) -> Settings:
    """Return the settings written in plain values, numbers as text allowed; raise msgspec.ValidationError."""
    return msgspec.convert(values, Settings, strict=False, dec_hook=read_secret)
