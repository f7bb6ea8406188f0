"""Callers who found the hotline full are phoned back; a flood of them costs little."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import sqlalchemy as sa

from core.database import Database
from core.sealed import Sealer
from hotline.conversation import ConversationFactory
from hotline.importer import Importer
from hotline.journal import CALL_FILE, Entry
from hotline.models import CallBack, CallRecord
from hotline.turned_away import PER_MINUTE, TurnedAway
from tests.hotline.fake_call import FakeCall, GoAway
from tests.hotline.holding import hold


def ring(factory: ConversationFactory, *callers: str) -> None:
    async def main() -> None:
        for caller in callers:
            factory.turned_away(caller, "96110")
        while factory._writing:
            await asyncio.sleep(0.01)

    asyncio.run(main())


def test_the_caller_is_on_the_list_of_call_backs(
    factory: ConversationFactory, importer: Importer, database: Database, sealer: Sealer
) -> None:
    ring(factory, "13912345678")
    assert importer.run_once() == 1
    with database.read() as session:
        [task] = session.scalars(sa.select(CallBack))
        [call] = session.scalars(sa.select(CallRecord))
    assert (task.reason, task.state, call.call_back_id) == ("missed", "open", task.id)
    assert (call.end_cause, call.answered_at, call.called) == ("busy", None, "96110")
    assert task.caller_sealed is not None
    assert sealer.unseal(task.caller_sealed) == "13912345678"


def test_a_number_written_two_ways_is_one_task(
    factory: ConversationFactory, importer: Importer, database: Database
) -> None:
    ring(factory, "13912345678")
    hold(factory, FakeCall([GoAway()], caller="+8613912345678"))
    assert importer.run_once() == 2
    with database.read() as session:
        [task] = session.scalars(sa.select(CallBack))
        calls = session.scalars(sa.select(CallRecord.call_back_id)).all()
    assert calls == [task.id] * 2


def test_the_number_is_on_disk_sealed_only(factory: ConversationFactory, spool: Path) -> None:
    ring(factory, "13912345678")
    [entry] = spool.glob(f"*/{CALL_FILE}")
    assert Entry.parse(entry.read_text()).finished
    assert "13912345678" not in entry.read_text()


def test_who_tries_again_and_again_is_one_entry_a_minute(sealer: Sealer, spool: Path) -> None:
    now_s = [0.0]
    gate = TurnedAway(spool, sealer, now=lambda: now_s[0])
    assert [gate.admits("13912345678") for _ in range(5)] == [True, *[False] * 4]
    assert gate.admits("13912345679")
    now_s[0] = 61.0
    assert gate.admits("13912345678")


def test_a_flood_of_numbers_leaves_so_many_a_minute(sealer: Sealer, spool: Path) -> None:
    now_s = [0.0]
    gate = TurnedAway(spool, sealer, now=lambda: now_s[0])
    admitted = sum(gate.admits(f"139{number:08}") for number in range(5000))
    now_s[0] = 60.0
    later = sum(gate.admits(f"138{number:08}") for number in range(5000))
    assert (admitted, later) == (PER_MINUTE, PER_MINUTE)


def test_one_whom_a_full_disk_refused_is_phoned_back_when_it_has_room(
    factory: ConversationFactory,
    importer: Importer,
    database: Database,
    spool: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_args: object, **_more: object) -> None:
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("hotline.journal.write_durably", full)
        ring(factory, "13912345678")
    assert list(spool.iterdir()) == []
    factory.unwritten.write()
    assert importer.run_once() == 1
    with database.read() as session:
        [task] = session.scalars(sa.select(CallBack))
        [call] = session.scalars(sa.select(CallRecord))
    assert (task.reason, call.end_cause, call.call_back_id) == ("missed", "busy", task.id)
