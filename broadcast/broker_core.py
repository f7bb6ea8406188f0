"""amqtt's broker with the doors closed that it leaves open, and fit for a thousand players.

amqtt 0.12 looks up and replaces sessions before it checks passwords, publishes last wills without
asking for rights, tells every newcomer all retained messages, keeps clients whose line is dead for
ever, reads packets of any size, and goes through all subscriptions for each message. Here a client
must use its own name as client id and prove itself first, a will needs the right to its topic,
retained messages reach only those who subscribed to them, silence ends a connection, and a topic
is looked up.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import ssl
from collections import deque
from functools import partial
from typing import Any

import amqtt.broker
import structlog
from amqtt.adapters import (
    ReaderAdapter,
    StreamReaderAdapter,
    StreamWriterAdapter,
    WriterAdapter,
)
from amqtt.broker import Broker, BrokerContext
from amqtt.contexts import Action, ListenerType
from amqtt.errors import MQTTError
from amqtt.mqtt.connack import NOT_AUTHORIZED, ConnackPacket
from amqtt.mqtt.constants import QOS_0, QOS_1, QOS_2
from amqtt.mqtt.protocol.broker_handler import BrokerProtocolHandler
from amqtt.plugins.manager import PluginManager
from amqtt.session import OutgoingApplicationMessage, Session

from broadcast.broker_rights import Accounts

CONNECT_WITHIN_S = 10
CLOSE_WITHIN_S = 2
BACKLOG = 1_024
MAX_UNPROVEN = 500
MAX_PACKET_BYTES = 65_536
KEPT_WHILE_AWAY = 20
SILENCE = 1.5
"""A client may be silent for so many of its keepalives, as MQTT 3.1.1 says."""
LONGEST_SILENCE_S = 900
log = structlog.get_logger("broadcast.broker")


class _CarefulReader(StreamReaderAdapter):  # type: ignore[misc]
    """Hangs up on who announces more bytes than anybody here has to say."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        super().__init__(reader)
        self._other_way = writer

    async def read(self, n: int = -1) -> bytes:
        if not 0 <= n <= MAX_PACKET_BYTES:
            self._other_way.transport.abort()
            raise ConnectionResetError
        found: bytes = await super().read(n)
        return found


class _CarefulWriter(StreamWriterAdapter):  # type: ignore[misc]
    """Closes also when nobody takes the last bytes, or the line has gone already."""

    async def close(self) -> None:
        try:
            async with asyncio.timeout(CLOSE_WITHIN_S):
                await super().close()
        except (OSError, TimeoutError):
            self.abort()

    def abort(self) -> None:
        """Hang up at once."""
        self._writer.transport.abort()


class ProvenHandler(BrokerProtocolHandler):  # type: ignore[misc]
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
        asked_s = session.keep_alive or LONGEST_SILENCE_S
        session.keep_alive = math.ceil(min(asked_s * SILENCE, LONGEST_SILENCE_S))
        return handler, session

    def handle_read_timeout(self) -> None:
        """The line is dead: end it, so that the will is told and messages wait for the next one."""
        self.cut()

    def cut(self) -> None:
        """Hang up without waiting for bytes that nobody takes."""
        if isinstance(self.writer, _CarefulWriter):
            self.writer.abort()


