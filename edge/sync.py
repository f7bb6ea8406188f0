"""Keeps the box and the server of one mind: receipts up, manifest and clips down."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

from edge.cache import Cache
from edge.client import Client
from edge.clips import Clips
from edge.clock import instant
from edge.config import Identity, Settings
from edge.errors import ManifestRefused, ServerRefused, ServerUnreachable
from edge.guided import GuidedClock
from edge.health import Problems
from edge.manifest import Manifest, check_succession, verify
from edge.receipts import ReceiptBook
from edge.reporter import APPROVED, SHUT_OUT
from edge.sounded import pack_sounded
from edge.store import Store

log = logging.getLogger(__name__)
_NOT_LET_IN = (401, 403)
_BEFORE_ANY_LIST = datetime(1970, 1, 1, tzinfo=UTC)
_BATCH = 100
_FIRST_RETRY_S = 2.0


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
        clock: GuidedClock,
        sink_kind: str,
        news: Callable[[], None],
        whole: Callable[[], None] = lambda: None,
    ) -> None:
        """``news`` is called when plays changed, ``whole`` after a round that left nothing out."""
        self._identity = identity
        self._settings = settings
        self._client = client
        self._store = store
        self._cache = cache
        self._clips = Clips(client, store, cache, problems, has_news=self._has_news)
        self._book = book
        self._problems = problems
        self._clock = clock
        self._sink_kind = sink_kind
        self._news = news
        self._whole = whole
        self._woken = threading.Event()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sync", daemon=True)
        self._etag: str | None = None
        self._asked_s = time.monotonic()
        self._chokes_on_receipts = False
        self.manifest: Manifest | None = None
        self.on_shut_out: Callable[[], None] = lambda: None
        """Called when a person shut this player out; it may be called again."""

    def restore(self) -> None:
        """Put the manifest kept on disk into force, after verifying it again."""
        now = instant(self._clock.wall_s())
        envelope = (self._store.fact("manifest") or "").encode()
        try:
            self.manifest = self._verify(envelope)
        except ManifestRefused as refused:
            why = refused if envelope else "there was none yet"
            log.warning("no list of plays is kept here (%s): nothing sounds before one", why)
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
        self._fetch_manifest()
        self._send_receipts_before_clips()
        whole = self._clips.fetch()
        if self._woken.is_set():
            return
        self._send_receipts()
        self._chokes_on_receipts = False
        self._send_sounded()
        if whole:
            self._whole()

    def is_beyond_belief(self, clock: GuidedClock) -> bool:
        """Whether the clock stands where nothing of the list can be and nobody vouches for it."""
        over_at = self.manifest.valid_until.timestamp() if self.manifest else None
        return over_at is not None and clock.cannot_be_believed(over_at)

    @property
    def orders_quiet(self) -> bool:
        """Whether the list in force says that quiet was ordered for the village."""
        return self.manifest is not None and self.manifest.quiet

    def resync(self) -> None:
        """Fetch the list anew, also when the server takes it for known."""
        self._etag = None
        self.wake()

    def _run(self) -> None:
        retry_s = _FIRST_RETRY_S
        wait_s = 0.0
        while True:
            self._woken.wait(wait_s)
            self._woken.clear()
            if self._stopped.is_set():
                return
            try:
                went_well = self._went_well()
            except Exception:
                log.exception("a round with the server failed; trying again")
                went_well = False
            if went_well:
                wait_s, retry_s = self._until_next_poll_s(), _FIRST_RETRY_S
            else:
                wait_s, retry_s = retry_s, min(retry_s * 2, self._settings.poll_s)

    def _went_well(self) -> bool:
        try:
            self.sync_once()
        except (ServerUnreachable, ServerRefused) as error:
            log.warning("no round with the server: %s", error)
            self._problems.raise_("server", str(error))
            self._forget_if_revoked(error)
            return False
        self._problems.settle("server")
        return True

    def _until_next_poll_s(self) -> float:
        return max(0.0, self._asked_s + self._settings.poll_s - time.monotonic())

    def _has_news(self) -> bool:
        """Woken; or the list is a poll old: where nothing wakes the box, nothing else tells."""
        return self._woken.is_set() or self._until_next_poll_s() == 0

    def _forget_if_revoked(self, error: Exception) -> None:
        """Shut out by a person: nothing here may sound any more."""
        if not isinstance(error, ServerRefused) or not error.is_shut_out:
            return
        self.on_shut_out()
        self._problems.raise_("revoked", "this player was shut out; enrol it with a new code")
        if self._store.fact("manifest"):
            log.error("this player was shut out: it falls silent and forgets its sound")
            self._etag = None
            now = instant(self._clock.wall_s())
            # Older than any list, so that it calls off whatever is known or sounding.
            self.manifest = Manifest(self._identity.area_code, 0, _BEFORE_ANY_LIST, now, ())
            self._explain(self._store.accept(self.manifest, b"", now))
            self._news()
        self._cache.clear()  # again each time: the disk may have refused
        if self._store.fact(APPROVED) != SHUT_OUT:
            self._store.remember(APPROVED, SHUT_OUT)

    def _send_receipts_before_clips(self) -> None:
        """What the server chokes on must keep no sound from the village: it waits until after."""
        if self._chokes_on_receipts:
            return
        try:
            self._send_receipts()
        except (ServerUnreachable, ServerRefused) as error:
            if not error.again:
                raise
            log.warning("receipts wait until the sound is here: %s", error)
            self._chokes_on_receipts = True

    def _send_receipts(self) -> None:
        while waiting := self._store.receipts(unsent_only=True, limit=_BATCH):
            try:
                acknowledged = self._client.post_receipts(waiting)
            except ServerRefused as error:
                if error.again or error.status in _NOT_LET_IN:
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
        self._asked_s = time.monotonic()
        if fetched is None:
            return
        now = instant(self._clock.wall_s())
        try:
            found = self._verify(fetched.envelope)
            check_succession(found, self.manifest, now, self._lies_ahead)
        except ManifestRefused as refused:
            log.error("manifest refused (%s): %s", refused.code, refused)
            self._problems.raise_("manifest", f"{refused.code}: {refused}")
            return
        due = self._take_over(found, fetched.envelope, now)
        self._etag = fetched.etag
        self._explain(due)
        self._problems.settle("manifest")
        self._news()

    def _take_over(self, found: Manifest, envelope: bytes, now: datetime) -> list[int]:
        before, self.manifest = self.manifest, found
        # In force before it is kept: what begins by it at once is not called off by the last one.
        try:
            return self._store.accept(found, envelope, now)
        except BaseException:
            self.manifest = before
            raise

    def _verify(self, envelope: bytes) -> Manifest:
        return verify(
            envelope,
            server_key=self._identity.server_key_bytes,
            area_code=self._identity.area_code,
        )

    def _lies_ahead(self, moment: datetime) -> bool:
        return self._clock.lies_ahead(moment.timestamp())

    def _explain(self, due: list[int]) -> None:
        now = instant(self._clock.wall_s())
        for play_id in due:
            play = self._store.play(play_id)
            self._book.missed(play, "withdrawn", now, sink=self._sink_kind)

    def _send_sounded(self) -> None:
        if not self._settings.send_sounded:
            return
        for play_id, file in self._store.sounded_waiting():
            if self._has_news():
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
