"""Breaking in: two steps, one set of rounds, silence at once."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from broadcast import manifest, override, override_keeper, override_plays, override_sound
from broadcast.models import OVERRIDE_IDS, HourVolume, Override, OverridePlay
from broadcast.override import Order
from broadcast.override_keeper import OverrideKeeper
from core import audit, auth
from core.auth import Actor
from core.blobs import BlobStore
from core.clock import FakeClock, utc_now
from core.database import Database
from core.errors import Conflict, Forbidden, InvalidInput, NotFound, ToolFailed
from core.models import AuditEntry, OutboxEvent
from recordings.clips import ClipFacts
from schedule.models import VillageQuiet
from tests.broadcast.box import Box
from tests.broadcast.brokers import wait_until
from tests.conftest import on_both_databases
from tests.schedule import town as towns
from tests.schedule.town import COUNTY, FOREIGN_VILLAGE, TOWNSHIP, VILLAGES, Town

pytestmark = on_both_databases
MINUTE = timedelta(minutes=1)
DURATION_MS = 20_000


@pytest.fixture
def official(database: Database, town: Town) -> Actor:
    with database.write() as session:
        return towns._person(session, "official", ["township"], TOWNSHIP)


@pytest.fixture
def quick_sound(monkeypatch: pytest.MonkeyPatch, store: BlobStore) -> None:
    """A sound of 20 s without speaking it."""

    def render(wanted: override_sound.Wanted, store: BlobStore, _folder: object) -> ClipFacts:
        digest = store.put_bytes(b"OggS" + wanted.kind.encode())
        return ClipFacts(digest, "delivery", "audio/ogg", "opus", DURATION_MS, 48_000, 1)

    monkeypatch.setattr(override_sound, "render", render)


@pytest.fixture
def keeper(database: Database, store: BlobStore, quick_sound: None) -> OverrideKeeper:
    return OverrideKeeper(database, store)


FLOOD = Order("emergency", VILLAGES, "form-1", text="山洪要来了，请马上上山。", repeat_minutes=5)


class Desk:
    """What an official does, in short."""

    def __init__(
        self, database: Database, store: BlobStore, actor: Actor, keeper: OverrideKeeper
    ) -> None:
        self.database, self.store, self.actor, self.keeper = database, store, actor, keeper

    def create(self, order: Order = FLOOD, **changes: Any) -> Override:
        with self.database.write() as session:
            return override.create(session, self.store, self.actor, replace(order, **changes))

    def confirm(self, found: Override, count: str = "") -> Override:
        with self.database.write() as session:
            fresh = session.get_one(Override, found.id)
            return override.confirm(
                session, self.actor, found.id, fresh.version, count or str(len(found.villages))
            )

    def on_air(self, order: Order = FLOOD, **changes: Any) -> Override:
        found = self.create(order, **changes)
        self.keeper.run_once()
        return self.confirm(found)

    def cancel(self, found: Override) -> bool:
        with self.database.write() as session:
            return override.cancel(session, self.actor, found.id)

    def read(self, found: Override) -> Override:
        with self.database.read() as session:
            return session.get_one(Override, found.id)

    def rounds(self, **where: object) -> list[OverridePlay]:
        with self.database.read() as session:
            query = sa.select(OverridePlay).filter_by(**where)
            return list(session.scalars(query.order_by(OverridePlay.starts_at, OverridePlay.id)))

    def listed(self, village: str = VILLAGES[0]) -> list[dict[str, Any]]:
        with self.database.write() as session:
            plays = json.loads(manifest.build(session, village).payload)["plays"]
        return [play for play in plays if play["play_id"] > OVERRIDE_IDS]


@pytest.fixture
def desk(database: Database, store: BlobStore, official: Actor, keeper: OverrideKeeper) -> Desk:
    return Desk(database, store, official, keeper)


@pytest.mark.parametrize(
    ("kind", "title"), [("emergency", "紧急"), ("drill", "演练"), ("notice", "通知")]
)
def test_a_sound_without_a_title_is_called_what_it_is(desk: Desk, kind: str, title: str) -> None:
    sound = desk.store.put_bytes(b"RIFF")
    assert desk.create(kind=kind, text="", source_sha256=sound).title == title
    named = desk.create(kind=kind, text=" ", title="水库放水", source_sha256=sound, form_token="2")
    assert named.title == "水库放水"


def test_a_text_beside_a_sound_is_refused_and_not_dropped(desk: Desk) -> None:
    with pytest.raises(InvalidInput) as caught:
        desk.create(source_sha256=desk.store.put_bytes(b"RIFF"))
    assert caught.value.field == "text"
    assert desk.create().text == FLOOD.text


def test_nothing_is_heard_before_the_second_yes(desk: Desk) -> None:
    found = desk.create()
    desk.keeper.run_once()
    assert desk.read(found).state == "ready"
    assert desk.rounds() == []
    assert desk.listed() == []


def test_the_first_round_is_there_with_the_second_yes_for_all_horns_to_begin_together(
    desk: Desk,
) -> None:
    found = desk.on_air()
    assert found.state == "on_air"
    (first,) = desk.listed()
    assert (first["kind"], first["priority"]) == ("emergency", 100)
    assert first["starts_at"] == manifest.iso(utc_now() + override_plays.FIRST_ROUND_IN)
    assert [each.area_code for each in desk.rounds()] == VILLAGES


@pytest.mark.parametrize("typed", ["", "2", "4", "三", "3.0"])
def test_another_number_than_that_of_the_villages_starts_nothing(desk: Desk, typed: str) -> None:
    found = desk.create()
    desk.keeper.run_once()
    with pytest.raises(InvalidInput) as caught, desk.database.write() as session:
        override.confirm(session, desk.actor, found.id, desk.read(found).version, typed)
    assert caught.value.field == "count"
    assert desk.rounds() == []


def test_the_second_yes_twice_starts_it_once(desk: Desk) -> None:
    found = desk.on_air()
    assert desk.confirm(found).confirmed_at == found.confirmed_at
    assert len(desk.rounds()) == len(VILLAGES)


def test_of_two_officials_who_say_yes_at_once_one_starts_it_and_both_see_it_on_air(
    desk: Desk, town: Town
) -> None:
    with desk.database.write() as session:
        colleague = towns._person(session, "colleague", ["township"], TOWNSHIP)
    found = desk.create()
    desk.keeper.run_once()
    version = desk.read(found).version
    at_once, results = threading.Barrier(2), []

    def say_yes(actor: Actor) -> None:
        at_once.wait()
        with desk.database.write() as session:
            started = override.confirm(session, actor, found.id, version, "3")
            results.append((started.state, started.confirmed_by_id))

    threads = [threading.Thread(target=say_yes, args=(who,)) for who in (desk.actor, colleague)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 2
    assert set(results) == {("on_air", desk.read(found).confirmed_by_id)}
    assert len(desk.rounds()) == len(VILLAGES)
    with desk.database.read() as session:
        yes = sa.select(AuditEntry).where(AuditEntry.action == "override.confirmed")
        assert len(session.scalars(yes).all()) == 1


def test_whoever_read_it_before_a_colleague_started_it_is_not_told_of_a_mistake(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The colleague's yes falls between this one's look and its claim."""
    found = desk.create()
    desk.keeper.run_once()
    version = desk.read(found).version
    really, done = override._whole, []

    def meanwhile(text: str) -> int:
        if not done:
            done.append(text)
            session.execute(
                sa.update(Override)
                .where(Override.id == found.id)
                .values(state="on_air", confirmed_at=utc_now(), version=Override.version + 1)
                .execution_options(synchronize_session=False)
            )
        return really(text)

    monkeypatch.setattr(override, "_whole", meanwhile)
    with desk.database.write() as session:
        assert override.confirm(session, desk.actor, found.id, version, "3").state == "on_air"
    assert desk.rounds() == []  # they are the colleague's


