"""What a worker does while it waits for a decoder: keep leases, stop if asked, let others pass."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import replace

import sqlalchemy as sa
import structlog

from core.database import Database
from transcribe import claims, order
from transcribe.claims import Claim
from transcribe.pool import Decodes

RENEW_S = 30.0
LOOK_S = 0.5
"""How often a sound at work looks for one that may pass it."""

log = structlog.get_logger("transcribe.watch")


class Stopped(Exception):
    """We are asked to stop while a sound is being decoded."""


class NoLongerOurs(Exception):
    """The lease ran out and somebody else took the job."""


class Watch:
    """Called again and again while one sound is seen through.

    ``above``: the watch of the sound that stands still meanwhile; its lease is kept, too. Only a
    sound that put no other aside is put aside itself, so it goes one deep. ``model_hash``: the
    model at work, for the record. ``streamed`` tells the streams that were heard live.
    """

    def __init__(
        self,
        database: Database,
        held: Claim,
        *,
        is_stopping: Callable[[], bool],
        above: Watch | None = None,
        streamed: Callable[[], Collection[str]] = tuple,
    ) -> None:
        self.held = held
        self.model_hash: str | None = None
        self._database, self._is_stopping, self._above = database, is_stopping, above
        self._streamed = streamed
        self._renewed_at = time.monotonic()
        self._is_lost = False

    def keep(self) -> None:
        """Raise Stopped when asked to stop, NoLongerOurs when the lease is gone; else renew it."""
        if self._is_stopping():
            raise Stopped
        for watch in filter(None, (self, self._above)):
            watch._renew()
        if self._is_lost:
            raise NoLongerOurs

    def decoding(self, decoder: Decodes, task: str, duration_ms: int, passes: Passes) -> Decoding:
        """What to call while ``decoder`` works on the sound, ``duration_ms`` long, as ``task``."""
        return Decoding(self, decoder, task, duration_ms, passes)

    @property
    def may_be_passed(self) -> bool:
        return self._above is None

    def claim_passing(self, duration_ms: int) -> Claim | None:
        """A job that may pass this one, ours from now on."""
        standing = replace(self.held.standing, duration_ms=duration_ms)
        try:
            return claims.claim(
                self._database, self.held.worker, passing=standing, streamed=self._streamed()
            )
        except sa.exc.SQLAlchemyError as error:
            log.warning("nobody can pass: the database is away", error=str(error)[:200])
            return None

    def _renew(self) -> None:
        if time.monotonic() - self._renewed_at < RENEW_S:
            return
        try:
            with self._database.write() as session:
                self._is_lost = not claims.renew(session, self.held)
        except sa.exc.SQLAlchemyError as error:
            log.warning("the lease could not be renewed", error=str(error)[:200])
            self._renewed_at += 1
            return
        self._renewed_at = time.monotonic()


Passes = Callable[[Claim, Watch], object]
"""Sees a job through while the sound of this watch stands still (``Worker.see_through``)."""


class Decoding:
    """One sound in the decoder: it stands still while short or urgent ones pass."""

    def __init__(
        self, watch: Watch, decoder: Decodes, task: str, duration_ms: int, passes: Passes
    ) -> None:
        self._watch, self._decoder, self._task = watch, decoder, task
        self._duration_ms, self._passes = duration_ms, passes
        self._began_at = self._looked_at = time.monotonic()
        self._paused_s = 0.0

    @property
    def worked_ms(self) -> int:
        """How long the decoder worked on it, standing still not counted."""
        return round((time.monotonic() - self._began_at - self._paused_s) * 1000)

    def __call__(self) -> None:
        self._watch.keep()
        if not self._watch.may_be_passed or time.monotonic() - self._looked_at < LOOK_S:
            return
        first = self._next()
        if first is not None:
            self._stand_still_for(first)
        self._looked_at = time.monotonic()

    def _next(self) -> Claim | None:
        if not order.may_pause(self.worked_ms, self._paused_s * 1000):
            return None
        return self._watch.claim_passing(self._duration_ms)

    def _stand_still_for(self, first: Claim) -> None:
        held: Claim | None = first
        self._decoder.pause(self._task)
        try:
            while held is not None:
                began_at = time.monotonic()
                log.info("lets another pass", job=self._watch.held.job_id, passing=held.job_id)
                try:
                    self._passes(held, self._watch)
                except sa.exc.SQLAlchemyError as error:  # its lease ends; ours need not suffer
                    log.warning("what passes waits for the database", error=str(error)[:200])
                finally:
                    self._paused_s += time.monotonic() - began_at
                self._watch.keep()  # when asked to stop, nobody passes any more
                held = self._next()
        finally:
            self._decoder.resume(self._task)
