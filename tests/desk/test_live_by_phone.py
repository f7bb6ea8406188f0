"""The road of a caller's voice from telephony to the hub, over the real socket."""

from __future__ import annotations

import asyncio
import errno
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from broadcast import live, live_keeper, live_recording
from broadcast.live_hub import Channel, LiveHub
from broadcast.live_keeper import LiveKeeper
from broadcast.models import LiveListener, LiveSession
from core.auth import Actor
from core.blobs import BlobStore
from core.clock import utc_now
from core.database import Database
from core.models import AuditEntry, User
from core.settings import Settings
from desk import live_by_phone, live_caller
from desk.doubled import Doubler
from desk.live_by_phone import LiveByPhone
from hotline import live_line
from hotline.live_line import LiveLine
from hotline.live_steps import GoLive, LiveTold
from hotline.sip import wire
from schedule import quiet
from tests.broadcast.box import Box, enrolled
from tests.conftest import on_both_databases
from tests.hotline.fake_call import voice
from tests.schedule import town as towns
from tests.schedule.town import ELSEWHERE, FOREIGN_VILLAGE, TOWNSHIP, VILLAGES, Town

PATIENCE_S = 20.0
TENTH_MS = 100


@pytest.fixture
def town(database: Database) -> Town:
    return towns.build(database)


@pytest.fixture
def chief(database: Database, town: Town) -> Actor:
    """Head of the township."""
    with database.write() as session:
        session.get_one(User, town.leader.id).area_code = TOWNSHIP
    return replace(town.leader, area_code=TOWNSHIP)


@pytest.fixture
def box(database: Database, town: Town) -> Box:
    return enrolled(database, town.administrator, VILLAGES[0])


@pytest.fixture
def hub(database: Database, store: BlobStore, config: Settings) -> Iterator[LiveHub]:
    """The web process's part: hub, keeper and the door for callers, at work."""
    made = LiveHub()
    duties = [LiveByPhone(database, made, config), LiveKeeper(database, store, made, config)]
    threads = [threading.Thread(target=duty.run_forever) for duty in duties]
    for thread in threads:
        thread.start()
    path = live_line.socket_path(config)
    wait_for(path.exists)
    yield made
    for duty in duties:
        duty.stop()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
    assert not path.exists()


def wait_for(what: Callable[[], Any]) -> Any:
    deadline_s = time.monotonic() + PATIENCE_S
    while not (found := what()):
        assert time.monotonic() < deadline_s, "it never came"
        time.sleep(0.02)
    return found


