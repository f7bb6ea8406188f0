"""Telephony dies while Asterisk records: what was said comes back to its call."""

from __future__ import annotations

import asyncio
import fcntl
import os
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import sqlalchemy as sa
import structlog

from cases.models import Report
from core.blobs import BlobStore
from core.database import Database
from core.sealed import Sealer
from core.settings import Settings
from hotline.asterisk import recovery
from hotline.asterisk.client import Ari, Trouble
from hotline.asterisk.taking import Taking, name_of
from hotline.importer import Importer
from hotline.journal import CALL_FILE, Journal, spool_of
from hotline.models import CallRecord
from hotline.prompt_sound import wav_bytes
from tests.hotline.fake_call import voice
from tests.hotline_asterisk.conftest import Telephony
from tests.hotline_asterisk.fake_asterisk import APP, FakeAsterisk, until

CALL = "ast-1764300000-7"


@pytest.fixture
def left_behind(ari_config: Settings, sealer: Sealer) -> Path:
    """The folder of a call whose process died while take 1 grew."""
    journal = Journal.begin(spool_of(ari_config), sealer, CALL, "13812345678", "96110")
    journal.consent("test-1", "key", confidential=False)
    journal.save()
    journal.close()
    (journal.folder / "take-1.pcm.part").write_bytes(b"")
    return journal.folder


@pytest.fixture
def importer(
    database: Database, store: BlobStore, sealer: Sealer, ari_config: Settings
) -> Importer:
    return Importer(database, store, sealer, ari_config)


async def rescued(settings: Settings) -> int:
    ari = Ari(settings)
    try:
        return await recovery.rescue(ari, settings)
    finally:
        await ari.close()


def test_a_recording_that_goes_on_is_ended_and_fetched(
    ari_config: Settings, asterisk: FakeAsterisk, left_behind: Path
) -> None:
    channel = asterisk.ring("1764300000.7")
    channel.recording = name_of(CALL, Path("take-1.pcm"))
    channel.spoken = voice(4000)
    asterisk.live[channel.recording] = channel
    assert asyncio.run(rescued(ari_config)) == 1
    assert (left_behind / "take-1.pcm").read_bytes() == voice(4000)
    assert asterisk.stored == {}


