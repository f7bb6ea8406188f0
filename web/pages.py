"""Pages: templates, their helpers, addresses of static files, ways back after a form."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import jinja2
from fastapi import Request
from markupsafe import Markup
from starlette.responses import HTMLResponse, RedirectResponse, Response

from core.auth import Actor
from core.errors import N_, XiangyinError
from web import i18n
from web.security import CSRF_FIELD, Security

HERE = Path(__file__).parent
STATIC = HERE / "static"
NOTICE_COOKIE = "xiangyin_notice"
ROLE_NAMES = {
    "operator": N_("Operator"),
    "dispatcher": N_("Dispatcher"),
    "handler": N_("Handler"),
    "township": N_("Township centre"),
    "county": N_("County centre"),
    "city": N_("City centre"),
    "leader": N_("Leader"),
    "custodian": N_("Custodian of confidential matters"),
    "auditor": N_("Auditor"),
    "recorder": N_("Recorder"),
    "approver": N_("Approver"),
    "grid_worker": N_("Grid worker"),
    "village_head": N_("Village head"),
    "administrator": N_("Administrator"),
    "decoder": N_("Decoder on another machine"),
}
LEVEL_NAMES = {
    "province": N_("Province"),
    "city": N_("City"),
    "county": N_("County"),
    "township": N_("Township"),
    "village": N_("Village"),
    "grid": N_("Grid"),
}
WEEKDAYS = (
    N_("Monday"), N_("Tuesday"), N_("Wednesday"), N_("Thursday"), N_("Friday"),
    N_("Saturday"), N_("Sunday"),
)  # fmt: skip


@dataclass(frozen=True)
class Nav:
    """An entry of the main menu; a router module lists its own as ``NAV = [Nav(…)]``."""

    order: int
    url: str
    label: str
    right: str | None = None

    def shown_to(self, actor: Actor | None) -> bool:
        return actor is not None and (self.right is None or actor.may(self.right))


@lru_cache(maxsize=512)
def _content_hash(path: Path, _modified_ns: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


def static_url(name: str) -> str:
    """Address of a file below web/static, with its content's hash so that browsers keep it."""
    path = STATIC / name
    try:
        return f"/static/{name}?v={_content_hash(path, path.stat().st_mtime_ns)}"
    except FileNotFoundError:
        return f"/static/{name}"


def has_static(name: str) -> bool:
    """Whether the file is there: vendor files are missing until set-up has fetched them."""
    return (STATIC / name).is_file()


def clock_text(duration_ms: float | None) -> str:
    """75000 -> ``1:15``; 3675000 -> ``1:01:15``."""
    if duration_ms is None:
        return "–"
    seconds = round(duration_ms / 1000)
    hours, minutes, rest = seconds // 3600, seconds // 60 % 60, seconds % 60
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def size_text(size_bytes: int) -> str:
    """1500000 -> ``1.5 MB``."""
    return f"{size_bytes / 1e6:.1f} MB" if size_bytes >= 1e5 else f"{size_bytes / 1e3:.1f} kB"


class _Local:
    """Instants as people of the town read them."""

    def __init__(self, zone: str) -> None:
        self._zone = ZoneInfo(zone)

    def when(self, instant: datetime | None, pattern: str = "%Y-%m-%d %H:%M") -> str:
        return instant.astimezone(self._zone).strftime(pattern) if instant else "–"

    def element(self, instant: datetime | None, pattern: str = "%m-%d %H:%M") -> Markup:
        if instant is None:
            return Markup("–")
        return Markup('<time datetime="{}" title="{}">{}</time>').format(
            instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            self.when(instant, "%Y-%m-%d %H:%M:%S"),
            self.when(instant, pattern),
        )


def weekday(day: date) -> str:
    """Name of the day of the week, in the language of the request."""
    return i18n.gettext(WEEKDAYS[day.weekday()])


