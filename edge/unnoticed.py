"""Plays that sounded to their end in the moment before the box died, unproved.

The file sink writes down what it did. A sound card leaves no trace: there the box notes on disk,
before the last seconds of a play are heard, that they are all that is left. Whatever dies after
that, the play is over: hearing it again would be worse than not knowing about its last word.
"""

from __future__ import annotations

import json
import logging
import sqlite3
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from edge import plan
from edge.clock import iso, parse
from edge.plan import Entry
from edge.player import Performance
from edge.receipts import Heard
from edge.store import Store

log = logging.getLogger(__name__)
_HEADER_BYTES = 44
_LAST_S = 2.0
_LAST_SHARE = 0.1


class Endings:
    """Notes of plays on a sound card that are as good as over, and what they prove later."""

    def __init__(self, store: Store) -> None:
        self._store, self._db = store, store.database
        self._noted: Performance | None = None

    def look(self, on_air: Performance | None, now: datetime) -> float:
        """Note on disk what has come so far; in how many seconds to look again at the latest."""
        if on_air is None:
            self._noted = None
        left_s = on_air.left_s if on_air is not None else None
        if on_air is None or left_s is None or on_air is self._noted:
            return plan.LONGEST_SLEEP_S
        # What was noted must have reached the disk before the last sample is heard.
        enough_s = min(_LAST_S, _LAST_SHARE * plan.duration_s(on_air.play))
        if left_s > enough_s:
            return min(plan.LONGEST_SLEEP_S, left_s - enough_s)
        self._noted = on_air
        row = (on_air.play.play_id, iso(on_air.started_at), iso(now), left_s)
        try:
            with self._db.write() as db:
                db.execute("INSERT OR REPLACE INTO ending VALUES (?, ?, ?, ?)", row)
        except (sqlite3.Error, OSError) as error:  # the sound and its receipt are worth more
            log.warning("the end of play %s could not be noted: %s", on_air.play.play_id, error)
        return plan.LONGEST_SLEEP_S

    def heard(self, folder: Path, entry: Entry) -> Heard | None:
        """What is known of a play whose end nobody wrote down; None if it was broken off before.

        ``folder``: where the file sink keeps its files.
        """
        whole = _by_file(folder, entry) or self._by_note(entry)
        if whole is None:
            return None
        signs = self._store.signs_at_begin(entry.play.play_id)
        return replace(
            whole,
            synchronised=signs.get("clock_synchronised"),
            clock_max_error_ms=signs.get("clock_max_error_ms"),
            clock_estimated_error_ms=signs.get("clock_estimated_error_ms"),
            clock_source=str(signs.get("clock_source", whole.clock_source)),
        )

    def _by_note(self, entry: Entry) -> Heard | None:
        found = self._db.rows(
            "SELECT started_at, noted_at, left_s FROM ending WHERE play_id = ?",
            (entry.play.play_id,),
        )
        if not found:
            return None
        began_at, noted_at, left_s = parse(found[0][0]), parse(found[0][1]), float(found[0][2])
        log.warning("play %s was as good as over when the box died", entry.play.play_id)
        ended_at = noted_at + timedelta(seconds=left_s)
        return _heard(entry, began_at, ended_at, "device", unseen_ms=left_s * 1000)


def _by_file(folder: Path, entry: Entry) -> Heard | None:
    wav = folder / f"play-{entry.play.play_id}.wav"
    try:
        facts = json.loads(wav.with_suffix(".json").read_bytes())
        if not facts["complete"]:
            return None
        began_at, ended_at = parse(facts["clip_began_at"]), parse(facts["clip_ended_at"])
        frames = int(facts["frames"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    log.warning("play %s had sounded to its end when the box died", entry.play.play_id)
    file = wav if _holds(wav, frames) else None
    return _heard(entry, began_at, ended_at, "wav", file=file)


def _heard(
    entry: Entry,
    began_at: datetime,
    ended_at: datetime,
    sink: str,
    *,
    file: Path | None = None,
    unseen_ms: float = 0.0,
) -> Heard:
    started_at = entry.paused.first_heard_at if entry.paused else began_at
    return Heard(
        started_at=started_at,
        ended_at=ended_at,
        start_error_ms=(started_at - entry.play.starts_at).total_seconds() * 1000,
        sink=sink,
        synchronised=None,
        file=file,
        interrupted_ms=entry.paused.silent_until(began_at) * 1000 if entry.paused else 0.0,
        end_unseen_ms=unseen_ms,
    )


def _holds(wav: Path, frames: int) -> bool:
    """Whether the file is the one described: it is put in place after the description."""
    try:
        return wav.stat().st_size == _HEADER_BYTES + 2 * frames
    except OSError:
        return False
