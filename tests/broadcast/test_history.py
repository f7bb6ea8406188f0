"""A player's history: what changed, once, and no flood of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from broadcast import history, players
from broadcast.models import Player, PlayerEvent
from core.clock import FakeClock
from core.database import Database
from tests.broadcast.box import Box
from tests.conftest import on_both_databases
from tests.schedule.town import Town


def told(database: Database, box: Box, *kinds: str) -> list[str]:
    with database.read() as session:
        events = session.scalars(
            sa.select(PlayerEvent)
            .where(PlayerEvent.player_id == box.player.id, PlayerEvent.kind.in_(kinds))
            .order_by(PlayerEvent.id)
        )
        return [f"{event.kind} {event.detail or ''}".strip() for event in events]


def report(database: Database, box: Box, **health: Any) -> None:
    with database.write() as session:
        players.note_health(session, box.player.id, health)


def look(database: Database) -> int:
    with database.write() as session:
        return history.note_presence(session)


@pytest.mark.parametrize(
    ("health", "codes"),
    [
        ({}, set()),
        ({"problems": {"disk": "full"}, "clock": {"synchronised": False}}, {"disk", "clock"}),
        ({"sink": {"kind": "device", "name": "USB", "ok": False}}, {"sink"}),
        ({"temperature_c": 81.5}, {"hot"}),
        ({"temperature_c": None, "quiet_switch": True}, {"quiet_switch"}),
        ({"problems": [1], "clock": 3, "sink": "wav", "temperature_c": "hot"}, set()),
    ],
)
def test_problems_are_told_by_the_player_or_seen_in_its_figures(
    health: dict[str, Any], codes: set[str]
) -> None:
    assert history.problem_codes(health) == codes


@on_both_databases
def test_a_problem_is_noted_when_it_begins_and_when_it_is_over(
    database: Database, box: Box
) -> None:
    for _ in range(3):
        report(database, box, problems={"disk": "full"})
    report(database, box, problems={"disk": "full", "sink": "gone"})
    for _ in range(3):
        report(database, box, problems={"sink": "gone"})
    expected = ["problem disk", "problem sink", "over disk"]
    assert told(database, box, "problem", "over") == expected


def test_a_problem_that_comes_and_goes_is_noted_a_few_times_an_hour(
    database: Database, box: Box, fake_clock: FakeClock
) -> None:
    for _ in range(30):
        report(database, box, problems={"sink": "gone"})
        report(database, box, problems={})
        fake_clock.advance(timedelta(minutes=1))
    assert len(told(database, box, "problem", "over")) == 6
    report(database, box, problems={"sink": "gone"})
    fake_clock.advance(timedelta(hours=1))
    report(database, box, problems={"sink": "gone"})  # it stays: now it is told
    assert told(database, box, "problem", "over")[-1] == "problem sink"


@on_both_databases
def test_who_comes_and_goes_is_noted_once(
    database: Database, box: Box, fake_clock: FakeClock
) -> None:
    assert look(database) == 0
    report(database, box)
    assert (look(database), look(database)) == (1, 0)
    fake_clock.advance(timedelta(minutes=3))
    assert (look(database), look(database)) == (1, 0)
    assert told(database, box, "online", "offline") == ["online", "offline"]


def test_a_line_that_flaps_does_not_fill_the_history(
    database: Database, box: Box, fake_clock: FakeClock
) -> None:
    for _ in range(12):
        report(database, box)
        look(database)
        fake_clock.advance(timedelta(minutes=4))
        look(database)
    assert len(told(database, box, "online", "offline")) <= 2 * history.FLAPS_PER_HOUR
    fake_clock.advance(timedelta(hours=2))
    look(database)
    assert told(database, box, "online", "offline")[-1] == "offline"


def test_a_revoked_player_is_gone(database: Database, town: Town, box: Box) -> None:
    report(database, box)
    look(database)
    with database.write() as session:
        players.revoke(session, town.administrator, box.player.id)
    look(database)
    assert told(database, box, "online", "offline", "revoked") == ["online", "revoked", "offline"]


def test_a_new_program_is_noted(database: Database, box: Box) -> None:
    for version in ("0.1", "0.2", "0.2", None, "0.3"):
        report(database, box, version=version)
    assert told(database, box, "updated") == ["updated 0.1 > 0.2", "updated 0.2 > 0.3"]
    with database.read() as session:
        assert session.get_one(Player, box.player.id).version == "0.3"
