"""Wakes players when their manifest changed, and hears who is there.

Nothing rests on it: a wake-up that gets lost costs a player at most one minute, for players also
ask by themselves. What was woken is compared with the table of manifests, so news that came while
the broker was away is told when it is back.
"""

from __future__ import annotations

import json
import queue
import ssl
import threading
from typing import Any

import paho.mqtt.client as mqtt
import sqlalchemy as sa
import structlog
from paho.mqtt.enums import CallbackAPIVersion

from broadcast import accounts, players
from broadcast.models import ManifestVersion, Player
from core import bell
from core.clock import utc_now
from core.database import Database
from core.settings import Settings

BELL = "wake"
POLL_S = 2.0
KEEPALIVE_S = 30
RETRY_AT_MOST_S = 3
log = structlog.get_logger("broadcast.wake")


class Waker:
    """Background service: one MQTT 3.1.1 connection, reconnecting by itself."""

    name = "waker"

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings
        self._stopped = threading.Event()
        self._heard: queue.SimpleQueue[tuple[str, bytes]] = queue.SimpleQueue()
        self._woken: dict[str, int] | None = None
        self.connected = threading.Event()

    def run_forever(self) -> None:
        """Work until ``stop``."""
        client = self._client()
        with bell.Bell(BELL) as waiting:
            self._start(client)
            try:
                while not self._stopped.is_set():
                    try:
                        self._note_states()
                        self._wake_changed(client)
                    except sa.exc.SQLAlchemyError as error:
                        log.warning("the waker waits for the database", error=str(error)[:200])
                    waiting.wait(POLL_S)
            finally:
                client.disconnect()
                client.loop_stop()

    def stop(self) -> None:
        self._stopped.set()
        bell.ring(BELL)

    def _client(self) -> mqtt.Client:
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=accounts.SERVER_NAME,
            protocol=mqtt.MQTTv311,
            clean_session=True,
        )
        where = accounts.endpoint(self._settings)
        if where.username:
            client.username_pw_set(where.username, where.password)
        if where.tls:
            client.tls_set_context(self._tls_context())
        client.reconnect_delay_set(1, RETRY_AT_MOST_S)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        return client

    def _tls_context(self) -> ssl.SSLContext:
        if self._settings.mqtt_url:
            return ssl.create_default_context()
        # Our own broker on this machine: its certificate is compared, names do not matter.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        authority = self._settings.data_dir.resolve() / "tls" / "ca.pem"
        files = accounts.tls_files(self._settings)
        if authority.is_file():
            context.load_verify_locations(authority)
        elif files:
            context.load_verify_locations(files[0])
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        return context

    def _start(self, client: mqtt.Client) -> None:
        where = accounts.endpoint(self._settings)
        with self._database.read() as session:
            accounts.write_files(session, self._settings)
        client.connect_async(where.host, where.port, keepalive=KEEPALIVE_S)
        client.loop_start()

    def _on_connect(
        self, client: mqtt.Client, _data: Any, _flags: Any, reason: Any, _properties: Any
    ) -> None:
        if reason.is_failure:
            log.warning("the broker refuses the server", reason=str(reason))
            return
        client.subscribe(f"{accounts.TOPIC_ROOT}/+/+/state", qos=1)
        self.connected.set()
        bell.ring(BELL)

    def _on_disconnect(
        self, _client: mqtt.Client, _data: Any, _flags: Any, reason: Any, _properties: Any
    ) -> None:
        self.connected.clear()
        if not self._stopped.is_set():
            log.warning("the broker is away; players ask by themselves", reason=str(reason))

    def _on_message(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        self._heard.put((message.topic, bytes(message.payload)))
        bell.ring(BELL)

    def _note_states(self) -> None:
        while not self._heard.empty():
            topic, payload = self._heard.get()
            said = _online(payload)
            parts = topic.split("/")
            if said is None or len(parts) != 4:
                log.warning("a state that is not understood", topic=topic)
                continue
            with self._database.write() as session:
                player = session.get(Player, parts[2])
                if player is not None and player.area_code == parts[1]:
                    players.set_online(session, player.id, said)

    def _wake_changed(self, client: mqtt.Client) -> None:
        with self._database.read() as session:
            versions: dict[str, int] = {
                code: version
                for code, version in session.execute(
                    sa.select(ManifestVersion.area_code, ManifestVersion.version)
                )
            }
            if self._woken is None:
                self._woken = versions
            if not self.connected.is_set():
                return
            changed = [code for code, v in versions.items() if self._woken.get(code) != v]
            boxes = session.scalars(
                sa.select(Player).where(Player.area_code.in_(changed), Player.revoked_at.is_(None))
            ).all()
        for player in boxes:
            said = {"manifest_version": versions[player.area_code], "at": utc_now().isoformat()}
            client.publish(f"{accounts.prefix(player)}/wake", json.dumps(said), qos=1)
        self._woken = versions


def _online(payload: bytes) -> bool | None:
    try:
        said = json.loads(payload)["online"]
    except (ValueError, KeyError, TypeError):
        return None
    return said if isinstance(said, bool) else None
