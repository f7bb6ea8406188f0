"""From the spool into the database: each call once, no voice lost, none kept without consent."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import wave
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cases.models import Report
from core import clock
from core.blobs import BlobStore
from core.database import Base, Database
from core.sealed import Sealer
from core.settings import Settings
from hotline import damaged, limits, presence
from hotline.call import RecordingStopped
from hotline.conversation import ConversationFactory
from hotline.entering import NO_WORDS
from hotline.importer import STILL_GROWING_S, Importer
from hotline.journal import Journal, locked
from hotline.models import CallRecord
from hotline.presence import Away
from tests.hotline.fake_call import (
    DiskFull,
    FakeCall,
    GoAway,
    Move,
    Press,
    Silence,
    Speak,
    voice,
)
from transcribe.models import TranscriptionJob

REPORT: list[Move] = [Press("1"), Press("1"), Silence(), Speak(4000), Press("#")]


def hold(factory: ConversationFactory, *script: Move, call_id: str = "call-1") -> FakeCall:
    call = FakeCall(script, call_id=call_id)
    factory.monotonic_s = call.monotonic_s
    asyncio.run(factory.converse(call))
    return call


def reports(database: Database) -> list[Report]:
    with database.read() as session:
        return list(session.scalars(sa.select(Report).order_by(Report.id)))


def records(database: Database) -> list[CallRecord]:
    with database.read() as session:
        return list(session.scalars(sa.select(CallRecord).order_by(CallRecord.call_id)))


def frames(store: BlobStore, report: Report) -> bytes:
    assert report.audio_sha256 is not None
    with wave.open(str(store.existing_path(report.audio_sha256)), "rb") as sound:
        assert (sound.getframerate(), sound.getnchannels(), sound.getsampwidth()) == (8000, 1, 2)
        return sound.readframes(sound.getnframes())


def age(folder: Path) -> None:
    """As if nobody had written here for a while."""
    then = folder.stat().st_mtime - STILL_GROWING_S - 1
    for path in folder.iterdir():
        os.utime(path, (then, then))


def test_a_finished_call_becomes_report_record_and_job(
    factory: ConversationFactory, importer: Importer, database: Database, store: BlobStore
) -> None:
    hold(factory, *REPORT)
    written = json.loads((factory.spool / "call-1" / "call.json").read_text())
    assert importer.run_once() == 1
    (report,), (record,) = reports(database), records(database)
    assert frames(store, report) == voice(4000)
    assert report.channel == "phone"
    assert report.source_key == "call:call-1"
    assert report.reference_no == written["reference_no"]
    assert report.pin_hash == written["pin_hash"]
    assert report.consent_channel == "key"
    assert not report.cut_off
    assert (record.report_id, record.end_cause) == (report.id, "completed")
    assert not record.needs_call_back
    assert record.steps == written["steps"]
    assert factory.sealer.unseal(record.caller_sealed or "") == "13812345678"
    with database.read() as session:
        assert session.scalar(sa.select(sa.func.count(TranscriptionJob.id))) == 1
    assert list(factory.spool.iterdir()) == []


def test_key_two_makes_a_confidential_report(
    factory: ConversationFactory, importer: Importer, database: Database
) -> None:
    hold(factory, Press("1"), Press("2"), Silence(), Speak(3000), Press("#"))
    importer.run_once()
    assert reports(database)[0].confidential


def test_key_five_makes_an_urgent_report_even_without_words(
    factory: ConversationFactory, importer: Importer, database: Database
) -> None:
    fraud: list[Move] = [Press("5"), Silence(), Silence()]
    hold(factory, *fraud, Speak(3000), Press("#"), call_id="a")
    hold(factory, *fraud, GoAway(), call_id="b")
    importer.run_once()
    spoken, wordless = reports(database)
    assert (spoken.urgent, spoken.urgent_reason) == (True, "fraud")
    assert spoken.audio_sha256 is not None
    assert (wordless.urgent, wordless.audio_sha256) == (True, None)
    assert wordless.typed_text == NO_WORDS
    assert records(database)[1].needs_call_back


@pytest.mark.parametrize(
    "script",
    [
        [GoAway()],
        [Press("1"), Silence(), Silence(), Silence(), Silence(), Silence(), Silence()],
        [Press("1"), Press("1"), Silence(), Speak(1000), GoAway()],
        [Press("0")],
    ],
)
def test_a_call_without_report_asks_for_a_call_back(
    factory: ConversationFactory, importer: Importer, database: Database, script: list[Move]
) -> None:
    hold(factory, *script)
    assert importer.run_once() == 1
    assert reports(database) == []
    (record,) = records(database)
    assert record.needs_call_back
    assert list(factory.spool.iterdir()) == []


def test_a_missing_number_is_drawn_later_and_told_by_phone(
    config: Settings, sealer: Sealer, prompts: object, importer: Importer, database: Database
) -> None:
    hold(ConversationFactory(config, sealer, prompts), *REPORT)  # type: ignore[arg-type]
    importer.run_once()
    assert len(reports(database)[0].reference_no) == 9
    assert records(database)[0].needs_call_back


def test_both_takes_are_in_the_report(
    factory: ConversationFactory, importer: Importer, database: Database, store: BlobStore
) -> None:
    once_more: list[Move] = [*REPORT[:3], Speak(1000), Press("#"), Silence()]
    hold(factory, *once_more, Speak(3000), Press("#"))
    importer.run_once()
    assert frames(store, reports(database)[0]) == voice(1000) + voice(3000)


def test_a_full_disk_marks_the_report_as_cut_off(
    factory: ConversationFactory, importer: Importer, database: Database
) -> None:
    hold(factory, *REPORT[:4], DiskFull())
    importer.run_once()
    assert reports(database)[0].cut_off


def orphan(spool: Path, sealer: Sealer, *, consent: bool = True, ms: int = 4000) -> Path:
    """A call whose process died while it recorded."""
    journal = Journal.begin(spool, sealer, "call-1", "13812345678", "96110")
    if consent:
        journal.consent("test-1", "key", confidential=False)
    journal.note("record", "prompt ended")
    journal.save()
    journal.take_path(1).with_suffix(".pcm.part").write_bytes(voice(ms) + b"\x01")
    journal.close()
    age(journal.folder)
    return journal.folder


def test_an_orphan_becomes_a_report_that_was_cut_off(
    spool: Path, sealer: Sealer, importer: Importer, database: Database, store: BlobStore
) -> None:
    orphan(spool, sealer)
    assert importer.run_once() == 1
    (report,) = reports(database)
    assert report.cut_off
    assert report.end_cause == "killed"
    assert frames(store, report) == voice(4000)
    assert records(database)[0].needs_call_back


def test_an_orphan_with_too_little_speech_is_a_call_back(
    spool: Path, sealer: Sealer, importer: Importer, database: Database
) -> None:
    orphan(spool, sealer, ms=1200)
    importer.run_once()
    assert reports(database) == []
    assert records(database)[0].needs_call_back


def test_sound_without_consent_is_never_kept(
    spool: Path, sealer: Sealer, importer: Importer, database: Database, data_dir: Path
) -> None:
    orphan(spool, sealer, consent=False)
    importer.run_once()
    assert reports(database) == []
    assert not [path for path in data_dir.rglob("*") if path.is_file() and "take" in path.name]


def test_sound_that_still_grows_is_left_alone(
    spool: Path, sealer: Sealer, importer: Importer
) -> None:
    folder = orphan(spool, sealer)
    os.utime(folder / "take-1.pcm.part")
    assert importer.run_once() == 0
    age(folder)
    assert importer.run_once() == 1


def test_a_damaged_journal_waits_until_its_sound_stops_growing(
    spool: Path, sealer: Sealer, importer: Importer
) -> None:
    folder = orphan(spool, sealer)
    (folder / "call.json").write_text("{")
    os.utime(folder / "take-1.pcm.part")
    assert importer.run_once() == 0
    age(folder)
    assert importer.run_once() == 1


def test_a_take_that_was_complete_when_the_process_died_is_not_cut_off(
    spool: Path, sealer: Sealer, importer: Importer, database: Database
) -> None:
    journal = Journal.begin(spool, sealer, "call-1", "", "96110")
    journal.consent("test-1", "key", confidential=False)
    journal.take_path(1).write_bytes(voice(3000))
    journal.keep_take(1, RecordingStopped("stopped", 3000, 3000))
    journal.save()
    journal.close()
    importer.run_once()
    assert not reports(database)[0].cut_off
    assert records(database)[0].needs_call_back


def test_the_drivers_word_on_speech_counts_when_a_number_was_promised_for_it(
    factory: ConversationFactory, importer: Importer, database: Database, store: BlobStore
) -> None:
    """Two detectors may differ by a frame; the caller has the number already."""
    hold(factory, *REPORT)
    folder = factory.spool / "call-1"
    (folder / "take-1.pcm").write_bytes(voice(1500) + bytes(40_000))
    importer.run_once()
    assert frames(store, reports(database)[0])[:24_000] == voice(1500)


def test_a_live_call_is_left_alone(spool: Path, sealer: Sealer, importer: Importer) -> None:
    journal = Journal.begin(spool, sealer, "call-1", "", "96110")
    age(journal.folder)
    assert importer.run_once() == 0
    journal.close()
    assert importer.run_once() == 1


@pytest.mark.slow
def test_a_killed_process_leaves_an_orphan(
    spool: Path, importer: Importer, database: Database, store: BlobStore
) -> None:
    code = """
