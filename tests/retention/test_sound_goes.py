"""After its days the sound of a report goes, with all that was made of it, and nothing else."""

from __future__ import annotations

import wave
from pathlib import Path

import pytest
import sqlalchemy as sa

from cases import retention_sound, review
from cases.models import Report, ReportPhoto
from core import leaving
from core.clock import utc_now
from core.database import Database
from core.models import Blob, LeavingBlob
from recordings.models import Clip, Episode, Programme
from tests.cases.conftest import COUNTY, tone
from tests.conftest import on_both_databases
from tests.retention.conftest import Town
from transcribe.models import RedactedSound, Transcript, TranscriptionJob

REPORTS_OWN = {
    ("report", "audio_sha256"),
    ("report_photo", "sha256"),
    ("transcription_job", "audio_sha256"),
    ("redacted_sound", "audio_sha256"),
    ("redacted_sound", "sha256"),
}


def stereo(path: Path) -> Path:
    """A sound of which a rendition for browsers is made."""
    mono = tone(path.with_name(f"mono-{path.name}"), duration_s=2)
    with wave.open(str(mono), "rb") as source, wave.open(str(path), "wb") as out:
        out.setparams(source.getparams())
        out.setnchannels(2)
        samples = source.readframes(source.getnframes())
        out.writeframes(b"".join(samples[at : at + 2] * 2 for at in range(0, len(samples), 2)))
    return path


@on_both_databases
@pytest.mark.parametrize("end", ["closed", "rejected"])
def test_180_days_after_the_end_the_sound_is_gone(town: Town, end: str) -> None:
    report_id = town.spoken()
    getattr(town, end)(report_id)
    town.days_pass(180)
    done = town.run()
    assert (done.sounds, done.files, done.failed) == (1, 3, 0)
    assert town.files() == set()
    with town.database.read() as session:
        for table in (Blob, Clip, TranscriptionJob, RedactedSound, ReportPhoto, LeavingBlob):
            assert session.scalar(sa.select(sa.func.count()).select_from(table)) == 0, table


@on_both_databases
def test_the_row_says_when_and_why_and_the_rest_stays(town: Town) -> None:
    report_id = town.spoken()
    town.closed(report_id)
    before = town.report(report_id)
    town.days_pass(180)
    town.run()
    after = town.report(report_id)
    assert (after.sound_gone_at, after.gone_because) == (utc_now(), "retention")
    assert (after.audio_sha256, after.peaks) == (None, None)
    assert after.version == before.version + 1
    kept = ("state", "received_at", "village_code", "duration_ms", "typed_text", "caller_sealed",
            "summary", "pin_hash")  # fmt: skip
    assert [getattr(after, name) for name in kept] == [getattr(before, name) for name in kept]
    with town.database.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Transcript)) == 1


@on_both_databases
def test_the_audit_trail_has_one_entry_for_each_report(town: Town) -> None:
    report_id = town.spoken()
    town.closed(report_id)
    town.days_pass(180)
    town.run()
    town.run()
    (entry,) = town.trail("retention.audio")
    assert (entry.actor, entry.subject) == ("retention", f"report:{report_id}")
    assert entry.detail == {"sounds": 2, "photos": 1, "still_used": 0, "kept_days": 180}


@on_both_databases
def test_what_was_made_for_browsers_goes_with_the_original(town: Town, tmp_path: Path) -> None:
    report_id = town.spoken(stereo(tmp_path / "stereo.wav"))
    assert len(town.sounds(report_id)) == 4  # original, rendition, muted, picture
    town.closed(report_id)
    town.days_pass(180)
    town.run()
    assert town.files() == set()


@on_both_databases
def test_pictures_of_a_written_report_go_too(town: Town) -> None:
    report_id = town.arrive().report.id
    town.add_photo(report_id)
    town.closed(report_id)
    town.days_pass(180)
    assert town.run().sounds == 1
    assert town.files() == set()
    assert town.report(report_id).sound_gone_at is not None


@on_both_databases
def test_a_written_report_has_no_sound_to_lose(town: Town) -> None:
    report_id = town.arrive().report.id
    town.closed(report_id)
    town.days_pass(180)
    assert town.run().sounds == 0
    assert town.report(report_id).sound_gone_at is None


@on_both_databases
def test_a_sound_that_another_report_has_stays_for_that_report(town: Town) -> None:
    path = town.sound()
    old, fresh = town.spoken(path), town.spoken(path)
    town.closed(old)
    town.days_pass(180)
    town.run()
    assert town.report(old).audio_sha256 is None
    assert town.is_whole(fresh)
    town.closed(fresh)
    town.days_pass(180)
    town.run()
    assert town.files() == set()


