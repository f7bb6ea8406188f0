"""The demonstration telephone's sound: speaks and presses keys in real time, keeps all it hears."""

from __future__ import annotations

import asyncio
import struct
import time
from collections import deque

from hotline.sip import g711, rtp
from hotline.sip.g711 import Codec

FRAME_S = 0.02
EVENT_TYPE = 101
KEY_PACKETS, KEY_END_PACKETS, KEY_PAUSE_PACKETS = 5, 3, 3
LOUD = 600
"""Samples above this are something to listen to (of 32767)."""


class Datagrams(asyncio.DatagramProtocol):
    """Puts what arrives into a queue."""

    def __init__(self, receive: asyncio.Queue[bytes]) -> None:
        self._queue = receive

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._queue.put_nowait(data)


class Sound:
    """Our side of the sound, sent in real time."""

    def __init__(self, codec: Codec, payload_type: int) -> None:
        self.codec = codec
        self.heard = bytearray()
        self.quiet_s = 0.0
        self.muted = False
        self.sent_at_s = 0.0
        """Monotonic time of the newest packet."""
        self._type = payload_type
        self._stream = rtp.Stream()
        self._frames: deque[bytes] = deque()
        self._keys: deque[bytes] = deque()
        self._transport: asyncio.DatagramTransport | None = None
        self._target: tuple[str, int] = ("", 0)

    async def open(self, host: str) -> int:
        """Bind a UDP port of ``host`` and return it."""
        loop = asyncio.get_running_loop()
        incoming: asyncio.Queue[bytes] = asyncio.Queue()
        self._transport, _ = await loop.create_datagram_endpoint(
            lambda: Datagrams(incoming), local_addr=(host, 0)
        )
        self._incoming = incoming
        port: int = self._transport.get_extra_info("sockname")[1]
        return port

    def say(self, pcm: bytes) -> None:
        """Queue sound."""
        self._frames.extend(g711.frames(self.codec, pcm))

    def press(self, key: str) -> None:
        """Queue a key and the pause after it."""
        event = rtp.KEYS.index(key)
        for sent in range(KEY_PACKETS + KEY_END_PACKETS):
            ended = 0x80 if sent >= KEY_PACKETS else 0
            duration = min(sent + 1, KEY_PACKETS) * g711.FRAME_SAMPLES
            self._keys.append(struct.pack("!BBH", event, ended | 10, duration))
        self._keys.extend([b""] * KEY_PAUSE_PACKETS)

    async def all_sent(self) -> None:
        """Wait until all that was queued has left.

        Counted in packets, not by the clock: on a machine that stalls, the next key would else cut
        off this one.
        """
        while self._keys or self._frames:
            await asyncio.sleep(FRAME_S)

    async def run(self, target: tuple[str, int]) -> None:
        """Send and listen until cancelled."""
        self._target, due = target, time.monotonic()
        while True:
            due += FRAME_S
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            self._hear()
            if not self.muted:
                self._send()

    def _hear(self) -> None:
        level = 0
        while not self._incoming.empty():
            packet = rtp.parse(self._incoming.get_nowait())
            if packet is not None and packet.payload_type == self._type:
                pcm = g711.decode(self.codec, packet.payload)
                self.heard += pcm
                level = max(level, max(map(abs, memoryview(pcm).cast("h")), default=0))
        self.quiet_s = 0.0 if level > LOUD else self.quiet_s + FRAME_S

    def _send(self) -> None:
        if self._transport is None:
            return
        self.sent_at_s = time.monotonic()
        if self._keys and (key := self._keys.popleft()):
            self._send_key(self._transport, key)
            return
        frame = self._frames.popleft() if self._frames else g711.SILENCE[self.codec]
        packet = self._stream.packet(self._type, frame, g711.FRAME_SAMPLES)
        self._transport.sendto(packet, self._target)

    def _send_key(self, transport: asyncio.DatagramTransport, payload: bytes) -> None:
        transport.sendto(self._stream.packet(EVENT_TYPE, payload, 0), self._target)
        if not self._keys[0]:  # the last of this press: its time has passed
            self._stream.skip((KEY_PACKETS + KEY_END_PACKETS) * g711.FRAME_SAMPLES)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()
