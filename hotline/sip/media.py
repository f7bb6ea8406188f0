"""The sound of one call: packets in, packets out, on the shared clock."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from hotline.call import OnSound
from hotline.sip import g711, rtp
from hotline.sip.clock import TICK_S
from hotline.sip.continuity import Continuity
from hotline.sip.g711 import Codec
from hotline.sip.g722 import Wideband
from hotline.sip.outflow import Outflow
from hotline.sip.prompts import Player
from hotline.sip.recorder import Recorder
from hotline.sip.relay import RelayQueue
from hotline.sip.sdp import NOWHERE, Offer
from hotline.sip.tone_keys import ToneKeys

log = structlog.get_logger(__name__)

PACKETS_AT_ONCE = 32
"""Read at most so many packets of one call before others get their turn."""

DOUBLED_KEY_TICKS = 25
"""A key that comes as telephone event and as SIP INFO within 0.5 s was pressed once."""


@dataclass(frozen=True)
class MediaLimits:
    """How long a call may be without packets, in seconds.

    ``rtp_timeout_s``: on a phone that sends in silence, too; ``unsure_limit_s``: on one of which
    that is not known. There silence is no sign; a call nobody speaks in is ended by the dialogue.
    """

    rtp_timeout_s: float
    unsure_limit_s: float = 180.0
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
        self._continuity = Continuity()
        self._keys = rtp.KeyFilter()
        self._tone_keys: ToneKeys | None = None
        self._keys_by_info = False
        self._last_key = ("", "", -DOUBLED_KEY_TICKS)
        self._offer: Offer | None = None
        self._codecs = dict(g711.STATIC_TYPES)
        self._wideband: Wideband | None = None
        self._far: MediaSession | None = None
        self._from_far = RelayQueue()
        self._outflow: Outflow | None = None
        self._tick = self._quiet_ticks = self._held_ticks = 0
        self.sending = False
        self.packets_heard = 0

    def agree(self, offer: Offer) -> None:
        """Use what an offer or a changed offer says from now on."""
        self._offer = offer
        self._codecs = dict(g711.STATIC_TYPES)
        if offer.codec != "G722":
            self._codecs[offer.payload_type] = offer.codec
            self._wideband = None
        elif self._wideband is None:
            self._wideband = Wideband()
        self._quiet_ticks = self._held_ticks = 0
        self._continuity = Continuity()
        if offer.event_type is not None or self._keys_by_info:
            self._tone_keys = None
        elif self._tone_keys is None:
            self._tone_keys = ToneKeys()
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
        wideband, offer = self._wideband, self._offer
        if wideband is not None and offer is not None and packet.payload_type == offer.payload_type:
            pcm = wideband.decode(packet.payload)
            packet = packet._replace(payload=g711.encode("PCMA", pcm))
            codec = "PCMA"
        if codec is not None and packet.payload:
            self._continuity.hear(codec, packet)
            self._heard_sound(codec, packet)
        elif self._offer is not None and packet.payload_type == self._offer.event_type:
            key = self._keys.key(packet)
            if key is not None:
                self.pressed(key, "rtp")

    def _heard_sound(self, codec: Codec, packet: rtp.Packet) -> None:
        if self._far is not None:
            self._far._from_far.put(codec, packet)
            if self._tone_keys is None:
                return
        pcm = g711.decode(codec, packet.payload)
        if self._far is None:
            self.recorder.hear(packet.ssrc, packet.timestamp, pcm, self._tick)
            if self._outflow is not None and not self._held:
                self._outflow.hear(packet.ssrc, packet.timestamp, pcm, self._tick)
        if self._tone_keys is not None:
            for key in self._tone_keys.hear(pcm):
                self.pressed(key, "sound")

    def hand_out(self, on_sound: OnSound | None) -> None:
        """See hotline.call.Call."""
        self._outflow = None if on_sound is None else Outflow(on_sound)

    @property
    def _held(self) -> bool:
        return self._offer is not None and self._offer.held

    def join(self, far: MediaSession) -> None:
        """Send each what the other says, from now on; neither is recorded meanwhile."""
        for session in (self, far):
            session.part()
            session.player.stop()
            session.recorder.stop("stopped")
            session.recorder.forget()
            session.hand_out(None)
        self._far, far._far = far, self

    def part(self) -> None:
        """End what ``join`` began, for both."""
        far, self._far = self._far, None
        self._from_far.clear()
        if far is not None:
            far.part()

    @property
    def joined(self) -> bool:
        """Whether two callers hear each other here."""
        return self._far is not None

    def pressed(self, key: str, way: str) -> None:
        """A key arrived by ``way``: "rtp", "info" or "sound"; told once when it came two ways."""
        if way == "info":
            self._keys_by_info, self._tone_keys = True, None
        last_key, last_way, last_tick = self._last_key
        doubled = key == last_key and way != last_way
        if not (doubled and self._tick - last_tick < DOUBLED_KEY_TICKS):
            self._last_key = (key, way, self._tick)
            self._on_key(key)

    def beat(self, tick: int) -> None:
        """20 ms passed."""
        self._tick = tick
        if not self.sending:
            return
        offer = self._offer
        if offer is not None:
            self._send(offer)
        held = self._held
        self.recorder.tick(held=held)
        if self._outflow is not None:
            self._outflow.tick(tick)
        if held:
            self._held_ticks += 1
            if self._held_ticks * TICK_S > self._limits.hold_limit_s:
                self._on_lost("hold")
        else:
            self._quiet_ticks += 1
            if self._quiet_ticks * TICK_S > self._quiet_limit_s:
                self._on_lost("network")

    @property
    def _quiet_limit_s(self) -> float:
        known_s = self._limits.rtp_timeout_s
        is_sure = self._continuity.sends_silence
        return known_s if is_sure else max(known_s, self._limits.unsure_limit_s)

    def _send(self, offer: Offer) -> None:
        destination = self.peer.destination
        if offer.held or destination is None:
            self._from_far.clear()
            self._stream.skip(g711.FRAME_SAMPLES)
            return
        codec: Codec = "PCMA" if offer.codec == "G722" else offer.codec
        payload = (
            self.player.next_frame(codec) or self._from_far.frame(codec) or g711.SILENCE[codec]
        )
        if self._wideband is not None:
            payload = self._wideband.encode(g711.decode(codec, payload))
        packet = self._stream.packet(offer.payload_type, payload, g711.FRAME_SAMPLES)
        try:
            self.socket.sendto(packet, destination)
        except OSError:
            return  # a full queue or an unreachable caller; the clock goes on
