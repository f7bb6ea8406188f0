"""How loud a play is, whatever numbers come together; and what the box makes of a switch."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcast import volumes
from edge import volume
from edge.cache import Pcm
from edge.clock import Timeline
from edge.follow import Follower
from edge.health import Problems
from edge.switch import QuietSwitch
from tests.edge.planning import EIGHT
from tests.edge.turnable import TurnableClock

RATE_HZ = 8000
ZONE = ZoneInfo("Asia/Shanghai")
PERCENT = st.integers(0, 100)
HOURS = st.lists(PERCENT, min_size=24, max_size=24)


def share(
    play: int = 100,
    player: int = 100,
    hours: list[int] | None = None,
    priority: int = 50,
    at: datetime = EIGHT,
) -> float:
    return volume.share(
        play_percent=play, player_percent=player, by_hour=hours or [], priority=priority, at=at,
        zone=ZONE,
    )  # fmt: skip


def sounded(play_share: float, cap: float = 1.0, seconds: float = 1.0) -> tuple[Follower, float]:
    """A square wave at full scale through the follower: it, and its loudest sample."""
    clock = TurnableClock()
    square = np.where(np.arange(int(RATE_HZ * seconds)) % 16 < 8, 32767, -32767).astype(np.int16)
    follower = Follower(
        Pcm(square, RATE_HZ, 32767 / 32768), clock.wall_s() + 0.5, Timeline(clock), cap, play_share
    )
    loudest, frame = 0.0, 0
    while not follower.done:
        out = follower.block(160, frame, clock.mono_s())
        loudest = max(loudest, float(np.abs(out).max()))
        frame += 160
        clock.pass_(0.02)
    return follower, loudest


@given(play=PERCENT, player=PERCENT, hours=HOURS, priority=st.sampled_from([10, 50, 90, 95]))
def test_each_percentage_can_only_lower(
    play: int, player: int, hours: list[int], priority: int
) -> None:
    found = share(play, player, hours, priority)
    assert 0 <= found <= min(play, player, hours[8]) / 100
    assert found == pytest.approx(play * player * hours[8] / 1e6)


@given(play=PERCENT, player=PERCENT, hours=HOURS)
def test_no_hour_lowers_an_emergency(play: int, player: int, hours: list[int]) -> None:
    assert share(play, player, hours, priority=100) == share(play, player, priority=100)


@given(player=PERCENT)
def test_a_player_that_was_turned_off_sounds_an_emergency_at_half_its_loudness(
    player: int,
) -> None:
    assert share(player=player, priority=100) == pytest.approx(max(50, player) / 100)
    assert share(player=player, priority=95) == pytest.approx(player / 100)
    assert volume.EMERGENCY_FLOOR_PERCENT == volumes.EMERGENCY_FLOOR_PERCENT


@given(
    cap=st.floats(0.01, 1.0), peak=st.floats(0.0, 1.0), play_share=st.floats(0.0, 1.0)
)  # fmt: skip
def test_no_sample_passes_the_cap_times_the_share(
    cap: float, peak: float, play_share: float
) -> None:
    assert volume.gain(cap, peak, play_share) * peak <= cap * play_share + 1e-9
    assert 0 <= volume.gain(cap, peak, play_share) <= 1


def test_the_hour_is_the_hour_of_the_village() -> None:
    by_hour = [100] * 24
    by_hour[8] = 40
    assert share(hours=by_hour) == pytest.approx(0.4)


@given(play_share=st.floats(0.05, 1.0), cap=st.floats(0.05, 1.0))
def test_what_leaves_is_as_loud_as_it_says(play_share: float, cap: float) -> None:
    follower, loudest = sounded(play_share, cap, seconds=0.2)
    assert loudest <= cap * play_share + 1e-4
    assert follower.loudness_dbfs == pytest.approx(20 * np.log10(cap * play_share), abs=0.2)
    assert follower.gain == pytest.approx(cap * play_share, rel=0.001)


def test_a_sine_at_full_scale_has_three_decibels_less_than_a_square() -> None:
    sine = np.sin(np.arange(RATE_HZ) * 2 * np.pi * 100 / RATE_HZ)
    assert volume.dbfs(float(sine @ sine), len(sine)) == pytest.approx(-3.01, abs=0.01)
    assert volume.dbfs(4.0, 4) == 0
    assert volume.dbfs(0.0, 4) == -120
    assert volume.dbfs(0.0, 0) is None


def _run(follower: Follower, clock: TurnableClock, blocks: int, first: int = 0) -> list[float]:
    heard: list[float] = []
    for number in range(blocks):
        heard.extend(follower.block(160, (first + number) * 160, clock.mono_s()))
        clock.pass_(0.02)
    return heard


def _flat(clock: TurnableClock, play_share: float = 1.0, from_s: float = 0.0) -> Follower:
    flat = np.full(5 * RATE_HZ, 32767, np.int16)
    pcm = Pcm(flat, RATE_HZ, 32767 / 32768)
    return Follower(pcm, clock.wall_s(), Timeline(clock), 1.0, play_share, from_s)


def test_another_hour_is_reached_without_a_jump() -> None:
    clock = TurnableClock()
    follower = _flat(clock)
    before = _run(follower, clock, 10)
    follower.set_share(0.25)
    after = _run(follower, clock, 20, first=10)
    assert before[-1] == pytest.approx(1, abs=0.001)
    assert after[-1] == pytest.approx(0.25, abs=0.001)
    assert max(np.abs(np.diff(before[-1:] + after))) < 0.01


def test_what_is_hushed_dies_away_and_never_comes_back() -> None:
    clock = TurnableClock()
    follower = _flat(clock)
    _run(follower, clock, 10)
    follower.hush()
    follower.set_share(1.0)
    dying = _run(follower, clock, 5, first=10)
    assert follower.silent
    assert max(np.abs(np.diff(dying))) < 0.01
    assert max(np.abs(_run(follower, clock, 20, first=15))) < 0.0001


def test_what_goes_on_in_its_middle_comes_up_gently_at_the_right_place() -> None:
    clock = TurnableClock()
    rising = np.linspace(10000, 30000, 2 * RATE_HZ).astype(np.int16)
    follower = Follower(
        Pcm(rising, RATE_HZ, 30000 / 32768), clock.wall_s(), Timeline(clock), 1.0, from_s=1.0
    )
    heard = _run(follower, clock, 25)
    assert abs(heard[0]) < 0.01
    assert heard[-1] * 32768 == pytest.approx(20000 + 0.5 * 10000, abs=50)
    assert follower.reached_s(clock.mono_s()) == pytest.approx(1.5, abs=0.03)


# --- the quiet switch


def test_without_a_switch_nothing_is_quiet() -> None:
    assert not QuietSwitch("").is_on()


@pytest.mark.parametrize(
    ("content", "is_on"),
    [(None, False), (b"", True), (b"1\n", True), (b"0\n", False), (b"off", False), (b"on", True)],
)
def test_a_file_or_the_line_of_a_board_is_the_switch(
    tmp_path: Path, content: bytes | None, is_on: bool
) -> None:
    file = tmp_path / "quiet"
    if content is not None:
        file.write_bytes(content)
    assert QuietSwitch(str(file)).is_on() == is_on


def test_a_switch_that_cannot_be_read_any_more_counts_as_it_stood(tmp_path: Path) -> None:
    file = tmp_path / "quiet"
    file.write_bytes(b"1")
    switch = QuietSwitch(str(file))
    assert switch.is_on()
    file.unlink()
    file.mkdir()  # opening it fails, though something is there
    assert switch.is_on()


def test_a_switch_that_cannot_be_read_is_a_problem_logged_once_until_it_can(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is looked at twice a second."""
    problems = Problems()
    file = tmp_path / "quiet"
    file.mkdir()
    switch = QuietSwitch(str(file), problems)
    for _ in range(5):
        assert not switch.is_on()
    assert "cannot be read" in problems.all()["quiet_switch"]
    assert len([each for each in caplog.records if "cannot be read" in each.message]) == 1
    file.rmdir()
    file.write_bytes(b"1")
    assert switch.is_on()
    assert problems.all() == {}


def test_a_line_of_the_board_that_nobody_exported_is_a_problem_and_counts_as_it_stood(
    tmp_path: Path,
) -> None:
    problems = Problems()
    line = tmp_path / "class" / "gpio17" / "value"
    switch = QuietSwitch(str(line), problems, lines=tmp_path)
    assert not switch.is_on()
    assert "quiet_switch" in problems.all()
    line.parent.mkdir(parents=True)
    line.write_bytes(b"1\n")
    assert switch.is_on()
    assert problems.all() == {}
    line.unlink()
    assert switch.is_on(), "a line that vanishes must not wake the village"
    assert "quiet_switch" in problems.all()


def test_a_plain_file_that_is_not_there_is_a_switch_that_is_off(tmp_path: Path) -> None:
    problems = Problems()
    assert not QuietSwitch(str(tmp_path / "quiet"), problems).is_on()
    assert problems.all() == {}


def test_the_switch_of_the_installation_page_is_a_line_of_the_board() -> None:
    problems = Problems()
    assert not QuietSwitch("/sys/class/gpio/gpio999999/value", problems).is_on()
    assert "quiet_switch" in problems.all()
