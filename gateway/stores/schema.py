"""The tables.

The columns of `attempts`, `requests`, `decisions` and `outcomes` are named as their record's fields; the last
three of `requests` are those of the one attempt it took, where it holds that too (see `attempts_sql`).
Ledger rows refer to teams and keys without foreign keys: the books outlive what they speak of.
"""

from __future__ import annotations

from typing import TypeAlias

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

REVISION = "0010"
"""The Alembic revision these tables are at."""

LARGEST = 10**15
"""Bound of every integer kept: a million dollars, or the year 33658; keeps the sums inside 64 bits."""

Value: TypeAlias = str | int | bool | None

_ID = String(64)
_NAME = String(128)
_WORD = String(32)
_LIST = String(2048)
"""Names in order, each once, separated by commas; none of them holds one."""

metadata = MetaData()

alembic_version = Table(
    "alembic_version",
    metadata,
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)

meta = Table(
    "meta",
    metadata,
    Column("name", _ID, primary_key=True),
    Column("value", Text, nullable=False),
)

teams = Table(
    "teams",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("name", _ID, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("rewrite", _WORD, nullable=False),
    Column("honours_route_wish", Boolean, nullable=False),
    Column("baseline", _WORD, nullable=False),
    Column("time_zone", _ID, nullable=False),
    Column("deleted_ms", BigInteger),
    Column("version", BigInteger, nullable=False, server_default=text("1")),
    Column("rpm", BigInteger),
    Column("tpm", BigInteger),
    Column("concurrency", BigInteger),
)
_live_team = text("deleted_ms IS NULL")
_team_names = Index("ux_teams_name", teams.c.name, unique=True)

keys = Table(
    "keys",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("name", _ID, nullable=False),
    Column("team_id", _ID, ForeignKey("teams.id"), nullable=False),
    Column("last4", String(4), nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("scopes", Text, nullable=False),
    Column("allowed_models", Text),
    Column("expires_ms", BigInteger),
    Column("revoked_ms", BigInteger),
    Column("key_hash", _ID, nullable=False),
    Column("blocked_ms", BigInteger),
    Column("version", BigInteger, nullable=False, server_default=text("1")),
    Column("rpm", BigInteger),
    Column("tpm", BigInteger),
    Column("concurrency", BigInteger),
    Column("packs", Text, nullable=False, server_default=text("'[]'")),
    Column("rewrite", _WORD),
    UniqueConstraint("key_hash", name="ux_keys_hash"),
)
_live_key = text("revoked_ms IS NULL")
_key_names = Index("ux_keys_name", keys.c.team_id, keys.c.name, unique=True)

former_secrets = Table(
    "former_secrets",
    metadata,
    Column("key_hash", _ID, primary_key=True),
    Column("key_id", _ID, ForeignKey("keys.id"), nullable=False),
    Column("until_ms", BigInteger, nullable=False),
    Index("ix_former_secrets_key", "key_id"),
)

budgets = Table(
    "budgets",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("scope", _NAME, nullable=False),
    Column("limit_nano", BigInteger, nullable=False),
    Column("period", _WORD, nullable=False),
    Column("hard", Boolean, nullable=False),
    UniqueConstraint("scope", "period", name="ux_budgets_scope_period"),
)

audit = Table(
    "audit",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("actor", _ID, nullable=False),
    Column("act", _WORD, nullable=False),
    Column("object_id", _ID, nullable=False),
    Column("detail", Text, nullable=False),
    Index("ix_audit_at", "at_ms"),
)

attempts = Table(
    "attempts",
    metadata,
    Column("id", _ID, nullable=False),
    Column("request_id", _ID, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("deployment", _NAME, nullable=False),
    Column("provider", _NAME, nullable=False),
    Column("model", _NAME, nullable=False),
    Column("tier", _WORD, nullable=False),
    Column("outcome", _WORD, nullable=False),
    Column("status", BigInteger, nullable=False),
    Column("delivered", Boolean, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("cache_read_tokens", BigInteger, nullable=False),
    Column("cache_write_5m_tokens", BigInteger, nullable=False),
    Column("cache_write_1h_tokens", BigInteger, nullable=False),
    Column("reasoning_tokens", BigInteger, nullable=False),
    Column("cost_nano", BigInteger, nullable=False),
    Column("estimated", Boolean, nullable=False),
    Column("latency_ms", BigInteger, nullable=False),
    Column("card", _NAME, nullable=False, server_default=text("''")),
    PrimaryKeyConstraint("request_id", "id", name="attempts_pkey"),
)

requests = Table(
    "requests",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("team_id", _ID, nullable=False),
    Column("key_id", _ID, nullable=False),
    Column("dialect", _WORD, nullable=False),
    Column("client_model", _NAME, nullable=False),
    Column("stream", Boolean, nullable=False),
    Column("status", _WORD, nullable=False),
    Column("http_status", BigInteger, nullable=False),
    Column("tier", _WORD, nullable=False),
    Column("ground", _WORD, nullable=False),
    Column("model", _NAME, nullable=False),
    Column("deployment", _NAME, nullable=False),
    Column("provider", _NAME, nullable=False),
    Column("attempts", BigInteger, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("cache_read_tokens", BigInteger, nullable=False),
    Column("cache_write_5m_tokens", BigInteger, nullable=False),
    Column("cache_write_1h_tokens", BigInteger, nullable=False),
    Column("reasoning_tokens", BigInteger, nullable=False),
    Column("cost_nano", BigInteger, nullable=False),
    Column("wasted_nano", BigInteger, nullable=False),
    Column("baseline", _WORD, nullable=False),
    Column("baseline_nano", BigInteger),
    Column("estimated", Boolean, nullable=False),
    Column("latency_ms", BigInteger, nullable=False),
    Column("first_byte_ms", BigInteger, nullable=False),
    Column("session", _NAME, nullable=False),
    Column("policy_revision", _NAME, nullable=False),
    Column("price_revision", _NAME, nullable=False),
    Column("triggers", _LIST, nullable=False, server_default=text("''")),
    Column("tags", _LIST, nullable=False, server_default=text("''")),
    Column("cache_nano", BigInteger, nullable=False, server_default=text("0")),
    Column("card", _NAME),
    Column("called_ms", BigInteger),
    Column("call_ms", BigInteger),
    # The money is in the index, so that what a team has spent is read from the index alone.
    Index("ix_requests_team", "team_id", "at_ms", "cost_nano"),
    Index("ix_requests_key", "key_id", "at_ms", "cost_nano"),
    Index("ix_requests_at", "at_ms"),
)

decisions = Table(
    "decisions",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("request_id", _ID, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("team_id", _ID, nullable=False),
    Column("record", Text, nullable=False),
    Index("ix_decisions_at", "at_ms", "id"),
)

outcomes = Table(
    "outcomes",
    metadata,
    Column("id", _NAME, primary_key=True),
    Column("decision_id", _ID, nullable=False),
    Column("request_id", _ID, nullable=False),
    Column("team_id", _ID, nullable=False),
    Column("key_id", _ID, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("decided_ms", BigInteger, nullable=False),
    Column("label", _WORD, nullable=False),
    Column("said", Boolean, nullable=False),
    Column("tier", _WORD, nullable=False),
    Column("missed", _ID, nullable=False),
    Column("comment", String(2_000), nullable=False),
    Index("ix_outcomes_decision", "decision_id"),
    Index("ix_outcomes_decided", "decided_ms"),
)

workflows = Table(
    "workflows",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("team_id", _ID, nullable=False),
    Column("key_id", _ID, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("state", _WORD, nullable=False),
    Column("priority", _WORD, nullable=False),
    Column("task", Text, nullable=False),
    Column("idempotency", _ID),
    Column("digest", _ID, nullable=False),
    Column("webhook", Text, nullable=False),
    Column("finished_ms", BigInteger),
    UniqueConstraint("team_id", "idempotency", name="ux_workflows_idempotency"),
    Index("ix_workflows_state", "state", "id"),
    Index("ix_workflows_team", "team_id", "id"),
)

workflow_events = Table(
    "workflow_events",
    metadata,
    Column("workflow_id", _ID, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("kind", _WORD, nullable=False),
    Column("step", _WORD),
    Column("detail", Text, nullable=False),
    PrimaryKeyConstraint("workflow_id", "seq", name="workflow_events_pkey"),
)

workflow_answers = Table(
    "workflow_answers",
    metadata,
    Column("workflow_id", _ID, primary_key=True),
    Column("request_id", _ID, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("body", Text, nullable=False),
)

workflow_workers = Table(
    "workflow_workers",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("seen_ms", BigInteger, nullable=False),
)


def _rollup(name: str, dimensions: tuple[str, ...]) -> Table:
    """Return a table of sums over requests alike in `dimensions`, by spans of time."""
    return Table(
        name,
        metadata,
        Column("grain_s", BigInteger, nullable=False),
        Column("start_ms", BigInteger, nullable=False),
        *(Column(dimension, requests.c[dimension].type, nullable=False) for dimension in dimensions),
        *(Column(figure, BigInteger, nullable=False) for figure in SUMMED),
        Column("savings_squares", Double, nullable=False),
        Index(f"ix_{name}_at", "grain_s", "start_ms"),
    )


SUMMED = (
    "requests",
    "failed",
    "cancelled",
    "interrupted",
    "attempts",
    "premium_requests",
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "reasoning_tokens",
    "cost_nano",
    "wasted_nano",
    "cache_nano",
    "baseline_nano",
    "compared_cost_nano",
    "unpriced_baselines",
    "estimated",
    "estimated_nano",
)
"""The whole-numbered sums of a rollup, as of a ReportLine."""

rollups = _rollup(
    "rollups",
    (
        "team_id",
        "key_id",
        "model",
        "tier",
        "status",
        "ground",
        "deployment",
        "provider",
        "dialect",
        "client_model",
        "baseline",
        "policy_revision",
        "price_revision",
        "triggers",
    ),
)
key_rollups = _rollup(
    "key_rollups", ("team_id", "key_id", "model", "tier", "status", "deployment", "provider")
)
team_rollups = _rollup("team_rollups", ("team_id", "model", "tier", "status", "deployment", "provider"))
"""What most reports ask for, in few rows."""
tag_rollups = _rollup("tag_rollups", ("team_id", "key_id", "model", "tier", "tags"))
"""Apart, because tags may be many: a ticket's number as a tag must not swell the other sums."""

unsealed = Table(
    "unsealed",
    metadata,
    Column("grain_s", BigInteger, nullable=False),
    Column("start_ms", BigInteger, nullable=False),
    PrimaryKeyConstraint("grain_s", "start_ms", name="unsealed_pkey"),
)
"""Hours and days whose rollups do not hold all of their requests."""


def fit_text(value: str, size: int) -> str:
    """Return `value` without NULs, which PostgreSQL cannot hold, and no longer than `size`."""
    return value.replace("\0", "")[:size]


def speak(dialect: str) -> None:
    """Let the names of what is deleted be given again; to name a dialect loads all of it, so only one is."""
    for index, live in ((_team_names, _live_team), (_key_names, _live_key)):
        index.dialect_kwargs[f"{dialect}_where"] = live