def test_what_was_not_started_is_taken_back_by_its_writer_alone(desk: Desk, town: Town) -> None:
    with desk.database.write() as session:
        colleague = towns._person(session, "colleague", ["township"], TOWNSHIP)
    found = desk.create()
    desk.keeper.run_once()
    with desk.database.write() as session:
        assert not override.take_back(session, colleague, found.id)
        assert override.take_back(session, desk.actor, found.id)
    assert desk.read(found).state == "cancelled"


def test_what_is_on_air_is_not_taken_back(desk: Desk) -> None:
    found = desk.on_air()
    with desk.database.write() as session:
        assert not override.take_back(session, desk.actor, found.id)
    assert desk.read(found).state == "on_air"


def test_what_has_no_sound_yet_is_not_started(desk: Desk) -> None:
    found = desk.create()
    with pytest.raises(Conflict), desk.database.write() as session:
        override.confirm(session, desk.actor, found.id, desk.read(found).version, "3")
    assert desk.rounds() == []


def test_what_was_changed_meanwhile_is_not_started(desk: Desk) -> None:
    found = desk.create()
    desk.keeper.run_once()
    with pytest.raises(Conflict), desk.database.write() as session:
        override.confirm(session, desk.actor, found.id, found.version, "3")


def test_the_same_form_sent_twice_is_one(desk: Desk) -> None:
    assert desk.create().id == desk.create().id
    assert desk.create(form_token="form-2").id != desk.create().id


