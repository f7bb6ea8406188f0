"""A clock that is wrong and that nothing keeps: the server is still reached, the programme is heard
at its time, and a server that is wrong itself wakes nobody."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import clock as clocks
from edge import told, vouched
from edge.box import Box
from edge.client import Client
from edge.config import Home
from edge.errors import ServerUnreachable
from edge.guided import AGAIN_S, PATIENCE_S, STEADY_S, GuidedClock, Mark
from edge.store import Store
from edge.told import Told
from tests.counterparts import require
from tests.edge.authority import Authority
from tests.edge.conftest import BoxProcess, enrol, wait_for
from tests.edge.fake_server import FakeServer
from tests.edge.sounds import opus, speechlike
from tests.edge.turnable import TurnableClock
from tests.edge.turned import TurnedClock

DAY_S = 86_400.0
YEARS_S = 10 * 365 * DAY_S


def hear(clock: GuidedClock, wall_s: float, error_s: float = 1.0) -> None:
    clock.heard(Told(wall_s, error_s))


def led(machine: TurnableClock, true_s: float, error_s: float = 1.0) -> GuidedClock:
    """A clock that two answers have set right."""
    clock = GuidedClock(machine, lambda: False)
    hear(clock, true_s, error_s)
    machine.pass_(AGAIN_S)
    hear(clock, true_s + AGAIN_S, error_s)
    return clock


@pytest.mark.parametrize("wrong_s", [2.0, -2.0])
def test_an_error_smaller_than_what_an_answer_can_tell_is_left_alone(wrong_s: float) -> None:
    machine = TurnableClock()
    clock = led(machine, machine.wall_s() + wrong_s)
    assert not clock.is_led
    assert clock.server_offset_s == wrong_s
    assert clock.wall_s() == machine.wall_s()


@pytest.mark.parametrize("wrong_s", [20 * DAY_S, -20 * DAY_S, 5.0, -5.0])
def test_a_clock_nobody_keeps_is_led_once_two_answers_agree(wrong_s: float) -> None:
    machine = TurnableClock()
    true_s = machine.wall_s() - wrong_s
    clock = GuidedClock(machine, lambda: False)
    hear(clock, true_s)
    assert not clock.is_led
    machine.pass_(AGAIN_S)
    hear(clock, true_s + AGAIN_S)
    assert clock.is_led
    assert clock.wall_s() == true_s + AGAIN_S


def test_two_answers_of_one_moment_are_one() -> None:
    """While the machine's clock is being set, what was on its way still tells the old time."""
    machine = TurnableClock()
    clock = GuidedClock(machine, lambda: False)
    for _ in range(5):
        hear(clock, machine.wall_s() + 3600)
        machine.pass_(0.1)
    assert not clock.is_led


def test_two_answers_that_contradict_each_other_set_no_clock() -> None:
    machine = TurnableClock()
    clock = GuidedClock(machine, lambda: False)
    for hours in (5, -7, 2, 9):
        hear(clock, machine.wall_s() + hours * 3600)
        machine.pass_(AGAIN_S)
        assert not clock.is_led


def test_a_server_whose_clock_jumps_is_not_followed_for_a_day() -> None:
    """At eight in the evening it says that it is eight in the morning."""
    machine = TurnableClock()
    clock = GuidedClock(machine, lambda: False)
    hear(clock, machine.wall_s())
    for _ in range(23):
        machine.pass_(3600)
        hear(clock, machine.wall_s() + 12 * 3600)
        assert not clock.is_led
        assert clock.is_at_odds
    hear(clock, machine.wall_s())
    assert not clock.is_at_odds
    hear(clock, machine.wall_s() + 12 * 3600)
    machine.pass_(STEADY_S)
    hear(clock, machine.wall_s() + 12 * 3600)
    assert clock.is_led


@pytest.mark.parametrize("off_s", [-8.0, 8.0])
def test_an_answer_that_was_long_on_its_way_contradicts_nobody(off_s: float) -> None:
    machine = TurnableClock()
    clock = GuidedClock(machine, lambda: False)
    hear(clock, machine.wall_s())
    for _ in range(3):
        machine.pass_(30)
        hear(clock, machine.wall_s() + off_s, error_s=6.0)
    assert not clock.is_at_odds
    assert clock.is_sure
    assert not clock.is_led


@pytest.mark.parametrize("off_s", [-8.0, 8.0])
def test_nor_does_it_contradict_the_time_of_the_server_that_is_used(off_s: float) -> None:
    machine = TurnableClock()
    true_s = machine.wall_s() + 20 * DAY_S
    clock = led(machine, true_s)
    machine.pass_(30)
    hear(clock, true_s + AGAIN_S + 30 + off_s, error_s=6.0)
    assert not clock.is_at_odds
    assert clock.is_sure
    assert clock.wall_s() == true_s + AGAIN_S + 30


