"""Gathers what the judge needs: files of sinks as they appear, memories, the server's tables."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Mapping
from contextlib import closing
from datetime import datetime
from pathlib import Path

import soundfile as sf
import sqlalchemy as sa

from benchmarks.faults_judge import Evidence, Kept, Planned, Sounding
from benchmarks.faults_town import Editions, heard_number
from broadcast.models import Player, Receipt
from core.database import Database
from edge.config import Home
from edge.receipts import check_chain
from edge.store import SignedReceipt
from schedule.models import Play, Slot

_COLUMNS = "seq, play_id, body, hash, previous_hash, signature"


class Watch:
    """Sees every file a sink finished, also those a second sounding writes over."""

    def __init__(self) -> None:
        self.found: dict[tuple[str, int, str], tuple[bool, int | None]] = {}
        self._stamps: dict[Path, int] = {}
        self._due_s = 0.0

    def look_every(self, every_s: float, homes: Mapping[str, Home]) -> None:
        """Look, unless that was done a moment ago."""
        if time.monotonic() >= self._due_s:
            self.look(homes)
            self._due_s = time.monotonic() + every_s

    def look(self, homes: Mapping[str, Home]) -> None:
        """Remember every finished file that is new."""
        for name, home in homes.items():
            for facts_file in home.sounded.glob("*.json"):
                stamp = facts_file.stat().st_mtime_ns
                if self._stamps.get(facts_file) != stamp and self._take(name, facts_file):
                    self._stamps[facts_file] = stamp

    def _take(self, name: str, facts_file: Path) -> bool:
        wav = facts_file.with_suffix(".wav")
        try:
            facts = json.loads(facts_file.read_bytes())
            if sf.info(wav).frames != facts["frames"]:
                return False  # its sound is about to be put in place
            number = heard_number(wav)
        except (OSError, ValueError, sf.LibsndfileError):
            return False
        key = (name, int(facts["play_id"]), str(facts["first_sample_at"]))
        self.found[key] = (bool(facts["complete"]), number)
        return True

    def unsent(self, homes: Mapping[str, Home]) -> int:
        """Receipts and plays that players still keep to themselves."""
        return sum(
            _count(home, "SELECT count(*) FROM receipt WHERE acknowledged_at IS NULL")
            for home in homes.values()
        )

    def open_plays(self, database: Database, until: datetime) -> int:
        """Plays up to ``until`` of which nobody knows what became."""
        with database.read() as session:
            return len(
                session.scalars(
                    sa.select(Play.id).where(
                        Play.state.in_(("planned", "published")), Play.starts_at <= until
                    )
                ).all()
            )


def gather(
    watch: Watch, database: Database, homes: Mapping[str, Home], players: Mapping[str, str],
    editions: Editions,
) -> Evidence:  # fmt: skip
    """After the run: what everybody kept."""
    names = {player_id: name for name, player_id in players.items()}
    found = Evidence()
    with database.read() as session:
        area_of = {one.area_code: names[one.id] for one in session.scalars(sa.select(Player))}
        for play, programme_id in session.execute(
            sa.select(Play, Slot.programme_id).join(Slot, Slot.id == Play.slot_id)
        ):
            clips = editions.of(programme_id)
            found.planned.append(
                Planned(play.id, area_of[play.area_code], play.state, play.reason, clips)
            )
        for kept in session.scalars(sa.select(Receipt)):
            found.server.append(
                Kept(
                    names[kept.player_id], kept.seq, kept.play_id, kept.outcome, kept.hash,
                    kept.previous_hash, kept.clip_sha256,
                )
            )  # fmt: skip
    for (name, play_id, first), (whole, number) in watch.found.items():
        sha256 = None if number is None else editions.sha256(number)
        found.soundings.append(Sounding(play_id, name, first, whole, sha256))
    for name, home in homes.items():
        receipts = own_receipts(home)
        if check_chain(receipts, home.key().public_key()) is not None:
            found.forged.append(name)
        found.own += [_kept(name, receipt) for receipt in receipts]
    return found


def own_receipts(home: Home) -> list[SignedReceipt]:
    """All receipts in a player's memory, read without touching it."""
    with closing(_memory(home)) as memory:
        return [
            SignedReceipt(*row)
            for row in memory.execute(f"SELECT {_COLUMNS} FROM receipt ORDER BY seq")
        ]


def start_errors_ms(database: Database) -> list[float]:
    """Of all plays that sounded."""
    with database.read() as session:
        return [
            float(error)
            for error in session.scalars(
                sa.select(Play.start_error_ms).where(
                    Play.state == "played", Play.start_error_ms.is_not(None)
                )
            )
            if error is not None
        ]


def _kept(name: str, receipt: SignedReceipt) -> Kept:
    body = json.loads(receipt.body)
    return Kept(
        name, receipt.seq, receipt.play_id, body["outcome"], receipt.hash, receipt.previous_hash,
        body["clip_sha256"],
    )  # fmt: skip


def _count(home: Home, query: str) -> int:
    try:
        with closing(_memory(home)) as memory:
            return int(memory.execute(query).fetchone()[0])
    except sqlite3.Error:
        return 1  # being written or being made: not known yet


def _memory(home: Home) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{home.database_file}?mode=ro", uri=True, timeout=5)
