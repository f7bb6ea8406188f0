"""The box's memory: plays, receipts and sound to send, in a small SQLite file of its own."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from edge.clock import iso
from edge.ladder import Paused
from edge.manifest import Manifest, PlannedPlay
from edge.plan import Entry
from edge.rows import PLAY_COLUMNS, UPSERT_PLAY, entry_of, play_of, play_row
from edge.safefile import SafeFile
from edge.schema import LATER_PLAY_COLUMNS, SCHEMA

_NOTHING: Mapping[str, object] = {}


@dataclass(frozen=True)
class SignedReceipt:
    """播出回执 as it travels: ``hash`` = SHA-256 over ``previous_hash`` + ``body``."""

    seq: int
    play_id: int
    body: str
    hash: str
    previous_hash: str
    signature: str


class Store:
    """States of a play: waiting, sounding, then played, missed or withdrawn, for good.

    Safe for several threads. ``started_anew``: the file was damaged and no copy of it was left.
    """

    def __init__(self, file: Path) -> None:
        self._db = SafeFile(file, SCHEMA)
        self._add_later_columns()
        self.unreadable: dict[int, Exception] = {}
        """Waiting plays that make no sense, left out until a list names them anew."""

    def _add_later_columns(self) -> None:
        present = {row[1] for row in self._db.rows("PRAGMA table_info(play)")}
        with self._db.write() as db:
            for name, kind in LATER_PLAY_COLUMNS.items():
                if name not in present:
                    db.execute(f"ALTER TABLE play ADD COLUMN {name} {kind}")

    @property
    def database(self) -> SafeFile:
        """The file, for tables that belong to others."""
        return self._db

    @property
    def started_anew(self) -> bool:
        """The memory was damaged, and so was its copy."""
        return self._db.started_anew

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    # --- plays

    def accept(self, manifest: Manifest, envelope: bytes, now: datetime) -> list[int]:
        """Take over the plays of a verified manifest, and the signed bytes they came in.

        Plays that ended or are sounding stay as they are. Waiting plays that were withdrawn go
        silently when they lie ahead; those that were due already are returned, for their absence
        needs an explanation.
        """
        with self._db.write() as db:
            withdrawn = [e.play for e in self.open_entries() if manifest.withdraws(e.play)]
            due = [play.play_id for play in withdrawn if play.starts_at <= now]
            gone = {play.play_id for play in withdrawn if play.starts_at > now}
            gone |= self.unreadable.keys() - {play.play_id for play in manifest.plays}
            for table in ("play", "paused"):
                rows = [(play_id,) for play_id in gone]
                db.executemany(f"DELETE FROM {table} WHERE play_id = ?", rows)
            for play in manifest.plays:
                db.execute(UPSERT_PLAY, play_row(play))
            db.execute("INSERT OR REPLACE INTO fact VALUES ('manifest', ?)", (envelope.decode(),))
        self._db.save_copy()
        return due

    def open_entries(self) -> list[Entry]:
        """Plays still waiting, by their time."""
        found, self.unreadable = self._entries("waiting")
        return found

    def _entries(self, state: str) -> tuple[list[Entry], dict[int, Exception]]:
        rows = self._db.rows(
            f"SELECT {PLAY_COLUMNS}, attempts, blocked, position_s, first_heard_at, cut_at,"
            " silent_s FROM play LEFT JOIN paused USING (play_id, clip_sha256)"
            " WHERE state = ? ORDER BY starts_at, play_id",
            (state,),
        )
        found: list[Entry] = []
        unreadable: dict[int, Exception] = {}
        for row in rows:
            try:
                found.append(entry_of(row))
            except (ValueError, TypeError) as error:
                unreadable[int(row[0])] = error
        return found, unreadable

    def play(self, play_id: int) -> PlannedPlay:
        """One play in whatever state; KeyError if unknown."""
        found = self._db.rows(f"SELECT {PLAY_COLUMNS} FROM play WHERE play_id = ?", (play_id,))
        if not found:
            raise KeyError(play_id)
        return play_of(found[0])

    def begin(self, play: PlannedPlay, clock_signs: Mapping[str, object] = _NOTHING) -> bool:
        """Note on disk, before the first sample, that the play begins; False if it may not.

        ``clock_signs``: how sure its time is, for a receipt that is written after a power cut.
        """
        begun = json.dumps({"play_id": play.play_id, **clock_signs})
        with self._db.write() as db:
            db.execute("DELETE FROM ending WHERE play_id = ?", (play.play_id,))
            db.execute("INSERT OR REPLACE INTO fact VALUES ('begun', ?)", (begun,))
            return (
                db.execute(
                    "UPDATE play SET state = 'sounding', attempts = attempts + 1"
                    " WHERE play_id = ? AND revision = ? AND state = 'waiting'",
                    (play.play_id, play.revision),
                ).rowcount
                == 1
            )

    def signs_at_begin(self, play_id: int) -> dict[str, Any]:
        """The ``clock_signs`` with which the play was begun, if it was the last one."""
        begun: dict[str, Any] = json.loads(self.fact("begun") or "{}")
        return begun if begun.pop("play_id", None) == play_id else {}

    def give_back(
        self, play: PlannedPlay, reason: str, *, counts: bool, paused: Paused | None = None
    ) -> None:
        """The sound was cut: the play waits again. ``counts``: it uses up one attempt.

        ``paused``: where it goes on; None is from its start.
        """
        with self._db.write() as db:
            db.execute("DELETE FROM paused WHERE play_id = ?", (play.play_id,))
            if paused is not None:
                db.execute(
                    "INSERT INTO paused VALUES (?,?,?,?,?,?)",
                    (play.play_id, play.clip.sha256, paused.position_s,
                     iso(paused.first_heard_at), iso(paused.cut_at), paused.silent_s),
                )  # fmt: skip
            db.execute(
                "UPDATE play SET state = 'waiting', blocked = ?, attempts = attempts - ?"
                " WHERE play_id = ? AND state = 'sounding'",
                (reason, 0 if counts else 1, play.play_id),
            )

    def note_blocked(self, play_id: int, reason: str) -> None:
        """Why the play cannot start at present."""
        with self._db.write() as db:
            db.execute("UPDATE play SET blocked = ? WHERE play_id = ?", (reason, play_id))

    def left_sounding(self) -> list[Entry]:
        """Plays whose end nobody wrote down: the box died in their middle."""
        return self._entries("sounding")[0]

    # --- receipts

    def chain_end(self) -> tuple[int, str] | None:
        """Number and hash of the last receipt."""
        newest = self.newest_receipt()
        return (newest.seq, newest.hash) if newest else None

    def end_play(self, receipt: SignedReceipt, state: str, sounded: Path | None = None) -> bool:
        """Close a play and keep its receipt in one step; False if it had ended before."""
        with self._db.write() as db:
            changed = db.execute(
                "UPDATE play SET state = ? WHERE play_id = ? AND state IN ('waiting', 'sounding')",
                (state, receipt.play_id),
            ).rowcount
            if changed != 1:
                return False
            db.execute("DELETE FROM paused WHERE play_id = ?", (receipt.play_id,))
            if db.execute("SELECT 1 FROM receipt WHERE play_id = ?", (receipt.play_id,)).fetchone():
                return False  # its row was lost and listed anew: the play is closed all the same
            db.execute(
                "INSERT INTO receipt (seq, play_id, body, hash, previous_hash, signature)"
                " VALUES (?,?,?,?,?,?)",
                _receipt_row(receipt),
            )
            if sounded is not None:
                db.execute(
                    "INSERT OR REPLACE INTO sounded VALUES (?, ?)", (receipt.play_id, str(sounded))
                )
        self._db.save_copy()
        return True

    def receipts(self, *, unsent_only: bool = False, limit: int = -1) -> list[SignedReceipt]:
        """Receipts by number."""
        where = "WHERE acknowledged_at IS NULL" if unsent_only else ""
        rows = self._db.rows(
            "SELECT seq, play_id, body, hash, previous_hash, signature FROM receipt"
            f" {where} ORDER BY seq LIMIT ?",
            (limit,),
        )
        return [SignedReceipt(*row) for row in rows]

    def newest_receipt(self) -> SignedReceipt | None:
        """The end of the chain."""
        rows = self._db.rows(
            "SELECT seq, play_id, body, hash, previous_hash, signature FROM receipt"
            " ORDER BY seq DESC LIMIT 1"
        )
        return SignedReceipt(*rows[0]) if rows else None

    def count_unsent(self) -> int:
        """How many receipts the server has not acknowledged."""
        rows = self._db.rows("SELECT COUNT(*) FROM receipt WHERE acknowledged_at IS NULL")
        return int(rows[0][0])

    def acknowledge(self, seq: int, now: datetime) -> int:
        """The server has committed everything up to ``seq``; returns how many that were."""
        with self._db.write() as db:
            return db.execute(
                "UPDATE receipt SET acknowledged_at = ? WHERE seq <= ? AND acknowledged_at IS NULL",
                (iso(now), seq),
            ).rowcount

    def send_again(self, after_seq: int) -> int:
        """The server knows nothing beyond ``after_seq`` (restored from a backup); returns how many
        receipts that it once acknowledged wait again.
        """
        with self._db.write() as db:
            return db.execute(
                "UPDATE receipt SET acknowledged_at = NULL"
                " WHERE seq > ? AND acknowledged_at IS NOT NULL",
                (after_seq,),
            ).rowcount

    def sounded_waiting(self) -> list[tuple[int, Path]]:
        """Files of sound still to be sent, with the play each belongs to."""
        rows = self._db.rows("SELECT play_id, file FROM sounded ORDER BY play_id")
        return [(row[0], Path(row[1])) for row in rows]

    def sounded_done(self, play_id: int) -> None:
        """The sound of this play was taken by the server, or is gone."""
        with self._db.write() as db:
            db.execute("DELETE FROM sounded WHERE play_id = ?", (play_id,))

    # --- the rest

    def fact(self, name: str) -> str | None:
        """A remembered text."""
        found = self._db.rows("SELECT value FROM fact WHERE name = ?", (name,))
        return str(found[0][0]) if found else None

    def remember(self, name: str, value: str) -> None:
        """Keep a text."""
        with self._db.write() as db:
            db.execute("INSERT OR REPLACE INTO fact VALUES (?, ?)", (name, value))

    def prune(self, before: datetime, listed: Collection[int] = ()) -> None:
        """Forget ended plays before ``before`` and their acknowledged receipts, the oldest only, so
        that the chain that stays has no gap.

        ``listed``: plays a list still names; forgotten, they would come back and sound again.
        """
        end, moment = self.chain_end(), iso(before)
        with self._db.write() as db:
            over = db.execute(
                "SELECT play_id FROM play WHERE state NOT IN ('waiting', 'sounding')"
                " AND starts_at < ? AND make_up_until < ?",
                (moment, moment),
            ).fetchall()
            kept = set(listed)
            gone = [row for row in over if row[0] not in kept]
            db.executemany("DELETE FROM play WHERE play_id = ?", gone)
            db.execute(
                "DELETE FROM receipt WHERE seq < (SELECT MIN(seq) FROM receipt"
                " WHERE seq = ? OR acknowledged_at IS NULL OR acknowledged_at >= ?"
                " OR play_id IN (SELECT play_id FROM play))",
                (end[0] if end else 0, moment),
            )
            db.execute(
                "DELETE FROM ending WHERE noted_at < ?"
                " AND play_id NOT IN (SELECT play_id FROM play)",
                (moment,),
            )


def _receipt_row(receipt: SignedReceipt) -> tuple[object, ...]:
    return (
        receipt.seq, receipt.play_id, receipt.body, receipt.hash, receipt.previous_hash,
        receipt.signature,
    )  # fmt: skip
