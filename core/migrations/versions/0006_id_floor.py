"""Numbers that must not be given a second time after the database came back from a backup."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from core.types import UtcDateTime

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "id_floor",
        sa.Column("table_name", sa.String(length=40), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.Column("raised_at", UtcDateTime(), nullable=False),
        sa.Column("cause", sa.String(length=80), nullable=False),
        sa.PrimaryKeyConstraint("table_name", name=op.f("pk_id_floor")),
    )


def downgrade() -> None:
    op.drop_table("id_floor")
