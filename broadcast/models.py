"""Tables of loudspeakers and what they proved."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base
from core.types import JsonObject


class Player(Base):
    """村级播控终端: the village box that runs edge/. Secrets are stored as hashes only."""

    __tablename__ = "player"

    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    area_code: Mapped[str] = mapped_column(sa.ForeignKey("area.code"), index=True)
    name: Mapped[str] = mapped_column(sa.String(80))
    public_key: Mapped[str] = mapped_column(sa.String(64))
    token_hash: Mapped[str] = mapped_column(sa.String(64), unique=True)
    mqtt_password_hash: Mapped[str] = mapped_column(sa.String(160))
    enrolled_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    last_seen_at: Mapped[datetime | None]
    online: Mapped[bool] = mapped_column(default=False)
    manifest_version: Mapped[int | None]
    health: Mapped[JsonObject | None]


class Speaker(Base):
    """大喇叭: one endpoint with a driver. ``driver_settings`` belong to the driver."""

    __tablename__ = "speaker"

    id: Mapped[int] = mapped_column(primary_key=True)
    area_code: Mapped[str] = mapped_column(sa.ForeignKey("area.code"), index=True)
    name: Mapped[str] = mapped_column(sa.String(80))
    driver: Mapped[str] = mapped_column(sa.String(20), default="player")
    driver_settings: Mapped[JsonObject | None]
    player_id: Mapped[str | None] = mapped_column(sa.ForeignKey("player.id"))


class EnrolmentCode(Base):
    """One-time code that lets a new player in; stored as a hash."""

    __tablename__ = "enrolment_code"

    code_hash: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    area_code: Mapped[str] = mapped_column(sa.ForeignKey("area.code"))
    name: Mapped[str] = mapped_column(sa.String(80))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    player_id: Mapped[str | None] = mapped_column(sa.String(40))


class ManifestVersion(Base):
    """The last manifest signed for an area: its version grows by one whenever the content does."""

    __tablename__ = "manifest_version"

    area_code: Mapped[str] = mapped_column(sa.ForeignKey("area.code"), primary_key=True)
    version: Mapped[int]
    content_hash: Mapped[str] = mapped_column(sa.String(64))
    issued_at: Mapped[datetime]


class Receipt(Base):
    """播出回执: signed statement of a player that a play happened or why it did not."""

    __tablename__ = "receipt"

    id: Mapped[int] = mapped_column(primary_key=True)
    player_id: Mapped[str] = mapped_column(sa.ForeignKey("player.id"))
    seq: Mapped[int]
    play_id: Mapped[int] = mapped_column(index=True)
    outcome: Mapped[str] = mapped_column(sa.String(10))  # played, missed
    reason: Mapped[str | None] = mapped_column(sa.String(60))
    clip_sha256: Mapped[str | None] = mapped_column(sa.String(64))
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    start_error_ms: Mapped[float | None]
    body: Mapped[str] = mapped_column(sa.Text)
    hash: Mapped[str] = mapped_column(sa.String(64))
    previous_hash: Mapped[str] = mapped_column(sa.String(64))
    signature: Mapped[str] = mapped_column(sa.String(100))
    received_at: Mapped[datetime]

    __table_args__ = (sa.UniqueConstraint("player_id", "seq"),)
