"""Watches over live addresses: ends those nobody speaks in, keeps what was heard and said.

The horns come first: an address falls silent without a word of the database, which hears of it
when it can.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from pathlib import Path

import sqlalchemy as sa
import structlog

from broadcast import live, live_calls, live_recording
from broadcast.live_beats import Beats
from broadcast.live_hub import Channel, LiveHub
from broadcast.models import LiveSession
from core import leases, outbox
from core.blobs import BlobStore
from core.database import Database
from core.settings import Settings
from recordings import clips

BEGINS_S = 60.0
"""A lease of a process that died on a machine nobody knows is over by then."""
LOOK_S = 0.5
KEEP_AGAIN_S = 30.0
STREAMS_END_S = 2.0
COMMITTED_WITHIN_S = 30.0
log = structlog.get_logger("broadcast.live")


def folder(settings: Settings) -> Path:
    """Where recordings grow."""
    return settings.folder("live")


def open_channel(hub: LiveHub, opened: live.Opened, settings: Settings) -> Channel:
    """The way of a new address to its players; stands before the session is committed."""
    row = opened.session
    path = live_recording.path_of(folder(settings), row.id)
    channel = Channel(row.id, row.started_by_id, row.created_at, list(opened.players), path)
    hub.add(channel)
    return channel


def abandon(hub: LiveHub, channel: Channel) -> None:
    """Let go of a channel whose session was not committed."""
    channel.end(hush=True)
    channel.recording.close()
    hub.remove(channel.session_id)


class LiveKeeper:
    """Background duty of the web process. ``duty``: who has it ends what a dead process left."""

    name = "live-keeper"

    def __init__(
        self,
        database: Database,
        store: BlobStore,
        hub: LiveHub,
        settings: Settings,
        duty: leases.Duty | None = None,
    ) -> None:
        self._database = database
        self._duty = duty
        self._store = store
        self._hub = hub
        self._folder = folder(settings)
        self._stopped = threading.Event()
        self._keep_due_s = 0.0
        self._watcher: threading.Thread | None = None
        self.beats = Beats()
        self._begun_s = time.monotonic()
        self._recovered = False  # once in this process, also when these rounds begin again

    def run_forever(self) -> None:
        """Look twice a second until ``stop``."""
        if self._watcher is None:  # it goes on when these rounds died and begin again
            self._watcher = threading.Thread(target=self._watch, name="live-watch", daemon=True)
            self._watcher.start()
        while not self._stopped.is_set():
            try:
                if self._may_recover():
                    self.recover()
                    self._recovered = True
                self.look()
            except (sa.exc.SQLAlchemyError, OSError) as error:
                log.warning("live addresses wait for database or disk", error=str(error)[:200])
            self._stopped.wait(LOOK_S)
        self._end_all()

    def stop(self) -> None:
        self._stopped.set()

    def _may_recover(self) -> bool:
        """A process that has just begun and has the duty follows one that died.

        Whoever gets the duty later may have it from one that lives and speaks, and only could not
        reach the database.
        """
        if self._recovered or time.monotonic() > self._begun_s + BEGINS_S:
            return False
        return self._duty is None or self._duty.is_ours()

    def recover(self) -> None:
        """What nobody here carries is over: whoever did it is dead."""
        self._end_dead(self._carried_elsewhere())

    def _carried_elsewhere(self) -> dict[str, int]:
        """Beats of each open session that is not carried here."""
        with self._database.read() as session:
            running = live.running(session)
        return {row.id: row.beats for row in running if self._hub.get(row.id) is None}

    def _end_dead(self, dead: Iterable[str]) -> None:
        for session_id in dead:
            with self._database.write() as session:
                live.end(session, session_id, "server")

    def _beat(self) -> None:
        carried = [channel.session_id for channel in self._hub.all() if not channel.ended]
        if carried:
            with self._database.write() as session:
                self.beats.beat(session, carried)
        self._end_dead(self.beats.silent(self._carried_elsewhere()))

    def look(self) -> None:
        """One round over all channels."""
        self._silence()
        self._hush_shut_out()
        if self.beats.due:
            self._beat()
        for channel in self._hub.all():
            self._tend(channel)
        if time.monotonic() >= self._keep_due_s:
            self._keep_left_over()
            self._keep_due_s = time.monotonic() + KEEP_AGAIN_S

    def _watch(self) -> None:
        """Beside the rounds, any of which may wait for the database."""
        while not self._stopped.wait(LOOK_S):
            self._silence()

    def _silence(self) -> None:
        for channel in self._hub.all():
            cause = _why_over(channel)
            if cause is not None:
                channel.end(hush=False, cause=cause)

    def _hush_shut_out(self) -> None:
        """Before any write, which may wait. Tokens are looked at when a stream begins, no more."""
        for channel in self._hub.all():
            if channel.listening and not channel.ended:
                with self._database.read() as session:
                    channel.hush(live_calls.shut_out(session, channel.session_id))

    def _tend(self, channel: Channel) -> None:
        is_over = channel.ended
        with self._database.read() as session:
            row = session.get(LiveSession, channel.session_id)
        if row is None:
            # A channel stands before its session is committed; one that never was is let go.
            if is_over and _ended_ago_s(channel) > COMMITTED_WITHIN_S:
                abandon(self._hub, channel)
            return
        is_open, changed = row.state in live.OPEN, channel.changed()
        if changed or (is_open and is_over):
            with self._database.write() as session:
                if is_over:
                    live.end(session, row.id, channel.end_cause, by=channel.ended_by)
                live.note(session, row.id, changed)
            channel.noted(changed)
        if is_over or not is_open:
            channel.end(hush=row.end_cause in live.HUSHED, cause=row.end_cause or "")
            self._conclude(channel)

    def _conclude(self, channel: Channel) -> None:
        """Once the streams have ended (or after two seconds), write the last facts."""
        is_new = _ended_ago_s(channel) < STREAMS_END_S
        if channel.listening and is_new and not self._stopped.is_set():
            return
        channel.recording.close()
        with self._database.write() as session:
            live.note(session, channel.session_id, channel.changed())
            row = session.get_one(LiveSession, channel.session_id)
            row.recording_lost_ms = channel.recording.lost_ms
        self._hub.remove(channel.session_id)
        self._keep_due_s = 0.0

    def _keep_left_over(self) -> None:
        """Recordings whose session is over become clips."""
        for session_id, path in live_recording.left_over(self._folder):
            if self._hub.get(session_id) is None:
                self._keep(session_id, path)

    def _keep(self, session_id: str, path: Path) -> None:
        try:
            kept = live_recording.keep(path, self._store)
        except OSError as error:
            log.error("a recording could not be kept; trying again", error=str(error))
            return
        with self._database.write() as session:
            row = session.get(LiveSession, session_id)
            if kept is not None:
                clips.register(session, self._store, kept)
                if row is not None:
                    row.recording_sha256 = kept.sha256
                    outbox.emit(session, live.CHANGED, session_id=session_id)
        path.unlink(missing_ok=True)

    def _end_all(self) -> None:
        """The server stops: nobody is left believing that they are heard."""
        left = self._hub.all()
        for channel in left:
            channel.end(hush=False)
        for channel in left:
            try:
                self._tend(channel)
            except (sa.exc.SQLAlchemyError, OSError) as error:
                log.warning("a live address ended without a note", error=str(error)[:200])


def _why_over(channel: Channel) -> str | None:
    now_s = time.monotonic()
    if now_s - channel.opened_s > live.LONGEST.total_seconds():
        return "limit"
    if now_s - channel.heard_of_s > live.LOST_S:
        return "connection"
    if now_s - max(channel.sound_s, channel.opened_s) > live.SILENCE_S:
        return "silence"
    return None


def _ended_ago_s(channel: Channel) -> float:
    return time.monotonic() - (channel.ended_s or 0.0)
