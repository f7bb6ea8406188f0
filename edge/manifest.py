"""What may be sounded: the signed list of plays, verified with the key pinned at enrolment."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from edge.clock import parse
from edge.errors import ManifestRefused

SCHEMA = 1
MAX_CLIP_BYTES = 1 << 30
KINDS = ("programme", "notice", "drill", "emergency", "test")
ON_INTERRUPT = ("resume", "restart", "skip")
LOUD_ALL_DAY = (100,) * 24
ORDERED_IDS = 1_000_000_000
"""Numbers above it are rounds of what somebody ordered to break in; the others come by the plan."""
_LISTED_WHILE_SOUNDING = ("notice", "drill", "emergency", "test")
_START_LATE = timedelta(seconds=10)
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class ClipRef:
    """One sound file, named by its hash."""

    sha256: str
    size_bytes: int
    duration_ms: int
    media_type: str


@dataclass(frozen=True)
class PlannedPlay:
    """播出任务 as the server planned it. ``kind``: of KINDS, ``on_interrupt``: of ON_INTERRUPT."""

    play_id: int
    revision: int
    starts_at: datetime
    make_up_until: datetime
    priority: int
    programme: str
    title: str
    clip: ClipRef
    kind: str = "programme"
    volume_percent: int = 100
    on_interrupt: str = "restart"

    @property
    def is_ordered_notice(self) -> bool:
        """Whether somebody broke in with it, and it is no notice of the plan."""
        return self.kind == "notice" and self.play_id > ORDERED_IDS

    @property
    def may_sound_until(self) -> datetime:
        """When its sound is over at the latest, begun as late as it may be."""
        return self.make_up_until + timedelta(milliseconds=self.clip.duration_ms) + _START_LATE


@dataclass(frozen=True)
class Manifest:
    """All plays of an area from ``issued_at`` to ``valid_until``.

    ``volume_by_hour``: 24 per cents by the local hour; ``player_volume_percent``: by player id.
    ``quiet``: it was ordered for the village; plays that would start meanwhile are left out.
    """

    area_code: str
    version: int
    issued_at: datetime
    valid_until: datetime
    plays: tuple[PlannedPlay, ...]
    volume_by_hour: tuple[int, ...] = LOUD_ALL_DAY
    player_volume_percent: Mapping[str, int] = field(default_factory=dict)
    quiet: bool = False

    def withdraws(self, play: PlannedPlay) -> bool:
        """Whether a play known before is no longer wanted.

        A list names plays until ``make_up_until``: one that was over at the time of issue has
        merely run out, and what became of it is the player's to say. What breaks in is named for
        as long as it may sound, so that it can be called off in its middle.
        """
        listed = any(other.play_id == play.play_id for other in self.plays)
        to_be_named = play.kind in _LISTED_WHILE_SOUNDING
        over_at = play.may_sound_until if to_be_named else play.make_up_until
        return not listed and over_at > self.issued_at

    def volume_percent(self, player_id: str) -> int:
        """How loud this player is to be, 0-100."""
        return self.player_volume_percent.get(player_id, 100)


def key_id(server_key: bytes) -> str:
    """First 16 hexadecimal digits of the SHA-256 of the raw public key."""
    return hashlib.sha256(server_key).hexdigest()[:16]


def verify(envelope: bytes, *, server_key: bytes, area_code: str) -> Manifest:
    """The manifest inside ``envelope``.

    Raises ManifestRefused with the code ``bad_envelope``, ``wrong_key``, ``bad_signature``,
    ``bad_schema`` or ``wrong_area``.
    """
    try:
        outer = json.loads(envelope)
        payload = str(outer["payload"])
        signature = base64.b64decode(outer["signature"], validate=True)
        signer = str(outer["key_id"])
    except (ValueError, KeyError, TypeError, binascii.Error) as error:
        raise ManifestRefused("bad_envelope", f"not a signed manifest: {error}") from error
    if signer != key_id(server_key):
        raise ManifestRefused("wrong_key", "signed with another key than the one pinned here")
    try:
        Ed25519PublicKey.from_public_bytes(server_key).verify(signature, payload.encode())
    except InvalidSignature:
        raise ManifestRefused("bad_signature", "the signature does not fit the content") from None
    try:
        found = _read(json.loads(payload))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ManifestRefused("bad_schema", f"content not understood: {error!r}") from error
    if found.area_code != area_code:
        raise ManifestRefused("wrong_area", f"meant for {found.area_code}, this is {area_code}")
    return found


def check_succession(
    new: Manifest, current: Manifest | None, now: datetime, lies_ahead: Callable[[datetime], bool]
) -> None:
    """Raise ManifestRefused unless ``new`` may replace ``current``.

    The signed time of issue decides: an earlier issue is a replay (``outdated``), and so is the
    same issue with a lower version. A lower version that was issued later is accepted: that is a
    server which came back from a backup. A time of issue that still ``lies_ahead`` was written by
    a clock that ran ahead: then the version alone decides, for a server whose clock was set back
    must be heard at once. What has run out already is ``expired``.
    """
    if new.valid_until <= now:
        raise ManifestRefused("expired", f"valid only until {new.valid_until.isoformat()}")
    if current is None:
        return
    if lies_ahead(current.issued_at) or lies_ahead(new.issued_at):
        is_older = new.version < current.version
    else:
        is_older = (new.issued_at, new.version) < (current.issued_at, current.version)
    if is_older:
        raise ManifestRefused(
            "outdated", f"version {new.version} was issued before {current.version} in force here"
        )


def _read(data: dict[str, Any]) -> Manifest:
    if data["schema"] != SCHEMA:
        raise ValueError(f"schema {data['schema']!r} instead of {SCHEMA}")
    plays = tuple(_read_play(entry) for entry in data["plays"])
    if len({play.play_id for play in plays}) != len(plays):
        raise ValueError("the same play twice")
    return Manifest(
        area_code=str(data["area_code"]),
        version=_whole(data["version"]),
        issued_at=parse(data["issued_at"]),
        valid_until=parse(data["valid_until"]),
        plays=plays,
        volume_by_hour=_read_hours(data.get("volume_by_hour")),
        player_volume_percent={
            str(player_id): _percent(value)
            for player_id, value in data.get("player_volume_percent", {}).items()
        },
        quiet=data.get("quiet") is True,
    )


def _read_hours(value: Any) -> tuple[int, ...]:
    hours = LOUD_ALL_DAY if value is None else tuple(_percent(hour) for hour in value)
    if len(hours) != len(LOUD_ALL_DAY):
        raise ValueError(f"{len(hours)} hours instead of 24")
    return hours


def _read_play(entry: dict[str, Any]) -> PlannedPlay:
    clip = entry["clip"]
    play = PlannedPlay(
        play_id=_whole(entry["play_id"]),
        revision=_whole(entry["revision"]),
        starts_at=parse(entry["starts_at"]),
        make_up_until=parse(entry["make_up_until"]),
        priority=_whole(entry["priority"]),
        programme=str(entry["programme"]),
        title=str(entry["title"]),
        clip=ClipRef(
            sha256=str(clip["sha256"]),
            size_bytes=_whole(clip["size_bytes"]),
            duration_ms=_whole(clip["duration_ms"]),
            media_type=str(clip["media_type"]),
        ),
        kind=_known(entry.get("kind"), KINDS, "programme"),
        volume_percent=_percent(entry.get("volume_percent", 100)),
        on_interrupt=_known(entry.get("on_interrupt"), ON_INTERRUPT, "restart"),
    )
    # The hash becomes a file name, so its shape matters before anything is fetched.
    if not _SHA256.fullmatch(play.clip.sha256):
        raise ValueError("not a SHA-256")
    if not 0 < play.clip.size_bytes <= MAX_CLIP_BYTES or play.clip.duration_ms <= 0:
        raise ValueError("a clip of impossible size")
    return play


def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{value!r} is not a whole number")
    return value


def _percent(value: object) -> int:
    number = _whole(value)
    if not 0 <= number <= 100:
        raise ValueError(f"{number} is no per cent")
    return number


def _known(value: object, words: tuple[str, ...], usual: str) -> str:
    """A word that a later server may use is taken for the usual one."""
    return value if isinstance(value, str) and value in words else usual
