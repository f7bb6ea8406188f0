"""What an override sounds like: a signal, the words, and twice "this is a drill" when it is one."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import sqlalchemy as sa

from broadcast import override_sound
from broadcast.override_keeper import OverrideKeeper
from broadcast.override_sound import DRILL_AFTER, DRILL_BEFORE, PEAK, Wanted
from core import bell
from core.blobs import BlobStore
from core.database import Database
from core.errors import InvalidInput
from recordings import speech
from tests.broadcast.brokers import wait_until

TEXT = "山洪要来了，请马上上山。"


@pytest.mark.parametrize("kind", ["emergency", "drill", "notice"])
def test_the_signal_is_loud_clean_and_without_a_click(kind: str) -> None:
    samples = override_sound.signal(kind)
    assert PEAK / 2 < np.abs(samples).max() <= PEAK
    assert abs(samples[0]) < 1e-3
    assert abs(samples[-1]) < 1e-3
    assert np.abs(np.diff(samples)).max() < PEAK / 2


def test_only_emergencies_have_a_siren() -> None:
    siren, chime = (override_sound.signal(kind) for kind in ("emergency", "notice"))
    assert len(siren) > 2 * len(chime)
    assert np.array_equal(override_sound.signal("drill"), chime)


@pytest.fixture
def spoken(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the machine was given to speak; it really speaks."""
    said: list[str] = []
    really = speech.render

    def render(text: str, target: Path, **more: int) -> int:
        said.append(text)
        return really(text, target, **more)

    monkeypatch.setattr(speech, "render", render)
    return said


@pytest.mark.slow
def test_a_drill_says_before_and_after_that_it_is_one(
    store: BlobStore, tmp_path: Path, spoken: list[str]
) -> None:
    lengths = {}
    for kind in ("notice", "drill"):
        folder = tmp_path / kind
        folder.mkdir()
        facts = override_sound.render(Wanted(kind, TEXT, None, 900), store, folder)
        lengths[kind] = facts.duration_ms
        heard, rate_hz = sf.read(store.existing_path(facts.sha256))
        assert abs(len(heard) / rate_hz - facts.duration_ms / 1000) < 0.1
        assert heard.ndim == 1
    assert spoken == [TEXT, DRILL_BEFORE, DRILL_AFTER, TEXT]
    assert lengths["drill"] > lengths["notice"] + 4_000


FRAME_S = 0.02


def loudness_of(samples: np.ndarray, rate_hz: int) -> np.ndarray:
    """How loud each 20 ms are: what survives another loudness, rate and codec."""
    size = int(rate_hz * FRAME_S)
    frames = samples[: len(samples) // size * size].reshape(-1, size)
    return np.sqrt((frames**2).mean(axis=1))


def where_said(text: str, heard: np.ndarray, folder: Path) -> float:
    """Seconds into ``heard`` (20 ms loudness) at which ``text`` is spoken."""
    wav = folder / "wanted.wav"
    speech.render(text, wav)
    wanted = loudness_of(*sf.read(wav))
    wanted = (wanted - wanted.mean()) / wanted.std()
    fits = []
    for begin in range(len(heard) - len(wanted) + 1):
        part = heard[begin : begin + len(wanted)]
        fits.append(float((wanted * (part - part.mean())).mean() / (part.std() + 1e-9)))
    assert max(fits) > 0.9, f"{text} is not in the sound ({max(fits):.2f})"
    return float(np.argmax(fits)) * FRAME_S


@pytest.mark.slow
@pytest.mark.parametrize("source", ["text", "clip"])
def test_the_first_and_the_last_words_of_a_drill_are_that_it_is_one(
    store: BlobStore, tmp_path: Path, source: str
) -> None:
    """Of a sound that somebody recorded as well: nobody may take it for the real thing."""
    clip = tmp_path / "clip.wav"
    speech.render(TEXT, clip)
    given = (TEXT, None) if source == "text" else (None, clip)
    folder = tmp_path / "work"
    folder.mkdir()
    facts = override_sound.render(Wanted("drill", *given, 900), store, folder)
    heard = loudness_of(*sf.read(store.existing_path(facts.sha256)))
    chime_s = len(override_sound.signal("drill")) / 48_000
    before = where_said(DRILL_BEFORE, heard, tmp_path)
    words = where_said(TEXT, heard, tmp_path)
    after = where_said(DRILL_AFTER, heard, tmp_path)
    assert chime_s - 0.2 < before < chime_s + 1
    assert before < words < after
    assert len(heard) * FRAME_S - after < 8


@pytest.mark.slow
def test_what_is_too_long_with_its_signal_is_refused(store: BlobStore, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as caught:
        override_sound.render(Wanted("notice", TEXT, None, 2), store, tmp_path)
    assert caught.value.field == "text"


def test_the_keeper_outlives_a_locked_database(
    database: Database, store: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper = OverrideKeeper(database, store)
    looks: list[float] = []

    def locked() -> bool:
        looks.append(time.monotonic())
        raise sa.exc.OperationalError("SELECT 1", None, Exception("database is locked"))

    monkeypatch.setattr(keeper, "tend", locked)
    thread = threading.Thread(target=keeper.run_forever)
    thread.start()
    wait_until(lambda: looks)
    bell.ring("override")
    wait_until(lambda: len(looks) > 1)
    keeper.stop()
    thread.join(10)
    assert not thread.is_alive()
