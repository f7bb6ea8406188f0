"""Many new players by a file: one-time codes as a list to print and cut."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, File, Request, UploadFile
from starlette.responses import Response

from core.auth import Actor
from core.errors import XiangyinError
from desk import csv_file, player_import
from web.deps import ServicesDep, WriteSession, attempt, require
from web.pages import render
from web.routing import Router
from web.speaker_view import enrol_commands

router = Router(prefix="/speakers/import")
Editor = Annotated[Actor, Depends(require("speaker.edit"))]


@router.get("")
def import_page(request: Request, actor: Editor) -> Response:
    """Ask for the file that names villages and players."""
    return _page(request)


@router.post("")
def import_players(
    request: Request,
    session: WriteSession,
    services: ServicesDep,
    actor: Editor,
    file: Annotated[UploadFile, File()],
) -> Response:
    """A one-time code for each line, shown on this answer alone; or none and what is wrong."""
    data = file.file.read(csv_file.MAX_BYTES + 1)
    with attempt(session) as tried:
        tickets = player_import.import_csv(session, actor, data)
    if tried.error:
        return _page(request, tried.error)
    known = enrol_commands(request, services.settings)
    return render(request, "speakers/codes.html", tickets=tickets, **known)


def _page(request: Request, error: XiangyinError | None = None) -> Response:
    lines = error.lines if isinstance(error, csv_file.ImportRefused) else []
    return render(request, "speakers/import.html", error=error, lines=lines)
