"""Programs for players: a wheel is checked, signed with the key players have pinned, and offered.

The signature covers version, hash and size. Going back to an older version needs a signature of
its own, which only ``roll_out`` with ``allow_downgrade`` makes: a stored one cannot be replayed.
"""

from __future__ import annotations

import email
import io
import lzma
import re
import zipfile
import zlib
from collections.abc import Collection
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from broadcast import commands
from broadcast.keys import ServerKey
from broadcast.models import Player, PlayerCommand, PlayerRelease
from core import areas, audit, blobs
from core.auth import Actor
from core.blobs import BlobStore
from core.clock import utc_now
from core.errors import N_, Conflict, Forbidden, InvalidInput, NotFound

MAX_BYTES = 20_000_000
MEDIA_TYPE = "application/zip"
DISTRIBUTION = "xiangyin-edge"
OFFER_LIVES = timedelta(days=3)
"""A player that is away longer than this is asked again by a person."""
_UNREADABLE = (
    ValueError,
    KeyError,
    OSError,
    EOFError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
)
"""What reading a damaged or a locked archive raises."""
_VERSION = re.compile(r"\d{1,6}(\.\d{1,6}){0,3}")


def signed_text(version: str, sha256: str, size_bytes: int, *, downgrade: bool = False) -> str:
    """What a release's signature is over; players know the same form."""
    kind = "downgrade" if downgrade else "release"
    return f"xiangyin-edge {kind}\n{version}\n{sha256}\n{size_bytes}"


def order(version: str) -> tuple[int, ...]:
    """Versions as numbers, so that 0.10 comes after 0.9."""
    numbers = [int(part) for part in version.split(".")]
    return tuple(numbers + [0] * (4 - len(numbers)))


def add(
    session: Session, store: BlobStore, signer: ServerKey, actor: Actor | None, wheel: bytes
) -> PlayerRelease:
    """Keep and sign a wheel; ``actor`` None: the keeper of the server, by command line.

    The same wheel twice changes nothing. Raises InvalidInput for what is no wheel of the player,
    Conflict when the version exists with other content, Forbidden below the topmost area.
    """
    if actor is not None:
        _require_top(session, actor)
    version = version_of(wheel)
    sha256 = store.put_bytes(wheel)
    known = session.get(PlayerRelease, version)
    if known is not None:
        if known.sha256 != sha256:
            raise Conflict(
                N_("Version %(version)s is here already with other content. Give it a new number."),
                field="wheel",
                params={"version": version},
            )
        known.withdrawn_at = None
        return known
    blobs.register(session, store, sha256, MEDIA_TYPE)
    release = PlayerRelease(
        version=version,
        sha256=sha256,
        size_bytes=len(wheel),
        signature=signer.sign(signed_text(version, sha256, len(wheel))),
        added_by_id=actor.id if actor else None,
        added_at=utc_now(),
    )
    session.add(release)
    session.flush()
    login = actor.login if actor else "keeper"
    audit.record(session, login, "release.add", f"release:{version}", sha256=sha256)
    return release


def version_of(wheel: bytes) -> str:
    """The version a wheel of the player names; InvalidInput for anything else."""
    if len(wheel) > MAX_BYTES:
        raise InvalidInput(
            N_("The file is larger than %(limit_mb)d MB."),
            field="wheel",
            params={"limit_mb": MAX_BYTES // 1_000_000},
        )
    try:
        with zipfile.ZipFile(io.BytesIO(wheel)) as found:
            (name,) = (each for each in found.namelist() if each.endswith(".dist-info/METADATA"))
            told = email.message_from_bytes(found.read(name))
            begins = found.read("edge/__init__.py").decode()
            is_whole = found.testzip() is None
    except _UNREADABLE:
        raise _no_wheel() from None
    version = str(told["Version"])
    if told["Name"] != DISTRIBUTION or not _VERSION.fullmatch(version) or not is_whole:
        raise _no_wheel()
    if f'__version__ = "{version}"' not in begins:
        raise _no_wheel()
    return version


def may_keep(session: Session, actor: Actor) -> bool:
    """Whether the actor may add and withdraw releases: they are for players of all areas."""
    return actor.may("speaker.edit") and areas.is_top(session, actor.area_code)


def _require_top(session: Session, actor: Actor) -> None:
    actor.require("speaker.edit")
    if not may_keep(session, actor):
        raise Forbidden(
            N_("Only the administrator of the topmost area adds and withdraws programs: ask there.")
        )


def offered(session: Session) -> list[PlayerRelease]:
    """Releases that players may get, the newest first."""
    query = sa.select(PlayerRelease).where(PlayerRelease.withdrawn_at.is_(None))
    return sorted(session.scalars(query), key=lambda found: order(found.version), reverse=True)


def find(session: Session, version: str) -> PlayerRelease:
    """A release that players may get; NotFound for any other."""
    release = session.get(PlayerRelease, version)
    if release is None or release.withdrawn_at is not None:
        raise NotFound(N_("There is no such release."))
    return release


def withdraw(session: Session, actor: Actor, version: str) -> PlayerRelease:
    """Offer it no more. Players that run it go on running it. Forbidden below the topmost area."""
    _require_top(session, actor)
    release = find(session, version)
    release.withdrawn_at = utc_now()
    audit.record(session, actor.login, "release.withdraw", f"release:{version}")
    return release


def roll_out(
    session: Session,
    signer: ServerKey,
    actor: Actor,
    version: str,
    player_ids: Collection[str],
    *,
    allow_downgrade: bool = False,
) -> list[PlayerCommand]:
    """Ask players to change to a release; those that run it already are left alone.

    An older version than the player's is only sent with ``allow_downgrade``.
    """
    actor.require("speaker.edit")
    release = find(session, version)
    own = actor.reach(session)
    chosen = sa.select(Player).where(Player.id.in_(player_ids), Player.revoked_at.is_(None))
    players = {player.id: player for player in session.scalars(chosen) if player.area_code in own}
    asked = []
    for player_id in player_ids:
        player = players.get(player_id)
        if player is None:
            raise NotFound(N_("There is no such player."))
        if player.version == version:
            continue
        is_older = _is_older(version, player.version)
        if is_older and not allow_downgrade:
            raise InvalidInput(
                N_("%(name)s runs a newer version; say that it is to go back."),
                field="version",
                params={"name": player.name},
            )
        payload = _payload(signer, release, downgrade=is_older)
        asked.append(commands.request(session, actor, player_id, "update", payload, OFFER_LIVES))
    subject = f"release:{version}"
    audit.record(session, actor.login, "release.roll_out", subject, players=len(asked))
    return asked


def _payload(signer: ServerKey, release: PlayerRelease, *, downgrade: bool) -> dict[str, object]:
    payload: dict[str, object] = {
        "version": release.version,
        "sha256": release.sha256,
        "size_bytes": release.size_bytes,
        "signature": release.signature,
    }
    if downgrade:
        text = signed_text(release.version, release.sha256, release.size_bytes, downgrade=True)
        payload |= {"signature": signer.sign(text), "downgrade": True}
    return payload


def _is_older(version: str, than: str | None) -> bool:
    return than is not None and bool(_VERSION.fullmatch(than)) and order(version) < order(than)


def _no_wheel() -> InvalidInput:
    return InvalidInput(
        N_("This is no wheel of the village player. Build it with: python3 bootstrap.py player"),
        field="wheel",
    )
