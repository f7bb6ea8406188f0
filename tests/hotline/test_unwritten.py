"""Who called while the disk was full heard an apology, and is phoned back all the same."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from cases.models import Report
from core.clock import FakeClock
from core.database import Database
from core.sealed import Sealer
from core.settings import Settings
from hotline import directory, journal, unwritten
from hotline.conversation import ConversationFactory
from hotline.directory import Directory, Village
from hotline.importer import Importer
from hotline.journal import CALL_FILE, Entry, opened
from hotline.models import CallBack, CallRecord
from hotline.outgoing.outcomes import Ledger
from hotline.prompts import Prompts
from hotline.unwritten import Unwritten
from tests.conftest import ROOT
from tests.hotline.fake_call import FakeCall, GoAway, Move, Press, told
from tests.hotline.fake_driver import leg
from tests.hotline.outgoing_town import FIRST, VILLAGE, Town

Disk = Callable[[bool], None]


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    """``disk(False)``: it takes no entry any more; ``disk(True)``: it does again."""
    real = journal.write_durably
    has_room = True

    def write(path: Path, content: bytes) -> None:
        if not has_room:
            raise OSError(28, "No space left on device")
        real(path, content)

    def change(room: bool) -> None:
        nonlocal has_room
        has_room = room

    monkeypatch.setattr(journal, "write_durably", write)
    return change


def apologised(factory: ConversationFactory, *moves: Move, **about: Any) -> FakeCall:
    """A call whose journal the full disk refuses."""
    call = FakeCall(moves, **about)
    factory.monotonic_s = call.monotonic_s

    async def hold() -> None:
        await factory.converse(call)

    asyncio.run(hold())
    assert call.ended is not None
    return call


def kept(spool: Path) -> list[Entry]:
    return [Entry.parse(path.read_text()) for path in sorted(spool.glob(f"*/{CALL_FILE}"))]


def test_the_caller_is_on_the_list_of_call_backs_once_there_is_room(
    factory: ConversationFactory,
    importer: Importer,
    database: Database,
    sealer: Sealer,
    prompts: Prompts,
    disk: Disk,
    fake_clock: FakeClock,
) -> None:
    disk(False)
    called_at = fake_clock.now()
    call = apologised(factory)
    factory.unwritten.write()
    assert (told(call, prompts), len(factory.unwritten)) == (["apology_down"], 1)

    fake_clock.advance(timedelta(hours=1))
    disk(True)
    factory.unwritten.write()
    assert importer.run_once() == 1
    with database.read() as session:
        [task] = session.scalars(sa.select(CallBack))
        [record] = session.scalars(sa.select(CallRecord))
    assert (task.reason, task.state, record.call_back_id) == ("disk", "open", task.id)
    assert (record.started_at, record.ended_at) == (called_at, called_at)
    assert task.caller_sealed is not None
    assert sealer.unseal(task.caller_sealed) == "13812345678"


def test_room_is_looked_for_again_and_again(spool: Path, sealer: Sealer, disk: Disk) -> None:
    looked: list[float] = []

    async def pause(seconds: float) -> None:
        looked.append(seconds)
        disk(len(looked) == 3)

    async def live() -> None:
        waiting = Unwritten(spool, pause=pause)
        waiting.keep(opened(sealer, "call-1", "13812345678", "96110"))
        assert waiting._trying is not None
        await waiting._trying

    disk(False)
    asyncio.run(live())
    assert looked == [unwritten.RETRY_S] * 3
    assert [entry.call_id for entry in kept(spool)] == ["call-1"]


def test_a_disk_that_stays_full_is_not_littered(
    factory: ConversationFactory, spool: Path, disk: Disk
) -> None:
    disk(False)
    apologised(factory)
    factory.unwritten.write()
    assert list(spool.iterdir()) == []


def test_what_the_disk_has_no_room_for_stays_remembered(
    factory: ConversationFactory, spool: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk(False)
    for number in range(3):
        apologised(factory, call_id=f"call-{number}", caller=f"1390000000{number}")
    room, write = iter((True, False)), journal.write_durably

    def nearly_full(path: Path, content: bytes) -> None:
        disk(next(room))
        write(path, content)

    monkeypatch.setattr(journal, "write_durably", nearly_full)
    factory.unwritten.write()
    assert (len(kept(spool)), len(factory.unwritten)) == (1, 2)


def test_five_during_the_apology_rings_the_duty_phone_and_leaves_an_urgent_call_back(
    config: Settings,
    sealer: Sealer,
    factory: ConversationFactory,
    importer: Importer,
    database: Database,
    disk: Disk,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(_ledger: Ledger, *_args: object) -> None:
        raise OSError(28, "No space left on device")

    town = Town(config, sealer)
    factory.outgoing = town.desk
    town.people("duty", FIRST)
    town.driver.reactions[FIRST] = [leg(Press("1"), GoAway())]
    monkeypatch.setattr(Ledger, "write", full)
    disk(False)
    call = FakeCall([Press("5"), Press("5"), GoAway()])

    async def scene() -> None:
        await factory.converse(call)
        while others := town.desk._tasks:
            await asyncio.wait(others)

    asyncio.run(scene())
    assert town.driver.numbers == [FIRST]
    disk(True)
    factory.unwritten.write()
    importer.run_once()
    with database.read() as session:
        [task] = session.scalars(sa.select(CallBack))
        [report] = session.scalars(sa.select(Report))
    assert (task.reason, task.report_id) == ("fraud", report.id)
    assert (report.urgent, report.urgent_reason) == (True, "fraud")


def test_the_village_of_the_line_is_known_when_five_is_pressed(
    config: Settings, factory: ConversationFactory, spool: Path, disk: Disk
) -> None:
    village = Village(VILLAGE, "桃坪村")
    directory.store(config, Directory({VILLAGE: village}, {"96110": VILLAGE}, ()))
    disk(False)
    apologised(factory, Press("5"))
    disk(True)
    factory.unwritten.write()
    [entry] = kept(spool)
    assert (entry.village_code, entry.village_from) == (VILLAGE, "line")


def test_a_call_that_is_stopped_during_the_apology_is_remembered_too(
    factory: ConversationFactory, spool: Path, disk: Disk
) -> None:
    class Endless(FakeCall):
        async def next_event(self, timeout_s: float | None) -> Any:
            hears.set()
            await asyncio.Event().wait()

    hears = asyncio.Event()
    disk(False)

    async def scene() -> None:
        task = asyncio.create_task(factory.converse(Endless()))
        await hears.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(scene())
    disk(True)
    factory.unwritten.write()
    assert [entry.end_cause for entry in kept(spool)] == ["disk"]


def test_who_calls_again_and_again_is_remembered_once_and_as_urgent_as_ever(
    factory: ConversationFactory, spool: Path, disk: Disk
) -> None:
    disk(False)
    for number, moves in enumerate([[], [Press("5")], []]):
        apologised(factory, *moves, call_id=f"call-{number}")
    disk(True)
    factory.unwritten.write()
    assert [(each.call_id, each.urgent_reason) for each in kept(spool)] == [("call-1", "fraud")]


def test_a_flood_fills_no_memory_and_pushes_out_nobody_just_cheated(
    spool: Path, sealer: Sealer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unwritten, "KEPT", 2)
    waiting = Unwritten(spool)

    def missed(number: int, reason: str | None) -> Entry:
        entry = opened(sealer, f"call-{number}", f"1390000000{number}", "96110")
        entry.urgent_reason = reason
        return entry

    async def flood() -> None:
        for number, reason in enumerate([None, "fraud", None, "fraud", "fraud", None]):
            waiting.keep(missed(number, reason))

    asyncio.run(flood())
    waiting.write()
    assert [entry.call_id for entry in kept(spool)] == ["call-1", "call-3"]


LAST_WORDS = """
import asyncio
from core import settings
from hotline import conversation, journal
from hotline.prompts import Prompts, PromptSet
from tests.hotline.fake_call import FakeCall
from pathlib import Path

def full(path, content):
    raise OSError(28, "No space left on device")

class Silent(dict):
    def __missing__(self, name):
        return Path(__file__)

conversation.prompts.prepare = lambda *_: Prompts({"zh_CN": PromptSet(Silent(), "test")})
conversation.prompts.languages_of = lambda _: ("zh_CN",)
factory = conversation.build(settings.load())
real, journal.write_durably = journal.write_durably, full
asyncio.run(factory.converse(FakeCall()))
journal.write_durably = real
"""


def test_a_clean_stop_writes_who_is_still_waiting(tmp_path: Path, config: Settings) -> None:
    program = tmp_path / "last_words.py"
    program.write_text(LAST_WORDS)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run(
        [sys.executable, str(program)], cwd=ROOT, env=environment, check=True, timeout=60
    )
    assert [entry.end_cause for entry in kept(journal.spool_of(config))] == ["disk"]
