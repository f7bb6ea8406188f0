"""The embedded MQTT 3.1.1 broker as a process of its own: amqtt with our accounts."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import resource
import signal
import socket
from collections.abc import Callable
from typing import Any

import structlog

from broadcast import accounts
from broadcast.broker_core import StationBroker
from broadcast.broker_rights import opened
from core.errors import N_, InvalidInput
from core.settings import Settings

SESSION_LIVES_S = 7 * 24 * 3600
WATCH_S = 1.0
SHUTDOWN_WITHIN_S = 2
MAX_CONNECTIONS = 5_000
FILES_BESIDE_CONNECTIONS = 100
log = structlog.get_logger("broadcast.broker")


def configuration(settings: Settings) -> dict[str, Any]:
    """amqtt's configuration: one listener, with TLS as soon as there is a certificate."""
    listener: dict[str, Any] = {
        "type": "tcp",
        "bind": f"{settings.mqtt_host}:{settings.mqtt_port}",
    }
    files = accounts.tls_files(settings)
    if files:
        listener |= {"ssl": True, "certfile": str(files[0]), "keyfile": str(files[1])}
    plugin = {"accounts_file": str(accounts.players_file(settings))}
    return {
        "listeners": {"default": listener},
        "session_expiry_interval": SESSION_LIVES_S,
        "plugins": {
            "broadcast.broker_rights.PasswordPlugin": plugin,
            "broadcast.broker_rights.RightsPlugin": plugin,
        },
    }


def main(settings: Settings, ready: Callable[[], None]) -> int:
    """Serve until SIGTERM; ``ready`` is called when listening.

    Raises InvalidInput when the settings cannot work.
    """
    if settings.mqtt_url:
        raise InvalidInput(
            N_("XIANGYIN_MQTT_URL names another broker; none is started here."), field="mqtt_url"
        )
    logging.getLogger("amqtt").setLevel(logging.ERROR)
    logging.getLogger("transitions").setLevel(logging.ERROR)
    return asyncio.run(_serve(settings, ready))


async def _serve(settings: Settings, ready: Callable[[], None]) -> int:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    known = opened(str(accounts.players_file(settings)))
    while not stopping.is_set():
        certificate = _certificate_stamp(settings)
        _try_port(settings)
        most = min(MAX_CONNECTIONS, _open_files() - FILES_BESIDE_CONNECTIONS)
        broker = StationBroker(configuration(settings), known, most)
        await broker.start()
        ready()
        log.info(
            "broker listens",
            port=settings.mqtt_port,
            tls=certificate is not None,
            most_connections=most,
        )
        while not stopping.is_set() and certificate == _certificate_stamp(settings):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), WATCH_S)
            await broker.cut_strangers()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(broker.shutdown(), SHUTDOWN_WITHIN_S)
    return 0


def _open_files() -> int:
    """How many files this process may open; raised to what the system allows."""
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if now != most:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
            now = most
    return MAX_CONNECTIONS * 2 if now == resource.RLIM_INFINITY else now


def _certificate_stamp(settings: Settings) -> tuple[int, ...] | None:
    """Changes when the certificate appears or is renewed: then the listener starts anew."""
    files = accounts.tls_files(settings)
    return tuple(file.stat().st_mtime_ns for file in files) if files else None


def _try_port(settings: Settings) -> None:
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((settings.mqtt_host, settings.mqtt_port))
        except OSError as error:
            raise InvalidInput(
                N_(
                    "The MQTT port %(port)d on %(host)s cannot be used: %(why)s. Stop the program "
                    "that has it, or choose another port with XIANGYIN_MQTT_PORT."
                ),
                field="mqtt_port",
                params={
                    "port": settings.mqtt_port,
                    "host": settings.mqtt_host,
                    "why": error.strerror,
                },
            ) from None
