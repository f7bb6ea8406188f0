"""The clock of a box is set while plays are waiting or sounding."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from edge.clock import discipline, instant, iso, parse
from edge.config import Home
from tests.counterparts import require
from tests.edge.conftest import BoxProcess, wait_for
from tests.edge.fake_server import FakeServer
from tests.edge.sounds import locate, opus, speechlike
from tests.edge.turned import TurnedClock

StartBox = Callable[..., BoxProcess]


@pytest.fixture
def turned(tmp_path: Path) -> TurnedClock:
    require("faketime")
    return TurnedClock(tmp_path / "faketime")


def set_right(server: FakeServer, turned: TurnedClock, to: datetime) -> None:
    """Somebody sets the clock, and it is right then: the server says the same."""
    server.ahead += to - turned.now()
    turned.set_to(to)


def waiting_box(
    server: FakeServer, home: Home, start_box: StartBox, turned: TurnedClock, seconds: float
) -> tuple[datetime, bytes]:
    """A box with a decoded play that is due an hour ahead; its instant and clip."""
    clip = opus(speechlike(seconds))
    starts_at = datetime.now(UTC) + timedelta(hours=1)
    server.add_play(7, starts_at, server.add_clip(clip, int(seconds * 1000)))
    server.publish()
    box = start_box(home, env=turned.env).ready()
    wait_for(lambda: box.has_ready(clip), 60, "the clip to be decoded")
    wait_for(lambda: server.health, 30, "the first round to end")
    return starts_at, clip


@pytest.mark.slow
@pytest.mark.real("faketime")
def test_a_clock_set_forward_to_just_before_a_play_lets_it_begin_on_time(
    server: FakeServer, home: Home, start_box: StartBox, turned: TurnedClock
) -> None:
    starts_at, clip = waiting_box(server, home, start_box, turned, 1)
    set_right(server, turned, starts_at - timedelta(seconds=3))
    wait_for(lambda: bool(server.receipts), 30, "the receipt")
    found = locate(home.sounded, 7, clip)
    assert abs(found.at - starts_at) < timedelta(milliseconds=5)
    assert abs(server.receipts[1]["start_error_ms"]) < 5


@pytest.mark.slow
@pytest.mark.real("faketime")
def test_a_clock_set_over_the_instant_costs_half_a_second_and_the_preroll(
    server: FakeServer, home: Home, start_box: StartBox, turned: TurnedClock
) -> None:
    starts_at, clip = waiting_box(server, home, start_box, turned, 1)
    set_right(server, turned, starts_at + timedelta(seconds=10))
    wait_for(lambda: bool(server.receipts), 30, "the receipt")
    late = locate(home.sounded, 7, clip).at - starts_at - timedelta(seconds=10)
    # 0.5 s until the loop looks, 0.75 s lead with the pre-roll; the rest is a loaded machine.
    assert timedelta(0) < late < timedelta(seconds=3)
    assert server.outcomes() == {7: ("played", None)}


@pytest.mark.slow
@pytest.mark.real("faketime")
@pytest.mark.parametrize("step_s", [20, -20])
def test_a_clock_set_while_it_sounds_neither_cuts_nor_repeats(
    server: FakeServer, home: Home, start_box: StartBox, turned: TurnedClock, step_s: float
) -> None:
    starts_at, clip = waiting_box(server, home, start_box, turned, 4)
    set_right(server, turned, starts_at - timedelta(seconds=3))
    wait_for(lambda: turned.now() > starts_at + timedelta(seconds=2))
    set_right(server, turned, turned.now() + timedelta(seconds=step_s))
    wait_for(lambda: bool(server.receipts), 30, "the receipt")
    found = locate(home.sounded, 7, clip)
    assert found.likeness > 0.9
    assert abs(found.at - starts_at) < timedelta(milliseconds=5)
    wait_for(lambda: turned.now() > starts_at + timedelta(seconds=8), 60)
    assert server.outcomes() == {7: ("played", None)}
    assert not any(home.sounded.glob("*.part"))


def test_instants_have_a_fixed_width_and_a_zone() -> None:
    moment = parse("2026-06-01T08:00:00+08:00")
    assert iso(moment) == "2026-06-01T00:00:00.000000Z"
    assert parse(iso(moment)) == moment
    with pytest.raises(ValueError):
        parse("2026-06-01T08:00:00")
    assert instant(0) == datetime(1970, 1, 1, tzinfo=UTC)


def test_the_kernel_says_whether_the_clock_is_kept_right() -> None:
    found = discipline()
    if found is not None:
        assert found.max_error_ms >= 0
        assert isinstance(found.synchronised, bool)