@on_both_databases
def test_a_sound_that_an_episode_is_made_of_stays(town: Town) -> None:
    report_id = town.spoken()
    sha256 = town.report(report_id).audio_sha256
    assert sha256 is not None
    with town.database.write() as session:
        series = Programme(name="周播", area_code=COUNTY, created_at=utc_now())
        session.add(series)
        session.flush()
        session.add(
            Episode(
                programme_id=series.id, number=1, title="一", source="upload", state="approved",
                original_sha256=sha256, created_at=utc_now(),
            )
        )  # fmt: skip
    town.closed(report_id)
    town.days_pass(180)
    town.run()
    assert town.report(report_id).audio_sha256 is None
    assert town.store.path(sha256).is_file()
    with town.database.read() as session:
        assert session.get(Clip, sha256) is not None
        assert session.get(Blob, sha256) is not None
    assert town.trail("retention.audio")[0].detail["still_used"] == 1


@on_both_databases
def test_every_column_that_names_a_file_is_known(town: Town) -> None:
    with town.database.read() as session:
        columns = leaving.uses(session)
    guarded = {(column.table.name, column.name) for column in columns.guarded}
    loose = {(column.table.name, column.name) for column in columns.loose}
    assert guarded >= REPORTS_OWN | {
        ("case_reply", "sha256"), ("override", "source_sha256"), ("override", "clip_sha256"),
        ("live_session", "recording_sha256"), ("player_release", "sha256"),
        ("programme", "opening_sha256"), ("programme", "closing_sha256"),
    }  # fmt: skip
    assert loose >= {
        ("episode", "original_sha256"), ("episode", "master_sha256"),
        ("episode", "delivery_sha256"), ("play", "clip_sha256"), ("play", "sounded_sha256"),
        ("override_play", "sounded_sha256"),
    }  # fmt: skip


@on_both_databases
def test_a_table_added_tomorrow_keeps_its_files(town: Town, database: Database) -> None:
    report_id = town.spoken()
    sha256 = town.report(report_id).audio_sha256
    assert sha256 is not None
    with database.write() as session:
        session.execute(sa.text("CREATE TABLE exhibit (name varchar(64) REFERENCES blob (sha256))"))
        session.execute(sa.text("INSERT INTO exhibit VALUES (:sha256)"), {"sha256": sha256})
    town.closed(report_id)
    town.days_pass(180)
    assert town.run().sounds == 1
    assert town.store.path(sha256).is_file()


@on_both_databases
def test_what_was_made_of_it_afterwards_goes_with_the_next_run(town: Town) -> None:
    report_id = town.spoken()
    town.closed(report_id)
    town.days_pass(180)
    town.run()
    sha256 = town.store.put_bytes(b"a muted copy that came late")
    with town.database.write() as session:
        from core import blobs

        blobs.register(session, town.store, sha256, "audio/wav")
        words = session.scalars(sa.select(Transcript)).one()
        session.add(
            RedactedSound(
                subject_kind="report", subject_id=report_id, transcript_id=words.id, spans=[],
                audio_sha256=sha256, sha256=sha256, created_at=utc_now(),
            )
        )  # fmt: skip
    town.run()
    assert town.files() == set()
    assert len(town.trail("retention.audio")) == 2


@on_both_databases
def test_shorter_contracts_delete_earlier(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    from core import settings

    monkeypatch.setenv("XIANGYIN_KEEP_AUDIO_DAYS", "30")
    settings.load.cache_clear()
    town.closed(town.spoken())
    town.days_pass(29)
    assert town.run().sounds == 0
    town.days_pass(1)
    assert town.run().sounds == 1


@on_both_databases
def test_an_appeal_after_the_sound_went_is_reviewed_without_it(town: Town) -> None:
    report_id = town.spoken()
    town.rejected(report_id)
    town.days_pass(180)
    town.run()
    with town.database.write() as session:
        version = session.get_one(Report, report_id).version
        review.reopen(session, town.cast.operator, report_id, version, "申诉")
    town.days_pass(5000)
    town.run()
    assert town.report(report_id).words_gone_at is None


@on_both_databases
def test_a_matter_taken_up_again_between_two_looks_keeps_its_sound(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    report_id = town.spoken()
    case_id = town.closed(report_id)
    town.days_pass(180)
    looked = retention_sound.files_of

    def reopened_meanwhile(*given: object) -> object:
        monkeypatch.setattr(retention_sound, "files_of", looked)
        town.step(case_id, "reopen")
        return looked(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(retention_sound, "files_of", reopened_meanwhile)
    assert town.run().sounds == 0
    assert town.is_whole(report_id)
