"""A slot is ended while its play sounds: no list cuts it off, and nobody begins it late."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from broadcast import manifest, receipts
from broadcast.keys import ServerKey
from broadcast.models import Player
from core.clock import FakeClock, utc_now
from core.database import Database
from core.settings import Settings
from edge.manifest import Manifest, PlannedPlay, verify
from schedule import horizon, slots
from schedule.models import Play, Slot
from tests.broadcast.box import Box
from tests.conftest import on_both_databases
from tests.schedule.town import VILLAGES, Town

pytestmark = on_both_databases
VILLAGE = VILLAGES[0]
LENGTH = timedelta(minutes=2)
NOON = datetime(2026, 6, 1, 4, 0, tzinfo=UTC)


@pytest.fixture
def listed(database: Database, config: Settings) -> Callable[[], Manifest]:
    """The list as a player of the village reads it at this moment."""
    signer = ServerKey.from_settings(config)

    def read() -> Manifest:
        with database.write() as session:
            envelope = manifest.sign(signer, manifest.build(session, VILLAGE))
        return verify(
            json.dumps(envelope).encode(),
            server_key=base64.b64decode(signer.public),
            area_code=VILLAGE,
        )

    return read


@pytest.fixture
def play(
    town: Town, box: Box, listed: Callable[[], Manifest], fake_clock: FakeClock
) -> PlannedPlay:
    """Today's, as the player holds it that began it a minute ago."""
    found = listed().plays[0]
    fake_clock.set(NOON + timedelta(minutes=1))
    return found


def end_slot(database: Database, town: Town) -> None:
    with database.write() as session:
        slot = session.query(Slot).one()
        slots.cancel(session, town.recorder, slot.id, slot.version)
        horizon.plan_slot(session, slot.id, utc_now() + timedelta(days=7))


def test_what_sounds_is_named_until_it_is_over(
    database: Database, town: Town, play: PlannedPlay, listed: Callable[[], Manifest],
    fake_clock: FakeClock,
) -> None:  # fmt: skip
    assert not listed().withdraws(play)
    end_slot(database, town)
    while utc_now() <= NOON + LENGTH:
        assert not listed().withdraws(play)
        fake_clock.advance(timedelta(seconds=10))


def test_a_box_that_comes_back_late_in_the_make_up_time_does_not_begin_it(
    database: Database, town: Town, play: PlannedPlay, listed: Callable[[], Manifest],
    fake_clock: FakeClock,
) -> None:  # fmt: skip
    end_slot(database, town)
    fake_clock.set(NOON + timedelta(minutes=40))
    assert play.make_up_until > utc_now()
    assert listed().withdraws(play)


def test_a_box_that_heard_of_it_in_time_finishes_what_it_began_late(
    database: Database, town: Town, play: PlannedPlay, listed: Callable[[], Manifest],
    fake_clock: FakeClock,
) -> None:  # fmt: skip
    end_slot(database, town)
    begun_late = listed().plays[0]
    assert begun_late.make_up_until == NOON + timedelta(minutes=3, seconds=30)
    fake_clock.set(begun_late.make_up_until + timedelta(seconds=1))
    assert not listed().withdraws(begun_late)


def test_what_it_sounded_counts_as_ever(
    database: Database, town: Town, play: PlannedPlay, box: Box,
    plays: Callable[..., list[Play]],
) -> None:  # fmt: skip
    mine = plays(area_code=VILLAGE)[0]
    end_slot(database, town)
    with database.write() as session:
        player = session.get_one(Player, box.player.id)
        receipts.accept(session, player, [box.played(mine)])
    found = plays(area_code=VILLAGE)[0]
    assert (found.state, found.reason) == ("played", None)
