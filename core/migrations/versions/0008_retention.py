"""What is deleted when: sound and words that have gone, cases that are held, files on their way."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from core.types import UtcDateTime

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "leaving_blob",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("since", UtcDateTime(), nullable=False),
        sa.Column("why", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_leaving_blob")),
    )
    op.create_table(
        "retention_watch",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("looked_at", UtcDateTime(), nullable=False),
        sa.Column("not_before", UtcDateTime(), nullable=False),
        sa.Column("ran_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_retention_watch")),
    )
    op.create_table(
        "case_hold",
        sa.Column("case_id", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("held_by_id", sa.Integer(), nullable=False),
        sa.Column("held_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["case_id"], ["case_file.id"], name=op.f("fk_case_hold_case_id_case_file")
        ),
        sa.ForeignKeyConstraint(
            ["held_by_id"], ["user_account.id"], name=op.f("fk_case_hold_held_by_id_user_account")
        ),
        sa.PrimaryKeyConstraint("case_id", name=op.f("pk_case_hold")),
    )
    op.add_column("case_file", sa.Column("words_gone_at", UtcDateTime(), nullable=True))
    op.add_column("report", sa.Column("sound_gone_at", UtcDateTime(), nullable=True))
    op.add_column("report", sa.Column("words_gone_at", UtcDateTime(), nullable=True))
    op.add_column("report", sa.Column("gone_because", sa.String(length=40), nullable=True))


def downgrade() -> None:
    for column in ("gone_because", "words_gone_at", "sound_gone_at"):
        op.drop_column("report", column)
    op.drop_column("case_file", "words_gone_at")
    op.drop_table("case_hold")
    op.drop_table("retention_watch")
    op.drop_table("leaving_blob")
