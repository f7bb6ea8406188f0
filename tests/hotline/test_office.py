"""The block of numbers and the desk that fills it; what telephony hears when nobody is there."""

from __future__ import annotations

import asyncio
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa

from cases import references
from cases.models import ReferenceNumber
from core.database import Database
from core.sealed import Sealer
from core.settings import Settings
from hotline import ask as asking
from hotline.ask import ask, socket_path
from hotline.conversation import ConversationFactory
from hotline.number_block import BLOCK_SIZE, LOW_WATER, NumberBlock
from hotline.office import Office
from hotline.prompts import Prompts


def test_the_block_is_filled_with_reserved_numbers(
    office: Office, config: Settings, database: Database
) -> None:
    answer = asyncio.run(ask(config, "references", limit_s=20))
    assert answer == {"ok": True, "left": BLOCK_SIZE}
    number = NumberBlock.from_settings(config).take()
    assert number is not None
    assert references.valid(number)
    with database.read() as session:
        assert session.get_one(ReferenceNumber, number).bound_at is None


def test_a_low_block_is_topped_up_and_a_full_one_is_not(
    database: Database, config: Settings
) -> None:
    desk, block = Office(database, config), NumberBlock.from_settings(config)
    desk.fill()
    while block.left() >= LOW_WATER:
        block.take()
    assert desk.fill() == BLOCK_SIZE
    assert desk.fill() == block.left() == BLOCK_SIZE
    with database.read() as session:
        reserved = session.scalar(sa.select(sa.func.count(ReferenceNumber.number)))
    assert reserved == BLOCK_SIZE + (BLOCK_SIZE - LOW_WATER + 1)


def test_an_unknown_question_is_no_answer(office: Office, config: Settings) -> None:
    assert asyncio.run(ask(config, "weather", limit_s=20)) is None
    with socket.socket(socket.AF_UNIX) as rude:
        rude.connect(str(socket_path(config)))
        rude.sendall(b"[1]\n")
        assert b'"ok": false' in rude.recv(1000)
    assert asyncio.run(ask(config, "ping", limit_s=20)) == {"ok": True}


def test_telephony_asks_for_numbers_before_they_run_out_and_when_there_are_none(
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
    config: Settings,
    sealer: Sealer,
    prompts: Prompts,
) -> None:
    monkeypatch.setattr("hotline.office.LOOK_EVERY_S", 3600)
    request.getfixturevalue("office")
    block = NumberBlock.from_settings(config)
    while block.left() < BLOCK_SIZE:
        threading.Event().wait(0.02)
    while block.take() is not None:
        pass
    factory = ConversationFactory(config, sealer, prompts)
    tries = (asyncio.run(factory.number()) for _ in range(20))  # a busy machine may need two
    assert next((number for number in tries if number is not None), None) is not None

    async def take_from_a_low_block() -> int:
        factory = ConversationFactory(config, sealer, prompts)
        while block.left() > 5:
            block.take()
        assert await factory.number() is not None
        async with asyncio.timeout(30):
            while block.left() < BLOCK_SIZE:
                await asyncio.sleep(0.02)
        return block.left()

    assert asyncio.run(take_from_a_low_block()) == BLOCK_SIZE


def test_nobody_there_is_none(config: Settings) -> None:
    assert asyncio.run(ask(config, "ping", limit_s=20)) is None


def test_somebody_who_never_answers_is_none_after_the_limit(config: Settings) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(socket_path(config)))
        silent.listen()
        assert asyncio.run(ask(config, "ping", limit_s=0.1)) is None


def test_who_has_keyed_a_number_waits_longer_for_the_answer(
    office: Office, config: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slowly(_office: Office, _line: bytes) -> dict[str, object]:
        threading.Event().wait(0.5)
        return {"ok": True}

    monkeypatch.setattr(Office, "answer", slowly)
    monkeypatch.setattr(asking, "ANSWER_LIMIT_S", 0.05)
    monkeypatch.setattr(asking, "KEYED_ANSWER_LIMIT_S", 30.0)
    assert asyncio.run(ask(config, "village_of")) is None
    assert asyncio.run(ask(config, "status")) == {"ok": True}


def test_a_missing_database_is_not_created_by_asking(database: Database, config: Settings) -> None:
    database.close()
    path = config.data_dir.resolve() / "xiangyin.db"
    path.unlink()
    assert Office(database, config).answer(b'{"question": "references"}')["ok"] is False
    assert not path.exists()


def test_a_number_is_given_out_once(tmp_path: Path) -> None:
    block = NumberBlock(tmp_path / "references.json")
    block.add([f"{n:09d}" for n in range(40)])
    with ThreadPoolExecutor(8) as pool:
        taken = list(
            pool.map(lambda _: NumberBlock(tmp_path / "references.json").take(), range(50))
        )
    numbers = [number for number in taken if number is not None]
    assert len(numbers) == len(set(numbers)) == 40


def test_an_unreadable_block_is_filled_anew(tmp_path: Path) -> None:
    block = NumberBlock(tmp_path / "references.json")
    (tmp_path / "references.json").write_text("{half")
    assert block.take() is None
    block.add(["123456783"])
    assert block.take() == "123456783"
