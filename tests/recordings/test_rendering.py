"""From source to master and delivery: loudness verified, edges cut, jingles joined."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import InvalidInput
from recordings import editing, levels, loudness, rendering, sound, speech
from recordings.rendering import Order

from .conftest import Convert, MakeTone, write_wav

TEXT = "各位乡亲，明天上午八点村委会停电检修，请提前做好准备。"


def _render(order: Order, folder: Path) -> tuple[rendering.Rendered, list[tuple[str, int]]]:
    steps: list[tuple[str, int]] = []
    folder.mkdir(exist_ok=True)
    return rendering.render(order, folder, lambda step, done: steps.append((step, done))), steps


def test_a_script_becomes_a_master_at_minus_16_lufs(tmp_path: Path) -> None:
    rendered, steps = _render(Order(None, TEXT), tmp_path / "work")
    assert abs(sound.loudness_lufs(rendered.master) + 16) <= 1
    assert rendered.master_lufs == sound.loudness_lufs(rendered.master)
    with wave.open(str(rendered.master)) as master:
        assert (master.getframerate(), master.getnchannels(), master.getsampwidth()) == (
            48_000,
            1,
            2,
        )
        assert abs(master.getnframes() / 48 - rendered.master_ms) <= 1
    assert abs(rendered.delivery_ms - rendered.master_ms) < 50
    assert [name for name, _ in steps] == [
        "speak", "decode", "check", "edit", "loudness", "peaks", "delivery",
    ]  # fmt: skip
    assert [done for _, done in steps] == sorted(done for _, done in steps)
    assert {name for name, _ in steps} < set(rendering.STEPS)


@pytest.mark.parametrize("gain_db", [-40, -25, 0, 12])
def test_quiet_and_loud_recordings_end_equally_loud(
    tmp_path: Path, convert: Convert, gain_db: int
) -> None:
    speech.render(TEXT, tmp_path / "spoken.wav")
    source = convert(tmp_path / "spoken.wav", "gained.wav", "-af", f"volume={gain_db}dB")
    rendered, _ = _render(Order(source, None), tmp_path / "work")
    assert abs(sound.loudness_lufs(rendered.master) + 16) <= 1
    measured = levels.measure(rendered.master)
    assert measured.clipped_share == 0
    texts = " ".join(warning["message"] for warning in rendered.warnings)
    assert ("very quiet" in texts) == (gain_db == -40)
    assert ("too loud" in texts) == (gain_db == 12)


def test_a_file_that_holds_less_than_it_says_carries_a_warning(
    tmp_path: Path, tone: MakeTone, convert: Convert
) -> None:
    whole = convert(tone(seconds=10), "a.mp3", "-b:a", "64k").read_bytes()
    source = tmp_path / "half.mp3"
    source.write_bytes(whole[: len(whole) // 2])
    rendered, _ = _render(Order(source, None), tmp_path / "work")
    assert any("its end may be missing" in found["message"] for found in rendered.warnings)


def test_silence_is_refused(tmp_path: Path) -> None:
    source = write_wav(tmp_path / "silence.wav", np.zeros(16_000 * 5))
    with pytest.raises(InvalidInput) as refused:
        _render(Order(source, None), tmp_path / "work")
    assert refused.value.field == "file"
    assert "Nothing can be heard" in refused.value.text


def test_a_recording_below_a_second_is_to_be_made_again(tmp_path: Path, tone: MakeTone) -> None:
    with pytest.raises(InvalidInput) as refused:
        _render(Order(tone(seconds=0.5), None), tmp_path / "work")
    assert (refused.value.field, "Record it again" in refused.value.text) == ("file", True)


def test_a_text_that_is_spoken_in_less_than_a_second_is_to_be_written_longer(
    tmp_path: Path,
) -> None:
    with pytest.raises(InvalidInput) as refused:
        _render(Order(None, "好"), tmp_path / "work")
    assert (refused.value.field, "whole sentence" in refused.value.text) == ("text", True)


def test_cutting_away_all_that_sounds_is_refused(tmp_path: Path, tone: MakeTone) -> None:
    sounding = tone(seconds=2)
    with wave.open(str(sounding)) as opened:
        samples = np.frombuffer(opened.readframes(opened.getnframes()), "<i2") / 32_768
    source = write_wav(tmp_path / "a.wav", np.concatenate([samples, np.zeros(16_000 * 5)]))
    with pytest.raises(InvalidInput) as refused:
        _render(Order(source, None, trim_start_ms=3_000), tmp_path / "work")
    assert "Nothing can be heard" in refused.value.text


def test_trimming_cuts_both_ends(tmp_path: Path, tone: MakeTone) -> None:
    order = Order(tone(seconds=6), None, trim_start_ms=1_000, trim_end_ms=2_000)
    rendered, _ = _render(order, tmp_path / "work")
    assert rendered.master_ms == 3_000


def test_trimming_too_much_names_the_field(tmp_path: Path, tone: MakeTone) -> None:
    with pytest.raises(InvalidInput) as refused:
        _render(Order(tone(seconds=3), None, trim_end_ms=2_500), tmp_path / "work")
    assert refused.value.field == "trim_end"


def test_opening_and_closing_are_joined_at_the_same_loudness(
    tmp_path: Path, tone: MakeTone
) -> None:
    opening, closing = tmp_path / "o.wav", tmp_path / "c.wav"
    rendering.render_jingle(tone(seconds=2, level=0.01, name="low.wav"), opening)
    rendering.render_jingle(tone(seconds=2, level=0.9, name="high.wav"), closing)
    order = Order(tone(seconds=5), None, opening=opening, closing=closing)
    rendered, _ = _render(order, tmp_path / "work")
    assert rendered.master_ms == 2_000 + 5_000 + 2_000 + 2 * editing.GAP_MS
    assert abs(rendered.master_lufs + 16) <= 1
    peaks = rendered.peaks
    assert abs(max(peaks[:20]) - max(peaks[-20:])) < 15


def test_a_jingle_of_minutes_is_refused(tmp_path: Path, tone: MakeTone) -> None:
    with pytest.raises(InvalidInput):
        rendering.render_jingle(tone(seconds=5), tmp_path / "o.wav", max_s=4)
    assert not (tmp_path / "o.wav").exists()


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    frames=st.integers(48_000, 400_000),
    start_ms=st.integers(0, 3_000),
    end_ms=st.integers(0, 3_000),
)
def test_trimming_keeps_exactly_the_middle(
    tmp_path: Path, frames: int, start_ms: int, end_ms: int
) -> None:
    samples = np.arange(frames) % 30_000 / 32_767
    source = write_wav(tmp_path / "in.wav", samples, 48_000)
    left = frames - (start_ms + end_ms) * 48
    target = tmp_path / "cut.wav"
    if left < 48_000:
        with pytest.raises(InvalidInput):
            editing.trim(source, target, start_ms=start_ms, end_ms=end_ms)
        return
    assert editing.trim(source, target, start_ms=start_ms, end_ms=end_ms) == round(left / 48)
    with wave.open(str(source)) as before, wave.open(str(target)) as after:
        before.setpos(start_ms * 48)
        assert after.readframes(frames) == before.readframes(left)


@pytest.mark.parametrize("seconds", [1.0, 3.9, 4.1, 30.0])
def test_joining_fades_the_edges_and_keeps_the_middle_bit_for_bit(
    tmp_path: Path, seconds: float
) -> None:
    frames = int(48_000 * seconds)
    source = write_wav(tmp_path / "in.wav", np.full(frames, 0.5), 48_000)
    assert editing.join(None, source, None, tmp_path / "out.wav") == round(seconds * 1000)
    with wave.open(str(tmp_path / "out.wav")) as joined:
        samples = np.frombuffer(joined.readframes(frames), "<i2")
    assert samples.size == frames
    assert abs(int(samples[0])) < 1_000
    assert abs(int(samples[-1])) < 1_000
    middle = samples[48 * editing.FADE_IN_MS : -48 * editing.FADE_OUT_MS - 48]
    assert np.all(middle == 16_383)


def test_a_target_loudness_is_reached_by_measurement_even_for_a_second(
    tmp_path: Path, tone: MakeTone
) -> None:
    out = tmp_path / "out.wav"
    reached = loudness.normalise(tone(seconds=1.2, level=0.02), out, duration_ms=1_200)
    assert abs(reached + 16) <= 1
    assert reached == sound.loudness_lufs(out)


def test_what_loudnorm_misses_is_corrected_by_measurement(tmp_path: Path) -> None:
    """A sound that swells until it breaks off: two passes alone end at -16.9 LUFS."""
    time_s = np.arange(16_000 * 6) / 16_000
    swelling = np.exp(-2 * time_s[::-1]) * np.random.default_rng(1).normal(0, 0.3, time_s.size)
    source = write_wav(tmp_path / "in.wav", swelling)
    reached = loudness.normalise(source, tmp_path / "out.wav", duration_ms=6_000)
    assert abs(reached - loudness.TARGET_LUFS) <= loudness.TOLERANCE_LU / 2
    assert reached == sound.loudness_lufs(tmp_path / "out.wav")
