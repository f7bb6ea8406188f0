"""The one door: everything that arrives is one report, and no voice is lost."""

from __future__ import annotations

import subprocess
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

from cases import intake, references
from cases.intake import Arrival
from cases.models import ReferenceNumber, Report, ReportEvent, ReportPoint
from core.blobs import BlobStore
from core.clock import utc_now
from core.database import Database
from core.errors import ToolFailed
from core.models import OutboxEvent
from core.sealed import Sealer
from recordings import sound
from recordings.models import Clip
from tests.cases.conftest import NEIGHBOUR, NUMBER, VILLAGE, Arrive, Cast
from transcribe import claims
from transcribe.models import TranscriptionJob


def test_a_call_becomes_report_sound_job_and_news(
    database: Database, store: BlobStore, arrive: Arrive, cast: Cast, wav: Path
) -> None:
    received = arrive(channel="phone", audio_path=wav, typed_text=None)
    with database.read() as session:
        report = session.get_one(Report, received.report.id)
        assert received.is_new
        assert report.state == "received"
        assert references.valid(report.reference_no)
        assert report.duration_ms == pytest.approx(1000, abs=20)
        assert report.peaks
        assert report.audio_sha256 is not None
        assert store.existing_path(report.audio_sha256).read_bytes() == wav.read_bytes()
        assert session.get_one(Clip, report.audio_sha256).rendition == "original"
        job = session.scalars(sa.select(TranscriptionJob)).one()
        assert (job.subject_kind, job.subject_id) == ("report", report.id)
        kinds = session.scalars(sa.select(OutboxEvent.kind)).all()
        assert "report.received" in kinds


def test_the_same_delivery_twice_is_one_report(
    database: Database, arrive: Arrive, cast: Cast, wav: Path
) -> None:
    first = arrive(source_key="call:1", audio_path=wav)
    second = arrive(source_key="call:1", audio_path=wav)
    assert second.report.id == first.report.id
    assert (first.is_new, second.is_new) == (True, False)
    with database.read() as session:
        for table in (Report, TranscriptionJob, ReportEvent):
            assert session.scalar(sa.select(sa.func.count()).select_from(table)) == 1


def test_the_same_sound_in_two_deliveries_is_two_reports_and_one_blob(
    database: Database, arrive: Arrive, cast: Cast, wav: Path
) -> None:
    first, second = arrive(audio_path=wav), arrive(audio_path=wav)
    assert first.report.id != second.report.id
    assert first.report.audio_sha256 == second.report.audio_sha256


