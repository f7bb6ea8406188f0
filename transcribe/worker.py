"""A decoder of the office: takes jobs from the table, one after the other, until it is stopped.

It may be killed at any moment: the row keeps the truth, and a process of the same name frees at
its start what the one before it held.
"""

from __future__ import annotations

import contextlib
import fcntl
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol, TypeVar

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import Session

from core import bell
from core.blobs import BlobStore
from core.database import Database
from core.errors import N_, Conflict, InvalidInput, XiangyinError
from core.settings import Settings
from transcribe import audio, catalogue, jobs
from transcribe.catalogue import InstalledModel
from transcribe.decoder import Decoder
from transcribe.jobs import Claim
from transcribe.recogniser import Recognition

POLL_S = 2.0
RENEW_S = 30.0
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,59}")
T = TypeVar("T")
log = structlog.get_logger("transcribe.worker")


class Decodes(Protocol):
    """What the worker asks of a decoder process (``transcribe.decoder.Decoder``)."""

    @property
    def alive(self) -> bool: ...
    def start(self, *, on_wait: Callable[[], None] = ...) -> None: ...
    def decode(self, wav: Path, *, on_wait: Callable[[], None] = ...) -> Recognition: ...
    def close(self) -> None: ...


MakeDecoder = Callable[[InstalledModel, Path], Decodes]


class _Stopped(Exception):
    """We are asked to stop while a sound is being decoded."""


class _NoLongerOurs(Exception):
    """The lease ran out and somebody else took the job."""


