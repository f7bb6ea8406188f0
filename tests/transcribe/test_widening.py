"""Telephone sound for models of wide sound: the same samples whatever pieces it came in."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.settings import Settings
from tests.transcribe.conftest import Spoken, error_rate, pcm, write_wav
from tests.transcribe.growing import live_process, record, wait_for
from transcribe import audio, catalogue, hearings
from transcribe.decoder import Decoder
from transcribe.recogniser import STANDARD
from transcribe.widening import Widening, widen


def whole(pieces: list[bytes]) -> bytes:
    widening = Widening()
    return b"".join([*(widening.add(piece) for piece in pieces), widening.rest()])


def samples(pcm: bytes) -> np.ndarray:
    return np.frombuffer(pcm, "<i2")


@given(st.binary(max_size=2000), st.lists(st.integers(0, 1000), max_size=8))
def test_pieces_do_not_matter_and_no_sample_is_lost(sound: bytes, cuts: list[int]) -> None:
    sound = sound[: len(sound) // 2 * 2]
    places = sorted({0, len(sound), *(2 * cut for cut in cuts if 2 * cut < len(sound))})
    pieces = [sound[a:b] for a, b in itertools.pairwise(places)]
    wide = whole(pieces)
    assert wide == whole([sound])
    assert len(wide) == 2 * len(sound)
    assert wide[0::4] == sound[0::2]
    assert wide[1::4] == sound[1::2]


@pytest.mark.parametrize("hertz", [200, 1000, 2000, 3400])
def test_a_tone_stays_that_tone(hertz: int) -> None:
    at_s = np.arange(8000) / 8000
    tone = (10_000 * np.sin(2 * np.pi * hertz * at_s)).astype("<i2")
    power = np.abs(np.fft.rfft(samples(whole([tone.tobytes()])) * np.hanning(16_000))) ** 2
    assert int(power.argmax()) == hertz
    power[hertz - 4 : hertz + 5] = 0
    assert power[4100:].max() < 10**-6 * 10_000**2 * 16_000**2 / 16


def test_a_model_of_wide_sound_understands_it(
    spoken: Spoken, decoder: Decoder, tmp_path: Path
) -> None:
    wide = audio.prepare(spoken.telephone, tmp_path / "wide.wav", takes_8khz=False)
    assert error_rate(spoken.text, decoder.decode(wide).text) <= 0.2


@pytest.mark.slow
def test_such_a_model_hears_calls_live_word_for_word(
    config: Settings, spoken: Spoken, tmp_path: Path
) -> None:
    model = tmp_path / "wide-only"
    shutil.copytree(catalogue.STARTER, model)
    conf = model / "conf" / "mfcc.conf"
    lines = [line for line in conf.read_text().splitlines() if "allow-upsample" not in line]
    conf.write_text("\n".join(lines) + "\n")
    installed = catalogue.at(model)
    assert not installed.takes_8khz
    wide = audio.prepare(spoken.telephone, tmp_path / "wide.wav", takes_8khz=False)
    with live_process(tmp_path, XIANGYIN_MODEL_DIR=str(model)) as live:
        tape = record(config, tmp_path / "call-7", spoken.telephone)
        wait_for(lambda: tape.key in tape.shelf.ready(), str(live.said()))
    decoder = Decoder(model, tmp_path / "batch")
    decoder.start()
    try:
        batch = decoder.decode(wide)
    finally:
        decoder.close()
    assert batch.words
    assert batch == tape.shelf.get(
        tape.key,
        pcm_sha256=hearings.sound_of(wide).pcm_sha256,
        model_hash=installed.tree_hash,
        config_hash=STANDARD.hash,
    )


def test_the_file_holds_what_the_stream_gives(tmp_path: Path, spoken: Spoken) -> None:
    narrow = write_wav(tmp_path / "narrow.wav", pcm(spoken.telephone), 8000)
    widen(narrow, tmp_path / "wide.wav")
    assert pcm(tmp_path / "wide.wav") == whole([pcm(narrow)])
