"""A database from a backup gives no number again, and says so when nobody said it came back."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa

from broadcast import after_restore, manifest, override_plays, reasons, receipts
from broadcast.after_restore import STEP
from broadcast.models import (
    OVERRIDE_IDS,
    ManifestVersion,
    Override,
    OverridePlay,
    Player,
    Receipt,
)
from core import id_floor
from core.clock import FakeClock, utc_now
from core.database import Database
from core.models import AuditEntry, OutboxEvent
from schedule import horizon
from schedule.models import Play
from tests.broadcast.box import Box, enrolled
from tests.broadcast.test_override import Desk
from tests.broadcast.test_override import desk as desk
from tests.broadcast.test_override import keeper as keeper
from tests.broadcast.test_override import official as official
from tests.broadcast.test_override import quick_sound as quick_sound
from tests.broadcast.test_override_receipts import as_play, first, said
from tests.conftest import on_both_databases
from tests.schedule.town import VILLAGES, Town

pytestmark = on_both_databases
VILLAGE = VILLAGES[0]
Plays = Callable[..., list[Play]]


@pytest.fixture
def box(database: Database, town: Town) -> Box:
    return enrolled(database, town.administrator, VILLAGE)


def restore_to_before_any_override(database: Database) -> None:
    """What a restored backup lacks: rounds, and the lists that named them."""
    with database.write() as session:
        session.execute(sa.delete(OverridePlay))
        session.execute(sa.delete(Override))
        session.execute(sa.update(ManifestVersion).values(version=1))


def restore_without_plays_after(database: Database, play_id: int) -> None:
    """Plays above ``play_id`` are gone, and PostgreSQL's sequence stands where it stood then."""
    with database.write() as session:
        session.execute(sa.delete(Play).where(Play.id > play_id))
        if not database.is_sqlite:
            back = "SELECT setval(pg_get_serial_sequence('play', 'id'), :last)"
            session.execute(sa.text(back), {"last": play_id})


def say_restored(database: Database) -> list[Override]:
    with database.write() as session:
        return after_restore.restored(session)


def tell_list(database: Database, box: Box, version: object) -> bool:
    """What the player holds, as its report of health says it; whether it was believed."""
    with database.write() as session:
        player = session.get_one(Player, box.player.id)
        return after_restore.notice_list(session, player, version)


def list_version(database: Database, village: str = VILLAGE) -> int:
    with database.write() as session:
        return manifest.build(session, village).version


def floors(database: Database) -> tuple[int, int]:
    with database.read() as session:
        return id_floor.value(session, "play"), id_floor.value(session, "override_play")


def test_rounds_after_a_restore_have_numbers_that_no_round_had(desk: Desk) -> None:
    desk.on_air()
    known = {each.id for each in desk.rounds()}
    restore_to_before_any_override(desk.database)
    say_restored(desk.database)
    desk.on_air(form_token="form-2")
    new = {each.id for each in desk.rounds()}
    assert not known & new
    assert min(new) > OVERRIDE_IDS + STEP


def test_plays_after_a_restore_have_numbers_that_no_play_had(
    database: Database, town: Town, plays: Plays
) -> None:
    known = sorted(play.id for play in plays())
    restore_without_plays_after(database, known[2])
    say_restored(database)
    with database.write() as session:
        assert horizon.make_plays(session, utc_now() + timedelta(days=7)) == len(known) - 3
    new = sorted(play.id for play in plays())[3:]
    assert not set(known) & set(new)
    assert known[2] + STEP < new[0] < new[-1] < OVERRIDE_IDS
    with database.write() as session:  # the next ones follow on
        horizon.make_plays(session, utc_now() + timedelta(days=8))
    assert sorted(play.id for play in plays())[-1] > new[-1]


def test_a_backup_restored_twice_does_not_give_the_numbers_of_the_first_time(
    database: Database, town: Town
) -> None:
    seen = set()
    for _ in range(2):
        say_restored(database)
        seen.add(floors(database))
        with database.write() as session:
            session.execute(sa.text("DELETE FROM id_floor"))
    assert len(seen) == 2


def test_what_is_on_air_in_the_backup_is_called_off_and_says_why(desk: Desk, box: Box) -> None:
    found = desk.on_air()
    assert desk.listed()
    assert [each.id for each in say_restored(desk.database)] == [found.id]
    stopped = desk.read(found)
    assert (stopped.state, stopped.cancelled_at, stopped.cancelled_by_id) == (
        "cancelled", utc_now(), None,
    )  # fmt: skip
    assert {(each.state, each.reason) for each in desk.rounds()} == {
        ("cancelled", reasons.RESTORED)
    }
    assert desk.listed() == []
    with desk.database.read() as session:
        entry = session.scalars(
            sa.select(AuditEntry).where(AuditEntry.action == "database.restored")
        ).one()
    assert entry.detail == {"called_off": [found.id]}


