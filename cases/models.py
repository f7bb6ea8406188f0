"""Tables from report to resolution."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base
from core.types import JsonList


class ReferenceNumber(Base):
    """Numbers handed out in blocks, so that a call can promise one while the database is away."""

    __tablename__ = "reference_number"

    number: Mapped[str] = mapped_column(sa.String(9), primary_key=True)
    block: Mapped[str] = mapped_column(sa.String(36), index=True)
    reserved_at: Mapped[datetime]
    bound_at: Mapped[datetime | None]


class Report(Base):
    """诉求: what arrived. states: received, under_review, accepted, rejected, duplicate.

    ``sound_gone_at``, ``words_gone_at``: when they were removed as cases.retention prescribes
    (``gone_because`` names the rule); what else the row says stays for the statistics.
    """

    __tablename__ = "report"

    id: Mapped[int] = mapped_column(primary_key=True)
    reference_no: Mapped[str] = mapped_column(sa.String(9), unique=True)
    source_key: Mapped[str] = mapped_column(sa.String(120), unique=True)
    channel: Mapped[str] = mapped_column(sa.String(10))  # phone, web, mailbox, upload, typed
    state: Mapped[str] = mapped_column(sa.String(14), default="received", index=True)
    received_at: Mapped[datetime] = mapped_column(index=True)
    village_code: Mapped[str | None] = mapped_column(sa.ForeignKey("area.code"), index=True)
    audio_sha256: Mapped[str | None] = mapped_column(sa.ForeignKey("blob.sha256"))
    duration_ms: Mapped[int | None]
    peaks: Mapped[JsonList | None]
    sound_failure: Mapped[str | None] = mapped_column(sa.String(20))  # cases.intake names them
    typed_text: Mapped[str | None] = mapped_column(sa.Text)
    caller_sealed: Mapped[str | None] = mapped_column(sa.Text)
    caller_hash: Mapped[str | None] = mapped_column(sa.String(64), index=True)
    pin_hash: Mapped[str | None] = mapped_column(sa.String(64))
    confidential: Mapped[bool] = mapped_column(default=False)
    urgent: Mapped[bool] = mapped_column(default=False)
    urgent_reason: Mapped[str | None] = mapped_column(sa.String(40))
    cut_off: Mapped[bool] = mapped_column(default=False)
    end_cause: Mapped[str | None] = mapped_column(sa.String(30))
    consent_version: Mapped[str | None] = mapped_column(sa.String(20))
    consent_channel: Mapped[str | None] = mapped_column(sa.String(10))  # key, speech, web
    consent_at: Mapped[datetime | None]
    proposed_service: Mapped[str | None] = mapped_column(sa.String(40))
    proposed_reason: Mapped[str | None] = mapped_column(sa.String(200))
    proposed_village_code: Mapped[str | None] = mapped_column(sa.ForeignKey("area.code"))
    proposed_urgent: Mapped[bool] = mapped_column(default=False)
    proposed_hits: Mapped[JsonList | None]  # as cases.triage.Proposal.hits
    proposed_certainty: Mapped[float | None]  # 0-1, of the likeliest kind; null: not asked yet
    summary: Mapped[str | None] = mapped_column(sa.Text)
    dialect: Mapped[str | None] = mapped_column(sa.String(40))
    draft: Mapped[str | None] = mapped_column(sa.Text)
    draft_by_id: Mapped[int | None] = mapped_column(sa.ForeignKey("user_account.id"))
    on_behalf: Mapped[bool] = mapped_column(default=False)  # the caller is a helper
    resident_name: Mapped[str | None] = mapped_column(
        sa.String(80)
    )  # on_behalf: whose trouble it is
    resident_phone_sealed: Mapped[str | None] = mapped_column(sa.Text)
    point_code: Mapped[str | None] = mapped_column(sa.ForeignKey("report_point.code"))
    entered_by_id: Mapped[int | None] = mapped_column(sa.ForeignKey("user_account.id"))
    reject_reason: Mapped[str | None] = mapped_column(sa.Text)
    reject_route: Mapped[str | None] = mapped_column(sa.Text)
    sound_gone_at: Mapped[datetime | None]
    words_gone_at: Mapped[datetime | None]
    gone_because: Mapped[str | None] = mapped_column(sa.String(40))
    changed_by_id: Mapped[int | None] = mapped_column(sa.ForeignKey("user_account.id"))
    changed_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(default=1)


class ReportEvent(Base):
    """Every change of a report: who, when, from, to, why."""

    __tablename__ = "report_event"

    id: Mapped[int] = mapped_column(primary_key=True)
    report_id: Mapped[int] = mapped_column(sa.ForeignKey("report.id"), index=True)
    at: Mapped[datetime]
    actor_id: Mapped[int | None] = mapped_column(sa.ForeignKey("user_account.id"))
    action: Mapped[str] = mapped_column(sa.String(30))
    before: Mapped[str | None] = mapped_column(sa.String(14))
    after: Mapped[str | None] = mapped_column(sa.String(14))
    reason: Mapped[str | None] = mapped_column(sa.Text)


class Case(Base):
    """事项: what is handled. ``status`` is one of cases.lifecycle.CaseStatus.

    ``tier``: one of cases.lifecycle.TIERS; None is the one that handles the level first.
    ``words_gone_at``: when its words were removed as cases.retention prescribes.
    """

    __tablename__ = "case_file"

    id: Mapped[int] = mapped_column(primary_key=True)
    case_no: Mapped[str] = mapped_column(sa.String(20), unique=True)
    title: Mapped[str] = mapped_column(sa.String(120))
    summary: Mapped[str] = mapped_column(sa.Text)
    service_code: Mapped[str | None] = mapped_column(sa.String(40))
    level: Mapped[str] = mapped_column(sa.String(14), default="general")
    tier: Mapped[str | None] = mapped_column(sa.String(8))
    urgent: Mapped[bool] = mapped_column(default=False)
    confidential: Mapped[bool] = mapped_column(default=False)
    status: Mapped[str] = mapped_column(sa.String(18), index=True)
    village_code: Mapped[str | None] = mapped_column(sa.ForeignKey("area.code"), index=True)
    owner_id: Mapped[int] = mapped_column(sa.ForeignKey("user_account.id"), index=True)
    handler_id: Mapped[int | None] = mapped_column(sa.ForeignKey("user_account.id"))
    cycle_no: Mapped[int] = mapped_column(default=1)
    verification_outcome: Mapped[str | None] = mapped_column(sa.String(20))
    words_gone_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime]


class CaseReport(Base):
    """Which reports a case answers: one may become several, several may become one."""

    __tablename__ = "case_report"

    case_id: Mapped[int] = mapped_column(sa.ForeignKey("case_file.id"), primary_key=True)
    report_id: Mapped[int] = mapped_column(sa.ForeignKey("report.id"), primary_key=True, index=True)


class CaseEvent(Base):
    """Every change of a case: who, when, from, to, why, in which cycle."""

    __tablename__ = "case_event"

    id: Mapped[int] = mapped_column(primary_key=True)
    case_id: Mapped[int] = mapped_column(sa.ForeignKey("case_file.id"), index=True)
    at: Mapped[datetime]
    actor_id: Mapped[int | None] = mapped_column(sa.ForeignKey("user_account.id"))
    action: Mapped[str] = mapped_column(sa.String(30))
    before: Mapped[str | None] = mapped_column(sa.String(18))
    after: Mapped[str | None] = mapped_column(sa.String(18))
    reason: Mapped[str | None] = mapped_column(sa.Text)
    cycle_no: Mapped[int]


class StatusGuess(Base):
    """Tries to prove something by a number and a PIN; see cases.guessing.

    Of a place the tries come from, ``locked_until`` is when all its tries have come back.
    """

    __tablename__ = "status_guess"

    key: Mapped[str] = mapped_column(sa.String(80), primary_key=True)
    tries: Mapped[int] = mapped_column(default=0)
    locks: Mapped[int] = mapped_column(default=0)
    locked_until: Mapped[datetime | None]
    last_at: Mapped[datetime]


class ResidentWord(Base):
    """A resident said of the own report: not satisfied. Each ``source_key`` counts once.

    ``outcome``: as cases.residents.Outcome. ``said_report_id``: the voice that says why.
    """

    __tablename__ = "resident_word"

    source_key: Mapped[str] = mapped_column(sa.String(120), primary_key=True)
    report_id: Mapped[int] = mapped_column(sa.ForeignKey("report.id"), index=True)
    at: Mapped[datetime]
    outcome: Mapped[str] = mapped_column(sa.String(10))
    said_report_id: Mapped[int | None] = mapped_column(sa.ForeignKey("report.id"))


class Learning(Base):
    """One training of the proposals of a kind, from the seed sentences and decided cases.

    ``until_case_id``: cases up to this one were learnt from. ``seed_f1``, ``decided_f1``: macro-F1
    (0-1) on the held-out sentences and on cases kept apart; ``*_before``: of the one before.
    ``in_use``: it was no worse than the one before.
    """

    __tablename__ = "learning"

    id: Mapped[int] = mapped_column(primary_key=True)
    trained_at: Mapped[datetime]
    until_case_id: Mapped[int]
    decisions: Mapped[int]
    kept_apart: Mapped[int]
    seed_f1: Mapped[float]
    seed_f1_before: Mapped[float]
    decided_f1: Mapped[float | None]
    decided_f1_before: Mapped[float | None]
    in_use: Mapped[bool]


class ReportPoint(Base):
    """A QR code finer than a village: a building, some 30 households. ``code``: in its address."""

    __tablename__ = "report_point"

    code: Mapped[str] = mapped_column(sa.String(16), primary_key=True)
    village_code: Mapped[str] = mapped_column(sa.ForeignKey("area.code"), index=True)
    label: Mapped[str] = mapped_column(sa.String(60))
    households: Mapped[int | None]
    active: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime]

    __table_args__ = (sa.UniqueConstraint("village_code", "label"),)


class ReportPhoto(Base):
    """A picture that came with a report, without its hidden facts (place, device)."""

    __tablename__ = "report_photo"

    report_id: Mapped[int] = mapped_column(sa.ForeignKey("report.id"), primary_key=True)
    sha256: Mapped[str] = mapped_column(sa.ForeignKey("blob.sha256"), primary_key=True)
    width_px: Mapped[int]
    height_px: Mapped[int]


class CaseReply(Base):
    """What the handler says to the resident: sound (8 kHz WAV, for the telephone) and its text."""

    __tablename__ = "case_reply"

    id: Mapped[int] = mapped_column(primary_key=True)
    case_id: Mapped[int] = mapped_column(sa.ForeignKey("case_file.id"), index=True)
    sha256: Mapped[str] = mapped_column(sa.ForeignKey("blob.sha256"))
    duration_ms: Mapped[int]
    text: Mapped[str | None] = mapped_column(sa.Text)
    by_id: Mapped[int] = mapped_column(sa.ForeignKey("user_account.id"))
    at: Mapped[datetime]
    withdrawn_at: Mapped[datetime | None]


class CaseHold(Base):
    """A case of which nothing may be deleted while the row is there; the audit trail keeps who
    held it and who lifted that."""

    __tablename__ = "case_hold"

    case_id: Mapped[int] = mapped_column(sa.ForeignKey("case_file.id"), primary_key=True)
    reason: Mapped[str] = mapped_column(sa.Text)
    held_by_id: Mapped[int] = mapped_column(sa.ForeignKey("user_account.id"))
    held_at: Mapped[datetime]


class RetentionWatch(Base):
    """One row: when the clock was last looked at, before when nothing is deleted, the last run.

    As cases.retention_clock reckons them.
    """

    __tablename__ = "retention_watch"

    id: Mapped[int] = mapped_column(primary_key=True)
    looked_at: Mapped[datetime]
    not_before: Mapped[datetime]
    ran_at: Mapped[datetime | None]
