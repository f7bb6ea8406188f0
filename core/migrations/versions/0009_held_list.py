"""When the list that a player says it holds was given to it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from core.types import UtcDateTime

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("player", sa.Column("held_list_at", UtcDateTime(), nullable=True))


def downgrade() -> None:
    op.drop_column("player", "held_list_at")
