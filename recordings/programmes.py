"""栏目: series of a town, and the sound they open and close with."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import areas, audit, blobs
from core.auth import Actor
from core.blobs import BlobStore
from core.clock import utc_now
from core.errors import N_, Forbidden, InvalidInput, NotFound
from recordings import clips, rendering
from recordings.models import Episode, Programme

MAX_NAME = 80
MAX_JINGLE_S = 60
_READERS = ("episode.record", "episode.approve", "schedule.read")


@dataclass(frozen=True)
class Summary:
    """A programme and how many episodes it has in each state."""

    programme: Programme
    area_name: str
    episodes: int
    approved: int


def require_reader(actor: Actor) -> None:
    """Raise Forbidden unless the actor records, approves or plans programmes."""
    if not any(actor.may(right) for right in _READERS):
        raise Forbidden(N_("Your role does not allow this. Ask your administrator."))


def create(
    session: Session, actor: Actor, name: str, description: str = "", area_code: str | None = None
) -> Programme:
    """Start a series in the actor's area (or one below it)."""
    actor.require("episode.record")
    kept, code = name.strip(), area_code or actor.area_code
    if not kept or len(kept) > MAX_NAME:
        raise InvalidInput(
            N_("Give the programme a name of up to %(limit)d characters."),
            field="name",
            params={"limit": MAX_NAME},
        )
    if code is None:
        raise InvalidInput(N_("Choose the area the programme is for."), field="area_code")
    areas.get(session, code)
    actor.require_area(session, code)
    taken = sa.select(Programme.id).where(Programme.name == kept, Programme.area_code == code)
    if session.scalar(taken) is not None:
        raise InvalidInput(N_("There is a programme of this name already."), field="name")
    programme = Programme(
        name=kept, description=description.strip(), area_code=code, created_at=utc_now()
    )
    session.add(programme)
    session.flush()
    audit.record(session, actor.login, "programme.created", f"programme:{programme.id}", name=kept)
    return programme


def change(
    session: Session, actor: Actor, programme_id: int, name: str, description: str
) -> Programme:
    """Rename or describe anew."""
    actor.require("episode.record")
    programme = get(session, actor, programme_id)
    kept = name.strip()
    if not kept or len(kept) > MAX_NAME:
        raise InvalidInput(
            N_("Give the programme a name of up to %(limit)d characters."),
            field="name",
            params={"limit": MAX_NAME},
        )
    programme.name, programme.description = kept, description.strip()
    audit.record(session, actor.login, "programme.changed", f"programme:{programme.id}", name=kept)
    return programme


def get(session: Session, actor: Actor, programme_id: int) -> Programme:
    """The programme, when it lies in the actor's area, else NotFound."""
    require_reader(actor)
    programme = session.get(Programme, programme_id)
    if programme is None:
        raise NotFound(N_("There is no such programme."))
    actor.require_area(session, programme.area_code)
    return programme


def listing(session: Session, actor: Actor) -> list[Summary]:
    """Programmes of the actor's area and below, by name."""
    require_reader(actor)
    if actor.area_code is None:
        return []
    approved = sa.func.sum(sa.case((Episode.state == "approved", 1), else_=0))
    rows = session.execute(
        sa.select(Programme, sa.func.count(Episode.id), approved)
        .outerjoin(Episode, Episode.programme_id == Programme.id)
        .where(Programme.area_code.in_(areas.below(session, actor.area_code)))
        .group_by(Programme.id)
        .order_by(Programme.name)
    )
    return [
        Summary(programme, areas.get(session, programme.area_code).name, count, int(done or 0))
        for programme, count, done in rows
    ]


@dataclass(frozen=True)
class Jingle:
    """An opening or closing that is ready to be attached: masters lie in the store already."""

    original_sha256: str
    master: clips.ClipFacts


def prepare_jingle(store: BlobStore, original_sha256: str) -> Jingle:
    """Decode and level an opening or closing of up to 60 s. Takes seconds: hold no session.

    Raises InvalidInput(field="file").
    """
    with tempfile.TemporaryDirectory(prefix="jingle-", dir=clips.work_folder()) as folder:
        wav = Path(folder) / "jingle.wav"
        _, lufs = rendering.render_jingle(
            store.existing_path(original_sha256), wav, max_s=MAX_JINGLE_S
        )
        return Jingle(original_sha256, clips.stored_master(store, wav, lufs, original_sha256))


def attach_jingle(
    session: Session,
    store: BlobStore,
    actor: Actor,
    programme_id: int,
    place: Literal["opening", "closing"],
    jingle: Jingle | None,
) -> Programme:
    """Let episodes made from now on open or close with ``jingle`` (None: with nothing)."""
    actor.require("episode.record")
    programme = get(session, actor, programme_id)
    sha256 = None
    if jingle is not None:
        blobs.register(session, store, jingle.original_sha256, "application/octet-stream")
        clips.register(session, store, jingle.master)
        sha256 = jingle.master.sha256
    if place == "opening":
        programme.opening_sha256 = sha256
    else:
        programme.closing_sha256 = sha256
    audit.record(
        session, actor.login, f"programme.{place}", f"programme:{programme.id}", sha256=sha256
    )
    return programme
