"""The sound of one call: packets in, packets out, on the shared clock."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from hotline.sip import g711, rtp
from hotline.sip.clock import TICK_S
from hotline.sip.g711 import Codec
from hotline.sip.prompts import Player
from hotline.sip.recorder import Recorder
from hotline.sip.sdp import NOWHERE, Offer

log = structlog.get_logger(__name__)

PACKETS_AT_ONCE = 32
"""Read at most so many packets of one call before others get their turn."""

DOUBLED_KEY_TICKS = 25
"""A key that comes as telephone event and as SIP INFO within 0.5 s was pressed once."""


@dataclass(frozen=True)
class MediaLimits:
    """How long a call may be without sound, in seconds."""

    rtp_timeout_s: float
    hold_limit_s: float = 120.0


class MediaSession:
    """Sends and hears one call's RTP; tells keys, and ``on_lost`` with "network" or "hold"."""

    def __init__(
        self,
        opened: socket.socket,
        peer: rtp.Peer,
        player: Player,
        recorder: Recorder,
        limits: MediaLimits,
        *,
        on_key: Callable[[str], None],
        on_lost: Callable[[str], None],
    ) -> None:
        self.socket = opened
        self.player = player
        self.recorder = recorder
        self.peer = peer
        self._limits = limits
        self._on_key = on_key
        self._on_lost = on_lost
        self._stream = rtp.Stream()
        self._keys = rtp.KeyFilter()
        self._last_key = ("", "", -DOUBLED_KEY_TICKS)
        self._offer: Offer | None = None
        self._codecs: dict[int, Codec] = {}
        self._tick = self._quiet_ticks = self._held_ticks = 0
        self.sending = False
        self.packets_heard = 0

    def agree(self, offer: Offer) -> None:
        """Use what an offer or a changed offer says from now on."""
        self._offer = offer
        self._codecs = {**g711.STATIC_TYPES, offer.payload_type: offer.codec}
        self._quiet_ticks = self._held_ticks = 0
        self.recorder.source_changed()
        if offer.address != NOWHERE and not self.peer.offered((offer.address, offer.port)):
            log.warning(
                "media address not allowed; see XIANGYIN_MEDIA_NETWORKS", address=offer.address
            )

    def readable(self) -> None:
        """Take in the packets that wait."""
        for _ in range(PACKETS_AT_ONCE):
            try:
                data, source = self.socket.recvfrom(2048)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                continue  # an ICMP answer to something we sent
            self._heard(data, source)

    def _heard(self, data: bytes, source: rtp.Address) -> None:
        packet = rtp.parse(data)
        if packet is None or not self.peer.accepts(source, self._tick):
            return
        self._quiet_ticks = 0
        self.packets_heard += 1
        codec = self._codecs.get(packet.payload_type)
        if codec is not None and packet.payload:
            pcm = g711.decode(codec, packet.payload)
            self.recorder.hear(packet.ssrc, packet.timestamp, pcm, self._tick)
        elif self._offer is not None and packet.payload_type == self._offer.event_type:
            key = self._keys.key(packet)
            if key is not None:
                self.pressed(key, "rtp")

    def pressed(self, key: str, way: str) -> None:
        """A key arrived by ``way`` ("rtp" or "info"); told once when it came both ways."""
        last_key, last_way, last_tick = self._last_key
        doubled = key == last_key and way != last_way
        if not (doubled and self._tick - last_tick < DOUBLED_KEY_TICKS):
            self._last_key = (key, way, self._tick)
            self._on_key(key)

    def beat(self, tick: int) -> None:
        """20 ms passed."""
        self._tick = tick
        offer = self._offer
        if offer is None or not self.sending:
            return
        self._send(offer)
        self.recorder.tick(held=offer.held)
        if offer.held:
            self._held_ticks += 1
            if self._held_ticks * TICK_S > self._limits.hold_limit_s:
                self._on_lost("hold")
        else:
            self._quiet_ticks += 1
            if self._quiet_ticks * TICK_S > self._limits.rtp_timeout_s:
                self._on_lost("network")

    def _send(self, offer: Offer) -> None:
        destination = self.peer.destination
        if offer.held or destination is None:
            self._stream.skip(g711.FRAME_SAMPLES)
            return
        payload = self.player.next_frame(offer.codec) or g711.SILENCE[offer.codec]
        packet = self._stream.packet(offer.payload_type, payload, g711.FRAME_SAMPLES)
        try:
            self.socket.sendto(packet, destination)
        except OSError:
            return  # a full queue or an unreachable caller; the clock goes on
