"""The database comes up long after the server, as after a power cut: callers are heard at once."""

from __future__ import annotations

import contextlib
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from core.settings import Settings
from hotline.number_block import NumberBlock
from hotline.sip import wire
from tests.postgres import Postgres
from tests.road.callers import phone
from tests.road.test_faults import spoken, wait_for
from tests.road.town import Town, free_port, report_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
WAITS = "the database is away or locked"


@pytest.fixture
def server() -> Iterator[Postgres]:
    made = Postgres()
    yield made
    with contextlib.suppress(subprocess.CalledProcessError):  # a test that failed left it down
        made.remove()


@pytest.fixture
def town(server: Postgres) -> Iterator[Town]:
    """A town that ran once; it and its database are down."""
    made = Town("--demo", XIANGYIN_DATABASE_URL=server.new_database())
    try:
        made.start()
        numbers = NumberBlock.from_settings(Settings(data_dir=made.folder))
        wait_for(numbers.left, "no reference numbers were reserved")
        assert made.stop() == 0
        server.stop()
        yield made
    finally:
        made.remove()


def answers_calls(town: Town) -> bool:
    """Whether signalling has its port and telephony its socket."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("127.0.0.1", town.sip_port))
        except OSError:
            return wire.socket_path(Settings(data_dir=town.folder)).exists()
    return False


@pytest.mark.real("postgresql")
def test_a_caller_gets_a_number_before_the_database_is_there_and_the_report_follows(
    town: Town, server: Postgres, tmp_path: Path
) -> None:
    voice = spoken("我家停水两天了请派人来看看", tmp_path)
    with ThreadPoolExecutor(1) as starter:  # who starts it has to live as long as the town
        started: Future[None] = starter.submit(town.start, 240)
        try:
            wait_for(lambda: WAITS in town.said(), "it does not say what it waits for")
            wait_for(lambda: answers_calls(town), "nobody answers the telephone")
            [answer] = phone(town, voice)
            assert answer.reference_no is not None
            assert not started.done()
            server.start()
            started.result()
            assert "停水" in report_of(town, answer.reference_no)["transcript"]["text"]
        finally:
            town.remove()


def test_a_server_that_waits_for_its_database_stops_when_told() -> None:
    nowhere = f"postgresql+psycopg://xy@127.0.0.1:{free_port()}/town"
    town = Town(XIANGYIN_DATABASE_URL=nowhere)
    town.output.touch()
    with ThreadPoolExecutor(1) as starter:
        started = starter.submit(town.start)
        try:
            wait_for(lambda: WAITS in town.said(), "it does not say what it waits for")
            assert town.stop() == 0
            with pytest.raises(AssertionError):  # no summary was ever printed
                started.result()
        finally:
            town.remove()


@pytest.mark.real("postgresql")
def test_a_database_that_refuses_us_ends_the_start_in_its_own_words(postgres: Postgres) -> None:
    town = Town(XIANGYIN_DATABASE_URL=postgres.new_database() + "-misspelt")
    try:
        with pytest.raises(AssertionError, match=r"-misspelt\" does not exist. See XIANGYIN_DATA"):
            town.start()
        assert town.process is not None
        assert town.process.wait(60) == 1
    finally:
        town.remove()
