"""Transcription as a service: fair queue, hearings kept, local words, search, redaction."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from core.types import Json, UtcDateTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "hearing",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("pcm_sha256", sa.String(length=64), nullable=False),
        sa.Column("model_hash", sa.String(length=64), nullable=False),
        sa.Column("result", Json, nullable=False),
        sa.Column("source", sa.String(length=8), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_hearing")),
    )
    with op.batch_alter_table("hearing", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_hearing_model_hash"), ["model_hash"], unique=False)
        batch_op.create_index(batch_op.f("ix_hearing_pcm_sha256"), ["pcm_sha256"], unique=False)

    op.create_table(
        "transcript_gram",
        sa.Column(
            "gram",
            sa.String(length=24).with_variant(sa.String(24, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("subject_kind", sa.String(length=10), nullable=False),
        sa.Column("subject_id", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint(
            "gram", "subject_kind", "subject_id", name=op.f("pk_transcript_gram")
        ),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "search_text",
        sa.Column("subject_kind", sa.String(length=10), nullable=False),
        sa.Column("subject_id", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("sounds", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("subject_kind", "subject_id", name=op.f("pk_search_text")),
    )

    op.create_table(
        "confidence_floor",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("area_code", sa.String(length=12), nullable=True),
        sa.Column("floor", sa.Double(), nullable=True),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.Column("set_by_id", sa.Integer(), nullable=False),
        sa.Column("set_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["area_code"], ["area.code"], name=op.f("fk_confidence_floor_area_code_area")
        ),
        sa.ForeignKeyConstraint(
            ["set_by_id"],
            ["user_account.id"],
            name=op.f("fk_confidence_floor_set_by_id_user_account"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_confidence_floor")),
    )
    with op.batch_alter_table("confidence_floor", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_confidence_floor_area_code"), ["area_code"], unique=False
        )

    op.create_table(
        "area_grammar",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("area_code", sa.String(length=12), nullable=False),
        sa.Column("model_hash", sa.String(length=64), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("sentences", Json, nullable=False),
        sa.Column("held_out", sa.Integer(), nullable=False),
        sa.Column("characters", sa.Integer(), nullable=False),
        sa.Column("better", sa.Integer(), nullable=False),
        sa.Column("worse", sa.Integer(), nullable=False),
        sa.Column("cer_without", sa.Double(), nullable=True),
        sa.Column("cer_with", sa.Double(), nullable=True),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("note", sa.String(length=300), nullable=True),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("measured_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["area_code"], ["area.code"], name=op.f("fk_area_grammar_area_code_area")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_area_grammar")),
    )
    with op.batch_alter_table("area_grammar", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_area_grammar_area_code"), ["area_code"], unique=False)

    op.create_table(
        "learning",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("trained_at", UtcDateTime(), nullable=False),
        sa.Column("until_case_id", sa.Integer(), nullable=False),
        sa.Column("decisions", sa.Integer(), nullable=False),
        sa.Column("kept_apart", sa.Integer(), nullable=False),
        sa.Column("seed_f1", sa.Double(), nullable=False),
        sa.Column("seed_f1_before", sa.Double(), nullable=False),
        sa.Column("decided_f1", sa.Double(), nullable=True),
        sa.Column("decided_f1_before", sa.Double(), nullable=True),
        sa.Column("in_use", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_learning")),
    )
    op.create_table(
        "local_term",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("area_code", sa.String(length=12), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("text", sa.String(length=40), nullable=False),
        sa.Column("meaning", sa.String(length=80), nullable=True),
        sa.Column("pieces", Json, nullable=True),
        sa.Column("known_to", sa.String(length=64), nullable=True),
        sa.Column("unknown_to", sa.String(length=64), nullable=True),
        sa.Column("added_by_id", sa.Integer(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["added_by_id"],
            ["user_account.id"],
            name=op.f("fk_local_term_added_by_id_user_account"),
        ),
        sa.ForeignKeyConstraint(
            ["area_code"], ["area.code"], name=op.f("fk_local_term_area_code_area")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_local_term")),
        sa.UniqueConstraint("area_code", "text", name=op.f("uq_local_term_area_code_text")),
    )
    with op.batch_alter_table("local_term", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_local_term_area_code"), ["area_code"], unique=False)

    op.create_table(
        "redacted_sound",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("subject_kind", sa.String(length=10), nullable=False),
        sa.Column("subject_id", sa.Integer(), nullable=False),
        sa.Column("transcript_id", sa.Integer(), nullable=False),
        sa.Column("audio_sha256", sa.String(length=64), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("spans", Json, nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["audio_sha256"], ["blob.sha256"], name=op.f("fk_redacted_sound_audio_sha256_blob")
        ),
        sa.ForeignKeyConstraint(
            ["sha256"], ["blob.sha256"], name=op.f("fk_redacted_sound_sha256_blob")
        ),
        sa.ForeignKeyConstraint(
            ["transcript_id"],
            ["transcript.id"],
            name=op.f("fk_redacted_sound_transcript_id_transcript"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_redacted_sound")),
        sa.UniqueConstraint(
            "transcript_id",
            "audio_sha256",
            name=op.f("uq_redacted_sound_transcript_id_audio_sha256"),
        ),
    )
    with op.batch_alter_table("report", schema=None) as batch_op:
        batch_op.add_column(sa.Column("proposed_certainty", sa.Double(), nullable=True))

    with op.batch_alter_table("transcript", schema=None) as batch_op:
        batch_op.add_column(sa.Column("readable", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("readable_map", Json, nullable=True))
        batch_op.add_column(sa.Column("alternatives", Json, nullable=True))
        batch_op.add_column(sa.Column("remarks", Json, nullable=True))
        batch_op.add_column(sa.Column("repairs", Json, nullable=True))
        batch_op.add_column(
            sa.Column("verbatim", sa.Boolean(), server_default=sa.false(), nullable=False)
        )

    with op.batch_alter_table("transcription_job", schema=None) as batch_op:
        batch_op.add_column(sa.Column("duration_ms", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("due_rank", UtcDateTime(), nullable=True))
        batch_op.add_column(sa.Column("stream_key", sa.String(length=120), nullable=True))
        batch_op.add_column(sa.Column("area_code", sa.String(length=12), nullable=True))
        batch_op.add_column(sa.Column("language", sa.String(length=20), nullable=True))
        batch_op.add_column(sa.Column("model_hash", sa.String(length=64), nullable=True))
        batch_op.add_column(sa.Column("took_ms", sa.Integer(), nullable=True))
        batch_op.drop_index(batch_op.f("ix_transcription_job_state_priority"))
    op.execute("UPDATE transcription_job SET due_rank = created_at")
    with op.batch_alter_table("transcription_job", schema=None) as batch_op:
        batch_op.alter_column("due_rank", existing_type=UtcDateTime(), nullable=False)
        batch_op.create_index(
            "ix_transcription_job_state_priority", ["state", "priority", "due_rank"], unique=False
        )
        batch_op.create_foreign_key(
            batch_op.f("fk_transcription_job_area_code_area"), "area", ["area_code"], ["code"]
        )

    with op.batch_alter_table("user_account", schema=None) as batch_op:
        batch_op.add_column(sa.Column("dialects", Json, nullable=True))
    _index_what_is_there()


def _index_what_is_there() -> None:
    """Order the search index of the reports that came before it; the server makes it."""
    event = sa.table(
        "outbox_event",
        sa.column("kind", sa.String),
        sa.column("payload", Json),
        sa.column("created_at", UtcDateTime()),
        sa.column("state", sa.String),
        sa.column("tries", sa.Integer),
        sa.column("due_at", UtcDateTime()),
    )
    newest = sa.func.max(sa.column("received_at", UtcDateTime()), type_=UtcDateTime())
    order = sa.select(
        sa.literal("search.reindex"),
        sa.literal({"after": 0}, Json),
        newest,
        sa.literal("new"),
        sa.literal(0),
        newest,
    )
    op.execute(
        sa.insert(event).from_select(
            [column.name for column in event.columns],
            order.select_from(sa.table("report")).having(sa.func.count() > 0),
        )
    )


def downgrade() -> None:
    with op.batch_alter_table("user_account", schema=None) as batch_op:
        batch_op.drop_column("dialects")

    with op.batch_alter_table("transcription_job", schema=None) as batch_op:
        batch_op.drop_constraint(
            batch_op.f("fk_transcription_job_area_code_area"), type_="foreignkey"
        )
        batch_op.drop_index("ix_transcription_job_state_priority")
        batch_op.create_index(
            batch_op.f("ix_transcription_job_state_priority"),
            ["state", "priority", "created_at"],
            unique=False,
        )
        batch_op.drop_column("took_ms")
        batch_op.drop_column("model_hash")
        batch_op.drop_column("language")
        batch_op.drop_column("area_code")
        batch_op.drop_column("stream_key")
        batch_op.drop_column("due_rank")
        batch_op.drop_column("duration_ms")

    with op.batch_alter_table("transcript", schema=None) as batch_op:
        batch_op.drop_column("verbatim")
        batch_op.drop_column("repairs")
        batch_op.drop_column("remarks")
        batch_op.drop_column("alternatives")
        batch_op.drop_column("readable_map")
        batch_op.drop_column("readable")

    with op.batch_alter_table("report", schema=None) as batch_op:
        batch_op.drop_column("proposed_certainty")

    op.drop_table("redacted_sound")
    with op.batch_alter_table("local_term", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_local_term_area_code"))

    op.drop_table("local_term")
    op.drop_table("learning")
    with op.batch_alter_table("area_grammar", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_area_grammar_area_code"))

    op.drop_table("area_grammar")
    with op.batch_alter_table("confidence_floor", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_confidence_floor_area_code"))

    op.drop_table("confidence_floor")
    op.drop_table("search_text")
    op.drop_table("transcript_gram")
    with op.batch_alter_table("hearing", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_hearing_pcm_sha256"))
        batch_op.drop_index(batch_op.f("ix_hearing_model_hash"))

    op.drop_table("hearing")
