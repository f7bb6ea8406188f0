"""Makes the sound of overrides, rolls their rounds forward, ends them and closes what is silent.

Its memory holds nothing that counts: rounds are unique rows, steps are conditional UPDATEs. So it
may die anywhere and begin again, or run twice, without doubling or dropping a round.
"""

from __future__ import annotations

import json
import tempfile
import threading
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from itertools import islice
from pathlib import Path

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import Session

from broadcast import (
    listed,
    override,
    override_plays,
    override_receipts,
    override_rounds,
    override_sound,
)  # fmt: skip
from broadcast.models import Override
from core import bell, leases, outbox
from core.blobs import BlobStore
from core.clock import utc_now
from core.database import Database, claimed
from core.errors import N_, InvalidInput, NotFound, ToolFailed, XiangyinError
from recordings import clips
from recordings.clips import ClipFacts

AHEAD = timedelta(hours=24)
STEP = timedelta(hours=1)
FIRST_ROUND_ALONE = timedelta(seconds=15)
"""The first round goes out alone: a short list is fetched sooner than a long one."""
UNANSWERED_AFTER = timedelta(hours=24)
MAX_TRIES = 3
POLL_S = 2.0
URGENT = ("emergency",)
OTHERS = tuple(kind for kind in override.KINDS if kind not in URGENT)
LANES = (URGENT, OTHERS)
"""Sounds of each are made in a thread of their own: an emergency waits for no long notice."""
log = structlog.get_logger("broadcast.override")


