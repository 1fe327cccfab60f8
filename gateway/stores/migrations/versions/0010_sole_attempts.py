"""Requests that hold the one attempt they took."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward."""
    op.add_column("requests", sa.Column("card", sa.String(128)))
    op.add_column("requests", sa.Column("called_ms", sa.BigInteger()))
    op.add_column("requests", sa.Column("call_ms", sa.BigInteger()))


def downgrade() -> None:
    """Go back, with a row for every attempt again."""
    op.execute(
        "INSERT INTO attempts (id, request_id, at_ms, deployment, provider, model, tier, outcome, status, "
        "delivered, input_tokens, output_tokens, cache_read_tokens, cache_write_5m_tokens, "
        "cache_write_1h_tokens, reasoning_tokens, cost_nano, estimated, latency_ms, card) "
        "SELECT id || '.0', id, called_ms, deployment, provider, model, tier, 'ok', 200, true, input_tokens, "
        "output_tokens, cache_read_tokens, cache_write_5m_tokens, cache_write_1h_tokens, reasoning_tokens, "
        "cost_nano, estimated, call_ms, card FROM requests WHERE card IS NOT NULL"
    )
    for name in ("call_ms", "called_ms", "card"):
        op.drop_column("requests", name)
