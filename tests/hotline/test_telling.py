"""While a caller speaks the live decoder is told of it, and the report says where its words are."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from core.database import Database
from core.settings import Settings
from hotline import telling
from hotline.conversation import ConversationFactory
from hotline.importer import Importer
from hotline.telling import Telling
from tests.hotline.fake_call import DiskFull, FakeCall, GoAway, Move, Press, Silence, Speak
from transcribe import stream
from transcribe.models import TranscriptionJob
from transcribe.stream import Announcer, GrowingSound, News

TO_THE_BEEP: list[Move] = [Press("1"), Press("1"), Silence()]


class Listener:
    """Where the live process would listen."""

    def __init__(self, config: Settings) -> None:
        self._line = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._line.bind(str(stream.socket_path(config)))
        self._line.setblocking(False)

    def heard(self) -> list[News]:
        """The news since the last time."""
        found = []
        with contextlib.suppress(BlockingIOError):
            while True:
                found.append(News.decode(self._line.recv(10_000)))
        return found

    def close(self) -> None:
        self._line.close()


@pytest.fixture
def listener(config: Settings) -> Iterator[Listener]:
    made = Listener(config)
    yield made
    made.close()


def hold(factory: ConversationFactory, *script: Move) -> None:
    call = FakeCall([*TO_THE_BEEP, *script])
    factory.monotonic_s = call.monotonic_s
    asyncio.run(factory.converse(call))


def grows(folder: Path, take: int, *after: int) -> News:
    paths = tuple(str(folder / f"take-{number}.pcm") for number in (*after, take))
    return News("grows", f"call-1.take-{take}", GrowingSound(paths, 8000))


def stream_keys(database: Database) -> list[str | None]:
    with database.read() as session:
        return list(session.scalars(sa.select(TranscriptionJob.stream_key)))


@pytest.mark.parametrize("end", [Press("#"), GoAway(), GoAway("network"), DiskFull(), Silence()])
def test_a_take_is_told_of_from_its_beginning_to_its_end(
    factory: ConversationFactory, listener: Listener, spool: Path, end: Move
) -> None:
    hold(factory, Speak(4000), end)
    assert listener.heard() == [grows(spool / "call-1", 1), News("done", "call-1.take-1")]


def test_a_second_take_is_heard_after_the_first_if_that_holds_speech(
    factory: ConversationFactory, listener: Listener, spool: Path
) -> None:
    hold(factory, Speak(1000), Press("#"), Silence(), Speak(4000), Press("#"))
    told = [news for news in listener.heard() if news.what == "grows"]
    assert told == [grows(spool / "call-1", 1), grows(spool / "call-1", 2, 1)]


def test_a_take_without_speech_is_not_heard_before_the_next(
    factory: ConversationFactory, listener: Listener, spool: Path
) -> None:
    hold(factory, Press("#"), Silence(), Speak(4000), Press("#"))
    told = [news for news in listener.heard() if news.what == "grows"]
    assert told == [grows(spool / "call-1", 1), grows(spool / "call-1", 2)]


def test_the_job_knows_which_stream_heard_its_sound(
    factory: ConversationFactory, importer: Importer, database: Database, listener: Listener
) -> None:
    hold(factory, Speak(1000), Press("#"), Silence(), Speak(4000), Press("#"))
    listener.heard()
    importer.run_once()
    assert stream_keys(database) == ["call-1.take-2"]
    assert listener.heard() == [News("gone", "call-1.take-1")]


def test_what_no_report_is_made_of_is_thrown_away(
    factory: ConversationFactory, importer: Importer, database: Database, listener: Listener
) -> None:
    hold(factory, Speak(500), GoAway())
    listener.heard()
    importer.run_once()
    assert stream_keys(database) == []
    assert listener.heard() == [News("gone", "call-1.take-1")]


def test_a_killed_call_names_the_stream_of_what_it_left(
    factory: ConversationFactory, importer: Importer, database: Database, spool: Path
) -> None:
    hold(factory, Speak(4000), Press("#"))
    take = spool / "call-1" / "take-1.pcm"
    take.rename(take.with_name("take-1.pcm.part"))
    importer.run_once()
    assert stream_keys(database) == ["call-1.take-1"]


def test_it_is_said_again_and_again_until_it_ends(
    config: Settings, listener: Listener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telling, "EVERY_S", 0.01)

    async def main() -> None:
        told = Telling(Announcer(config))
        told.begin(tmp_path / "call-9" / "take-1.pcm", [])
        heard: list[News] = []
        while len(heard) < 3:
            await asyncio.sleep(0.01)
            heard += listener.heard()
        told.done()
        listener.heard()
        await asyncio.sleep(0.1)
        assert listener.heard() == []
        told.done()
        told.stop()
        assert listener.heard() == []

    asyncio.run(main())
