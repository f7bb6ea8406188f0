"""The embedded MQTT 3.1.1 broker: amqtt with our accounts, and three of its doors closed.

amqtt 0.12 looks up and replaces sessions before it checks passwords, publishes last wills without
asking for rights, and tells every newcomer all retained messages. Here a client must use its own
name as client id and prove itself first, a will needs the right to its topic, and retained
messages reach only those who subscribed to them.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import amqtt.broker
import structlog
from amqtt.adapters import ReaderAdapter, WriterAdapter
from amqtt.broker import Broker, BrokerContext
from amqtt.contexts import Action, BaseContext
from amqtt.errors import MQTTError
from amqtt.mqtt.connack import NOT_AUTHORIZED, ConnackPacket
from amqtt.mqtt.protocol.broker_handler import BrokerProtocolHandler
from amqtt.plugins.base import BaseAuthPlugin, BaseTopicPlugin
from amqtt.plugins.manager import PluginManager
from amqtt.session import Session

from broadcast import accounts
from core.errors import N_, InvalidInput
from core.settings import Settings

SESSION_LIVES_S = 7 * 24 * 3600
WATCH_S = 1.0
CONNECT_WITHIN_S = 10
SHUTDOWN_WITHIN_S = 2
MAX_CONNECTIONS = 5_000
log = structlog.get_logger("broadcast.broker")


class Accounts:
    """The account file, read again whenever it was replaced."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, int] | None = None
        self._known: dict[str, dict[str, str]] = {}

    def _current(self) -> dict[str, dict[str, str]]:
        try:
            stat = self._path.stat()
            stamp = (stat.st_mtime_ns, stat.st_ino)
            if stamp != self._stamp:
                self._known = json.loads(self._path.read_text(encoding="utf-8"))["accounts"]
                self._stamp = stamp
        except FileNotFoundError:
            self._known = {}
        except (OSError, ValueError, KeyError) as error:
            log.warning("the account file cannot be read; the last one counts", error=str(error))
        return self._known

    def knows(self, name: str | None, password: str | None) -> bool:
        """Whether name and password belong together."""
        account = self._current().get(name or "")
        return account is not None and accounts.fits(password or "", account["password_hash"])

    def may(self, name: str | None, topic: str, action: Action) -> bool:
        """The server may do all below its root; a player hears its own wake, tells its state."""
        account = self._current().get(name or "")
        if account is None:
            return False
        if name == accounts.SERVER_NAME:
            return topic.startswith(accounts.TOPIC_ROOT + "/")
        if action == Action.PUBLISH:
            return topic == f"{account['prefix']}/state"
        own = f"{account['prefix']}/"
        return topic.startswith(own) and "+" not in topic


_opened: dict[str, Accounts] = {}


def _accounts(path: str) -> Accounts:
    return _opened.setdefault(path, Accounts(Path(path)))


@dataclass
class _PluginConfig:
    """What amqtt hands to the plug-ins."""

    accounts_file: str = ""


class PasswordPlugin(BaseAuthPlugin):  # type: ignore[misc]
    """Lets in who has an account, under the own name as client id, with a will of the own."""

    Config = _PluginConfig

    def __init__(self, context: BaseContext) -> None:
        super().__init__(context)
        self._accounts = _accounts(self._get_config_option("accounts_file"))

    async def authenticate(self, *, session: Session) -> bool:
        name = session.username
        if session.client_id != name or not self._accounts.knows(name, session.password):
            log.warning("refused", client=str(session.client_id)[:60], user=str(name)[:60])
            return False
        will = session.will_topic if session.will_flag else None
        if will and not self._accounts.may(name, will, Action.PUBLISH):
            log.warning("refused: last will on a foreign topic", user=name, topic=will[:100])
            return False
        return True


class RightsPlugin(BaseTopicPlugin):  # type: ignore[misc]
    """Each player has its own topics alone."""

    Config = _PluginConfig

    def __init__(self, context: BaseContext) -> None:
        super().__init__(context)
        self._accounts = _accounts(self._get_config_option("accounts_file"))

    async def topic_filtering(
        self,
        *,
        session: Session | None = None,
        topic: str | None = None,
        action: Action | None = None,
    ) -> bool:
        if session is None or topic is None or action is None:
            return False
        return self._accounts.may(session.username, topic, action)


class _ProvenHandler(BrokerProtocolHandler):  # type: ignore[misc]
    """Reads CONNECT within a limit and asks for the password before any session is touched."""

    @classmethod
    async def init_from_connect(
        cls,
        reader: ReaderAdapter,
        writer: WriterAdapter,
        plugins_manager: PluginManager[BrokerContext],
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> tuple[BrokerProtocolHandler, Session]:
        try:
            async with asyncio.timeout(CONNECT_WITHIN_S):
                handler, session = await super().init_from_connect(
                    reader, writer, plugins_manager, loop
                )
        except Exception as error:  # anything may come from the network; MQTTError closes it
            raise MQTTError(f"no proper CONNECT: {error!r}") from error
        answers = await plugins_manager.map_plugin_auth(session=session)
        if not answers or not all(answers.values()):
            await ConnackPacket.build(0, NOT_AUTHORIZED).to_stream(writer)
            raise MQTTError("name or password refused")
        return handler, session


class StationBroker(Broker):  # type: ignore[misc]
    """amqtt's broker; the overrides ask our accounts directly, without giving way to other tasks.

    (While amqtt goes through its subscriptions, another task must not change them.)
    """

    def __init__(self, config: dict[str, Any], known: Accounts) -> None:
        super().__init__(config)
        self._known = known

    async def _topic_filtering(self, session: Session, topic: str, action: Action) -> bool:
        return self._known.may(session.username, topic, action)

    async def _publish_retained_messages_for_subscription(
        self, subscription: tuple[str, int], session: Session
    ) -> None:
        subscribed = self.subscriptions.get(subscription[0], [])
        if any(who.client_id == session.client_id for who, _ in subscribed):
            await super()._publish_retained_messages_for_subscription(subscription, session)


amqtt.broker.BrokerProtocolHandler = _ProvenHandler


def configuration(settings: Settings) -> dict[str, Any]:
    """amqtt's configuration: one listener, with TLS as soon as there is a certificate."""
    listener: dict[str, Any] = {
        "type": "tcp",
        "bind": f"{settings.mqtt_host}:{settings.mqtt_port}",
        "max_connections": MAX_CONNECTIONS,
    }
    files = accounts.tls_files(settings)
    if files:
        listener |= {"ssl": True, "certfile": str(files[0]), "keyfile": str(files[1])}
    plugin = {"accounts_file": str(accounts.players_file(settings))}
    return {
        "listeners": {"default": listener},
        "session_expiry_interval": SESSION_LIVES_S,
        "plugins": {
            "broadcast.broker.PasswordPlugin": plugin,
            "broadcast.broker.RightsPlugin": plugin,
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
    known = _accounts(str(accounts.players_file(settings)))
    while not stopping.is_set():
        certificate = _certificate_stamp(settings)
        _try_port(settings)
        broker = StationBroker(configuration(settings), known)
        await broker.start()
        ready()
        log.info("broker listens", port=settings.mqtt_port, tls=certificate is not None)
        while not stopping.is_set() and certificate == _certificate_stamp(settings):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), WATCH_S)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(broker.shutdown(), SHUTDOWN_WITHIN_S)
    return 0


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