def test_rounds_of_a_day_are_there_soon_and_roll_on(desk: Desk, fake_clock: FakeClock) -> None:
    desk.on_air(repeat_minutes=60, valid_minutes=40 * 60)
    fake_clock.advance(MINUTE)
    while desk.keeper.run_once():
        pass
    made = desk.rounds(area_code=VILLAGES[0])
    assert made[-1].starts_at >= utc_now() + timedelta(hours=23)
    assert len(desk.listed()) == len(made)
    for _ in range(40):
        fake_clock.advance(timedelta(hours=1))
        desk.keeper.run_once()
    rounds = desk.rounds(area_code=VILLAGES[0])
    assert [each.round_no for each in rounds] == list(range(1, 41))


def test_two_keepers_and_restarts_double_no_round(
    desk: Desk, store: BlobStore, fake_clock: FakeClock
) -> None:
    desk.on_air()
    fake_clock.advance(MINUTE)
    keepers = [OverrideKeeper(desk.database, store) for _ in range(3)]
    threads = [threading.Thread(target=keeper.run_once) for keeper in keepers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    numbers = [each.round_no for each in desk.rounds(area_code=VILLAGES[1])]
    assert numbers == list(range(1, 13))  # an hour, every five minutes
    ids = [each.id for each in desk.rounds()]
    assert len(set(ids)) == len(ids)
    assert min(ids) > OVERRIDE_IDS


def told(desk: Desk) -> int:
    with desk.database.read() as session:
        news = sa.select(sa.func.count()).select_from(OutboxEvent)
        return session.scalar(news.where(OutboxEvent.kind == override.CHANGED)) or 0


def test_rounds_of_many_villages_are_written_down_some_at_a_time(
    desk: Desk, fake_clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that others can write in between; the villages are told of the first and of the last."""
    monkeypatch.setattr(override_plays, "ROWS_AT_ONCE", 5 * len(VILLAGES) + 1)
    desk.on_air(repeat_minutes=1, valid_minutes=30)
    fake_clock.advance(timedelta(seconds=20))
    before, counts, news = told(desk), [], []
    while desk.keeper.run_once():
        counts.append(len(desk.rounds()))
        news.append(told(desk) - before)
    assert counts == [len(VILLAGES) * rounds for rounds in (6, 11, 16, 21, 26, 30)]
    assert news == [1, 1, 1, 1, 1, 2]


def test_a_day_that_was_half_written_down_is_finished_by_another_keeper(
    desk: Desk, store: BlobStore, fake_clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(override_plays, "ROWS_AT_ONCE", 100 * len(VILLAGES))
    desk.on_air(repeat_minutes=10, valid_minutes=2 * 24 * 60)
    fake_clock.advance(timedelta(seconds=20))
    desk.keeper.run_once()
    assert len(desk.rounds(area_code=VILLAGES[0])) == 101
    another = OverrideKeeper(desk.database, store)
    while another.run_once():
        pass
    assert len(desk.rounds(area_code=VILLAGES[0])) == 25 * 6 + 1


def test_the_rounds_of_the_next_hour_are_told_together(
    desk: Desk, fake_clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(override_plays, "ROWS_AT_ONCE", 2 * len(VILLAGES))
    desk.on_air(repeat_minutes=10, valid_minutes=2 * 24 * 60)
    fake_clock.advance(timedelta(seconds=20))
    while desk.keeper.run_once():
        pass
    before = told(desk)
    fake_clock.advance(timedelta(minutes=75))
    while desk.keeper.run_once():
        pass
    assert len(desk.rounds(area_code=VILLAGES[0])) == 26 * 6 + 2
    assert told(desk) == before + 1


def test_more_villages_than_rows_at_once_get_whole_rounds(
    desk: Desk, fake_clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(override_plays, "ROWS_AT_ONCE", 1)
    desk.on_air()
    fake_clock.advance(timedelta(seconds=20))
    desk.keeper.run_once()
    assert len(desk.rounds()) == 2 * len(VILLAGES)


def test_repeats_that_would_overlap_are_moved_apart(desk: Desk) -> None:
    found = desk.on_air(repeat_minutes=1)
    assert found.repeat_every_s == 60
    with desk.database.write() as session:
        session.execute(sa.update(Override).values(duration_ms=None))
    longer = desk.create(form_token="longer", repeat_minutes=1)
    facts = ClipFacts("0" * 64, "delivery", "audio/ogg", "opus", 55_000, 48_000, 1)
    digest = desk.store.put_bytes(b"OggS longer")
    desk.keeper._ready(longer, replace(facts, sha256=digest))
    assert desk.read(longer).repeat_every_s == 120


def test_cancelling_takes_everything_off_the_list(desk: Desk, fake_clock: FakeClock) -> None:
    found = desk.on_air()
    fake_clock.advance(MINUTE)
    desk.keeper.run_once()
    assert len(desk.listed()) == 12
    assert desk.cancel(found)
    assert desk.listed() == []
    assert {each.state for each in desk.rounds()} == {"cancelled"}
    fake_clock.advance(timedelta(hours=2))
    desk.keeper.run_once()
    assert len(desk.rounds()) == 12 * len(VILLAGES)


def test_rounds_far_ahead_are_taken_back_after_the_silence(
    desk: Desk, fake_clock: FakeClock, tell: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(override_plays, "ROWS_AT_ONCE", 2 * len(VILLAGES))
    found = desk.on_air()
    fake_clock.advance(MINUTE)
    while desk.keeper.run_once():
        pass
    fake_clock.advance(timedelta(minutes=18))  # the fourth round was the last
    assert desk.cancel(found)
    assert desk.listed() == []
    off = {each.round_no for each in desk.rounds() if each.state == "cancelled"}
    assert off == {3, 4}
    tell()
    states = {each.round_no: each.state for each in desk.rounds()}
    assert states == {number: "cancelled" if number > 2 else "planned" for number in range(1, 13)}


def test_of_two_who_cancel_at_once_one_did_it(desk: Desk) -> None:
    found = desk.on_air()
    results: list[bool] = []
    threads = [
        threading.Thread(target=lambda: results.append(desk.cancel(found))) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [False, True]
    with desk.database.read() as session:
        entries = session.scalars(
            sa.select(AuditEntry.action).where(AuditEntry.action == "override.cancelled")
        ).all()
    assert len(entries) == 1


def test_what_is_cancelled_while_its_sound_is_made_stays_cancelled(desk: Desk) -> None:
    found = desk.create()
    desk.cancel(found)
    desk.keeper._ready(found, desk.keeper._render(found))
    assert desk.read(found).state == "cancelled"
    with pytest.raises(Conflict):
        desk.confirm(found)


def test_a_round_stays_listed_while_it_may_sound(desk: Desk, fake_clock: FakeClock) -> None:
    """So that cancelling silences it to its last second."""
    found = desk.on_air(repeat_minutes=None, valid_minutes=10)
    fake_clock.advance(timedelta(minutes=10) + timedelta(milliseconds=DURATION_MS))
    assert len(desk.listed()) == 1
    assert desk.cancel(found)
    assert desk.listed() == []


def test_it_ends_by_itself(desk: Desk, fake_clock: FakeClock) -> None:
    found = desk.on_air(valid_minutes=10)
    fake_clock.advance(timedelta(minutes=9))
    desk.keeper.run_once()
    assert desk.read(found).state == "on_air"
    fake_clock.advance(timedelta(minutes=2))
    desk.keeper.run_once()
    assert desk.read(found).state == "ended"
    assert desk.listed() == []
    assert not desk.cancel(found)


def test_what_a_clock_that_ran_ahead_has_ended_is_stopped_like_anything_on_air(
    desk: Desk, fake_clock: FakeClock
) -> None:
    found = desk.on_air(valid_minutes=60)
    fake_clock.advance(MINUTE)
    desk.keeper.run_once()
    fake_clock.advance(timedelta(days=1))
    desk.keeper.run_once()
    assert desk.read(found).state == "ended"
    fake_clock.advance(-timedelta(days=1))
    assert desk.listed(), "players sound it again"
    with desk.database.read() as session:
        assert [each.id for each in override.running(session, desk.actor)] == [found.id]
    assert desk.cancel(found)
    assert desk.read(found).state == "cancelled"
    assert desk.listed() == []
    with desk.database.read() as session:
        assert override.running(session, desk.actor) == []


def test_what_is_over_is_not_on_air_even_before_the_keeper_has_looked(
    desk: Desk, fake_clock: FakeClock
) -> None:
    found = desk.on_air(repeat_minutes=None, valid_minutes=10)
    fake_clock.advance(timedelta(minutes=11))
    assert desk.read(found).state == "on_air"
    with desk.database.read() as session:
        assert override.running(session, desk.actor) == []


def test_what_was_ended_and_never_started_is_not_on_air(desk: Desk, fake_clock: FakeClock) -> None:
    found = desk.create(valid_minutes=72 * 60)
    desk.keeper.run_once()
    fake_clock.advance(timedelta(hours=25))
    desk.keeper.run_once()
    assert desk.read(found).state == "ended"
    with desk.database.read() as session:
        assert override.running(session, desk.actor) == []
    assert not desk.cancel(found)


def test_its_time_counts_from_the_second_yes(desk: Desk, fake_clock: FakeClock) -> None:
    found = desk.create(valid_minutes=30)
    desk.keeper.run_once()
    fake_clock.advance(timedelta(hours=2))
    assert desk.confirm(found).valid_until == utc_now() + timedelta(minutes=30)


def test_what_nobody_confirms_ends_after_a_day(desk: Desk, fake_clock: FakeClock) -> None:
    found = desk.create()
    desk.keeper.run_once()
    fake_clock.advance(timedelta(hours=25))
    desk.keeper.run_once()
    assert desk.read(found).state == "ended"


@pytest.mark.parametrize(("kind", "listed"), [("emergency", 1), ("drill", 0), ("notice", 0)])
def test_quiet_of_the_village_binds_all_but_emergencies(
    desk: Desk, town: Town, kind: str, listed: int
) -> None:
    now = utc_now()
    with desk.database.write() as session:
        session.add(
            VillageQuiet(
                area_code=VILLAGES[0],
                starts_at=now,
                ends_at=now + timedelta(hours=2),
                ordered_by_id=town.administrator.id,
                channel="page",
                created_at=now,
            )
        )
    desk.on_air(kind=kind)
    assert len(desk.listed(VILLAGES[0])) == listed
    assert len(desk.listed(VILLAGES[1])) == 1


def test_the_list_says_how_loud_it_is(desk: Desk) -> None:
    with desk.database.write() as session:
        session.add(HourVolume(area_code=COUNTY, percent=[30] * 24, changed_at=utc_now()))
    desk.on_air(volume_percent=80)
    assert desk.listed()[0]["volume_percent"] == 80  # players know that hours do not lower it


def test_its_clip_is_served_to_its_villages_while_it_is_on_air(desk: Desk) -> None:
    found = desk.on_air(villages=VILLAGES[:2])

    def served(village: str) -> bool:
        with desk.database.read() as session:
            return manifest.has_clip(session, village, found.clip_sha256 or "")

    assert [served(village) for village in VILLAGES] == [True, True, False]
    desk.cancel(found)
    assert not served(VILLAGES[0])


def test_news_wakes_the_villages(desk: Desk, box: Box, tell: Callable[[], None]) -> None:
    tell()
    desk.on_air()
    tell()
    assert {each.state for each in desk.rounds(area_code=VILLAGES[0])} == {"published"}
    assert {each.state for each in desk.rounds(area_code=VILLAGES[1])} == {"planned"}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"kind": "party"}, "kind"),
        ({"text": ""}, "text"),
        ({"text": "。。！ \n"}, "text"),
        ({"text": "水" * 1001}, "text"),
        ({"villages": []}, "villages"),
        ({"repeat_minutes": 0}, "repeat_minutes"),
        ({"valid_minutes": 0}, "valid_minutes"),
        ({"valid_minutes": 72 * 60 + 1}, "valid_minutes"),
        ({"volume_percent": 5}, "volume_percent"),
        ({"title": "x" * 121}, "title"),
    ],
)
def test_mistakes_name_their_field_and_leave_nothing(
    desk: Desk, changes: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        desk.create(**changes)
    assert caught.value.field == field
    with desk.database.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Override)) == 0


def test_a_full_disk_is_tried_again_then_told(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    found = desk.create()
    monkeypatch.setattr(desk.keeper._stopped, "wait", lambda _s: False)
    working = override_sound.render

    def full(*_: object) -> ClipFacts:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(override_sound, "render", full)
    for _ in range(3):
        assert desk.read(found).state == "preparing"
        desk.keeper.run_once()
    failed = desk.read(found)
    assert failed.state == "failed"
    assert "No space left" in (failed.failure or "")
    monkeypatch.setattr(override_sound, "render", working)
    with desk.database.write() as session:
        assert override.try_again(session, desk.actor, found.id)
    desk.keeper.run_once()
    assert desk.read(found).state == "ready"


def test_a_sound_that_will_never_do_fails_at_once(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = desk.create()

    def useless(*_: object) -> ClipFacts:
        raise InvalidInput("Nothing can be heard in this file.", field="file")

    monkeypatch.setattr(override_sound, "render", useless)
    desk.keeper.run_once()
    assert desk.read(found).state == "failed"


def test_the_sound_of_an_emergency_is_made_by_itself(desk: Desk) -> None:
    notice = desk.create(kind="notice")
    emergency = desk.create(form_token="form-2")
    desk.keeper.make_one(override_keeper.URGENT)
    assert desk.read(emergency).state == "ready"
    assert desk.read(notice).state == "preparing"


def test_an_emergency_waits_for_no_long_notice(
    desk: Desk, fake_clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither its sound nor its rounds."""
    working, begun, may_end = override_sound.render, threading.Event(), threading.Event()

    def slow_notice(wanted: override_sound.Wanted, *more: Any) -> ClipFacts:
        if wanted.kind == "notice":
            begun.set()
            assert may_end.wait(30)
        return working(wanted, *more)

    monkeypatch.setattr(override_sound, "render", slow_notice)
    thread = threading.Thread(target=desk.keeper.run_forever)
    thread.start()
    try:
        notice = desk.create(kind="notice")
        assert begun.wait(30)
        emergency = desk.create(form_token="form-2")
        wait_until(lambda: desk.read(emergency).state == "ready")
        desk.confirm(emergency)
        fake_clock.advance(MINUTE)
        wait_until(lambda: len(desk.rounds(area_code=VILLAGES[0])) == 12)
        assert desk.read(notice).state == "preparing"
        may_end.set()
        wait_until(lambda: desk.read(notice).state == "ready")
    finally:
        may_end.set()
        desk.keeper.stop()
        thread.join(30)
    assert not thread.is_alive()


def test_a_voice_that_fails_once_is_asked_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = desk.create()
    working, failed = override_sound.render, []

    def sometimes(*given: Any) -> ClipFacts:
        if not failed:
            failed.append(True)
            raise ToolFailed("The machine's voice could not speak this text.")
        return working(*given)

    monkeypatch.setattr(override_sound, "render", sometimes)
    monkeypatch.setattr(desk.keeper._stopped, "wait", lambda _s: False)
    desk.keeper.run_once()
    desk.keeper.run_once()
    assert desk.read(found).state == "ready"


def test_only_those_with_the_right_and_only_in_their_area(desk: Desk, town: Town) -> None:
    with pytest.raises(Forbidden), desk.database.write() as session:
        override.create(session, desk.store, town.recorder, FLOOD)
    with pytest.raises(NotFound):
        desk.create(villages=[FOREIGN_VILLAGE])
    found = desk.on_air()
    with desk.database.write() as session:
        neighbour = towns._person(session, "neighbour", ["township"], towns.ELSEWHERE)
    for act in (override.cancel, override.get):
        with pytest.raises(NotFound), desk.database.write() as session:
            act(session, neighbour, found.id)


def test_a_township_does_not_cancel_what_the_county_ordered_for_more(
    desk: Desk, town: Town
) -> None:
    with desk.database.write() as session:
        county = towns._person(session, "county", ["county"], COUNTY)
    wide = Desk(desk.database, desk.store, county, desk.keeper)
    found = wide.on_air(villages=[*VILLAGES, FOREIGN_VILLAGE])
    with pytest.raises(Forbidden):
        desk.cancel(found)
    with desk.database.read() as session:
        assert [each.id for each in override.running(session, desk.actor)] == [found.id]
    assert wide.cancel(found)


def test_each_step_is_in_the_audit_trail(desk: Desk) -> None:
    found = desk.on_air()
    desk.cancel(found)
    with desk.database.read() as session:
        entries = session.scalars(
            sa.select(AuditEntry).where(AuditEntry.subject == f"override:{found.id}")
        ).all()
        assert audit.first_broken(session) is None
    assert [each.action for each in entries] == [
        "override.created", "override.confirmed", "override.cancelled",
    ]  # fmt: skip
    assert {each.actor for each in entries} == {"official"}


def test_the_right_is_that_of_the_table(town: Town) -> None:
    assert auth.RIGHTS[override.RIGHT] == {"township", "county", "city", "leader"}