import sys, time
from core import settings
from core.sealed import Sealer
from hotline.journal import Journal, spool_of
from tests.hotline.fake_call import voice
config = settings.load()
journal = Journal.begin(spool_of(config), Sealer.from_settings(config), "call-1", "1", "96110")
journal.consent("test-1", "key", confidential=False)
journal.save()
journal.take_path(1).with_suffix(".pcm.part").write_bytes(voice(3000))
print("recording", flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"recording\n"
        age(spool / "call-1")
        assert importer.run_once() == 0
        process.send_signal(signal.SIGKILL)
    assert importer.run_once() == 1
    assert frames(store, reports(database)[0]) == voice(3000)


class Killed(BaseException):
    """kill -9 between two lines."""


def test_a_kill_between_commit_and_removal_changes_nothing(
    factory: ConversationFactory,
    importer: Importer,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def die(folder: Path) -> None:
        raise Killed

    hold(factory, *REPORT)
    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(shutil, "rmtree", die)
        importer.run_once()
    assert len(reports(database)) == 1
    assert importer.run_once() == 1
    assert len(reports(database)) == 1
    assert len(records(database)) == 1
    assert list(factory.spool.iterdir()) == []


def test_two_importers_at_once_do_not_double(
    factory: ConversationFactory,
    config: Settings,
    database: Database,
    store: BlobStore,
    sealer: Sealer,
) -> None:
    for number in range(6):
        hold(factory, *REPORT, call_id=f"call-{number}")
    pair = [Importer(database, store, sealer, config) for _ in range(2)]
    threads = [threading.Thread(target=one.run_once) for one in pair]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one in pair:
        one.run_once()
    assert len(reports(database)) == len(records(database)) == 6
    assert list(factory.spool.iterdir()) == []


@pytest.mark.parametrize("damage", ["", "{", '{"schema": 99}', "gone", "other"])
def test_a_damaged_journal_is_set_aside_with_its_sound_sealed(
    spool: Path,
    sealer: Sealer,
    importer: Importer,
    database: Database,
    data_dir: Path,
    damage: str,
) -> None:
    folder = orphan(spool, sealer)
    entry = folder / "call.json"
    if damage == "gone":
        entry.unlink()
    elif damage == "other":
        entry.write_text(entry.read_text().replace("call-1", "call-2"))
    else:
        entry.write_text(damage)
    assert importer.run_once() == 1
    kept = data_dir / "hotline" / "damaged" / "call-1"
    (sealed,) = kept.glob("take*")
    assert sealed.name == "take-1.pcm.part.sealed"
    assert voice(4000)[:1000] not in sealed.read_bytes()
    assert damaged.open_sealed(sealed, sealer) == voice(4000) + b"\x01"
    (record,) = records(database)
    assert (record.end_cause, record.needs_call_back) == ("damaged", True)
    assert reports(database) == []
    assert importer.run_once() == 0


def test_one_stuck_call_does_not_hold_up_the_others(
    factory: ConversationFactory, importer: Importer, database: Database
) -> None:
    hold(factory, *REPORT, call_id="a")
    (factory.spool / "a" / "report.wav").mkdir()
    hold(factory, *REPORT, call_id="b")
    assert importer.run_once() == 1
    assert [report.source_key for report in reports(database)] == ["call:b"]
    assert (factory.spool / "a" / "take-1.pcm").is_file()


@pytest.mark.parametrize("error", [OSError(errno.EIO, "EIO"), KeyError("a bug of ours")])
def test_a_call_that_cannot_even_be_opened_does_not_hold_up_the_others(
    factory: ConversationFactory,
    importer: Importer,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
) -> None:
    hold(factory, *REPORT, call_id="a")
    hold(factory, *REPORT, call_id="b")

    def some_locked(folder: Path) -> AbstractContextManager[bool]:
        if folder.name == "a":
            raise error
        return locked(folder)

    monkeypatch.setattr("hotline.importer.locked", some_locked)
    assert importer.run_once() == 1
    assert [report.source_key for report in reports(database)] == ["call:b"]


def test_a_spool_that_cannot_be_read_is_looked_at_again(
    factory: ConversationFactory,
    importer: Importer,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("hotline.importer.WAIT_S", (0.01,))
    hold(factory, *REPORT)
    away = factory.spool.rename(factory.spool.with_name("away"))
    service = threading.Thread(target=importer.run_forever)
    service.start()
    threading.Event().wait(0.1)
    away.rename(factory.spool)
    deadline = clock.utc_now() + timedelta(seconds=20)
    while not reports(database) and clock.utc_now() < deadline:
        threading.Event().wait(0.05)
    importer.stop()
    service.join(10)
    assert len(reports(database)) == 1


def hold_twenty(factory: ConversationFactory) -> list[str]:
    calls = [FakeCall(REPORT, call_id=f"call-{number:02d}") for number in range(20)]

    async def all_at_once() -> None:
        await asyncio.gather(*(factory.converse(call) for call in calls))

    asyncio.run(all_at_once())
    written = [
        json.loads((factory.spool / call.call_id / "call.json").read_text()) for call in calls
    ]
    assert all(call.ended == "completed" for call in calls)
    return sorted(entry["reference_no"] for entry in written)


def entered(database: Database) -> list[str]:
    return sorted(report.reference_no for report in reports(database))


def test_twenty_calls_while_the_database_is_locked(
    factory: ConversationFactory, importer: Importer, database: Database, config: Settings
) -> None:
    database.close()
    sa.event.listen(  # ten seconds of patience are too many for a test
        database.engine, "connect", lambda c, _: c.execute("PRAGMA busy_timeout=50")
    )
    rival = sqlite3.connect(config.data_dir.resolve() / "xiangyin.db", isolation_level=None)
    rival.execute("BEGIN IMMEDIATE")
    numbers = hold_twenty(factory)
    with pytest.raises(Away):
        importer.run_once()
    assert len(list(factory.spool.iterdir())) == 20
    rival.execute("ROLLBACK")
    rival.close()
    assert importer.run_once() == 20
    assert importer.run_once() == 0
    assert entered(database) == numbers
    assert len(set(numbers)) == 20


def test_twenty_calls_while_the_database_is_missing(
    factory: ConversationFactory, importer: Importer, database: Database, config: Settings
) -> None:
    path = config.data_dir.resolve() / "xiangyin.db"
    database.close()
    path.rename(path.with_suffix(".away"))
    numbers = hold_twenty(factory)
    with pytest.raises(Away):
        importer.run_once()
    assert not path.exists()
    path.with_suffix(".away").rename(path)
    assert importer.run_once() == 20
    assert entered(database) == numbers


def test_a_database_replaced_under_open_connections_loses_no_call(
    factory: ConversationFactory, importer: Importer, database: Database, config: Settings
) -> None:
    """A pooled connection would happily commit into the file that was deleted."""
    path = config.data_dir.resolve() / "xiangyin.db"
    assert reports(database) == []
    hold(factory, *REPORT)
    for suffix in ("", "-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    Base.metadata.create_all(other := sa.create_engine(f"sqlite:///{path}"))
    other.dispose()
    with pytest.raises(Away):
        importer.run_once()
    assert (factory.spool / "call-1" / "take-1.pcm").is_file()
    assert importer.run_once() == 1
    assert presence.really_holds(database, "call-1")


def test_the_service_imports_when_the_bell_rings_and_stops(
    factory: ConversationFactory, importer: Importer, database: Database
) -> None:
    service = threading.Thread(target=importer.run_forever)
    service.start()
    hold(factory, *REPORT)
    deadline = clock.utc_now() + timedelta(seconds=20)
    while not reports(database) and clock.utc_now() < deadline:
        threading.Event().wait(0.05)
    importer.stop()
    service.join(10)
    assert not service.is_alive()
    assert len(reports(database)) == 1


moves = st.one_of(
    st.builds(Press, st.sampled_from("0123456789*#")),
    st.builds(Speak, st.sampled_from([200, 1000, 2500])),
    st.just(Silence()),
    st.just(GoAway()),
    st.just(GoAway("network")),
    st.just(DiskFull()),
)


@pytest.mark.slow
@settings(
    max_examples=120,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(moves, max_size=14), st.sampled_from(["", "13812345678"]))
def test_whatever_a_caller_does(
    factory: ConversationFactory,
    importer: Importer,
    database: Database,
    script: list[Move],
    caller: str,
) -> None:
    """Every call ends, is recorded once, and two seconds of agreed speech are a report."""
    call = FakeCall(script, call_id=f"call-{os.urandom(6).hex()}", caller=caller)
    factory.monotonic_s = call.monotonic_s
    asyncio.run(factory.converse(call))
    folder = factory.spool / call.call_id
    entry = json.loads((folder / "call.json").read_text())
    assert call.ended
    assert entry["finished"]
    sounds = list(folder.glob("take-*"))
    assert entry["consent_at"] is not None or not sounds
    assert len(sounds) == len(entry["takes"])
    enough = any(take["speech_ms"] >= limits.SPEECH_NEEDED_MS for take in entry["takes"])
    importer.run_once()
    with database.read() as session:
        record = session.get_one(CallRecord, call.call_id)
        report = session.get(Report, record.report_id) if record.report_id else None
    assert (report is not None and report.audio_sha256 is not None) == enough
    assert enough or record.needs_call_back or entry["kind"] != "report"
    assert record.needs_call_back or not entry["call_back_promised"]
    assert not (record.needs_call_back and caller) or record.call_back_id is not None
    if entry["reference_no"] is not None:
        assert report is not None
        assert report.reference_no == entry["reference_no"]
    assert not folder.exists()
