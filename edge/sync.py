"""Keeps the box and the server of one mind: receipts up, manifest and clips down."""

from __future__ import annotations

import io
import json
import logging
import threading
from collections.abc import Callable
from pathlib import Path

import soundfile as sf

from edge import health
from edge.cache import Cache
from edge.client import Client
from edge.clock import Clock, instant
from edge.config import Identity, Settings
from edge.errors import (
    ClipDamaged,
    DiskFull,
    ManifestRefused,
    ServerRefused,
    ServerUnreachable,
)
from edge.health import Problems
from edge.manifest import Manifest, check_succession, verify
from edge.plan import Entry
from edge.receipts import ReceiptBook
from edge.store import Store

log = logging.getLogger(__name__)
_SHUT_OUT = (401, 403)
_BATCH = 100
_FIRST_RETRY_S = 2.0
_TRIES_PER_CLIP = 3
_LARGEST_SOUNDED_BYTES = 20_000_000
_OPUS_RATES_HZ = (8000, 12000, 16000, 24000, 48000)


class Syncer:
    """Runs a round when woken and at least every ``poll_s``; sooner again after a failure."""

    def __init__(
        self,
        identity: Identity,
        settings: Settings,
        client: Client,
        store: Store,
        cache: Cache,
        book: ReceiptBook,
        problems: Problems,
        clock: Clock,
        sink_kind: str,
        news: Callable[[], None],
    ) -> None:
        self._identity = identity
        self._settings = settings
        self._client = client
        self._store = store
        self._cache = cache
        self._book = book
        self._problems = problems
        self._clock = clock
        self._sink_kind = sink_kind
        self._news = news
        self._woken = threading.Event()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sync", daemon=True)
        self._etag: str | None = None
        self._health_due_s = 0.0
        self.manifest: Manifest | None = None

    def restore(self) -> None:
        """Put the manifest kept on disk into force, after verifying it again."""
        now = instant(self._clock.wall_s())
        envelope = (self._store.fact("manifest") or "").encode()
        try:
            self.manifest = self._verify(envelope)
        except ManifestRefused as refused:
            log.warning("no valid manifest is kept here (%s): nothing sounds before one", refused)
            nothing = Manifest(self._identity.area_code, 0, now, now, ())
            self._explain(self._store.accept(nothing, b"", now))
            return
        self._explain(self._store.accept(self.manifest, envelope, now))

    def start(self) -> None:
        """Begin, with a round at once."""
        self._woken.set()
        self._thread.start()

    def wake(self) -> None:
        """Something changed: look now."""
        self._woken.set()

    def stop(self) -> None:
        """End; a transfer under way is continued at the next start."""
        self._stopped.set()
        self._woken.set()
        self._thread.join(0.3)

    def sync_once(self) -> None:
        """One round. Raises EdgeError when the server cannot be reached or refuses the box."""
        self._send_receipts()
        self._fetch_manifest()
        whole = self._fetch_clips()
        self._send_receipts()
        self._send_sounded()
        if whole:
            self._send_health()

    def _run(self) -> None:
        retry_s = _FIRST_RETRY_S
        wait_s = 0.0
        while True:
            self._woken.wait(wait_s)
            self._woken.clear()
            if self._stopped.is_set():
                return
            try:
                self.sync_once()
                self._problems.settle("server")
                wait_s, retry_s = self._settings.poll_s, _FIRST_RETRY_S
            except (ServerUnreachable, ServerRefused) as error:
                log.warning("no round with the server: %s", error)
                self._problems.raise_("server", str(error))
                wait_s, retry_s = retry_s, min(retry_s * 2, self._settings.poll_s)
            except Exception:
                log.exception("a round with the server failed; trying again")
                wait_s, retry_s = retry_s, min(retry_s * 2, self._settings.poll_s)

    def _send_receipts(self) -> None:
        while waiting := self._store.receipts(unsent_only=True, limit=_BATCH):
            try:
                acknowledged = self._client.post_receipts(waiting)
            except ServerRefused as error:
                if error.again or error.status in _SHUT_OUT:
                    raise
                # Refused receipts stay here and are shown as a problem; plays must go on.
                self._problems.raise_("receipts", str(error))
                log.error("receipts refused: %s", error)
                return
            if not self._store.acknowledge(acknowledged, instant(self._clock.wall_s())):
                if self._store.send_again(acknowledged):
                    log.warning("the server lost receipts after %d; sending again", acknowledged)
                    continue
                detail = f"acknowledged up to {acknowledged}, sent from {waiting[0].seq}"
                self._problems.raise_("receipts", detail)
                log.error("the server keeps refusing receipts: %s", detail)
                return
            self._problems.settle("receipts")

    def _fetch_manifest(self) -> None:
        fetched = self._client.manifest(self._etag)
        if fetched is None:
            return
        now = instant(self._clock.wall_s())
        try:
            found = self._verify(fetched.envelope)
            check_succession(found, self.manifest, now)
        except ManifestRefused as refused:
            log.error("manifest refused (%s): %s", refused.code, refused)
            self._problems.raise_("manifest", f"{refused.code}: {refused}")
            return
        due = self._store.accept(found, fetched.envelope, now)
        self.manifest, self._etag = found, fetched.etag
        self._explain(due)
        self._problems.settle("manifest")
        self._news()

    def _verify(self, envelope: bytes) -> Manifest:
        return verify(
            envelope,
            server_key=self._identity.server_key_bytes,
            area_code=self._identity.area_code,
        )

    def _explain(self, due: list[int]) -> None:
        now = instant(self._clock.wall_s())
        for play_id in due:
            play = self._store.play(play_id)
            self._book.missed(play, "withdrawn", now, sink=self._sink_kind, synchronised=None)

    def _fetch_clips(self) -> bool:
        """Fetch in the order of use; False when news broke in."""
        entries = self._store.open_entries()
        for place, entry in enumerate(entries):
            if self._woken.is_set():
                return False
            if self._cache.has(entry.play.clip):
                continue
            try:
                self._fetch_clip(entry, entries[: place + 1])
                self._problems.settle("disk")
            except DiskFull as error:
                log.error("clips stay behind: %s", error)
                self._problems.raise_("disk", str(error))
                return True
            except (ClipDamaged, ServerRefused) as error:
                log.error("clip of play %s: %s", entry.play.play_id, error)
            except ServerUnreachable:
                if self._woken.is_set():
                    return False
                raise
        return True

    def _fetch_clip(self, entry: Entry, needed_first: list[Entry]) -> None:
        clip = entry.play.clip
        self._cache.make_room(clip.size_bytes, {e.play.clip.sha256 for e in needed_first})
        for attempt in range(_TRIES_PER_CLIP):
            try:
                self._client.fetch_clip(clip, self._cache.path(clip.sha256), self._woken.is_set)
            except ClipDamaged:
                self._cache.mark_damaged(clip.sha256)
                if attempt + 1 == _TRIES_PER_CLIP:
                    raise
            else:
                self._cache.mark_fetched(clip.sha256)
                return

    def _send_sounded(self) -> None:
        if not self._settings.send_sounded:
            return
        for play_id, file in self._store.sounded_waiting():
            if self._woken.is_set():
                return
            packed = pack_sounded(file)
            if packed is not None:
                try:
                    self._client.post_sounded(play_id, *packed)
                except ServerRefused as error:
                    if error.again:
                        raise
                    log.warning("the sound of play %s is not wanted: %s", play_id, error)
            self._store.sounded_done(play_id)

    def _send_health(self) -> None:
        now_s = self._clock.mono_s()
        if now_s < self._health_due_s:
            return
        self._client.post_health(
            health.report(
                self._store,
                self._cache,
                self._problems,
                sink=self._sink_kind,
                version=self.manifest.version if self.manifest else None,
                now_s=self._clock.wall_s(),
            )
        )
        self._health_due_s = now_s + self._settings.health_s


def pack_sounded(file: Path) -> tuple[bytes, str] | None:
    """The WAV as Ogg Opus and the instant of its first sample; None if it is gone or too large."""
    packed = io.BytesIO()
    try:
        facts = json.loads(file.with_suffix(".json").read_bytes())
        with sf.SoundFile(file) as wav:
            if wav.samplerate not in _OPUS_RATES_HZ:
                return None
            with sf.SoundFile(packed, "w", wav.samplerate, 1, format="OGG", subtype="OPUS") as opus:
                for block in wav.blocks(wav.samplerate, dtype="float32"):
                    opus.write(block)
                    if packed.tell() > _LARGEST_SOUNDED_BYTES:
                        return None
    except (OSError, ValueError, sf.LibsndfileError) as error:
        log.info("what was sounded is no longer here: %s", error)
        return None
    return packed.getvalue(), str(facts["first_sample_at"])
