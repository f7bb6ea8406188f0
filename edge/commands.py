"""What the server asks of this box: signed, done once, and answered until the answer arrived."""

from __future__ import annotations

import base64
import binascii
import json
import logging
import queue
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from edge.client import Client
from edge.clock import Clock, instant, parse
from edge.config import Identity
from edge.errors import CommandRefused, EdgeError, ServerRefused
from edge.manifest import key_id
from edge.store import Store

log = logging.getLogger(__name__)
MAX_ENVELOPE_BYTES = 16_384
_MAX_ID_LENGTH = 64
_ASK_AGAIN = ("live", "live_stop", "resync")
"""Kinds that may be begun again after the box died in their middle."""

Answer = tuple[str, str]
"""(``done``, ``refused`` or ``expired``; words for people)."""
Handler = Callable[[Mapping[str, Any]], Answer | None]
"""Does a command by its payload. None: the answer comes later, by ``Commands.finish``."""


@dataclass(frozen=True)
class Command:
    """One thing to do once. ``payload``: all that was signed."""

    id: str
    kind: str
    expires_at: datetime
    payload: Mapping[str, Any]


def read(envelope: Mapping[str, Any], *, server_key: bytes, player_id: str) -> Command:
    """The command inside; raises CommandRefused unless it is signed, whole and for this box."""
    try:
        text = str(envelope["payload"])
        if str(envelope["key_id"]) != key_id(server_key):
            raise CommandRefused("signed with another key than the one pinned here")
        signature = base64.b64decode(envelope["signature"], validate=True)
        Ed25519PublicKey.from_public_bytes(server_key).verify(signature, text.encode())
        payload = json.loads(text)
        command = Command(
            str(payload["id"]), str(payload["kind"]), parse(payload["expires_at"]), payload
        )
        for_whom = str(payload["player_id"])
    except InvalidSignature:
        raise CommandRefused("the signature does not fit the content") from None
    except (ValueError, KeyError, TypeError, binascii.Error) as error:
        raise CommandRefused(f"not a signed command: {error!r}") from error
    if for_whom != player_id:
        raise CommandRefused(f"meant for {for_whom}")
    if not 0 < len(command.id) <= _MAX_ID_LENGTH:
        raise CommandRefused("its id is too long")
    return command


class CommandBook:
    """Which commands were taken, and what came of them. On disk before anything is done."""

    def __init__(self, store: Store) -> None:
        self._db = store.database
        begun_again = ", ".join(f"'{kind}'" for kind in _ASK_AGAIN)
        with self._db.write() as db:
            db.execute(f"DELETE FROM command WHERE state = 'begun' AND kind IN ({begun_again})")

    def take(self, command: Command) -> bool:
        """Note that the command is being done; False when it was taken before."""
        with self._db.write() as db:
            return (
                db.execute(
                    "INSERT OR IGNORE INTO command (id, kind, expires_at) VALUES (?, ?, ?)",
                    (command.id, command.kind, command.expires_at.isoformat()),
                ).rowcount
                == 1
            )

    def finish(self, command_id: str, result: str, detail: str) -> None:
        """Keep what came of a command; the first word counts."""
        with self._db.write() as db:
            db.execute(
                "UPDATE command SET state = ?, detail = ? WHERE id = ? AND state = 'begun'",
                (result, detail[:200], command_id),
            )

    def unanswered(self) -> list[tuple[str, str, str]]:
        """(id, result, detail) of what the server has not heard of yet."""
        rows = self._db.rows(
            "SELECT id, state, detail FROM command WHERE state <> 'begun' AND told = 0"
        )
        return [(row[0], row[1], row[2]) for row in rows]

    def answered(self, command_id: str) -> None:
        """The server has heard it."""
        with self._db.write() as db:
            db.execute("UPDATE command SET told = 1 WHERE id = ?", (command_id,))

    def doubt(self, command_id: str) -> bool:
        """Count the server as one that has not heard the answer; False while there is none."""
        with self._db.write() as db:
            return (
                db.execute(
                    "UPDATE command SET told = 0 WHERE id = ? AND state <> 'begun'", (command_id,)
                ).rowcount
                == 1
            )

    def begun(self, kind: str) -> list[str]:
        """Ids of commands of a kind that were taken and have no result yet."""
        rows = self._db.rows("SELECT id FROM command WHERE state = 'begun' AND kind = ?", (kind,))
        return [row[0] for row in rows]

    def drop(self, command_id: str) -> None:
        """Forget that it was begun: when it comes again it is done again."""
        with self._db.write() as db:
            db.execute("DELETE FROM command WHERE id = ? AND state = 'begun'", (command_id,))

    def forget(self, before: datetime) -> None:
        """Drop what was answered and had expired before ``before``."""
        with self._db.write() as db:
            db.execute(
                "DELETE FROM command WHERE told = 1 AND expires_at < ?", (before.isoformat(),)
            )


