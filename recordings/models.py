"""Tables of the sound we keep."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base
from core.types import JsonList, JsonObject


class Clip(Base):
    """音频文件: facts about one sound blob. ``peaks`` are 0-100 maxima, about 10 per second."""

    __tablename__ = "clip"

    sha256: Mapped[str] = mapped_column(sa.ForeignKey("blob.sha256"), primary_key=True)
    rendition: Mapped[str] = mapped_column(sa.String(10))  # original, master, delivery, sounded
    codec: Mapped[str] = mapped_column(sa.String(20))
    duration_ms: Mapped[int]
    sample_rate_hz: Mapped[int]
    channels: Mapped[int]
    loudness_lufs: Mapped[float | None]
    peaks: Mapped[JsonList | None]
    made_from_sha256: Mapped[str | None] = mapped_column(sa.String(64))
    created_at: Mapped[datetime]


class Programme(Base):
    """栏目: a series, such as the station chief's weekly talk."""

    __tablename__ = "programme"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(80))
    description: Mapped[str] = mapped_column(sa.Text, default="")
    area_code: Mapped[str] = mapped_column(sa.ForeignKey("area.code"))
    opening_sha256: Mapped[str | None] = mapped_column(sa.ForeignKey("clip.sha256"))
    closing_sha256: Mapped[str | None] = mapped_column(sa.ForeignKey("clip.sha256"))
    created_at: Mapped[datetime]


class Episode(Base):
    """节目（第N期). states: processing, failed, ready, submitted, approved, rejected."""

    __tablename__ = "episode"

    id: Mapped[int] = mapped_column(primary_key=True)
    programme_id: Mapped[int] = mapped_column(sa.ForeignKey("programme.id"), index=True)
    number: Mapped[int]
    title: Mapped[str] = mapped_column(sa.String(120))
    source: Mapped[str] = mapped_column(sa.String(10))  # upload, script, phone
    submit_when_ready: Mapped[bool] = mapped_column(default=False)
    script: Mapped[str | None] = mapped_column(sa.Text)
    trim_start_ms: Mapped[int] = mapped_column(default=0)
    trim_end_ms: Mapped[int] = mapped_column(default=0)
    state: Mapped[str] = mapped_column(sa.String(12))
    failure: Mapped[str | None] = mapped_column(sa.Text)  # English template, see failure_params
    failure_params: Mapped[JsonObject | None]
    warnings: Mapped[JsonList | None]  # [{"message": English template, "params": {...}}]
    original_sha256: Mapped[str | None] = mapped_column(sa.String(64))
    master_sha256: Mapped[str | None] = mapped_column(sa.String(64))
    delivery_sha256: Mapped[str | None] = mapped_column(sa.String(64))
    created_by_id: Mapped[int | None] = mapped_column(sa.ForeignKey("user_account.id"))
    created_at: Mapped[datetime]
    decided_by_id: Mapped[int | None] = mapped_column(sa.ForeignKey("user_account.id"))
    decided_at: Mapped[datetime | None]
    decision_reason: Mapped[str | None] = mapped_column(sa.Text)

    __table_args__ = (sa.UniqueConstraint("programme_id", "number"),)


class RenderJob(Base):
    """The row is the job: make an episode's renditions. states: queued, running, done, failed."""

    __tablename__ = "render_job"

    id: Mapped[int] = mapped_column(primary_key=True)
    episode_id: Mapped[int] = mapped_column(sa.ForeignKey("episode.id"), index=True)
    state: Mapped[str] = mapped_column(sa.String(10), default="queued", index=True)
    step: Mapped[str] = mapped_column(sa.String(20), default="waiting")
    progress_percent: Mapped[int] = mapped_column(default=0)
    tries: Mapped[int] = mapped_column(default=0)
    worker: Mapped[str | None] = mapped_column(sa.String(80))
    lease_until: Mapped[datetime | None]
    failure: Mapped[str | None] = mapped_column(sa.Text)
    created_at: Mapped[datetime]
