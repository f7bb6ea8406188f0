"""A background duty begins again after an error nobody expected, and one that keeps dying shows."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from core import duties
from core.duties import Roster

WITHIN_S = 10


class Fragile:
    """Dies as often as it is told, then works until it is stopped."""

    name = "fragile"

    def __init__(self, deaths: int) -> None:
        self.left = deaths
        self.works = threading.Event()
        self._stop = threading.Event()

    def run_forever(self) -> None:
        if self.left:
            self.left -= 1
            raise KeyError("something nobody thought of")
        self.works.set()
        self._stop.wait()

    def stop(self) -> None:
        self._stop.set()


@pytest.fixture(autouse=True)
def _without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duties, "PAUSES_S", (0.0,))
    monkeypatch.setattr(duties, "STOP_WITHIN_S", 30.0)


@pytest.fixture
def roster() -> Iterator[Roster]:
    made = Roster()
    yield made
    made.stop()


def test_a_duty_that_died_works_again(roster: Roster) -> None:
    duty = Fragile(deaths=3)
    roster.start([duty])
    assert duty.works.wait(WITHIN_S)


def test_a_duty_that_died_once_is_no_news_one_that_dies_again_is(roster: Roster) -> None:
    once, often = Fragile(deaths=1), Fragile(deaths=4)
    often.name = "often"
    roster.start([once, often])
    assert once.works.wait(WITHIN_S)
    assert often.works.wait(WITHIN_S)
    assert roster.dying() == {"often": 4}


def test_a_duty_that_ran_for_long_is_well_again(
    roster: Roster, monkeypatch: pytest.MonkeyPatch
) -> None:
    duty = Fragile(deaths=4)
    roster.start([duty])
    assert duty.works.wait(WITHIN_S)
    monkeypatch.setattr(duties, "STEADY_S", 0.0)
    assert roster.dying() == {}


def test_a_duty_that_ended_unasked_begins_again(roster: Roster) -> None:
    begun = threading.Semaphore(0)

    class Quitter(Fragile):
        def run_forever(self) -> None:
            begun.release()

    roster.start([Quitter(deaths=0)])
    assert begun.acquire(timeout=WITHIN_S)
    assert begun.acquire(timeout=WITHIN_S)


def test_a_stop_ends_all(roster: Roster) -> None:
    duty = Fragile(deaths=1)
    roster.start([duty])
    assert duty.works.wait(WITHIN_S)
    roster.stop()
    assert "fragile" not in {thread.name for thread in threading.enumerate()}


def test_a_stop_ends_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duties, "PAUSES_S", (3600.0,))
    roster, duty = Roster(), Fragile(deaths=1)
    roster.start([duty])
    while duty.left:
        threading.Event().wait(0.01)
    roster.stop()
    assert "fragile" not in {thread.name for thread in threading.enumerate()}
