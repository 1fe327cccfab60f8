"""Sums by team, in fewer rows than those by key, from which they are made."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
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
_DIMENSIONS = (
    ("team_id", 64),
    ("model", 128),
    ("tier", 32),
    ("status", 32),
    ("deployment", 128),
    ("provider", 128),
)


def upgrade() -> None:
    """Go forward."""
    op.create_table(
        "team_rollups",
        *_integers("grain_s", "start_ms"),
        *(sa.Column(name, sa.String(size), nullable=False) for name, size in _DIMENSIONS),
        *_integers(*_FIGURES),
        sa.Column("savings_squares", sa.Double(), nullable=False),
    )
    op.create_index("ix_team_rollups_at", "team_rollups", ["grain_s", "start_ms"])
    groups = ", ".join(["grain_s", "start_ms", *(name for name, _ in _DIMENSIONS)])
    sums = ", ".join(f"sum({name})" for name in (*_FIGURES, "savings_squares"))
    op.execute(f"INSERT INTO team_rollups SELECT {groups}, {sums} FROM key_rollups GROUP BY {groups}")  # noqa: S608


def downgrade() -> None:
    """Go back."""
    op.drop_table("team_rollups")


def _integers(*names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger(), nullable=False) for name in names]
