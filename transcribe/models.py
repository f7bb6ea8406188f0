"""Tables of sound turned to words."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base
from core.types import JsonList, JsonObject


class TranscriptionJob(Base):
    """The row is the job. states: queued, running, done, failed.

    ``subject_kind`` is "report" or "episode"; this room knows nothing more of either.
    """

    __tablename__ = "transcription_job"

    id: Mapped[int] = mapped_column(primary_key=True)
    subject_kind: Mapped[str] = mapped_column(sa.String(10))
    subject_id: Mapped[int]
    audio_sha256: Mapped[str] = mapped_column(sa.ForeignKey("blob.sha256"))
    priority: Mapped[int] = mapped_column(default=50)
    state: Mapped[str] = mapped_column(sa.String(10), default="queued")
    tries: Mapped[int] = mapped_column(default=0)
    worker: Mapped[str | None] = mapped_column(sa.String(80))
    lease_until: Mapped[datetime | None]
    failure_code: Mapped[str | None] = mapped_column(sa.String(40))
    failure_detail: Mapped[str | None] = mapped_column(sa.Text)
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]

    __table_args__ = (
        sa.Index("ix_transcription_job_state_priority", "state", "priority", "created_at"),
        sa.Index("ix_transcription_job_subject", "subject_kind", "subject_id"),
    )


class Transcript(Base):
    """转写稿. Version 0 is what the machine heard and never changes; people write later versions.

    ``words``: list of {"text", "start_ms", "end_ms", "confidence" (0-1, null when typed)}.
    """

    __tablename__ = "transcript"

    id: Mapped[int] = mapped_column(primary_key=True)
    subject_kind: Mapped[str] = mapped_column(sa.String(10))
    subject_id: Mapped[int]
    version: Mapped[int]
    text: Mapped[str] = mapped_column(sa.Text)
    words: Mapped[JsonList]
    confidence: Mapped[float | None]
    model_name: Mapped[str | None] = mapped_column(sa.String(120))
    model_hash: Mapped[str | None] = mapped_column(sa.String(64))
    hears_people: Mapped[bool | None]
    diagnosis: Mapped[str | None] = mapped_column(sa.String(40))
    decoder: Mapped[JsonObject | None]
    author_id: Mapped[int | None] = mapped_column(sa.ForeignKey("user_account.id"))
    created_at: Mapped[datetime]

    __table_args__ = (sa.UniqueConstraint("subject_kind", "subject_id", "version"),)
