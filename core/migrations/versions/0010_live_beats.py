"""Beats of the process that carries a live address."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "live_session", sa.Column("beats", sa.Integer, nullable=False, server_default="0")
    )


def downgrade() -> None:
    op.drop_column("live_session", "beats")
