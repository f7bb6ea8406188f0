"""播出回执: signed, numbered, chained statements of what became of each play."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from edge.clock import iso, parse
from edge.manifest import PlannedPlay
from edge.plan import GRACE_S
from edge.store import SignedReceipt, Store

FIRST_PREVIOUS_HASH = ""
_WORTH_TELLING_MS = 500
_BEFORE_ANY_BOX_S = 1_750_000_000  # for a box whose clock has not been set


@dataclass(frozen=True)
class Heard:
    """What the sink really did. ``start_error_ms``: first sample against the planned instant.

    ``clock_source``: ``machine``, or ``server`` while its time is used for a clock nobody keeps.
    ``loudness_dbfs``: mean square of what was handed to the sink (see ``volume.dbfs``).
    ``volume_percent``: what the clip's samples were multiplied by at the beginning.
    ``interrupted_ms``: silence between first and last sample, by interruption or a lost device.
    ``end_unseen_ms``: how much of the end was still to come when the box was last seen alive.
    """

    started_at: datetime
    ended_at: datetime
    start_error_ms: float
    sink: str
    synchronised: bool | None
    file: Path | None
    clock_max_error_ms: float | None = None
    clock_estimated_error_ms: float | None = None
    clock_source: str = "machine"
    loudness_dbfs: float | None = None
    volume_percent: float | None = None
    interrupted_ms: float = 0.0
    end_unseen_ms: float = 0.0


class ReceiptBook:
    """Writes one receipt per play, in the same transaction that ends the play."""

    def __init__(
        self,
        store: Store,
        key: Ed25519PrivateKey,
        player_id: str,
        clock_signs: Callable[[], Mapping[str, object]] = dict,
    ) -> None:
        """``clock_signs``: how sure the time is at present, for what was not heard."""
        self._store = store
        self._clock_signs = clock_signs
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
            "clock_max_error_ms": _rounded(heard.clock_max_error_ms, 3),
            "clock_estimated_error_ms": _rounded(heard.clock_estimated_error_ms, 3),
            "clock_source": heard.clock_source,
            "loudness_dbfs": _rounded(heard.loudness_dbfs, 2),
            "volume_percent": _rounded(heard.volume_percent, 1),
            "interrupted_ms": round(heard.interrupted_ms),
            "end_unseen_ms": round(heard.end_unseen_ms),
        }
        return self._end(play, "played", None, facts, now, heard.file)

    def missed(
        self,
        play: PlannedPlay,
        reason: str,
        now: datetime,
        *,
        sink: str,
    ) -> bool:
        """The play did not sound to its end; False if it had ended before."""
        facts: dict[str, object] = {"started_at": None, "ended_at": None, "start_error_ms": None}
        facts |= {"sink": sink, "clock_synchronised": None, **self._clock_signs()}
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


def told(body: Mapping[str, Any]) -> str:
    """What a receipt proves, in words: ``played 340 s late, silent for 12 s in between``."""
    if body["outcome"] != "played":
        return f"missed: {body['reason']}"
    late_s = round((parse(body["started_at"]) - parse(body["scheduled_at"])).total_seconds())
    notes = [
        f"{late_s} s late" if late_s > GRACE_S else "",
        f"silent for {body['interrupted_ms'] / 1000:.0f} s in between"
        if body.get("interrupted_ms", 0) >= _WORTH_TELLING_MS
        else "",
        f"its last {body['end_unseen_ms'] / 1000:.0f} s are not proved"
        if body.get("end_unseen_ms", 0) >= _WORTH_TELLING_MS
        else "",
    ]
    return f"played {', '.join(filter(None, notes))}".rstrip()


def _rounded(number: float | None, digits: int) -> float | None:
    return None if number is None else round(number, digits)


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
