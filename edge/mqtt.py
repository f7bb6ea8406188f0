"""Waking by MQTT 3.1.1. Nothing rests on it: without a broker the box polls."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from edge import __version__
from edge.config import Broker

log = logging.getLogger(__name__)
_KEEPALIVE_S = 30
_GOODBYE_S = 0.4


class WakeLine:
    """Calls ``wake`` when the server has news, and tells everybody whether the box is there."""

    def __init__(
        self, broker: Broker, player_id: str, ca_file: Path | None, wake: Callable[[], None]
    ) -> None:
        self._broker = broker
        self._wake = wake
        self._state_topic = f"{broker.prefix}/state"
        self.connected = threading.Event()
        # A persistent session under a fixed name: wake-ups sent meanwhile wait at the broker.
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=player_id,
            clean_session=False,
            protocol=paho.MQTTv311,
        )
        self._client.username_pw_set(broker.username, broker.password)
        if broker.tls:
            self._client.tls_set(ca_certs=str(ca_file) if ca_file else None)
        self._client.will_set(self._state_topic, _state(online=False), qos=1, retain=True)
        self._client.reconnect_delay_set(1, 30)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message

    def start(self) -> None:
        """Connect in the background, and again whenever the line breaks."""
        self._client.connect_async(self._broker.host, self._broker.port, _KEEPALIVE_S)
        self._client.loop_start()

    def stop(self) -> None:
        """Say goodbye (a clean end sends no last will) and hang up."""
        if self.connected.is_set():
            leaving = self._client.publish(self._state_topic, _state(online=False), 1, retain=True)
            try:
                leaving.wait_for_publish(_GOODBYE_S)
            except (RuntimeError, ValueError):
                log.info("the broker did not hear the goodbye")
        self._client.disconnect()
        # paho waits for its thread without a limit, even while that one waits for a dead host.
        ending = threading.Thread(target=self._client.loop_stop, daemon=True)
        ending.start()
        ending.join(_GOODBYE_S)

    def _on_connect(self, client: paho.Client, *arguments: Any) -> None:
        reason = arguments[2]
        if reason.is_failure:
            log.warning("the broker refused: %s", reason)
            return
        client.subscribe(f"{self._broker.prefix}/wake", qos=1)
        client.publish(self._state_topic, _state(online=True), qos=1, retain=True)
        self.connected.set()
        self._wake()  # what happened while the line was down

    def _on_disconnect(self, _client: paho.Client, *arguments: Any) -> None:
        self.connected.clear()
        log.info("the line to the broker ended: %s", arguments[2])

    def _on_message(self, _client: paho.Client, *_arguments: Any) -> None:
        self._wake()


def _state(*, online: bool) -> str:
    return json.dumps({"online": online, "version": __version__} if online else {"online": False})
