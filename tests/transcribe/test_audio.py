"""Any sound becomes what the decoder takes; 8 kHz stay 8 kHz, a call's sides stay apart."""

from __future__ import annotations

import random
import struct
import wave
from pathlib import Path

import pytest

from core.errors import InvalidInput
from tests.transcribe.conftest import Spoken, error_rate, ffmpeg, pcm, write_wav
from transcribe import audio
from transcribe.channels import are_two_sides
from transcribe.decoder import Decoder

FORMATS = {
    "voicemail.amr": ["-ar", "8000", "-c:a", "libopencore_amrnb", "-b:a", "12.2k"],
    "browser.webm": ["-c:a", "libopus", "-b:a", "24k"],
    "phone.m4a": ["-c:a", "aac", "-b:a", "48k"],
    "film.mp4": ["-c:a", "aac", "-b:a", "48k"],
    "old.mp3": ["-c:a", "libmp3lame", "-b:a", "32k"],
    "radio.ogg": ["-c:a", "libvorbis"],
    "line.wav": ["-ar", "8000", "-c:a", "pcm_alaw"],
    "studio.wav": ["-ar", "48000", "-c:a", "pcm_s24le"],
    "master.flac": ["-ar", "44100"],
}


@pytest.mark.parametrize("name", FORMATS)
def test_what_people_send_is_heard_and_telephone_sound_stays_at_8_khz(
    name: str, decoder: Decoder, spoken: Spoken, tmp_path: Path
) -> None:
    sent = tmp_path / name
    ffmpeg("-i", spoken.original, *FORMATS[name], sent)
    heard = decoder.decode(audio.prepare(sent, tmp_path / "prepared.wav"))
    assert error_rate(spoken.text, heard.text) <= 0.2
    assert heard.sample_rate_hz == (8_000 if name in ("voicemail.amr", "line.wav") else 16_000)
    assert all(said.side is None for said in heard.utterances)


def test_what_fits_already_is_not_touched_and_a_model_of_wide_sound_gets_wide_sound(
    spoken: Spoken, tmp_path: Path
) -> None:
    for fits in (spoken.wide, spoken.telephone):
        assert audio.prepare(fits, tmp_path / "prepared.wav") == fits
    widened = audio.prepare(spoken.telephone, tmp_path / "prepared.wav", takes_8khz=False)
    with wave.open(str(widened), "rb") as found:
        assert (found.getframerate(), found.getnchannels()) == (16_000, 1)


def test_48_khz_as_it_is_goes_through_the_decoder_too(
    decoder: Decoder, spoken: Spoken, tmp_path: Path
) -> None:
    studio = tmp_path / "studio.wav"
    ffmpeg("-i", spoken.original, "-ar", "48000", "-c:a", "pcm_s16le", studio)
    heard = decoder.decode(studio)
    assert heard.sample_rate_hz == 48_000
    assert error_rate(spoken.text, heard.text) <= 0.2


def test_what_is_no_sound_is_refused(tmp_path: Path) -> None:
    text = tmp_path / "letter.amr"
    text.write_text("#!AMR? no")
    with pytest.raises(InvalidInput):
        audio.prepare(text, tmp_path / "prepared.wav")


def stereo(path: Path, left: bytes, right: bytes, rate_hz: int = 16_000) -> Path:
    count = min(len(left), len(right)) // 2
    pairs = zip(
        memoryview(left).cast("h")[:count], memoryview(right).cast("h")[:count], strict=True
    )
    samples = b"".join(struct.pack("<2h", *pair) for pair in pairs)
    return write_wav(path, samples, rate_hz, channels=2)


def mixed(sound: bytes, factor: float, hiss: int, *, delay: int = 0) -> bytes:
    """``sound`` at another loudness, later by ``delay`` samples, with hiss of its own."""
    dice = random.Random(hiss + delay)
    samples = [0] * delay + list(memoryview(sound).cast("h"))
    changed = (round(sample * factor + dice.gauss(0, hiss)) for sample in samples)
    return struct.pack(f"<{len(samples)}h", *(max(-32768, min(32767, one)) for one in changed))


def test_people_who_speak_in_turns_or_at_once_are_two_sides(
    sentences: list[Spoken], tmp_path: Path
) -> None:
    first, second = pcm(sentences[0].wide), pcm(sentences[1].wide)
    quiet = bytes(len(first))
    turns = stereo(tmp_path / "turns.wav", first + quiet, quiet + second)
    assert are_two_sides(turns)
    at_once = stereo(tmp_path / "once.wav", first * 2, second * 3)
    assert are_two_sides(at_once)


def test_one_programme_in_two_channels_is_none(sentences: list[Spoken], tmp_path: Path) -> None:
    sound = pcm(sentences[0].wide)
    channels = {
        "copy": sound,
        "softer": mixed(sound, 0.3, 60),
        "inverted": mixed(sound, -1.0, 0),
        "microphone": mixed(sound, 0.6, 20, delay=160),
        "nobody": mixed(sound, 0.0, 20),
        "silence": bytes(len(sound)),
    }
    for name, other in channels.items():
        assert not are_two_sides(stereo(tmp_path / f"{name}.wav", sound, other)), name
    assert not are_two_sides(stereo(tmp_path / "empty.wav", b"", b""))


@pytest.mark.parametrize(("name", "rate_hz"), [("call.wav", 8_000), ("call.mp3", 16_000)])
def test_a_recorded_call_keeps_its_sides(
    name: str, rate_hz: int, decoder: Decoder, sentences: list[Spoken], tmp_path: Path
) -> None:
    first, second = pcm(sentences[0].wide), pcm(sentences[1].wide)
    turns = stereo(tmp_path / "turns.wav", first + bytes(len(second)), bytes(len(first)) + second)
    call = tmp_path / name
    ffmpeg("-i", turns, "-ar", str(rate_hz), call)
    heard = decoder.decode(audio.prepare(call, tmp_path / "prepared.wav"))
    assert [said.side for said in heard.utterances] == [0, 1]
    assert heard.sample_rate_hz == rate_hz
    assert error_rate(sentences[1].text, heard.utterances[1].text) <= 0.2


def test_stereo_that_is_one_programme_is_mixed_down(
    decoder: Decoder, spoken: Spoken, tmp_path: Path
) -> None:
    both = stereo(tmp_path / "both.wav", pcm(spoken.telephone), pcm(spoken.telephone), 8_000)
    prepared = audio.prepare(both, tmp_path / "prepared.wav")
    heard = decoder.decode(prepared)
    assert (heard.text, heard.sample_rate_hz) == (spoken.text, 8_000)
    assert [said.side for said in heard.utterances] == [None]
