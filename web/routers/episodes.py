"""Episodes: made from a file or a text, listened to, cut, submitted and decided."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import File, Form, Request, UploadFile
from sqlalchemy.orm import Session
from starlette.responses import FileResponse, JSONResponse, Response

from core.auth import Actor
from core.errors import N_, InvalidInput, NotFound, XiangyinError
from core.models import Blob
from recordings import approval, episodes, ingest, programmes
from recordings.models import Episode
from web import episode_view, errors, uploads
from web.deps import CurrentActor, ReadSession, ServicesDep, WriteSession, attempt
from web.pages import render, see_other
from web.routing import Router

router = Router()
SUBMITTED = N_("Sent for approval.")
APPROVED = N_("Approved. It airs in the slots of this programme.")
REJECTED = N_("Sent back with your reason.")
WITHDRAWN = N_("Taken back.")
MADE_ANEW = N_("It is made anew.")


@router.get("/programmes/{programme_id}/new")
def new_page(
    request: Request, session: ReadSession, actor: CurrentActor, programme_id: int
) -> Response:
    """The form for a new episode: a file, or a text for the machine's voice."""
    actor.require("episode.record")
    return episode_view.form(request, session, actor, programme_id)


@router.post("/programmes/{programme_id}/uploads")
def upload(
    request: Request,
    session: WriteSession,
    reading: ReadSession,
    services: ServicesDep,
    actor: CurrentActor,
    programme_id: int,
    title: Annotated[str, Form()] = "",
    file: Annotated[UploadFile | None, File()] = None,
    recording: Annotated[UploadFile | None, File()] = None,
) -> Response:
    """Take a sound file. A script that sends it (X-Upload) is answered in JSON."""
    actor.require("episode.record")
    programmes.get(reading, actor, programme_id)
    chosen = uploads.given(file, recording)
    error: XiangyinError | None
    try:
        ingest.check_title(title)
        sha256 = uploads.keep(chosen, services.store, services.settings.upload_max_mb)
        assert chosen is not None
        kind = uploads.media_type(chosen)
        with attempt(session) as tried:
            episode = ingest.receive_upload(
                session, services.store, actor, programme_id, title, sha256, media_type=kind
            )
        error = tried.error
    except XiangyinError as refused:
        error = refused
    by_script = "x-upload" in request.headers
    if error is not None:
        if by_script:
            return errors.problem(error)
        return episode_view.form(request, reading, actor, programme_id, error, {"title": title})
    url = f"/episodes/{episode.id}"
    return JSONResponse({"url": url}, 201) if by_script else see_other(url)


@router.post("/programmes/{programme_id}/scripts")
def script(
    request: Request,
    session: WriteSession,
    actor: CurrentActor,
    programme_id: int,
    title: Annotated[str, Form()] = "",
    text: Annotated[str, Form()] = "",
) -> Response:
    """Take a text for the machine's voice."""
    with attempt(session) as tried:
        episode = ingest.receive_script(session, actor, programme_id, title, text)
    if tried.error is None:
        return see_other(f"/episodes/{episode.id}")
    values = {"title": title, "text": text, "by": "script"}
    return episode_view.form(request, session, actor, programme_id, tried.error, values)


@router.get("/episodes/{episode_id}")
def episode_page(
    request: Request, session: ReadSession, actor: CurrentActor, episode_id: int
) -> Response:
    """One episode."""
    return episode_view.page(request, session, episodes.get(session, actor, episode_id))


@router.get("/episodes/{episode_id}/state")
def state_part(
    request: Request, session: ReadSession, actor: CurrentActor, episode_id: int
) -> Response:
    """The changing part: how far it is, what went wrong."""
    episode = episodes.get(session, actor, episode_id)
    return render(request, "programmes/state.html", **episode_view.state(session, episode))


