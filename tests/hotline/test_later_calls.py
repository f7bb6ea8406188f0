"""Calls about a report, and programmes by telephone: entered once, whatever happened meanwhile."""

from __future__ import annotations

import wave
from pathlib import Path

import pytest
import sqlalchemy as sa

from cases import references, residents
from cases.models import Case, CaseEvent, CaseReport, Report, ResidentWord
from core import areas
from core.blobs import BlobStore
from core.clock import utc_now
from core.database import Database
from core.models import User
from core.outbox import Dispatcher
from core.sealed import Sealer
from hotline.call import RecordingStopped
from hotline.importer import Importer
from hotline.journal import Journal
from hotline.models import CallRecord
from recordings import approval
from recordings import wiring as recordings_wiring
from recordings.models import Episode, Programme
from recordings.worker import RenderWorker
from tests.conftest import on_both_databases
from tests.hotline.fake_call import voice

TOWN, VILLAGE = "130001000000", "130001001000"


@pytest.fixture
def report(database: Database, sealer: Sealer) -> Report:
    """A report whose case is done and waits for the call-back."""
    with database.write() as session:
        areas.add(session, TOWN, "柳林镇", "township")
        areas.add(session, VILLAGE, "石桥村", "village", TOWN)
        user = User(
            login="speaker", display_name="所长", password_hash="-", roles=["recorder"],
            area_code=TOWN, created_at=utc_now(),
        )  # fmt: skip
        session.add(user)
        session.add(Programme(name="所长说法", area_code=TOWN, created_at=utc_now()))
        session.flush()
        number = references.reserve(session, 1)[0]
        found = Report(
            reference_no=number, source_key="t:1", channel="typed", state="accepted",
            received_at=utc_now(), village_code=VILLAGE,
        )  # fmt: skip
        case = Case(
            case_no="1", title="灯", summary="灯", status="resolved", village_code=VILLAGE,
            owner_id=user.id, handler_id=user.id, created_at=utc_now(),
        )  # fmt: skip
        session.add_all([found, case])
        session.flush()
        session.add(CaseReport(case_id=case.id, report_id=found.id))
    return found


def leave(
    spool: Path, sealer: Sealer, call_id: str, *takes_ms: int, replaced: int = 0, **entry: object
) -> None:
    """A finished call in the spool; the first ``replaced`` takes were said again."""
    journal = Journal.begin(spool, sealer, call_id, "13812345678", "hotline")
    for number, length_ms in enumerate(takes_ms, 1):
        journal.consent("test", "key", confidential=False)
        journal.take_path(number).write_bytes(voice(length_ms))
        journal.keep_take(number, RecordingStopped("key", length_ms, length_ms))
        journal.entry.takes[-1].replaced = number <= replaced
    for name, value in entry.items():
        setattr(journal.entry, name, value)
    journal.finish("goodbye")
    journal.save()
    journal.close()


def only_case(database: Database) -> Case:
    with database.read() as session:
        return session.scalars(sa.select(Case)).one()


# --- about a report ----------------------------------------------------------------------------


@on_both_databases
def test_a_word_said_while_the_office_was_away_counts_once(
    database: Database, importer: Importer, spool: Path, sealer: Sealer, report: Report
) -> None:
    number = report.reference_no
    about = {"kind": "status", "about_reference_no": number, "not_satisfied": True}
    leave(spool, sealer, "call-1", **about)
    importer.run_once()
    found = only_case(database)
    assert (found.status, found.cycle_no) == ("assigned", 2)
    with database.write() as session:
        session.execute(sa.delete(CallRecord))  # as if the importer had died before its last step
    leave(spool, sealer, "call-1", **about)
    importer.run_once()
    with database.read() as session:
        assert session.scalars(sa.select(ResidentWord.source_key)).all() == ["call:call-1"]
        actions = session.scalars(sa.select(CaseEvent.action).order_by(CaseEvent.id)).all()
    assert actions == ["verify", "reopen"]


def test_a_word_the_office_heard_during_the_call_is_not_counted_again(
    database: Database, importer: Importer, spool: Path, sealer: Sealer, report: Report
) -> None:
    with database.write() as session:
        residents.not_satisfied(session, report.id, "call:call-1")
        session.scalars(sa.select(Case)).one().status = "resolved"  # solved again by evening
    leave(
        spool, sealer, "call-1", kind="status", about_reference_no=report.reference_no,
        not_satisfied=True,
    )  # fmt: skip
    importer.run_once()
    assert (only_case(database).status, only_case(database).cycle_no) == ("resolved", 2)


@on_both_databases
def test_the_voice_that_says_why_follows_the_case(
    database: Database, importer: Importer, spool: Path, sealer: Sealer, report: Report
) -> None:
    leave(
        spool, sealer, "call-1", 4000, kind="status", about_reference_no=report.reference_no,
        not_satisfied=True,
    )  # fmt: skip
    importer.run_once()
    with database.read() as session:
        said = session.scalars(sa.select(Report).where(Report.id != report.id)).one()
        assert (said.state, said.channel, said.audio_sha256 is None) == ("received", "phone", False)
        assert session.get(CaseReport, (only_case(database).id, said.id)) is not None
        assert session.get_one(ResidentWord, "call:call-1").said_report_id == said.id