class StationBroker(Broker):  # type: ignore[misc]
    """amqtt's broker; the overrides ask our accounts directly, without giving way to other tasks.

    (While amqtt goes through its subscriptions, another task must not change them.)
    """

    def __init__(self, config: dict[str, Any], known: Accounts, most_connections: int) -> None:
        super().__init__(config)
        self._known = known
        self._most_connections = most_connections
        self._connections = 0
        self._unproven: dict[asyncio.StreamWriter, None] = {}
        self._marks: dict[str, str] = {}
        self._wildcards: set[str] = set()  # only the server may have such, and it has few

    async def _create_server_instance(
        self,
        listener_name: str,
        listener_type: ListenerType,
        address: str | None,
        port: int,
        ssl_context: ssl.SSLContext | None,
    ) -> asyncio.Server:
        return await asyncio.start_server(
            partial(self.stream_connected, listener_name=listener_name),
            address,
            port,
            reuse_address=True,
            backlog=BACKLOG,
            ssl=ssl_context,
            ssl_handshake_timeout=CONNECT_WITHIN_S if ssl_context else None,
        )

    async def stream_connected(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, listener_name: str
    ) -> None:
        """Take a connection; of too many that prove nothing the oldest one goes."""
        if self._connections >= self._most_connections:
            log.warning("too many connections", most=self._most_connections)
            writer.transport.abort()
            return
        self._connections += 1
        self._unproven[writer] = None
        if len(self._unproven) > MAX_UNPROVEN:
            oldest = next(iter(self._unproven))
            del self._unproven[oldest]
            oldest.transport.abort()
        try:
            await self._client_connected(
                listener_name, _CarefulReader(reader, writer), _CarefulWriter(writer)
            )
        except Exception as error:  # one client's trouble is nobody else's
            log.warning("a connection ended badly", error=repr(error)[:200])
            writer.transport.abort()
        finally:
            self._connections -= 1
            self._unproven.pop(writer, None)

    async def _handle_client_session(
        self,
        reader: ReaderAdapter,
        writer: WriterAdapter,
        client_session: Session,
        *more: Any,
    ) -> None:
        self._unproven.pop(writer._writer, None)
        name = client_session.client_id or ""
        self._marks[name] = self._known.mark(name)
        await super()._handle_client_session(reader, writer, client_session, *more)

    async def _authenticate(self, session: Session, _listener: Any) -> bool:
        return True  # ProvenHandler has asked already

    async def cut_strangers(self) -> int:
        """Hang up on all whose account went or changed, and forget what waited for them."""
        gone = [name for name in self._sessions if self._marks.get(name) != self._known.mark(name)]
        for name in gone:
            session, handler = self._sessions[name]
            log.info("account gone: cut", client=name)
            session.will_flag = False
            if isinstance(handler, ProvenHandler):
                handler.cut()
            with contextlib.suppress(Exception):
                await self._cleanup_session(name)
            self._marks.pop(name, None)
        return len(gone)

    async def add_subscription(self, subscription: tuple[str, int], session: Session) -> int:
        """Subscribe; answers the granted QoS or 128."""
        granted: int = await super().add_subscription(subscription, session)
        if granted in (QOS_0, QOS_1, QOS_2) and set("+#") & set(subscription[0]):
            self._wildcards.add(subscription[0])
        return granted

    async def _topic_filtering(self, session: Session, topic: str, action: Action) -> bool:
        return self._known.may(session.username, topic, action)

    async def _publish_retained_messages_for_subscription(
        self, subscription: tuple[str, int], session: Session
    ) -> None:
        """Retained messages, to those who subscribe to them; not once more at each CONNECT."""
        topic, qos = subscription
        if qos == QOS_0 or not self._retained_messages:
            return
        subscribed = self._subscriptions.get(topic, [])
        if any(who.client_id == session.client_id for who, _ in subscribed):
            await super()._publish_retained_messages_for_subscription(subscription, session)

    async def _run_broadcast(
        self, running_tasks: deque[asyncio.Task[OutgoingApplicationMessage]]
    ) -> None:
        """One message to its subscribers: those of the topic itself, and those of wildcards."""
        message = await self._broadcast_queue.get()
        topic = message["topic"]
        filters = [each for each in self._wildcards if self._matches(topic, each)]
        for each in (topic, *filters):
            for session, subscribed_qos in list(self._subscriptions.get(each, ())):
                qos = message.get("qos", subscribed_qos)
                if not self._known.may(session.username, topic, Action.RECEIVE):
                    continue
                if session.transitions.state == "connected":
                    handler = self._get_handler(session)
                    if handler is not None:
                        sending = handler.mqtt_publish(topic, message["data"], qos, retain=False)
                        running_tasks.append(asyncio.ensure_future(sending))
                elif qos and not session.clean_session:
                    await self._retain_broadcast_message(message, qos, session)

    async def _retain_broadcast_message(
        self, broadcast: dict[str, Any], qos: int, target_session: Session
    ) -> None:
        """For a client that is away; the newest few, for all of them say the same: look."""
        while target_session.retained_messages.qsize() >= KEPT_WHILE_AWAY:
            target_session.retained_messages.get_nowait()
        await super()._retain_broadcast_message(broadcast, qos, target_session)


amqtt.broker.BrokerProtocolHandler = ProvenHandler
