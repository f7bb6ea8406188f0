"""Plays whose time has come stay as they are; when their slot is ended they are made up no more."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa

from core.blobs import BlobStore
from core.clock import FakeClock, utc_now
from core.database import Database
from core.models import OutboxEvent
from schedule import begun, horizon, slots
from schedule.models import Play
from tests.conftest import on_both_databases
from tests.schedule import town as towns
from tests.schedule.town import VILLAGES, Town, noon_plan

pytestmark = on_both_databases
TODAY = date(2026, 6, 1)
TEN_PAST_NOON = datetime(2026, 6, 1, 4, 10, tzinfo=UTC)
LENGTH = timedelta(minutes=2)
ENOUGH = TEN_PAST_NOON + LENGTH + begun.SLACK


@pytest.fixture
def town(database: Database, fake_clock: FakeClock) -> Town:
    return towns.build(database)


def planned(database: Database, town: Town, **changes: object) -> int:
    with database.write() as session:
        slot_id = slots.create(session, town.recorder, noon_plan(town, **changes)).id
        horizon.make_plays(session, utc_now() + timedelta(days=7))
    return slot_id


@pytest.fixture
def slot_id(database: Database, store: BlobStore, town: Town, fake_clock: FakeClock) -> int:
    """It is ten past noon, and its play of noon may be made up for an hour."""
    with database.write() as session:
        towns.approve_episode(session, store, town.programme_id, 1)
    found = planned(database, town)
    fake_clock.set(TEN_PAST_NOON)
    return found


def end(database: Database, town: Town, slot_id: int) -> int:
    with database.write() as session:
        slots.cancel(session, town.recorder, slot_id, 1)
        return horizon.plan_slot(session, slot_id, utc_now() + timedelta(days=7))


def of_today(database: Database) -> list[Play]:
    with database.read() as session:
        query = sa.select(Play).filter_by(local_date=TODAY).order_by(Play.area_code)
        return list(session.scalars(query))


def test_with_its_slot_a_play_that_has_begun_is_made_up_no_longer_than_it_may_sound(
    database: Database, town: Town, slot_id: int
) -> None:
    assert end(database, town, slot_id) == 3 + 6 * 3
    assert {(play.state, play.make_up_until) for play in of_today(database)} == {
        ("planned", ENOUGH)
    }
    assert {play.revision for play in of_today(database)} == {2}
    with database.read() as session:
        assert begun.last_start(session, slot_id) == ENOUGH


def test_that_is_done_once_and_is_news_for_its_villages(
    database: Database, town: Town, slot_id: int, fake_clock: FakeClock
) -> None:
    end(database, town, slot_id)
    with database.read() as session:
        news = sa.select(OutboxEvent.payload).where(OutboxEvent.kind == "plays.planned")
        assert session.scalars(news.order_by(OutboxEvent.id.desc())).first() == {
            "slot_id": slot_id, "area_codes": VILLAGES,
        }  # fmt: skip
    fake_clock.advance(timedelta(seconds=20))
    with database.write() as session:
        assert horizon.plan_slot(session, slot_id, utc_now() + timedelta(days=7)) == 0
    assert {play.make_up_until for play in of_today(database)} == {ENOUGH}


def test_a_slot_that_ends_on_its_last_day_tells_its_villages_too(
    database: Database, store: BlobStore, town: Town, fake_clock: FakeClock
) -> None:
    with database.write() as session:
        towns.approve_episode(session, store, town.programme_id, 1)
    slot_id = planned(database, town, last_date=TODAY)
    fake_clock.set(TEN_PAST_NOON)
    assert end(database, town, slot_id) == len(VILLAGES)


def test_a_make_up_time_that_is_shorter_stays(
    database: Database, store: BlobStore, town: Town, fake_clock: FakeClock
) -> None:
    with database.write() as session:
        towns.approve_episode(session, store, town.programme_id, 1)
    slot_id = planned(database, town, make_up_minutes=11)
    fake_clock.set(TEN_PAST_NOON)
    end(database, town, slot_id)
    until = {play.make_up_until for play in of_today(database)}
    assert until == {TEN_PAST_NOON + timedelta(minutes=1)}


@pytest.mark.parametrize("state", ["played", "missed"])
def test_what_is_known_of_a_play_is_not_touched(
    database: Database, town: Town, slot_id: int, state: str
) -> None:
    with database.write() as session:
        session.execute(sa.update(Play).where(Play.area_code == VILLAGES[0]).values(state=state))
    end(database, town, slot_id)
    assert [play.revision for play in of_today(database)] == [1, 2, 2]


def test_a_change_of_the_slot_leaves_it_its_make_up_time(
    database: Database, town: Town, slot_id: int
) -> None:
    with database.write() as session:
        slots.change(session, town.recorder, slot_id, 1, noon_plan(town, villages=VILLAGES[:2]))
        horizon.plan_slot(session, slot_id, utc_now() + timedelta(days=7))
    until = {play.make_up_until for play in of_today(database)}
    assert until == {TEN_PAST_NOON + timedelta(minutes=50)}


def test_after_the_make_up_time_nobody_begins_it(
    database: Database, town: Town, slot_id: int, fake_clock: FakeClock
) -> None:
    fake_clock.set(TEN_PAST_NOON + timedelta(minutes=51))
    end(database, town, slot_id)
    with database.read() as session:
        assert begun.last_start(session, slot_id) is None


def test_villages_whose_play_of_a_date_stays_as_it_is(
    database: Database, town: Town, slot_id: int
) -> None:
    with database.write() as session:
        nothing = {"episode_id": None, "clip_sha256": None}
        session.execute(sa.update(Play).where(Play.area_code == VILLAGES[1]).values(**nothing))
    with database.read() as session:
        assert begun.villages(session, slot_id, TODAY) == {VILLAGES[0], VILLAGES[2]}
        assert begun.villages(session, slot_id, TODAY + timedelta(days=1)) == set()