@router.get("/episodes/{episode_id}/words")
def words_part(
    request: Request, session: ReadSession, actor: CurrentActor, episode_id: int
) -> Response:
    """What the machine heard; arrives some time after the sound."""
    episode = episodes.get(session, actor, episode_id)
    return render(request, "programmes/words.html", **episode_view.words(session, episode))


@router.get("/episodes/{episode_id}/audio")
def audio(
    session: ReadSession,
    services: ServicesDep,
    actor: CurrentActor,
    episode_id: int,
    form: str = "delivery",
) -> Response:
    """What the villages hear, with byte ranges; ``form=master`` for browsers without Opus."""
    episode = episodes.get(session, actor, episode_id)
    sha256 = episode.master_sha256 if form == "master" else episode.delivery_sha256
    if sha256 is None:
        raise NotFound(N_("This episode has no sound yet."))
    return FileResponse(
        services.store.existing_path(sha256),
        media_type=session.get_one(Blob, sha256).media_type,
        headers={"cache-control": "private, no-cache", "etag": f'"{sha256}"'},
    )


@router.post("/episodes/{episode_id}/submit")
def submit(
    request: Request, session: WriteSession, actor: CurrentActor, episode_id: int
) -> Response:
    """Ask for approval."""
    return _do(request, session, actor, episode_id, SUBMITTED, approval.submit)


@router.post("/episodes/{episode_id}/withdraw")
def withdraw(
    request: Request, session: WriteSession, actor: CurrentActor, episode_id: int
) -> Response:
    """Take it back before it was decided."""
    return _do(request, session, actor, episode_id, WITHDRAWN, approval.withdraw)


@router.post("/episodes/{episode_id}/approve")
def approve(
    request: Request, session: WriteSession, actor: CurrentActor, episode_id: int
) -> Response:
    """Let the villages hear it."""
    return _do(request, session, actor, episode_id, APPROVED, approval.approve)


@router.post("/episodes/{episode_id}/reject")
def reject(
    request: Request,
    session: WriteSession,
    actor: CurrentActor,
    episode_id: int,
    reason: Annotated[str, Form()] = "",
) -> Response:
    """Send it back with a reason."""

    def act(session: Session, actor: Actor, episode_id: int) -> Episode:
        return approval.reject(session, actor, episode_id, reason)

    return _do(request, session, actor, episode_id, REJECTED, act, {"reason": reason})


@router.post("/episodes/{episode_id}/again")
def again(
    request: Request,
    session: WriteSession,
    actor: CurrentActor,
    episode_id: int,
    trim_start: Annotated[str, Form()] = "",
    trim_end: Annotated[str, Form()] = "",
) -> Response:
    """Make it anew, with other cuts (seconds) or after a failure."""

    def act(session: Session, actor: Actor, episode_id: int) -> Episode:
        return ingest.render_again(
            session,
            actor,
            episode_id,
            trim_start_ms=_milliseconds("trim_start", trim_start),
            trim_end_ms=_milliseconds("trim_end", trim_end),
        )

    typed = {"trim_start": trim_start, "trim_end": trim_end}
    return _do(request, session, actor, episode_id, MADE_ANEW, act, typed)


def _milliseconds(field: str, seconds: str) -> int | None:
    if not seconds.strip():
        return None
    try:
        return round(float(seconds.replace(",", ".").replace("，", ".")) * 1000)
    except (ValueError, OverflowError):
        raise InvalidInput(N_("Give the seconds to cut as a number from 0."), field=field) from None


def _do(
    request: Request,
    session: Session,
    actor: Actor,
    episode_id: int,
    notice: str,
    act: Callable[[Session, Actor, int], Episode],
    values: dict[str, Any] | None = None,
) -> Response:
    with attempt(session) as tried:
        act(session, actor, episode_id)
    if tried.error is None:
        return see_other(f"/episodes/{episode_id}", notice)
    if tried.error.http_status in (403, 404):
        raise tried.error
    episode = episodes.get(session, actor, episode_id)
    return episode_view.page(request, session, episode, tried.error, values)
