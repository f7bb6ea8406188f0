"""Players and their control: approval, commands, overrides, live addresses, releases, volumes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from core.types import Json, UtcDateTime

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "hour_volume",
        sa.Column("area_code", sa.String(length=12), nullable=False),
        sa.Column("percent", Json, nullable=False),
        sa.Column("changed_by_id", sa.Integer(), nullable=True),
        sa.Column("changed_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["area_code"], ["area.code"], name=op.f("fk_hour_volume_area_code_area")
        ),
        sa.ForeignKeyConstraint(
            ["changed_by_id"],
            ["user_account.id"],
            name=op.f("fk_hour_volume_changed_by_id_user_account"),
        ),
        sa.PrimaryKeyConstraint("area_code", name=op.f("pk_hour_volume")),
    )
    op.create_table(
        "live_session",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("source", sa.String(length=8), nullable=False),
        sa.Column("title", sa.String(length=120), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("villages", Json, nullable=False),
        sa.Column("started_by_id", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("on_air_at", UtcDateTime(), nullable=True),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.Column("end_cause", sa.String(length=20), nullable=True),
        sa.Column("emergency", sa.Boolean(), nullable=False),
        sa.Column("recording_sha256", sa.String(length=64), nullable=True),
        sa.Column("recording_lost_ms", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["recording_sha256"],
            ["blob.sha256"],
            name=op.f("fk_live_session_recording_sha256_blob"),
        ),
        sa.ForeignKeyConstraint(
            ["started_by_id"],
            ["user_account.id"],
            name=op.f("fk_live_session_started_by_id_user_account"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_live_session")),
    )
    with op.batch_alter_table("live_session", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_live_session_state"), ["state"], unique=False)

    op.create_table(
        "override",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=9), nullable=False),
        sa.Column("title", sa.String(length=120), nullable=False),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("source_sha256", sa.String(length=64), nullable=True),
        sa.Column("clip_sha256", sa.String(length=64), nullable=True),
        sa.Column("duration_ms", sa.Integer(), nullable=True),
        sa.Column("volume_percent", sa.Integer(), nullable=False),
        sa.Column("villages", Json, nullable=False),
        sa.Column("state", sa.String(length=9), nullable=False),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("repeat_every_s", sa.Integer(), nullable=True),
        sa.Column("valid_until", UtcDateTime(), nullable=False),
        sa.Column("created_by_id", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("confirmed_by_id", sa.Integer(), nullable=True),
        sa.Column("confirmed_at", UtcDateTime(), nullable=True),
        sa.Column("cancelled_by_id", sa.Integer(), nullable=True),
        sa.Column("cancelled_at", UtcDateTime(), nullable=True),
        sa.Column("form_token", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["cancelled_by_id"],
            ["user_account.id"],
            name=op.f("fk_override_cancelled_by_id_user_account"),
        ),
        sa.ForeignKeyConstraint(
            ["clip_sha256"], ["blob.sha256"], name=op.f("fk_override_clip_sha256_blob")
        ),
        sa.ForeignKeyConstraint(
            ["source_sha256"], ["blob.sha256"], name=op.f("fk_override_source_sha256_blob")
        ),
        sa.ForeignKeyConstraint(
            ["confirmed_by_id"],
            ["user_account.id"],
            name=op.f("fk_override_confirmed_by_id_user_account"),
        ),
        sa.ForeignKeyConstraint(
            ["created_by_id"],
            ["user_account.id"],
            name=op.f("fk_override_created_by_id_user_account"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_override")),
        sa.UniqueConstraint("form_token", name=op.f("uq_override_form_token")),
    )
    with op.batch_alter_table("override", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_override_state"), ["state"], unique=False)
        batch_op.create_index(batch_op.f("ix_override_valid_until"), ["valid_until"], unique=False)

    op.create_table(
        "player_release",
        sa.Column("version", sa.String(length=40), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size_bytes", sa.Integer(), nullable=False),
        sa.Column("signature", sa.String(length=100), nullable=False),
        sa.Column("added_by_id", sa.Integer(), nullable=True),
        sa.Column("added_at", UtcDateTime(), nullable=False),
        sa.Column("withdrawn_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["added_by_id"],
            ["user_account.id"],
            name=op.f("fk_player_release_added_by_id_user_account"),
        ),
        sa.ForeignKeyConstraint(
            ["sha256"], ["blob.sha256"], name=op.f("fk_player_release_sha256_blob")
        ),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_player_release")),
    )
    op.create_table(
        "live_listener",
        sa.Column("session_id", sa.String(length=36), nullable=False),
        sa.Column("player_id", sa.String(length=40), nullable=False),
        sa.Column("joined_at", UtcDateTime(), nullable=True),
        sa.Column("first_sound_at", UtcDateTime(), nullable=True),
        sa.Column("left_at", UtcDateTime(), nullable=True),
        sa.Column("cause", sa.String(length=20), nullable=True),
        sa.Column("lost_ms", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["player_id"], ["player.id"], name=op.f("fk_live_listener_player_id_player")
        ),
        sa.ForeignKeyConstraint(
            ["session_id"],
            ["live_session.id"],
            name=op.f("fk_live_listener_session_id_live_session"),
        ),
        sa.PrimaryKeyConstraint("session_id", "player_id", name=op.f("pk_live_listener")),
    )
    op.create_table(
        "override_play",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("override_id", sa.Integer(), nullable=False),
        sa.Column("area_code", sa.String(length=12), nullable=False),
        sa.Column("round_no", sa.Integer(), nullable=False),
        sa.Column("starts_at", UtcDateTime(), nullable=False),
        sa.Column("make_up_until", UtcDateTime(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("reason", sa.String(length=60), nullable=True),
        sa.Column("started_at", UtcDateTime(), nullable=True),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.Column("start_error_ms", sa.Double(), nullable=True),
        sa.Column("sounded_sha256", sa.String(length=64), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["area_code"], ["area.code"], name=op.f("fk_override_play_area_code_area")
        ),
        sa.ForeignKeyConstraint(
            ["override_id"], ["override.id"], name=op.f("fk_override_play_override_id_override")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_override_play")),
        sa.UniqueConstraint(
            "override_id",
            "area_code",
            "round_no",
            name=op.f("uq_override_play_override_id_area_code_round_no"),
        ),
    )
    with op.batch_alter_table("override_play", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_override_play_area_code"), ["area_code"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_override_play_override_id"), ["override_id"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_override_play_starts_at"), ["starts_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_override_play_state"), ["state"], unique=False)

    op.create_table(
        "player_command",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("player_id", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("payload", Json, nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("created_by_id", sa.Integer(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("sent_at", UtcDateTime(), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("acknowledged_at", UtcDateTime(), nullable=True),
        sa.Column("result", sa.String(length=200), nullable=True),
        sa.ForeignKeyConstraint(
            ["created_by_id"],
            ["user_account.id"],
            name=op.f("fk_player_command_created_by_id_user_account"),
        ),
        sa.ForeignKeyConstraint(
            ["player_id"], ["player.id"], name=op.f("fk_player_command_player_id_player")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_player_command")),
    )
    with op.batch_alter_table("player_command", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_player_command_player_id"), ["player_id"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_player_command_state"), ["state"], unique=False)

    op.create_table(
        "player_event",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("player_id", sa.String(length=40), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("detail", sa.String(length=200), nullable=True),
        sa.ForeignKeyConstraint(
            ["player_id"], ["player.id"], name=op.f("fk_player_event_player_id_player")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_player_event")),
    )
    with op.batch_alter_table("player_event", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_player_event_at"), ["at"], unique=False)
        batch_op.create_index(batch_op.f("ix_player_event_player_id"), ["player_id"], unique=False)

    op.create_table(
        "forked_receipt",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("player_id", sa.String(length=40), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("play_id", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.String(length=10), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("previous_hash", sa.String(length=64), nullable=False),
        sa.Column("signature", sa.String(length=100), nullable=False),
        sa.Column("received_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["player_id"], ["player.id"], name=op.f("fk_forked_receipt_player_id_player")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_forked_receipt")),
        sa.UniqueConstraint("player_id", "hash", name=op.f("uq_forked_receipt_player_id_hash")),
    )

    for table in ("play", "slot", "player"):
        loud = sa.Column("volume_percent", sa.Integer(), nullable=False, server_default="100")
        op.add_column(table, loud)
    for table in ("play", "slot"):
        again = sa.Column("on_interrupt", sa.String(8), nullable=False, server_default="restart")
        op.add_column(table, again)
    op.add_column("slot", sa.Column("priority", sa.Integer(), nullable=False, server_default="50"))
    op.add_column("player", sa.Column("approved_at", UtcDateTime()))
    op.add_column("player", sa.Column("cloned_at", UtcDateTime()))
    op.add_column("player", sa.Column("version", sa.String(40)))
    op.add_column("player", sa.Column("boot_ids", Json))
    noted: sa.Column[bool] = sa.Column(
        "noted_online", sa.Boolean(), nullable=False, server_default=sa.false()
    )
    op.add_column("player", noted)
    op.add_column("player", sa.Column("manifest_at", UtcDateTime()))
    op.add_column("case_file", sa.Column("tier", sa.String(8)))
    op.add_column("manifest_version", sa.Column("woken_at", UtcDateTime()))
    op.add_column(
        "manifest_version",
        sa.Column("woken_version", sa.Integer(), nullable=False, server_default="0"),
    )
    op.execute(
        "ALTER TABLE player ADD COLUMN approved_by_id INTEGER "
        "CONSTRAINT fk_player_approved_by_id_user_account REFERENCES user_account (id)"
    )
    op.create_index("ix_play_area_code_starts_at", "play", ["area_code", "starts_at"])
    op.execute("UPDATE player SET approved_at = enrolled_at")  # they play already


def downgrade() -> None:
    op.drop_index("ix_play_area_code_starts_at", "play")
    op.drop_column("manifest_version", "woken_version")
    op.drop_column("manifest_version", "woken_at")
    op.drop_column("case_file", "tier")
    op.drop_column("player", "manifest_at")
    for column in (
        "noted_online",
        "boot_ids",
        "approved_by_id",
        "version",
        "cloned_at",
        "approved_at",
        "volume_percent",
    ):
        op.drop_column("player", column)
    op.drop_column("slot", "priority")
    for table in ("slot", "play"):
        op.drop_column(table, "on_interrupt")
        op.drop_column(table, "volume_percent")
    with op.batch_alter_table("player_event", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_player_event_player_id"))
        batch_op.drop_index(batch_op.f("ix_player_event_at"))

    op.drop_table("player_event")
    with op.batch_alter_table("player_command", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_player_command_state"))
        batch_op.drop_index(batch_op.f("ix_player_command_player_id"))

    op.drop_table("player_command")
    with op.batch_alter_table("override_play", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_override_play_state"))
        batch_op.drop_index(batch_op.f("ix_override_play_starts_at"))
        batch_op.drop_index(batch_op.f("ix_override_play_override_id"))
        batch_op.drop_index(batch_op.f("ix_override_play_area_code"))

    op.drop_table("override_play")
    op.drop_table("live_listener")
    op.drop_table("player_release")
    with op.batch_alter_table("override", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_override_valid_until"))
        batch_op.drop_index(batch_op.f("ix_override_state"))

    op.drop_table("override")
    with op.batch_alter_table("live_session", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_live_session_state"))

    op.drop_table("live_session")
    op.drop_table("hour_volume")
    op.drop_table("forked_receipt")
