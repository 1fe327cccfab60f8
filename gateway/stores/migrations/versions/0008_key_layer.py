"""Packs and a rewrite contract of a key's own."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward."""
    op.add_column("keys", sa.Column("packs", sa.Text(), nullable=False, server_default="[]"))
    op.add_column("keys", sa.Column("rewrite", sa.String(32)))


def downgrade() -> None:
    """Go back."""
    for name in ("rewrite", "packs"):
        op.drop_column("keys", name)
