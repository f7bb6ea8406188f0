"""Which list of plays a player was given last, and which one it says it holds.

An answer can be lost on its way and a list can be refused: only what a player says it holds counts
as arrived. It says so in its reports of health, and by the tag of the list when it asks for the
next one.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from broadcast.manifest import Manifest
from broadcast.models import ManifestVersion, Player
from core.clock import utc_now


def tag(found: Manifest, key_id: str) -> str:
    """The ETag of a signed list; players name what they hold by it."""
    return f'"{found.version}-{found.etag}-{key_id}"'


def version_of(tag_told: str, key_id: str) -> int | None:
    """The version a player names by a tag of ours; None where it names none."""
    version, _, rest = tag_told.strip('"').partition("-")
    is_ours = rest.endswith(f"-{key_id}") and version.isascii() and version.isdigit()
    return int(version) if is_ours and len(version) < 10 else None


def is_news(player: Player, given: int, held: int | None) -> bool:
    """Whether ``note`` would change anything."""
    arrived = held == given and player.held_list_at != player.manifest_at
    return given != player.manifest_version or arrived


def note(session: Session, player_id: str, given: int, held: int | None) -> None:
    """A player that holds the list ``held`` (None: it did not say) was given ``given`` just now."""
    player = session.get_one(Player, player_id)
    _holds(player, held)
    if given != player.manifest_version:
        player.manifest_version, player.manifest_at = given, utc_now()
    _holds(player, held)


def told(session: Session, player: Player, version: Any) -> None:
    """The version of the list in force, as a report of health names it; nonsense is none.

    The newest list may have been given by another database, before a backup was restored.
    """
    if not isinstance(version, int) or player.approved_at is None:
        return
    if version != player.manifest_version and version == _newest(session, player.area_code):
        player.manifest_version, player.manifest_at = version, utc_now()
    _holds(player, version)


def _holds(player: Player, version: int | None) -> None:
    """A version before the one given last says nothing new: that one has not arrived yet."""
    if version is not None and version == player.manifest_version:
        player.held_list_at = player.manifest_at


def _newest(session: Session, area_code: str) -> int | None:
    return session.scalar(
        sa.select(ManifestVersion.version).where(ManifestVersion.area_code == area_code)
    )
