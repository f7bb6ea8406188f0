"""What is asked each few seconds is looked up by an index, however long the past is."""

from __future__ import annotations

import pytest
from sqlalchemy.orm import Session

from broadcast import heard, listed, override_plays, override_reach, override_receipts
from broadcast.models import Override
from core.clock import FakeClock, utc_now
from core.database import Database
from tests.broadcast.box import Box
from tests.broadcast.test_override import MINUTE, Desk
from tests.broadcast.test_override import desk as desk
from tests.broadcast.test_override import keeper as keeper
from tests.broadcast.test_override import official as official
from tests.broadcast.test_override import quick_sound as quick_sound
from tests.schedule.town import VILLAGES
from tests.statements import ways


@pytest.fixture
def on_air(desk: Desk, fake_clock: FakeClock) -> Override:
    found = desk.on_air()
    fake_clock.advance(MINUTE)
    desk.keeper.run_once()
    return found


def test_rounds_that_nobody_told_about(database: Database, on_air: Override) -> None:
    found = ways(database, override_receipts.overdue)
    assert "ix_override_play_state_make_up_until (state=? AND make_up_until<?)" in found


def test_rounds_of_the_list_of_a_village(database: Database, on_air: Override) -> None:
    found = ways(database, lambda session: listed.content(session, VILLAGES[0], utc_now()))
    assert "ix_override_play_area_code_make_up_until (area_code=? AND make_up_until>?)" in found


def test_the_last_live_address_of_a_player(database: Database, box: Box) -> None:
    found = ways(database, lambda session: heard.last_sounded(session, [box.player.id]))
    assert "ix_live_listener_player_id_first_sound_at (player_id=?)" in found


def test_the_last_round_and_the_sums_of_an_override(database: Database, on_air: Override) -> None:
    def ask(session: Session) -> None:
        override_plays.last_round(session, on_air.id)
        override_reach.by_village(session, on_air, VILLAGES)

    found = ways(database, ask)
    assert "SCAN override_play" not in found
    assert "(override_id=? AND area_code=? AND round_no<?)" in found
