"""People find the reports they may read by what was said, and nobody finds a number."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from cases import finding, review, wiring
from cases.models import Report
from core import outbox
from core.auth import Actor
from core.clock import utc_now
from core.database import Database
from core.models import AuditEntry
from core.outbox import Dispatcher
from tests.cases.conftest import FAR_VILLAGE, NUMBER, Arrive, Cast
from tests.conftest import on_both_databases
from transcribe import search
from transcribe.models import SearchText, Transcript, TranscriptGram


@pytest.fixture
def dispatcher(database: Database) -> Dispatcher:
    made = Dispatcher(database)
    for kind, handler in wiring.handlers():
        made.on(kind, handler)
    return made


def look(database: Database, actor: Actor, query: str) -> list[tuple[int, bool]]:
    with database.write() as session:
        found, _ = finding.find(session, actor, query, limit=20)
        return [(one.report.id, one.by_sound) for one in found]


def hear(database: Database, report: Report, text: str) -> None:
    """What a decoder would have stored and told."""
    with database.write() as session:
        session.add(
            Transcript(
                subject_kind="report", subject_id=report.id, version=0, text=text, words=[],
                created_at=utc_now(),
            )
        )  # fmt: skip
        outbox.emit(session, "transcript.ready", subject_kind="report", subject_id=report.id)


@on_both_databases
def test_typed_heard_and_corrected_words_are_found(
    database: Database, arrive: Arrive, cast: Cast, wav: Path, dispatcher: Dispatcher
) -> None:
    typed = arrive(typed_text="村口停水了").report
    call = arrive(audio_path=wav, typed_text=None).report
    hear(database, call, "桥头听谁两天")
    dispatcher.run_due()
    assert look(database, cast.operator, "停水") == [(typed.id, False), (call.id, True)]
    with database.write() as session:
        review.start(session, cast.operator, call.id)
    with database.write() as session:
        seen = session.get_one(Report, call.id).version
        review.correct_text(session, cast.operator, call.id, "桥头停水两天", seen, 0)
    dispatcher.run_due()
    assert look(database, cast.operator, "停水") == [(call.id, False), (typed.id, False)]
    assert look(database, cast.operator, "听谁") == [(call.id, False), (typed.id, True)]


def test_only_reports_one_may_read_are_found(
    database: Database, arrive: Arrive, cast: Cast, dispatcher: Dispatcher
) -> None:
    plain = arrive(typed_text="村口停水了").report
    secret = arrive(typed_text="举报停水的事", confidential=True).report
    far = arrive(typed_text="远处停水了", village_code=FAR_VILLAGE).report
    dispatcher.run_due()
    assert look(database, cast.operator, "停水") == [(plain.id, False)]
    assert look(database, cast.county, "停水") == [(secret.id, False), (plain.id, False)]
    assert look(database, cast.custodian, "停水") == [(secret.id, False)]
    assert look(database, cast.outsider, "停水") == [(far.id, False)]


def test_a_number_is_found_by_nobody_and_shown_to_nobody(
    database: Database, arrive: Arrive, cast: Cast, dispatcher: Dispatcher
) -> None:
    arrive(typed_text=f"请打{NUMBER}找我，路灯坏了")
    dispatcher.run_due()
    assert look(database, cast.county, NUMBER) == look(database, cast.county, NUMBER[-4:]) == []
    with database.write() as session:
        found, _ = finding.find(session, cast.operator, "路灯", limit=5)
    assert found[0].hit.text == "请打***********找我，路灯坏了"
    assert found[0].hit.text[found[0].hit.start : found[0].hit.end] == "路灯"


def test_each_search_is_written_down_without_its_digits(
    database: Database, arrive: Arrive, cast: Cast
) -> None:
    with database.write() as session:
        finding.note(session, cast.operator, f"王芳 {NUMBER} 12", 0)
    with database.read() as session:
        entry = session.scalars(
            sa.select(AuditEntry).where(AuditEntry.action == "report.search")
        ).one()
    assert (entry.actor, entry.detail) == (
        "operator", {"query": "王芳 *********** **", "found": 0}
    )  # fmt: skip


def test_a_single_character_is_not_looked_for_by_its_sound(
    database: Database, arrive: Arrive, cast: Cast, dispatcher: Dispatcher
) -> None:
    arrive(typed_text="路灯坏了")
    dispatcher.run_due()
    assert look(database, cast.operator, "登") == []


def test_results_come_in_pages_exact_ones_first(
    database: Database, arrive: Arrive, cast: Cast, dispatcher: Dispatcher
) -> None:
    texts = ("停水", "听谁", "停水", "听谁", "停水")
    ids = [arrive(typed_text=text).report.id for text in texts]
    dispatcher.run_due()
    wanted = [ids[4], ids[2], ids[0], ids[3], ids[1]]
    with database.write() as session:
        pages = [
            finding.find(session, cast.operator, "停水", limit=2, offset=offset)
            for offset in (0, 2, 4)
        ]
    assert [one.report.id for found, _ in pages for one in found] == wanted
    assert [more for _, more in pages] == [True, True, False]


@on_both_databases
def test_an_index_is_made_anew_bit_by_bit_and_may_be_cut_off(
    database: Database, arrive: Arrive, cast: Cast, dispatcher: Dispatcher
) -> None:
    ids = [arrive(typed_text="村口停水了").report.id for _ in range(finding.AT_ONCE + 3)]
    while dispatcher.run_due():
        pass
    with database.write() as session:
        session.execute(sa.delete(TranscriptGram))
        session.execute(sa.delete(SearchText))
        outbox.emit(session, search.REINDEX, after=0)
    dispatcher.run_due(limit=1)
    assert len(look(database, cast.operator, "停水")) == finding.AT_ONCE
    dispatcher.run_due()
    with database.write() as session:
        found, _ = finding.find(session, cast.operator, "停水", limit=99)
    assert [one.report.id for one in found] == ids[::-1]
