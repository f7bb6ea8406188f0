"""Plays that nobody told about get a reason."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from broadcast import manifest, players, playout, reasons
from broadcast.playout import Closer
from core.clock import FakeClock
from core.database import Database
from schedule.models import Play
from tests.broadcast.box import Box
from tests.conftest import on_both_databases
from tests.schedule.town import VILLAGES, Town

Plays = Callable[..., list[Play]]
MAKE_UP_OVER = datetime(2026, 6, 1, 5, 0, tzinfo=UTC)
DURATION = timedelta(minutes=2)


def close(database: Database) -> int:
    with database.write() as session:
        return playout.close_overdue(session)


@on_both_databases
def test_a_published_play_without_word_is_missed_after_the_grace(
    database: Database, box: Box, plays: Plays, fake_clock: FakeClock
) -> None:
    with database.write() as session:
        manifest.build(session, VILLAGES[0])
    fake_clock.set(MAKE_UP_OVER + DURATION + playout.GRACE)
    assert close(database) == 0
    fake_clock.advance(timedelta(seconds=1))
    assert close(database) == 3
    assert close(database) == 0
    found = plays(area_code=VILLAGES[0])[0]
    assert (found.state, found.reason) == ("missed", "no_receipt")


def test_each_absence_has_its_own_reason(
    database: Database, box: Box, plays: Plays, fake_clock: FakeClock
) -> None:
    with database.write() as session:
        manifest.build(session, VILLAGES[0])
        session.execute(
            sa.update(Play)
            .where(Play.area_code == VILLAGES[2])
            .values(episode_id=None, clip_sha256=None, duration_ms=None)
        )
    fake_clock.set(MAKE_UP_OVER + timedelta(hours=1))
    close(database)
    today = [play for play in plays() if play.state == "missed"]
    assert [play.reason for play in today] == ["no_receipt", "no_player", "no_episode"]


def test_a_player_nobody_approved_is_not_blamed_for_its_network(
    database: Database, town: Town, plays: Plays, fake_clock: FakeClock
) -> None:
    with database.write() as session:
        code = players.new_code(session, town.administrator, VILLAGES[0]).code
        waiting = players.enrol(session, code, "", base64.b64encode(bytes(32)).decode()).player.id
        manifest.build(session, VILLAGES[0])
    fake_clock.set(MAKE_UP_OVER + timedelta(hours=1))
    with database.write() as session:
        players.approve(session, town.administrator, waiting)  # too late
    close(database)
    found = plays(area_code=VILLAGES[0])[0]
    assert (found.state, found.reason) == ("missed", "not_approved")


def test_what_was_played_or_cancelled_stays(
    database: Database, town: Town, plays: Plays, fake_clock: FakeClock
) -> None:
    with database.write() as session:
        session.execute(sa.update(Play).where(Play.area_code == VILLAGES[0]).values(state="played"))
        session.execute(
            sa.update(Play).where(Play.area_code == VILLAGES[1]).values(state="cancelled")
        )
    fake_clock.set(MAKE_UP_OVER + timedelta(hours=1))
    assert close(database) == 1


def test_the_service_closes_by_itself_and_stops(
    database: Database, town: Town, plays: Plays, fake_clock: FakeClock
) -> None:
    fake_clock.set(MAKE_UP_OVER + timedelta(hours=1))
    closer = Closer(database)
    thread = threading.Thread(target=closer.run_forever)
    thread.start()
    deadline = time.monotonic() + 10
    while sum(play.state == "missed" for play in plays()) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    closer.stop()
    thread.join(10)
    assert not thread.is_alive()


@pytest.mark.parametrize("code", sorted(reasons.GUESSED))
def test_every_reason_we_give_has_words(code: str) -> None:
    assert reasons.words(code) != code
    assert reasons.words("news_from_a_newer_player") == "news_from_a_newer_player"
