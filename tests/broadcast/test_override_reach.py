"""What became of an override village by village: sums, with no round read by itself."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broadcast import override_reach
from broadcast.models import Override, OverridePlay
from broadcast.override_reach import Rounds
from core.clock import FakeClock, utc_now
from core.database import Database
from tests.broadcast.test_override import Desk
from tests.broadcast.test_override import desk as desk
from tests.broadcast.test_override import keeper as keeper
from tests.broadcast.test_override import official as official
from tests.broadcast.test_override import quick_sound as quick_sound
from tests.conftest import on_both_databases
from tests.schedule.town import VILLAGES
from web import override_view

pytestmark = on_both_databases
MINUTE = timedelta(minutes=1)
STATES = ("planned", "published", "sounding", "played", "missed", "cancelled")
_ROUND = st.tuples(
    st.sampled_from(STATES), st.sampled_from([None, "", "no_receipt", "quiet"]),
    st.none() | st.integers(0, 50),
)  # fmt: skip


@pytest.fixture
def on_air(desk: Desk, fake_clock: FakeClock) -> Override:
    """Ten rounds, one each minute; three minutes of them are over."""
    found = desk.on_air(repeat_minutes=1, valid_minutes=10)
    fake_clock.advance(MINUTE)
    desk.keeper.run_once()
    fake_clock.advance(2 * MINUTE)
    return found


def one_by_one(rounds: list[OverridePlay]) -> Rounds:
    """The same from the rows themselves."""
    begun = [each for each in rounds if each.starts_at <= utc_now() + override_reach.SOON]
    heard = [each.started_at for each in begun if each.started_at and each.state != "missed"]
    reasons = [each.reason for each in begun if each.reason]
    return Rounds(
        min(heard, default=None),
        len(heard),
        len([each for each in begun if each.state == "missed"]),
        begun[-1].state,
        reasons[-1] if reasons else "",
    )


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(said=st.lists(_ROUND, min_size=20, max_size=20))
def test_sums_say_what_the_rounds_say(
    desk: Desk, on_air: Override, said: list[tuple[str, str | None, int | None]]
) -> None:
    villages = VILLAGES[:2]
    with desk.database.write() as session:
        rows = session.scalars(
            sa.select(OverridePlay)
            .where(OverridePlay.area_code.in_(villages))
            .order_by(OverridePlay.area_code, OverridePlay.round_no)
        ).all()
        for row, (state, reason, late_s) in zip(rows, said, strict=True):
            row.state, row.reason = state, reason
            late = None if late_s is None else timedelta(seconds=late_s)
            row.started_at = None if late is None else row.starts_at + late
    with desk.database.read() as session:
        found = override_reach.by_village(session, on_air, villages)
    assert found == {code: one_by_one(desk.rounds(area_code=code)) for code in villages}


def test_before_its_start_there_is_nothing_to_count(desk: Desk) -> None:
    found = desk.create()
    with desk.database.read() as session:
        assert override_reach.by_village(session, found, VILLAGES) == {}
        assert override_reach.by_village(session, found, []) == {}


@pytest.fixture
def rounds_read() -> Iterator[list[Any]]:
    """Rounds that are read as rows while a test runs."""
    read: list[Any] = []

    def note(target: Any, _context: Any) -> None:
        read.append(target)

    sa.event.listen(OverridePlay, "load", note)
    yield read
    sa.event.remove(OverridePlay, "load", note)


def test_the_page_reads_no_round_by_itself(
    desk: Desk, on_air: Override, rounds_read: list[Any], database: Database
) -> None:
    rounds_read.clear()
    with database.read() as session:
        found = session.get_one(Override, on_air.id)
        lines = override_view.see(session, desk.actor, found, "Asia/Shanghai").lines
    assert [line.code for line in lines] == VILLAGES
    assert rounds_read == []
