"""A village head orders quiet: plays within it are left out, withdrawn, and explained."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from broadcast import manifest, playout, reasons, receipts
from core import audit, auth
from core.auth import Actor
from core.blobs import BlobStore
from core.clock import FakeClock
from core.database import Database
from core.errors import Forbidden, InvalidInput, NotFound
from core.models import AuditEntry
from schedule import horizon, quiet
from schedule.models import Play, VillageQuiet
from tests.broadcast.box import Box
from tests.conftest import on_both_databases
from tests.schedule import town as towns
from tests.schedule.town import FOREIGN_VILLAGE, TOWNSHIP, VILLAGES, Town

Plays = Callable[..., list[Play]]
VILLAGE = VILLAGES[0]
NOON = datetime(2026, 6, 1, 4, 0, tzinfo=UTC)


@pytest.fixture
def head(database: Database, town: Town) -> Actor:
    """The head of the first village."""
    with database.write() as session:
        return towns._person(session, "head", ["village_head"], VILLAGE)


def order(database: Database, actor: Actor, until: datetime, area: str = VILLAGE) -> None:
    with database.write() as session:
        quiet.order(session, actor, area, until, "page")


def listed(database: Database, area: str = VILLAGE) -> dict[str, str]:
    """starts_at -> make_up_until of what the village's players are told."""
    with database.write() as session:
        content = json.loads(manifest.build(session, area).payload)
    return {play["starts_at"]: play["make_up_until"] for play in content["plays"]}


@on_both_databases
def test_plays_that_start_within_it_are_left_out_and_say_why(
    database: Database, town: Town, head: Actor, plays: Plays, tell: Callable[[], None]
) -> None:
    tell()
    assert "2026-06-01T04:00:00Z" in listed(database)
    order(database, head, NOON + timedelta(hours=1))
    assert "2026-06-01T04:00:00Z" not in listed(database)
    assert "2026-06-02T04:00:00Z" in listed(database)
    assert "2026-06-01T04:00:00Z" in listed(database, VILLAGES[1])
    today, tomorrow = plays(area_code=VILLAGE)[:2]
    assert (today.reason, tomorrow.reason) == (quiet.REASON, None)


def test_the_list_says_that_quiet_is_ordered(
    database: Database, town: Town, head: Actor, fake_clock: FakeClock
) -> None:
    def is_told() -> object:
        with database.write() as session:
            return json.loads(manifest.build(session, VILLAGE).payload).get("quiet")

    assert is_told() is None
    order(database, head, NOON)
    assert is_told() is True
    fake_clock.set(NOON)
    assert is_told() is None


def test_players_that_hold_the_play_are_told_anew(
    database: Database, town: Town, head: Actor, tell: Callable[[], None]
) -> None:
    tell()
    with database.write() as session:
        before = manifest.build(session, VILLAGE).version
    order(database, head, NOON + timedelta(hours=1))
    tell()
    with database.read() as session:
        found = session.get_one(manifest.ManifestVersion, VILLAGE)
        assert found.version == before + 1
        assert manifest.current(session, VILLAGE) is not None


@on_both_databases
def test_the_bounds_of_the_quiet(database: Database, town: Town, head: Actor) -> None:
    order(database, head, NOON)
    assert "2026-06-01T04:00:00Z" in listed(database)
    order(database, head, NOON + timedelta(seconds=1))
    assert "2026-06-01T04:00:00Z" not in listed(database)


def test_lifting_brings_back_what_lies_ahead(
    database: Database, town: Town, head: Actor, plays: Plays, fake_clock: FakeClock
) -> None:
    order(database, head, NOON + timedelta(hours=1))
    fake_clock.advance(timedelta(hours=1))
    with database.write() as session:
        assert quiet.lift(session, head, VILLAGE, "page")
        assert not quiet.lift(session, head, VILLAGE, "page")
    assert "2026-06-01T04:00:00Z" in listed(database)
    assert plays(area_code=VILLAGE)[0].reason is None


def test_what_was_missed_before_is_not_made_up_in_the_quiet(
    database: Database, town: Town, head: Actor, fake_clock: FakeClock
) -> None:
    fake_clock.set(NOON + timedelta(minutes=10))
    assert listed(database)["2026-06-01T04:00:00Z"] == "2026-06-01T05:00:00Z"
    order(database, head, NOON + timedelta(hours=2))
    assert listed(database)["2026-06-01T04:00:00Z"] == "2026-06-01T04:10:00Z"


