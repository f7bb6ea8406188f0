"""Who may speak live, to whom, and how it ends."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from broadcast import commands, live, live_frames, live_keeper, live_recording, players
from broadcast.live_beats import DEAD_AFTER_S, EVERY_S, Beats
from broadcast.live_hub import Channel, Facts, LiveHub
from broadcast.live_keeper import BEGINS_S, LiveKeeper, folder
from broadcast.models import LiveListener, LiveSession, PlayerCommand
from core import leases
from core.auth import Actor
from core.blobs import BlobStore
from core.clock import FakeClock
from core.database import Database
from core.errors import Forbidden, InvalidInput, NotFound
from core.models import AuditEntry
from core.settings import Settings
from recordings.models import Clip
from schedule.keeper import LEASE
from tests.broadcast.box import Box, enrolled
from tests.schedule.town import ELSEWHERE, FOREIGN_VILLAGE, TOWNSHIP, VILLAGES, Town

SECOND = b"\x00\x10" * 16_000


@pytest.fixture
def chief(town: Town) -> Actor:
    """Head of the township."""
    return replace(town.leader, area_code=TOWNSHIP)


def opened(database: Database, actor: Actor, villages: list[str], **more: bool) -> LiveSession:
    with database.write() as session:
        return live.open_session(session, actor, villages, source="browser", **more).session


def commands_of(database: Database, kind: str) -> list[PlayerCommand]:
    with database.read() as session:
        return list(session.scalars(sa.select(PlayerCommand).where(PlayerCommand.kind == kind)))


def row_of(database: Database, session_id: str) -> LiveSession:
    with database.read() as session:
        return session.get_one(LiveSession, session_id)


def test_opening_calls_every_approved_player_of_the_villages(
    database: Database, town: Town, chief: Actor
) -> None:
    first = enrolled(database, town.administrator, VILLAGES[0])
    enrolled(database, town.administrator, VILLAGES[0], approved=False)
    enrolled(database, town.administrator, VILLAGES[1])
    session_id = opened(database, chief, [VILLAGES[0]]).id
    [command] = commands_of(database, "live")
    assert command.player_id == first.player.id
    assert command.payload["session_id"] == session_id
    assert (command.payload["rate_hz"], command.payload["codec"]) == (16_000, "mulaw")


def test_a_second_speaker_is_told_who_speaks(database: Database, chief: Actor) -> None:
    opened(database, chief, VILLAGES[:2])
    with pytest.raises(live.SomebodySpeaks) as refused:
        opened(database, chief, VILLAGES[1:])
    assert refused.value.params == {"speaker": "leader", "village": "示例村2"}
    opened(database, chief, VILLAGES[2:])


def test_when_it_is_over_the_village_is_free_again(database: Database, chief: Actor) -> None:
    row = opened(database, chief, VILLAGES[:1])
    with database.write() as session:
        assert live.end(session, row.id, "speaker")
    opened(database, chief, VILLAGES[:1])


def test_a_recorder_may_not_speak(database: Database, town: Town) -> None:
    with pytest.raises(Forbidden):
        opened(database, town.recorder, VILLAGES[:1])


def test_a_village_head_speaks_to_the_own_village_alone(database: Database, town: Town) -> None:
    head = replace(town.leader, roles=frozenset({"village_head"}), area_code=VILLAGES[0])
    opened(database, head, [VILLAGES[0]])
    with pytest.raises(NotFound):
        opened(database, head, [VILLAGES[1]])


def test_a_village_head_may_not_raise_the_alarm(database: Database, town: Town) -> None:
    head = replace(town.leader, roles=frozenset({"village_head"}), area_code=VILLAGES[0])
    with pytest.raises(Forbidden):
        opened(database, head, [VILLAGES[0]], emergency=True)


@pytest.mark.parametrize("villages", [[FOREIGN_VILLAGE], [TOWNSHIP], ["nowhere"]])
def test_what_is_no_village_of_the_own_area_is_not_there(
    database: Database, chief: Actor, villages: list[str]
) -> None:
    with pytest.raises(NotFound):
        opened(database, chief, villages)


def test_nobody_speaks_to_no_village(database: Database, chief: Actor) -> None:
    with pytest.raises(InvalidInput):
        opened(database, chief, [])


def test_players_that_never_answered_are_not_called_after_the_end(
    database: Database, box: Box, chief: Actor
) -> None:
    row = opened(database, chief, VILLAGES[:1])
    with database.write() as session:
        live.end(session, row.id, "speaker")
    [command] = commands_of(database, "live")
    assert command.state == "expired"


@pytest.mark.parametrize(("cause", "hush"), [("hard_stop", True), ("speaker", False)])
def test_players_that_came_are_told_to_stop(
    database: Database, box: Box, chief: Actor, cause: str, hush: bool
) -> None:
    row = opened(database, chief, VILLAGES[:1])
    [command] = commands_of(database, "live")
    with database.write() as session:
        commands.acknowledge(session, box.player, command.id, "done")
        live.end(session, row.id, cause)
    [stop] = commands_of(database, "live_stop")
    assert stop.payload == {"session_id": row.id, "hush": hush}


def test_the_first_cause_counts(database: Database, chief: Actor) -> None:
    row = opened(database, chief, VILLAGES[:1])
    with database.write() as session:
        live.go_on_air(session, row.id)
        assert live.end(session, row.id, "speaker")
        assert not live.end(session, row.id, "silence")
    found = row_of(database, row.id)
    assert (found.state, found.end_cause) == ("ended", "speaker")


def test_an_address_without_a_word_failed(database: Database, chief: Actor) -> None:
    row = opened(database, chief, VILLAGES[:1])
    with database.write() as session:
        live.end(session, row.id, "connection")
    assert row_of(database, row.id).state == "failed"


def test_somebody_of_a_part_of_the_area_cannot_stop_it(
    database: Database, town: Town, chief: Actor
) -> None:
    row = opened(database, chief, VILLAGES[:2])
    head = Actor(town.recorder.id, "head", "head", frozenset({"village_head"}), VILLAGES[0])
    with database.write() as session, pytest.raises(Forbidden):
        live.stop_cause(session, head, row.id, "hard_stop")


def test_another_town_sees_nothing_of_it(database: Database, town: Town, chief: Actor) -> None:
    row = opened(database, chief, VILLAGES[:2])
    stranger = Actor(town.outsider.id, "x", "x", frozenset({"township"}), ELSEWHERE)
    with database.read() as session, pytest.raises(NotFound):
        live.visible(session, stranger, row.id)


def test_a_player_that_was_not_called_hears_nothing(
    database: Database, town: Town, chief: Actor
) -> None:
    other = enrolled(database, town.administrator, VILLAGES[1])
    row = opened(database, chief, VILLAGES[:1])
    with database.read() as session, pytest.raises(NotFound):
        live.joins(session, other.player, row.id)


def test_what_a_player_tells_late_is_kept(
    database: Database, box: Box, chief: Actor, fake_clock: FakeClock
) -> None:
    row = opened(database, chief, VILLAGES[:1])
    with database.write() as session:
        live.go_on_air(session, row.id)
        live.end(session, row.id, "speaker")
    fake_clock.advance(timedelta(minutes=1))
    heard_at = fake_clock.now()
    with database.write() as session:
        live.heard(session, box.player, row.id, heard_at, 240, "end")
    with database.read() as session:
        listener = session.scalars(sa.select(LiveListener)).one()
    assert (listener.first_sound_at, listener.lost_ms) == (heard_at, 240)
    fake_clock.advance(timedelta(hours=1))
    with database.write() as session, pytest.raises(NotFound):
        live.heard(session, box.player, row.id, heard_at, 0, None)


# --- the keeper ---


@pytest.fixture
def hub() -> LiveHub:
    return LiveHub()


@pytest.fixture
def keeper(database: Database, store: BlobStore, hub: LiveHub, config: Settings) -> LiveKeeper:
    return LiveKeeper(database, store, hub, config)


def on_air(
    database: Database, hub: LiveHub, config: Settings, actor: Actor, players: list[str]
) -> Channel:
    row = opened(database, actor, VILLAGES[:1])
    path = live_recording.path_of(folder(config), row.id)
    channel = Channel(row.id, actor.id, row.created_at, players, path)
    hub.add(channel)
    channel.say(0, SECOND)
    with database.write() as session:
        live.go_on_air(session, row.id)
    return channel


@pytest.mark.parametrize(
    ("hand", "back_s", "cause"),
    [("heard_of_s", 6, "connection"), ("sound_s", 21, "silence"), ("opened_s", 1801, "limit")],
)
def test_an_address_nobody_speaks_in_is_ended(
    database: Database, hub: LiveHub, keeper: LiveKeeper, config: Settings, chief: Actor,
    hand: str, back_s: float, cause: str,
) -> None:  # fmt: skip
    channel = on_air(database, hub, config, chief, [])
    keeper.look()
    assert row_of(database, channel.session_id).state == "on_air"
    setattr(channel, hand, getattr(channel, hand) - back_s)
    if hand == "sound_s":
        channel.opened_s -= back_s
    keeper.look()
    found = row_of(database, channel.session_id)
    assert (found.state, found.end_cause) == ("ended", cause)
    assert hub.all() == []


def test_what_was_said_becomes_a_clip(
    database: Database, store: BlobStore, hub: LiveHub, keeper: LiveKeeper, config: Settings,
    chief: Actor,
) -> None:  # fmt: skip
    channel = on_air(database, hub, config, chief, [])
    channel.say(1500, SECOND)
    with database.write() as session:
        live.end(session, channel.session_id, "speaker")
    keeper.look()
    found = row_of(database, channel.session_id)
    assert found.recording_sha256 is not None
    with database.read() as session:
        clip = session.get_one(Clip, found.recording_sha256)
    assert (clip.codec, clip.duration_ms) == ("flac", 2500)
    assert list(folder(config).iterdir()) == []


def test_after_the_death_of_the_server_the_address_is_over_and_its_sound_is_kept(
    database: Database, hub: LiveHub, keeper: LiveKeeper, config: Settings, chief: Actor
) -> None:
    row = opened(database, chief, VILLAGES[:1])
    with database.write() as session:
        live.go_on_air(session, row.id)
    live_recording.path_of(folder(config), row.id).write_bytes(SECOND)
    keeper.recover()
    keeper.look()
    found = row_of(database, row.id)
    assert (found.state, found.end_cause) == ("ended", "server")
    assert found.recording_sha256 is not None


def test_a_recording_the_disk_refuses_waits(
    database: Database, store: BlobStore, hub: LiveHub, keeper: LiveKeeper, config: Settings,
    chief: Actor, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    channel = on_air(database, hub, config, chief, [])
    with database.write() as session:
        live.end(session, channel.session_id, "speaker")
    path = live_recording.path_of(folder(config), channel.session_id)

    def full(_path: Path) -> str:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(store, "put_file", full)
        keeper.look()
    assert path.exists()
    keeper._keep_due_s = 0.0
    keeper.look()
    assert row_of(database, channel.session_id).recording_sha256 is not None
    assert not path.exists()


def test_who_joined_and_dropped_is_written_down(
    database: Database, box: Box, hub: LiveHub, keeper: LiveKeeper, config: Settings, chief: Actor
) -> None:
    channel = on_air(database, hub, config, chief, [box.player.id])
    now = row_of(database, channel.session_id).created_at
    channel._note(box.player.id, joined_at=now, left_at=now, cause="lost")
    keeper.look()
    with database.read() as session:
        listener = session.scalars(sa.select(LiveListener)).one()
    assert (listener.joined_at, listener.left_at, listener.cause) == (now, now, "lost")
    assert channel.facts()[box.player.id] == Facts(now, None, now, "lost", 0)


def test_a_player_that_a_person_shuts_out_hears_no_more_and_the_others_do(
    database: Database, town: Town, box: Box, hub: LiveHub, keeper: LiveKeeper, config: Settings,
    chief: Actor,
) -> None:  # fmt: skip
    other = enrolled(database, town.administrator, VILLAGES[0])
    channel = on_air(database, hub, config, chief, [box.player.id, other.player.id])

    async def run() -> None:
        heard: dict[str, list[bytes]] = {}

        async def listen(player_id: str) -> None:
            heard[player_id] = []
            async for frame in channel.listen(player_id):
                heard[player_id].append(frame)

        tasks = [asyncio.create_task(listen(each.player.id)) for each in (box, other)]
        while len(channel.listening) < 2:
            await asyncio.sleep(0)
        await asyncio.to_thread(keeper.look)
        assert len(channel.listening) == 2
        with database.write() as session:
            players.revoke(session, town.administrator, box.player.id)
        await asyncio.to_thread(keeper.look)
        await tasks[0]
        channel.say(1000, SECOND)
        assert heard[box.player.id] == [live_frames.HUSH]
        assert channel.listening == {other.player.id}
        channel.end(hush=False)
        await tasks[1]
        assert heard[other.player.id][-1] == live_frames.FINISH
        assert len(heard[other.player.id]) > 5

    asyncio.run(run())
    keeper.look()


def test_what_the_database_did_not_take_is_written_down_later(
    database: Database, box: Box, hub: LiveHub, keeper: LiveKeeper, config: Settings,
    chief: Actor, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    channel = on_air(database, hub, config, chief, [box.player.id])
    now = row_of(database, channel.session_id).created_at
    channel._note(box.player.id, joined_at=now)

    def locked(*_arguments: object) -> None:
        raise sa.exc.OperationalError("BEGIN IMMEDIATE", {}, Exception("database is locked"))

    with monkeypatch.context() as patch, pytest.raises(sa.exc.OperationalError):
        patch.setattr(live, "note", locked)
        keeper.look()
    keeper.look()
    with database.read() as session:
        assert session.scalars(sa.select(LiveListener)).one().joined_at == now


# --- the horns first ---


@contextmanager
def away(monkeypatch: pytest.MonkeyPatch, *ways: str) -> Iterator[None]:
    """The database takes nothing (``write``), or gives nothing either (``read``)."""

    def locked(_database: Database) -> None:
        raise sa.exc.OperationalError("BEGIN IMMEDIATE", {}, Exception("database is locked"))

    with monkeypatch.context() as patch:
        for way in ways:
            patch.setattr(Database, way, locked)
        yield


@pytest.mark.parametrize("ways", [("write",), ("read", "write")])
def test_an_address_nobody_speaks_in_falls_silent_without_the_database(
    database: Database, hub: LiveHub, keeper: LiveKeeper, config: Settings, chief: Actor,
    monkeypatch: pytest.MonkeyPatch, ways: tuple[str, ...],
) -> None:  # fmt: skip
    channel = on_air(database, hub, config, chief, [])
    channel.heard_of_s -= 6
    with away(monkeypatch, *ways), pytest.raises(sa.exc.OperationalError):
        keeper.look()
    assert channel.ended
    assert row_of(database, channel.session_id).state == "on_air"
    keeper.look()
    found = row_of(database, channel.session_id)
    assert (found.state, found.end_cause) == ("ended", "connection")


def test_a_keeper_that_waits_for_the_database_keeps_nobody_on_air(
    database: Database, hub: LiveHub, keeper: LiveKeeper, config: Settings, chief: Actor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    channel = on_air(database, hub, config, chief, [])
    waits, answered = threading.Event(), threading.Event()

    def hangs() -> None:
        waits.set()
        answered.wait()

    monkeypatch.setattr(keeper, "look", hangs)
    thread = threading.Thread(target=keeper.run_forever)
    thread.start()
    waits.wait()
    channel.heard_of_s -= 6
    wait_for(lambda: channel.ended)
    keeper.stop()
    answered.set()
    thread.join()
    assert row_of(database, channel.session_id).end_cause == "connection"


def wait_for(what: Callable[[], object]) -> None:
    deadline_s = time.monotonic() + 20
    while not what():
        assert time.monotonic() < deadline_s, "it never came"
        time.sleep(0.02)


def test_an_end_the_database_did_not_take_is_written_down_as_it_was(
    database: Database, hub: LiveHub, keeper: LiveKeeper, config: Settings, chief: Actor
) -> None:
    channel = on_air(database, hub, config, chief, [])
    channel.end(hush=True, cause="hard_stop", by="zhang")
    keeper.look()
    assert row_of(database, channel.session_id).end_cause == "hard_stop"
    with database.read() as session:
        ended = sa.select(AuditEntry).where(AuditEntry.action == "live.ended")
        assert session.scalars(ended).one().actor == "zhang"


def test_when_the_server_stops_the_horns_fall_silent_without_the_database(
    database: Database, hub: LiveHub, keeper: LiveKeeper, config: Settings, chief: Actor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    channel = on_air(database, hub, config, chief, [])
    keeper.stop()
    with away(monkeypatch, "read", "write"):
        keeper.run_forever()
    assert channel.ended


def test_a_channel_whose_session_was_never_stored_is_let_go(
    database: Database, hub: LiveHub, keeper: LiveKeeper, config: Settings, chief: Actor
) -> None:
    with database.unfinished() as session:
        opened = live.open_session(session, chief, VILLAGES[:1], source="browser")
        channel = live_keeper.open_channel(hub, opened, config)
    channel.heard_of_s -= 6
    keeper.look()
    assert hub.all() == [channel], "it may still be stored"
    assert channel.ended_s is not None
    channel.ended_s -= live_keeper.COMMITTED_WITHIN_S + 1
    keeper.look()
    assert hub.all() == []
    assert not channel.recording._thread.is_alive()


# --- two web processes ---


def second_process(
    database: Database, store: BlobStore, config: Settings, until: Callable[[], object]
) -> None:
    """Run the keeper of another web process until ``until`` holds and it has looked around."""
    duty = leases.Duty(database, LEASE)
    looks = LiveHub()
    keeper = LiveKeeper(database, store, looks, config, duty)
    rounds: list[int] = []
    really = keeper.look

    def look() -> None:
        really()
        rounds.append(1)

    keeper.look = look  # type: ignore[method-assign]
    thread = threading.Thread(target=keeper.run_forever)
    thread.start()
    wait_for(lambda: rounds and until())
    keeper.stop()
    thread.join()
    duty.give_back()


def test_a_second_web_process_leaves_the_addresses_of_the_first_alone(
    database: Database, store: BlobStore, hub: LiveHub, config: Settings, chief: Actor
) -> None:
    first = leases.Duty(database, LEASE)
    assert first.is_ours()
    channel = on_air(database, hub, config, chief, [])
    second_process(database, store, config, lambda: True)
    assert row_of(database, channel.session_id).state == "on_air"
    channel.end(hush=True)
    channel.recording.close()


def test_a_keeper_that_begins_again_leaves_addresses_of_others_alone(
    database: Database, store: BlobStore, config: Settings, chief: Actor
) -> None:
    keeper = LiveKeeper(database, store, LiveHub(), config)
    really, rounds = keeper.look, list[int]()

    def look() -> None:
        rounds.append(1)
        if len(rounds) == 1:
            raise KeyError("nobody thought of this")
        really()
        keeper.stop()

    keeper.look = look  # type: ignore[method-assign]
    with pytest.raises(KeyError):
        keeper.run_forever()
    row = opened(database, chief, VILLAGES[:1])  # by another process
    keeper.run_forever()
    assert len(rounds) == 2
    assert row_of(database, row.id).state == "opening"


def test_who_gets_the_duty_of_a_dead_process_ends_its_addresses(
    database: Database, store: BlobStore, config: Settings, chief: Actor
) -> None:
    row = opened(database, chief, VILLAGES[:1])
    second_process(database, store, config, lambda: row_of(database, row.id).end_cause == "server")


def test_who_gets_the_duty_later_leaves_the_addresses_of_others_alone(
    database: Database, store: BlobStore, hub: LiveHub, config: Settings, chief: Actor
) -> None:
    first = leases.Duty(database, LEASE)
    assert first.is_ours()
    channel = on_air(database, hub, config, chief, [])
    second, rounds = leases.Duty(database, LEASE), list[int]()
    keeper = LiveKeeper(database, store, LiveHub(), config, second)
    keeper._begun_s -= BEGINS_S
    really = keeper.look

    def look() -> None:
        rounds.append(1)
        if len(rounds) == 2:
            first.give_back()  # as if it could not renew it any more
            wait_for(second.is_ours)
        really()
        if len(rounds) == 4:
            keeper.stop()

    keeper.look = look  # type: ignore[method-assign]
    keeper.run_forever()
    assert second.is_ours()
    assert row_of(database, channel.session_id).state == "on_air"
    channel.end(hush=True)
    channel.recording.close()
    second.give_back()


def test_what_another_process_still_records_is_left_alone(
    database: Database, store: BlobStore, hub: LiveHub, config: Settings, chief: Actor
) -> None:
    channel = on_air(database, hub, config, chief, [])
    path = live_recording.path_of(folder(config), channel.session_id)
    wait_for(lambda: path.exists() and path.stat().st_size)
    other = LiveKeeper(database, store, LiveHub(), config)
    other.look()
    assert row_of(database, channel.session_id).recording_sha256 is None
    channel.say(1000, SECOND)
    channel.end(hush=True)
    channel.recording.close()
    other._keep_due_s = 0.0
    other.look()
    found = row_of(database, channel.session_id).recording_sha256
    with database.read() as session:
        assert session.get_one(Clip, found).duration_ms == 2000


@pytest.mark.parametrize(("lives", "state"), [(True, "on_air"), (False, "ended")])
def test_an_address_whose_process_shows_no_life_for_a_minute_and_a_half_is_over(
    database: Database, store: BlobStore, hub: LiveHub, keeper: LiveKeeper, config: Settings,
    chief: Actor, lives: bool, state: str,
) -> None:  # fmt: skip
    channel = on_air(database, hub, config, chief, [])
    watcher = LiveKeeper(database, store, LiveHub(), config)
    now_s = [0.0]
    keeper.beats, watcher.beats = (Beats(lambda: now_s[0]) for _ in range(2))
    while now_s[0] <= DEAD_AFTER_S + EVERY_S:
        if lives or now_s[0] == 0:
            keeper.look()
        watcher.look()
        assert row_of(database, channel.session_id).state == "on_air" or now_s[0] >= DEAD_AFTER_S
        now_s[0] += 10
    found = row_of(database, channel.session_id)
    assert (found.state, found.end_cause) == (state, None if lives else "server")
    channel.end(hush=True)
    channel.recording.close()


def test_a_database_that_nobody_reached_for_long_ends_no_address(
    database: Database, store: BlobStore, hub: LiveHub, keeper: LiveKeeper, config: Settings,
    chief: Actor, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    channel = on_air(database, hub, config, chief, [])
    watcher = LiveKeeper(database, store, LiveHub(), config)
    now_s = [0.0]
    keeper.beats, watcher.beats = (Beats(lambda: now_s[0]) for _ in range(2))
    keeper.look()
    watcher.look()
    now_s[0] += 30 * DEAD_AFTER_S
    with away(monkeypatch, "read", "write"), pytest.raises(sa.exc.OperationalError):
        watcher.look()
    watcher.look()
    assert row_of(database, channel.session_id).state == "on_air"
    channel.end(hush=True)
    channel.recording.close()


# --- players whose program starts anew ---


def called_again(database: Database, box: Box, boot_id: str) -> None:
    with database.write() as session:
        live.call_again(session, players.note_health(session, box.player.id, {"boot_id": boot_id}))


def answer(database: Database, box: Box, command: PlayerCommand) -> None:
    with database.write() as session:
        commands.acknowledge(session, box.player, command.id, "done")


def test_a_player_that_starts_anew_is_called_once_more(
    database: Database, box: Box, chief: Actor, fake_clock: FakeClock
) -> None:
    opened(database, chief, VILLAGES[:1])
    [first] = commands_of(database, "live")
    answer(database, box, first)
    fake_clock.advance(timedelta(minutes=5))
    for _ in range(2):
        called_again(database, box, "two")
    [again] = [each for each in commands_of(database, "live") if each.id != first.id]
    assert (again.state, again.payload) == ("wanted", first.payload)
    assert again.expires_at == first.expires_at


def test_a_player_is_called_once_more_to_what_it_was_called_to_and_nothing_else(
    database: Database, town: Town, box: Box, chief: Actor
) -> None:
    other = enrolled(database, town.administrator, VILLAGES[1])
    opened(database, chief, VILLAGES[:1])
    called_again(database, other, "two")
    [only] = commands_of(database, "live")
    assert only.player_id == box.player.id


def test_nobody_is_called_once_more_to_what_is_over(
    database: Database, box: Box, chief: Actor
) -> None:
    row = opened(database, chief, VILLAGES[:1])
    with database.write() as session:
        live.end(session, row.id, "speaker")
    called_again(database, box, "two")
    assert len(commands_of(database, "live")) == 1


@pytest.mark.parametrize("answered", ["neither", "first", "second"])
def test_the_end_withdraws_the_second_call_too(
    database: Database, box: Box, chief: Actor, answered: str
) -> None:
    row = opened(database, chief, VILLAGES[:1])
    [first] = commands_of(database, "live")
    called_again(database, box, "two")
    [second] = [each for each in commands_of(database, "live") if each.id != first.id]
    for name, command in (("first", first), ("second", second)):
        if name == answered:
            answer(database, box, command)
    with database.write() as session:
        live.end(session, row.id, "speaker")
    states = {each.id: each.state for each in commands_of(database, "live")}
    assert states[first.id] == ("done" if answered == "first" else "expired")
    assert states[second.id] == ("done" if answered == "second" else "expired")
    assert len(commands_of(database, "live_stop")) == (0 if answered == "neither" else 1)
