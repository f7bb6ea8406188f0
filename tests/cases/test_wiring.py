"""What the room does when others have news, through the real dispatcher."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from cases import ledger, wiring
from cases.models import Report
from core import outbox
from core.clock import utc_now
from core.database import Database
from core.models import OutboxEvent
from core.outbox import Dispatcher
from tests.cases.conftest import NEIGHBOUR, Arrive, Cast
from transcribe.models import Transcript


@pytest.fixture
def dispatcher(database: Database) -> Dispatcher:
    made = Dispatcher(database)
    for kind, handler in wiring.handlers():
        made.on(kind, handler)
    return made


def stored(database: Database, report: Report) -> Report:
    with database.read() as session:
        return session.get_one(Report, report.id)


def test_words_of_a_call_lead_to_proposals_and_decide_nothing(
    database: Database, arrive: Arrive, cast: Cast, wav: Path, dispatcher: Dispatcher
) -> None:
    report = arrive(audio_path=wav, typed_text=None).report
    dispatcher.run_due()
    with database.write() as session:
        session.add(
            Transcript(
                subject_kind="report", subject_id=report.id, version=0,
                text="柳河村这边有人拿刀要砍人", words=[], created_at=utc_now(),
            )
        )  # fmt: skip
        outbox.emit(
            session, "transcript.ready", subject_kind="report", subject_id=report.id,
            transcript_id=1,
        )  # fmt: skip
    dispatcher.run_due()
    now = stored(database, report)
    assert now.proposed_urgent
    assert now.proposed_village_code == NEIGHBOUR
    assert {"kind": "danger", "phrase": "砍人"} in (now.proposed_hits or [])
    assert (now.urgent, now.state, now.version) == (False, "received", report.version)
    with database.read() as session:
        kinds = session.scalars(sa.select(OutboxEvent.kind)).all()
    assert "report.changed" in kinds


def hear(database: Database, report: Report, text: str, version: int, author: int | None) -> None:
    with database.write() as session:
        transcript = Transcript(
            subject_kind="report", subject_id=report.id, version=version, text=text, words=[],
            author_id=author, created_at=utc_now(),
        )  # fmt: skip
        session.add(transcript)
        session.flush()
        outbox.emit(
            session, "transcript.ready", subject_kind="report", subject_id=report.id,
            transcript_id=transcript.id,
        )  # fmt: skip


def test_a_later_hearing_proposes_anew_until_a_person_has_written_the_words(
    database: Database, arrive: Arrive, cast: Cast, wav: Path, dispatcher: Dispatcher
) -> None:
    report = arrive(audio_path=wav, typed_text=None).report
    hear(database, report, "今天天气不错", 0, None)
    dispatcher.run_due()
    assert stored(database, report).proposed_village_code is None
    hear(database, report, "柳河村停水了", 1, None)
    dispatcher.run_due()
    assert stored(database, report).proposed_village_code == NEIGHBOUR
    hear(database, report, "石桥村停水了", 2, cast.operator.id)
    hear(database, report, "柳河村停电了", 3, None)
    with database.read() as session:
        before = len(ledger.events(session, report.id))
    dispatcher.run_due()
    assert stored(database, report).proposed_village_code == NEIGHBOUR
    with database.read() as session:
        assert len(ledger.events(session, report.id)) == before


def test_typed_words_are_read_at_once(
    database: Database, arrive: Arrive, cast: Cast, dispatcher: Dispatcher
) -> None:
    report = arrive(typed_text="石桥村又停水了，自来水管坏了").report
    dispatcher.run_due()
    assert stored(database, report).proposed_service == "utilities"


def test_a_failed_transcription_is_written_into_the_history(
    database: Database, arrive: Arrive, cast: Cast, wav: Path, dispatcher: Dispatcher
) -> None:
    report = arrive(audio_path=wav).report
    with database.write() as session:
        outbox.emit(
            session, "transcript.failed", subject_kind="report", subject_id=report.id,
            job_id=1, code="decoder_crashed",
        )  # fmt: skip
    dispatcher.run_due()
    with database.read() as session:
        last = ledger.events(session, report.id)[-1]
    assert (last.action, last.reason) == ("transcript_failed", "decoder_crashed")


def test_news_of_episodes_are_nothing_to_this_room(
    database: Database, arrive: Arrive, cast: Cast, dispatcher: Dispatcher
) -> None:
    report = arrive().report
    dispatcher.run_due()
    before = stored(database, report).proposed_hits
    with database.write() as session:
        for kind in ("transcript.ready", "transcript.failed"):
            outbox.emit(
                session, kind, subject_kind="episode", subject_id=report.id, transcript_id=1,
                job_id=1, code="x",
            )  # fmt: skip
    dispatcher.run_due()
    with database.read() as session:
        states = set(session.scalars(sa.select(OutboxEvent.state)))
        actions = [event.action for event in ledger.events(session, report.id)]
    assert states == {"done"}
    assert "transcript_failed" not in actions
    assert stored(database, report).proposed_hits == before