class Commands:
    """Takes envelopes from whoever brings them, and has each command done in one thread."""

    def __init__(self, identity: Identity, book: CommandBook, client: Client, clock: Clock) -> None:
        self._identity = identity
        self._book = book
        self._client = client
        self._clock = clock
        self._handlers: dict[str, Handler] = {}
        self._waiting: queue.SimpleQueue[Command | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="commands", daemon=True)

    def handle(self, kind: str, handler: Handler) -> None:
        """Commands of ``kind`` are done by ``handler``."""
        self._handlers[kind] = handler

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after the command that is being done."""
        self._waiting.put(None)
        self._thread.join(0.3)

    def take(self, envelope: object) -> None:
        """An envelope arrived (a mapping, or its JSON as bytes); returns at once."""
        try:
            if isinstance(envelope, bytes):
                envelope = _parsed(envelope)
            if not isinstance(envelope, Mapping):
                raise CommandRefused("not a signed command")
            command = read(
                envelope,
                server_key=self._identity.server_key_bytes,
                player_id=self._identity.player_id,
            )
        except CommandRefused as error:
            log.error("a command was refused: %s", error)
            return
        self._waiting.put(command)

    def finish(self, command_id: str, answer: Answer) -> None:
        """What came of a command whose handler returned None."""
        self._book.finish(command_id, *answer)
        self.tell()

    def tell(self) -> None:
        """Send the answers the server has not heard yet; what cannot be sent stays for later."""
        for command_id, result, detail in self._book.unanswered():
            try:
                self._client.post_command_result(command_id, result, detail)
            except ServerRefused as error:
                if error.again or error.status in (401, 403):
                    return
                log.warning("the answer to command %s is not wanted: %s", command_id, error)
            except EdgeError as error:
                log.info("the answer to command %s waits: %s", command_id, error)
                return
            self._book.answered(command_id)

    def do(self, command: Command) -> None:
        """Do one command. One that was done before is answered again: who asks did not hear it."""
        if not self._book.take(command):
            if self._book.doubt(command.id):
                self.tell()
            return
        answer = self._answer(command)
        if answer is not None:
            log.info("command %s %s: %s", command.kind, command.id, answer)
            self._book.finish(command.id, *answer)
            self.tell()

    def _answer(self, command: Command) -> Answer | None:
        if command.expires_at <= instant(self._clock.wall_s()):
            return "expired", "it came too late"
        handler = self._handlers.get(command.kind)
        if handler is None:
            return "refused", f"this program knows no command {command.kind[:40]}"
        try:
            return handler(command.payload)
        except EdgeError as error:
            return "refused", str(error)
        except Exception as error:
            log.exception("command %s failed", command.kind)
            return "refused", f"failed: {error!r}"

    def _run(self) -> None:
        while (command := self._waiting.get()) is not None:
            try:
                self.do(command)
            except Exception:
                # A full disk: the command is not taken, and the server sends it again.
                log.exception("command %s could not be taken", command.kind)


def _parsed(raw: bytes) -> object:
    if len(raw) > MAX_ENVELOPE_BYTES:
        raise CommandRefused("it is too long")
    try:
        return json.loads(raw)
    except ValueError as error:
        raise CommandRefused(f"not a signed command: {error}") from error