def test_deliveries_at_the_same_moment_are_one_report(
    database: Database, store: BlobStore, sealer: Sealer, cast: Cast
) -> None:
    found: list[int] = []

    def deliver() -> None:
        arrival = Arrival(
            channel="typed", source_key="web:x", received_at=utc_now(), typed_text="路灯"
        )
        with database.write() as session:
            found.append(intake.receive(session, store, sealer, arrival).report.id)

    threads = [threading.Thread(target=deliver) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6
    assert len(set(found)) == 1


def test_a_sound_nobody_can_decode_is_kept_and_named(
    database: Database, store: BlobStore, arrive: Arrive, cast: Cast, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.amr"
    broken.write_bytes(b"this is no sound at all" * 50)
    report = arrive(channel="phone", audio_path=broken, typed_text=None).report
    assert report.sound_failure == intake.UNDECODABLE
    assert report.audio_sha256 is not None
    assert store.existing_path(report.audio_sha256).read_bytes() == broken.read_bytes()
    with database.read() as session:
        assert session.scalar(sa.select(TranscriptionJob.id)) is None


def test_a_sound_whose_reading_broke_a_limit_is_decoded_later(
    database: Database, arrive: Arrive, cast: Cast, wav: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def overrun(_path: Path) -> sound.SoundFacts:
        raise ToolFailed("took too long")

    monkeypatch.setattr(sound, "probe", overrun)
    report = arrive(audio_path=wav).report
    assert report.sound_failure == intake.EXAMINATION_FAILED
    with database.read() as session:
        assert session.scalar(sa.select(TranscriptionJob.id)) is not None


def test_what_a_browser_cannot_play_gets_a_rendition_that_it_can(
    database: Database, store: BlobStore, arrive: Arrive, cast: Cast, wav: Path, tmp_path: Path
) -> None:
    mp3 = tmp_path / "voice.mp3"
    ffmpeg = [sound.binary(), "-loglevel", "error", "-i", str(wav), str(mp3)]
    subprocess.run(ffmpeg, check=True)
    report = arrive(audio_path=mp3).report
    with database.read() as session:
        made = session.scalars(
            sa.select(Clip).where(Clip.made_from_sha256 == report.audio_sha256)
        ).one()
        assert store.existing_path(made.sha256).read_bytes()[:4] == b"RIFF"
        assert session.scalars(sa.select(TranscriptionJob)).one().audio_sha256 == made.sha256


def test_typed_words_need_no_job(database: Database, arrive: Arrive, cast: Cast) -> None:
    arrive(typed_text="  村口路灯坏了 ")
    with database.read() as session:
        assert session.scalars(sa.select(Report.typed_text)).one() == "村口路灯坏了"
        assert session.scalar(sa.select(TranscriptionJob.id)) is None


def test_the_callers_number_is_stored_sealed_and_hashed_only(
    database: Database, sealer: Sealer, arrive: Arrive, cast: Cast
) -> None:
    report = arrive(caller_number=NUMBER).report
    assert report.caller_sealed is not None
    assert sealer.unseal(report.caller_sealed) == NUMBER
    assert report.caller_hash == sealer.keyed_hash("caller", NUMBER)
    with database.read() as session:
        row = session.execute(sa.text("SELECT * FROM report")).one()
        assert NUMBER not in str(row)


def test_a_number_sealed_before_is_taken_as_it_is(
    arrive: Arrive, cast: Cast, sealer: Sealer
) -> None:
    sealed, hashed = sealer.seal(NUMBER), sealer.keyed_hash("caller", NUMBER)
    report = arrive(caller_sealed=sealed, caller_hash=hashed).report
    assert (report.caller_sealed, report.caller_hash) == (sealed, hashed)


def test_the_promised_reference_is_kept(database: Database, arrive: Arrive, cast: Cast) -> None:
    with database.write() as session:
        promised = references.reserve(session, 1)[0]
    assert arrive(reference_no=promised).report.reference_no == promised
    with database.read() as session:
        assert session.get_one(ReferenceNumber, promised).bound_at is not None


def test_a_reference_promised_twice_costs_no_report(
    database: Database, arrive: Arrive, cast: Cast
) -> None:
    taken = arrive().report.reference_no
    second = arrive(reference_no=taken).report
    assert second.reference_no != taken
    with database.read() as session:
        reasons = session.scalars(
            sa.select(ReportEvent.reason).where(ReportEvent.report_id == second.id)
        ).all()
    assert reasons == [f"promised {taken}"]


def test_an_unknown_village_is_left_to_the_operator(arrive: Arrive, cast: Cast) -> None:
    assert arrive(village_code="999999999999").report.village_code is None
    assert arrive(village_code=VILLAGE).report.village_code == VILLAGE


def test_urgent_sound_is_decoded_first(
    database: Database, arrive: Arrive, cast: Cast, wav: Path
) -> None:
    arrive(audio_path=wav)
    arrive(audio_path=wav, urgent=True, urgent_reason="key 5")
    claim = claims.claim(database, "decoder")
    assert claim is not None
    with database.read() as session:
        assert session.get_one(Report, claim.subject_id).urgent


def test_a_failure_leaves_nothing_behind(
    database: Database, store: BlobStore, sealer: Sealer, cast: Cast, wav: Path
) -> None:
    arrival = Arrival(channel="phone", source_key="call:9", received_at=utc_now(), audio_path=wav)
    with pytest.raises(RuntimeError), database.write() as session:
        intake.receive(session, store, sealer, arrival)
        raise RuntimeError("the machine goes down before the commit")
    with database.read() as session:
        for table in (Report, TranscriptionJob, OutboxEvent, Clip):
            assert session.scalar(sa.select(sa.func.count()).select_from(table)) == 0


def test_who_it_is_for_who_entered_it_and_which_sheet_are_kept(
    database: Database, sealer: Sealer, arrive: Arrive, cast: Cast
) -> None:
    with database.write() as session:
        session.add(
            ReportPoint(code="b7", village_code=NEIGHBOUR, label="3 号楼", created_at=utc_now())
        )
    report = arrive(
        village_code=None,
        point_code="b7",
        on_behalf=True,
        resident_name=" 王大娘 ",
        resident_phone="13712345678",
        entered_by_id=cast.operator.id,
    ).report
    assert (report.point_code, report.village_code) == ("b7", NEIGHBOUR)
    assert (report.on_behalf, report.resident_name) == (True, "王大娘")
    assert report.entered_by_id == cast.operator.id
    assert report.resident_phone_sealed is not None
    assert "13712345678" not in report.resident_phone_sealed
    assert sealer.unseal(report.resident_phone_sealed) == "13712345678"


def test_a_sheet_nobody_knows_costs_no_voice(arrive: Arrive, cast: Cast) -> None:
    report = arrive(village_code="130001009000", point_code="gone").report
    assert (report.point_code, report.village_code) == (None, None)
    assert report.typed_text == "村口路灯坏了"
