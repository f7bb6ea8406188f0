"""Plays are made ahead once, follow approvals and changes, and keep what has happened."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pytest
import sqlalchemy as sa

from core.blobs import BlobStore
from core.clock import FakeClock, utc_now
from core.database import Database
from core.models import OutboxEvent
from core.outbox import Dispatcher
from core.settings import Settings
from recordings.models import Episode
from schedule import horizon, slots, wiring
from schedule.keeper import Keeper
from schedule.models import Play
from tests.conftest import on_both_databases
from tests.schedule import town as towns
from tests.schedule.town import VILLAGES, Town, noon_plan

pytestmark = on_both_databases
WEEK = timedelta(days=7)


@pytest.fixture
def town(database: Database, fake_clock: FakeClock) -> Town:
    return towns.build(database)


@pytest.fixture
def slot_id(database: Database, town: Town) -> int:
    with database.write() as session:
        return slots.create(session, town.recorder, noon_plan(town)).id


def make(database: Database) -> int:
    with database.write() as session:
        return horizon.make_plays(session, utc_now() + WEEK)


def plays(database: Database, **where: object) -> list[Play]:
    with database.read() as session:
        query = sa.select(Play).filter_by(**where).order_by(Play.local_date, Play.area_code)
        return list(session.scalars(query))


def approve(database: Database, store: BlobStore, town: Town, number: int) -> int:
    with database.write() as session:
        return towns.approve_episode(session, store, town.programme_id, number).id


def test_a_second_run_makes_nothing(database: Database, slot_id: int) -> None:
    assert make(database) == 7 * 3
    assert make(database) == 0
    assert len(plays(database)) == 21
    with database.read() as session:
        assert horizon.is_settled(session, slot_id, utc_now() + WEEK)


def test_each_day_adds_the_day_at_the_end(
    database: Database, slot_id: int, fake_clock: FakeClock
) -> None:
    make(database)
    fake_clock.advance(timedelta(days=1))
    assert make(database) == 3
    assert plays(database)[-1].local_date == date(2026, 6, 8)


def test_no_play_lies_behind_the_last_date(
    database: Database, slot_id: int, fake_clock: FakeClock
) -> None:
    fake_clock.set(datetime(2026, 6, 12, tzinfo=UTC))
    make(database)
    assert plays(database)[-1].local_date == date(2026, 6, 14)


def test_the_newest_approved_episode_is_chosen(
    database: Database, store: BlobStore, town: Town, slot_id: int
) -> None:
    approve(database, store, town, 1)
    newest = approve(database, store, town, 2)
    with database.write() as session:
        draft = towns.approve_episode(session, store, town.programme_id, 3)
        draft.state = "submitted"
    make(database)
    assert {play.episode_id for play in plays(database)} == {newest}
    assert {play.duration_ms for play in plays(database)} == {120_000}


def test_an_approval_reaches_plays_that_have_not_started(
    database: Database, store: BlobStore, town: Town, slot_id: int, fake_clock: FakeClock
) -> None:
    first = approve(database, store, town, 1)
    make(database)
    fake_clock.set(datetime(2026, 6, 1, 4, 0, 1, tzinfo=UTC))
    second = approve(database, store, town, 2)
    make(database)
    today, later = plays(database)[:3], plays(database)[3:21]
    assert {(play.episode_id, play.revision) for play in today} == {(first, 1)}
    assert {(play.episode_id, play.revision) for play in later} == {(second, 2)}


def test_a_play_without_episode_may_get_one_while_it_can_be_made_up(
    database: Database, store: BlobStore, town: Town, slot_id: int, fake_clock: FakeClock
) -> None:
    make(database)
    fake_clock.set(datetime(2026, 6, 1, 4, 10, tzinfo=UTC))
    approve(database, store, town, 1)
    make(database)
    assert all(play.episode_id for play in plays(database, local_date=date(2026, 6, 1)))


def test_a_withdrawn_episode_leaves_the_plays_to_come(
    database: Database, store: BlobStore, town: Town, slot_id: int
) -> None:
    episode_id = approve(database, store, town, 1)
    make(database)
    with database.write() as session:
        session.get_one(Episode, episode_id).state = "rejected"
    make(database)
    assert {play.episode_id for play in plays(database)} == {None}


def test_played_and_missed_plays_are_never_touched(
    database: Database, store: BlobStore, town: Town, slot_id: int
) -> None:
    make(database)
    with database.write() as session:
        session.execute(sa.update(Play).where(Play.area_code == VILLAGES[0]).values(state="played"))
        session.execute(sa.update(Play).where(Play.area_code == VILLAGES[1]).values(state="missed"))
    approve(database, store, town, 1)
    assert make(database) == 7
    assert {p.revision for p in plays(database) if p.area_code != VILLAGES[2]} == {1}


def test_a_changed_time_moves_plays_to_come_and_no_other(
    database: Database, town: Town, slot_id: int, fake_clock: FakeClock
) -> None:
    make(database)
    fake_clock.set(datetime(2026, 6, 2, 5, 0, tzinfo=UTC))  # 13:00, after noon of the second day
    with database.write() as session:
        plan = noon_plan(town, local_time=time(18, 0), villages=VILLAGES[:2])
        slots.change(session, town.recorder, slot_id, 1, plan)
    make(database)
    by_date = {play.local_date: play for play in plays(database, area_code=VILLAGES[0])}
    assert by_date[date(2026, 6, 2)].starts_at == datetime(2026, 6, 2, 4, tzinfo=UTC)
    assert by_date[date(2026, 6, 3)].starts_at == datetime(2026, 6, 3, 10, tzinfo=UTC)
    dropped = plays(database, area_code=VILLAGES[2])
    assert [play.state for play in dropped] == ["planned"] * 2 + ["cancelled"] * 5


def test_a_changed_importance_reaches_plays_to_come(
    database: Database, slot_id: int, town: Town
) -> None:
    make(database)
    changes = {"priority": 70, "volume_percent": 60, "on_interrupt": "resume"}
    with database.write() as session:
        slots.change(session, town.recorder, slot_id, 1, noon_plan(town, **changes))
    make(database)
    for play in plays(database):
        assert {name: getattr(play, name) for name in changes} == changes
        assert play.revision == 2


def test_a_cancelled_slot_cancels_what_lies_ahead(
    database: Database, town: Town, slot_id: int, fake_clock: FakeClock
) -> None:
    make(database)
    fake_clock.set(datetime(2026, 6, 1, 5, 0, tzinfo=UTC))
    with database.write() as session:
        slots.cancel(session, town.recorder, slot_id, 1)
        horizon.plan_slot(session, slot_id, utc_now() + WEEK)
    states = [play.state for play in plays(database, area_code=VILLAGES[0])]
    assert states == ["planned"] + ["cancelled"] * 6


def test_a_dropped_village_that_comes_back_gets_its_plays_back(
    database: Database, town: Town, slot_id: int
) -> None:
    make(database)
    for version, villages in ((1, VILLAGES[:2]), (2, VILLAGES)):
        with database.write() as session:
            slots.change(
                session, town.recorder, slot_id, version, noon_plan(town, villages=villages)
            )
        make(database)
    back = plays(database, area_code=VILLAGES[2])
    assert {(play.state, play.revision) for play in back} == {("planned", 3)}


def test_days_on_which_the_server_was_off_are_explained(
    database: Database, slot_id: int, fake_clock: FakeClock
) -> None:
    fake_clock.set(datetime(2026, 6, 3, 4, 30, tzinfo=UTC))  # first run: the third day, 12:30
    make(database)
    states = [(p.state, p.reason) for p in plays(database, area_code=VILLAGES[0])]
    assert states[:2] == [("missed", "not_planned")] * 2
    assert states[2] == ("planned", None)  # can still be made up until 13:00


def test_news_names_the_villages_concerned(database: Database, slot_id: int) -> None:
    make(database)
    with database.read() as session:
        event = session.scalars(
            sa.select(OutboxEvent).where(OutboxEvent.kind == "plays.planned")
        ).one()
        assert event.payload == {"slot_id": slot_id, "area_codes": VILLAGES}


def test_a_new_slot_and_an_approval_are_planned_by_their_news(
    database: Database, store: BlobStore, town: Town, slot_id: int
) -> None:
    dispatcher = Dispatcher(database)
    for kind, handler in wiring.handlers():
        dispatcher.on(kind, handler)
    dispatcher.run_due()
    assert len(plays(database)) == 21
    episode_id = approve(database, store, town, 1)
    with database.write() as session:
        horizon.outbox.emit(session, "episode.changed", episode_id=episode_id)
    dispatcher.run_due()
    assert {play.episode_id for play in plays(database)} == {episode_id}


def test_only_the_keeper_on_duty_makes_plays(
    database: Database, town: Town, slot_id: int, config: Settings
) -> None:
    first, second = Keeper(database), Keeper(database)
    assert first.sweep() == 21
    with database.write() as session:
        slots.create(session, town.recorder, noon_plan(town, name="又一个"))
    assert second.sweep() == 0
    assert (first.on_duty, second.on_duty) == (True, False)
    assert first.sweep() == 21


def test_the_next_keeper_takes_over_when_the_lease_ran_out(
    database: Database, slot_id: int, fake_clock: FakeClock
) -> None:
    Keeper(database).sweep()
    fake_clock.advance(timedelta(days=1))
    heir = Keeper(database)
    assert heir.sweep() == 3
    assert heir.on_duty
