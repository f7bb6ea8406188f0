"""Sounds for decoders on other machines: those of jobs that wait or run, and to tokens alone."""

from __future__ import annotations

import sqlalchemy as sa
from fastapi import Request
from starlette.responses import FileResponse, Response

from core import audit
from core.errors import N_, Forbidden, NotFound
from transcribe.models import TranscriptionJob
from web.deps import CurrentActor, ServicesDep, WriteSession
from web.routing import Router

router = Router()


@router.get("/api/v1/blobs/{sha256}")
def sound(
    request: Request,
    sha256: str,
    session: WriteSession,
    services: ServicesDep,
    actor: CurrentActor,
) -> Response:
    """A sound that waits for its words, for a decoder's token; written down each time."""
    actor.require("sound.fetch")
    if "authorization" not in request.headers:
        raise Forbidden(N_("Only a decoder's token fetches sounds here."))
    wanted = session.scalar(
        sa.select(TranscriptionJob.id)
        .where(
            TranscriptionJob.audio_sha256 == sha256,
            TranscriptionJob.state.in_(("queued", "running")),
        )
        .limit(1)
    )
    if wanted is None:
        raise NotFound(N_("There is no such sound."))
    path = services.store.existing_path(sha256)
    audit.record(session, actor.login, "sound.fetched", f"job:{wanted}", sha256=sha256)
    return FileResponse(
        path, media_type="application/octet-stream", headers={"cache-control": "no-store"}
    )
