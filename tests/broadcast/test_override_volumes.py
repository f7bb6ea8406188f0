"""The volume of one hour for many villages is what each of them has by itself."""

from __future__ import annotations

import pytest

from broadcast import override_volumes, volumes
from broadcast.models import HourVolume
from core.clock import utc_now
from core.database import Database
from tests.conftest import on_both_databases
from tests.schedule.town import COUNTY, FOREIGN_VILLAGE, TOWNSHIP, VILLAGES, Town
from tests.statements import statements

pytestmark = on_both_databases
CODES = [*VILLAGES, FOREIGN_VILLAGE]


def set_for(database: Database, *codes: str) -> None:
    """Each of these areas has 24 numbers of its own."""
    with database.write() as session:
        for shift, code in enumerate(codes):
            percent = [(hour * 4 + shift) % 101 for hour in range(24)]
            session.add(HourVolume(area_code=code, percent=percent, changed_at=utc_now()))


@pytest.mark.parametrize("areas", [(), (COUNTY,), (TOWNSHIP, VILLAGES[1]), (COUNTY, VILLAGES[0])])
def test_the_nearest_area_with_numbers_counts(
    database: Database, town: Town, areas: tuple[str, ...]
) -> None:
    set_for(database, *areas)
    with database.read() as session:
        for hour in (0, 7, 23):
            assert override_volumes.at_hour(session, CODES, hour) == {
                code: volumes.by_hour(session, code).percent[hour] for code in CODES
            }


def test_many_villages_cost_no_more_questions_than_one(database: Database, town: Town) -> None:
    set_for(database, COUNTY)
    with database.read() as session:
        override_volumes.at_hour(session, [], 8)  # the transaction has begun
        with statements(database) as for_one:
            override_volumes.at_hour(session, CODES[:1], 8)
        with statements(database) as for_all:
            override_volumes.at_hour(session, CODES, 8)
    assert len(for_all) == len(for_one)
