"""After two years the words and whoever they lead to go; the numbers the town counts stay."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from cases import finding, learning, retention_words, statistics
from cases.models import Case, CaseEvent, CaseReply, Report, ReportEvent
from core.clock import utc_now
from core.database import Database
from core.models import AuditEntry
from hotline.models import CallBack, CallRecord
from tests.cases.conftest import NUMBER
from tests.conftest import on_both_databases
from tests.retention.conftest import ROAD, WORDS, Town
from transcribe.models import SearchText, Transcript, TranscriptGram

STAYS = {
    "id", "reference_no", "source_key", "channel", "state", "received_at", "village_code",
    "duration_ms", "sound_failure", "confidential", "urgent", "urgent_reason", "cut_off",
    "end_cause", "consent_version", "consent_channel", "consent_at", "proposed_service",
    "proposed_village_code", "proposed_urgent", "proposed_certainty", "dialect", "on_behalf",
    "entered_by_id", "changed_by_id", "changed_at", "version", "sound_gone_at", "words_gone_at",
    "gone_because",
}  # fmt: skip
GOES_WITH_THE_SOUND = {"audio_sha256", "peaks"}


def everything(database: Database) -> Iterator[str]:
    """Every text of every table, but for the seeds of the town and the audit trail."""
    with database.read() as session:
        inspector = sa.inspect(session.connection())
        schema = None if database.is_sqlite else database.schema
        for table in inspector.get_table_names(schema):
            if table in ("area", "user_account", AuditEntry.__tablename__):
                continue
            found = sa.table(table, schema=schema)
            for row in session.execute(sa.select(sa.text("*")).select_from(found)):
                yield from (str(value) for value in row)


@on_both_databases
def test_after_two_years_nothing_says_who_it_was_or_what_they_said(town: Town) -> None:
    report_id = town.spoken()
    case_id = town.accepted(report_id)
    town.reply(case_id)
    town.step(case_id, *ROAD)
    sealed, hashed = town.report(report_id).caller_sealed, town.report(report_id).caller_hash
    town.days_pass(730)
    done = town.run()
    assert (done.words, done.cases, done.failed) == (1, 1, 0)
    told = list(everything(town.database))
    for secret in ("王小明", "路灯", NUMBER, str(sealed), str(hashed)):
        assert not [one for one in told if secret in one], secret
    assert town.files() == set()


@on_both_databases
def test_it_stays_countable(town: Town) -> None:
    report_id = town.spoken()
    case_id = town.closed(report_id)
    town.rejected(town.spoken())
    with town.database.read() as session:
        before = statistics.counts(session)
    old, old_case = town.report(report_id), town.case(case_id)
    town.days_pass(730)
    town.run()
    with town.database.read() as session:
        assert statistics.counts(session) == before
        steps = sa.select(CaseEvent.action).where(CaseEvent.case_id == case_id)
        assert list(session.scalars(steps.order_by(CaseEvent.id))) == ["open", *ROAD]
    new, new_case = town.report(report_id), town.case(case_id)
    for name in STAYS - {"version", "sound_gone_at", "words_gone_at", "gone_because"}:
        assert getattr(new, name) == getattr(old, name), name
    facts = ("case_no", "service_code", "level", "status", "village_code", "handler_id",
             "verification_outcome", "cycle_no", "created_at")  # fmt: skip
    assert [getattr(new_case, one) for one in facts] == [getattr(old_case, one) for one in facts]
    assert (new_case.title, new_case.summary) == ("—", "—")


def test_of_every_column_of_a_report_it_is_said_whether_it_stays() -> None:
    columns = {column.name for column in Report.__table__.columns}
    assert columns == STAYS | GOES_WITH_THE_SOUND | set(retention_words.PERSONAL)


@on_both_databases
def test_the_search_forgets(town: Town) -> None:
    town.closed(town.spoken())
    town.days_pass(730)
    town.run()
    with town.database.read() as session:
        assert finding.find(session, town.cast.operator, "路灯", limit=5) == ([], False)
        for table in (SearchText, TranscriptGram, Transcript):
            assert session.scalar(sa.select(sa.func.count()).select_from(table)) == 0


@on_both_databases
def test_news_that_comes_late_lets_nothing_be_found_again(town: Town) -> None:
    report_id = town.spoken()
    town.closed(report_id)
    town.days_pass(730)
    town.run()
    with town.database.write() as session:
        finding.index(session, report_id)
        assert session.get(SearchText, ("report", report_id)) is None


@on_both_databases
def test_the_proposals_learn_from_it_no_more(town: Town) -> None:
    town.closed(town.spoken())
    with town.database.read() as session:
        assert sum(map(len, learning.decided(session))) == 1
    town.days_pass(730)
    town.run()
    with town.database.read() as session:
        assert sum(map(len, learning.decided(session))) == 0


@on_both_databases
def test_a_day_earlier_the_words_are_there(town: Town) -> None:
    report_id = town.spoken()
    case_id = town.closed(report_id)
    town.days_pass(729)
    done = town.run()
    assert (done.sounds, done.words, done.cases) == (1, 0, 0)
    assert town.report(report_id).typed_text == WORDS
    assert WORDS in town.case(case_id).summary


@on_both_databases
def test_the_audit_trail_tells_of_it_once(town: Town) -> None:
    report_id = town.spoken()
    case_id = town.closed(report_id)
    town.days_pass(730)
    town.run()
    town.run()
    (words,) = town.trail("retention.words")
    assert (words.subject, words.detail) == (
        f"report:{report_id}", {"transcripts": 1, "kept_days": 730},
    )  # fmt: skip
    (case,) = town.trail("retention.case")
    assert case.subject == f"case:{case_id}"


@on_both_databases
def test_of_a_refusal_stays_that_it_was_silence_and_no_other_reason(town: Town) -> None:
    silent, refused = town.spoken(), town.spoken()
    town.rejected(silent)
    town.rejected(refused)
    with town.database.write() as session:
        session.get_one(Report, silent).reject_reason = "no_content"
    town.days_pass(730)
    town.run()
    assert town.report(silent).reject_reason == "no_content"
    assert town.report(refused).reject_reason is None


@on_both_databases
def test_words_wait_for_a_sound_that_could_not_be_deleted(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    report_id = town.spoken()
    town.closed(report_id)
    town.days_pass(730)

    def fails(*_given: object) -> None:
        raise OSError("the disk does not answer")

    with monkeypatch.context() as broken:
        broken.setattr("cases.retention_sound.release", fails)
        done = town.run()
    assert (done.sounds, done.words, done.failed) == (0, 0, 1)
    assert town.is_whole(report_id)
    assert town.run().words == 1


@on_both_databases
def test_calls_and_call_backs_of_the_report_lose_the_number(town: Town) -> None:
    report_id = town.spoken()
    town.closed(report_id)
    task, call = add_calls(town, report_id)
    town.days_pass(730)
    assert town.run().elsewhere == 2
    with town.database.read() as session:
        told = session.get_one(CallBack, task)
        record = session.get_one(CallRecord, call)
        assert (told.caller_sealed, told.caller_hash, told.note, told.tried) == (None,) * 4
        assert (told.state, told.outcome, told.tries) == ("done", "reached", 1)
        assert (record.caller_sealed, record.caller_hash) == (None, None)
        assert (record.end_cause, record.report_id) == ("hangup", report_id)
    assert town.run().elsewhere == 0


@on_both_databases
@pytest.mark.parametrize("state", ["open", "done"])
def test_calls_without_a_report_have_a_time_of_their_own(town: Town, state: str) -> None:
    add_calls(town, None, state=state)
    town.days_pass(729)
    assert town.run().elsewhere == 0
    town.days_pass(2)
    assert town.run().elsewhere == (2 if state == "done" else 0)


@on_both_databases
def test_the_number_stays_while_the_words_of_its_report_do(town: Town) -> None:
    report_id = town.spoken()
    town.accepted(report_id)
    add_calls(town, report_id)
    town.days_pass(5000)
    assert town.run().elsewhere == 0


@on_both_databases
def test_a_reply_is_kept_as_long_as_the_words(town: Town) -> None:
    case_id = town.accepted(town.spoken())
    sha256 = town.reply(case_id)
    town.step(case_id, *ROAD)
    town.days_pass(700)
    town.run()
    assert town.store.path(sha256).is_file()
    town.days_pass(30)
    town.run()
    assert not town.store.path(sha256).is_file()
    with town.database.read() as session:
        assert session.scalar(sa.select(CaseReply)) is None


@on_both_databases
def test_reasons_written_by_hand_leave_the_history(town: Town) -> None:
    report_id = town.spoken()
    case_id = town.closed(report_id)
    with town.database.write() as session:
        session.add(
            CaseEvent(
                case_id=case_id, at=utc_now(), action="contacted", after="closed", cycle_no=1,
                reason="3:20",
            )
        )  # fmt: skip
    town.days_pass(730)
    town.run()
    with town.database.read() as session:
        reasons = sa.select(CaseEvent.reason).where(CaseEvent.reason.is_not(None))
        assert list(session.scalars(reasons)) == ["3:20"]
        said = sa.select(ReportEvent.reason).where(ReportEvent.reason.is_not(None))
        assert list(session.scalars(said)) == []
        assert session.get_one(Case, case_id).words_gone_at == utc_now()


def add_calls(town: Town, report_id: int | None, *, state: str = "done") -> tuple[int, str]:
    with town.database.write() as session:
        task = CallBack(
            caller_sealed="sealed", caller_hash="h" * 64, report_id=report_id, reason="promised",
            created_at=utc_now(), last_call_at=utc_now(), due_at=utc_now(), state=state,
            outcome="reached", note="王小明说好了", tries=1,
            done_at=utc_now() if state == "done" else None,
            tried=[{"at": utc_now().isoformat(), "by": 1, "result": "reached", "note": "王小明"}],
        )  # fmt: skip
        session.add(task)
        session.flush()
        session.add(
            CallRecord(
                call_id="call-1", caller_sealed="sealed", caller_hash="h" * 64, steps=[],
                started_at=utc_now(), ended_at=utc_now(), end_cause="hangup",
                report_id=report_id, call_back_id=task.id,
            )
        )  # fmt: skip
        return task.id, "call-1"
