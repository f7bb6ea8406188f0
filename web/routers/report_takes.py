"""Sounds and pictures of the villagers' page, sent in pieces that may be repeated.

Begin with consent, send pieces one after the other, then name the take in the form. Answers are
``{"offset": bytes that are here}`` or problem+json; ``take_gone`` and ``take_differs`` mean: begin
anew, ``retriable``: the same again later.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Annotated, Literal

from fastapi import Form, Request
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from core.clock import utc_now
from core.errors import N_, InvalidInput, NotFound, Unavailable, XiangyinError
from web import errors, report_form, report_place
from web.body import read_body
from web.deps import Services, ServicesDep
from web.report_limits import FULL, address_of, limits_of, require_room
from web.report_takes import PIECE_BYTES, About, Takes
from web.routing import Router

router = Router()


@router.post("/report/{code}/takes/{token}")
def begin(
    request: Request,
    services: ServicesDep,
    code: str,
    token: str,
    form_token: Annotated[str, Form(min_length=20, max_length=64)],
    kind: Annotated[Literal["sound", "photo"], Form()] = "sound",
    consent: Annotated[str, Form()] = "",
    confidential: Annotated[str, Form()] = "",
) -> Response:
    """Make room for a take, or learn how much of it is here. Nothing is written without consent."""

    def begun() -> int:
        if not consent:
            raise InvalidInput(report_form.NO_CONSENT, field="consent")
        limits_of(request).takes.take(address_of(request))
        with services.database.read() as session:
            place = report_place.find(session, code)
        if place is None:
            raise NotFound(N_("This address belongs to no village"))
        takes = _takes(services)
        about = About(
            kind=kind,
            form_token=report_form.form_token(form_token),
            village_code=place.village_code,
            point_code=place.point_code,
            confidential=bool(confidential),
            consent_version=report_form.CONSENT_VERSION,
            consent_at=utc_now().isoformat(),
        )
        return takes.begin(token, about)

    return _answer(begun)


@router.post("/report/{code}/takes/{token}/{offset}")
async def append(
    request: Request, services: ServicesDep, code: str, token: str, offset: int
) -> Response:
    """Add the body, a piece of at most 256 KB that begins at ``offset``; it is on disk then."""
    piece = await read_body(request, PIECE_BYTES, HTTPException(413))

    def appended() -> int:
        limits_of(request).sent_bytes.take(address_of(request), len(piece))
        return _takes(services).append(token, offset, piece)

    return await run_in_threadpool(_answer, appended)


@router.delete("/report/{code}/takes/{token}")
def drop(services: ServicesDep, code: str, token: str) -> Response:
    """Throw a take away: its owner does not want it any more."""

    def dropped() -> int:
        Takes(services.settings).drop(token)
        return 0

    return _answer(dropped)


def _takes(services: Services) -> Takes:
    takes = Takes(services.settings)
    require_room(takes.folder)
    return takes


def _answer(work: Callable[[], int]) -> Response:
    try:
        return JSONResponse({"offset": work()}, headers={"cache-control": "no-store"})
    except XiangyinError as error:
        return errors.problem(error)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        return errors.problem(Unavailable(FULL))
