"""Tables of answered and missed calls."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base
from core.types import JsonList


class CallRecord(Base):
    """One telephone call as the journal told it. ``steps``: [{"at", "state", "event"}]."""

    __tablename__ = "call_record"

    call_id: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    caller_sealed: Mapped[str | None] = mapped_column(sa.Text)
    caller_hash: Mapped[str | None] = mapped_column(sa.String(64), index=True)
    called: Mapped[str | None] = mapped_column(sa.String(80))
    started_at: Mapped[datetime] = mapped_column(index=True)
    answered_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    end_cause: Mapped[str] = mapped_column(sa.String(30))
    steps: Mapped[JsonList]
    report_id: Mapped[int | None] = mapped_column(sa.ForeignKey("report.id"))
    needs_call_back: Mapped[bool] = mapped_column(default=False)
    kind: Mapped[str] = mapped_column(sa.String(10), default="report")  # as journal.Entry.kind
    village_code: Mapped[str | None] = mapped_column(sa.ForeignKey("area.code"))
    language: Mapped[str] = mapped_column(sa.String(20), default="zh_CN")
    call_back_id: Mapped[int | None] = mapped_column(sa.ForeignKey("call_back.id"), index=True)


class CallBack(Base):
    """回电任务: somebody was not heard, or was promised a call. One open task for each number.

    ``reason``: the gravest so far (hotline.callbacks names them). ``open_key``: the caller's hash
    while the task is open, else null; a withheld number has a task for each call.
    """

    __tablename__ = "call_back"

    id: Mapped[int] = mapped_column(primary_key=True)
    open_key: Mapped[str | None] = mapped_column(sa.String(80), unique=True)
    caller_sealed: Mapped[str | None] = mapped_column(sa.Text)
    caller_hash: Mapped[str | None] = mapped_column(sa.String(64), index=True)
    village_code: Mapped[str | None] = mapped_column(sa.ForeignKey("area.code"), index=True)
    report_id: Mapped[int | None] = mapped_column(sa.ForeignKey("report.id"))
    confidential: Mapped[bool] = mapped_column(default=False)
    reason: Mapped[str] = mapped_column(sa.String(20))
    calls: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime]
    last_call_at: Mapped[datetime]
    due_at: Mapped[datetime] = mapped_column(index=True)
    state: Mapped[str] = mapped_column(sa.String(6), default="open", index=True)  # open, done
    tries: Mapped[int] = mapped_column(default=0)
    last_tried_at: Mapped[datetime | None]
    tried: Mapped[JsonList | None]  # each try: {"at", "by" (user id), "result", "note"}
    outcome: Mapped[str | None] = mapped_column(sa.String(20))
    note: Mapped[str | None] = mapped_column(sa.Text)
    done_by_id: Mapped[int | None] = mapped_column(sa.ForeignKey("user_account.id"))
    done_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(default=1)


class OutgoingCall(Base):
    """A call we make: the row is the order. ``attempts``: as hotline.outgoing.contract.Attempt.

    states: wanted, sent (telephony has it), done. Numbers are looked up when it is sent.
    """

    __tablename__ = "outgoing_call"

    id: Mapped[str] = mapped_column(sa.String(36), primary_key=True)
    kind: Mapped[str] = mapped_column(sa.String(8))  # bridge, human, duty
    state: Mapped[str] = mapped_column(sa.String(8), default="wanted", index=True)
    case_id: Mapped[int | None] = mapped_column(sa.ForeignKey("case_file.id"), index=True)
    call_back_id: Mapped[int | None] = mapped_column(sa.ForeignKey("call_back.id"), index=True)
    call_id: Mapped[str | None] = mapped_column(sa.String(64), index=True)
    requested_by_id: Mapped[int | None] = mapped_column(sa.ForeignKey("user_account.id"))
    requested_at: Mapped[datetime] = mapped_column(index=True)
    expires_at: Mapped[datetime]
    attempts: Mapped[JsonList | None]
    joined_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    talked_ms: Mapped[int] = mapped_column(default=0)
    result: Mapped[str | None] = mapped_column(sa.String(12))


class DutyPhone(Base):
    """值班电话: a phone rung for a caller who needs somebody now; order of ringing by ``order_no``.

    ``kind``: duty (just cheated), human (key 0). ``area_code``: it answers for the villages below.
    ``from_time``, ``until_time``: local "HH:MM"; "22:00"-"06:00" passes midnight.
    """

    __tablename__ = "duty_phone"

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(sa.String(6))
    area_code: Mapped[str] = mapped_column(sa.ForeignKey("area.code"), index=True)
    name: Mapped[str] = mapped_column(sa.String(80))
    number_sealed: Mapped[str] = mapped_column(sa.Text)
    order_no: Mapped[int] = mapped_column(default=1)
    from_time: Mapped[str] = mapped_column(sa.String(5), default="00:00")
    until_time: Mapped[str] = mapped_column(sa.String(5), default="24:00")
    active: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime]


class StaffPhone(Base):
    """What the hotline knows of somebody who works here: phone for bridges, number and PIN to key.

    ``staff_no``: six digits. A wrong PIN counts in ``failed_pins`` and locks.
    """

    __tablename__ = "staff_phone"

    user_id: Mapped[int] = mapped_column(sa.ForeignKey("user_account.id"), primary_key=True)
    staff_no: Mapped[str | None] = mapped_column(sa.String(6), unique=True)
    number_sealed: Mapped[str | None] = mapped_column(sa.Text)
    pin_hash: Mapped[str | None] = mapped_column(sa.String(200))
    failed_pins: Mapped[int] = mapped_column(default=0)
    locks: Mapped[int] = mapped_column(default=0)
    locked_until: Mapped[datetime | None]
    programme_id: Mapped[int | None] = mapped_column(sa.ForeignKey("programme.id"))
    changed_at: Mapped[datetime]


class HotlineLine(Base):
    """A number people dial that belongs to one village."""

    __tablename__ = "hotline_line"

    called: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    village_code: Mapped[str] = mapped_column(sa.ForeignKey("area.code"))
    created_at: Mapped[datetime]


class MailboxMessage(Base):
    """A message of a mailbox or spool folder that was looked at; the same never comes in twice.

    ``message_key``: "imap:<hash of the mail's headers>", with "#<part>" for each of its sounds;
    "spool:<hash of its id>" or "spool:sound:<sha256>". ``content_sha256``: of the sound, which is
    its report's source key too. ``report_id`` null: nothing usable was in it, ``note`` says what.
    """

    __tablename__ = "mailbox_message"

    id: Mapped[int] = mapped_column(primary_key=True)
    message_key: Mapped[str] = mapped_column(sa.String(200), unique=True)
    content_sha256: Mapped[str | None] = mapped_column(sa.String(64), index=True)
    source: Mapped[str] = mapped_column(sa.String(10))  # imap, spool
    seen_at: Mapped[datetime]
    report_id: Mapped[int | None] = mapped_column(sa.ForeignKey("report.id"))
    note: Mapped[str | None] = mapped_column(sa.String(200))


class IntakeSource(Base):
    """Another vendor's system that hands in reports over a signed webhook.

    ``secret_before_sealed`` is good until ``secret_before_until`` while the secret rotates.
    """

    __tablename__ = "intake_source"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(80), unique=True)
    area_code: Mapped[str | None] = mapped_column(sa.ForeignKey("area.code"))
    secret_sealed: Mapped[str] = mapped_column(sa.Text)
    secret_before_sealed: Mapped[str | None] = mapped_column(sa.Text)
    secret_before_until: Mapped[datetime | None]
    active: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]
