"""Hands live speech to the players that listen, inside the web process.

Pieces come in from the speaker, frames go out to each listener's own short queue. Whoever joins
late gets the present, whoever cannot follow loses the oldest sound, never the newest.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from broadcast import live_frames
from broadcast.live_frames import BYTES_PER_MS
from broadcast.live_recording import Recording
from core.clock import utc_now

QUEUE_FRAMES = 20
SIGN_OF_LIFE_S = 1.0
SOUND_DBFS = -50.0
LONGEST_GAP_MS = 60_000


@dataclass(frozen=True)
class Facts:
    """What became of one player: as LiveListener keeps it."""

    joined_at: datetime | None = None
    first_sound_at: datetime | None = None
    left_at: datetime | None = None
    cause: str | None = None
    lost_ms: int = 0


class Ear:
    """One player's stream. Made and read in the event loop, filled from any thread."""

    def __init__(self, player_id: str) -> None:
        self.player_id = player_id
        self.replaced = False
        self._loop = asyncio.get_running_loop()
        self._frames: deque[bytes] = deque(maxlen=QUEUE_FRAMES)
        self._ended = False
        self._wake = asyncio.Event()

    def give(self, frames: list[bytes]) -> None:
        """Queue frames; the oldest go when there is no room."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._put, frames)

    def end(self, last: bytes, *, now: bool) -> None:
        """End the stream, once: ``now`` forgets what waits."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._put_last, last, now)

    def _put(self, frames: list[bytes]) -> None:
        if not self._ended:  # the last frame of a stalled stream must not be pushed out
            self._frames.extend(frames)
            self._wake.set()

    def _put_last(self, frame: bytes, alone: bool) -> None:
        if alone and not self._ended:
            self._frames.clear()
        self._put([frame])
        self._ended = True

    async def frames(self) -> AsyncIterator[bytes]:
        """What is to be sent, until the end."""
        while True:
            while self._frames:
                frame = self._frames.popleft()
                yield frame
                if frame[:2] == b"\0\0":
                    return
            self._wake.clear()
            try:
                await asyncio.wait_for(self._wake.wait(), SIGN_OF_LIFE_S)
            except TimeoutError:
                yield live_frames.SIGN_OF_LIFE


