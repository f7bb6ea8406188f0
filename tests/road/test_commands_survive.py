"""A command outlives whoever carries it: asked once, done once, answered, whatever was killed."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from broadcast import commands
from broadcast.models import PlayerCommand
from core import bell
from tests.road.control_world import ControlWorld, control_world, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
HEARS_BY_HEALTH = 'sink = "wav"\npoll_s = 3600\nhealth_s = 2\n'
HEARS_BY_BROKER = 'sink = "wav"\npoll_s = 3600\nhealth_s = 3600\n'


def ask(world: ControlWorld, expires_in: timedelta = timedelta(minutes=5)) -> str:
    with world.database.write() as session:
        player_id = world.player().id
        asked = commands.request(session, None, player_id, "resync", {}, expires_in)
        return asked.id


def kept(world: ControlWorld, command_id: str) -> PlayerCommand:
    with world.database.read() as session:
        return session.get_one(PlayerCommand, command_id)


def is_done(world: ControlWorld, command_id: str) -> bool:
    return kept(world, command_id).state == "done"


def done_by_the_box(world: ControlWorld) -> list[tuple[str, str, int]]:
    """(id, what came of it, whether the server has heard it)."""
    with closing(sqlite3.connect(world.home.database_file)) as memory:
        return list(memory.execute("SELECT id, state, told FROM command ORDER BY rowid"))


def test_what_was_asked_while_all_were_dead_comes_with_the_answer_to_health(
    tmp_path: Path,
) -> None:
    with control_world(tmp_path, "broker", "web-0") as world:
        world.enrol_box(0, HEARS_BY_HEALTH)
        world.start("box")
        wait_until(lambda: world.player().health, "the player tells how it is")
        world.kill("web-0", "broker")
        asked = ask(world)
        world.start("web-0")  # and no broker
        wait_until(lambda: is_done(world, asked), "it was done")
        wait_until(lambda: done_by_the_box(world) == [(asked, "done", 1)], "the box knows it too")
        assert kept(world, asked).tries == 0  # nobody sent it by MQTT


def test_what_was_asked_while_all_were_dead_is_sent_by_the_broker_when_they_are_back(
    tmp_path: Path,
) -> None:
    with control_world(tmp_path, "broker", "web-0") as world:
        world.enrol_box(0, HEARS_BY_BROKER)
        world.start("box")
        wait_until(lambda: world.player().online, "the player is with the broker")
        world.kill("web-0", "broker")
        asked = ask(world)
        world.start("broker")
        world.start("web-0")
        wait_until(lambda: is_done(world, asked), "it was done", 120)
        wait_until(lambda: done_by_the_box(world) == [(asked, "done", 1)], "the box knows it too")
        assert kept(world, asked).tries >= 1


def test_an_answer_nobody_heard_is_told_again_and_the_work_is_not_done_again(
    tmp_path: Path,
) -> None:
    with control_world(tmp_path, "broker", "web-0") as world:
        world.enrol_box(0, HEARS_BY_HEALTH)
        world.start("box")
        wait_until(lambda: world.player().online, "the player is with the broker")
        first = ask(world)
        wait_until(lambda: is_done(world, first), "it was done")
        # The database came back from a moment before the answer; the box also died meanwhile.
        world.kill("web-0", "box")
        with world.database.write() as session:
            row = session.get_one(PlayerCommand, first)
            row.state, row.acknowledged_at, row.result = "wanted", None, None
        world.start("web-0")
        world.start("box")
        wait_until(lambda: is_done(world, first), "its answer came again")
        wait_until(lambda: done_by_the_box(world) == [(first, "done", 1)], "the box knows it too")


def test_what_ran_out_while_all_were_dead_is_never_done(tmp_path: Path) -> None:
    with control_world(tmp_path, "broker", "web-0") as world:
        world.enrol_box(0, HEARS_BY_HEALTH)
        world.start("box")
        wait_until(lambda: world.player().online, "the player is with the broker")
        world.kill("web-0", "broker")
        stale = ask(world, timedelta(seconds=1))
        world.start("broker")
        world.start("web-0")
        fresh = ask(world)
        bell.ring(commands.BELL)
        wait_until(lambda: is_done(world, fresh), "the fresh one was done")
        wait_until(lambda: kept(world, stale).state == "expired", "the stale one was given up")
        wait_until(lambda: done_by_the_box(world) == [(fresh, "done", 1)], "the box knows it too")