class OverrideKeeper:
    """Background service around overrides; works while ``duty`` is ours (None: always)."""

    name = "overrides"

    def __init__(
        self, database: Database, store: BlobStore, duty: leases.Duty | None = None
    ) -> None:
        self._database = database
        self._duty = duty
        self._store = store
        self._stopped = threading.Event()
        self._tries: Counter[tuple[int, int]] = Counter()
        self._half_made: set[int] = set()

    def run_forever(self) -> None:
        """Work until ``stop``; wakes on the bell, at the latest every two seconds."""
        makers = [
            threading.Thread(target=self._repeat, args=(partial(self.make_one, kinds),),
                             name="override-sound", daemon=True)
            for kinds in LANES
        ]  # fmt: skip
        for maker in makers:
            maker.start()
        self._repeat(self.tend)
        for maker in makers:
            maker.join()

    def _repeat(self, work: Callable[[], bool]) -> None:
        with bell.Bell(override.BELL) as waiting:
            while not self._stopped.is_set():
                try:
                    busy = (self._duty is None or self._duty.is_ours()) and work()
                except (sa.exc.SQLAlchemyError, OSError) as error:
                    log.warning("overrides wait", error=str(error)[:200])
                    busy = False
                except Exception:
                    log.exception("overrides broke")
                    busy = False
                if not busy:
                    waiting.wait(POLL_S)

    def stop(self) -> None:
        self._stopped.set()
        bell.ring(override.BELL)

    def run_once(self) -> bool:
        """One look at everything in this thread; whether there was something to do."""
        done = [self.tend(), *(self.make_one(kinds) for kinds in LANES)]
        return any(done)

    def tend(self) -> bool:
        """Everything but sounds: rounds, ends, and what nobody told about."""
        rolled = self._roll_and_end()
        with self._database.read() as session:
            late = override_receipts.overdue(session)
        if late:
            with self._database.write() as session:
                override_receipts.close_overdue(session)
        return rolled or late

    # --- the sound

    def make_one(self, kinds: tuple[str, ...]) -> bool:
        """Make the most urgent sound that is waited for; whether there was one."""
        with self._database.read() as session:
            waiting = session.scalars(
                sa.select(Override)
                .where(Override.state == "preparing", Override.kind.in_(kinds))
                .order_by(Override.id)
            ).all()
        waiting = [each for each in waiting if not _is_unanswered(each)]
        if not waiting:
            return False
        urgent = max(waiting, key=lambda each: (listed.PRIORITIES[each.kind], -each.id))
        self._make(urgent)
        return True

    def _make(self, found: Override) -> None:
        key = (found.id, found.version)
        try:
            facts = self._render(found)
        except (InvalidInput, NotFound) as error:
            self._fail(found, error)
        except (ToolFailed, OSError) as error:
            self._tries[key] += 1
            log.warning("the sound failed", override=found.id, tries=self._tries[key],
                        error=repr(error))  # fmt: skip
            if self._tries[key] >= MAX_TRIES:
                self._fail(found, error)
            else:
                self._stopped.wait(1.0)
        else:
            self._ready(found, facts)

    def _render(self, found: Override) -> ClipFacts:
        source = self._store.existing_path(found.source_sha256) if found.source_sha256 else None
        wanted = override_sound.Wanted(
            found.kind, found.text, source, override.LONGEST.total_seconds()
        )
        with tempfile.TemporaryDirectory(prefix="override-", dir=clips.work_folder()) as folder:
            return override_sound.render(wanted, self._store, Path(folder))

    def _ready(self, found: Override, facts: ClipFacts) -> None:
        repeat_s = found.repeat_every_s
        shortest = override_rounds.shortest_repeat(timedelta(milliseconds=facts.duration_ms))
        if repeat_s is not None:
            repeat_s = max(repeat_s, -(-int(shortest.total_seconds()) // 60) * 60)
        with self._database.write() as session:
            clips.register(session, self._store, facts)
            _move(
                session, found, "ready", clip_sha256=facts.sha256,
                duration_ms=facts.duration_ms, repeat_every_s=repeat_s,
            )  # fmt: skip

    def _fail(self, found: Override, error: XiangyinError | OSError) -> None:
        if isinstance(error, XiangyinError):
            said = {"message": error.message, "params": error.params}
        else:
            said = {"message": DISK_FULL, "params": {"detail": str(error)[:200]}}
        with self._database.write() as session:
            _move(session, found, "failed", failure=json.dumps(said, ensure_ascii=False))

    # --- rounds

    def _roll_and_end(self) -> bool:
        with self._database.read() as session:
            on_air = session.scalars(sa.select(Override).where(Override.state == "on_air")).all()
            forgotten = session.scalars(
                sa.select(Override).where(Override.state.in_(("preparing", "ready")))
            ).all()
            behind = [
                each.id for each in on_air if each.id in self._half_made or _missing(session, each)
            ]
        over = [each for each in on_air if override_plays.is_over(each)]
        over += [each for each in forgotten if _is_unanswered(each)]
        for each in over:
            with self._database.write() as session:
                _move(session, each, "ended")
        for override_id in behind:
            with self._database.write() as session:
                is_half_made = _roll(session, override_id)
            (self._half_made.add if is_half_made else self._half_made.discard)(override_id)
        return bool(over or behind)


DISK_FULL = N_("The sound could not be kept (%(detail)s). Make room on the disk and try again.")


def _missing(session: Session, found: Override) -> bool:
    """Whether rounds of the next 24 hours are not written down yet."""
    now = utc_now()
    if found.confirmed_at is None or now < found.confirmed_at + FIRST_ROUND_ALONE:
        return False
    known = override_plays.last_round(session, found.id)
    more = override_rounds.rounds(override_plays.rhythm(found), now + AHEAD, after=known)
    return next(more, None) is not None


def _roll(session: Session, override_id: int) -> bool:
    """Write down the next rounds; whether more are to follow at once.

    Villages are told twice at most: of the first rounds soon, of all the others together.
    """
    found = session.get_one(Override, override_id, with_for_update=True)
    if found.state != "on_air":
        return False
    known = override_plays.last_round(session, found.id)
    more = override_rounds.rounds(
        override_plays.rhythm(found), utc_now() + AHEAD + STEP, after=known
    )
    some = islice(more, override_plays.rounds_at_once(found))
    made = override_plays.make(session, found, some)
    goes_on = next(more, None) is not None
    if made and (known <= 1 or not goes_on):
        override.tell(session, found, override_plays.last_round(session, found.id))
    return goes_on


def _is_unanswered(found: Override) -> bool:
    return found.confirmed_at is None and utc_now() > found.created_at + UNANSWERED_AFTER


def _move(session: Session, found: Override, state: str, **values: object) -> bool:
    """The next state, unless somebody was faster."""
    moved = claimed(
        session.execute(
            sa.update(Override)
            .where(Override.id == found.id, Override.version == found.version)
            .values(state=state, version=found.version + 1, **values)
            .execution_options(synchronize_session=False)
        )
    )
    if moved:
        outbox.emit(session, override.CHANGED, override_id=found.id, area_codes=[])
    return moved
