"""应急插播: break into all programmes with an emergency, a drill or a notice."""

from __future__ import annotations

import secrets
from typing import Annotated, Any

from fastapi import Depends, File, Form, Request, UploadFile
from sqlalchemy.orm import Session
from starlette.responses import FileResponse, Response

from broadcast import override, village_map
from broadcast.models import Override
from core import areas
from core.auth import Actor
from core.errors import N_, InvalidInput, NotFound, XiangyinError
from recordings.models import Episode
from recordings.sound import DELIVERY_MEDIA_TYPE
from web import i18n, override_form, override_lines, override_view, uploads
from web.deps import (
    ReadSession,
    Services,
    ServicesDep,
    WriteSession,
    attempt,
    require,
    services_of,
)
from web.override_form import OverrideForm, whole
from web.pages import Nav, render, see_other
from web.routing import Router
from web.speaker_view import geojson

router = Router(prefix="/overrides")
NAV = [Nav(40, "/overrides", N_("Break in"), override.RIGHT)]
Official = Annotated[Actor, Depends(require(override.RIGHT))]


@router.get("")
def overrides_page(request: Request, session: ReadSession, actor: Official) -> Response:
    """What is on air, and what was."""
    return render(request, "overrides/list.html", **_found(session, actor))


@router.get("/rows")
def rows(request: Request, session: ReadSession, actor: Official) -> Response:
    """The changing part of the page."""
    return render(request, "overrides/rows.html", **_found(session, actor))


@router.get("/running")
def running(request: Request, session: ReadSession, actor: Official) -> Response:
    """What is on air now, for the start page."""
    now = override.running(session, actor)
    return render(request, "overrides/running.html", running=now, kinds=override_view.KIND_NAMES)


@router.get("/map.geojson")
def map_file(session: ReadSession, services: ServicesDep, actor: Official) -> Response:
    """Outlines (or points) of the villages of the area."""
    found = village_map.shown(session, actor, services.settings, override.RIGHT)
    return geojson(found)


@router.get("/new")
def new(
    request: Request, session: ReadSession, actor: Official, kind: str = "", again: int = 0
) -> Response:
    """The form: what, where, how often. ``again``: filled in as an earlier one was."""
    kind = kind if kind in override.KINDS else "emergency"
    villages = areas.villages(session, actor.area_code) if actor.area_code else []
    values = {
        **override_form.USUAL[kind],
        "kind": kind,
        "episode_id": "",
        "volume_percent": "100",
        "villages": [village.code for village in villages],
        "instead_of": "",
    }
    if again:
        values |= override_view.as_typed(override.get(session, actor, again))
    return _form(request, session, actor, values | {"form_token": secrets.token_urlsafe(24)})


@router.post("")
def create(
    request: Request,
    services: ServicesDep,
    actor: Official,
    typed: Annotated[OverrideForm, Depends()],
    file: Annotated[UploadFile | None, File()] = None,
) -> Response:
    """Write it down; nothing is heard before the second step."""
    try:
        source: str | None = None
        if uploads.given(file):  # copying takes its time: before the write session
            source = uploads.keep(file, services.store, services.settings.upload_max_mb)
    except XiangyinError as error:
        return _refused(request, services, actor, typed, error)
    with services.database.write() as session, attempt(session) as tried:
        source = source or _approved(session, actor, typed.values["episode_id"])
        old = _earlier(session, actor, typed.values["instead_of"])
        if old and not source and not typed.values["text"].strip():
            source = old.source_sha256
        made = override.create(session, services.store, actor, typed.order(source))
        if old and old.id != made.id:
            override.take_back(session, actor, old.id)
    if tried.error:
        return _refused(request, services, actor, typed, tried.error)
    return see_other(f"/overrides/{made.id}")


@router.get("/{override_id}")
def one(request: Request, session: ReadSession, actor: Official, override_id: int) -> Response:
    """Hear it and start it; watch it; stop it."""
    return _one(request, session, actor, override_id, "overrides/one.html")


@router.get("/{override_id}/state")
def state(request: Request, session: ReadSession, actor: Official, override_id: int) -> Response:
    """The changing part of the page."""
    return _one(request, session, actor, override_id, "overrides/state.html")