def test_what_was_ordered_and_not_started_stays(desk: Desk) -> None:
    found = desk.create()
    desk.keeper.run_once()
    assert say_restored(desk.database) == []
    assert desk.read(found).state == "ready"


def test_lists_are_issued_anew_for_players_that_hold_later_ones(
    database: Database, box: Box, fake_clock: FakeClock
) -> None:
    with database.write() as session:
        before = manifest.build(session, VILLAGE)
    fake_clock.advance(timedelta(hours=2))
    say_restored(database)
    with database.write() as session:
        after = manifest.build(session, VILLAGE)
    assert after.issued_at == before.issued_at + timedelta(hours=2)
    assert after.version > before.version
    assert json.loads(after.payload)["plays"] == json.loads(before.payload)["plays"]


def test_an_old_receipt_does_not_count_for_a_new_round_of_its_number(
    desk: Desk, box: Box, fake_clock: FakeClock
) -> None:
    desk.on_air()
    number, old = first(desk).id, box.played(as_play(first(desk)))
    restore_to_before_any_override(desk.database)
    fake_clock.advance(timedelta(hours=3))
    desk.on_air(form_token="form-2")
    assert first(desk).id == number
    said(desk, box, old)
    (found,) = desk.rounds(area_code=VILLAGE)
    assert (found.state, found.started_at) == ("published", None)
    with desk.database.read() as session:
        assert session.scalar(sa.select(Receipt.play_id)) == number


def test_an_old_receipt_does_not_count_for_a_new_play_of_its_number(
    database: Database, box: Box, plays: Plays
) -> None:
    play = plays(area_code=VILLAGE)[0]
    an_hour_before = (play.starts_at - timedelta(hours=1)).isoformat()
    with database.write() as session:
        other = box.played(play, scheduled_at=an_hour_before)
        receipts.accept(session, session.get_one(Player, box.player.id), [other])
    assert plays(id=play.id)[0].state == "planned"


def test_a_play_that_was_moved_meanwhile_still_takes_its_receipt(
    database: Database, box: Box, plays: Plays
) -> None:
    play = plays(area_code=VILLAGE)[0]
    earlier = box.played(play)
    with database.write() as session:
        moved = sa.update(Play).where(Play.id == play.id)
        session.execute(moved.values(starts_at=play.starts_at + timedelta(hours=1), revision=2))
    with database.write() as session:
        receipts.accept(session, session.get_one(Player, box.player.id), [earlier])
    assert plays(id=play.id)[0].state == "played"


# --- nobody said so


def test_a_newer_list_than_was_ever_signed_raises_the_numbers(database: Database, box: Box) -> None:
    assert not tell_list(database, box, list_version(database))
    assert floors(database) == (0, 0)
    assert tell_list(database, box, list_version(database) + 1)
    assert min(floors(database)) > STEP
    with database.read() as session:
        assert after_restore.noticed_at(session) == utc_now()
        entry = session.scalars(
            sa.select(AuditEntry).where(AuditEntry.action == "database.older")
        ).one()
    assert (entry.subject, entry.detail) == (f"player:{box.player.id}", {"how": "list"})


def test_a_receipt_of_a_number_that_was_never_given_raises_the_numbers(
    desk: Desk, box: Box, plays: Plays
) -> None:
    desk.on_air()
    unknown = first(desk)
    restore_to_before_any_override(desk.database)
    said(desk, box, box.played(as_play(unknown)))
    desk.on_air(form_token="form-2")
    assert min(each.id for each in desk.rounds()) > unknown.id + STEP


def test_a_receipt_of_another_time_raises_the_numbers(
    database: Database, box: Box, plays: Plays
) -> None:
    play = plays(area_code=VILLAGE)[0]
    with database.write() as session:
        other = box.played(play, scheduled_at="2026-06-01T03:00:00Z")
        receipts.accept(session, session.get_one(Player, box.player.id), [other])
    assert min(floors(database)) > STEP


def test_receipts_of_numbers_that_are_known_to_be_lost_are_no_news(desk: Desk, box: Box) -> None:
    desk.on_air()
    lost = first(desk)
    restore_to_before_any_override(desk.database)
    say_restored(desk.database)
    raised = floors(desk.database)
    said(desk, box, box.played(as_play(lost)))
    assert floors(desk.database) == raised
    with desk.database.read() as session:
        assert after_restore.noticed_at(session) is None


@pytest.mark.parametrize("version", [None, "7", 7.5, True, -1, 2**31, 2**70, [], {}])
def test_nonsense_for_a_version_proves_nothing(
    database: Database, box: Box, version: object
) -> None:
    list_version(database)
    assert not tell_list(database, box, version)
    assert floors(database) == (0, 0)


