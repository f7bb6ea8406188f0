"""A decoder of the office: takes jobs from the table, one after the other, until it is stopped.

It may be killed at any moment: the row keeps the truth, and a process of the same name frees at
its start what the one before it held.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import Session

from core import bell
from core.blobs import BlobStore
from core.database import Database
from core.errors import N_, Conflict, InvalidInput, XiangyinError
from core.files import lock_now
from core.settings import Settings
from transcribe import catalogue, claims, hearings, jobs
from transcribe.catalogue import InstalledModel
from transcribe.claims import Claim
from transcribe.decoder import Decoder
from transcribe.hearer import Heard, Hearer
from transcribe.idle import Idle
from transcribe.pool import Decodes, MakeDecoder, ModelFails, Pool
from transcribe.sounds import Sounds
from transcribe.stream import Shelf, StillHeard
from transcribe.watch import NoLongerOurs, Stopped, Watch

POLL_S = 2.0
PUT_BACK_S = 3.0
"""A job whose sound is still being heard live is looked at again at the latest after this time."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,59}")
T = TypeVar("T")
log = structlog.get_logger("transcribe.worker")


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
        self._settings, self._database = settings, database
        self._on_ready = on_ready
        self._stop = threading.Event()
        self._work_dir = settings.folder("decoding") / name
        self._shelf = Shelf(settings)
        self._pool = Pool(make_decoder or self._vosk, self._work_dir)
        sounds = Sounds.from_settings(settings, store)
        self._hearer = Hearer(
            settings,
            database,
            sounds=sounds,
            shelf=self._shelf,
            pool=self._pool,
            work_dir=self._work_dir,
        )
        self._idle = Idle(settings, database, sounds, self._work_dir)

    def run_forever(self) -> None:
        """Work until ``stop``. Raises Conflict when a decoder of this name runs already, and
        ToolFailed or InvalidInput when the first model cannot be loaded."""
        with self._only_one(), bell.Bell(jobs.BELL) as waiting:
            try:
                self._pool.load(catalogue.current(self._settings), on_wait=self._raise_when_stopped)
                if self._on_ready is not None:
                    self._on_ready()
                self._persist("freeing jobs", lambda s: claims.free_own(s, self.name))
                while not self._stop.is_set():
                    if not self._run_once_safely() and not self._do_idle_work():
                        waiting.wait(POLL_S)
            except Stopped:
                pass
            finally:
                self._pool.close()

    def stop(self) -> None:
        """End soon; a job at hand is given back untried."""
        self._stop.set()
        bell.ring(jobs.BELL)

    def run_once(self) -> bool:
        """Take one job and see it through; False when nothing was due."""
        held = claims.claim(self._database, self.name, streamed=self._shelf.ready())
        if held is None:
            return False
        self.see_through(held)
        return True

    def see_through(self, held: Claim, above: Watch | None = None) -> None:
        """Decode the sound of a claimed job and store what comes of it, whatever that is.

        ``above``: watch of a sound that stands still meanwhile.
        """
        watch = Watch(
            self._database,
            held,
            is_stopping=self._stop.is_set,
            above=above,
            streamed=self._shelf.ready,
        )
        began = time.monotonic()
        try:
            heard = self._hearer.hear(held, watch, self.see_through)
            self._finished(held, heard, time.monotonic() - began)
        except NoLongerOurs:
            log.warning("lost a job to another decoder", job=held.job_id)
        except Stopped:
            with self._database.write() as session:
                claims.release(session, held)
            bell.ring(jobs.BELL)
        except StillHeard:
            self._persist("giving back a job", lambda s: claims.put_back(s, held, PUT_BACK_S))
        except ModelFails as error:
            log.error("a job waits for a model that loads", job=held.job_id, error=str(error))
            detail = str(error)
            self._persist("giving back a job", lambda s: jobs.wait_for_model(s, held, detail))
        except Exception as error:
            self._failed(held, error, watch.model_hash)

    def _run_once_safely(self) -> bool:
        try:
            return self.run_once()
        except sa.exc.SQLAlchemyError as error:
            log.warning("decoder waits for the database", error=str(error)[:200])
        except XiangyinError as error:  # the model; a job's own errors end in its row
            log.error("decoder waits for a model that loads", error=error.text)
        return False

    def _do_idle_work(self) -> bool:
        return self._idle.step(
            lambda model: self._pool.load(model, on_wait=self._raise_when_stopped)
        )

    def _finished(self, held: Claim, heard: Heard, took_s: float) -> None:
        def store(session: Session) -> bool:
            agreed = hearings.keep(
                session,
                heard.key,
                heard.sound,
                heard.model.tree_hash,
                heard.recognition,
                "stream" if heard.is_live else "batch",
            )
            return (
                jobs.finish(session, held, agreed, heard.model, heard.config, took_ms=heard.took_ms)
                is not None
            )

        stored = self._persist("storing a transcript", store)
        if held.stream_key is not None:
            self._shelf.forget(held.stream_key)
        log.info(
            "decoded" if stored else "decoded, but somebody else was first",
            job=held.job_id,
            subject=f"{held.subject_kind}:{held.subject_id}",
            duration_ms=heard.sound.duration_ms,
            took_s=round(took_s, 2),
            known_already=heard.took_ms is None,
            heard_live=heard.is_live,
            words=len(heard.recognition.words),
            diagnosis=heard.recognition.diagnosis,
            model=heard.model.name,
            hears_people=heard.model.hears_people,
        )

    def _failed(self, held: Claim, error: Exception, model_hash: str | None) -> None:
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
            lambda s: jobs.fail(
                s, held, code, detail, retriable=not hopeless, model_hash=model_hash
            ),
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
                raise Stopped

    def _vosk(self, model: InstalledModel, work_dir: Path) -> Decodes:
        return Decoder(model.path, work_dir, cpu_factor=self._settings.decode_cpu_factor)

    def _raise_when_stopped(self) -> None:
        if self._stop.is_set():
            raise Stopped

    @contextlib.contextmanager
    def _only_one(self) -> Iterator[None]:
        self._work_dir.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock = lock_now(self._work_dir.with_suffix(".lock"))
        except BlockingIOError:
            raise Conflict(
                N_("A decoder called %(name)s is running already."), params={"name": self.name}
            ) from None
        with lock:
            shutil.rmtree(self._work_dir, ignore_errors=True)
            self._work_dir.mkdir(parents=True)
            yield
