"""Sums kept beside the requests; tags, what caches saved, and triggers in the request's own row."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_FIGURES = (
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
_TRIGGERS = {
    "sqlite": "(SELECT group_concat(t, ',') FROM"
    " (SELECT trigger AS t FROM request_triggers WHERE request_id = requests.id ORDER BY trigger))",
    "postgresql": "(SELECT string_agg(trigger, ',' ORDER BY trigger)"
    " FROM request_triggers WHERE request_id = requests.id)",
}


def upgrade() -> None:
    """Go forward; all hours there are have yet to be summed."""
    op.add_column("attempts", _list("card", 128))
    op.add_column("requests", _list("triggers", 2048))
    op.add_column("requests", _list("tags", 2048))
    op.add_column(
        "requests", sa.Column("cache_nano", sa.BigInteger(), nullable=False, server_default=sa.text("0"))
    )
    op.execute(
        f"UPDATE requests SET triggers = {_TRIGGERS[op.get_bind().dialect.name]}"  # noqa: S608 - our own text
        " WHERE id IN (SELECT request_id FROM request_triggers)"
    )
    op.drop_table("request_triggers")
    _create_rollup("rollups", *_dimensions(), ("triggers", 2048))
    _create_rollup(
        "key_rollups",
        *(("team_id", 64), ("key_id", 64), ("model", 128), ("tier", 32), ("status", 32)),
        *(("deployment", 128), ("provider", 128)),
    )
    _create_rollup(
        "tag_rollups", ("team_id", 64), ("key_id", 64), ("model", 128), ("tier", 32), ("tags", 2048)
    )
    op.create_table(
        "unsealed",
        *_integers("grain_s", "start_ms"),
        sa.PrimaryKeyConstraint("grain_s", "start_ms", name="unsealed_pkey"),
    )
    for grain_s in (3600, 86_400):
        op.execute(
            f"INSERT INTO unsealed SELECT DISTINCT {grain_s}, at_ms - at_ms % {grain_s * 1000} FROM requests"  # noqa: S608
        )


def downgrade() -> None:
    """Go back; which triggers fired is kept in the decisions only."""
    for table in ("unsealed", "tag_rollups", "key_rollups", "rollups"):
        op.drop_table(table)
    for column in ("cache_nano", "tags", "triggers"):
        op.drop_column("requests", column)
    op.drop_column("attempts", "card")
    op.create_table(
        "request_triggers",
        sa.Column("request_id", sa.String(64), nullable=False),
        sa.Column("trigger", sa.String(128), nullable=False),
        sa.PrimaryKeyConstraint("request_id", "trigger", name="request_triggers_pkey"),
    )


def _create_rollup(name: str, *dimensions: tuple[str, int]) -> None:
    op.create_table(
        name,
        *_integers("grain_s", "start_ms"),
        *(sa.Column(dimension, sa.String(size), nullable=False) for dimension, size in dimensions),
        *_integers(*_FIGURES),
        sa.Column("savings_squares", sa.Double(), nullable=False),
    )
    op.create_index(f"ix_{name}_at", name, ["grain_s", "start_ms"])


def _dimensions() -> tuple[tuple[str, int], ...]:
    return (
        ("team_id", 64),
        ("key_id", 64),
        ("model", 128),
        ("tier", 32),
        ("status", 32),
        ("ground", 32),
        ("deployment", 128),
        ("provider", 128),
        ("dialect", 32),
        ("client_model", 128),
        ("baseline", 32),
        ("policy_revision", 128),
        ("price_revision", 128),
    )


def _list(name: str, size: int) -> sa.Column[str]:
    return sa.Column(name, sa.String(size), nullable=False, server_default=sa.text("''"))


def _integers(*names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger(), nullable=False) for name in names]
