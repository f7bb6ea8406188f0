"""Whether a slot's plays need work is asked each minute, by counting plays that are alike."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from core.blobs import BlobStore
from core.clock import FakeClock, utc_now
from core.database import Database
from schedule import horizon, slots
from schedule.models import Play, Slot, SlotVillage
from tests.conftest import on_both_databases
from tests.schedule import town as towns
from tests.schedule.town import FOREIGN_VILLAGE, VILLAGES, Town, noon_plan
from tests.statements import ways

pytestmark = on_both_databases
WEEK = timedelta(days=7)
START = datetime(2026, 6, 3, tzinfo=UTC)
Change = Callable[[Session, int], object]
STATES = ("planned", "published", "played", "missed", "cancelled")


def _one_play(number: int) -> sa.Update:
    """That play, the oldest is 0."""
    ids = sa.select(Play.id).order_by(Play.id).offset(number).limit(1).scalar_subquery()
    return sa.update(Play).where(Play.id == ids).execution_options(synchronize_session=False)


def _slot(**values: object) -> Change:
    return lambda session, _number: session.execute(sa.update(Slot).values(**values))


CHANGES: dict[str, Change] = {
    "other time": _slot(local_time=time(14)),
    "more urgent": _slot(priority=70),
    "over": _slot(active=False),
    "later first day": _slot(effective_from=START + timedelta(days=2)),
    "village gone": lambda session, number: session.execute(
        sa.delete(SlotVillage).where(SlotVillage.area_code == VILLAGES[number % 3])
    ),
    "village new": lambda session, _number: session.merge(
        SlotVillage(slot_id=session.scalars(sa.select(Slot.id)).one(), area_code=FOREIGN_VILLAGE)
    ),
    "play gone": lambda session, number: session.execute(
        sa.delete(Play).where(Play.id.in_(sa.select(Play.id).offset(number).limit(1)))
    ),
    "play's state": lambda session, number: session.execute(
        _one_play(number).values(state=STATES[number % len(STATES)])
    ),
    "play of another length": lambda session, number: session.execute(
        _one_play(number).values(duration_ms=number)
    ),
    "play without episode": lambda session, number: session.execute(
        _one_play(number).values(episode_id=None, clip_sha256=None, duration_ms=None)
    ),
}


@pytest.fixture
def slot_id(database: Database, store: BlobStore, fake_clock: FakeClock) -> int:
    """Some days of it are over, one of them before there was an episode."""
    town: Town = towns.build(database)
    with database.write() as session:
        found = slots.create(session, town.recorder, noon_plan(town)).id
        horizon.make_plays(session, utc_now() + WEEK)
    fake_clock.set(START)
    with database.write() as session:
        towns.approve_episode(session, store, town.programme_id, 1)
        horizon.make_plays(session, utc_now() + WEEK)
    return found


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    changes=st.lists(st.tuples(st.sampled_from(sorted(CHANGES)), st.integers(0, 30)), max_size=4),
    hours=st.sampled_from([0, 0, 4, 30, 24 * 40]),
)
def test_it_is_settled_exactly_when_planning_would_change_nothing(
    database: Database,
    fake_clock: FakeClock,
    slot_id: int,
    changes: list[tuple[str, int]],
    hours: int,
) -> None:
    fake_clock.set(START)
    with database.unfinished() as session:
        for name, number in changes:
            CHANGES[name](session, number)
        session.expire_all()
        fake_clock.advance(timedelta(hours=hours))
        until = utc_now() + WEEK
        settled = horizon.is_settled(session, slot_id, until)
        assert settled is (horizon.plan_slot(session, slot_id, until) == 0)


def test_a_quiet_minute_reads_a_row_for_each_day_and_not_for_each_village(
    database: Database, slot_id: int
) -> None:
    with database.read() as session:
        alike = horizon._alike(session, session.get_one(Slot, slot_id), utc_now())
    assert len(alike) == len({row.local_date for row in alike})
    assert {row.number for row in alike} == {len(VILLAGES)}
    if database.is_sqlite:
        found = ways(database, lambda session: horizon.is_settled(session, slot_id, utc_now()))
        assert "SCAN play" not in found
