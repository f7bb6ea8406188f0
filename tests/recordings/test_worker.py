"""Rendering as work: claimed once, tried three times, never lost, explained when it fails."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from core.blobs import BlobStore
from core.clock import FakeClock, utc_now
from core.database import Database
from core.errors import ToolFailed
from core.models import OutboxEvent
from recordings import clips, ingest, jobs, rendering
from recordings.models import Clip, Episode, RenderJob
from recordings.worker import RenderWorker

from .conftest import Cast, MakeTone

Upload = Callable[..., int]
Look = Callable[[int], Episode]
ROOT = Path(__file__).resolve().parent.parent.parent


def _job(database: Database, episode_id: int) -> RenderJob:
    with database.read() as session:
        return session.scalars(
            sa.select(RenderJob)
            .where(RenderJob.episode_id == episode_id)
            .order_by(RenderJob.id.desc())
        ).first()  # type: ignore[return-value]


def test_an_upload_becomes_ready_with_three_clips(
    database: Database, store: BlobStore, worker: RenderWorker, upload: Upload, look: Look,
    tone: MakeTone,
) -> None:  # fmt: skip
    source = tone(seconds=4)
    episode_id = upload(source)
    assert look(episode_id).state == "processing"
    assert worker.run_one()
    assert not worker.run_one()
    episode = look(episode_id)
    assert (episode.state, episode.failure, episode.warnings) == ("ready", None, [])
    with database.read() as session:
        renditions = {clip.rendition: clip for clip in session.scalars(sa.select(Clip)).all()}
    assert renditions["original"].sha256 == episode.original_sha256
    assert renditions["master"].made_from_sha256 == episode.original_sha256
    assert renditions["delivery"].made_from_sha256 == episode.master_sha256
    delivery = renditions["delivery"]
    assert (delivery.codec, delivery.channels) == ("opus", 1)
    assert abs((delivery.loudness_lufs or 0) + 16) <= 1
    assert delivery.peaks is not None
    assert len(delivery.peaks) == 40
    assert store.existing_path(episode.original_sha256 or "").read_bytes() == source.read_bytes()
    job = _job(database, episode_id)
    assert (job.state, job.step, job.progress_percent) == ("done", "done", 100)
    assert list(clips.work_folder().iterdir()) == []


def test_readiness_is_told_once(
    database: Database, worker: RenderWorker, upload: Upload, tone: MakeTone
) -> None:
    episode_id = upload(tone())
    worker.run_one()
    with database.read() as session:
        told = session.scalars(
            sa.select(OutboxEvent.payload).where(OutboxEvent.kind == "episode.changed")
        ).all()
    assert {event["episode_id"] for event in told} == {episode_id}
    assert [event["state"] for event in told].count("ready") == 1


def test_a_script_is_spoken_and_its_voice_kept_as_original(
    database: Database, store: BlobStore, worker: RenderWorker, cast: Cast, programme_id: int,
    look: Look,
) -> None:  # fmt: skip
    with database.write() as session:
        episode_id = ingest.receive_script(
            session, cast.recorder, programme_id, "停电通知", "明天上午停电，请做好准备。"
        ).id
    worker.run_one()
    episode = look(episode_id)
    assert episode.state == "ready"
    assert store.existing_path(episode.original_sha256 or "").read_bytes()[:4] == b"RIFF"


def test_a_bad_file_fails_at_once_in_words_and_is_kept(
    database: Database, store: BlobStore, worker: RenderWorker, upload: Upload, look: Look,
    tmp_path: Path,
) -> None:  # fmt: skip
    bad = tmp_path / "bad"
    bad.write_text("this is a letter, not a sound")
    episode_id = upload(bad)
    worker.run_one()
    episode = look(episode_id)
    assert episode.state == "failed"
    assert "not a sound file" in (episode.failure or "")
    assert store.existing_path(episode.original_sha256 or "").is_file()
    assert _job(database, episode_id).tries == 1
    assert not worker.run_one()


def test_a_passing_failure_is_tried_three_times_then_said(
    database: Database, worker: RenderWorker, upload: Upload, look: Look, tone: MakeTone,
    monkeypatch: pytest.MonkeyPatch, fake_clock: FakeClock,
) -> None:  # fmt: skip
    def broken(*_: object) -> None:
        raise ToolFailed("Working on the sound failed (%(detail)s).", params={"detail": "disk"})

    monkeypatch.setattr(rendering, "render", broken)
    episode_id = upload(tone())
    tries = 0
    while look(episode_id).state == "processing":
        tries += worker.run_one()
        fake_clock.advance(timedelta(seconds=30))
        assert tries < 10
    assert tries == jobs.MAX_TRIES
    episode = look(episode_id)
    assert episode.state == "failed"
    assert (episode.failure or "") % episode.failure_params == "Working on the sound failed (disk)."


def test_a_failure_that_passes_ends_well(
    worker: RenderWorker, upload: Upload, look: Look, tone: MakeTone,
    monkeypatch: pytest.MonkeyPatch, fake_clock: FakeClock,
) -> None:  # fmt: skip
    whole, calls = rendering.render, []

    def first_time_broken(*arguments: object) -> object:
        calls.append(1)
        if len(calls) == 1:
            raise OSError("No space left on device")
        return whole(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(rendering, "render", first_time_broken)
    episode_id = upload(tone())
    worker.run_one()
    assert not worker.run_one(), "it pauses before the next try"
    fake_clock.advance(timedelta(seconds=30))
    assert worker.run_one()
    assert look(episode_id).state == "ready"


def test_two_workers_never_take_the_same_job(
    database: Database, upload: Upload, tone: MakeTone
) -> None:
    for index in range(5):
        upload(tone(seconds=1, level=0.1 + index / 10, name=f"{index}.wav"))
    taken: list[int] = []

    def take(name: str) -> None:
        while ours := jobs.claim(database, name):
            taken.append(ours.job_id)

    threads = [threading.Thread(target=take, args=(f"w{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.read() as session:
        running = session.scalars(sa.select(RenderJob.id).where(RenderJob.state == "running")).all()
    assert len(set(taken)) == len(taken)
    assert sorted(taken) == sorted(running)
    assert taken


def test_a_worker_that_lost_its_lease_changes_nothing(
    database: Database, upload: Upload, look: Look, tone: MakeTone, fake_clock: FakeClock
) -> None:
    episode_id = upload(tone())
    late = jobs.claim(database, "late")
    assert late is not None
    fake_clock.advance(timedelta(seconds=jobs.LEASE_S + 1))
    other = jobs.claim(database, "other")
    assert other is not None
    assert not jobs.renew(database, late, step="decode")
    with database.write() as session:
        assert not jobs.finish(session, late)
    jobs.postpone(database, late, OSError("late"))
    assert look(episode_id).state == "processing"
    assert _job(database, episode_id).worker == "other"


def test_an_older_claim_of_the_same_worker_is_worthless(
    database: Database, upload: Upload, tone: MakeTone, fake_clock: FakeClock
) -> None:
    upload(tone())
    first = jobs.claim(database, "w")
    fake_clock.advance(timedelta(seconds=jobs.LEASE_S + 1))
    second = jobs.claim(database, "w")
    assert first is not None
    assert second is not None
    assert not jobs.renew(database, first)
    assert jobs.renew(database, second)


def test_what_was_made_after_the_job_was_taken_away_is_thrown_away(
    database: Database, worker: RenderWorker, upload: Upload, look: Look, tone: MakeTone,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    whole = rendering.render

    def taken_away(*arguments: object) -> object:
        made = whole(*arguments)  # type: ignore[arg-type]
        with database.write() as session:
            session.execute(sa.update(RenderJob).values(worker="other"))
        return made

    monkeypatch.setattr(rendering, "render", taken_away)
    episode_id = upload(tone())
    worker.run_one()
    assert look(episode_id).state == "processing"
    assert _job(database, episode_id).worker == "other"
    with database.read() as session:
        assert session.scalars(sa.select(Clip)).all() == []


@pytest.mark.slow
def test_a_step_longer_than_the_lease_keeps_the_job(
    database: Database, worker: RenderWorker, upload: Upload, look: Look, tone: MakeTone,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(jobs, "LEASE_S", 5)
    monkeypatch.setattr("recordings.worker.BEAT_S", 0.2)
    whole, stolen = rendering.render, []

    def slow(*arguments: object) -> object:
        until = time.monotonic() + 7
        while time.monotonic() < until:
            stolen.append(jobs.claim(database, "thief"))
            time.sleep(0.1)
        return whole(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(rendering, "render", slow)
    episode_id = upload(tone())
    worker.run_one()
    assert not any(stolen)
    assert look(episode_id).state == "ready"


def test_a_job_that_kills_its_worker_each_time_is_given_up(
    database: Database, upload: Upload, look: Look, tone: MakeTone, fake_clock: FakeClock
) -> None:
    episode_id = upload(tone())
    for _ in range(jobs.MAX_TRIES):
        assert jobs.claim(database, "doomed") is not None
        fake_clock.advance(timedelta(seconds=jobs.LEASE_S + 1))
    assert jobs.claim(database, "next") is None
    episode = look(episode_id)
    assert (episode.state, episode.failure) == ("failed", jobs.GAVE_UP)
    assert episode.original_sha256 is not None


VICTIM = """
import sys, time
from core import migrate, settings
migrate.import_all_models()
from core.blobs import BlobStore
from core.database import Database
from recordings import sound
from recordings.worker import RenderWorker
def wait(*_):
    print("in the middle", flush=True)
    time.sleep(60)