class Channel:
    """One live address on its way. ``players``: ids of those that are called.

    ``on_air``: that the first word was said is stored. ``speaker``: a fingerprint of the browser
    that speaks, ``login``: who sits there. ``ended``: nobody is heard any more, because of
    ``end_cause`` by ``ended_by``; the database may hear of it later.
    """

    def __init__(
        self,
        session_id: str,
        user_id: int,
        started_at: datetime,
        players: list[str],
        recording_path: Path,
    ) -> None:
        self.session_id = session_id
        self.user_id = user_id
        self.started_at = started_at
        self.recording = Recording(recording_path)
        self.on_air = False
        self.speaker: str | None = None
        self.login = ""
        self.ended = False
        self.end_cause, self.ended_by = "", ""
        self.ended_s: float | None = None
        self.opened_s = self.heard_of_s = self.sound_s = time.monotonic()
        self._lock = threading.Lock()
        self._ears: dict[str, Ear] = {}
        self._facts = {player_id: Facts() for player_id in players}
        self._changed: set[str] = set()
        self._offset_ms: int | None = None
        self._next_ms = 0

    def sign_of_life(self) -> None:
        """The speaker is there, though nothing was said."""
        self.heard_of_s = time.monotonic()

    def say(self, at_ms: int, pcm: bytes) -> bool:
        """Take in speech that begins ``at_ms`` after the microphone was opened.

        What was taken in already is left out, so a piece may be sent twice; a gap is silence in
        the recording. True for the first piece of all.
        """
        now_s = time.monotonic()
        self.heard_of_s = now_s
        pcm = pcm[: len(pcm) // BYTES_PER_MS * BYTES_PER_MS]
        with self._lock:
            if self.ended or not pcm:
                return False
            is_first = self._offset_ms is None
            if self._offset_ms is None:
                since = utc_now() - self.started_at
                self._offset_ms = max(0, since // timedelta(milliseconds=1)) - at_ms
                self._next_ms = at_ms
            gap_ms = at_ms - self._next_ms
            if gap_ms < 0:
                pcm, at_ms, gap_ms = pcm[-gap_ms * BYTES_PER_MS :], self._next_ms, 0
            if not pcm:
                return False
            if gap_ms:
                self.recording.add(bytes(min(gap_ms, LONGEST_GAP_MS) * BYTES_PER_MS))
            self.recording.add(pcm)
            self._next_ms = at_ms + len(pcm) // BYTES_PER_MS
            made = live_frames.frames(at_ms + self._offset_ms, pcm)
            for ear in self._ears.values():
                ear.give(made)
        if live_frames.level_dbfs(pcm) > SOUND_DBFS:
            self.sound_s = now_s
        return is_first

    def end(self, *, hush: bool, cause: str = "server", by: str = "server") -> None:
        """End all streams; ``hush``: what is on its way is not said any more. Once only."""
        with self._lock:
            if self.ended:
                return
            self.end_cause, self.ended_by = cause, by
            self.ended_s = time.monotonic()
            self.ended = True
            for ear in self._ears.values():
                ear.end(live_frames.HUSH if hush else live_frames.FINISH, now=hush)

    def hush(self, player_ids: Iterable[str]) -> None:
        """End the streams of some players; what is on its way to them is not said any more."""
        with self._lock:
            for player_id in player_ids:
                if player_id in self._ears:
                    self._ears[player_id].end(live_frames.HUSH, now=True)

    async def listen(self, player_id: str) -> AsyncIterator[bytes]:
        """The stream of a player; a second one of the same player takes the place of the first."""
        ear = Ear(player_id)
        with self._lock:
            ended, before = self.ended, self._ears.get(player_id)
            self._ears[player_id] = ear
            self._note(player_id, joined_at=utc_now(), left_at=None, cause=None)
        if before is not None:
            before.replaced = True
            before.end(live_frames.HUSH, now=True)
        if ended:
            ear.end(live_frames.FINISH, now=True)
        whole = False
        try:
            async for frame in ear.frames():
                yield frame
            whole = True
        finally:
            self._left(ear, "end" if whole else "lost")

    def _left(self, ear: Ear, cause: str) -> None:
        with self._lock:
            if self._ears.get(ear.player_id) is ear:
                del self._ears[ear.player_id]
                self._note(ear.player_id, left_at=utc_now(), cause=cause)

    def heard(self, player_id: str, first_sound_at: datetime | None, lost_ms: int) -> None:
        """What a player told of its horn."""
        with self._lock:
            known = self._facts.get(player_id, Facts())
            self._note(
                player_id,
                first_sound_at=known.first_sound_at or first_sound_at,
                lost_ms=max(known.lost_ms, lost_ms),
            )

    def _note(self, player_id: str, **changes: object) -> None:
        known = self._facts.get(player_id, Facts())
        if known.joined_at is not None:
            changes.pop("joined_at", None)
        self._facts[player_id] = replace(known, **changes)  # type: ignore[arg-type]
        self._changed.add(player_id)

    def facts(self) -> dict[str, Facts]:
        """What is known of each player."""
        with self._lock:
            return dict(self._facts)

    def changed(self) -> dict[str, Facts]:
        """Facts that nobody has written down yet."""
        with self._lock:
            return {player_id: self._facts[player_id] for player_id in self._changed}

    def noted(self, facts: dict[str, Facts]) -> None:
        """These are written down; what changed meanwhile still waits."""
        with self._lock:
            self._changed -= {
                player_id for player_id, fact in facts.items() if self._facts[player_id] == fact
            }

    @property
    def listening(self) -> set[str]:
        """Players whose stream stands."""
        with self._lock:
            return set(self._ears)


class LiveHub:
    """All channels of this process, by session."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._channels: dict[str, Channel] = {}

    def add(self, channel: Channel) -> None:
        """Open a channel."""
        with self._lock:
            self._channels[channel.session_id] = channel

    def get(self, session_id: str) -> Channel | None:
        """The channel of a session that is not over, else None."""
        with self._lock:
            return self._channels.get(session_id)

    def all(self) -> list[Channel]:
        """Every channel."""
        with self._lock:
            return list(self._channels.values())

    def remove(self, session_id: str) -> None:
        """Forget a channel that is over."""
        with self._lock:
            self._channels.pop(session_id, None)

    def close(self) -> None:
        """End all streams, so that the server can stop."""
        for channel in self.all():
            channel.end(hush=False)
