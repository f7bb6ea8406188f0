"""Foreign sound files: what is accepted, what is refused, and with which words."""

from __future__ import annotations

import struct
import sys
import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import InvalidInput
from recordings import levels, sound

from .conftest import Convert, MakeTone, write_wav


@pytest.mark.parametrize(
    ("name", "options", "codec"),
    [
        ("a.mp3", ("-ar", "44100", "-ac", "2"), "mp3"),
        ("a.m4a", ("-c:a", "aac"), "aac"),
        ("a.amr", ("-ar", "8000", "-ac", "1"), "amr_nb"),
        ("a.ogg", ("-c:a", "libopus", "-ar", "48000"), "opus"),
        ("a.flac", ("-ar", "96000", "-ac", "6"), "flac"),
        (
            "odd.wav",
            (
                "-ar",
                "11127",
            ),
            "pcm_s16le",
        ),
        ("eight.wav", ("-ar", "8000", "-c:a", "pcm_u8"), "pcm_u8"),
        ("alaw.wav", ("-ar", "8000", "-c:a", "pcm_alaw"), "pcm_alaw"),
        ("float.wav", ("-c:a", "pcm_f32le"), "pcm_f32le"),
        ("phone.3gp", ("-c:a", "aac"), "aac"),
        ("a.webm", ("-c:a", "libopus", "-ar", "48000"), "opus"),
    ],
)
def test_what_phones_and_recorders_make_is_read(
    tone: MakeTone, convert: Convert, tmp_path: Path, name: str, options: tuple[str], codec: str
) -> None:
    source = convert(tone(seconds=3), name, *options)
    facts = sound.to_wav(source, tmp_path / "out.wav", rate_hz=16_000)
    assert facts.codec == codec
    assert abs(facts.duration_ms - 3_000) < 130
    assert abs(sound.probe(source).duration_ms - facts.duration_ms) <= 1
    with wave.open(str(tmp_path / "out.wav")) as written:
        assert (written.getframerate(), written.getnchannels()) == (16_000, 1)
    assert not sound.is_silent(tmp_path / "out.wav")


def test_a_film_with_sound_is_accepted(tone: MakeTone, convert: Convert, tmp_path: Path) -> None:
    film = convert(
        tone(seconds=2), "film.mp4", "-f", "lavfi", "-i", "testsrc=d=2:s=64x64", "-shortest"
    )
    facts = sound.to_wav(film, tmp_path / "out.wav", rate_hz=48_000)
    assert facts.codec == "aac"
    assert abs(facts.duration_ms - 2_000) < 130


def _make(kind: str, tone: MakeTone, convert: Convert, tmp_path: Path) -> Path:
    path = tmp_path / f"upload-{kind}"
    if kind == "empty":
        path.touch()
    elif kind == "text":
        path.write_text("乡音\n" * 1_000)
    elif kind == "program":
        path.write_bytes(Path(sys.executable).resolve().read_bytes()[:500_000])
    elif kind == "noise bytes":
        path.write_bytes(np.random.default_rng(1).bytes(300_000))
    elif kind == "picture":
        path = convert(
            tone(), "a.png", "-f", "lavfi", "-i", "testsrc=d=1", "-map", "1:v", "-frames:v", "1"
        )
    elif kind == "silent film":
        path = convert(tone(), "a.mp4", "-f", "lavfi", "-i", "testsrc=d=1", "-map", "1:v")
    elif kind == "half an m4a":
        whole = convert(tone(), "a.m4a").read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
    elif kind == "header alone":
        path.write_bytes(tone().read_bytes()[:44])
    elif kind == "playlist":
        path.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{tone()}\n#EXT-X-ENDLIST\n")
    elif kind == "list of files":
        path.write_text(f"ffconcat version 1.0\nfile '{tone()}'\n")
    return path


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("empty", "empty"),
        ("header alone", "empty"),
        ("text", "not a sound file"),
        ("program", "not a sound file"),
        ("noise bytes", "not a sound file"),
        ("picture", "not a sound file"),
        ("playlist", "not a sound file"),
        ("list of files", "not a sound file"),
        ("silent film", "no sound in this file"),
        ("half an m4a", "ends too early"),
    ],
)
def test_what_is_no_sound_is_refused_in_plain_words(
    tone: MakeTone, convert: Convert, tmp_path: Path, kind: str, words: str
) -> None:
    source = _make(kind, tone, convert, tmp_path)
    before = set(tmp_path.iterdir())
    for attempt in (
        lambda: sound.to_wav(source, tmp_path / "out.wav", rate_hz=16_000),
        lambda: sound.probe(source),
        lambda: sound.first_seconds(source),
    ):
        with pytest.raises(InvalidInput) as refused:
            attempt()
        assert refused.value.field == "file"
        assert words in refused.value.text
    assert set(tmp_path.iterdir()) == before