def test_a_call_that_is_imported_at_this_moment_is_passed_over(
    ari_config: Settings,
    asterisk: FakeAsterisk,
    left_behind: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    imported = left_behind.with_name("ast-1764300000-8")
    imported.mkdir()

    async def rescue_call(_ari: Ari, folder: Path) -> int:
        imported.rmdir()
        return int(folder == left_behind)

    monkeypatch.setattr(recovery, "_rescue_call", rescue_call)
    assert asyncio.run(rescued(ari_config)) == 1


def test_a_recording_that_was_stored_meanwhile_is_fetched(
    ari_config: Settings, asterisk: FakeAsterisk, left_behind: Path
) -> None:
    asterisk.stored[name_of(CALL, Path("take-1.pcm"))] = wav_bytes(voice(3000))
    assert asyncio.run(rescued(ari_config)) == 1
    assert (left_behind / "take-1.pcm").read_bytes() == voice(3000)


def test_what_was_copied_is_kept_when_asterisk_has_nothing(
    ari_config: Settings, asterisk: FakeAsterisk, left_behind: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hotline.asterisk.taking.FETCH_TRIES_S", (0.01,))
    (left_behind / "take-1.pcm.part").write_bytes(voice(2500))
    asyncio.run(rescued(ari_config))
    assert (left_behind / "take-1.pcm").read_bytes() == voice(2500)


def test_while_asterisk_cannot_be_asked_the_sound_is_left_where_it_is(
    ari_config: Settings, asterisk: FakeAsterisk, left_behind: Path
) -> None:
    ari_config.ari_password = "wrong since the last start"
    with pytest.raises(Trouble):
        asyncio.run(rescued(ari_config))
    assert [path.name for path in left_behind.glob("take*")] == ["take-1.pcm.part"]


def test_a_recording_that_cannot_be_fetched_now_keeps_its_place(
    ari_config: Settings, asterisk: FakeAsterisk, left_behind: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hotline.asterisk.taking.FETCH_TRIES_S", ())
    asterisk.stored[name_of(CALL, Path("take-1.pcm"))] = wav_bytes(voice(3000))
    asterisk.broken_fetches = 1
    with pytest.raises(Trouble):
        asyncio.run(rescued(ari_config))
    assert [path.name for path in left_behind.glob("take*")] == ["take-1.pcm.part"]


def test_recordings_are_asked_for_until_they_came(
    ari_config: Settings, asterisk: FakeAsterisk, left_behind: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hotline.asterisk.taking.FETCH_TRIES_S", ())
    monkeypatch.setattr("hotline.asterisk.telephony.RESCUE_AGAIN_S", 0.01)
    asterisk.stored[name_of(CALL, Path("take-1.pcm"))] = wav_bytes(voice(3000))
    asterisk.broken_fetches = 3
    telephony = Telephony(ari_config, [])
    telephony.start(asterisk)
    try:
        until(lambda: not asterisk.stored)
    finally:
        telephony.stop()
    assert (left_behind / "take-1.pcm").read_bytes() == voice(3000)


def test_the_importer_waits_for_asterisk_and_then_takes_what_there_is(
    ari_config: Settings,
    asterisk: FakeAsterisk,
    left_behind: Path,
    importer: Importer,
    database: Database,
) -> None:
    then = time.time() - 3600
    os.utime(left_behind / "take-1.pcm.part", (then, then))
    assert importer.run_once() == 0
    asterisk.stored[name_of(CALL, Path("take-1.pcm"))] = wav_bytes(voice(3000))
    asyncio.run(rescued(ari_config))
    assert importer.run_once() == 1
    with database.read() as session:
        report = session.scalars(sa.select(Report)).one()
    assert report.audio_sha256 is not None


def test_a_call_whose_sound_never_came_back_is_taken_without_it_at_last(
    left_behind: Path, importer: Importer, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    then = time.time() - 3600
    os.utime(left_behind / "take-1.pcm.part", (then, then))
    assert importer.run_once() == 0
    monkeypatch.setattr("hotline.importer.RESCUE_WITHIN_S", 0.0)
    assert importer.run_once() == 1
    with database.read() as session:
        record = session.get_one(CallRecord, CALL)
    assert (record.report_id, record.needs_call_back) == (None, True)


def test_a_call_that_was_set_aside_and_put_back_is_waited_for_anew(
    left_behind: Path, importer: Importer, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = [0.0]
    clock = SimpleNamespace(monotonic=lambda: now_s[0], time=lambda: time.time() + 3600)
    monkeypatch.setattr("hotline.importer.time", clock)
    journal = left_behind / CALL_FILE
    mended = journal.read_text(encoding="utf-8")
    assert importer.run_once() == 0
    journal.write_text("{", encoding="utf-8")
    assert importer.run_once() == 1
    (left_behind.parent.parent / "damaged" / CALL).rename(left_behind)
    journal.write_text(mended, encoding="utf-8")
    (left_behind / "take-1.pcm.part").write_bytes(b"")
    now_s[0] = 3600.0
    assert importer.run_once() == 0


def test_callers_of_a_dead_process_are_hung_up_on_and_others_are_not(
    ari_config: Settings, asterisk: FakeAsterisk
) -> None:
    asterisk.ring("1764300000.7")
    telephony = Telephony(ari_config, [])
    telephony.start(asterisk)
    try:
        until(lambda: "1764300000.7" not in asterisk.channels)
        asterisk.ring("1764300000.8")
        until(lambda: telephony.calls)
        asterisk.cut_lines()
        until(lambda: asterisk.orders.count(f"GET applications/{APP}") == 2)
        until(lambda: asterisk._lines)
        asterisk.ring("1764300000.9")
        until(lambda: len(telephony.calls) == 2)
        assert set(asterisk.channels) == {"1764300000.8", "1764300000.9"}
    finally:
        telephony.stop()


def test_calls_are_answered_while_recordings_come_back(
    ari_config: Settings,
    asterisk: FakeAsterisk,
    left_behind: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("hotline.asterisk.taking.FETCH_TRIES_S", (3600.0,))
    telephony = Telephony(ari_config, [])
    telephony.start(asterisk)
    try:
        asterisk.ring("1764300000.8")
        until(lambda: telephony.calls)
    finally:
        telephony.stop()


def test_a_call_that_somebody_holds_is_left_alone(
    ari_config: Settings, asterisk: FakeAsterisk, left_behind: Path
) -> None:
    holder = os.open(left_behind, os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(holder, fcntl.LOCK_EX)
    try:
        assert asyncio.run(rescued(ari_config)) == 0
    finally:
        os.close(holder)
    assert (left_behind / "take-1.pcm.part").exists()


def test_a_recording_without_its_call_stays_and_is_named(
    ari_config: Settings, asterisk: FakeAsterisk
) -> None:
    asterisk.stored["xiangyin-ast-9-take-1"] = wav_bytes(voice(3000))
    with structlog.testing.capture_logs() as logs:
        asyncio.run(rescued(ari_config))
    assert "xiangyin-ast-9-take-1" in asterisk.stored
    assert [entry["name"] for entry in logs if entry["log_level"] == "error"] == [
        "xiangyin-ast-9-take-1"
    ]


async def follow(settings: Settings, folder: Path, recordings: Path) -> bytes:
    ari = Ari(settings)
    taken = Taking(
        ari, "xiangyin-x-take-1", folder / "take-1.pcm", limit_s=180, recordings=recordings
    )
    source = recordings / "xiangyin-x-take-1.wav"
    source.write_bytes(wav_bytes(voice(2000)))
    part = folder / "take-1.pcm.part"
    for _ in range(500):
        if part.stat().st_size:
            break
        await asyncio.sleep(0.01)
    copied = part.read_bytes()
    await taken.finish("gone")
    await ari.close()
    return copied


def test_each_second_is_on_our_disk_when_the_folder_of_asterisk_can_be_read(
    ari_config: Settings, asterisk: FakeAsterisk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hotline.asterisk.taking.FETCH_TRIES_S", (0.01,))
    assert asyncio.run(follow(ari_config, tmp_path, asterisk.spool)) == voice(2000)
    assert (tmp_path / "take-1.pcm").read_bytes() == voice(2000)
