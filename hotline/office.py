"""The web process's desk for telephony: keeps the block of reference numbers filled, answers.

A local socket (readable only by our own user) answers the questions of hotline.ask. Telephony
lives without it: it then says so to the caller. What was asked is never logged.
"""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa
import structlog

from cases import references
from core.blobs import BlobStore
from core.database import Database
from core.sealed import Sealer
from core.settings import Settings
from hotline import in_time
from hotline.ask import LINE_LIMIT_BYTES, socket_path
from hotline.number_block import BLOCK_SIZE, LOW_WATER, NumberBlock
from hotline.office_residents import ResidentDesk
from hotline.office_staff import Purpose, StaffDesk
from hotline.presence import is_there

LOOK_EVERY_S = 3.0
LINE_WITHIN_S = 2.0
log = structlog.get_logger("hotline.office")


class Office:
    """Background service of the web process."""

    name = "hotline-office"

    def __init__(
        self,
        database: Database,
        settings: Settings,
        purposes: Mapping[str, Purpose] | None = None,
    ) -> None:
        """``purposes``: what else staff may prove themselves for, beside studio and quiet."""
        self._database = database
        self._path = socket_path(settings)
        self._block = NumberBlock.from_settings(settings)
        self._filling = threading.Lock()
        self._stop = threading.Event()
        sealer = Sealer.from_settings(settings)
        residents = ResidentDesk(database, BlobStore.from_settings(settings), sealer, settings.zone)
        staff = StaffDesk(database, sealer, settings.zone, purposes)
        self._answers: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "ping": lambda _asked: {"ok": True},
            "references": lambda _asked: {"ok": True, "left": self.fill()},
            "village_of": residents.village_of,
            "status": residents.status,
            "not_satisfied": residents.not_satisfied,
            "staff": staff.staff,
            "quiet": staff.quiet,
        }

    def fill(self) -> int:
        """Top the block up when it is low; returns how many numbers there are.

        Numbers reserved in the database and lost before they reach the file are never given out.
        They are as good when nobody waits for them any more, so this has no ``answer_by``.
        """
        with self._filling:
            left = self._block.left()
            if left >= LOW_WATER:
                return left
            if not is_there(self._database):
                raise FileNotFoundError("the database file is missing")
            with self._database.write() as session:
                fresh = references.reserve(session, BLOCK_SIZE - left)
            self._block.add(fresh)
            return BLOCK_SIZE

    def answer(self, line: bytes) -> dict[str, Any]:
        """The answer to one question; never raises."""
        question = "?"
        try:
            asked = json.loads(line)
            answer = self._answers[asked["question"]]
            question = asked["question"]
            if question != "ping" and not is_there(self._database):
                raise FileNotFoundError("the database file is missing")
            return answer(asked)
        except (ValueError, KeyError, TypeError):
            return {"ok": False, "error": "not understood"}
        except Exception as error:
            # Only the kind of error: its text may hold what was asked.
            log.warning("no answer now", question=question, error=type(error).__name__)
            return in_time.NO_ANSWER

    def run_forever(self) -> None:
        """Listen and keep the block filled until ``stop``."""
        self._path.unlink(missing_ok=True)
        with _Server(str(self._path), self) as server:
            self._path.chmod(0o600)
            listening = threading.Thread(target=server.serve_forever, daemon=True)
            listening.start()
            try:
                self._keep_filled()
            finally:
                server.shutdown()
                self._path.unlink(missing_ok=True)

    def _keep_filled(self) -> None:
        while not self._stop.is_set():
            try:
                self.fill()
            except (sa.exc.SQLAlchemyError, OSError) as error:
                log.warning("the block waits for the database", error=str(error)[:200])
            self._stop.wait(LOOK_EVERY_S)

    def stop(self) -> None:
        self._stop.set()


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True

    def __init__(self, path: str, office: Office) -> None:
        self.office = office
        super().__init__(path, _Question)


class _Question(socketserver.StreamRequestHandler):
    timeout = LINE_WITHIN_S
    server: _Server

    def handle(self) -> None:
        try:
            line = self.rfile.readline(LINE_LIMIT_BYTES)
            self.wfile.write(json.dumps(self.server.office.answer(line)).encode() + b"\n")
        except OSError:
            return  # who asked did not wait
