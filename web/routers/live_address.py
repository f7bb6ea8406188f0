"""Speak live: from the browser's microphone to the loudspeakers of the chosen villages."""

from __future__ import annotations

from typing import Annotated, Any

import sqlalchemy as sa
import structlog
from fastapi import Depends, Form, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import FileResponse, JSONResponse, Response

from broadcast import live, live_keeper
from broadcast.live_frames import BYTES_PER_MS
from broadcast.live_hub import Channel
from core import audit
from core.auth import Actor, token_hash
from core.errors import N_, InvalidInput, NotFound, XiangyinError
from core.models import Blob
from web import errors, live_address_view, live_elsewhere, live_history, security
from web.body import read_body
from web.deps import (
    CurrentActor,
    ReadSession,
    SecurityDep,
    Services,
    ServicesDep,
    WriteSession,
    require,
)
from web.pages import Nav, render, see_other, static_url
from web.routing import Router
from web.security import Security

router = Router(prefix="/speak")
NAV = [
    Nav(46, "/speak", N_("Speak live"), live.SPEAK),
    Nav(47, "/speak/history", N_("Live addresses"), live.READ),
]
Speaker = Annotated[Actor, Depends(require(live.SPEAK))]
Reader = Annotated[Actor, Depends(require(live.READ))]
LONGEST_PIECE_MS = 4_000
PERSONS_CAUSES = ("speaker", "hard_stop", "left", "connection")
WORKLET = "speak-worklet.js"
CAUSES = {
    "speaker": N_("ended by the speaker"),
    "hard_stop": N_("silenced by the speaker"),
    "left": N_("the speaker left the page"),
    "stopped": N_("stopped by somebody else"),
    "connection": N_("the speaker's connection broke"),
    "silence": N_("nothing was said for 20 seconds"),
    "limit": N_("30 minutes were over"),
    "server": N_("the server stopped"),
    "hung_up": N_("the caller hung up"),
    "keyed": N_("ended by the # key"),
}
"""Why a session ended, in the words of the pages."""
log = structlog.get_logger("web.live")


@router.get("")
def page(request: Request, session: ReadSession, actor: Speaker) -> Response:
    """Choose villages, prepare the microphone, speak."""
    policy = security.content_security_policy(request.state.nonce)
    # A worklet carries no nonce: this one file is named instead.
    worklet = f"{request.url.scheme}://{request.url.netloc}/static/{WORKLET}"
    return render(
        request,
        "live_address/page.html",
        headers={
            "content-security-policy": policy.replace("script-src ", f"script-src {worklet} ")
        },
        groups=live_address_view.groups(session, actor),
        running=live_history.on_air(session, actor),
        worklet=static_url(WORKLET),
        causes=CAUSES,
        may_alarm=bool(actor.roles & live.EMERGENCY_ROLES),
    )


@router.post("")
def begin(
    request: Request,
    services: ServicesDep,
    security: SecurityDep,
    actor: Speaker,
    villages: Annotated[list[str], Form()] = [],  # noqa: B006 - FastAPI copies it
    title: Annotated[str, Form()] = "",
    emergency: Annotated[bool, Form()] = False,
) -> Response:
    """Call the players; answers with the session's id, or with what hinders."""
    channel: Channel | None = None
    try:
        with services.database.write() as session:
            opened = live.open_session(
                session, actor, villages, source="browser", title=title, emergency=emergency
            )
            channel = live_keeper.open_channel(services.live, opened, services.settings)
            channel.speaker, channel.login = _browser(request, security), actor.login
    except XiangyinError as refused:
        return errors.problem(refused)
    except BaseException:
        if channel is not None:
            live_keeper.abandon(services.live, channel)
        raise
    return JSONResponse({"id": channel.session_id}, 201)


def _browser(request: Request, security: Security) -> str | None:
    token = security.session_token(request)
    return token_hash(token) if token else None


@router.get("/history")
def history(
    request: Request,
    session: ReadSession,
    actor: Reader,
    before: Annotated[str, Query(max_length=36)] = "",
) -> Response:
    """Who spoke, when, where, and who heard it; ``before``: only older ones than this address."""
    return render(
        request,
        "live_address/history.html",
        listed=live_history.history(session, actor, before),
        before=before,
        causes=CAUSES,
    )


