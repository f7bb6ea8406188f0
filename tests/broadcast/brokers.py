"""Brokers for tests: our own as a child process, and a real Mosquitto beside it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt

from broadcast.__main__ import READY
from tests import counterparts

ROOT = Path(__file__).resolve().parent.parent.parent


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(condition: Callable[[], Any], limit_s: float = 20) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def start_own(data_dir: Path, port: int, **more: str) -> subprocess.Popen[str]:
    """``python -m broadcast broker`` on loopback."""
    environment = {
        **os.environ,
        "XIANGYIN_DATA_DIR": str(data_dir),
        "XIANGYIN_MQTT_HOST": "127.0.0.1",
        "XIANGYIN_MQTT_PORT": str(port),
        **more,
    }
    return subprocess.Popen(
        [sys.executable, "-m", "broadcast", "broker"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextmanager
def own_broker(data_dir: Path, port: int, **more: str) -> Iterator[subprocess.Popen[str]]:
    process = start_own(data_dir, port, **more)
    try:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == READY, process.communicate(timeout=5)
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=10)


@contextmanager
def mosquitto(folder: Path, accounts_folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """A real Mosquitto that takes the account files the server writes."""
    configuration = folder / "mosquitto.conf"
    configuration.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous false\nuser root\n"
        f"password_file {accounts_folder}/mosquitto.passwd\n"
        f"acl_file {accounts_folder}/mosquitto.acl\n"
    )
    with mosquitto_by(configuration, port) as process:
        yield process


@contextmanager
def mosquitto_by(configuration: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """A real Mosquitto by its configuration."""
    program = counterparts.find("mosquitto")
    assert program is not None
    process = subprocess.Popen(
        [program, "-c", str(configuration)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        wait_until(lambda: _listens(port))
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=10)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Ear:
    """A client that remembers what it was told."""

    def __init__(
        self,
        port: int,
        name: str,
        password: str,
        *,
        client_id: str | None = None,
        persistent: bool = False,
        will: tuple[str, str] | None = None,
        authority: Path | None = None,
    ) -> None:
        self.heard: list[tuple[str, str]] = []
        self.refusals: list[str] = []
        self.grants: list[int] = []
        self.client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2,
            client_id=client_id or name,
            clean_session=not persistent,
        )
        self.client.username_pw_set(name, password)
        if authority is not None:
            self.client.tls_set(str(authority))
        if will:
            self.client.will_set(*will, qos=1, retain=True)
        self.client.on_connect = self._connected
        self.client.on_subscribe = lambda _c, _u, _m, codes, _p: self.grants.extend(
            code.value for code in codes
        )
        self.client.on_message = lambda _c, _u, message: self.heard.append(
            (message.topic, message.payload.decode())
        )
        self.client.connect("127.0.0.1", port, keepalive=30)
        self.client.loop_start()

    def _connected(self, _client: Any, _data: Any, _flags: Any, reason: Any, _more: Any) -> None:
        if reason.is_failure:
            self.refusals.append(str(reason))

    @property
    def is_in(self) -> bool:
        return self.client.is_connected()

    def subscribe(self, topic: str) -> int:
        """The answer of the broker: 0-2 granted, 128 refused."""
        before = len(self.grants)
        self.client.subscribe(topic, qos=1)
        wait_until(lambda: len(self.grants) > before)
        return self.grants[-1]

    def say(self, topic: str, text: str, *, retain: bool = False) -> None:
        self.client.publish(topic, text, qos=1, retain=retain).wait_for_publish(5)

    def leave(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def vanish(self) -> None:
        """Cut the line without a word, as a power cut does."""
        self.client.loop_stop()
        line = self.client.socket()
        assert line is not None
        line.close()