def test_one_that_cannot_be_explained_by_its_way_does() -> None:
    machine = TurnableClock()
    clock = GuidedClock(machine, lambda: False)
    hear(clock, machine.wall_s())
    machine.pass_(30)
    hear(clock, machine.wall_s() + 10, error_s=6.0)
    assert clock.is_at_odds


def test_a_led_clock_is_not_carried_away_by_its_server_either() -> None:
    machine = TurnableClock()
    true_s = machine.wall_s() + 20 * DAY_S
    clock = led(machine, true_s)
    machine.pass_(600)
    hear(clock, true_s + AGAIN_S + 600 - 6 * 3600)
    machine.pass_(600)
    hear(clock, true_s + AGAIN_S + 1200 - 6 * 3600)
    assert clock.wall_s() == true_s + AGAIN_S + 1200
    assert clock.is_at_odds


def test_a_machine_clock_that_is_turned_while_the_server_keeps_its_word_is_led() -> None:
    machine = TurnableClock()
    clock = GuidedClock(machine, lambda: False)
    hear(clock, machine.wall_s())
    machine.step(9 * 3600)
    true_s = machine.wall_s() - 9 * 3600
    hear(clock, true_s)  # an answer may have been on its way while the clock was set
    assert not clock.is_led
    machine.pass_(AGAIN_S)
    hear(clock, true_s + AGAIN_S)
    assert clock.wall_s() == true_s + AGAIN_S


def test_a_crystal_that_ran_away_in_a_week_without_network_is_no_contradiction() -> None:
    machine = TurnableClock()
    clock = GuidedClock(machine, lambda: False)
    hear(clock, machine.wall_s())
    machine.pass_(7 * DAY_S)
    for _ in range(2):
        hear(clock, machine.wall_s() + 40)
        machine.pass_(AGAIN_S)
    assert clock.is_led
    assert not clock.is_at_odds


@given(st.lists(st.floats(-2.9, 2.9), min_size=1, max_size=20), st.floats(0.01, 2))
def test_a_led_clock_never_jumps_by_what_answers_say_that_fit(
    offs_s: list[float], error_s: float
) -> None:
    machine = TurnableClock()
    true_s = machine.wall_s() + DAY_S
    clock = led(machine, true_s, error_s)
    for off_s in offs_s:
        before_s = clock.wall_s()
        hear(clock, before_s + off_s, error_s)
        assert clock.wall_s() == pytest.approx(before_s, abs=1e-6)
        machine.pass_(30)
        assert clock.wall_s() - before_s == pytest.approx(30, abs=30 * 500e-6 + 1e-6)


def test_what_is_told_more_exactly_is_reached_gently_and_is_less_unsure() -> None:
    machine = TurnableClock()
    true_s = machine.wall_s() + DAY_S
    clock = led(machine, true_s + 0.8)
    unsure = clock.discipline()
    hear(clock, true_s + AGAIN_S, 0.02)
    machine.pass_(3600)
    found = clock.discipline()
    assert clock.wall_s() == pytest.approx(true_s + AGAIN_S + 3600, abs=0.001)
    assert unsure is not None
    assert found is not None
    assert unsure.max_error_ms == pytest.approx(1000, rel=0.01)
    assert 20 <= found.max_error_ms < unsure.max_error_ms
    assert not found.synchronised


def test_a_clock_that_is_not_led_is_as_sure_as_the_kernel_says() -> None:
    assert GuidedClock(TurnableClock(), lambda: False).discipline() == clocks.discipline()


def test_until_somebody_vouches_for_the_time_the_server_is_waited_for_a_little() -> None:
    machine = TurnableClock()
    clock = GuidedClock(machine, lambda: False)
    assert not clock.is_settled
    machine.pass_(PATIENCE_S)
    assert clock.is_settled
    assert GuidedClock(machine, lambda: True).is_settled
    vouched = GuidedClock(machine, lambda: False)
    hear(vouched, machine.wall_s())
    assert vouched.is_settled


