"""What players say of rounds, and what is concluded when they say nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from broadcast import override_plays, override_receipts, reasons, receipts, sounded
from broadcast.models import Override, OverridePlay, Player, Receipt
from broadcast.override_keeper import OverrideKeeper
from core import clock
from core.blobs import BlobStore
from core.clock import FakeClock, utc_now
from core.database import Database
from core.errors import NotFound
from core.models import OutboxEvent
from schedule.models import Play
from tests.broadcast.box import Box, enrolled
from tests.broadcast.test_override import DURATION_MS, Desk
from tests.broadcast.test_override import desk as desk
from tests.broadcast.test_override import keeper as keeper
from tests.broadcast.test_override import official as official
from tests.broadcast.test_override import quick_sound as quick_sound
from tests.conftest import on_both_databases
from tests.schedule.town import VILLAGES, Town

pytestmark = on_both_databases


def as_play(found: OverridePlay) -> Play:
    """What the box of the tests needs to know of a round."""
    return Play(
        id=found.id, revision=found.revision, starts_at=found.starts_at, duration_ms=DURATION_MS
    )


def said(desk: Desk, box: Box, *statements: dict[str, str]) -> None:
    with desk.database.write() as session:
        receipts.accept(session, session.get_one(Player, box.player.id), statements)


def first(desk: Desk, village: str = VILLAGES[0]) -> OverridePlay:
    return desk.rounds(area_code=village)[0]


@pytest.fixture
def box(database: Database, town: Town) -> Box:
    return enrolled(database, town.administrator, VILLAGES[0])


def test_a_receipt_says_when_the_round_was_heard(desk: Desk, box: Box) -> None:
    desk.on_air()
    said(desk, box, box.played(as_play(first(desk)), error_ms=800))
    found = first(desk)
    assert (found.state, found.reason) == ("played", None)
    assert found.started_at == found.starts_at + timedelta(milliseconds=800)


def test_a_receipt_of_another_village_changes_nothing(desk: Desk, box: Box) -> None:
    desk.on_air()
    said(desk, box, box.played(as_play(first(desk, VILLAGES[1]))))
    assert first(desk, VILLAGES[1]).state == "planned"


def test_a_receipt_of_a_player_nobody_approved_is_kept_and_changes_nothing(
    desk: Desk, town: Town
) -> None:
    stranger = enrolled(desk.database, town.administrator, VILLAGES[0], approved=False)
    desk.on_air()
    said(desk, stranger, stranger.played(as_play(first(desk))))
    assert first(desk).state == "planned"
    with desk.database.read() as session:
        assert session.scalar(sa.select(Receipt.play_id)) == first(desk).id


def test_sound_of_a_player_nobody_approved_is_not_kept(
    desk: Desk, town: Town, store: BlobStore
) -> None:
    stranger = enrolled(desk.database, town.administrator, VILLAGES[0], approved=False)
    desk.on_air()
    with pytest.raises(NotFound), desk.database.write() as session:
        sounded.keep(session, store, stranger.player, first(desk).id, b"OggS")
    assert first(desk).sounded_sha256 is None


def test_of_two_players_of_a_village_the_first_sound_counts(
    desk: Desk, box: Box, town: Town
) -> None:
    second = enrolled(desk.database, town.administrator, VILLAGES[0])
    desk.on_air()
    round_ = as_play(first(desk))
    said(desk, box, box.played(round_, error_ms=900))
    said(desk, second, second.played(round_, error_ms=300))
    said(desk, box, box.missed(round_, "sink_failed"))
    found = first(desk)
    assert (found.state, found.start_error_ms) == ("played", 300)


def test_a_player_that_begins_is_seen_before_its_receipt(desk: Desk, box: Box) -> None:
    desk.on_air()
    with desk.database.write() as session:
        assert override_plays.note_sounding(session, first(desk).id, VILLAGES[0], utc_now())
    assert (first(desk).state, first(desk).started_at) == ("sounding", utc_now())
    with desk.database.write() as session:
        for village, number in ((VILLAGES[1], first(desk).id), (VILLAGES[0], 7)):
            assert not override_plays.note_sounding(session, number, village, utc_now())
    said(desk, box, box.played(as_play(first(desk))))
    assert first(desk).state == "played"


@pytest.mark.parametrize("hours", [-4, 48])
def test_a_beginning_out_of_the_rounds_time_is_of_another_round(desk: Desk, hours: int) -> None:
    desk.on_air()
    at = first(desk).starts_at + timedelta(hours=hours)
    with clock.use(FakeClock(max(at, utc_now()))), desk.database.write() as session:
        assert not override_plays.note_sounding(session, first(desk).id, VILLAGES[0], at)
    assert first(desk).state in ("planned", "published")


def test_what_was_cancelled_in_its_middle_stays_cancelled_and_says_when_it_began(
    desk: Desk, box: Box
) -> None:
    found = desk.on_air()
    with desk.database.write() as session:
        override_plays.note_sounding(session, first(desk).id, VILLAGES[0], utc_now())
    desk.cancel(found)
    said(desk, box, box.missed(as_play(first(desk)), "withdrawn"))
    assert (first(desk).state, first(desk).started_at) == ("cancelled", utc_now())


def test_sound_of_a_player_that_had_not_heard_of_the_cancelling_is_shown(
    desk: Desk, box: Box
) -> None:
    found = desk.on_air()
    round_ = as_play(first(desk))
    desk.cancel(found)
    said(desk, box, box.played(round_))
    assert (first(desk).state, first(desk).reason) == ("played", reasons.PLAYED_THOUGH_CANCELLED)


def test_rounds_that_may_still_sound_do_not_hide_those_that_are_over(
    desk: Desk, fake_clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(override_receipts, "LIMIT", len(VILLAGES))
    long = desk.on_air(repeat_minutes=None, valid_minutes=10)
    short = desk.on_air(form_token="form-2", repeat_minutes=None, valid_minutes=11)
    with desk.database.write() as session:
        session.get_one(Override, long.id).duration_ms = 15 * 60_000
    fake_clock.advance(timedelta(minutes=16))
    desk.keeper.run_once()
    assert {each.state for each in desk.rounds(override_id=short.id)} == {"missed"}
    assert {each.state for each in desk.rounds(override_id=long.id)} == {"planned"}


def test_rounds_that_are_closed_together_are_one_piece_of_news(
    desk: Desk, fake_clock: FakeClock
) -> None:
    found = desk.on_air(repeat_minutes=None, valid_minutes=10)
    fake_clock.advance(timedelta(minutes=16))
    desk.keeper.run_once()
    with desk.database.read() as session:
        news = sa.select(OutboxEvent.payload).where(OutboxEvent.kind == override_plays.HEARD)
        assert session.scalars(news).all() == [{"override_id": found.id}]


def test_rounds_without_a_word_are_closed_with_a_reason(
    desk: Desk, box: Box, fake_clock: FakeClock, store: BlobStore
) -> None:
    desk.on_air(repeat_minutes=None, valid_minutes=10)
    for village in VILLAGES[:2]:
        desk.listed(village)
    fake_clock.advance(timedelta(minutes=13))
    OverrideKeeper(desk.database, store).run_once()
    assert {each.state for each in desk.rounds()} <= {"planned", "published"}
    fake_clock.advance(timedelta(minutes=2))
    OverrideKeeper(desk.database, store).run_once()
    assert [(each.state, each.reason) for each in desk.rounds()] == [
        ("missed", reasons.NO_RECEIPT),
        ("missed", reasons.NO_PLAYER),
        ("missed", reasons.NO_PLAYER),
    ]
    with desk.database.read() as session:
        assert not override_receipts.overdue(session)
    said(desk, box, box.played(as_play(first(desk))))
    assert (first(desk).state, first(desk).reason) == ("played", reasons.LATE_RECEIPT)
