"""The first tables: directory, ledger and decisions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_LIVE_TEAM = sa.text("deleted_ms IS NULL")
_LIVE_KEY = sa.text("revoked_ms IS NULL")


def upgrade() -> None:
    """Go forward."""
    _create_directory()
    _create_attempts()
    _create_requests()
    _create_decisions()


def downgrade() -> None:
    """Go back."""
    for table in (
        "decisions",
        "request_triggers",
        "requests",
        "attempts",
        "audit",
        "budgets",
        "keys",
        "teams",
        "meta",
    ):
        op.drop_table(table)


def _string(name: str, size: int) -> sa.Column[str]:
    return sa.Column(name, sa.String(size), nullable=False)


def _ids(*names: str) -> list[sa.Column[str]]:
    return [_string(name, 64) for name in names]


def _names(*names: str) -> list[sa.Column[str]]:
    return [_string(name, 128) for name in names]


def _words(*names: str) -> list[sa.Column[str]]:
    return [_string(name, 32) for name in names]


def _integers(*names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger(), nullable=False) for name in names]


def _flag(name: str) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean(), nullable=False)


def _text(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=nullable)


def _create_directory() -> None:
    op.create_table("meta", *_ids("name"), _text("value"), sa.PrimaryKeyConstraint("name"))
    op.create_table(
        "teams",
        *_ids("id", "name"),
        *_integers("created_ms"),
        *_words("rewrite"),
        _flag("honours_route_wish"),
        *_words("baseline"),
        *_ids("time_zone"),
        sa.Column("deleted_ms", sa.BigInteger()),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "keys",
        *_ids("id", "name", "team_id"),
        _string("last4", 4),
        *_integers("created_ms"),
        _text("scopes"),
        _text("allowed_models", nullable=True),
        sa.Column("expires_ms", sa.BigInteger()),
        sa.Column("revoked_ms", sa.BigInteger()),
        *_ids("key_hash"),
        sa.ForeignKeyConstraint(["team_id"], ["teams.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("key_hash", name="ux_keys_hash"),
    )
    _create_unique("ux_teams_name", "teams", ["name"], _LIVE_TEAM)
    _create_unique("ux_keys_name", "keys", ["team_id", "name"], _LIVE_KEY)
    op.create_table(
        "budgets",
        *_ids("id"),
        *_names("scope"),
        *_integers("limit_nano"),
        *_words("period"),
        _flag("hard"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("scope", "period", name="ux_budgets_scope_period"),
    )
    op.create_table(
        "audit",
        *_ids("id"),
        *_integers("at_ms"),
        *_ids("actor"),
        *_words("act"),
        *_ids("object_id"),
        _text("detail"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_audit_at", "audit", ["at_ms"])


def _create_unique(name: str, table: str, columns: list[str], where: sa.TextClause) -> None:
    op.create_index(name, table, columns, unique=True, sqlite_where=where, postgresql_where=where)


def _token_columns() -> list[sa.Column[int]]:
    return _integers(
        "input_tokens",
        "output_tokens",
        "cache_read_tokens",
        "cache_write_5m_tokens",
        "cache_write_1h_tokens",
        "reasoning_tokens",
    )


def _create_attempts() -> None:
    op.create_table(
        "attempts",
        *_ids("id", "request_id"),
        *_integers("at_ms"),
        *_names("deployment", "provider", "model"),
        *_words("tier", "outcome"),
        *_integers("status"),
        _flag("delivered"),
        *_token_columns(),
        *_integers("cost_nano"),
        _flag("estimated"),
        *_integers("latency_ms"),
        sa.PrimaryKeyConstraint("request_id", "id", name="attempts_pkey"),
    )


def _create_requests() -> None:
    op.create_table(
        "requests",
        *_ids("id"),
        *_integers("at_ms"),
        *_ids("team_id", "key_id"),
        *_words("dialect"),
        *_names("client_model"),
        _flag("stream"),
        *_words("status"),
        *_integers("http_status"),
        *_words("tier", "ground"),
        *_names("model", "deployment", "provider"),
        *_integers("attempts"),
        *_token_columns(),
        *_integers("cost_nano", "wasted_nano"),
        *_words("baseline"),
        sa.Column("baseline_nano", sa.BigInteger()),
        _flag("estimated"),
        *_integers("latency_ms", "first_byte_ms"),
        *_names("session", "policy_revision", "price_revision"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_requests_team", "requests", ["team_id", "at_ms", "cost_nano"])
    op.create_index("ix_requests_key", "requests", ["key_id", "at_ms", "cost_nano"])
    op.create_index("ix_requests_at", "requests", ["at_ms"])
    op.create_table(
        "request_triggers",
        *_ids("request_id"),
        *_names("trigger"),
        sa.PrimaryKeyConstraint("request_id", "trigger", name="request_triggers_pkey"),
    )


def _create_decisions() -> None:
    op.create_table(
        "decisions",
        *_ids("id", "request_id"),
        *_integers("at_ms"),
        *_ids("team_id"),
        _text("record"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_decisions_request", "decisions", ["request_id"])
    op.create_index("ix_decisions_at", "decisions", ["at_ms", "id"])
