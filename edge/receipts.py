"""播出回执: signed, numbered, chained statements of what became of each play."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from edge.clock import iso
from edge.manifest import PlannedPlay
from edge.store import SignedReceipt, Store

FIRST_PREVIOUS_HASH = ""
_BEFORE_ANY_BOX_S = 1_750_000_000  # for a box whose clock has not been set


@dataclass(frozen=True)
class Heard:
    """What the sink really did. ``start_error_ms``: first sample against the planned instant."""

    started_at: datetime
    ended_at: datetime
    start_error_ms: float
    sink: str
    synchronised: bool | None
    file: Path | None


class ReceiptBook:
    """Writes one receipt per play, in the same transaction that ends the play."""

    def __init__(self, store: Store, key: Ed25519PrivateKey, player_id: str) -> None:
        self._store = store
        self._key = key
        self._player_id = player_id
        self._lock = threading.Lock()  # two threads must not take the same number

    def played(self, play: PlannedPlay, heard: Heard, now: datetime) -> bool:
        """The play sounded from its start to its end; False if it had ended before."""
        facts = {
            "started_at": iso(heard.started_at),
            "ended_at": iso(heard.ended_at),
            "start_error_ms": round(heard.start_error_ms, 3),
            "sink": heard.sink,
            "clock_synchronised": heard.synchronised,
        }
        return self._end(play, "played", None, facts, now, heard.file)

    def missed(
        self,
        play: PlannedPlay,
        reason: str,
        now: datetime,
        *,
        sink: str,
        synchronised: bool | None,
    ) -> bool:
        """The play did not sound to its end; False if it had ended before."""
        facts: dict[str, object] = {"started_at": None, "ended_at": None, "start_error_ms": None}
        facts |= {"sink": sink, "clock_synchronised": synchronised}
        return self._end(play, "missed", reason, facts, now, None)

    def _end(
        self,
        play: PlannedPlay,
        outcome: str,
        reason: str | None,
        facts: Mapping[str, object],
        now: datetime,
        file: Path | None,
    ) -> bool:
        with self._lock:
            seq, previous = self._next(now)
            body = {
                "seq": seq,
                "player_id": self._player_id,
                "play_id": play.play_id,
                "revision": play.revision,
                "outcome": outcome,
                "reason": reason,
                "clip_sha256": play.clip.sha256,
                "scheduled_at": iso(play.starts_at),
                **facts,
            }
            receipt = sign(self._key, seq, play.play_id, previous, body)
            return self._store.end_play(receipt, outcome, file)

    def _next(self, now: datetime) -> tuple[int, str]:
        end = self._store.chain_end()
        if end is not None:
            return end[0] + 1, end[1]
        if self._store.fact("memory_lost_at") is not None:
            # The old numbers are unknown. Seconds since 1970 lie above them all, for no box plays
            # more often than once a second; the chain begins again and the server can see it.
            return max(int(now.timestamp()), _BEFORE_ANY_BOX_S), FIRST_PREVIOUS_HASH
        return 1, FIRST_PREVIOUS_HASH


def sign(
    key: Ed25519PrivateKey, seq: int, play_id: int, previous: str, body: dict[str, object]
) -> SignedReceipt:
    """Chain and sign ``body``: the signature is over the hexadecimal hash as ASCII."""
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    digest = hashlib.sha256((previous + text).encode()).hexdigest()
    signature = base64.b64encode(key.sign(digest.encode("ascii"))).decode()
    return SignedReceipt(seq, play_id, text, digest, previous, signature)


def check_chain(receipts: list[SignedReceipt], public_key: Ed25519PublicKey) -> int | None:
    """Number of the first receipt that is not genuine or does not follow its predecessor."""
    previous: str | None = None
    for receipt in receipts:
        digest = hashlib.sha256((receipt.previous_hash + receipt.body).encode()).hexdigest()
        try:
            public_key.verify(base64.b64decode(receipt.signature), receipt.hash.encode("ascii"))
        except (InvalidSignature, ValueError):
            return receipt.seq
        if digest != receipt.hash or (previous is not None and receipt.previous_hash != previous):
            return receipt.seq
        previous = receipt.hash
    return None
