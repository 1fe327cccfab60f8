"""Everything that can be configured, with its default and its meaning; the source of `docs/settings.md`.

Order of precedence: `GATEWAY_*` environment variables (nested with `__`, e.g.
`GATEWAY_GENERAL_SETTINGS__DATABASE_URL`) over config.yaml over the defaults below. The file keeps LiteLLM's
shape, so its users migrate by changing a port.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from policies.facts import RewriteContract

Period = Literal["1d", "1w", "1mo"]
Baseline = Literal["all-premium", "all-base", "requested"]
FEWEST_REQUEST_DAYS = 62
"""Requests that may be in a running period are kept: budgets are rebuilt from them."""


def _plain_name(name: str) -> str:
    if not name or len(name) > 128 or not name.isprintable() or name != name.strip():  # noqa: PLR2004
        raise ValueError("give 1 to 128 printable characters without spaces at the ends")
    return name


Name = Annotated[str, AfterValidator(_plain_name)]


def _not_auto(name: str) -> str:
    if name == "auto":
        raise ValueError("`auto` is what policy routes; give the deployment another name")
    return name


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class LitellmParams(_Section):
    """How to reach the vendor (LiteLLM's `litellm_params`)."""

    model: str = Field(description="`provider/model`; zai/, openai/ and anthropic/ are native.")
    api_base: str | None = Field(
        None, description="Base URL of the vendor's API; each provider has a default."
    )
    api_key: SecretStr | None = Field(None, description="Vendor key, best as `os.environ/NAME`.")
    input_cost_per_token: Decimal | None = Field(None, ge=0, description="USD; overrides the price table.")
    output_cost_per_token: Decimal | None = Field(None, ge=0, description="USD; overrides the price table.")
    timeout: float | None = Field(None, gt=0, le=7200, description="Total seconds for one attempt.")
    proxy: SecretStr | None = Field(
        None,
        description="URL of an HTTP proxy to reach the vendor through; `environment` heeds HTTPS_PROXY.",
    )
    rpm: int | None = Field(None, ge=1, le=10**12, description="Requests per minute sent to the deployment.")
    tpm: int | None = Field(None, ge=1, le=10**12, description="Tokens per minute used there.")
    max_parallel_requests: int | None = Field(None, ge=1, le=10**12, description="Calls to it at a time.")


class ModelInfo(_Section):
    """What the deployment can take (LiteLLM's `model_info`); what is left out comes from the price table."""

    id: str | None = Field(None, description="Deployment id; defaults to the model name, numbered if shared.")
    base_model: str | None = Field(None, description="`provider/model` whose price and limits apply.")
    anthropic_api_base: str | None = Field(
        None, description="Base URL of the same model in Anthropic's dialect."
    )
    input_cost_per_token: Decimal | None = Field(None, ge=0, description="USD; overrides the price table.")
    output_cost_per_token: Decimal | None = Field(None, ge=0, description="USD; overrides the price table.")
    cache_read_input_token_cost: Decimal | None = Field(None, ge=0, description="USD per cached input token.")
    cache_creation_input_token_cost: Decimal | None = Field(
        None, ge=0, description="USD per written cache token."
    )
    max_input_tokens: int | None = Field(None, gt=0, description="Context window in tokens.")
    max_output_tokens: int | None = Field(None, gt=0, description="Longest answer in tokens.")
    supports_vision: bool | None = Field(None, description="Whether images may be sent.")
    supports_function_calling: bool | None = Field(None, description="Whether tools may be sent.")
    mode: Literal["chat", "responses", "embedding"] | None = Field(
        None, description="`embedding`: serves /v1/embeddings and nothing else. Known models need not say it."
    )


class ModelEntry(_Section):
    """One deployment; several with the same `model_name` share the load in order."""

    model_name: Annotated[Name, AfterValidator(_not_auto)] = Field(description="The name clients ask for.")
    litellm_params: LitellmParams
    model_info: ModelInfo = ModelInfo.model_construct()


class Tiers(_Section):
    """Model names by tier, in order of preference."""

    base: list[str] = Field(default=[], description="What suffices for routine work.")
    premium: list[str] = Field(default=[], description="What critical work deserves.")


class PolicySettings(_Section):
    """Which packs decide."""

    packs: list[str] = Field(
        default=["default"], description="Pack files (relative to config.yaml) or names of built-in packs."
    )
    key_packs: list[str] = Field(
        default=[], max_length=64, description="Packs that keys may carry over their team's, by these names."
    )
    prices: list[str] = Field(default=[], description="Price tables laid over the built-in one.")
    reload_seconds: float = Field(
        2.0, ge=0, le=3600, description="How often pack files are checked for changes; 0 never."
    )


class RouterSettings(_Section):
    """Retries and what a pinned model may fall back to (LiteLLM's `router_settings`)."""

    fallbacks: list[dict[str, list[str]]] = Field(
        default=[], description="`[{model: [others]}]`; tiers rule `auto`."
    )
    num_retries: int = Field(2, ge=0, le=10, description="Further tries at one deployment.")
    allowed_fails: int = Field(
        5, ge=1, le=1000, description="Failures within a minute after which a deployment is rested."
    )
    cooldown_time: float = Field(
        10.0, gt=0, le=300, description="Seconds a deployment rests before a probe; doubles while it fails."
    )
    timeout: float = Field(
        600.0, gt=0, le=7200, description="Seconds for a whole request, attempts together."
    )
    connect_timeout: float = Field(10.0, gt=0, le=600, description="Seconds to connect to a vendor.")
    first_byte_timeout: float = Field(
        300.0,
        gt=0,
        le=7200,
        description="Seconds until a vendor begins to answer: the head, and the first token of a stream.",
    )
    stream_timeout: float = Field(120.0, gt=0, le=7200, description="Seconds between two parts of a stream.")


class GeneralSettings(_Section):
    """Stores and secrets (LiteLLM's `general_settings`)."""

    master_key: SecretStr | None = Field(
        None, description="Admin key with every scope; none closes admin routes."
    )
    admin_teams: list[str] = Field(
        default=[],
        description="Teams whose keys with the scope `admin` administer all teams; others' only their own.",
    )
    database_url: SecretStr = Field(
        SecretStr("sqlite:///gateway.db"), description="SQLite or PostgreSQL URL of the books."
    )
    redis_url: SecretStr | None = Field(
        None, description="Redis or Valkey that several processes share limits and budgets on; none for one."
    )
    on_state_outage: Literal["closed", "open"] = Field(
        "closed",
        description="While that server is away: refuse requests under hard budgets, or serve them unchecked.",
    )
    spool_dir: str | None = Field(
        None, description="Folder of the write-ahead spool; beside the database by default."
    )
    budget_alerts: list[Decimal] = Field(
        default=[Decimal("0.8"), Decimal(1)],
        description="Shares of a budget's limit that are logged and counted when spending reaches them.",
    )
    keys_stale_seconds: float = Field(
        300.0,
        ge=0,
        le=86_400,
        description="How much longer a key that was good is trusted while the database cannot be read; "
        "0: not at all. Until then a revocation by another process may go unseen.",
    )
    key_pepper: SecretStr | None = Field(
        None, description="Secret mixed into key hashes; generated if absent."
    )


class ServerSettings(_Section):
    """The listening side and its bounds."""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(4000, ge=0, le=65535, description="Port to listen on; 0 picks a free one.")
    workers: int = Field(
        1, ge=1, le=64, description="Processes; more than one needs stores that can be shared."
    )
    max_body_bytes: int = Field(
        20 * 2**20, ge=1024, le=2**30, description="Longest request body, decompressed."
    )
    max_concurrency: int = Field(
        4096, ge=1, le=10**6, description="Inference requests at a time; more are refused with 503."
    )
    max_answer_bytes: int = Field(
        64 * 2**20, ge=1024, le=2**31, description="Longest answer that is not streamed."
    )
    drain_seconds: float = Field(
        30.0, ge=0, le=3600, description="How long shutting down waits for requests."
    )
    head_seconds: float = Field(
        30.0, gt=0, le=600, description="Seconds a new connection may take to send its first request's head."
    )
    keepalive_seconds: float = Field(
        15.0,
        ge=0,
        le=600,
        description="Longest silence in a stream before an SSE comment (Anthropic: a `ping`) is sent; "
        "0 never. Before the first token it commits the status 200: what fails later is an error event.",
    )
    key_cache_seconds: float = Field(
        5.0, ge=0, le=300, description="How long a key is trusted before it is read again."
    )


class WorkflowSettings(_Section):
    """The durable escalation workflow; nothing of it is loaded before the first one is submitted."""

    enabled: bool = Field(default=True, description="Whether tasks may be submitted.")
    concurrency: int = Field(4, ge=1, le=256, description="Workflows a process carries out at a time.")
    max_waiting: int = Field(
        10_000, ge=1, le=1_000_000, description="Unfinished workflows of one team beyond which it gets 429."
    )
    max_task_bytes: int = Field(2 * 2**20, ge=1024, le=2**26, description="Longest task, as JSON.")
    reruns_after_interruption: int = Field(
        1,
        ge=0,
        le=5,
        description="How often a paid call is made again when the process died while it was in flight.",
    )
    lease_seconds: float = Field(
        10.0, ge=0.5, le=300, description="A process unheard of for so long loses its workflows to others."
    )
    retention_hours: float = Field(
        168.0, gt=0, le=87_600, description="Tasks and answers are erased so long after the end; events stay."
    )
    self_approval: bool = Field(
        default=False, description="Whether the key that submitted a workflow may approve it."
    )
    webhook_secret: SecretStr | None = Field(
        None, description="Signs webhooks (HMAC-SHA256); without it none is sent."
    )
    webhook_allow: list[str] = Field(
        default=[],
        description="Hosts and networks (CIDR) that may be told though they are internal or not https.",
    )


class RetentionSettings(_Section):
    """How long the ledger's rows are kept; the sums of requests that are deleted stay in every report."""

    requests_days: int | None = Field(
        None, ge=FEWEST_REQUEST_DAYS, le=36_500, description="Days requests and attempts are kept; for ever."
    )
    decisions_days: int | None = Field(
        None, ge=1, le=36_500, description="Days decision records are kept, for explaining and replaying."
    )


class LogSettings(_Section):
    """What is logged and how."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least severity logged.")
    format: Literal["json", "console"] = Field("json", description="One JSON object a line, or for people.")
    store_prompts: bool = Field(
        default=False,
        description="Keep the ask's text in decision records; off keeps offsets and numbers only.",
    )


class TeamEntry(_Section):
    """A team declared in the file; created at start, changed settings applied."""

    name: Name
    rewrite: RewriteContract = Field("auto-only", description="What may be rewritten when a model is named.")
    honours_route_wish: bool = Field(default=True, description="Whether `x-gateway-route` is obeyed.")
    baseline: Baseline = Field("all-premium", description="What savings are measured against.")
    time_zone: str = Field("UTC", description="IANA zone in which budgets and days begin.")
    packs: list[str] = Field(default=[], description="Packs laid over the organisation's for this team.")
    budget_usd: Decimal | None = Field(None, gt=0, description="Money limit per period.")
    period: Period = Field("1mo", description="Budget period.")
    rpm: int | None = Field(None, ge=1, le=10**12, description="Requests per minute.")
    tpm: int | None = Field(None, ge=1, le=10**12, description="Tokens per minute.")
    concurrency: int | None = Field(None, ge=1, le=10**12, description="Requests at a time.")


def _told_apart(teams: list[TeamEntry]) -> list[TeamEntry]:
    names = [team.name for team in teams]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"the team `{twice}` is declared twice; keep one")
    return teams


class Settings(BaseSettings):
    """The whole configuration."""

    model_config = SettingsConfigDict(
        env_prefix="GATEWAY_",
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
    )

    model_list: list[ModelEntry] = Field(default=[], description="The deployments.")
    tiers: Tiers = Tiers()
    aliases: dict[str, str] = Field(
        default={"gpt-*": "auto", "chatgpt-*": "auto", "o[0-9]*": "auto", "claude-*": "auto"},
        description="Patterns of asked names that are no deployment, and what they mean (`auto` or a name).",
    )
    policy: PolicySettings = PolicySettings.model_construct()
    router_settings: RouterSettings = RouterSettings.model_construct()
    general_settings: GeneralSettings = GeneralSettings.model_construct()
    server: ServerSettings = ServerSettings.model_construct()
    workflows: WorkflowSettings = WorkflowSettings.model_construct()
    retention: RetentionSettings = RetentionSettings.model_construct()
    log: LogSettings = LogSettings.model_construct()
    teams: Annotated[list[TeamEntry], AfterValidator(_told_apart)] = Field(
        default=[], description="Teams declared here rather than by CLI or API."
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let the environment win over the file, and nothing else take part."""
        return env_settings, init_settings