@on_both_databases
def test_it_is_closed_with_the_order_as_its_reason(
    database: Database, town: Town, head: Actor, plays: Plays, fake_clock: FakeClock
) -> None:
    order(database, head, NOON + timedelta(hours=1))
    fake_clock.set(NOON + timedelta(hours=2))
    with database.write() as session:
        playout.close_overdue(session)
    found = plays(area_code=VILLAGE)[0]
    assert (found.state, found.reason) == ("missed", reasons.VILLAGE_QUIET)
    others = {play.reason for code in VILLAGES[1:] for play in plays(area_code=code)[:1]}
    assert reasons.VILLAGE_QUIET not in others


def test_a_player_that_had_not_heard_of_it_says_so(
    database: Database, box: Box, head: Actor, plays: Plays
) -> None:
    order(database, head, NOON + timedelta(hours=1))
    play = plays(area_code=VILLAGE)[0]
    with database.write() as session:
        receipts.accept(session, box.player, [box.played(play, 3.0)])
    found = plays(id=play.id)[0]
    assert (found.state, found.reason) == ("played", reasons.PLAYED_THOUGH_QUIET)


def test_a_new_edition_in_the_quiet_is_left_out_too(
    database: Database,
    store: BlobStore,
    town: Town,
    head: Actor,
    plays: Plays,
    tell: Callable[[], None],
) -> None:
    order(database, head, NOON + timedelta(hours=1))
    with database.write() as session:
        towns.approve_episode(session, store, town.programme_id, 2)
        horizon.make_plays(session, NOON + timedelta(days=3))
    tell()
    assert "2026-06-01T04:00:00Z" not in listed(database)
    assert plays(area_code=VILLAGE)[0].reason == quiet.REASON


def test_a_second_order_replaces_the_first(
    database: Database, town: Town, head: Actor, fake_clock: FakeClock
) -> None:
    order(database, head, NOON + timedelta(hours=1))
    fake_clock.advance(timedelta(minutes=1))
    order(database, head, fake_clock.now() + timedelta(hours=1))
    with database.read() as session:
        assert session.query(VillageQuiet).filter(VillageQuiet.lifted_at.is_(None)).count() == 1
        running = quiet.running(session, VILLAGE)
        assert running is not None
        assert running.ends_at == fake_clock.now() + timedelta(hours=1)
    assert "2026-06-01T04:00:00Z" in listed(database)


def test_only_who_may_and_only_in_the_own_area(database: Database, town: Town, head: Actor) -> None:
    until = NOON
    with pytest.raises(NotFound):
        order(database, head, until, VILLAGES[1])
    with pytest.raises(NotFound):
        order(database, head, until, FOREIGN_VILLAGE)
    with pytest.raises(Forbidden):
        order(database, town.recorder, until)
    with database.write() as session:
        township = towns._person(session, "office", ["township"], TOWNSHIP)
    order(database, township, until)
    with pytest.raises(NotFound):
        order(database, township, until, TOWNSHIP)


@pytest.mark.parametrize("hours", [-1, 0, 25])
def test_a_quiet_has_an_end_within_a_day(
    database: Database, town: Town, head: Actor, fake_clock: FakeClock, hours: int
) -> None:
    with pytest.raises(InvalidInput):
        order(database, head, fake_clock.now() + timedelta(hours=hours))


def test_until_morning_is_the_next_six_o_clock(fake_clock: FakeClock) -> None:
    assert quiet.until_morning("Asia/Shanghai") == datetime(2026, 6, 1, 22, 0, tzinfo=UTC)
    fake_clock.set(datetime(2026, 6, 1, 21, 0, tzinfo=UTC))  # 05:00 of the next day
    assert quiet.until_morning("Asia/Shanghai") == datetime(2026, 6, 1, 22, 0, tzinfo=UTC)


def test_orders_are_in_the_audit_trail(database: Database, town: Town, head: Actor) -> None:
    order(database, head, NOON)
    with database.write() as session:
        quiet.lift(session, head, VILLAGE, "phone")
    with database.read() as session:
        kinds = _actions(session)
        assert audit.first_broken(session) is None
    assert kinds[-2:] == ["quiet.ordered", "quiet.lifted"]


def test_the_right_is_of_three_roles() -> None:
    assert auth.RIGHTS["quiet.order"] == {"village_head", "township", "county"}


def _actions(session: Session) -> list[str]:
    return list(session.scalars(sa.select(AuditEntry.action).order_by(AuditEntry.id)))
