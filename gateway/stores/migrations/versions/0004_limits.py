"""Limits of pace on teams and keys."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_COLUMNS = ("rpm", "tpm", "concurrency")


def upgrade() -> None:
    """Go forward."""
    for table in ("teams", "keys"):
        for name in _COLUMNS:
            op.add_column(table, sa.Column(name, sa.BigInteger()))


def downgrade() -> None:
    """Go back."""
    for table in ("teams", "keys"):
        for name in _COLUMNS:
            op.drop_column(table, name)
