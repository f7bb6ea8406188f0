"""A town whose noon slot is planned, and a player in its first village."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa

from broadcast import wiring as broadcast_wiring
from core.blobs import BlobStore
from core.clock import FakeClock, utc_now
from core.database import Database
from core.outbox import Dispatcher
from core.settings import Settings
from schedule import horizon, slots
from schedule import wiring as schedule_wiring
from schedule.models import Play
from tests.broadcast.box import Box, enrolled
from tests.schedule import town as towns
from tests.schedule.town import VILLAGES, Town, noon_plan


@pytest.fixture
def town(database: Database, store: BlobStore, fake_clock: FakeClock, config: Settings) -> Town:
    """Monday 08:00; an approved episode airs daily at 12:00 in three villages."""
    town = towns.build(database)
    with database.write() as session:
        towns.approve_episode(session, store, town.programme_id, 1)
        slots.create(session, town.recorder, noon_plan(town))
        horizon.make_plays(session, utc_now() + timedelta(days=7))
    return town


@pytest.fixture
def box(database: Database, town: Town) -> Box:
    """The player of the first village."""
    return enrolled(database, town.administrator, VILLAGES[0])


@pytest.fixture
def tell(database: Database) -> Callable[[], None]:
    """Deliver all news to the rooms, as the server does."""
    dispatcher = Dispatcher(database)
    for kind, handler in (*schedule_wiring.handlers(), *broadcast_wiring.handlers()):
        dispatcher.on(kind, handler)

    def run() -> None:
        while dispatcher.run_due():
            pass

    return run


@pytest.fixture
def plays(database: Database) -> Callable[..., list[Play]]:
    """Read plays as they stand, by date and village."""

    def read(**where: object) -> list[Play]:
        with database.read() as session:
            query = sa.select(Play).filter_by(**where).order_by(Play.local_date, Play.area_code)
            return list(session.scalars(query))

    return read