async def told(line: LiveLine, what: str) -> LiveTold:
    """The next thing of this kind that the web process tells."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            await line.arrived.wait()
            found = line.next_told()
            if found is not None and found.what == what:
                return found


async def opened(config: Settings, who: Actor, *villages: str) -> LiveLine:
    line, answer = await live_line.call(config, GoLive(who.id, villages))
    assert line is not None, answer
    return line


def speak(line: LiveLine, pieces: int, first: int = 0) -> bytes:
    """Say some tenths of a second; returns what was said."""
    pcm = voice(TENTH_MS * (first + pieces))[first * TENTH_MS * 16 :]
    for piece in range(pieces):
        at = piece * TENTH_MS * 16
        line.say((first + piece) * TENTH_MS, pcm[at : at + TENTH_MS * 16])
    return pcm


def row(database: Database) -> LiveSession:
    with database.read() as session:
        return session.scalars(sa.select(LiveSession)).one()


async def until(condition: Callable[[], Any]) -> Any:
    return await asyncio.to_thread(wait_for, condition)


def on_line(config: Settings, who: Actor, scene: Callable[[LiveLine], Awaitable[None]]) -> None:
    """Play a scene with an address to the first village."""

    async def run() -> None:
        line = await opened(config, who, VILLAGES[0])
        try:
            await scene(line)
        finally:
            line.close()

    asyncio.run(run())


# Which villages


def test_places_are_the_own_villages_with_a_player(
    database: Database, town: Town, chief: Actor, box: Box
) -> None:
    enrolled(database, town.administrator, VILLAGES[1], approved=False)
    with database.read() as session:
        assert live_by_phone.places(session, chief) == {"villages": [VILLAGES[0]], "quiet": []}


def test_places_under_quiet_stand_apart(
    database: Database, town: Town, chief: Actor, box: Box
) -> None:
    with database.write() as session:
        head = replace(chief, roles=frozenset({"village_head"}), area_code=VILLAGES[0])
        quiet.order(session, head, VILLAGES[0], utc_now() + timedelta(hours=1), "page")
        assert live_by_phone.places(session, chief) == {"villages": [], "quiet": [VILLAGES[0]]}


def test_who_may_not_speak_has_no_places(database: Database, town: Town) -> None:
    with database.read() as session:
        assert live_by_phone.places(session, town.recorder) is None
        assert live_by_phone.places(session, replace(town.leader, area_code=None)) is None


# From the first word to the end


@on_both_databases
def test_what_a_caller_says_reaches_players_and_is_kept(
    database: Database, store: BlobStore, config: Settings, hub: LiveHub, chief: Actor, box: Box
) -> None:
    said = b""

    async def scene(line: LiveLine) -> None:
        nonlocal said
        [channel] = hub.all()
        stream = channel.listen(box.player.id)
        first = asyncio.ensure_future(anext(stream))  # type: ignore[arg-type]
        assert (await told(line, "go")).hearing == 1
        assert row(database).state == "opening"
        said = speak(line, 20)
        assert (await first)[2:]
        await until(lambda: row(database).state == "on_air")
        line.end("keyed")
        assert await told(line, "over") == LiveTold("over", "keyed")
        await stream.aclose()  # type: ignore[attr-defined]

    on_line(config, chief, scene)
    found = wait_for(lambda: row(database) if row(database).recording_sha256 else None)
    assert (found.state, found.end_cause, found.source) == ("ended", "keyed", "phone")
    kept = store.existing_path(found.recording_sha256)
    assert likeness(kept, said) > 0.99


def likeness(kept: Path, said: bytes) -> float:
    """How like the recording (16 kHz) is to what was said (8 kHz, and 1 ms earlier)."""
    import soundfile as sf

    heard, rate_hz = sf.read(kept, dtype="float64")
    assert rate_hz == 16_000
    wanted = np.frombuffer(said, "<i2").astype(float)
    heard = heard[16::2][: len(wanted)]
    wanted = wanted[: len(heard)]
    return float(heard @ wanted / np.linalg.norm(heard) / np.linalg.norm(wanted))


def test_who_heard_is_in_the_as_run(
    database: Database, config: Settings, hub: LiveHub, chief: Actor, box: Box
) -> None:
    async def scene(line: LiveLine) -> None:
        [channel] = hub.all()
        channel.heard(box.player.id, utc_now(), 40)
        speak(line, 3)
        line.end("keyed")
        await told(line, "over")

    on_line(config, chief, scene)

    def listener() -> LiveListener | None:
        with database.read() as session:
            found = session.scalars(sa.select(LiveListener)).one()
            return found if found.first_sound_at else None

    assert wait_for(listener).lost_ms == 40


def test_villages_in_which_no_horn_came_are_told(
    config: Settings, hub: LiveHub, chief: Actor, box: Box
) -> None:
    async def scene(line: LiveLine) -> None:
        assert (await told(line, "go")).hearing == 0
        line.end("keyed")
        assert (await told(line, "over")).missing == (VILLAGES[0],)

    on_line(config, chief, scene)


@pytest.mark.parametrize("sounded", [True, False])
def test_a_village_whose_horn_is_there_but_silent_did_not_hear(
    config: Settings, hub: LiveHub, chief: Actor, box: Box, sounded: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(live_caller, "TELLS_WITHIN", timedelta(0))

    async def scene(line: LiveLine) -> None:
        [channel] = hub.all()
        stream = channel.listen(box.player.id)
        first = asyncio.ensure_future(anext(stream))  # type: ignore[arg-type]
        speak(line, 3)
        await first
        if sounded:
            channel.heard(box.player.id, utc_now(), 0)
        line.end("keyed")
        assert (await told(line, "over")).missing == (() if sounded else (VILLAGES[0],))
        await stream.aclose()  # type: ignore[attr-defined]

    on_line(config, chief, scene)


@pytest.mark.parametrize(
    ("cause", "hush"),
    [("keyed", False), ("hung_up", False), ("limit", False), ("hard_stop", True)],
)
def test_star_alone_cuts_off_what_is_on_its_way(
    database: Database, config: Settings, hub: LiveHub, chief: Actor, box: Box,
    cause: str, hush: bool, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    ends: list[bool] = []
    monkeypatch.setattr(Channel, "end", noting(ends, Channel.end))

    async def scene(line: LiveLine) -> None:
        speak(line, 2)
        line.end(cause)
        assert (await told(line, "over")).cause == cause

    on_line(config, chief, scene)
    assert ends[0] is hush
    assert row(database).end_cause == cause


def noting(ends: list[bool], really: Callable[..., None]) -> Callable[..., None]:
    def end(channel: Channel, *, hush: bool, **why: str) -> None:
        ends.append(hush)
        really(channel, hush=hush, **why)

    return end


def test_a_cause_nobody_knows_is_a_broken_connection(
    database: Database, config: Settings, hub: LiveHub, chief: Actor, box: Box
) -> None:
    async def scene(line: LiveLine) -> None:
        line.end("stopped")
        await told(line, "over")

    on_line(config, chief, scene)
    assert row(database).end_cause == "connection"


def test_when_telephony_dies_the_address_ends(
    database: Database, config: Settings, hub: LiveHub, chief: Actor, box: Box,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(live, "LOST_S", 3600)  # the keeper would end it too, later

    async def scene(line: LiveLine) -> None:
        speak(line, 2)
        await until(lambda: row(database).state == "on_air")

    on_line(config, chief, scene)  # closes the line without a word
    wait_for(lambda: row(database).state == "ended")
    assert row(database).end_cause == "connection"


def test_a_telephony_that_hangs_is_given_up(
    database: Database, config: Settings, hub: LiveHub, chief: Actor, box: Box,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(live, "LOST_S", 3600)  # the keeper would end it too, later
    monkeypatch.setattr(live_line, "LOST_S", 0.5)
    with socket.socket(socket.AF_UNIX) as hanging:
        hanging.connect(str(live_line.socket_path(config)))
        opening = {"type": "open", "user_id": chief.id, "villages": VILLAGES[:1]}
        hanging.sendall(wire.encode(opening))
        assert wire.receive_blocking(hanging) == {"type": "opened"}
        wait_for(lambda: row(database).ended_at is not None)
    assert row(database).end_cause == "connection"


def test_a_page_can_stop_a_caller(
    database: Database, config: Settings, hub: LiveHub, chief: Actor, box: Box, town: Town
) -> None:
    county = Actor(town.recorder.id, "county", "county", frozenset({"county"}), towns.COUNTY)

    async def scene(line: LiveLine) -> None:
        speak(line, 2)
        with database.write() as session:
            cause = live.stop_cause(session, county, row(database).id, "hard_stop")
            assert live.end(session, row(database).id, cause)
        assert (await told(line, "over")).cause == "stopped"

    on_line(config, chief, scene)


def test_silence_ends_it_and_is_told(
    config: Settings, hub: LiveHub, chief: Actor, box: Box
) -> None:
    async def scene(line: LiveLine) -> None:
        [channel] = hub.all()
        channel.opened_s -= live.SILENCE_S + 1
        channel.sound_s -= live.SILENCE_S + 1
        assert (await told(line, "over")).cause == "silence"

    on_line(config, chief, scene)


def test_a_web_process_that_vanishes_is_told_to_the_caller(
    config: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene() -> None:
        async def vanish(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await wire.receive(reader)
            writer.write(wire.encode({"type": "opened"}))
            await wire.receive(reader)
            writer.close()

        server = await asyncio.start_unix_server(vanish, str(live_line.socket_path(config)))
        line, _ = await live_line.call(config, GoLive(1, (VILLAGES[0],)))
        assert line is not None
        line.say(0, bytes(1600))
        assert await told(line, "over") == live_line.LOST
        line.close()
        server.close()

    asyncio.run(scene())


@pytest.mark.parametrize("silent", ["nothing is read", "nothing is told"])
def test_a_web_process_that_hangs_is_told_to_the_caller(
    config: Settings, monkeypatch: pytest.MonkeyPatch, silent: str
) -> None:
    monkeypatch.setattr(live_line, "LOST_S", 0.3 if silent == "nothing is told" else 3600)

    async def scene() -> None:
        async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await wire.receive(reader)
            writer.write(wire.encode({"type": "opened"}))
            await asyncio.sleep(PATIENCE_S)

        server = await asyncio.start_unix_server(hang, str(live_line.socket_path(config)))
        line, _ = await live_line.call(config, GoLive(1, (VILLAGES[0],)))
        assert line is not None
        if silent == "nothing is read":
            for piece in range(600):
                line.say(piece * TENTH_MS, bytes(1600))
        assert await told(line, "over") == live_line.LOST
        line.close()
        server.close()

    asyncio.run(scene())


# When it cannot begin


def refused(config: Settings, who: int, *villages: str) -> dict[str, Any] | None:
    line, answer = asyncio.run(live_line.call(config, GoLive(who, villages)))
    assert line is None
    return answer


def test_two_at_once_the_second_is_told_who_and_where(
    database: Database, config: Settings, hub: LiveHub, chief: Actor, box: Box,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    spoken: list[str] = []

    def speech(text: str, *_voice: object) -> np.ndarray:
        spoken.append(text)
        return np.zeros(800, "<i2")

    monkeypatch.setattr(live_by_phone.prompt_sound, "spoken", speech)

    async def scene() -> None:
        lines = await asyncio.gather(
            *(live_line.call(config, GoLive(chief.id, tuple(VILLAGES[:2]))) for _ in range(2))
        )
        [first] = [line for line, _ in lines if line is not None]
        [busy] = [answer for line, answer in lines if line is None]
        assert busy is not None
        assert (busy["error"], busy["village_code"]) == ("somebody_speaks", VILLAGES[0])
        assert Path(busy["speaker"]).is_file()
        first.close()

    asyncio.run(scene())
    assert spoken == ["leader。"]


def test_a_name_the_machine_cannot_say_is_left_out(
    database: Database, config: Settings, hub: LiveHub, chief: Actor, box: Box,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def broken(*_what: object) -> None:
        raise OSError("no voice")

    monkeypatch.setattr(live_by_phone.prompt_sound, "spoken", broken)
    with database.write() as session:
        live.open_session(session, chief, VILLAGES[:1], source="browser")
    answer = refused(config, chief.id, VILLAGES[0])
    assert answer is not None
    assert answer["speaker"] is None


def test_no_village_outside_the_own_area_is_spoken_to(
    database: Database, config: Settings, hub: LiveHub, chief: Actor, town: Town
) -> None:
    for villages in ([FOREIGN_VILLAGE], [VILLAGES[0], FOREIGN_VILLAGE], [ELSEWHERE]):
        assert refused(config, chief.id, *villages) == {"type": "refused", "error": "not_found"}
    assert refused(config, chief.id) == {"type": "refused", "error": "invalid_input"}
    assert hub.all() == []


def test_the_right_is_asked_for_again(
    database: Database, config: Settings, hub: LiveHub, chief: Actor, town: Town
) -> None:
    forbidden = {"type": "refused", "error": "forbidden"}
    assert refused(config, town.recorder.id, VILLAGES[0]) == forbidden
    assert refused(config, 999, VILLAGES[0]) == forbidden
    with database.write() as session:
        session.get_one(User, chief.id).active = False
    assert refused(config, chief.id, VILLAGES[0]) == forbidden


def test_without_the_database_nobody_speaks(
    database: Database, config: Settings, hub: LiveHub, chief: Actor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def locked(*_arguments: object, **_more: object) -> None:
        raise sa.exc.OperationalError("BEGIN IMMEDIATE", {}, Exception("database is locked"))

    monkeypatch.setattr(live, "open_session", locked)
    assert refused(config, chief.id, VILLAGES[0]) == {"type": "refused", "error": "away"}
    monkeypatch.setattr(live_by_phone, "is_there", lambda _database: False)
    assert refused(config, chief.id, VILLAGES[0]) == {"type": "refused", "error": "away"}


def test_an_address_that_is_not_stored_leaves_no_channel(
    database: Database, config: Settings, hub: LiveHub, chief: Actor
) -> None:
    def full(_connection: sa.Connection) -> None:
        raise sa.exc.OperationalError("COMMIT", {}, Exception("database or disk is full"))

    sa.event.listen(database.engine, "commit", full)
    try:
        assert refused(config, chief.id, VILLAGES[0]) == {"type": "refused", "error": "away"}
        assert hub.all() == []
    finally:
        sa.event.remove(database.engine, "commit", full)
    with database.read() as session:
        assert session.scalars(sa.select(LiveSession)).all() == []


def test_without_the_web_process_nobody_speaks(config: Settings) -> None:
    assert refused(config, 1, VILLAGES[0]) is None


# What breaks


def test_horns_fall_silent_though_the_database_is_away(
    database: Database, config: Settings, hub: LiveHub, chief: Actor, box: Box,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def locked(*_arguments: object, **_more: object) -> None:
        raise sa.exc.OperationalError("BEGIN IMMEDIATE", {}, Exception("database is locked"))

    async def scene(line: LiveLine) -> None:
        [channel] = hub.all()
        speak(line, 2)
        with monkeypatch.context() as patch:
            patch.setattr(live, "end", locked)
            line.end("hard_stop")
            await until(lambda: channel.ended)

    on_line(config, chief, scene)


def test_the_first_word_waits_for_the_database_but_speech_does_not(
    database: Database, config: Settings, hub: LiveHub, chief: Actor, box: Box,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    tries: list[int] = []
    really = live.go_on_air

    def locked_once(*arguments: Any) -> bool:
        tries.append(1)
        if len(tries) == 1:
            raise sa.exc.OperationalError("BEGIN IMMEDIATE", {}, Exception("database is locked"))
        return really(*arguments)

    monkeypatch.setattr(live, "go_on_air", locked_once)

    async def scene(line: LiveLine) -> None:
        speak(line, 5)
        await until(lambda: row(database).state == "on_air")
        line.end("keyed")
        await told(line, "over")

    on_line(config, chief, scene)
    assert row(database).state == "ended"


@pytest.mark.parametrize(
    "message",
    [
        {"type": "open", "user_id": "1", "villages": ["x"]},
        {"type": "open", "user_id": 1, "villages": "x"},
        {"type": "open", "user_id": 1, "villages": [1]},
        {"type": "sound", "at_ms": 0, "pcm": ""},
    ],
)
def test_what_is_no_opening_is_refused(
    config: Settings, hub: LiveHub, message: dict[str, Any]
) -> None:
    with socket.socket(socket.AF_UNIX) as rude:
        rude.settimeout(PATIENCE_S)
        rude.connect(str(live_line.socket_path(config)))
        rude.sendall(wire.encode(message))
        answer = wire.receive_blocking(rude)
    assert answer == {"type": "refused", "error": "not understood"}


@pytest.mark.parametrize(
    "message",
    [
        {"type": "sound", "at_ms": -1, "pcm": ""},
        {"type": "sound", "at_ms": 1e12, "pcm": ""},
        {"type": "sound", "at_ms": 0, "pcm": "no base64!"},
        {"type": "sound", "pcm": ""},
        {"type": "end"},
    ],
)
def test_rubbish_on_the_line_ends_the_address(
    database: Database, config: Settings, hub: LiveHub, chief: Actor, box: Box,
    message: dict[str, Any], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(live, "LOST_S", 3600)  # the keeper would end it too, later

    async def scene(line: LiveLine) -> None:
        kind = message["type"]
        line.tell(kind, **{name: value for name, value in message.items() if name != "type"})
        await until(lambda: row(database).ended_at is not None)

    on_line(config, chief, scene)
    assert row(database).end_cause == "connection"


def test_only_our_own_user_may_connect(config: Settings, hub: LiveHub) -> None:
    assert live_line.socket_path(config).stat().st_mode & 0o077 == 0


def test_no_number_of_the_caller_is_stored_with_the_address(
    database: Database, config: Settings, hub: LiveHub, chief: Actor, box: Box
) -> None:
    """The line carries none: what is stored names the person who proved to be staff."""

    async def scene(line: LiveLine) -> None:
        speak(line, 2)
        line.end("keyed")
        await told(line, "over")

    on_line(config, chief, scene)
    found = row(database)
    assert found.started_by_id == chief.id
    assert (found.title, found.source) == ("", "phone")
    with database.read() as session:
        audited = session.scalars(
            sa.select(AuditEntry).where(AuditEntry.action.like("live.%"))
        ).all()
    assert {entry.action for entry in audited} == {"live.opened", "live.ended"}
    assert {entry.actor for entry in audited} == {"leader"}


# The sound itself


def test_doubling_in_pieces_is_doubling_at_once() -> None:
    pcm = voice(1000)
    doubler = Doubler()
    pieces = b"".join(doubler.run(pcm[at : at + 640]) for at in range(0, len(pcm), 640))
    assert pieces == Doubler().run(pcm)
    assert len(pieces) == 2 * len(pcm)


def test_doubling_keeps_the_voice_and_adds_nothing_above_it() -> None:
    tone = (np.sin(np.arange(8000) / 8000 * 2 * np.pi * 1000) * 12_000).astype("<i2")
    out = np.frombuffer(Doubler().run(tone.tobytes()), "<i2")[1000:15_000].astype(float)
    spectrum = np.abs(np.fft.rfft(out * np.hanning(len(out))))
    hertz = np.arange(len(spectrum)) * 16_000 / len(out)
    assert abs(hertz[spectrum.argmax()] - 1000) < 2
    image = spectrum[np.abs(hertz - 7000) < 50].max()
    assert 20 * np.log10(image / spectrum.max()) < -50


def test_a_recording_lies_where_recordings_lie(
    config: Settings, hub: LiveHub, chief: Actor, box: Box
) -> None:
    async def scene(line: LiveLine) -> None:
        [channel] = hub.all()
        folder = live_keeper.folder(config)
        assert channel.recording.path == live_recording.path_of(folder, channel.session_id)
        line.end("keyed")
        await told(line, "over")

    on_line(config, chief, scene)


def test_too_many_open_files_shut_the_door_for_a_moment_only(
    database: Database, config: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    duty = LiveByPhone(database, LiveHub(), config)
    met = [OSError(errno.EMFILE, "Too many open files"), TimeoutError()]

    def accept() -> None:
        if not met:
            duty.stop()
            raise TimeoutError
        raise met.pop(0)

    door = SimpleNamespace(accept=accept, settimeout=lambda _s: None)
    monkeypatch.setattr(wire, "listen", lambda _path: nullcontext(door))
    monkeypatch.setattr(live_by_phone, "ACCEPT_S", 0.01)
    duty.run_forever()
    assert not met
