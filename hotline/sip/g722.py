"""G.722 for phones that offer nothing else: 64 kbit/s, heard and spoken at 8 kHz.

Recordings and prompts are 8 kHz, so the upper half of its band is of no use here. RTP counts its
time at 8 kHz as well (RFC 3551, 4.5.2): 20 ms are 160 bytes and 160 ticks, as with G.711.
"""

from __future__ import annotations

from array import array

from G722 import G722

from hotline.sip.g711 import RATE_HZ

BITS_PER_S = 64000


class Wideband:
    """Both directions of one call; what comes next depends on what was before."""

    def __init__(self) -> None:
        self._heard = G722(RATE_HZ, BITS_PER_S)
        self._said = G722(RATE_HZ, BITS_PER_S)

    def decode(self, payload: bytes) -> bytes:
        """G.722 bytes to signed 16-bit little-endian samples at 8 kHz, one for each byte."""
        samples: array[int] = self._heard.decode(payload)
        return samples.tobytes()

    def encode(self, pcm: bytes) -> bytes:
        """Samples as ``decode`` gives them to G.722 bytes."""
        encoded: bytes = self._said.encode(array("h", pcm))
        return encoded
