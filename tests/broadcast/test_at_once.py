"""Two at the same moment, as PostgreSQL allows: the later one goes by what the first has stored."""

from __future__ import annotations

import json
import threading
import time

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from broadcast import after_restore, manifest
from broadcast.models import Player
from core.database import Database
from schedule.models import Play
from tests.broadcast.box import enrolled
from tests.schedule.town import VILLAGES, Town

pytestmark = [
    pytest.mark.real("postgresql"),
    pytest.mark.parametrize("database", ["postgresql"], indirect=True),
]
VILLAGE = VILLAGES[0]


def wait_until_somebody_waits(database: Database) -> None:
    """Until a session of the database is held up by another's lock."""
    query = sa.text(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    until_s = time.monotonic() + 20
    while True:
        with database.read() as session:
            if session.scalar(query):
                return
        assert time.monotonic() < until_s, "nobody waits for the lock"
        time.sleep(0.02)


@pytest.mark.parametrize("is_first", [True, False], ids=["the first list", "a later list"])
def test_who_waits_for_the_list_signs_what_the_one_before_has_stored(
    database: Database, town: Town, is_first: bool
) -> None:
    if not is_first:
        with database.write() as session:
            manifest.build(session, VILLAGE)
    built: list[manifest.Manifest] = []

    def build_beside() -> None:
        with database.write() as session:
            built.append(manifest.build(session, VILLAGE))

    beside = threading.Thread(target=build_beside)
    with database.write() as session:
        session.execute(
            sa.update(Play).where(Play.area_code == VILLAGE).values(revision=Play.revision + 1)
        )
        first = manifest.build(session, VILLAGE)
        beside.start()
        wait_until_somebody_waits(database)
    beside.join(20)
    (second,) = built
    revisions = {play["revision"] for play in json.loads(second.payload)["plays"]}
    assert revisions == {2}
    assert (second.version, second.issued_at) == (first.version, first.issued_at)


def test_of_two_players_that_prove_a_restore_at_once_one_moves_the_numbers(
    database: Database, town: Town
) -> None:
    boxes = [enrolled(database, town.administrator, VILLAGE) for _ in range(2)]
    with database.write() as session:
        newer = manifest.build(session, VILLAGE).version + 1
    believed: list[bool] = []

    def prove(number: int, session: Session) -> None:
        player = session.get_one(Player, boxes[number].player.id)
        believed.append(after_restore.notice_list(session, player, newer))

    def prove_beside() -> None:
        with database.write() as session:
            prove(1, session)

    beside = threading.Thread(target=prove_beside)
    with database.write() as session:
        prove(0, session)
        beside.start()
        wait_until_somebody_waits(database)
    beside.join(20)
    assert believed == [True, False]