class Worker:
    """Decodes queued sounds. ``on_ready`` is called once the model is loaded."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        store: BlobStore,
        name: str,
        *,
        make_decoder: MakeDecoder | None = None,
        on_ready: Callable[[], None] | None = None,
    ) -> None:
        if not _NAME.fullmatch(name):
            raise InvalidInput(
                N_("A decoder's name has letters, digits, - and _ only."), field="name"
            )
        self.name = name
        self._settings, self._database, self._store = settings, database, store
        self._make_decoder = make_decoder or self._vosk
        self._on_ready = on_ready
        self._stop = threading.Event()
        self._work_dir = settings.folder("decoding") / name
        self._model: InstalledModel | None = None
        self._decoder: Decodes | None = None

    def run_forever(self) -> None:
        """Work until ``stop``. Raises Conflict when a decoder of this name runs already, and
        ToolFailed or InvalidInput when the first model cannot be loaded."""
        with self._only_one(), bell.Bell(jobs.BELL) as waiting:
            try:
                self._follow_model()
                if self._on_ready is not None:
                    self._on_ready()
                self._persist("freeing jobs", lambda s: jobs.free_own(s, self.name))
                while not self._stop.is_set():
                    if not self._run_once_safely():
                        waiting.wait(POLL_S)
            except _Stopped:
                pass
            finally:
                if self._decoder is not None:
                    self._decoder.close()

    def stop(self) -> None:
        """End soon; a job at hand is given back untried."""
        self._stop.set()
        bell.ring(jobs.BELL)

    def run_once(self) -> bool:
        """Take one job and see it through; False when nothing was due."""
        self._follow_model()
        held = jobs.claim(self._database, self.name)
        if held is None:
            return False
        began = time.monotonic()
        try:
            recognition = self._decode(held)
        except _NoLongerOurs:
            log.warning("lost a job to another decoder", job=held.job_id)
        except _Stopped:
            with self._database.write() as session:
                jobs.release(session, held)
        except Exception as error:
            self._failed(held, error)
        else:
            self._finished(held, recognition, time.monotonic() - began)
        return True

    def _run_once_safely(self) -> bool:
        try:
            return self.run_once()
        except sa.exc.SQLAlchemyError as error:
            log.warning("decoder waits for the database", error=str(error)[:200])
        except XiangyinError as error:  # the model; a job's own errors end in its row
            log.error("decoder waits for a model that loads", error=error.text)
        return False

    def _decode(self, held: Claim) -> Recognition:
        assert self._decoder is not None
        assert self._model is not None
        prepared = self._work_dir / f"job-{held.job_id}.wav"
        try:
            wav = audio.prepare(
                self._store.existing_path(held.audio_sha256),
                prepared,
                takes_8khz=self._model.takes_8khz,
            )
            return self._decoder.decode(wav, on_wait=_Watch(self, held))
        finally:
            prepared.unlink(missing_ok=True)

    def _finished(self, held: Claim, recognition: Recognition, took_s: float) -> None:
        model = self._model
        assert model is not None
        stored = self._persist(
            "storing a transcript", lambda s: jobs.finish(s, held, recognition, model) is not None
        )
        log.info(
            "decoded" if stored else "decoded, but somebody else was first",
            job=held.job_id,
            subject=f"{held.subject_kind}:{held.subject_id}",
            duration_ms=recognition.duration_ms,
            took_s=round(took_s, 2),
            words=len(recognition.words),
            diagnosis=recognition.diagnosis,
            model=model.name,
            hears_people=model.hears_people,
        )

    def _failed(self, held: Claim, error: Exception) -> None:
        known = isinstance(error, XiangyinError)
        code = error.code if isinstance(error, XiangyinError) else "internal"
        hopeless = isinstance(error, InvalidInput)
        detail = error.text if isinstance(error, XiangyinError) else repr(error)
        log.warning(
            "decoding failed", job=held.job_id, code=code, try_no=held.try_no, detail=detail,
            exc_info=None if known else error,
        )  # fmt: skip
        self._persist(
            "storing a failure",
            lambda s: jobs.fail(s, held, code, detail, retriable=not hopeless),
        )

    def _persist(self, what: str, change: Callable[[Session], T]) -> T:
        """Write ``change``, for as long as it takes until the database is back."""
        while True:
            try:
                with self._database.write() as session:
                    return change(session)
            except (sa.exc.OperationalError, sa.exc.InterfaceError) as error:
                log.warning("the database is away", while_=what, error=str(error)[:200])
            if self._stop.wait(POLL_S):
                raise _Stopped

    def _follow_model(self) -> None:
        """Have a living decoder with the model that is chosen now."""
        model = catalogue.current(self._settings)
        if self._decoder is not None and self._decoder.alive and model == self._model:
            return
        if self._decoder is not None:
            self._decoder.close()
        if model.warning:
            log.warning(model.warning, model=model.name)
        self._model, self._decoder = model, self._make_decoder(model, self._work_dir)
        self._decoder.start(on_wait=self._raise_when_stopped)

    def _vosk(self, model: InstalledModel, work_dir: Path) -> Decodes:
        return Decoder(model.path, work_dir, cpu_factor=self._settings.decode_cpu_factor)

    def _raise_when_stopped(self) -> None:
        if self._stop.is_set():
            raise _Stopped

    def watch(self, held: Claim, renewed_at: float) -> float:
        """Called while a sound is decoded: stop when asked, keep the lease; when it was renewed."""
        self._raise_when_stopped()
        if time.monotonic() - renewed_at < RENEW_S:
            return renewed_at
        try:
            with self._database.write() as session:
                ours = jobs.renew(session, held)
        except sa.exc.SQLAlchemyError as error:
            log.warning("the lease could not be renewed", error=str(error)[:200])
            return renewed_at + 1
        if not ours:
            raise _NoLongerOurs
        return time.monotonic()

    @contextlib.contextmanager
    def _only_one(self) -> Iterator[None]:
        self._work_dir.parent.mkdir(parents=True, exist_ok=True)
        with self._work_dir.with_suffix(".lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Conflict(
                    N_("A decoder called %(name)s is running already."), params={"name": self.name}
                ) from None
            shutil.rmtree(self._work_dir, ignore_errors=True)
            self._work_dir.mkdir(parents=True)
            yield


class _Watch:
    """What the decoder calls while we wait for one sound."""

    def __init__(self, worker: Worker, held: Claim) -> None:
        self._worker, self._held = worker, held
        self._renewed_at = time.monotonic()

    def __call__(self) -> None:
        self._renewed_at = self._worker.watch(self._held, self._renewed_at)