def test_what_was_agreed_on_outlives_the_program_but_not_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    boot_id = tmp_path / "boot_id"
    boot_id.write_text("one\n")
    monkeypatch.setattr(vouched, "_BOOT_ID", boot_id)
    store = Store(tmp_path / "memory")
    assert vouched.restore(store) is None
    vouched.keep(store, Mark(5.0, 100.0))
    assert vouched.restore(store) == Mark(5.0, 100.0)
    vouched.keep(store, Mark(5.1, 200.0))  # no news: the card is spared
    assert vouched.restore(store) == Mark(5.0, 100.0)
    vouched.keep(store, Mark(7.0, 300.0))
    assert vouched.restore(store) == Mark(7.0, 300.0)
    boot_id.write_text("two\n")
    assert vouched.restore(store) is None
    store.remember("clock_vouched", "[]")
    assert vouched.restore(store) is None
    store.close()


def test_a_memory_that_takes_nothing_keeps_no_report_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    store = Store(tmp_path / "memory")
    monkeypatch.setattr(store, "remember", full)
    vouched.keep(store, Mark(5.0, 100.0))
    assert vouched.restore(store) is None
    store.close()


@pytest.mark.parametrize("wrong_s", [YEARS_S, -YEARS_S])
def test_a_clock_that_is_years_off_is_led_by_the_server(wrong_s: float) -> None:
    machine = TurnableClock()
    clock = GuidedClock(machine, lambda: False)
    true_s = machine.wall_s() - wrong_s
    hear(clock, true_s)
    machine.pass_(60)
    assert clock.wall_s() == true_s + 60
    hear(clock, true_s + 61)  # the server's time is good to a second: no reason to step
    assert clock.wall_s() == true_s + 60
    machine.step(-wrong_s)  # somebody sets the clock: nothing happens before the server speaks
    assert clock.wall_s() == true_s + 60
    hear(clock, true_s + 60)
    assert not clock.is_led


def test_a_kept_clock_is_never_led() -> None:
    machine = TurnableClock()
    clock = GuidedClock(machine, lambda: True)
    hear(clock, machine.wall_s() - YEARS_S)
    assert clock.wall_s() == machine.wall_s()


def test_a_kept_clock_says_when_the_server_s_is_another() -> None:
    machine = TurnableClock()
    clock = GuidedClock(machine, lambda: True)
    hear(clock, machine.wall_s() + 3.5)  # on a slow line that may be the way of the answer
    assert not clock.is_at_odds
    hear(clock, machine.wall_s() + 8 * 3600)
    assert clock.is_at_odds
    assert clock.is_sure
    hear(clock, machine.wall_s())
    assert not clock.is_at_odds


def test_once_nothing_keeps_a_clock_the_server_s_day_begins() -> None:
    machine, keepers = TurnableClock(), ["chrony"]
    clock = GuidedClock(machine, lambda: bool(keepers))
    for _ in range(30):
        hear(clock, machine.wall_s() + 8 * 3600)
        machine.pass_(3600)
    keepers.clear()
    hear(clock, machine.wall_s() + 8 * 3600)
    assert not clock.is_led
    machine.pass_(STEADY_S)
    hear(clock, machine.wall_s() + 8 * 3600)
    assert clock.is_led


@pytest.mark.parametrize(("kept", "told_s"), [(True, None), (False, 0.0), (False, -8 * 3600)])
def test_what_lies_ahead_is_said_by_a_sure_clock_or_by_the_server(
    kept: bool, told_s: float | None
) -> None:
    machine = TurnableClock()
    clock = GuidedClock(machine, lambda: kept)
    if told_s is not None:
        hear(clock, machine.wall_s() + told_s)
    assert clock.lies_ahead(machine.wall_s() + 60)
    assert not clock.lies_ahead(machine.wall_s() - 9 * 3600)


def test_without_anybody_s_word_nothing_lies_ahead() -> None:
    machine = TurnableClock()
    assert not GuidedClock(machine, lambda: False).lies_ahead(machine.wall_s() + YEARS_S)


def test_a_clock_behind_the_whole_list_is_doubted_until_a_server_spoke() -> None:
    machine = TurnableClock()
    clock = GuidedClock(machine, lambda: False)
    assert clock.cannot_be_believed(machine.wall_s() - 1)
    assert not clock.cannot_be_believed(machine.wall_s() + 1)
    hear(clock, machine.wall_s())
    assert not clock.cannot_be_believed(machine.wall_s() - 1)


@pytest.fixture
def expired(tmp_path: Path) -> Authority:
    """An authority whose certificates ran out yesterday."""
    return Authority(tmp_path / "expired", valid_until=datetime.now(UTC) - timedelta(days=1))


