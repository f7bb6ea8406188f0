"""Two whole web processes on one database: one has the duty, the other takes it when it is killed.

A real player hears of news by MQTT alone and is looked at from both ends: each play sounds once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from broadcast.models import Receipt
from core import leases
from core.clock import utc_now
from schedule import slots
from schedule.models import Play
from schedule.slots import SlotPlan
from tests.edge.sounds import opus, speechlike
from tests.postgres import Postgres
from tests.road.control_world import ControlWorld, control_world, own_receipts, wait_until
from tests.schedule import town as towns
from tests.schedule.town import VILLAGES

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
ZONE = "Asia/Shanghai"
CLIP = opus(speechlike(2))
ASKS_BY_ITSELF_NEVER = 'sink = "wav"\npoll_s = 3600\nhealth_s = 5\n'


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.real("postgresql"))])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ControlWorld]:
    url = ""
    if request.param == "postgresql":
        server: Postgres = request.getfixturevalue("postgres")
        url = server.new_database()
    with control_world(tmp_path, "broker", "web-0", database_url=url) as started:
        wait_until(lambda: started.has_duty("web-0"), "the first one has the duty")
        started.start("web-1")
        yield started


def plan(world: ControlWorld, *starts: datetime) -> None:
    """One slot for each start, in the village of the player."""
    with world.database.write() as session:
        for start in starts:
            local = start.astimezone(ZoneInfo(ZONE))
            day = local.date()
            slots.create(
                session,
                world.town.recorder,
                SlotPlan(
                    world.town.programme_id, local.time(), ZONE, range(1, 8), day, day,
                    VILLAGES[:1], make_up_minutes=30,
                ),
            )  # fmt: skip


def plays(world: ControlWorld) -> list[Play]:
    with world.database.read() as session:
        return list(session.scalars(sa.select(Play).order_by(Play.starts_at)))


def is_held(world: ControlWorld, count: int) -> bool:
    """Whether the player was told of all plays."""
    found = plays(world)
    return len(found) == count and all(play.state != "planned" for play in found)


def test_when_the_holder_is_killed_the_other_goes_on_and_each_play_sounds_once(
    world: ControlWorld,
) -> None:
    with world.database.write() as session:
        towns.approve_episode(
            session, world.store, world.town.programme_id, 1, duration_ms=2000, sound=CLIP
        )
    world.enrol_box(1, ASKS_BY_ITSELF_NEVER)
    world.start("box")
    wait_until(lambda: world.player().online, "the player is with the broker")
    first = utc_now() + timedelta(seconds=15)
    plan(world, *(first + timedelta(seconds=8 * number) for number in range(3)))
    wait_until(lambda: is_held(world, 3), "the first one woke the player")
    version = world.player().manifest_version
    wait_until(lambda: utc_now() > first + timedelta(seconds=8.5), "the second play sounds")
    assert world.has_duty("web-0")
    world.kill("web-0")
    wait_until(lambda: world.has_duty("web-1"), "the other one has it", 2 * leases.TTL_S)
    later = utc_now() + timedelta(seconds=20)
    plan(world, later, later + timedelta(seconds=8))
    wait_until(lambda: is_held(world, 5), "the other one made the list", 15)
    newer = "the other one woke the player"
    wait_until(lambda: (world.player().manifest_version or 0) > (version or 0), newer, 15)
    wait_until(lambda: all(play.state == "played" for play in plays(world)), "all were played", 90)
    heard = Counter(own_receipts(world.home))
    assert heard == {(play.id, "played"): 1 for play in plays(world)}
    with world.database.read() as session:
        told = Counter(session.scalars(sa.select(Receipt.play_id)))
    assert told == {play.id: 1 for play in plays(world)}
    assert len(list(world.home.sounded.glob("*.wav"))) == 5
