"""Decisions without an index by request: a decision's id follows from its request's."""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward."""
    op.drop_index("ix_decisions_request", "decisions")


def downgrade() -> None:
    """Go back."""
    op.create_index("ix_decisions_request", "decisions", ["request_id"])
