"""What became of decisions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward."""
    op.create_table(
        "outcomes",
        sa.Column("id", sa.String(128), primary_key=True),
        sa.Column("decision_id", sa.String(64), nullable=False),
        sa.Column("request_id", sa.String(64), nullable=False),
        sa.Column("team_id", sa.String(64), nullable=False),
        sa.Column("key_id", sa.String(64), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("decided_ms", sa.BigInteger(), nullable=False),
        sa.Column("label", sa.String(32), nullable=False),
        sa.Column("said", sa.Boolean(), nullable=False),
        sa.Column("tier", sa.String(32), nullable=False),
        sa.Column("missed", sa.String(64), nullable=False),
        sa.Column("comment", sa.String(2_000), nullable=False),
    )
    op.create_index("ix_outcomes_decision", "outcomes", ["decision_id"])
    op.create_index("ix_outcomes_decided", "outcomes", ["decided_ms"])


def downgrade() -> None:
    """Go back."""
    op.drop_table("outcomes")
