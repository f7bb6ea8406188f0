"""Whether a phone sends even while nobody speaks: only then do missing packets mean a dead line.

Many phones and gateways send nothing in silence (RFC 3551, 4.1; RFC 3389, 4). Who listens to a
prompt on such a phone is silent for long and still there.
"""

from __future__ import annotations

from hotline.sip.g711 import RATE_HZ, Codec, quiet_codes
from hotline.sip.rtp import Packet

STILL_PEAK = 200
"""No sample louder than this (16 bit): what a phone that suppresses silence would not send."""
STILL_SAMPLES = 3 * RATE_HZ
"""Longer than such a phone goes on sending after the last word."""
PAUSE_SAMPLES = RATE_HZ // 2
"""Time that passed without packets though none was lost: the phone suppresses silence."""

_STILL: dict[Codec, bytes] = {law: quiet_codes(law, STILL_PEAK) for law in ("PCMA", "PCMU")}


class Continuity:
    """Hears one call's packets in the order they come."""

    def __init__(self) -> None:
        self._last: Packet | None = None
        self._still_samples = 0
        self._is_shown = False
        self._has_paused = False

    def hear(self, codec: Codec, packet: Packet) -> None:
        """Take in a packet of sound (one byte a sample)."""
        last, self._last = self._last, packet
        if last is None or last.ssrc != packet.ssrc:
            self._still_samples, self._is_shown, self._has_paused = 0, False, False
            return
        sent = (packet.sequence - last.sequence & 0xFFFF) * len(packet.payload)
        unsent = (packet.timestamp - last.timestamp - sent + 0x80000000 & 0xFFFFFFFF) - 0x80000000
        if unsent >= PAUSE_SAMPLES:
            self._has_paused = True
        if unsent != 0 or packet.payload.translate(None, _STILL[codec]):
            self._still_samples = 0
        else:
            self._still_samples += sent
        if self._still_samples >= STILL_SAMPLES:
            self._is_shown = True

    @property
    def sends_silence(self) -> bool:
        """True once it has sent through a silence, and as long as it never paused."""
        return self._is_shown and not self._has_paused