def test_a_player_nobody_approved_proves_nothing(
    database: Database, town: Town, plays: Plays
) -> None:
    stranger = enrolled(database, town.administrator, VILLAGE, approved=False)
    assert not tell_list(database, stranger, list_version(database) + 1)
    made_up = Play(id=OVERRIDE_IDS + 7, revision=1, starts_at=utc_now(), duration_ms=1)
    with database.write() as session:
        player = session.get_one(Player, stranger.player.id)
        receipts.accept(session, player, [stranger.played(made_up)])
    assert floors(database) == (0, 0)


def test_players_are_believed_once_a_day(
    database: Database, box: Box, fake_clock: FakeClock
) -> None:
    assert tell_list(database, box, list_version(database) + 1)
    raised = floors(database)
    fake_clock.advance(timedelta(hours=23))
    assert not tell_list(database, box, list_version(database) + 1)
    assert floors(database) == raised
    fake_clock.advance(timedelta(hours=2))
    assert tell_list(database, box, list_version(database) + 1)


def test_a_person_who_said_it_does_not_keep_players_from_proving_the_next_time(
    database: Database, box: Box
) -> None:
    list_version(database)
    say_restored(database)
    assert tell_list(database, box, list_version(database) + 1)


def test_players_can_use_up_no_more_than_half_of_the_numbers(database: Database, box: Box) -> None:
    with database.write() as session:
        id_floor.raise_to(
            session, "override_play", after_restore.LAST_BY_PLAYERS + 1, after_restore.COMMAND
        )
    raised = floors(database)
    assert not tell_list(database, box, list_version(database) + 1)
    assert floors(database) == raised
    say_restored(database)
    assert floors(database) != raised


def test_a_player_that_lies_ends_nothing(desk: Desk, box: Box, fake_clock: FakeClock) -> None:
    found = desk.on_air()
    fake_clock.advance(timedelta(hours=2))
    listed = desk.listed()
    assert tell_list(desk.database, box, 2**31 - 1)
    assert desk.read(found).state == "on_air"
    assert desk.listed() == listed


def test_rounds_ordered_before_it_was_noticed_move_to_numbers_nobody_had(
    desk: Desk, box: Box
) -> None:
    held = list_version(desk.database)
    desk.on_air()
    known = {each.id for each in desk.rounds()}
    held = max(held, list_version(desk.database))
    restore_to_before_any_override(desk.database)
    found = desk.on_air(form_token="form-2")
    assert {each.id for each in desk.rounds()} == known  # players would keep silent
    assert tell_list(desk.database, box, held + 1)
    moved = {each.id for each in desk.rounds()}
    assert not known & moved
    with desk.database.read() as session:
        assert max(moved) <= override_plays.highest_given(session)
        news = session.scalars(
            sa.select(OutboxEvent)
            .where(OutboxEvent.kind == "override.changed")
            .order_by(OutboxEvent.id.desc())
        ).first()
    assert news is not None
    assert news.payload == {"override_id": found.id, "area_codes": VILLAGES}
    assert {play["play_id"] for play in desk.listed()} <= moved


def test_many_rounds_move_some_at_a_time(
    desk: Desk,
    box: Box,
    tell: Callable[[], None],
    fake_clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(override_plays, "ROWS_AT_ONCE", 5 * len(VILLAGES))
    desk.on_air()
    fake_clock.advance(timedelta(minutes=2))
    while desk.keeper.run_once():
        pass
    tell()
    before = desk.rounds()
    known = {each.id for each in before}
    assert tell_list(desk.database, box, list_version(desk.database) + 1)
    still = known & {each.id for each in desk.rounds()}
    assert len(still) == len(known) - 5 * len(VILLAGES)
    tell()
    moved = desk.rounds()
    assert not known & {each.id for each in moved}
    assert [(each.area_code, each.round_no) for each in moved] == [
        (each.area_code, each.round_no) for each in before
    ]


def test_a_round_that_sounds_keeps_its_number(desk: Desk, box: Box) -> None:
    desk.on_air()
    sounding = first(desk).id
    with desk.database.write() as session:
        assert override_plays.note_sounding(session, sounding, VILLAGE, utc_now())
    assert tell_list(desk.database, box, list_version(desk.database) + 1)
    assert first(desk).id == sounding


def test_the_start_page_forgets_it_after_a_week(
    database: Database, box: Box, fake_clock: FakeClock
) -> None:
    tell_list(database, box, list_version(database) + 1)
    fake_clock.advance(timedelta(days=7, seconds=1))
    with database.read() as session:
        assert after_restore.noticed_at(session) is None