@lru_cache(maxsize=4)
def make_environment(zone: str, station_name: str) -> jinja2.Environment:
    """The template environment; undefined names are errors, everything is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    environment.install_gettext_callables(  # type: ignore[attr-defined]
        i18n.gettext, i18n.ngettext, newstyle=True
    )
    local = _Local(zone)
    environment.filters.update(
        when=local.when, time=local.element, clock=clock_text, size=size_text, weekday=weekday
    )
    environment.globals.update(
        static_url=static_url,
        has_static=has_static,
        error_text=i18n.error_text,
        translated=i18n.gettext,
        languages=i18n.NAMES,
        role_names=ROLE_NAMES,
        level_names=LEVEL_NAMES,
        station_name=station_name,
    )
    return environment


def script(request: Request, name: str) -> Markup:
    """A script element for web/static/<name>: a module, or a classic script for vendor/*.js."""
    kind = "" if name.startswith("vendor/") and not name.endswith(".mjs") else ' type="module"'
    return Markup('<script src="{}" nonce="{}"{} defer></script>').format(
        static_url(name), request.state.nonce, Markup(kind)
    )


def csrf_field(request: Request) -> Markup:
    """The hidden field that every form with method=post carries."""
    security: Security = request.app.state.security
    return Markup('<input type="hidden" name="{}" value="{}">').format(
        CSRF_FIELD, security.csrf_token(request)
    )


def _here(menu: list[Nav], path: str) -> str:
    """Address of the one entry the page belongs to: /a/b is below /a/b rather than below /a."""
    above = [
        e.url for e in menu if path == e.url or (e.url != "/" and path.startswith(e.url + "/"))
    ]
    return max(above, key=len, default="")


def _context(request: Request) -> dict[str, Any]:
    actor: Actor | None = getattr(request.state, "actor", None)
    security: Security = request.app.state.security
    menu: list[Nav] = request.app.state.menu
    helpers: dict[str, Callable[..., Any]] = {
        "script": lambda name: script(request, name),
        "csrf_field": lambda: csrf_field(request),
        "csrf_token": lambda: security.csrf_token(request),
        "may": lambda right: actor is not None and actor.may(right),
        "take_notice": lambda: _take_notice(request),
    }
    shown = [entry for entry in menu if entry.shown_to(actor)]
    return {
        **helpers,
        "request": request,
        "actor": actor,
        "nonce": request.state.nonce,
        "lang": i18n.language(),
        "menu": shown,
        "here": _here(shown, request.url.path),
        "path": request.url.path,
        "error": None,
        "values": {},
    }


def render(
    request: Request,
    template: str,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    **context: Any,
) -> Response:
    """The page ``template`` (below web/templates).

    Beside ``context`` templates know: _, actor, may(right), csrf_field(), csrf_token(),
    script(name), static_url(name), has_static(name), error, values, lang, menu, and the filters
    when, time, clock, size, weekday. ``error`` is a XiangyinError to show beside its field;
    ``values`` is what the person had typed. An answer with an error has status 422 unless told.
    """
    known = _context(request) | context
    if isinstance(known["error"], XiangyinError) and status == 200:
        status = known["error"].http_status
    environment: jinja2.Environment = request.app.state.templates
    text = environment.get_template(template).render(known)
    response = HTMLResponse(text, status, {"cache-control": "no-store", **(headers or {})})
    security: Security = request.app.state.security
    security.finish(request, response)
    if getattr(request.state, "notice_taken", False):
        response.delete_cookie(NOTICE_COOKIE)
    return response


def see_other(url: str, notice: str | None = None) -> Response:
    """Lead on after a form was taken, so that reloading repeats nothing.

    ``notice``: an N_ sentence shown once on the next page.
    """
    response = RedirectResponse(url, 303)
    if notice:
        response.set_cookie(
            NOTICE_COOKIE, notice.encode().hex(), max_age=60, samesite="lax", httponly=True
        )
    return response


def _take_notice(request: Request) -> str:
    try:
        notice = bytes.fromhex(request.cookies.get(NOTICE_COOKIE, "")).decode()
    except ValueError:
        notice = ""
    if notice:
        request.state.notice_taken = True
    return i18n.gettext(notice)
