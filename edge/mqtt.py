"""Waking and commands by MQTT 3.1.1. Nothing rests on it: without a broker the box polls.

Boxes of a whole county lose a broker in the same second. They come back one by one: each draws
its own pauses, and looks what it missed some moments after it is back.
"""

from __future__ import annotations

import json
import logging
import random
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from edge import __version__, trust
from edge.config import Broker

log = logging.getLogger(__name__)
_KEEPALIVE_S = 30
_GOODBYE_S = 0.4
_FIRST_RETRY_S = (0.5, 2.5)
_LONGEST_RETRY_S = (20.0, 40.0)
_LOOK_AFTER_S = 10.0
_NOT_LET_IN = (0x86, 0x87)  # bad user name or password, not authorized


class WakeLine:
    """Calls ``wake`` when the server has news, and tells everybody whether the box is there.

    ``command`` gets the envelope of a command as it came, not verified; it may come again.
    """

    def __init__(
        self,
        broker: Broker,
        player_id: str,
        ca_file: Path | None,
        wake: Callable[[], None],
        command: Callable[[bytes], None] | None = None,
    ) -> None:
        self._broker = broker
        self._wake = wake
        self._command = command
        self._command_topic = f"{broker.prefix}/command"
        self._was_connected = self._was_refused = False
        self._look: threading.Timer | None = None
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
            self._client.tls_set_context(trust.of_broker(broker.ca, ca_file))
        self._client.will_set(self._state_topic, _state(online=False), qos=1, retain=True)
        self._client.reconnect_delay_set(
            random.uniform(*_FIRST_RETRY_S),  # type: ignore[arg-type]  # paho only adds it to a time
            random.uniform(*_LONGEST_RETRY_S),  # type: ignore[arg-type]
        )
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message

    def start(self) -> None:
        """Connect in the background, and again whenever the line breaks."""
        self._client.connect_async(self._broker.host, self._broker.port, _KEEPALIVE_S)
        self._client.loop_start()

    def stop(self) -> None:
        """Say goodbye (a clean end sends no last will) and hang up."""
        if self._look is not None:
            self._look.cancel()
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
            if reason.value in _NOT_LET_IN and not self._was_refused:
                self._was_refused = True
                self._wake()  # perhaps a person shut the box out: the server tells
            return
        self._was_refused = False
        client.subscribe([(f"{self._broker.prefix}/wake", 1), (self._command_topic, 1)])
        client.publish(self._state_topic, _state(online=True), qos=1, retain=True)
        self.connected.set()
        self._look_soon()

    def _look_soon(self) -> None:
        """What happened while the line was down; at the start of the box at once."""
        if not self._was_connected:
            self._was_connected = True
            self._wake()
            return
        if self._look is not None:
            self._look.cancel()
        self._look = threading.Timer(random.uniform(0, _LOOK_AFTER_S), self._wake)
        self._look.daemon = True
        self._look.start()

    def _on_disconnect(self, _client: paho.Client, *arguments: Any) -> None:
        self.connected.clear()
        log.info("the line to the broker ended: %s", arguments[2])

    def _on_message(self, _client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        if message.topic != self._command_topic:
            self._wake()
        elif self._command is not None:
            try:
                self._command(bytes(message.payload))
            except Exception:
                log.exception("a command could not be taken in; it comes again")


def _state(*, online: bool) -> str:
    return json.dumps({"online": online, "version": __version__} if online else {"online": False})
