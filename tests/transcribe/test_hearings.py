"""The same sound costs nothing twice, whoever sends it in whatever container."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from core.clock import FakeClock
from core.database import Database
from core.errors import InvalidInput
from tests.conftest import on_both_databases
from tests.transcribe.conftest import Spoken, ffmpeg, pcm, write_wav
from transcribe import audio, hearings
from transcribe.hearings import Sound
from transcribe.models import Hearing
from transcribe.recogniser import Recognition, Utterance, Word

SOUND = Sound("a" * 64, 700)
HEARD = Recognition((Utterance((Word("停水", 0, 600, 0.9),), ("听水",)),), 700, 8_000)
OTHER = Recognition((), 700, 8_000, "silent")


def test_the_same_samples_are_the_same_sound_in_another_container(
    spoken: Spoken, tmp_path: Path
) -> None:
    flac = tmp_path / "same.flac"
    ffmpeg("-i", spoken.wide, flac)
    unpacked = audio.prepare(flac, tmp_path / "unpacked.wav")
    tagged = tmp_path / "tagged.wav"
    tagged.write_bytes(spoken.wide.read_bytes() + b"LIST\x04\x00\x00\x00more")
    same = hearings.sound_of(spoken.wide)
    assert hearings.sound_of(unpacked) == same
    assert hearings.sound_of(tagged) == same


def test_one_sample_the_rate_or_the_channels_make_another_sound(
    spoken: Spoken, tmp_path: Path
) -> None:
    samples = pcm(spoken.wide)
    changed = bytes([samples[0] ^ 1]) + samples[1:]
    kinds = [
        (samples, 16_000, 1),
        (changed, 16_000, 1),
        (samples, 8_000, 1),
        (samples[: len(samples) // 4 * 4], 16_000, 2),
    ]
    prints = {
        hearings.sound_of(write_wav(tmp_path / f"{number}.wav", data, rate, channels=count))
        for number, (data, rate, count) in enumerate(kinds)
    }
    assert len({one.pcm_sha256 for one in prints}) == 4


def test_its_length_is_told_and_what_is_no_sound_is_refused(tmp_path: Path) -> None:
    assert (
        hearings.sound_of(write_wav(tmp_path / "s.wav", bytes(16_000), 8_000)).duration_ms == 1_000
    )
    junk = tmp_path / "junk"
    junk.write_bytes(b"no sound")
    with pytest.raises(InvalidInput):
        hearings.sound_of(junk)


def test_another_model_or_configuration_is_another_hearing() -> None:
    keys = {hearings.key(*parts) for parts in (("s", "m", "c"), ("s", "m", "d"), ("s", "n", "c"))}
    assert len(keys) == 3


@on_both_databases
def test_who_comes_second_takes_what_the_first_one_heard(database: Database) -> None:
    with database.write() as session:
        assert hearings.find(session, "k") is None
        assert hearings.keep(session, "k", SOUND, "m", HEARD) == HEARD
    with database.write() as session:
        assert hearings.keep(session, "k", SOUND, "m", OTHER) == HEARD
    with database.read() as session:
        assert hearings.find(session, "k") == HEARD


def test_hearings_of_models_that_are_gone_and_old_ones_are_forgotten(
    database: Database, fake_clock: FakeClock
) -> None:
    with database.write() as session:
        hearings.keep(session, "old", SOUND, "here", HEARD)
    fake_clock.advance(timedelta(days=hearings.KEEP_DAYS, seconds=1))
    with database.write() as session:
        hearings.keep(session, "gone", SOUND, "gone", HEARD)
        hearings.keep(session, "kept", SOUND, "here", HEARD)
    with database.write() as session:
        assert hearings.prune(session, ["here", "another"]) == 2
    with database.read() as session:
        assert session.scalars(sa.select(Hearing.key)).all() == ["kept"]
