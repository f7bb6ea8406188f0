"""The power goes while a sound card sounds: what was as good as heard is not heard again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from edge.config import Home
from edge.plan import LONGEST_SLEEP_S
from edge.store import Store
from edge.unnoticed import Endings
from tests.edge.conftest import BoxProcess, enrol, wait_for
from tests.edge.fake_server import FakeServer
from tests.edge.planning import EIGHT, play
from tests.edge.sounds import opus, speechlike

StartBox = Callable[..., BoxProcess]
STANDIN = Path(__file__).parent / "standin"
CLIP_S = 4.0


def card(folder: Path, **more: str) -> dict[str, str]:
    folder.mkdir(exist_ok=True)
    return {"PYTHONPATH": str(STANDIN), "CARD_FOLDER": str(folder), **more}


def heard_s(folder: Path) -> float:
    """How much loud sound a card was given, near enough."""
    raw = b"".join(file.read_bytes() for file in sorted(folder.glob("*.raw")))
    samples = np.frombuffer(raw[: len(raw) // 2 * 2], "<i2")
    blocks = np.abs(samples[: len(samples) // 4800 * 4800].astype(np.int32)).reshape(-1, 4800)
    return float((blocks.max(axis=1) > 300).sum() / 10)


@pytest.fixture
def home(server: FakeServer, tmp_path: Path) -> Home:
    home = enrol(server, tmp_path / "box", 'sink = "device"\npoll_s = 1\n')
    clip = server.add_clip(opus(speechlike(CLIP_S)), int(CLIP_S * 1000))
    server.add_play(7, datetime.now(UTC) + timedelta(seconds=12), clip, make_up_s=90)
    server.publish()
    return home


@pytest.mark.slow
def test_killed_between_the_last_sample_and_the_receipt_it_is_not_heard_again(
    server: FakeServer, home: Home, tmp_path: Path, start_box: StartBox
) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    box = start_box(home, env=card(before, CARD_HANGS="1")).ready()
    wait_for((before / "stopping").exists, 60, "the last sample")
    box.kill()
    assert heard_s(before) > CLIP_S * 0.9
    start_box(home, env=card(after)).ready()
    wait_for(lambda: bool(server.receipts), 30, "a receipt")
    assert server.outcomes() == {7: ("played", None)}
    assert heard_s(after) == 0
    receipt = server.receipts[1]
    assert receipt["sink"] == "device"
    assert 0 < receipt["end_unseen_ms"] <= CLIP_S * 100
    ended_at = datetime.fromisoformat(receipt["ended_at"])
    length_s = (ended_at - datetime.fromisoformat(receipt["started_at"])).total_seconds()
    assert length_s == pytest.approx(CLIP_S, abs=0.5)


@pytest.mark.slow
def test_killed_in_its_middle_it_is_made_up_from_its_start(
    server: FakeServer, home: Home, tmp_path: Path, start_box: StartBox
) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    box = start_box(home, env=card(before)).ready()
    wait_for(lambda: heard_s(before) > 1.5, 60, "the middle")
    box.kill()
    assert heard_s(before) < CLIP_S * 0.8
    start_box(home, env=card(after)).ready()
    wait_for(lambda: bool(server.receipts), 60, "a receipt")
    assert server.outcomes() == {7: ("played", None)}
    assert heard_s(after) > CLIP_S * 0.9
    assert server.receipts[1]["end_unseen_ms"] == 0


# --- the rule itself


class OnAir:
    """A play of 100 s of which ``left_s`` are still to come."""

    def __init__(self, left_s: float | None) -> None:
        self.play = play(7, lasts=100)
        self.left_s = left_s
        self.started_at = EIGHT


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    found = Store(tmp_path / "memory")
    yield found
    found.close()


def known(store: Store) -> list[tuple[int, float]]:
    return [tuple(row) for row in store.database.rows("SELECT play_id, left_s FROM ending")]


def test_it_is_noted_once_when_two_seconds_are_left(store: Store) -> None:
    endings, on_air = Endings(store), OnAir(40.0)
    assert endings.look(on_air, EIGHT) == LONGEST_SLEEP_S  # type: ignore[arg-type]
    on_air.left_s = 2.2
    assert endings.look(on_air, EIGHT) == pytest.approx(0.2)  # type: ignore[arg-type]
    assert known(store) == []
    on_air.left_s = 1.9
    endings.look(on_air, EIGHT)  # type: ignore[arg-type]
    on_air.left_s = 1.4
    endings.look(on_air, EIGHT)  # type: ignore[arg-type]
    assert known(store) == [(7, 1.9)]


def test_of_a_short_sound_a_tenth_may_be_left(store: Store) -> None:
    on_air = OnAir(0.5)
    on_air.play = play(7, lasts=4)
    Endings(store).look(on_air, EIGHT)  # type: ignore[arg-type]
    assert known(store) == []
    on_air.left_s = 0.39
    Endings(store).look(on_air, EIGHT)  # type: ignore[arg-type]
    assert known(store) == [(7, 0.39)]


def test_what_was_noted_of_an_earlier_try_does_not_count(store: Store) -> None:
    entry = play(7, lasts=100)
    with store.database.write() as db:
        db.execute("INSERT INTO ending VALUES (7, ?, ?, 1.0)", ("x", "y"))
    store.begin(entry)
    assert known(store) == []


def test_notes_are_forgotten_with_the_plays_they_are_of(store: Store) -> None:
    Endings(store).look(OnAir(1.0), EIGHT)  # type: ignore[arg-type]
    store.prune(EIGHT)
    assert known(store) == [(7, 1.0)]
    store.prune(EIGHT + timedelta(seconds=1))
    assert known(store) == []


def test_a_full_disk_costs_the_note_and_not_the_sound(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: object) -> None:
        raise OSError(28, "no space left")

    monkeypatch.setattr("edge.safefile.SafeFile.write", full)
    assert Endings(store).look(OnAir(1.0), EIGHT) == LONGEST_SLEEP_S  # type: ignore[arg-type]


def test_where_the_file_tells_how_it_ended_nothing_is_noted(store: Store) -> None:
    assert Endings(store).look(OnAir(None), EIGHT) == LONGEST_SLEEP_S  # type: ignore[arg-type]
    assert known(store) == []