def test_a_header_that_claims_ten_hours_is_not_believed(tone: MakeTone, tmp_path: Path) -> None:
    lying = bytearray(tone(seconds=2).read_bytes())
    claimed = 10 * 3600 * 32_000
    lying[4:8] = struct.pack("<I", claimed + 36)
    lying[40:44] = struct.pack("<I", claimed)
    source = tmp_path / "lying.wav"
    source.write_bytes(lying)
    assert sound.probe(source).duration_ms == 2_000
    assert sound.to_wav(source, tmp_path / "out.wav", rate_hz=16_000).duration_ms == 2_000


def test_a_truncated_mp3_keeps_what_was_saved_and_shows_what_it_claims(
    tone: MakeTone, convert: Convert, tmp_path: Path
) -> None:
    whole = convert(tone(seconds=10), "a.mp3", "-b:a", "64k").read_bytes()
    source = tmp_path / "half.mp3"
    source.write_bytes(whole[: len(whole) // 2])
    facts = sound.probe(source)
    assert 4_000 < facts.duration_ms < 6_000
    assert facts.declared_ms is not None
    assert facts.declared_ms > 9_000


def test_sound_longer_than_the_limit_is_refused_and_leaves_nothing(
    tone: MakeTone, tmp_path: Path
) -> None:
    source = tone(seconds=5)
    with pytest.raises(InvalidInput) as refused:
        sound.to_wav(source, tmp_path / "out.wav", rate_hz=16_000, max_s=4)
    assert refused.value.field == "file"
    assert [path.name for path in tmp_path.iterdir() if "out" in path.name] == []


def test_an_existing_target_survives_a_failure(tone: MakeTone, tmp_path: Path) -> None:
    target = tmp_path / "out.wav"
    target.write_bytes(b"kept")
    bad = tmp_path / "bad"
    bad.write_text("no sound")
    with pytest.raises(InvalidInput):
        sound.to_wav(bad, target, rate_hz=16_000)
    assert target.read_bytes() == b"kept"


def test_a_name_that_looks_like_an_address_stays_a_file(
    tone: MakeTone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    named = Path("concat:tone.wav|tone.wav")
    named.write_bytes(tone(seconds=1).read_bytes())
    assert sound.probe(named).duration_ms == 1_000


def test_delivery_is_mono_opus_of_48_kbit(tone: MakeTone, tmp_path: Path) -> None:
    sound.encode_delivery(tone(seconds=20), tmp_path / "out.ogg")
    facts = sound.probe(tmp_path / "out.ogg")
    assert (facts.codec, facts.channels, facts.sample_rate_hz) == ("opus", 1, 48_000)
    assert abs(facts.duration_ms - 20_000) < 20
    assert (tmp_path / "out.ogg").stat().st_size < 20 * 48_000 / 8 * 1.4


@pytest.mark.parametrize("level_db", [-10, -20, -30])
def test_loudness_is_the_standards(tmp_path: Path, level_db: int) -> None:
    """EBU Tech 3341: a mono 1 kHz sine at L dBFS (peak) measures L - 3.01 LUFS."""
    time_s = np.arange(48_000 * 5) / 48_000
    sine = 10 ** (level_db / 20) * np.sin(2 * np.pi * 1000 * time_s)
    wav = write_wav(tmp_path / "sine.wav", sine, 48_000)
    assert sound.loudness_lufs(wav) == pytest.approx(level_db - 3.01, abs=0.2)


def test_silence_has_the_lowest_loudness(tmp_path: Path) -> None:
    wav = write_wav(tmp_path / "silence.wav", np.zeros(16_000))
    assert sound.loudness_lufs(wav) == -70.0
    assert sound.is_silent(wav)


@pytest.mark.parametrize(
    ("what", "silent"),
    [
        ("hiss of a telephone line", True),
        ("constant offset", True),
        ("a click", True),
        ("whisper", False),
    ],
)
def test_silence_is_what_nobody_can_hear(tmp_path: Path, what: str, silent: bool) -> None:
    samples = {
        "hiss of a telephone line": np.random.default_rng(1).choice([-8, 8], 80_000) / 32_768,
        "constant offset": np.full(80_000, 0.2),
        "a click": np.where(np.arange(80_000) == 40_000, 0.9, 0.0),
        "whisper": np.random.default_rng(1).normal(0, 0.004, 80_000),
    }[what]
    assert sound.is_silent(write_wav(tmp_path / "a.wav", samples)) is silent


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(frames=st.integers(0, 50_000), rate_hz=st.sampled_from([8_000, 11_127, 22_050, 48_000]))
def test_peaks_are_about_ten_a_second_and_never_more_than_1200(
    tmp_path: Path, frames: int, rate_hz: int
) -> None:
    wav = write_wav(tmp_path / "p.wav", np.sin(np.arange(frames)), rate_hz)
    found = sound.peaks(wav)
    assert all(0 <= value <= 100 for value in found)
    assert len(found) <= min(1200, frames / rate_hz * 10 + 1)
    assert len(found) >= frames / rate_hz * 9 - 1


def test_peaks_of_a_long_sound_are_wider(tmp_path: Path) -> None:
    samples = np.zeros(8_000 * 600)
    samples[8_000 * 300] = 1.0
    found = sound.peaks(write_wav(tmp_path / "p.wav", samples, 8_000))
    assert len(found) == 1200
    assert found.index(100) == 600


@pytest.mark.parametrize("call", [sound.peaks, sound.is_silent, levels.measure])
def test_measuring_what_is_no_wav_is_refused(tmp_path: Path, call: object) -> None:
    (tmp_path / "x.wav").write_bytes(b"RIFF")
    assert callable(call)
    with pytest.raises(InvalidInput):
        call(tmp_path / "x.wav")


def test_clipping_and_loudness_are_measured(tone: MakeTone) -> None:
    loud = levels.measure(tone(level=8.0))
    soft = levels.measure(tone(level=0.005, name="soft.wav"))
    assert loud.clipped_share > 0.2
    assert soft.clipped_share == 0
    assert -60 < soft.loudest_dbfs < -40
    assert not soft.silent


@pytest.mark.slow
def test_two_hours_of_silence_are_recognised_within_limits(tmp_path: Path) -> None:
    source = tmp_path / "silence.flac"
    sound.ffmpeg(
        ["-f", "lavfi", "-i", "anullsrc=r=8000:cl=mono", "-t", "7200", "-c:a", "flac", source]
    )
    assert source.stat().st_size < 5_000_000
    facts = sound.to_wav(source, tmp_path / "out.wav", rate_hz=8_000)
    assert facts.duration_ms == 7_200_000
    assert sound.is_silent(tmp_path / "out.wav")


def test_a_file_that_unpacks_to_days_is_cut_off_at_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bomb costs the limit's time and disk, not its own."""
    source = tmp_path / "bomb.flac"
    sound.ffmpeg(
        ["-f", "lavfi", "-i", "anullsrc=r=8000:cl=mono", "-t", "3600", "-c:a", "flac", source]
    )
    written: list[int] = []
    real_open = wave.open

    def spy(path: str, mode: str) -> wave.Wave_read:
        opened = real_open(path, mode)
        written.append(opened.getnframes())
        return opened

    monkeypatch.setattr(sound.wave, "open", spy)
    with pytest.raises(InvalidInput):
        sound.to_wav(source, tmp_path / "out.wav", rate_hz=8_000, max_s=10)
    assert written == [11 * 8_000]
    assert list(tmp_path.glob("*out*")) == []
