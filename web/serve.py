"""Runs the pages (TLS) and the guide (plain HTTP) until told to stop."""

from __future__ import annotations

import asyncio
import errno
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog
import uvicorn

from core.supervisor import EXIT_CONFIGURATION
from web.app import create_app
from web.deps import Services
from web.guide import create_guide
from web.tls import TlsFiles, TlsMisconfigured, ensure

GRACE_S = 2
LOOK_S = 0.1
RENEWAL_S = 12 * 3600
BACKLOG = 512
log = structlog.get_logger("web.serve")


class CannotServe(SystemExit):
    """A port is taken or a certificate unusable: exit code 78, the reason in ``reason``."""

    def __init__(self, reason: str) -> None:
        super().__init__(EXIT_CONFIGURATION)
        self.reason = reason


def listen(host: str, port: int, setting: str) -> socket.socket:
    """A listening socket; CannotServe names the setting when the port is taken or refused."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        raise CannotServe(_why(error, host, port, setting)) from error
    listening.setblocking(False)
    return listening


def _why(error: OSError, host: str, port: int, setting: str) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"port {port} is used by another program; stop that program or choose another port "
            f"with {setting}"
        )
    if error.errno == errno.EACCES:
        return f"this user may not open port {port}; choose one above 1023 with {setting}"
    return f"cannot listen on {host} port {port}: {error.strerror}; see {setting}"


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers: the process has one way to stop, not three."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def serve(
    services: Services,
    stop_event: threading.Event,
    *,
    ready: Callable[[int, int | None], None] | None = None,
) -> None:
    """Serve until ``stop_event`` is set; returns within 3 s of it, open event streams included.

    ``ready(web_port, guide_port)`` is called once when both answer (the guide's port is None
    without TLS). Raises CannotServe (exit code 78) when a port is taken.
    """
    settings = services.settings
    try:
        tls = ensure(settings)
    except TlsMisconfigured as error:
        log.error("cannot serve", reason=str(error))
        raise CannotServe(str(error)) from error
    try:
        web_socket = listen(settings.web_host, settings.web_port, "XIANGYIN_WEB_PORT")
        guide_socket = None
        if tls is not None:
            guide_socket = listen(settings.web_host, settings.guide_port, "XIANGYIN_GUIDE_PORT")
    except CannotServe as error:
        log.error("cannot serve", reason=error.reason)
        raise
    asyncio.run(_run(services, tls, web_socket, guide_socket, stop_event, ready))


async def _run(
    services: Services,
    tls: TlsFiles | None,
    web_socket: socket.socket,
    guide_socket: socket.socket | None,
    stop_event: threading.Event,
    ready: Callable[[int, int | None], None] | None,
) -> None:
    web_config = uvicorn.Config(
        create_app(services),
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=True,
        forwarded_allow_ips=services.settings.trusted_proxies,
        timeout_graceful_shutdown=GRACE_S,
        timeout_keep_alive=20,
        ssl_certfile=tls.certificate if tls else None,
        ssl_keyfile=tls.key if tls else None,
    )
    servers = [(_Server(web_config), web_socket)]
    if guide_socket is not None and tls is not None:
        guide_config = uvicorn.Config(
            create_guide(
                services.settings.model_copy(update={"web_port": _port(web_socket)}), tls.ca
            ),
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=1,
        )
        servers.append((_Server(guide_config), guide_socket))
    running = [asyncio.create_task(each.serve(sockets=[sock])) for each, sock in servers]
    renewal = asyncio.create_task(_keep_certificate(services, web_config))
    try:
        await _until_started([server for server, _ in servers], running)
        if ready is not None:
            ready(_port(web_socket), _port(guide_socket) if guide_socket else None)
        while not stop_event.is_set() and not any(task.done() for task in running):
            await asyncio.sleep(LOOK_S)
    finally:
        renewal.cancel()
        services.hub.close()
        services.live.close()
        for server, _ in servers:
            server.should_exit = True
        await asyncio.gather(*running)


def _port(listening: socket.socket) -> int:
    return int(listening.getsockname()[1])


async def _until_started(servers: list[_Server], running: list[asyncio.Task[None]]) -> None:
    while not all(server.started for server in servers):
        if any(task.done() for task in running):
            return
        await asyncio.sleep(0.02)


async def _keep_certificate(services: Services, config: uvicorn.Config) -> None:
    """Renew in time and present the new certificate without a restart."""
    last = time.monotonic()
    while True:
        await asyncio.sleep(60)
        if time.monotonic() - last < RENEWAL_S:
            continue
        last = time.monotonic()
        try:
            renewed = await asyncio.to_thread(ensure, services.settings)
            if renewed is not None and config.ssl is not None:
                config.ssl.load_cert_chain(renewed.certificate, renewed.key)
        except (OSError, TlsMisconfigured) as error:
            log.error("the certificate could not be renewed", error=str(error))
