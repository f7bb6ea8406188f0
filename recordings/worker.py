"""Background service that renders episodes: one at a time, in short-lived processes with limits."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import Session

from core import bell
from core.blobs import BlobStore
from core.clock import utc_now
from core.database import Database
from core.errors import InvalidInput, NotFound, ToolFailed
from recordings import clips, episodes, jobs, rendering, sound
from recordings.clips import ClipFacts
from recordings.ingest import BELL
from recordings.models import Episode, Programme
from recordings.rendering import Order, Rendered

POLL_S = 2.0
BEAT_S = jobs.LEASE_S / 3
STALE_WORK_S = 6 * 3600
_PREFIX = "render-"
log = structlog.get_logger("recordings.worker")


class LeaseLost(Exception):
    """Somebody else has the job now; what was made here is thrown away."""


class RenderWorker:
    """Claims RenderJobs and turns them into masters, deliveries and Clip rows."""

    name = "render"

    def __init__(self, database: Database, store: BlobStore) -> None:
        self._database = database
        self._store = store
        self._stop = threading.Event()
        self._identity = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:6]}"

    def run_forever(self) -> None:
        """Render until ``stop``; wakes on the bell, at the latest every two seconds."""
        _sweep(clips.work_folder())
        with bell.Bell(BELL) as waiting:
            while not self._stop.is_set():
                try:
                    busy = self.run_one()
                except (sa.exc.SQLAlchemyError, OSError) as error:
                    log.warning("rendering waits", error=str(error)[:200])
                    busy = False
                if not busy:
                    waiting.wait(POLL_S)

    def stop(self) -> None:
        """Ask to end after the present step."""
        self._stop.set()
        bell.ring(BELL)

    def run_one(self) -> bool:
        """Render the next job; False when there is none."""
        ours = jobs.claim(self._database, self._identity)
        if ours is None:
            return False
        try:
            with _beating(self._database, ours):
                self._work(ours)
        except LeaseLost:
            if self._stop.is_set():
                jobs.release(self._database, ours)
            log.warning("rendering was given up", job=ours.job_id)
        except (InvalidInput, NotFound) as error:
            jobs.fail(self._database, ours, error)
        except (ToolFailed, OSError) as error:
            log.warning("rendering failed", job=ours.job_id, tries=ours.tries, error=repr(error))
            jobs.postpone(self._database, ours, error)
        except sa.exc.SQLAlchemyError:
            raise  # the lease runs out and the job is claimed again
        except Exception as error:
            log.exception("rendering broke", job=ours.job_id)
            jobs.postpone(self._database, ours, error)
        return True

    def _work(self, ours: jobs.Claim) -> None:
        def progress(step: str, percent: int) -> None:
            if self._stop.is_set() or not jobs.renew(
                self._database, ours, step=step, progress_percent=percent
            ):
                raise LeaseLost

        prefix = f"{_PREFIX}{os.getpid()}-"
        with tempfile.TemporaryDirectory(prefix=prefix, dir=clips.work_folder()) as folder:
            with self._database.read() as session:
                order = self._order(session, session.get_one(Episode, ours.episode_id))
                made_from = session.get_one(Episode, ours.episode_id).original_sha256
            rendered = rendering.render(order, Path(folder), progress)
            original, master, delivery = self._stored(rendered, made_from)
        with self._database.write() as session:
            if not jobs.finish(session, ours):
                raise LeaseLost
            for facts in (original, master, delivery):
                clips.register(session, self._store, facts)
            episodes.move(
                session,
                session.get_one(Episode, ours.episode_id),
                ("processing",),
                "ready",
                original_sha256=original.sha256,
                master_sha256=master.sha256,
                delivery_sha256=delivery.sha256,
                warnings=rendered.warnings,
            )

    def _order(self, session: Session, episode: Episode) -> Order:
        programme = session.get_one(Programme, episode.programme_id)

        def path(sha256: str | None) -> Path | None:
            return self._store.existing_path(sha256) if sha256 else None

        return Order(
            original=path(episode.original_sha256) if episode.source != "script" else None,
            script=episode.script,
            trim_start_ms=episode.trim_start_ms,
            trim_end_ms=episode.trim_end_ms,
            opening=path(programme.opening_sha256),
            closing=path(programme.closing_sha256),
        )

    def _stored(
        self, rendered: Rendered, original_sha256: str | None
    ) -> tuple[ClipFacts, ClipFacts, ClipFacts]:
        facts = rendered.original_facts
        if rendered.spoken is not None:
            original_sha256 = self._store.put_file(rendered.spoken)
        assert original_sha256 is not None
        original = ClipFacts(
            sha256=original_sha256,
            rendition="original",
            media_type=clips.WAV if rendered.spoken else "application/octet-stream",
            codec=facts.codec[:20],
            duration_ms=facts.duration_ms,
            sample_rate_hz=facts.sample_rate_hz,
            channels=facts.channels,
        )
        master = ClipFacts(
            sha256=self._store.put_file(rendered.master),
            rendition="master",
            media_type=clips.WAV,
            codec="pcm_s16le",
            duration_ms=rendered.master_ms,
            sample_rate_hz=48_000,
            channels=1,
            loudness_lufs=rendered.master_lufs,
            peaks=rendered.peaks,
            made_from_sha256=original_sha256,
        )
        delivery = ClipFacts(
            sha256=self._store.put_file(rendered.delivery),
            rendition="delivery",
            media_type=sound.DELIVERY_MEDIA_TYPE,
            codec="opus",
            duration_ms=rendered.delivery_ms,
            sample_rate_hz=48_000,
            channels=1,
            loudness_lufs=rendered.master_lufs,
            peaks=rendered.peaks,
            made_from_sha256=master.sha256,
        )
        return original, master, delivery


@contextmanager
def _beating(database: Database, ours: jobs.Claim) -> Iterator[None]:
    """Prolong the lease while the block works; a step may take minutes."""
    over = threading.Event()

    def beat() -> None:
        while not over.wait(BEAT_S):
            try:
                if not jobs.renew(database, ours):
                    return
            except sa.exc.SQLAlchemyError as error:
                log.warning("lease not prolonged", job=ours.job_id, error=str(error)[:200])

    thread = threading.Thread(target=beat, name=f"lease-{ours.job_id}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _sweep(folder: Path) -> None:
    """Remove what renderings left behind whose process was killed."""
    for path in folder.glob(f"{_PREFIX}*"):
        owner = path.name.removeprefix(_PREFIX).split("-")[0]
        aged = utc_now().timestamp() - path.stat().st_mtime > STALE_WORK_S
        if aged or not owner.isdigit() or not Path(f"/proc/{owner}").exists():
            shutil.rmtree(path, ignore_errors=True)
