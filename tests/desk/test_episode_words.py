"""Episodes get their words, after the reports and only while there is room for bulk work."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import sqlalchemy as sa

from core import areas, blobs
from core.blobs import BlobStore
from core.clock import utc_now
from core.database import Database
from core.settings import Settings
from desk import episode_words
from recordings.models import Clip, Episode, Programme
from tests.conftest import on_both_databases
from transcribe import jobs
from transcribe.models import TranscriptionJob

WAITING = (
    sa.select(sa.func.count())
    .select_from(TranscriptionJob)
    .where(TranscriptionJob.state.in_(("queued", "running")))
)
TOWN = "513221100000"


@pytest.fixture
def episode(database: Database, store: BlobStore) -> Callable[[int], int]:
    """A finished episode of eight minutes; returns its id."""
    with database.write() as session:
        areas.add(session, TOWN, "青石镇", "township")
        programme = Programme(name="所长说", area_code=TOWN, created_at=utc_now())
        session.add(programme)
        session.flush()

    def one(number: int) -> int:
        with database.write() as session:
            sha256 = store.put_bytes(b"episode %d" % number)
            blobs.register(session, store, sha256, "audio/wav")
            session.add(
                Clip(sha256=sha256, rendition="master", codec="pcm_s16le", duration_ms=480_000,
                     sample_rate_hz=48_000, channels=1, created_at=utc_now())
            )  # fmt: skip
            made = Episode(programme_id=programme.id, number=number, title="一", source="upload",
                           state="ready", master_sha256=sha256, created_at=utc_now())  # fmt: skip
            session.add(made)
            session.flush()
            return made.id

    return one


def tell(database: Database, episode_id: int) -> None:
    ((kind, handler),) = episode_words.handlers()
    assert kind == "episode.changed"
    with database.write() as session:
        handler(session, {"episode_id": episode_id})


def asked(database: Database, episode_id: int) -> TranscriptionJob | None:
    with database.read() as session:
        return jobs.latest(session, "episode", episode_id)


def test_a_finished_episode_is_queued_once_below_the_reports_with_its_length(
    database: Database, episode: Callable[[int], int]
) -> None:
    number = episode(1)
    tell(database, number)
    tell(database, number)
    job = asked(database, number)
    assert job is not None
    assert (job.priority, job.duration_ms) == (episode_words.PRIORITY, 480_000)
    with database.read() as session:
        assert session.scalar(WAITING) == 1


@on_both_databases
def test_one_that_comes_while_the_queue_is_full_is_asked_for_when_there_is_room(
    database: Database, episode: Callable[[int], int], config: Settings
) -> None:
    first, second = episode(1), episode(2)
    tell(database, first)
    job = asked(database, first)
    assert job is not None
    with database.write() as session:
        full = session.get_one(TranscriptionJob, job.id)
        full.duration_ms = config.queue_full_min * 60_000
    tell(database, second)
    with database.write() as session:
        assert episode_words.catch_up(session) == 0
    assert asked(database, second) is None
    with database.write() as session:
        session.get_one(TranscriptionJob, job.id).state = "done"
        assert episode_words.catch_up(session) == 1
        assert episode_words.catch_up(session) == 0
    assert asked(database, second) is not None