def test_dates_are_forgiven_when_nothing_keeps_the_clock(
    expired: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FakeServer(expired).running() as server:
        monkeypatch.setattr("edge.client.synchronised", lambda: True)
        strict = Client(server.url, expired.ca, "token-1")
        with pytest.raises(ServerUnreachable, match="expired"):
            strict.manifest(None)
        strict.close()
        monkeypatch.setattr("edge.client.synchronised", lambda: False)
        client = Client(server.url, expired.ca, "token-1")
        assert client.manifest(None) is not None
        assert client.forgives_dates
        client.close()


def test_without_the_dates_the_authority_still_counts(
    expired: Authority, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.client.synchronised", lambda: False)
    with FakeServer(expired).running() as server:
        client = Client(server.url, authority.ca, "token-1")
        with pytest.raises(ServerUnreachable):
            client.manifest(None)
        client.close()


def test_the_time_of_each_answer_is_heard(server: FakeServer, home: Home) -> None:
    heard: list[Told] = []
    identity = home.identity()
    client = Client(identity.server_url, home.ca_file, identity.token)
    client.server_says = heard.append
    client.manifest(None)
    client.post_health({})
    client.close()
    now_s = datetime.now(UTC).timestamp()
    assert all(abs(told.wall_s - now_s) < 30 for told in heard)
    by_date, by_date_of_health, by_health = heard
    assert by_date.error_s >= 1
    assert by_health.error_s < by_date_of_health.error_s


def test_what_the_first_answers_agree_on_is_kept_at_once(server: FakeServer, home: Home) -> None:
    box = Box(home)
    box._client.manifest(None)
    kept = vouched.restore(box.store)
    assert kept is not None
    assert kept == box.clock.vouched
    box._client.close()
    box.store.close()
    box._lock.close()


def test_an_answer_without_a_time_tells_none() -> None:
    for header in ("", "yesterday", format_datetime(datetime(2026, 1, 1))):
        assert told.by_date(header, 0.1) is None
    for answer in ({}, {"now": None}, {"now": "soon"}, {"now": "2026-01-01T00:00:00"}):
        assert told.by_health(answer, 0.1) is None


def test_the_whole_second_of_an_answer_may_be_two_old() -> None:
    found = told.by_date("Thu, 01 Jan 2026 00:00:00 GMT", 0.5)
    assert found is not None
    whole_s = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
    assert found.wall_s - found.error_s == whole_s
    assert found.wall_s + found.error_s == whole_s + 2.5


@pytest.mark.slow
@pytest.mark.real("faketime")
@pytest.mark.timeout(150)
@pytest.mark.parametrize("days", [3650, -7300, 20, -20, 0.25])
def test_a_box_whose_clock_is_off_is_heard_at_its_time_once_it_is_online(
    server: FakeServer, tmp_path: Path, start_box: Callable[..., BoxProcess], days: float
) -> None:
    """It held its list before, and was switched on without a network."""
    require("faketime")
    home = enrol(server, tmp_path / "box", 'sink = "wav"\npoll_s = 1\nhealth_s = 1\n')
    sound = server.add_clip(opus(speechlike(1)), 1000)
    starts = datetime.now(UTC) + timedelta(seconds=45)
    server.add_play(7, starts, sound, make_up_s=60)
    server.publish()
    box = start_box(home).ready()
    wait_for(lambda: "manifest" in memory_of(home), 20, "the list")
    box.kill()
    forget_what_was_vouched_for(home)  # the machine was switched off
    server.down = True
    clock = TurnedClock(tmp_path / "clock")
    clock.set_to(datetime.now(UTC) + timedelta(days=days))
    start_box(home, env=clock.env).ready()
    wait_for(lambda: datetime.now(UTC) > starts - timedelta(seconds=30), 30)
    server.down = False
    wait_for(lambda: server.receipts, 75, "the receipt")
    assert server.outcomes() == {7: ("played", None)}
    receipt = server.receipts[1]
    assert abs(receipt["start_error_ms"]) < 3_000
    assert receipt["clock_source"] == "server"
    assert receipt["clock_max_error_ms"] < 5_000
    told_at = home.sounded / "play-7.json"
    heard_at = datetime.fromisoformat(json.loads(told_at.read_bytes())["clip_began_at"])
    assert abs(heard_at - starts) < timedelta(seconds=3)
    wait_for(lambda: "clock" in server.health[-1]["problems"], 20)
    assert "the time of the server is used" in server.health[-1]["problems"]["clock"]


def memory_of(home: Home) -> set[str]:
    store = Store(home.database_file)
    names = {str(row[0]) for row in store.database.rows("SELECT name FROM fact")}
    store.close()
    return names


def forget_what_was_vouched_for(home: Home) -> None:
    store = Store(home.database_file)
    store.remember("clock_vouched", "{}")
    store.close()
