"""The power goes while twenty people speak: all but the last second of each is kept."""

from __future__ import annotations

import time
import wave
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from benchmarks import sipp
from benchmarks.sounds import through
from cases.models import Report
from core.blobs import BlobStore
from core.database import Database
from core.sealed import Sealer
from core.settings import Settings
from hotline.importer import Importer
from hotline.journal import spool_of
from hotline.limits import SPEECH_NEEDED_MS
from hotline.models import CallRecord
from hotline.sip.voice import speech_ms
from tests.hotline_sip.conftest import Hotline, voice, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.real("sipp")]

CALLS = 20
SPEAK_S = 9.0
KEPT_FROM_S = 1.0
"""What was said earlier than this before the cut must be there."""
UNDER_WAY_S = 0.4
"""Packets in flight and a write the disk has begun, on a machine that has time."""
VOICE = voice(SPEAK_S)
EXACT = through("PCMA", VOICE)


@pytest.fixture
def recording(idle_hotline: Hotline, config: Settings) -> Hotline:
    """A hotline whose calls go into this test's spool."""
    idle_hotline.data = config.data_dir
    idle_hotline.environment["XIANGYIN_DATA_DIR"] = str(config.data_dir)
    idle_hotline.environment["TINY_MODE"] = "journal"
    idle_hotline.start_all()
    return idle_hotline


def began_at(hotline: Hotline) -> dict[str, float]:
    """When each call's recording was begun, by the file system's clock."""
    notes = (hotline.data / "tiny" / "notes").glob("*.json")
    return {path.stem: path.stat().st_mtime for path in notes}


def sounds(hotline: Hotline, pattern: str) -> dict[str, np.ndarray]:
    spool = hotline.data / "hotline" / "spool"
    return {
        path.parent.name: np.frombuffer(path.read_bytes()[: path.stat().st_size & ~1], "<i2")
        for path in spool.glob(f"*/{pattern}")
    }


def pause(seconds: float) -> float:
    """Wait; how late this machine woke us at worst, which is how late callers speak too."""
    until, late_s = time.monotonic() + seconds, 0.0
    while (began := time.monotonic()) < until:
        time.sleep(0.02)
        late_s = max(late_s, time.monotonic() - began - 0.02)
    return late_s


def assert_all_but_the_last_second(kept: np.ndarray, spoken_s: float, late_s: float) -> None:
    under_way_s = UNDER_WAY_S + 3 * late_s
    assert len(kept) >= (spoken_s - KEPT_FROM_S - under_way_s) * 8000
    assert len(kept) <= (spoken_s + under_way_s) * 8000
    first = EXACT.tobytes().find(kept[:160].tobytes()) // 2
    assert 0 <= first < 8000  # the caller spoke from the first moment, also while it was answered
    assert np.array_equal(kept, EXACT[first : first + len(kept)])


@pytest.mark.parametrize("speaks_s", [2.3, 4.7])
def test_a_power_cut_takes_a_second_of_each_of_twenty_voices(
    recording: Hotline,
    database: Database,
    store: BlobStore,
    sealer: Sealer,
    config: Settings,
    tmp_path: Path,
    speaks_s: float,
) -> None:
    capture = sipp.write_capture(
        tmp_path / "v.pcap", "PCMA", [sipp.Sound(0.0, VOICE.tobytes())], SPEAK_S
    )
    body = sipp.invite() + sipp.play(capture) + sipp.pause(SPEAK_S)
    callers = sipp.start(tmp_path, body, recording.address, calls=CALLS, rate=20)
    wait_until(lambda: len(began_at(recording)) == CALLS, explain=recording.logs)
    late_s = pause(speaks_s)
    recording.kill("telephony")
    cut_at = time.time()
    recording.kill("signalling")
    began = began_at(recording)
    sipp.finish(callers, tmp_path, "calls", 60)

    left = sounds(recording, "take-1.pcm.part")
    assert set(left) == set(began)
    for call_id, kept in left.items():
        assert_all_but_the_last_second(kept, cut_at - began[call_id], late_s)

    recording.start_all()
    importer = Importer(database, store, sealer, config)
    wait_until(lambda: importer.run_once() >= 0 and not any(spool_of(config).iterdir()), 30)
    worth = {
        call_id: kept.tobytes()
        for call_id, kept in left.items()
        if speech_ms(kept.tobytes()) >= SPEECH_NEEDED_MS
    }
    with database.read() as session:
        reports = session.scalars(sa.select(Report)).all()
        records = session.scalars(sa.select(CallRecord)).all()
    assert {record.call_id for record in records} == set(left)
    assert {record.call_id for record in records if record.report_id is not None} == set(worth)
    assert {record.call_id for record in records if record.needs_call_back} == set(left)
    assert {report.cut_off for report in reports} <= {True}
    arrived = set()
    for report in reports:
        assert report.audio_sha256 is not None
        with wave.open(str(store.existing_path(report.audio_sha256))) as sound:
            arrived.add(sound.readframes(sound.getnframes()))
    assert arrived == set(worth.values())