sound.encode_delivery = wait
config = settings.load()
RenderWorker(Database.from_settings(config), BlobStore.from_settings(config)).run_one()
"""


@pytest.mark.slow
def test_kill_9_in_the_middle_costs_only_time(
    database: Database, worker: RenderWorker, upload: Upload, look: Look, tone: MakeTone
) -> None:
    episode_id = upload(tone())
    url = database.url.render_as_string(hide_password=False)
    victim = subprocess.Popen(
        [sys.executable, "-c", VICTIM],
        cwd=ROOT,
        env={**os.environ, "XIANGYIN_DATABASE_URL": url},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert victim.stdout is not None
    assert victim.stdout.readline() == "in the middle\n"
    os.kill(victim.pid, signal.SIGKILL)
    victim.wait()
    victim.stdout.close()
    assert not worker.run_one(), "the lease of the dead still holds"
    with database.write() as session:
        session.execute(sa.update(RenderJob).values(lease_until=utc_now()))
    assert worker.run_one()
    assert look(episode_id).state == "ready"
    assert _job(database, episode_id).tries == 2


def test_the_service_renders_by_itself_stops_soon_and_sweeps_the_dead(
    worker: RenderWorker, upload: Upload, look: Look, tone: MakeTone
) -> None:
    left = clips.work_folder() / "render-999999999-old"
    left.mkdir()
    thread = threading.Thread(target=worker.run_forever)
    thread.start()
    try:
        episode_id = upload(tone())
        deadline = time.monotonic() + 60
        while look(episode_id).state == "processing" and time.monotonic() < deadline:
            time.sleep(0.1)
    finally:
        worker.stop()
        thread.join(timeout=10)
    assert not thread.is_alive()
    assert look(episode_id).state == "ready"
    assert not left.exists()


def test_an_orderly_stop_puts_the_job_back_without_a_try(
    database: Database, worker: RenderWorker, upload: Upload, tone: MakeTone,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def stop_midway(_order: object, _folder: object, progress: Callable[[str, int], None]) -> None:
        progress("decode", 10)
        worker.stop()
        progress("check", 20)

    monkeypatch.setattr(rendering, "render", stop_midway)
    episode_id = upload(tone())
    worker.run_one()
    job = _job(database, episode_id)
    assert (job.state, job.tries, job.lease_until) == ("queued", 0, None)


def test_the_same_file_twice_makes_two_episodes_of_the_same_clips(
    worker: RenderWorker, upload: Upload, look: Look, tone: MakeTone
) -> None:
    first, second = upload(tone()), upload(tone())
    worker.run_one()
    worker.run_one()
    assert look(first).original_sha256 == look(second).original_sha256
    assert look(first).state == look(second).state == "ready"
    assert (look(first).number, look(second).number) == (1, 2)
