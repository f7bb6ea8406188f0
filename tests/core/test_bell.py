"""A ring wakes whoever waits, also when the data folder lies deep."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from core import bell, settings


def test_a_ring_wakes_the_waiter() -> None:
    with bell.Bell("jobs") as waiting:
        bell.ring("jobs")
        assert waiting.wait(5)


def test_another_name_wakes_nobody() -> None:
    with bell.Bell("jobs") as waiting:
        bell.ring("other")
        assert not waiting.wait(0.1)


def test_rings_that_piled_up_count_once() -> None:
    with bell.Bell("jobs") as waiting:
        for _ in range(5):
            bell.ring("jobs")
        assert waiting.wait(5)
        assert not waiting.wait(0.1)


def test_a_ring_from_another_thread_ends_the_waiting() -> None:
    with bell.Bell("jobs") as waiting:
        threading.Timer(0.2, bell.ring, ["jobs"]).start()
        assert waiting.wait(10)


def test_a_data_folder_of_any_depth_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = tmp_path / ("deep" * 20) / ("deeper" * 10)
    monkeypatch.setenv("XIANGYIN_DATA_DIR", str(deep))
    settings.load.cache_clear()
    with bell.Bell("a-long-name-of-a-worker") as waiting:
        bell.ring("a-long-name-of-a-worker")
        assert waiting.wait(5)


def test_the_bell_of_a_dead_process_is_taken_away() -> None:
    folder = settings.load().socket_folder()
    left = folder / "jobs.1.abcdef.bell"
    with bell.Bell("jobs"):
        left.touch()
        bell.ring("jobs")
    assert not left.exists()
