"""The box's memory: plays, receipts and sound to send, in a small SQLite file of its own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from edge.clock import iso, parse
from edge.manifest import ClipRef, Manifest, PlannedPlay
from edge.plan import Entry
from edge.safefile import SafeFile

_SCHEMA = """
CREATE TABLE IF NOT EXISTS play (
    play_id INTEGER PRIMARY KEY, revision INTEGER NOT NULL, starts_at TEXT NOT NULL,
    make_up_until TEXT NOT NULL, priority INTEGER NOT NULL, programme TEXT NOT NULL,
    title TEXT NOT NULL, clip_sha256 TEXT NOT NULL, size_bytes INTEGER NOT NULL,
    duration_ms INTEGER NOT NULL, media_type TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'waiting',
    attempts INTEGER NOT NULL DEFAULT 0, blocked TEXT);
CREATE TABLE IF NOT EXISTS receipt (
    seq INTEGER PRIMARY KEY, play_id INTEGER NOT NULL UNIQUE, body TEXT NOT NULL,
    hash TEXT NOT NULL, previous_hash TEXT NOT NULL, signature TEXT NOT NULL,
    acknowledged_at TEXT);
CREATE TABLE IF NOT EXISTS sounded (play_id INTEGER PRIMARY KEY, file TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS fact (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
_PLAY_COLUMNS = (
    "play_id, revision, starts_at, make_up_until, priority, programme, title,"
    " clip_sha256, size_bytes, duration_ms, media_type"
)


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
        self._db = SafeFile(file, _SCHEMA)

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
            due = []
            for entry in self.open_entries():
                if not manifest.withdraws(entry.play):
                    continue
                if entry.play.starts_at <= now:
                    due.append(entry.play.play_id)
                else:
                    db.execute("DELETE FROM play WHERE play_id = ?", (entry.play.play_id,))
            for play in manifest.plays:
                db.execute(
                    f"INSERT INTO play ({_PLAY_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?)"
                    " ON CONFLICT (play_id) DO UPDATE SET (revision, starts_at, make_up_until,"
                    " priority, programme, title, clip_sha256, size_bytes, duration_ms, media_type)"
                    " = (excluded.revision, excluded.starts_at, excluded.make_up_until,"
                    " excluded.priority, excluded.programme, excluded.title, excluded.clip_sha256,"
                    " excluded.size_bytes, excluded.duration_ms, excluded.media_type)"
                    " WHERE play.state = 'waiting'",
                    _play_row(play),
                )
            db.execute("INSERT OR REPLACE INTO fact VALUES ('manifest', ?)", (envelope.decode(),))
        self._db.save_copy()
        return due

    def open_entries(self) -> list[Entry]:
        """Plays still waiting, by their time."""
        rows = self._db.rows(
            f"SELECT {_PLAY_COLUMNS}, attempts, blocked FROM play"
            " WHERE state = 'waiting' ORDER BY starts_at, play_id"
        )
        return [Entry(_play(row), row[11], row[12]) for row in rows]

    def play(self, play_id: int) -> PlannedPlay:
        """One play in whatever state; KeyError if unknown."""
        found = self._db.rows(f"SELECT {_PLAY_COLUMNS} FROM play WHERE play_id = ?", (play_id,))
        if not found:
            raise KeyError(play_id)
        return _play(found[0])

    def begin(self, play: PlannedPlay) -> bool:
        """Note on disk, before the first sample, that the play begins; False if it may not."""
        with self._db.write() as db:
            return (
                db.execute(
                    "UPDATE play SET state = 'sounding', attempts = attempts + 1"
                    " WHERE play_id = ? AND revision = ? AND state = 'waiting'",
                    (play.play_id, play.revision),
                ).rowcount
                == 1
            )

    def give_back(self, play_id: int, reason: str, *, counts: bool) -> None:
        """The sound was cut: the play waits again. ``counts``: it uses up one attempt."""
        with self._db.write() as db:
            db.execute(
                "UPDATE play SET state = 'waiting', blocked = ?, attempts = attempts - ?"
                " WHERE play_id = ? AND state = 'sounding'",
                (reason, 0 if counts else 1, play_id),
            )

    def note_blocked(self, play_id: int, reason: str) -> None:
        """Why the play cannot start at present."""
        with self._db.write() as db:
            db.execute("UPDATE play SET blocked = ? WHERE play_id = ?", (reason, play_id))

    def left_sounding(self) -> list[Entry]:
        """Plays whose end nobody wrote down: the box died in their middle."""
        rows = self._db.rows(
            f"SELECT {_PLAY_COLUMNS}, attempts, blocked FROM play WHERE state = 'sounding'"
        )
        return [Entry(_play(row), row[11], row[12]) for row in rows]

    # --- receipts

    def chain_end(self) -> tuple[int, str] | None:
        """Number and hash of the last receipt."""
        found = self._db.rows("SELECT seq, hash FROM receipt ORDER BY seq DESC LIMIT 1")
        return (found[0][0], found[0][1]) if found else None

    def end_play(self, receipt: SignedReceipt, state: str, sounded: Path | None = None) -> bool:
        """Close a play and keep its receipt in one step; False if it had ended before."""
        with self._db.write() as db:
            changed = db.execute(
                "UPDATE play SET state = ? WHERE play_id = ? AND state IN ('waiting', 'sounding')",
                (state, receipt.play_id),
            ).rowcount
            if changed != 1:
                return False
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

    def prune(self, before: datetime) -> None:
        """Forget ended plays and acknowledged receipts of plays before ``before``."""
        end = self.chain_end()
        with self._db.write() as db:
            db.execute(
                "DELETE FROM receipt WHERE acknowledged_at < ? AND seq <> ?",
                (iso(before), end[0] if end else 0),
            )
            db.execute(
                "DELETE FROM play WHERE state NOT IN ('waiting', 'sounding') AND starts_at < ?"
                " AND make_up_until < ?",
                (iso(before), iso(before)),
            )


def _play_row(play: PlannedPlay) -> tuple[object, ...]:
    clip = play.clip
    return (
        play.play_id, play.revision, iso(play.starts_at), iso(play.make_up_until), play.priority,
        play.programme, play.title, clip.sha256, clip.size_bytes, clip.duration_ms, clip.media_type,
    )  # fmt: skip


def _play(row: tuple[object, ...]) -> PlannedPlay:
    number, revision, starts, until, priority, programme, title, *clip = row[:11]
    return PlannedPlay(
        play_id=int(str(number)),
        revision=int(str(revision)),
        starts_at=parse(str(starts)),
        make_up_until=parse(str(until)),
        priority=int(str(priority)),
        programme=str(programme),
        title=str(title),
        clip=ClipRef(str(clip[0]), int(str(clip[1])), int(str(clip[2])), str(clip[3])),
    )


def _receipt_row(receipt: SignedReceipt) -> tuple[object, ...]:
    return (
        receipt.seq, receipt.play_id, receipt.body, receipt.hash, receipt.previous_hash,
        receipt.signature,
    )  # fmt: skip
