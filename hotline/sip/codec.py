"""Names and numbers of the codecs we speak. No tables here: signalling need not load them."""

from __future__ import annotations

from typing import Literal

Codec = Literal["PCMA", "PCMU"]

STATIC_TYPES: dict[int, Codec] = {8: "PCMA", 0: "PCMU"}
"""RTP payload types that need no rtpmap (RFC 3551, table 4)."""
