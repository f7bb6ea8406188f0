"""A fixed cast (a recorder and an approver in one town, an outsider in another) and sounds."""

from __future__ import annotations

import wave
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from core import areas, auth
from core.auth import Actor
from core.blobs import BlobStore
from core.database import Database
from core.killable import Limits, run
from recordings import ingest, programmes, sound
from recordings.models import Episode
from recordings.worker import RenderWorker

TOWN, VILLAGE, ELSEWHERE = "110101001000", "110101001001", "110102001000"
MakeTone = Callable[..., Path]
Convert = Callable[..., Path]


@dataclass(frozen=True)
class Cast:
    """Who acts in these tests."""

    recorder: Actor
    approver: Actor
    operator: Actor
    outsider: Actor


@pytest.fixture
def cast(database: Database) -> Cast:
    """People of two towns."""
    with database.write() as session:
        areas.add(session, TOWN, "柳河镇", "township")
        areas.add(session, VILLAGE, "柳河村", "village", TOWN)
        areas.add(session, ELSEWHERE, "远山镇", "township")

        def person(login: str, role: str, area: str) -> Actor:
            return auth.actor_of(
                auth.create_user(session, login, login, "long enough 1", [role], area)
            )

        return Cast(
            recorder=person("recorder", "recorder", TOWN),
            approver=person("approver", "approver", TOWN),
            operator=person("operator", "operator", TOWN),
            outsider=person("outsider", "approver", ELSEWHERE),
        )


@pytest.fixture
def programme_id(database: Database, cast: Cast) -> int:
    """A programme of the recorder's town."""
    with database.write() as session:
        return programmes.create(session, cast.recorder, "平安柳河").id


@pytest.fixture
def worker(database: Database, store: BlobStore) -> RenderWorker:
    """A renderer that the test runs by hand."""
    return RenderWorker(database, store)


def write_wav(path: Path, samples: np.ndarray, rate_hz: int = 16_000) -> Path:
    """PCM16 mono WAV of ``samples`` in -1..1."""
    with wave.open(str(path), "wb") as out:
        out.setparams((1, 2, rate_hz, 0, "NONE", ""))
        out.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return path


@pytest.fixture
def tone(tmp_path: Path) -> MakeTone:
    """Makes a WAV that rises and falls like speech: ``tone(seconds=3, level=0.3)``."""

    def make(
        seconds: float = 3.0, level: float = 0.3, rate_hz: int = 16_000, name: str = "tone.wav"
    ) -> Path:
        time_s = np.arange(int(seconds * rate_hz)) / rate_hz
        swell = 0.55 + 0.45 * np.sin(2 * np.pi * 3 * time_s)
        return write_wav(tmp_path / name, level * swell * np.sin(2 * np.pi * 440 * time_s), rate_hz)

    return make


@pytest.fixture
def convert(tmp_path: Path) -> Convert:
    """Runs the bundled ffmpeg: ``convert(source, "name.mp3", "-ar", "44100")``."""

    def make(source: Path, name: str, *options: str) -> Path:
        target = tmp_path / name
        done = run(
            [sound.binary(), "-v", "error", "-y", "-i", source, *options, target],
            limits=Limits(),
        )
        assert done.returncode == 0, done.stderr.decode()
        return target

    return make


@pytest.fixture
def upload(
    database: Database, store: BlobStore, cast: Cast, programme_id: int
) -> Callable[..., int]:
    """Uploads a file as the recorder; returns the id of the episode."""

    def send(path: Path, **options: int) -> int:
        sha256 = store.put_file(path)
        with database.write() as session:
            return ingest.receive_upload(
                session, store, cast.recorder, programme_id, "夏季防汛", sha256, **options
            ).id

    return send


@pytest.fixture
def look(database: Database) -> Callable[[int], Episode]:
    """The episode as the database has it now."""

    def find(episode_id: int) -> Episode:
        with database.read() as session:
            return session.get_one(Episode, episode_id)

    return find
