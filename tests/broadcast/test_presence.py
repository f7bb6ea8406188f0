"""Who is in contact: one rule in rows and in queries, and no belief in a broker that died."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from broadcast import history, players, presence
from broadcast.models import Player, PlayerEvent
from core.clock import FakeClock, utc_now
from core.database import Database
from desk import briefing
from tests.broadcast.box import Box
from tests.conftest import on_both_databases
from tests.schedule.town import Town

SECOND = timedelta(seconds=1)
pytestmark = on_both_databases


@pytest.mark.parametrize("revoked", [False, True])
@pytest.mark.parametrize(
    ("connected", "seen_ago", "there"),
    [
        (False, None, False),
        (True, None, False),
        (False, presence.SEEN_COUNTS - SECOND, True),
        (False, presence.SEEN_COUNTS, False),
        (True, presence.SEEN_COUNTS, True),
        (True, presence.CONNECTED_COUNTS - SECOND, True),
        (True, presence.CONNECTED_COUNTS, False),
        (False, -timedelta(hours=1), True),  # the server's clock was set back
    ],
)
def test_a_row_and_a_query_say_the_same(
    database: Database,
    box: Box,
    fake_clock: FakeClock,
    connected: bool,
    seen_ago: timedelta | None,
    there: bool,
    revoked: bool,
) -> None:
    with database.write() as session:
        player = session.get_one(Player, box.player.id)
        player.online = connected
        player.last_seen_at = None if seen_ago is None else utc_now() - seen_ago
        player.revoked_at = utc_now() if revoked else None
    with database.read() as session:
        assert presence.is_online(session.get_one(Player, box.player.id)) is (there and not revoked)
        found = session.scalar(sa.select(presence.online()).where(Player.id == box.player.id))
        assert found is (there and not revoked)


def test_a_box_that_died_while_the_broker_was_down_is_told_as_away(
    database: Database, town: Town, box: Box, fake_clock: FakeClock
) -> None:
    with database.write() as session:
        players.approve(session, town.administrator, box.player.id)
        players.set_online(session, box.player.area_code, box.player.id, True)
        history.note_presence(session)
    fake_clock.advance(presence.CONNECTED_COUNTS)
    with database.write() as session:
        history.note_presence(session)
    with database.read() as session:
        kinds = session.scalars(sa.select(PlayerEvent.kind).order_by(PlayerEvent.id)).all()
        duties = briefing.duties(session, town.administrator, "Asia/Shanghai")
    assert kinds[-2:] == ["online", "offline"]
    assert {duty.key: duty.count for duty in duties}["players.troubled"] == 1
