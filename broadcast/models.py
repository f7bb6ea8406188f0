"""Tables of loudspeakers and what they proved."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base
from core.types import JsonList, JsonObject


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
    manifest_at: Mapped[datetime | None]  # when that version was given to it for the first time
    held_list_at: Mapped[datetime | None]  # when the list it says it holds was given to it
    health: Mapped[JsonObject | None]
    approved_at: Mapped[datetime | None]  # null: enrolled, and nobody has said yes to it yet
    approved_by_id: Mapped[int | None] = mapped_column(sa.ForeignKey("user_account.id"))
    cloned_at: Mapped[datetime | None]  # its key was used by two boxes at the same time
    version: Mapped[str | None] = mapped_column(sa.String(40))  # of the program, as it told last
    boot_ids: Mapped[JsonList | None]  # as told by health, the newest last; see broadcast.clones
    noted_online: Mapped[bool] = mapped_column(default=False)  # what the history said last
    volume_percent: Mapped[int] = mapped_column(default=100)


class PlayerEvent(Base):
    """What happened to a player. ``kind``: enrolled, approved, revoked, online, offline, problem,
    over, cloned, single, updated, command. ``detail``: a code or words of the
    player; of problem and over: the code of the problem."""

    __tablename__ = "player_event"

    id: Mapped[int] = mapped_column(primary_key=True)
    player_id: Mapped[str] = mapped_column(sa.ForeignKey("player.id"), index=True)
    at: Mapped[datetime] = mapped_column(index=True)
    kind: Mapped[str] = mapped_column(sa.String(12))
    detail: Mapped[str | None] = mapped_column(sa.String(200))


class PlayerCommand(Base):
    """Something a player is to do once. states: wanted, done, refused, expired.

    ``kind``: as broadcast.commands names them. It is repeated until ``acknowledged_at``; the
    player does the same ``id`` once however often it comes.
    """

    __tablename__ = "player_command"

    id: Mapped[str] = mapped_column(sa.String(36), primary_key=True)
    player_id: Mapped[str] = mapped_column(sa.ForeignKey("player.id"), index=True)
    kind: Mapped[str] = mapped_column(sa.String(16))
    payload: Mapped[JsonObject]
    state: Mapped[str] = mapped_column(sa.String(8), default="wanted", index=True)
    created_by_id: Mapped[int | None] = mapped_column(sa.ForeignKey("user_account.id"))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    tries: Mapped[int] = mapped_column(default=0)
    acknowledged_at: Mapped[datetime | None]
    result: Mapped[str | None] = mapped_column(sa.String(200))


class HourVolume(Base):
    """How loud an area is at each hour of the day. ``percent``: 24 numbers, 0-100, local hours."""

    __tablename__ = "hour_volume"

    area_code: Mapped[str] = mapped_column(sa.ForeignKey("area.code"), primary_key=True)
    percent: Mapped[JsonList]
    changed_by_id: Mapped[int | None] = mapped_column(sa.ForeignKey("user_account.id"))
    changed_at: Mapped[datetime]


class Override(Base):
    """应急插播: emergency (100), drill (95) or notice (70), by words or by a clip (``source``).

    states: preparing (the sound is being made), ready (waits for the second yes), on_air,
    cancelled, ended, failed. ``repeat_every_s`` null: once.
    """

    __tablename__ = "override"

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(sa.String(9))
    title: Mapped[str] = mapped_column(sa.String(120))
    text: Mapped[str | None] = mapped_column(sa.Text)
    source_sha256: Mapped[str | None] = mapped_column(sa.ForeignKey("blob.sha256"))
    clip_sha256: Mapped[str | None] = mapped_column(sa.ForeignKey("blob.sha256"))
    duration_ms: Mapped[int | None]
    volume_percent: Mapped[int] = mapped_column(default=100)
    villages: Mapped[JsonList]
    state: Mapped[str] = mapped_column(sa.String(9), default="preparing", index=True)
    failure: Mapped[str | None] = mapped_column(sa.Text)
    repeat_every_s: Mapped[int | None]
    valid_until: Mapped[datetime] = mapped_column(index=True)
    created_by_id: Mapped[int] = mapped_column(sa.ForeignKey("user_account.id"))
    created_at: Mapped[datetime]
    confirmed_by_id: Mapped[int | None] = mapped_column(sa.ForeignKey("user_account.id"))
    confirmed_at: Mapped[datetime | None]
    cancelled_by_id: Mapped[int | None] = mapped_column(sa.ForeignKey("user_account.id"))
    cancelled_at: Mapped[datetime | None]
    form_token: Mapped[str] = mapped_column(sa.String(64), unique=True)
    version: Mapped[int] = mapped_column(default=1)


class OverridePlay(Base):
    """One round of an override in one village: planned, sent, sounded and proved like a play.

    ``id`` lies above OVERRIDE_IDS, so that players and receipts know one row of numbers only.
    """

    __tablename__ = "override_play"

    id: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True, autoincrement=False)
    override_id: Mapped[int] = mapped_column(sa.ForeignKey("override.id"))
    area_code: Mapped[str] = mapped_column(sa.ForeignKey("area.code"))
    round_no: Mapped[int]
    starts_at: Mapped[datetime] = mapped_column(index=True)
    make_up_until: Mapped[datetime]
    state: Mapped[str] = mapped_column(sa.String(10), default="planned")
    reason: Mapped[str | None] = mapped_column(sa.String(60))
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    start_error_ms: Mapped[float | None]
    sounded_sha256: Mapped[str | None] = mapped_column(sa.String(64))
    revision: Mapped[int] = mapped_column(default=1)

    __table_args__ = (
        sa.UniqueConstraint("override_id", "area_code", "round_no"),
        sa.Index("ix_override_play_area_code_make_up_until", "area_code", "make_up_until"),
        sa.Index("ix_override_play_state_make_up_until", "state", "make_up_until"),
    )


OVERRIDE_IDS = 1_000_000_000
"""Numbers of override plays begin above this, those of planned plays stay below it."""


class LiveSession(Base):
    """喊话: somebody speaks to villages now. ``source``: browser, phone.

    states: opening (players are called), on_air, ended, failed. ``emergency``: ranks with an
    emergency, so that quiet hours do not hold it back. ``recording_sha256``: what was said, kept
    like any sound; ``recording_lost_ms`` of it did not reach the disk. ``beats``: see live_beats.
    """

    __tablename__ = "live_session"

    id: Mapped[str] = mapped_column(sa.String(36), primary_key=True)
    source: Mapped[str] = mapped_column(sa.String(8))
    title: Mapped[str] = mapped_column(sa.String(120))
    state: Mapped[str] = mapped_column(sa.String(8), default="opening", index=True)
    villages: Mapped[JsonList]
    started_by_id: Mapped[int] = mapped_column(sa.ForeignKey("user_account.id"))
    created_at: Mapped[datetime]
    on_air_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    end_cause: Mapped[str | None] = mapped_column(sa.String(20))
    emergency: Mapped[bool] = mapped_column(default=False)
    recording_sha256: Mapped[str | None] = mapped_column(sa.ForeignKey("blob.sha256"))
    recording_lost_ms: Mapped[int] = mapped_column(default=0)
    beats: Mapped[int] = mapped_column(default=0, server_default="0")


class LiveListener(Base):
    """A player that took part in a live address, or should have. ``lost_ms``: silence in it."""

    __tablename__ = "live_listener"

    session_id: Mapped[str] = mapped_column(sa.ForeignKey("live_session.id"), primary_key=True)
    player_id: Mapped[str] = mapped_column(sa.ForeignKey("player.id"), primary_key=True)
    joined_at: Mapped[datetime | None]
    first_sound_at: Mapped[datetime | None]
    left_at: Mapped[datetime | None]
    cause: Mapped[str | None] = mapped_column(sa.String(20))
    lost_ms: Mapped[int] = mapped_column(default=0)

    __table_args__ = (
        sa.Index("ix_live_listener_player_id_first_sound_at", "player_id", "first_sound_at"),
    )


class PlayerRelease(Base):
    """A program for players: a wheel, signed with the key that signs manifests."""

    __tablename__ = "player_release"

    version: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    sha256: Mapped[str] = mapped_column(sa.ForeignKey("blob.sha256"))
    size_bytes: Mapped[int]
    signature: Mapped[str] = mapped_column(sa.String(100))
    added_by_id: Mapped[int | None] = mapped_column(sa.ForeignKey("user_account.id"))
    added_at: Mapped[datetime]
    withdrawn_at: Mapped[datetime | None]


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
    woken_at: Mapped[datetime | None]  # when the broker took the wake-up for woken_version
    woken_version: Mapped[int] = mapped_column(default=0)


class Receipt(Base):
    """播出回执: signed statement of a player that a play happened or why it did not.

    ``body`` is what it said, word for word; the other columns are what that counts for: what was
    sounded into a file for want of a sound card is missed, for the reason ``no_card``.
    """

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


class ForkedReceipt(Base):
    """A genuine receipt beside the chain: its number was used by another box with the same key.

    Kept as it came; it changes no play.
    """

    __tablename__ = "forked_receipt"

    id: Mapped[int] = mapped_column(primary_key=True)
    player_id: Mapped[str] = mapped_column(sa.ForeignKey("player.id"))
    seq: Mapped[int]
    play_id: Mapped[int]
    outcome: Mapped[str] = mapped_column(sa.String(10))
    body: Mapped[str] = mapped_column(sa.Text)
    hash: Mapped[str] = mapped_column(sa.String(64))
    previous_hash: Mapped[str] = mapped_column(sa.String(64))
    signature: Mapped[str] = mapped_column(sa.String(100))
    received_at: Mapped[datetime]

    __table_args__ = (sa.UniqueConstraint("player_id", "hash"),)
