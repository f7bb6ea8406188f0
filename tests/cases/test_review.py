"""An operator listens, mends, decides; two operators never overwrite each other unseen."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from cases import access, listening, review
from cases.models import Case, CaseReport, Report
from cases.review import Decision
from core.auth import Actor
from core.clock import FakeClock, utc_now
from core.database import Database
from core.errors import Conflict, Forbidden, InvalidInput, NotFound
from tests.cases.conftest import FAR_VILLAGE, NEIGHBOUR, VILLAGE, Arrive, Cast
from transcribe import transcripts
from transcribe.models import Transcript

GOOD = Decision(summary="石桥村村口路灯不亮三天", service_code="road")


def started(database: Database, actor: Actor, report: Report) -> Report:
    with database.write() as session:
        return review.start(session, actor, report.id)


def add_transcript(database: Database, report: Report, text: str = "村口路灯坏了") -> None:
    with database.write() as session:
        session.add(
            Transcript(
                subject_kind="report", subject_id=report.id, version=0, text=text, words=[],
                created_at=utc_now(),
            )
        )  # fmt: skip


def test_opening_takes_a_report_under_review(
    database: Database, arrive: Arrive, cast: Cast
) -> None:
    report = started(database, cast.operator, arrive().report)
    assert report.state == "under_review"


def test_a_report_becomes_a_case_with_an_owner(
    database: Database, arrive: Arrive, cast: Cast
) -> None:
    report = started(database, cast.operator, arrive().report)
    with database.write() as session:
        case = review.accept(session, cast.operator, report.id, report.version, GOOD)
    with database.read() as session:
        stored = session.get_one(Case, case.id)
        assert session.get_one(Report, report.id).state == "accepted"
        assert session.get(CaseReport, (case.id, report.id)) is not None
        assert (stored.status, stored.owner_id) == ("triaged", cast.operator.id)
        assert stored.title == "石桥村村口路灯不亮三天"


@pytest.mark.parametrize(
    ("decision", "field"),
    [
        (Decision(summary="  "), "summary"),
        (Decision(summary="x", service_code="nonsense"), "service_code"),
        (Decision(summary="x", level="nonsense"), "level"),
        (Decision(summary="x", village_code=FAR_VILLAGE), "village_code"),
        (Decision(summary="x", village_code="1"), "village_code"),
    ],
)
def test_what_is_missing_is_named(
    database: Database, arrive: Arrive, cast: Cast, decision: Decision, field: str
) -> None:
    report = started(database, cast.operator, arrive().report)
    with database.write() as session, pytest.raises(InvalidInput) as refused:
        review.accept(session, cast.operator, report.id, report.version, decision)
    assert refused.value.field == field


def test_a_report_without_a_village_needs_one(
    database: Database, arrive: Arrive, cast: Cast
) -> None:
    report = started(database, cast.operator, arrive(village_code=None).report)
    with database.write() as session, pytest.raises(InvalidInput) as refused:
        review.accept(session, cast.operator, report.id, report.version, GOOD)
    assert refused.value.field == "village_code"
    placed = Decision(summary="路灯", village_code=NEIGHBOUR)
    with database.write() as session:
        case = review.accept(session, cast.operator, report.id, report.version, placed)
        assert case.village_code == NEIGHBOUR


def test_a_sound_must_be_heard_to_its_end(
    database: Database, arrive: Arrive, cast: Cast, wav: Path, fake_clock: FakeClock
) -> None:
    report = started(database, cast.operator, arrive(audio_path=wav).report)
    with database.write() as session, pytest.raises(InvalidInput) as refused:
        review.accept(session, cast.operator, report.id, report.version, GOOD)
    assert refused.value.field == "unheard_reason"
    with database.write() as session:
        listening.note_play(session, cast.operator, session.get_one(Report, report.id))
    fake_clock.advance(timedelta(seconds=2))
    with database.write() as session:
        listening.mark_heard(session, cast.operator, report.id)
        review.accept(session, cast.operator, report.id, report.version, GOOD)


def test_nobody_has_heard_a_minute_in_ten_seconds(
    database: Database, arrive: Arrive, cast: Cast, wav: Path, fake_clock: FakeClock
) -> None:
    report = arrive(audio_path=wav).report
    with database.write() as session:
        stored = session.get_one(Report, report.id)
        stored.duration_ms = 60_000
        listening.note_play(session, cast.operator, stored)
    fake_clock.advance(timedelta(seconds=10))
    with database.write() as session, pytest.raises(Conflict):
        listening.mark_heard(session, cast.operator, report.id)
    fake_clock.advance(timedelta(seconds=31))  # at 1.5 times the speed it takes 40 s
    with database.write() as session:
        listening.mark_heard(session, cast.operator, report.id)


def test_hearing_is_personal(
    database: Database, arrive: Arrive, cast: Cast, wav: Path, fake_clock: FakeClock
) -> None:
    report = arrive(audio_path=wav).report
    with database.write() as session:
        listening.note_play(session, cast.operator, session.get_one(Report, report.id))
    fake_clock.advance(timedelta(seconds=2))
    with database.write() as session:
        listening.mark_heard(session, cast.operator, report.id)
        stored = session.get_one(Report, report.id)
        assert listening.heard(session, cast.operator, stored)
        assert not listening.heard(session, cast.colleague, stored)


def test_a_broken_sound_is_decided_with_a_reason(
    database: Database, arrive: Arrive, cast: Cast, tmp_path: Path
) -> None:
    broken = tmp_path / "x"
    broken.write_bytes(b"noise")
    report = started(database, cast.operator, arrive(audio_path=broken).report)
    because = Decision(summary="路灯", unheard_reason="文件损坏，放不出声音")
    with database.write() as session:
        review.accept(session, cast.operator, report.id, report.version, because)
        last = review.ledger.events(session, report.id)[-1]
        assert (last.action, last.reason) == ("accept", "文件损坏，放不出声音")


def test_the_second_to_save_is_told_who_was_first(
    database: Database, arrive: Arrive, cast: Cast
) -> None:
    report = started(database, cast.operator, arrive().report)
    with database.write() as session:
        review.save_draft(session, cast.operator, report.id, "甲的稿", report.version)
    with database.write() as session, pytest.raises(Conflict) as refused:
        review.save_draft(session, cast.colleague, report.id, "乙的稿", report.version)
    assert refused.value.params["name"] == "Operator"


def test_a_replaced_draft_stays_in_the_history(
    database: Database, arrive: Arrive, cast: Cast
) -> None:
    report = started(database, cast.operator, arrive().report)
    with database.write() as session:
        review.save_draft(session, cast.operator, report.id, "甲的稿", report.version)
        changed = session.get_one(Report, report.id)
        review.save_draft(session, cast.colleague, report.id, "乙的稿", changed.version)
        kept = [e.reason for e in review.ledger.events(session, report.id)]
    assert "甲的稿" in kept


def test_a_correction_is_a_new_version_and_the_machines_stays(
    database: Database, arrive: Arrive, cast: Cast
) -> None:
    report = started(database, cast.operator, arrive().report)
    add_transcript(database, report, "村口路灯坏勒")
    with database.write() as session:
        review.correct_text(
            session, cast.operator, report.id, "村口路灯坏了", report.version, based_on_version=0
        )
    with database.read() as session:
        latest = transcripts.latest(session, "report", report.id)
        assert latest is not None
        assert (latest.version, latest.text) == (1, "村口路灯坏了")
        texts = session.scalars(sa.select(Transcript.text).order_by(Transcript.version)).all()
        assert texts == ["村口路灯坏勒", "村口路灯坏了"]


def test_a_refusal_needs_a_reason_and_the_lawful_route(
    database: Database, arrive: Arrive, cast: Cast
) -> None:
    report = started(database, cast.operator, arrive().report)
    for reason, route, field in (("", "法院", "reason"), ("劳动争议", "", "route")):
        with database.write() as session, pytest.raises(InvalidInput) as refused:
            review.reject(
                session, cast.operator, report.id, report.version, reason=reason, route=route
            )
        assert refused.value.field == field
    with database.write() as session:
        done = review.reject(
            session, cast.operator, report.id, report.version,
            reason="劳动争议", route="劳动仲裁委员会",
        )  # fmt: skip
        assert (done.state, done.reject_route) == ("rejected", "劳动仲裁委员会")


def test_silence_needs_no_route_and_an_appeal_leads_back(
    database: Database, arrive: Arrive, cast: Cast
) -> None:
    report = started(database, cast.operator, arrive().report)
    with database.write() as session:
        refused = review.reject(
            session, cast.operator, report.id, report.version, reason=review.NO_CONTENT
        )
        back = review.reopen(session, cast.operator, report.id, refused.version, "来电申诉")
        assert back.state == "under_review"


def test_a_duplicate_follows_a_case_and_leaves_it_again(
    database: Database, arrive: Arrive, cast: Cast
) -> None:
    first = started(database, cast.operator, arrive().report)
    second = started(database, cast.operator, arrive().report)
    with database.write() as session:
        case = review.accept(session, cast.operator, first.id, first.version, GOOD)
        joined = review.join(session, cast.operator, second.id, second.version, case.id)
        assert joined.state == "duplicate"
        assert session.get(CaseReport, (case.id, second.id)) is not None
        back = review.reopen(session, cast.operator, second.id, joined.version, "")
        assert back.state == "under_review"
        assert session.get(CaseReport, (case.id, second.id)) is None
        assert session.get(CaseReport, (case.id, first.id)) is not None


def test_a_decided_report_is_not_decided_again(
    database: Database, arrive: Arrive, cast: Cast
) -> None:
    report = started(database, cast.operator, arrive().report)
    with database.write() as session:
        review.accept(session, cast.operator, report.id, report.version, GOOD)
    with database.write() as session, pytest.raises(Conflict):
        now = session.get_one(Report, report.id)
        review.accept(session, cast.colleague, report.id, now.version, GOOD)


@pytest.mark.parametrize("name", ["recorder", "administrator", "handler"])
def test_other_roles_read_no_reports(
    database: Database, arrive: Arrive, cast: Cast, name: str
) -> None:
    report = arrive().report
    with database.read() as session, pytest.raises((Forbidden, NotFound)):
        access.report(session, getattr(cast, name), report.id)


def test_another_areas_report_does_not_exist(
    database: Database, arrive: Arrive, cast: Cast
) -> None:
    report = arrive().report
    with database.read() as session, pytest.raises(NotFound):
        access.report(session, cast.outsider, report.id)


@pytest.mark.parametrize("name", ["operator", "dispatcher", "township", "city"])
def test_a_confidential_report_does_not_exist_for_most(
    database: Database, arrive: Arrive, cast: Cast, name: str
) -> None:
    report = arrive(confidential=True).report
    with database.read() as session, pytest.raises(NotFound):
        access.report(session, getattr(cast, name), report.id)


@pytest.mark.parametrize("name", ["county", "custodian"])
def test_the_custodian_and_the_county_work_on_a_confidential_report(
    database: Database, arrive: Arrive, cast: Cast, name: str
) -> None:
    actor: Actor = getattr(cast, name)
    report = started(database, actor, arrive(confidential=True, village_code=VILLAGE).report)
    assert access.may_hear(actor, report)
    with database.write() as session:
        case = review.accept(session, actor, report.id, report.version, GOOD)
        assert case.confidential
        with pytest.raises(NotFound):
            access.case(session, cast.operator, case.id)


def test_the_custodian_reads_no_ordinary_report(
    database: Database, arrive: Arrive, cast: Cast
) -> None:
    report = arrive().report
    with database.read() as session, pytest.raises(NotFound):
        access.report(session, cast.custodian, report.id)
