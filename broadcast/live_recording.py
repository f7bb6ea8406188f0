"""What is said in a live address, on the disk within a second of being said.

``<session>.pcm`` grows below ``data_dir/live``: 16-bit samples at 16 kHz. When the address is
over it becomes a clip, and what a power cut left becomes one at the next start.
"""

from __future__ import annotations

import fcntl
import os
import queue
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile as sf
import structlog

from broadcast.live_frames import BYTES_PER_MS, RATE_HZ
from core.blobs import BlobStore
from core.files import sync_folder
from recordings.clips import ClipFacts

SYNC_S = 1.0
_BLOCK_S = 10
_SUFFIX = ".pcm"
log = structlog.get_logger("broadcast.live")


class Recording:
    """Takes sound from any thread without waiting; a thread of its own writes and fsyncs.

    What a full disk refuses is counted in ``lost_ms``, and the next piece is tried again: the
    address itself goes on. Until ``close`` the file is locked: other processes leave it alone.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lost_ms = 0
        self._lock: int | None = None
        self._pieces: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="live-recording", daemon=True)
        self._thread.start()

    def add(self, pcm: bytes) -> None:
        """Append sound."""
        self._pieces.put(pcm)

    def close(self) -> None:
        """Wait until everything is on the disk."""
        self._pieces.put(None)
        self._thread.join()

    def _run(self) -> None:
        for held in self._by_the_second():
            try:
                self._append(held)
            except OSError as error:
                self.lost_ms += len(held) // BYTES_PER_MS
                log.error("the recording of a live address has a hole", error=str(error))
        if self._lock is not None:
            os.close(self._lock)

    def _by_the_second(self) -> Iterator[bytes]:
        held, due_s = bytearray(), time.monotonic() + SYNC_S
        while True:
            try:
                piece = self._pieces.get(timeout=max(0.01, due_s - time.monotonic()))
            except queue.Empty:
                piece = b""
            held += piece or b""
            if held and (piece is None or time.monotonic() >= due_s):
                yield bytes(held)
                held.clear()
            if piece is None:
                return
            if time.monotonic() >= due_s:
                due_s = time.monotonic() + SYNC_S

    def _append(self, pcm: bytes) -> None:
        is_new = not self.path.exists()
        if is_new:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            if self._lock is None:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._lock = os.dup(descriptor)
            before = os.fstat(descriptor).st_size
            try:
                view = memoryview(pcm)
                while view:
                    view = view[os.write(descriptor, view) :]
                os.fsync(descriptor)
            except OSError:
                os.ftruncate(descriptor, before)  # half a second would shift what follows
                raise
        finally:
            os.close(descriptor)
        if is_new:
            sync_folder(self.path.parent)


def path_of(folder: Path, session_id: str) -> Path:
    """Where the sound of a session grows."""
    return folder / f"{session_id}{_SUFFIX}"


def left_over(folder: Path) -> list[tuple[str, Path]]:
    """(session id, file) of every recording that is not a clip yet and grows no more."""
    found = sorted(folder.glob(f"*{_SUFFIX}"))
    return [(path.stem, path) for path in found if not _grows(path)]


def _grows(path: Path) -> bool:
    """Whether some process still records into it."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:  # another process was faster
        return True
    return False


def keep(path: Path, store: BlobStore) -> ClipFacts | None:
    """Put a finished recording into the store as FLAC; its facts, None when nothing was said.

    OSError when the disk refuses: the recording stays where it is.
    """
    try:
        samples = path.stat().st_size // 2
    except FileNotFoundError:
        return None
    if samples == 0:
        return None
    packed = path.with_suffix(".flac")
    try:
        sound = np.memmap(path, dtype="<i2", mode="r", shape=(samples,))
        with sf.SoundFile(packed, "w", RATE_HZ, 1, format="FLAC", subtype="PCM_16") as flac:
            for first in range(0, samples, _BLOCK_S * RATE_HZ):
                flac.write(np.asarray(sound[first : first + _BLOCK_S * RATE_HZ]))
        digest = store.put_file(packed)
    except sf.LibsndfileError as error:
        raise OSError(f"the recording could not be packed: {error}") from error
    finally:
        packed.unlink(missing_ok=True)
    return ClipFacts(
        sha256=digest,
        rendition="original",
        media_type="audio/flac",
        codec="flac",
        duration_ms=samples * 1000 // RATE_HZ,
        sample_rate_hz=RATE_HZ,
        channels=1,
    )
