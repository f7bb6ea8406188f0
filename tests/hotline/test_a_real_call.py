"""The whole road over a real line: SIP, sound, dialogue, journal, importer."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from cases.models import Report
from core import settings as core_settings
from core.blobs import BlobStore
from core.database import Database
from core.errors import Unavailable
from core.sealed import Sealer
from core.settings import Settings
from demo.call import call, heard_reference
from demo.phone import Press, Say, Step, Wait, WaitQuiet, place_call
from hotline import directory, prompts
from hotline.directory import Directory, Village
from hotline.importer import Importer
from hotline.journal import Entry, spool_of
from hotline.models import CallRecord
from hotline.office import Office
from hotline.prompt_texts import reference_sounds
from recordings import sound, speech
from tests.transcribe.growing import live_process, wait_for
from transcribe import catalogue, hearings
from transcribe.models import TranscriptionJob
from transcribe.recogniser import STANDARD
from transcribe.stream import Shelf

VILLAGE = "371312101201"
TEXT = "我是李家庄的，村口的路灯坏了三天了，晚上看不见路，请派人来修。"


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def hotline(monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """Telephony and signalling at work on ports of their own."""
    monkeypatch.setenv("XIANGYIN_SIP_PORT", str(free_port()))
    monkeypatch.setenv("XIANGYIN_HOTLINE_LANGUAGES", "zh_CN")
    core_settings.load.cache_clear()
    config = core_settings.load()
    prompts.prepare(config)
    processes = []
    try:
        for name in ("telephony", "signalling"):
            command = [sys.executable, "-m", "hotline", name]
            process = subprocess.Popen(command, stdout=subprocess.PIPE, env=os.environ.copy())
            processes.append(process)
            assert process.stdout is not None
            assert process.stdout.readline() == b"READY\n"
        yield config
    finally:
        for process in reversed(processes):
            process.terminate()
        for process in processes:
            process.wait(10)


@pytest.mark.slow
def test_a_villager_hears_the_number_of_the_report_that_arrives(
    hotline: Settings, database: Database, store: BlobStore, sealer: Sealer
) -> None:
    Office(database, hotline).fill()
    answer = call(TEXT, ("127.0.0.1", hotline.sip_port), consent="speech")
    number, pin = str(answer["reference_no"]), str(answer["pin"])
    assert answer["ended_by"] == "them"
    importer = Importer(database, store, sealer, hotline)
    deadline = time.monotonic() + 10
    while importer.run_once() == 0 and time.monotonic() < deadline:
        time.sleep(0.1)
    with database.read() as session:
        report = session.scalars(sa.select(Report)).one()
        record = session.scalars(sa.select(CallRecord)).one()
    assert report.reference_no == number
    assert report.pin_hash == sealer.keyed_hash("pin", number, pin)
    assert report.consent_channel == "speech"
    assert record.end_cause == "completed"
    assert not record.needs_call_back
    assert report.audio_sha256 is not None
    kept = sound.probe(store.existing_path(report.audio_sha256))
    assert kept.sample_rate_hz == 8000
    spoken_ms = answer["spoken_ms"]
    assert isinstance(spoken_ms, int)
    assert spoken_ms - 200 < kept.duration_ms < spoken_ms + 8000


@pytest.mark.slow
def test_the_words_of_a_call_are_there_when_it_arrives(
    hotline: Settings, database: Database, store: BlobStore, sealer: Sealer, tmp_path: Path
) -> None:
    with live_process(tmp_path) as live:
        call(TEXT, ("127.0.0.1", hotline.sip_port), consent="speech")
        importer = Importer(database, store, sealer, hotline)
        wait_for(lambda: importer.run_once() == 1, "the call's arrival")
        with database.read() as session:
            job = session.scalars(sa.select(TranscriptionJob)).one()
        sound_sha256 = hearings.sound_of(store.existing_path(job.audio_sha256)).pcm_sha256
        assert job.stream_key is not None
        wait_for(lambda: job.stream_key in Shelf(hotline).ready(), str(live.said()))
        heard = Shelf(hotline).get(
            job.stream_key,
            pcm_sha256=sound_sha256,
            model_hash=catalogue.starter().tree_hash,
            config_hash=STANDARD.hash,
        )
    assert heard is not None
    assert heard.words


@pytest.mark.slow
def test_a_villager_keys_the_village_hears_the_take_and_says_it_again(
    hotline: Settings, database: Database, store: BlobStore, sealer: Sealer, tmp_path: Path
) -> None:
    Office(database, hotline).fill()
    directory.store(hotline, Directory({VILLAGE: Village(VILLAGE, "李家庄村", "101")}))
    voice = spoken(TEXT, tmp_path)
    keys: list[Step] = [
        step for key in ("1", "1", "1", "0", "1", "#") for step in (Wait(1.0), Press(key))
    ]
    take: list[Step] = [WaitQuiet(1.2), Say(), Wait(0.5), Press("#"), Wait(1.0)]
    again: list[Step] = [Press("2"), WaitQuiet(1.2), Press("3"), *take, Press("1")]
    result = asyncio.run(
        place_call(("127.0.0.1", hotline.sip_port), voice, [*keys, *take, *again], hang_up=False)
    )
    assert result.ended_by == "them"
    assert heard_reference(result.heard, prompts.prepare(hotline))[0] is not None
    assert likeness(result.heard, voice[16_000:48_000]) > 0.9, "the caller heard the own voice"
    [folder] = spool_of(hotline).iterdir()
    entry = Entry.parse((folder / "call.json").read_text())
    assert (entry.village_code, entry.village_from) == (VILLAGE, "code")
    assert [take.replaced for take in entry.takes] == [True, False]
    importer = Importer(database, store, sealer, hotline)
    wait_for(lambda: importer.run_once() == 1, "the call's arrival")
    with database.read() as session:
        report = session.scalars(sa.select(Report)).one()
    assert report.audio_sha256 is not None
    kept = sound.probe(store.existing_path(report.audio_sha256))
    assert kept.duration_ms > 2 * len(voice) // 16, "both takes are kept"


def spoken(text: str, folder: Path) -> bytes:
    """A voice as the telephone carries it."""
    speech.render(text, folder / "spoken.wav")
    sound.to_wav(folder / "spoken.wav", folder / "narrow.wav", rate_hz=8000)
    return (folder / "narrow.wav").read_bytes()[44:]


def likeness(heard: bytes, part: bytes) -> float:
    """How well ``part`` is found in ``heard``, 0-1."""
    long, short = (np.frombuffer(pcm, "<i2").astype(float) for pcm in (heard, part))
    found = np.fft.irfft(np.fft.rfft(long, 1 << 21) * np.conj(np.fft.rfft(short, 1 << 21)))[
        : len(long) - len(short)
    ]
    at = int(np.argmax(found))
    window = long[at : at + len(short)]
    return float(found[at] / (np.linalg.norm(window) * np.linalg.norm(short)))


def test_nobody_at_the_other_end_is_said_plainly() -> None:
    with pytest.raises(Unavailable, match="Nobody answers at 127"):
        call("喂", ("127.0.0.1", free_port()))


@pytest.mark.slow
def test_the_number_is_found_in_what_was_heard(config: Settings) -> None:
    made = prompts.prepare(config)
    sounds = reference_sounds("110223459", "0071", (), ("goodbye",))
    heard = b"".join(path.read_bytes()[44:] for path in made.sounds(sounds))
    assert heard_reference(heard, made) == ("110223459", "0071")
    assert heard_reference(heard[: len(heard) // 2], made) == (None, None)
