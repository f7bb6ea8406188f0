"""Wakes players when their manifest changed, brings them commands, and hears who is there.

Nothing rests on it: a wake-up that gets lost costs a player at most one minute, for players also
ask by themselves. The table of manifests knows what was woken, so news that came while the broker
or this process was away is told when it is back.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

import sqlalchemy as sa
import structlog

from broadcast import accounts, commands, players
from broadcast.keys import ServerKey
from broadcast.line import Line
from broadcast.models import ManifestVersion, Player
from core import bell, leases, outbox
from core.clock import utc_now
from core.database import Database
from core.errors import InvalidInput
from core.settings import Settings

BELL = commands.BELL
POLL_S = 1.0
STATES_AT_ONCE = 100
log = structlog.get_logger("broadcast.wake")


class Waker:
    """Background service; works while ``duty`` is ours (None: always).

    Of two processes on one database only one may speak: the broker knows the server by one name.
    """

    name = "waker"

    def __init__(
        self, database: Database, settings: Settings, duty: leases.Duty | None = None
    ) -> None:
        self._database = database
        self._settings = settings
        self._duty = duty
        self._signer = ServerKey.from_settings(settings)
        self._stopped = threading.Event()
        self._line = Line(settings, BELL)
        self._accounts = accounts.Writer(settings)
        self._heard: list[tuple[str, bytes]] = []

    @property
    def connected(self) -> threading.Event:
        """Set while the broker listens to us."""
        return self._line.connected

    def run_forever(self) -> None:
        """Work until ``stop``."""
        with bell.Bell(BELL) as waiting:
            try:
                while not self._stopped.is_set():
                    try:
                        self._look()
                    except sa.exc.SQLAlchemyError as error:
                        log.warning("the waker waits for the database", error=str(error)[:200])
                    except InvalidInput as error:
                        log.error("the broker's settings cannot be used", error=error.text)
                    except OSError as error:
                        log.error("the accounts of the broker cannot be written", error=str(error))
                    waiting.wait(POLL_S)
            finally:
                self._line.close()

    def stop(self) -> None:
        self._stopped.set()
        bell.ring(BELL)

    def _look(self) -> None:
        with self._database.read() as session:
            self._accounts.write_if_changed(session)
        if self._duty is not None and not self._duty.is_ours():
            self._line.close()
            return
        self._line.open()
        self._note_states()
        self._expire_commands()
        if self._line.connected.is_set():
            self._wake_changed()
            self._send_commands()

    def _note_states(self) -> None:
        self._heard += self._line.heard()
        while self._heard:
            with self._database.write() as session:
                changed = [
                    player_id
                    for area_code, player_id, said in _states(self._heard[:STATES_AT_ONCE])
                    if players.set_online(session, area_code, player_id, said)
                ]
                if changed:  # one piece of news: a county comes back from a power cut at once
                    outbox.emit(session, "player.changed", player_ids=changed, presence=True)
            del self._heard[:STATES_AT_ONCE]  # the broker says it once: kept until it is written

    def _wake_changed(self) -> None:
        with self._database.read() as session:
            changed = {
                code: version
                for code, version in session.execute(
                    sa.select(ManifestVersion.area_code, ManifestVersion.version).where(
                        ManifestVersion.version != ManifestVersion.woken_version
                    )
                )
            }
            if not changed:
                return
            boxes = session.scalars(sa.select(Player).where(Player.revoked_at.is_(None))).all()
        at = utc_now().isoformat()
        messages = [
            (
                f"{accounts.prefix(player)}/wake",
                json.dumps({"manifest_version": changed[player.area_code], "at": at}),
            )
            for player in boxes
            if player.area_code in changed
        ]
        if self._line.publish(messages):
            self._note_woken(changed)

    def _note_woken(self, versions: dict[str, int]) -> None:
        now, table = utc_now(), ManifestVersion.__table__
        assert isinstance(table, sa.Table)
        with self._database.write() as session:
            session.connection().execute(
                sa.update(table)
                .where(ManifestVersion.area_code == sa.bindparam("code"))
                .values(woken_at=now, woken_version=sa.bindparam("told")),
                [{"code": code, "told": version} for code, version in versions.items()],
            )

    def _send_commands(self) -> None:
        with self._database.read() as session:
            due = commands.due(session, utc_now())
        messages = [
            (
                f"{accounts.prefix(player)}/command",
                json.dumps(commands.envelope(self._signer, command)),
            )
            for command, player in due
        ]
        if messages and self._line.publish(messages):
            with self._database.write() as session:
                commands.note_sent(session, [command.id for command, _ in due], utc_now())

    def _expire_commands(self) -> None:
        with self._database.read() as session:
            if not commands.any_overdue(session, utc_now()):
                return
        with self._database.write() as session:
            commands.expire(session, utc_now())


def _states(heard: list[tuple[str, bytes]]) -> Iterator[tuple[str, str, bool]]:
    """(area code, player id, whether it is there) of each that is understood."""
    for topic, payload in heard:
        said = _online(payload)
        parts = topic.split("/")
        if said is None or len(parts) != 4:
            log.warning("a state that is not understood", topic=topic[:100])
        else:
            yield parts[1], parts[2], said


def _online(payload: bytes) -> bool | None:
    try:
        said = json.loads(payload)["online"]
    except (ValueError, KeyError, TypeError):
        return None
    return said if isinstance(said, bool) else None
