"""Indexes that fit the questions: overrides of many villages, and when a player last sounded."""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

REPLACED = ("area_code", "override_id", "state")
"""Columns of override_play whose index is the beginning of a longer one."""


def upgrade() -> None:
    for column in REPLACED:
        op.drop_index(f"ix_override_play_{column}", "override_play")
    for column in ("area_code", "state"):
        name = f"ix_override_play_{column}_make_up_until"
        op.create_index(name, "override_play", [column, "make_up_until"])
    op.create_index(
        "ix_live_listener_player_id_first_sound_at",
        "live_listener",
        ["player_id", "first_sound_at"],
    )


def downgrade() -> None:
    op.drop_index("ix_live_listener_player_id_first_sound_at", "live_listener")
    for column in ("area_code", "state"):
        op.drop_index(f"ix_override_play_{column}_make_up_until", "override_play")
    for column in REPLACED:
        op.create_index(f"ix_override_play_{column}", "override_play", [column])
