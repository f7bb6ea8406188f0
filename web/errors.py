"""Errors as people and programs meet them.

Programs (/api, /edge) get problem+json (RFC 9457). People get a page that says what happened
and what to do. Codes and sentences are those of core.errors; the stack trace stays in the log.
"""

from __future__ import annotations

import errno
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import URL
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Match

from core.errors import N_, Conflict, InvalidInput, NotFound, Unavailable, XiangyinError
from web import i18n, pages
from web.security import PasswordMustChange, SignInNeeded

PROGRAM_PREFIXES = ("/api/", "/edge/", "/open311/")
RETRY_AFTER_S = "5"
HEADINGS = {
    400: N_("This request cannot be understood"),
    401: N_("Please log in"),
    403: N_("You may not do this"),
    404: N_("There is nothing here"),
    405: N_("This page does not work that way"),
    409: N_("Somebody was faster"),
    413: N_("This is too large"),
    422: N_("Something has to be mended first"),
    429: N_("Too many tries"),
    500: N_("Something broke on our side"),
    503: N_("This does not work just now"),
}
DATABASE_AWAY = N_(
    "The database does not answer at the moment. What you sent was not stored. "
    "Wait a minute, then try again; if it lasts, call your administrator."
)
DISK_FULL = N_(
    "The disk of the server is full, so nothing can be stored. Call your administrator now."
)
log = structlog.get_logger("web.errors")


class CrashError(XiangyinError):
    """A defect of ours; the number leads to the line in the log."""

    code = "crash"
    http_status = 500


class WrongRequest(XiangyinError):
    """What Starlette refuses by a bare status."""

    code = "wrong_request"

    def __init__(self, status: int, message: str) -> None:
        self.http_status = status
        super().__init__(message)


def wants_json(request: Request) -> bool:
    """Whether a program asks."""
    return request.url.path.startswith(PROGRAM_PREFIXES)


def problem(error: XiangyinError, **more: Any) -> JSONResponse:
    """The error as problem+json; ``code`` is stable, ``detail`` is a sentence for people."""
    status = error.http_status
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": i18n.gettext(HEADINGS.get(status, HEADINGS[500])),
        "status": status,
        "detail": i18n.error_text(error),
        "code": error.code,
        "retriable": error.retriable,
        **({"field": error.field} if error.field else {}),
        **more,
    }
    return JSONResponse(body, status, _headers(status), media_type="application/problem+json")


def _headers(status: int) -> dict[str, str]:
    if status == 401:
        return {"www-authenticate": "Bearer"}
    return {"retry-after": RETRY_AFTER_S} if status == 503 else {}


def answer(request: Request, error: XiangyinError, **more: Any) -> Response:
    """The error as page or problem, whoever asks."""
    if wants_json(request):
        return problem(error, **more)
    status = error.http_status
    return pages.render(
        request,
        "web/error.html",
        status=status,
        headers=_headers(status),
        heading=i18n.gettext(HEADINGS.get(status, HEADINGS[500])),
        message=i18n.error_text(error),
        retriable=error.retriable and request.method == "GET",
        request_id=more.get("request_id"),
    )


def crash_page(request: Request, request_id: str) -> Response:
    """The answer to a defect."""
    error = CrashError(
        N_(
            "This is our mistake, not yours. What you sent may not be stored: look before you "
            "send it again. Tell your administrator the number %(number)s."
        ),
        params={"number": request_id},
    )
    return answer(request, error, request_id=request_id)


def _known(request: Request, error: Exception) -> Response:
    assert isinstance(error, XiangyinError)
    return answer(request, error)


def _sign_in(request: Request, error: Exception) -> Response:
    assert isinstance(error, SignInNeeded)
    if wants_json(request) or request.url.path.startswith("/live"):
        return problem(error)
    back = _page_of(request)
    return RedirectResponse("/login" + ("" if back == "/" else f"?next={quote(back)}"), 303)


def _page_of(request: Request) -> str:
    """The page that was asked for, or the one whose form was sent: there what was begun goes on."""
    address = request.url
    if request.method != "GET":
        address = URL(request.headers.get("referer", ""))
        if address.netloc != request.url.netloc:
            return "/"
    path = address.path
    while not _can_be_opened(request, path):  # the answer to a form with an error
        path = path.rpartition("/")[0] or "/"
    return path + (f"?{address.query}" if address.query and path == address.path else "")


def _can_be_opened(request: Request, path: str) -> bool:
    asked = {"type": "http", "method": "GET", "path": path, "root_path": ""}
    routes = request.app.router.routes
    return path == "/" or any(route.matches(asked)[0] is Match.FULL for route in routes)


def _change_password(request: Request, error: Exception) -> Response:
    assert isinstance(error, PasswordMustChange)
    return problem(error) if wants_json(request) else RedirectResponse("/password", 303)


def _database(request: Request, error: Exception) -> Response:
    log.error("database away", error=str(error)[:300], path=request.url.path)
    full = "disk is full" in str(error)
    return answer(request, Unavailable(DISK_FULL if full else DATABASE_AWAY))


def _clash(request: Request, error: Exception) -> Response:
    log.warning("integrity error", error=str(error)[:300], path=request.url.path)
    return answer(
        request,
        Conflict(N_("Somebody stored the same or changed it this moment. Reload and look again.")),
    )


def _system(request: Request, error: Exception) -> Response:
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        log.error("disk full", path=request.url.path)
        return answer(request, Unavailable(DISK_FULL))
    raise error


def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    places = [".".join(str(part) for part in found["loc"][1:]) for found in error.errors()]
    if any(found["loc"][0] == "path" for found in error.errors()):
        return answer(request, NotFound(N_("There is no such thing here.")))
    refused = InvalidInput(
        N_("These fields are missing or cannot be understood: %(fields)s."),
        params={"fields": ", ".join(dict.fromkeys(places)) or "?"},
    )
    told = [
        {"field": place, "message": found["msg"]}
        for place, found in zip(places, error.errors(), strict=True)
    ]
    return answer(request, refused, errors=told)


_BARE = {
    404: N_("There is no such page. Check the address or begin at the start page."),
    405: N_("This address does not answer that kind of request."),
    413: N_("What you sent is larger than this server takes. Send a shorter recording."),
}


def _bare(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    message = _BARE.get(error.status_code, N_("The server could not read what was sent."))
    return answer(request, WrongRequest(error.status_code, message))


def install(app: FastAPI) -> None:
    """Answer every kind of error with words."""
    app.add_exception_handler(SignInNeeded, _sign_in)
    app.add_exception_handler(PasswordMustChange, _change_password)
    app.add_exception_handler(XiangyinError, _known)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _bare)
    app.add_exception_handler(sa.exc.IntegrityError, _clash)
    for away in (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.TimeoutError):
        app.add_exception_handler(away, _database)
    app.add_exception_handler(OSError, _system)
