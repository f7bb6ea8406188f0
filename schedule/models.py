"""Tables of what airs when."""

from __future__ import annotations

from datetime import date, datetime, time

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from core.clock import utc_now
from core.database import Base
from core.types import JsonList


class Slot(Base):
    """时段: recurring local wall time in which a programme airs.

    ``weekdays``: ISO numbers 1 (Monday) - 7. ``local_time`` + ``zone`` is what people planned.
    ``effective_from``: the last change; occurrences before it are never made.
    """

    __tablename__ = "slot"

    id: Mapped[int] = mapped_column(primary_key=True)
    programme_id: Mapped[int] = mapped_column(sa.ForeignKey("programme.id"), index=True)
    name: Mapped[str] = mapped_column(sa.String(80))
    local_time: Mapped[time]
    zone: Mapped[str] = mapped_column(sa.String(40))
    weekdays: Mapped[JsonList]
    first_date: Mapped[date]
    last_date: Mapped[date]
    make_up_minutes: Mapped[int] = mapped_column(default=60)
    priority: Mapped[int] = mapped_column(default=50)  # the ladder of broadcast: 10-70
    volume_percent: Mapped[int] = mapped_column(default=100)
    on_interrupt: Mapped[str] = mapped_column(sa.String(8), default="restart")
    """What becomes of a play that something more urgent broke off: resume, restart, skip."""
    active: Mapped[bool] = mapped_column(default=True)
    created_by_id: Mapped[int | None] = mapped_column(sa.ForeignKey("user_account.id"))
    created_at: Mapped[datetime]
    effective_from: Mapped[datetime] = mapped_column(default=utc_now)
    version: Mapped[int] = mapped_column(default=1)


class SlotVillage(Base):
    """The villages a slot is for."""

    __tablename__ = "slot_village"

    slot_id: Mapped[int] = mapped_column(sa.ForeignKey("slot.id"), primary_key=True)
    area_code: Mapped[str] = mapped_column(sa.ForeignKey("area.code"), primary_key=True)


class Play(Base):
    """播出任务: one slot x village x local date; planned, sent, played, proved.

    states: planned (no approved episode or no player yet), published, played, missed, cancelled.
    """

    __tablename__ = "play"

    id: Mapped[int] = mapped_column(primary_key=True)
    slot_id: Mapped[int] = mapped_column(sa.ForeignKey("slot.id"))
    area_code: Mapped[str] = mapped_column(sa.ForeignKey("area.code"))
    local_date: Mapped[date]
    starts_at: Mapped[datetime] = mapped_column(index=True)
    make_up_until: Mapped[datetime]
    episode_id: Mapped[int | None] = mapped_column(sa.ForeignKey("episode.id"))
    clip_sha256: Mapped[str | None] = mapped_column(sa.String(64))
    duration_ms: Mapped[int | None]
    priority: Mapped[int] = mapped_column(default=50)
    volume_percent: Mapped[int] = mapped_column(default=100)
    on_interrupt: Mapped[str] = mapped_column(sa.String(8), default="restart")
    state: Mapped[str] = mapped_column(sa.String(10), default="planned", index=True)
    reason: Mapped[str | None] = mapped_column(sa.String(60))
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    start_error_ms: Mapped[float | None]
    sounded_sha256: Mapped[str | None] = mapped_column(sa.String(64))
    revision: Mapped[int] = mapped_column(default=1)

    __table_args__ = (
        sa.UniqueConstraint("slot_id", "area_code", "local_date"),
        sa.Index("ix_play_area_code_starts_at", "area_code", "starts_at"),
    )


class VillageQuiet(Base):
    """静音: a village head's order; plays of the village that start within it are left out.

    Emergency overrides are not bound by it. ``lifted_at``: ended early.
    """

    __tablename__ = "village_quiet"

    id: Mapped[int] = mapped_column(primary_key=True)
    area_code: Mapped[str] = mapped_column(sa.ForeignKey("area.code"), index=True)
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime] = mapped_column(index=True)
    lifted_at: Mapped[datetime | None]
    ordered_by_id: Mapped[int] = mapped_column(sa.ForeignKey("user_account.id"))
    channel: Mapped[str] = mapped_column(sa.String(6))  # phone, page
    created_at: Mapped[datetime]