@router.get("/{override_id}/sound")
def sound(
    session: ReadSession, services: ServicesDep, actor: Official, override_id: int
) -> FileResponse:
    """What the villages hear."""
    found = override.get(session, actor, override_id)
    if found.clip_sha256 is None:
        raise NotFound(N_("There is no such sound."))
    return FileResponse(
        services.store.existing_path(found.clip_sha256),
        media_type=DELIVERY_MEDIA_TYPE,
        headers={"cache-control": "private, no-store"},
    )


@router.post("/{override_id}/confirm")
def confirm(
    request: Request,
    session: WriteSession,
    actor: Official,
    override_id: int,
    version: Annotated[int, Form()] = 0,
    count: Annotated[str, Form()] = "",
) -> Response:
    """The second step: on air."""
    with attempt(session) as tried:
        started = override.confirm(session, actor, override_id, version, count)
    if tried.error:
        if not isinstance(tried.error, InvalidInput):
            raise tried.error
        return _one(request, session, actor, override_id, "overrides/one.html", tried.error, count)
    notice = N_("On air. The villages are called.")
    if started.confirmed_by_id != actor.id:
        notice = N_("It was on air already: a colleague had started it.")
    return see_other(f"/overrides/{override_id}", notice)


@router.post("/{override_id}/cancel")
def cancel(session: WriteSession, actor: Official, override_id: int) -> Response:
    """Silence at once."""
    done = override.cancel(session, actor, override_id)
    notice = N_("Stopped. The loudspeakers fall silent.") if done else N_("It was over already.")
    return see_other(f"/overrides/{override_id}", notice)


@router.post("/{override_id}/again")
def again(session: WriteSession, actor: Official, override_id: int) -> Response:
    """Make the sound once more."""
    override.try_again(session, actor, override_id)
    return see_other(f"/overrides/{override_id}")


def _found(session: Session, actor: Actor) -> dict[str, Any]:
    now = override.running(session, actor)
    earlier = [each for each in override.newest(session, actor) if each not in now]
    return {
        "found": [(each, override_view.state_of(each)) for each in earlier],
        "running": now,
        "kinds": override_view.KIND_NAMES,
    }


def _one(
    request: Request,
    session: Session,
    actor: Actor,
    override_id: int,
    template: str,
    error: XiangyinError | None = None,
    typed_count: str = "",
) -> Response:
    found = override.get(session, actor, override_id)
    return render(
        request,
        template,
        seen=override_view.see(session, actor, found, services_of(request).settings.zone),
        kinds=override_view.KIND_NAMES,
        line_states=override_lines.LINE_STATES,
        error=error,
        values={"count": typed_count},
    )


def _approved(session: Session, actor: Actor, episode_id: str) -> str | None:
    """The sound of an approved episode that the actor may use; None when none was chosen."""
    if not episode_id:
        return None
    number = whole(episode_id, "episode_id")
    if number not in dict(override_view.episodes(session, actor)):
        raise InvalidInput(N_("Choose an episode of the list."), field="episode_id")
    found = session.get_one(Episode, number)
    return found.master_sha256 or found.delivery_sha256


def _earlier(session: Session, actor: Actor, override_id: str) -> Override | None:
    """The one that the form was filled in from."""
    return override.get(session, actor, whole(override_id, "title")) if override_id else None


def _refused(
    request: Request,
    services: Services,
    actor: Actor,
    typed: OverrideForm,
    error: XiangyinError,
) -> Response:
    with services.database.read() as session:
        return _form(request, session, actor, typed.values, error)


def _form(
    request: Request,
    session: Session,
    actor: Actor,
    values: dict[str, Any],
    error: XiangyinError | None = None,
) -> Response:
    villages = areas.villages(session, actor.area_code) if actor.area_code else []
    return render(
        request,
        "overrides/new.html",
        values=values,
        error=error,
        kind_words={code: i18n.gettext(words) for code, words in override.KINDS.items()},
        repeats=override_form.REPEATS,
        lengths=override_form.LENGTHS,
        episodes=override_view.episodes(session, actor),
        villages=[(village.code, village.name) for village in villages],
        max_text=override.MAX_TEXT,
    )
