"""One caller on air: sound comes in, the cue and the end go back."""

from __future__ import annotations

import base64
import select
import socket
import threading
import time
from datetime import datetime, timedelta

import sqlalchemy as sa
import structlog

from broadcast import live
from broadcast.live_hub import Channel, Facts
from broadcast.models import LiveSession
from core.clock import utc_now
from core.database import Database
from desk.doubled import Doubler
from hotline import live_line
from hotline.sip import wire
from hotline.sip.wire import BadFrame, Message

LOOK_S = 0.1
AGAIN_S = 1.0
WHY_WITHIN_S = 2.0
LONGEST_PIECE_MS = 60_000
TELLS_WITHIN = timedelta(seconds=5)
"""A horn tells of its first word within a second or two."""
CAUSES = ("keyed", "hard_stop", "hung_up", "limit", "connection", "server")
"""Why telephony ends an address; anything else is a broken connection."""
log = structlog.get_logger("desk.live_by_phone")


class LiveCaller:
    """``called``: the players of the session and their villages."""

    def __init__(
        self,
        database: Database,
        channel: Channel,
        login: str,
        villages: list[str],
        called: dict[str, str],
    ) -> None:
        self._database = database
        self._channel = channel
        self._login = login
        self._villages = villages
        self._called = called
        self._doubler = Doubler()
        self._told_go = False
        self._spoke_at: datetime | None = None
        self._heard_s = self._said_s = time.monotonic()

    def run(self, line: socket.socket) -> None:
        """Carry the address until one of its ends lets go. The caller's end is never waited for."""
        try:
            self._tell(line, "opened")
            while not self._channel.ended:
                if select.select([line], [], [], LOOK_S)[0]:
                    self._take(wire.receive_blocking(line))
                elif time.monotonic() - self._heard_s > live_line.LOST_S:
                    self._end("connection")
                self._keep_up(line)
            self._tell(line, "over", cause=self._why(), missing=self._missing())
        except (OSError, BadFrame, ValueError, TypeError, KeyError) as error:
            log.warning("a caller on air is gone", error=type(error).__name__)
        finally:
            self._end("connection")

    def _tell(self, line: socket.socket, kind: str, **fields: object) -> None:
        line.sendall(wire.encode({"type": kind, **fields}))
        self._said_s = time.monotonic()

    def _keep_up(self, line: socket.socket) -> None:
        joined = [fact for fact in self._channel.facts().values() if fact.joined_at is not None]
        first = min((fact.joined_at for fact in joined if fact.joined_at), default=None)
        if not self._told_go and live.may_begin(first, self._channel.started_at):
            self._told_go = True
            self._tell(line, "go", hearing=sum(fact.left_at is None for fact in joined))
        elif time.monotonic() - self._said_s > live_line.SIGN_OF_LIFE_S:
            self._tell(line, "here")

    def _take(self, message: Message | None) -> None:
        self._heard_s = time.monotonic()
        if message is None:
            self._end("connection")
        elif message["type"] == "sound":
            self._say(int(message["at_ms"]), base64.b64decode(message["pcm"], validate=True))
        elif message["type"] == "end":
            cause = str(message["cause"])
            self._end(cause if cause in CAUSES else "connection")
        else:
            self._channel.sign_of_life()

    def _say(self, at_ms: int, pcm: bytes) -> None:
        if not 0 <= at_ms <= live.LONGEST.total_seconds() * 2000:
            raise ValueError("no such moment")
        if self._channel.say(at_ms, self._doubler.run(pcm[-LONGEST_PIECE_MS * 16 :])):
            self._spoke_at = utc_now()
            # Speech never waits for the database.
            threading.Thread(target=self._put_on_air, name="live-on-air", daemon=True).start()

    def _put_on_air(self) -> None:
        while not self._channel.ended:
            try:
                with self._database.write() as session:
                    live.go_on_air(session, self._channel.session_id)
                return
            except sa.exc.SQLAlchemyError as error:
                log.warning("the first word waits for the database", error=type(error).__name__)
                time.sleep(AGAIN_S)

    def _end(self, cause: str) -> None:
        """The horns first: a database that is away must not keep anybody on air."""
        if self._channel.ended:
            return
        self._channel.end(hush=cause in live.HUSHED, cause=cause, by=self._login)
        try:
            with self._database.write() as session:
                live.end(session, self._channel.session_id, cause, by=self._login)
        except sa.exc.SQLAlchemyError as error:
            log.warning("an end waits for the database", error=type(error).__name__)

    def _why(self) -> str:
        """Why it is over; whoever ended it may not have committed yet, or cannot."""
        until_s = time.monotonic() + WHY_WITHIN_S
        while time.monotonic() < until_s:
            try:
                with self._database.read() as session:
                    row = session.get(LiveSession, self._channel.session_id)
                    if row is not None and row.state not in live.OPEN:
                        return row.end_cause or ""
            except sa.exc.SQLAlchemyError:
                break
            time.sleep(LOOK_S)
        return self._channel.end_cause

    def _missing(self) -> list[str]:
        """Villages in which no horn was there, or none sounded: quiet, or something more urgent."""
        facts = self._channel.facts()
        reached = {
            village
            for player, village in self._called.items()
            if player in facts and self._reached(facts[player])
        }
        return [village for village in self._villages if village not in reached]

    def _reached(self, fact: Facts) -> bool:
        """Whether a horn sounded, or had no time yet to tell so."""
        if fact.joined_at is None or fact.first_sound_at is not None:
            return fact.joined_at is not None
        spoke_at = self._spoke_at or utc_now()
        return utc_now() - max(fact.joined_at, spoke_at) < TELLS_WITHIN
