"""The server's own line to the broker: one MQTT 3.1.1 connection that comes back by itself."""

from __future__ import annotations

import queue
import ssl
import threading
import time
from typing import Any

import paho.mqtt.client as mqtt
import structlog
from paho.mqtt.enums import CallbackAPIVersion

from broadcast import accounts
from core import bell
from core.settings import Settings

KEEPALIVE_S = 30
RETRY_AT_MOST_S = 3
IN_FLIGHT = 200
TAKEN_WITHIN_S = 5.0
GOODBYE_S = 2.0
log = structlog.get_logger("broadcast.line")


class Line:
    """Publishes, and collects the states players tell; rings ``bell_name`` when there is news."""

    def __init__(self, settings: Settings, bell_name: str) -> None:
        self._settings = settings
        self._bell_name = bell_name
        self._heard: queue.SimpleQueue[tuple[str, bytes]] = queue.SimpleQueue()
        self._client: mqtt.Client | None = None
        self.connected = threading.Event()

    def open(self) -> None:
        """Begin to connect, if that was not done yet."""
        if self._client is not None:
            return
        where = accounts.endpoint(self._settings)
        self._client = self._new_client(where)
        self._client.connect_async(where.host, where.port, keepalive=KEEPALIVE_S)
        self._client.loop_start()

    def close(self) -> None:
        """Hang up; does nothing on a line that is not open."""
        client, self._client = self._client, None
        if client is None:
            return
        self.connected.clear()
        client.disconnect()
        # paho waits for its thread without a limit, even while that one waits for a dead host.
        ending = threading.Thread(target=client.loop_stop, daemon=True)
        ending.start()
        ending.join(GOODBYE_S)

    def heard(self) -> list[tuple[str, bytes]]:
        """(topic, payload) of what came since the last call, in order."""
        found = []
        while not self._heard.empty():
            found.append(self._heard.get())
        return found

    def publish(self, messages: list[tuple[str, str]]) -> bool:
        """Give (topic, text) pairs to the broker; whether it took all of them (QoS 1)."""
        client = self._client
        if client is None or not self.connected.is_set():
            return False
        sent = [client.publish(topic, text, qos=1) for topic, text in messages]
        until = time.monotonic() + TAKEN_WITHIN_S
        try:
            for each in sent:
                each.wait_for_publish(max(0.0, until - time.monotonic()))
        except (RuntimeError, ValueError):
            return False
        return all(each.is_published() for each in sent)

    def _new_client(self, where: accounts.Endpoint) -> mqtt.Client:
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=accounts.SERVER_NAME,
            protocol=mqtt.MQTTv311,
            clean_session=True,
        )
        if where.username:
            client.username_pw_set(where.username, where.password)
        if where.tls:
            client.tls_set_context(self._tls_context())
        client.max_inflight_messages_set(IN_FLIGHT)
        client.reconnect_delay_set(1, RETRY_AT_MOST_S)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        return client

    def _tls_context(self) -> ssl.SSLContext:
        private = accounts.authority(self._settings)
        if private is not None:
            return ssl.create_default_context(cadata=private or None)
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

    def _on_connect(
        self, client: mqtt.Client, _data: Any, _flags: Any, reason: Any, _properties: Any
    ) -> None:
        if reason.is_failure:
            log.warning("the broker refuses the server", reason=str(reason))
            return
        client.subscribe(f"{accounts.TOPIC_ROOT}/+/+/state", qos=1)
        self.connected.set()
        bell.ring(self._bell_name)

    def _on_disconnect(
        self, client: mqtt.Client, _data: Any, _flags: Any, reason: Any, _properties: Any
    ) -> None:
        if client is self._client:
            self.connected.clear()
            log.warning("the broker is away; players ask by themselves", reason=str(reason))

    def _on_message(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        self._heard.put((message.topic, bytes(message.payload)))
        bell.ring(self._bell_name)