def test_a_call_that_only_asked_changes_nothing(
    database: Database, importer: Importer, spool: Path, sealer: Sealer, report: Report
) -> None:
    leave(spool, sealer, "call-1", kind="status", about_reference_no=report.reference_no)
    importer.run_once()
    assert only_case(database).status == "resolved"
    with database.read() as session:
        assert session.scalars(sa.select(Report)).one().id == report.id
        assert session.get_one(CallRecord, "call-1").kind == "status"


# --- programmes by telephone ---------------------------------------------------------------------


def studio(
    spool: Path, sealer: Sealer, *takes_ms: int, call_id: str = "s", **entry: object
) -> None:
    plain = {"kind": "studio", "staff_user_id": 1, "programme_id": 1, "submitted": True}
    leave(spool, sealer, call_id, *takes_ms, **{**plain, **entry})  # type: ignore[arg-type]


def episodes(database: Database) -> list[Episode]:
    with database.read() as session:
        return list(session.scalars(sa.select(Episode).order_by(Episode.id)))


def tell(database: Database) -> None:
    dispatcher = Dispatcher(database)
    for kind, handler in recordings_wiring.handlers():
        dispatcher.on(kind, handler)
    while dispatcher.run_due():
        pass


@on_both_databases
def test_a_submitted_programme_goes_to_approval_once_it_is_rendered(
    database: Database, store: BlobStore, importer: Importer, spool: Path, sealer: Sealer,
    report: Report,
) -> None:  # fmt: skip
    studio(spool, sealer, 4000)
    importer.run_once()
    tell(database)
    episode = episodes(database)[0]
    assert (episode.state, episode.source, episode.created_by_id) == ("processing", "phone", 1)
    assert episode.title.startswith("电话录制 ")
    assert RenderWorker(database, store).run_one()
    tell(database)
    episode = episodes(database)[0]
    assert (episode.state, episode.submit_when_ready) == ("submitted", False)
    assert episode.delivery_sha256 is not None
    with database.read() as session:
        assert session.scalars(sa.select(Report)).one().id == report.id


def test_what_was_not_submitted_is_kept_ready(
    database: Database, store: BlobStore, importer: Importer, spool: Path, sealer: Sealer,
    report: Report,
) -> None:  # fmt: skip
    studio(spool, sealer, 4000, submitted=False)
    importer.run_once()
    RenderWorker(database, store).run_one()
    tell(database)
    assert [episode.state for episode in episodes(database)] == ["ready"]


def test_an_episode_taken_back_stays_back(
    database: Database, store: BlobStore, importer: Importer, spool: Path, sealer: Sealer,
    report: Report,
) -> None:  # fmt: skip
    from core import auth

    studio(spool, sealer, 4000)
    importer.run_once()
    RenderWorker(database, store).run_one()
    tell(database)
    with database.write() as session:
        actor = auth.actor_of(session.get_one(User, 1))
        approval.withdraw(session, actor, episodes(database)[0].id)
    tell(database)
    assert episodes(database)[0].state == "ready"


def test_the_take_said_again_is_left_out(
    database: Database, store: BlobStore, importer: Importer, spool: Path, sealer: Sealer,
    report: Report,
) -> None:  # fmt: skip
    studio(spool, sealer, 3000, 4000, 2000, replaced=1)
    importer.run_once()
    sha256 = episodes(database)[0].original_sha256
    assert sha256 is not None
    with wave.open(str(store.existing_path(sha256))) as sound:
        assert sound.getnframes() == 8 * 6000


def test_the_same_call_twice_is_one_episode_and_silence_is_none(
    database: Database, importer: Importer, spool: Path, sealer: Sealer, report: Report
) -> None:
    studio(spool, sealer, 4000)
    importer.run_once()
    studio(spool, sealer, 4000)
    studio(spool, sealer, 500, call_id="short")
    studio(spool, sealer, call_id="silent")
    importer.run_once()
    assert len(episodes(database)) == 1
    assert list(spool.iterdir()) == []


def test_a_series_that_went_meanwhile_is_replaced_by_the_towns_other(
    database: Database, importer: Importer, spool: Path, sealer: Sealer, report: Report
) -> None:
    studio(spool, sealer, 4000, programme_id=99)
    importer.run_once()
    assert [episode.programme_id for episode in episodes(database)] == [1]


def test_a_programme_without_any_series_stays_in_the_spool(
    database: Database, importer: Importer, spool: Path, sealer: Sealer, report: Report
) -> None:
    with database.write() as session:
        session.execute(sa.delete(Programme))
    studio(spool, sealer, 4000)
    importer.run_once()
    assert [folder.name for folder in spool.iterdir()] == ["s"]
    assert (spool / "s" / "take-1.pcm").is_file()
