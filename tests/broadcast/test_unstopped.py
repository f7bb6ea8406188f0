"""Which villages may go on repeating what was called off: the box says what it holds."""

from __future__ import annotations

from datetime import timedelta

import pytest

from broadcast import held_lists, manifest, override, override_sound, players, unstopped
from broadcast.models import Override, Player
from broadcast.override import Order
from broadcast.override_keeper import OverrideKeeper
from core.auth import Actor
from core.blobs import BlobStore
from core.clock import FakeClock
from core.database import Database
from recordings.clips import ClipFacts
from tests.broadcast.box import Box
from tests.conftest import on_both_databases
from tests.schedule import town as towns
from tests.schedule.town import TOWNSHIP, VILLAGES, Town

pytestmark = on_both_databases
VILLAGE = VILLAGES[0]
MINUTE = timedelta(minutes=1)
FLOOD = Order("emergency", VILLAGES, "form-1", text="山洪要来了，请马上上山。", repeat_minutes=5)
KEY = "0123456789abcdef"


class Desk:
    """An announcement, and the box of the first village with its list."""

    def __init__(
        self, database: Database, store: BlobStore, actor: Actor, box: Box, clock: FakeClock
    ) -> None:
        self.database, self.store, self.actor, self.box, self.clock = (
            database, store, actor, box, clock,
        )  # fmt: skip
        self.tag = ""
        self.override_id = 0

    def start(self) -> None:
        with self.database.write() as session:
            made = override.create(session, self.store, self.actor, FLOOD)
        OverrideKeeper(self.database, self.store).run_once()
        with self.database.write() as session:
            found = session.get_one(Override, made.id)
            count = str(len(VILLAGES))
            override.confirm(session, self.actor, made.id, found.version, count)
        self.override_id = made.id
        self.clock.advance(MINUTE)

    def stop(self) -> None:
        with self.database.write() as session:
            assert override.cancel(session, self.actor, self.override_id)
        self.clock.advance(MINUTE)

    def ask(self, *, arrives: bool = True) -> None:
        """The box asks for its list, naming the one it holds."""
        with self.database.write() as session:
            found = manifest.build(session, VILLAGE)
            held = held_lists.version_of(self.tag, KEY)
            held_lists.note(session, self.box.player.id, found.version, held)
        if arrives:
            self.tag = held_lists.tag(found, KEY)
        self.clock.advance(MINUTE)

    def report(self) -> None:
        """The box tells which list is in force there."""
        health = {"manifest_version": held_lists.version_of(self.tag, KEY)}
        with self.database.write() as session:
            players.note_health(session, self.box.player.id, health)
        self.clock.advance(MINUTE)

    def restart(self) -> None:
        """The box forgets the tag; the list is kept, and asked for anew."""
        self.tag = ""

    def named(self) -> bool:
        with self.database.read() as session:
            found = session.get_one(Override, self.override_id)
            return unstopped.villages(session, found, VILLAGES) == {VILLAGE}


@pytest.fixture
def desk(
    database: Database,
    store: BlobStore,
    town: Town,
    box: Box,
    fake_clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
) -> Desk:
    def render(wanted: override_sound.Wanted, store: BlobStore, _folder: object) -> ClipFacts:
        digest = store.put_bytes(b"OggS" + wanted.kind.encode())
        return ClipFacts(digest, "delivery", "audio/ogg", "opus", 20_000, 48_000, 1)

    monkeypatch.setattr(override_sound, "render", render)
    with database.write() as session:
        official = towns._person(session, "official", ["township"], TOWNSHIP)
    return Desk(database, store, official, box, fake_clock)


def test_a_box_that_is_away_since_the_announcement_is_named(desk: Desk) -> None:
    desk.start()
    desk.ask()
    desk.report()
    desk.stop()
    assert desk.named()


def test_a_box_that_was_given_the_announcement_and_never_spoke_again_is_named(desk: Desk) -> None:
    desk.start()
    desk.ask()
    desk.stop()
    assert desk.named()


def test_a_box_that_never_held_the_announcement_is_not_named(desk: Desk) -> None:
    desk.ask()
    desk.report()
    desk.start()
    desk.stop()
    assert not desk.named()
    desk.ask(arrives=False)
    desk.report()
    assert not desk.named()


@pytest.mark.parametrize("reports", [False, True], ids=["silent", "names the old list"])
def test_a_list_that_was_lost_on_its_way_has_not_told_the_stop(desk: Desk, reports: bool) -> None:
    desk.start()
    desk.ask()
    desk.report()
    desk.stop()
    for _ in range(2):
        desk.ask(arrives=False)
        if reports:
            desk.report()
        assert desk.named()


def test_the_tag_of_the_announcement_tells_that_it_had_arrived(desk: Desk) -> None:
    desk.start()
    desk.ask()  # and no report: the link went down
    desk.stop()
    desk.ask(arrives=False)
    assert desk.named()


def test_a_report_that_names_the_list_of_the_stop_ends_the_warning(desk: Desk) -> None:
    desk.start()
    desk.ask()
    desk.report()
    desk.stop()
    desk.ask()
    assert desk.named()
    desk.report()
    assert not desk.named()


def test_the_next_request_that_names_it_ends_the_warning_too(desk: Desk) -> None:
    desk.start()
    desk.ask()
    desk.report()
    desk.stop()
    desk.ask()
    desk.ask()
    assert not desk.named()


def test_a_box_that_starts_anew_says_what_it_holds_by_its_report(desk: Desk) -> None:
    desk.start()
    desk.ask()
    desk.report()
    desk.stop()
    desk.restart()
    desk.ask(arrives=False)
    assert desk.named()
    desk.ask()
    desk.report()
    assert not desk.named()


def test_once_its_last_round_is_over_nobody_is_named(desk: Desk) -> None:
    desk.start()
    desk.ask()
    desk.report()
    desk.stop()
    desk.clock.advance(timedelta(days=1))
    assert not desk.named()


def test_a_list_from_another_database_counts_by_the_word_of_the_box(desk: Desk) -> None:
    with desk.database.write() as session:
        version = manifest.build(session, VILLAGE).version
        player = players.note_health(session, desk.box.player.id, {"manifest_version": version})
        assert player.held_list_at is not None
        assert player.held_list_at == player.manifest_at


def test_the_tag_of_a_list_from_another_database_counts_too(desk: Desk) -> None:
    with desk.database.write() as session:
        desk.tag = held_lists.tag(manifest.build(session, VILLAGE), KEY)
    desk.ask()
    with desk.database.read() as session:
        player = session.get_one(Player, desk.box.player.id)
    assert player.held_list_at is not None
    assert player.held_list_at == player.manifest_at


@pytest.mark.parametrize("version", [None, "7", -1, 2**40, 7])
def test_a_list_that_was_never_given_is_held_by_nobody(desk: Desk, version: object) -> None:
    with desk.database.write() as session:
        players.note_health(session, desk.box.player.id, {"manifest_version": version})
        player = session.get_one(Player, desk.box.player.id)
        assert (player.held_list_at, player.manifest_version) == (None, None)