@router.post("/sound/{session_id}")
async def sound(
    request: Request,
    session_id: str,
    services: ServicesDep,
    actor: Speaker,
    at_ms: Annotated[int, Query(ge=0, le=3_600_000)] = 0,
) -> Response:
    """A piece of speech (16 bit, 16 kHz, mono) that begins ``at_ms`` after the microphone opened.

    An empty piece says that the speaker is still there. 503: another process carries the address,
    the piece is to be sent again.
    """
    channel = services.live.get(session_id)
    if channel is None:
        return await run_in_threadpool(_without_channel, services, actor, session_id)
    if channel.user_id != actor.id:
        return JSONResponse({"over": True})
    too_long = InvalidInput(N_("This piece of sound is too long."), field="body")
    pcm = await read_body(request, LONGEST_PIECE_MS * BYTES_PER_MS, too_long)
    if not pcm:
        channel.sign_of_life()
    else:
        channel.say(at_ms, pcm)
        if not channel.on_air:
            await run_in_threadpool(_on_air, services, channel)
    return JSONResponse({"over": channel.ended})


def _without_channel(services: ServicesDep, actor: Actor, session_id: str) -> Response:
    with services.database.read() as session:
        is_open = live_elsewhere.speaks(session, actor, session_id)
    return live_elsewhere.try_again() if is_open else JSONResponse({"over": True})


def _on_air(services: ServicesDep, channel: Channel) -> None:
    """Each piece tries until one is stored: speech itself waits for no database."""
    with services.database.write() as session:
        live.go_on_air(session, channel.session_id)
    channel.on_air = True


@router.get("/{session_id}/state")
def state(
    session_id: str, session: ReadSession, services: ServicesDep, actor: Speaker
) -> dict[str, Any]:
    """Who hears at this moment."""
    row = live.visible(session, actor, session_id)
    return live_address_view.state(session, row, actor, services.live.get(session_id))


async def _horns_first(
    request: Request,
    session_id: str,
    services: ServicesDep,
    security: SecurityDep,
    cause: Annotated[str, Form()] = "speaker",
) -> None:
    """Who speaks falls silent before any database is asked who that is: it may be away."""
    channel, browser = services.live.get(session_id), _browser(request, security)
    is_own = channel is not None and browser is not None and channel.speaker == browser
    if channel is not None and is_own and cause in PERSONS_CAUSES:
        channel.end(hush=cause in live.HUSHED, cause=cause, by=channel.login)


@router.post("/{session_id}/stop", dependencies=[Depends(_horns_first)])
def stop(
    session_id: str,
    services: ServicesDep,
    actor: Speaker,
    cause: Annotated[str, Form()] = "speaker",
) -> dict[str, bool]:
    """End it; twice does no harm."""
    if cause not in PERSONS_CAUSES:
        raise InvalidInput(N_("Use one of the buttons of the page."))
    return {"stopped": _stop(services, actor, session_id, cause)}


def _stop(services: Services, actor: Actor, session_id: str, cause: str) -> bool:
    """The horns first; what the database does not take now the keeper writes down."""
    with services.database.read() as session:
        cause = live.stop_cause(session, actor, session_id, cause)
    by, channel = actor.login, services.live.get(session_id)
    if channel is not None:
        channel.end(hush=cause in live.HUSHED, cause=cause, by=by)
        cause, by = channel.end_cause, channel.ended_by
    try:
        with services.database.write() as session:
            return live.end(session, session_id, cause, by=by)
    except sa.exc.SQLAlchemyError as error:
        if channel is None:
            raise
        log.warning("an end waits for the database", error=type(error).__name__)
        return True


@router.post("/{session_id}/stop-form")
def stop_form(session_id: str, services: ServicesDep, actor: Speaker) -> Response:
    """Stop an address from its own page, also somebody else's."""
    _stop(services, actor, session_id, "hard_stop")
    return see_other(f"/speak/{session_id}", N_("The live address was stopped."))


@router.get("/{session_id}")
def one(
    request: Request, session_id: str, session: ReadSession, services: ServicesDep, actor: Reader
) -> Response:
    """A session with everybody who should have heard it."""
    row = live.visible(session, actor, session_id)
    return render(
        request,
        "live_address/one.html",
        past=live_history.past(session, actor, row),
        rows=live_address_view.rows(session, row, actor, services.live.get(session_id)),
        causes=CAUSES,
    )


@router.get("/{session_id}/recording")
def recording(
    session_id: str, session: WriteSession, services: ServicesDep, actor: CurrentActor
) -> Response:
    """What was said, for those who may speak there; written down each time."""
    actor.require(live.SPEAK)
    row = live.visible(session, actor, session_id)
    blob = session.get(Blob, row.recording_sha256) if row.recording_sha256 else None
    if blob is None:
        raise NotFound(N_("There is no such sound."))
    audit.record(session, actor.login, "live.played", f"live:{row.id}")
    return FileResponse(
        services.store.existing_path(blob.sha256),
        media_type=blob.media_type,
        headers={"cache-control": "private, no-store"},
    )
