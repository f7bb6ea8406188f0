"""Planning, changing and ending slots."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

import pytest
import sqlalchemy as sa

from core.clock import FakeClock
from core.database import Database
from core.errors import Conflict, Forbidden, InvalidInput, NotFound
from core.models import AuditEntry, OutboxEvent
from schedule import slots
from tests.schedule import town as towns
from tests.schedule.town import FOREIGN_VILLAGE, VILLAGES, Town, noon_plan


@pytest.fixture
def town(database: Database, fake_clock: FakeClock) -> Town:
    return towns.build(database)


def create(database: Database, town: Town, **changes: object) -> slots.Slot:
    with database.write() as session:
        return slots.create(session, town.recorder, noon_plan(town, **changes))


def test_a_slot_keeps_what_was_planned_and_tells_the_news(database: Database, town: Town) -> None:
    slot = create(database, town)
    with database.read() as session:
        assert slots.villages(session, slot.id) == VILLAGES
        event = session.scalars(sa.select(OutboxEvent)).one()
        assert (event.kind, event.payload) == ("slot.changed", {"slot_id": slot.id})
        assert session.scalars(sa.select(AuditEntry.action)).all() == ["slot.create"]
    assert slot.name == "所长说法"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"programme_id": 999}, "programme_id"),
        ({"villages": []}, "villages"),
        ({"weekdays": []}, "weekdays"),
        ({"weekdays": [8]}, "weekdays"),
        ({"first_date": date(2026, 6, 10), "last_date": date(2026, 6, 9)}, "last_date"),
        ({"first_date": date(2026, 5, 1), "last_date": date(2026, 5, 31)}, "last_date"),
        ({"last_date": date(2026, 6, 2), "weekdays": [7]}, "weekdays"),
        ({"zone": "Asia/Nowhere"}, "zone"),
        ({"make_up_minutes": -1}, "make_up_minutes"),
    ],
)
def test_a_wrong_field_is_named(
    database: Database, town: Town, changes: dict[str, object], field: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        create(database, town, **changes)
    assert caught.value.field == field


def test_a_time_already_past_on_the_only_day_lies_in_the_past(
    database: Database, town: Town
) -> None:
    with pytest.raises(InvalidInput, match="in the past") as caught:
        create(database, town, local_time=time(7, 59), last_date=date(2026, 6, 1))
    assert caught.value.field == "local_time"


def test_a_time_already_past_today_names_the_first_play_to_come(town: Town) -> None:
    late = slots.starts_later(noon_plan(town, local_time=time(7, 59)))
    assert late == datetime.fromisoformat("2026-06-02T07:59+08:00")
    assert slots.starts_later(noon_plan(town)) is None


def test_a_village_outside_the_own_area_does_not_exist(database: Database, town: Town) -> None:
    with pytest.raises(NotFound):
        create(database, town, villages=[VILLAGES[0], FOREIGN_VILLAGE])
    with pytest.raises(NotFound):
        create(database, town, villages=["999999999999"])


def test_a_programme_of_a_neighbour_does_not_exist(database: Database, town: Town) -> None:
    with database.write() as session, pytest.raises(InvalidInput):
        slots.create(session, town.outsider, noon_plan(town, villages=[FOREIGN_VILLAGE]))


def test_a_change_needs_the_version_that_was_read(database: Database, town: Town) -> None:
    slot = create(database, town)
    with database.write() as session:
        slots.change(session, town.recorder, slot.id, 1, noon_plan(town, local_time=time(18)))
    with database.write() as session, pytest.raises(Conflict):
        slots.change(session, town.recorder, slot.id, 1, noon_plan(town, local_time=time(19)))
    with database.read() as session:
        assert session.get_one(slots.Slot, slot.id).local_time == time(18)


def test_ending_a_slot_twice_changes_nothing(database: Database, town: Town) -> None:
    slot = create(database, town)
    for _ in range(2):
        with database.write() as session:
            assert not slots.cancel(session, town.recorder, slot.id, 1).active
    with database.read() as session:
        assert session.get_one(slots.Slot, slot.id).version == 2


def test_a_neighbour_finds_no_slot(database: Database, town: Town) -> None:
    slot = create(database, town)
    with database.write() as session, pytest.raises(NotFound):
        slots.cancel(session, town.outsider, slot.id, 1)


def test_who_may_only_read_cannot_change(database: Database, town: Town) -> None:
    slot = create(database, town)
    with database.write() as session, pytest.raises(Forbidden):
        slots.cancel(session, town.leader, slot.id, 1)
    with database.read() as session:
        assert slots.get(session, town.leader, slot.id).id == slot.id


def test_a_time_past_by_a_second_is_past(
    database: Database, town: Town, fake_clock: FakeClock
) -> None:
    only_today = {"local_time": time(8, 0), "last_date": date(2026, 6, 1)}
    with pytest.raises(InvalidInput):
        create(database, town, **only_today)
    fake_clock.advance(timedelta(seconds=-1))
    assert create(database, town, **only_today).active
