"""Versions of teams and keys, blocked keys, and secrets that outlive their rotation for a while."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward."""
    op.add_column("teams", _version())
    op.add_column("keys", sa.Column("blocked_ms", sa.BigInteger()))
    op.add_column("keys", _version())
    op.create_table(
        "former_secrets",
        sa.Column("key_hash", sa.String(64), nullable=False),
        sa.Column("key_id", sa.String(64), nullable=False),
        sa.Column("until_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["key_id"], ["keys.id"]),
        sa.PrimaryKeyConstraint("key_hash"),
    )
    op.create_index("ix_former_secrets_key", "former_secrets", ["key_id"])


def downgrade() -> None:
    """Go back."""
    op.drop_table("former_secrets")
    op.drop_column("keys", "version")
    op.drop_column("keys", "blocked_ms")
    op.drop_column("teams", "version")


def _version() -> sa.Column[int]:
    return sa.Column("version", sa.BigInteger(), nullable=False, server_default=sa.text("1"))
