"""Looking for reports by what was said in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastapi import Request
from sqlalchemy.orm import Session
from starlette.responses import Response

from cases import finding
from cases.finding import Found
from cases.models import Report
from core import areas
from core.auth import Actor
from core.errors import InvalidInput, XiangyinError
from transcribe import grams
from transcribe.search import Hit
from web.deps import CurrentActor, ReadSession, ServicesDep
from web.pages import render
from web.review_view import STATES
from web.routing import Router

router = Router()
PAGE = 50
BEFORE, AFTER = 24, 60
"""Characters shown beside a hit."""


@dataclass(frozen=True)
class Line:
    """One report that was found: its words before the hit, the hit, its words after."""

    report: Report
    village: str | None
    before: str
    marked: str
    after: str
    by_sound: bool


@router.get("/search")
def page(
    request: Request,
    session: ReadSession,
    services: ServicesDep,
    actor: CurrentActor,
    q: str = "",
    page: int = 0,
) -> Response:
    """Reports that hold the words, then those that only sound so; each search is written down."""
    finding.readable(session, actor)
    page = max(0, min(page, 1_000))
    lines: list[Line] = []
    has_more = False
    error: XiangyinError | None = None
    if grams.plain(q):
        try:
            lines, has_more = _lines(session, actor, q, page)
        except InvalidInput as refused:
            error = refused
        else:  # looking takes longer than writing it down: only this needs the database to itself
            with services.database.write() as writing:
                finding.note(writing, actor, q, len(lines))
    return render(request, "search/page.html", **_shown(q, page, lines, has_more, error))


def _shown(
    q: str, page: int, lines: list[Line], has_more: bool, error: XiangyinError | None
) -> dict[str, Any]:
    return {
        "q": q,
        "asked": bool(grams.plain(q)),
        "lines": lines,
        "page_number": page,
        "has_more": has_more,
        "states": STATES,
        "error": error,
        "values": {"q": q},
    }


def _lines(session: Session, actor: Actor, q: str, page: int) -> tuple[list[Line], bool]:
    found, has_more = finding.find(session, actor, q, limit=PAGE, offset=page * PAGE)
    names = {area.code: area.name for area in areas.villages(session)}
    return [_line(one, names.get(one.report.village_code or "")) for one in found], has_more


def _line(found: Found, village: str | None) -> Line:
    before, marked, after = snippet(found.hit)
    return Line(found.report, village, before, marked, after, found.by_sound)


def snippet(hit: Hit) -> tuple[str, str, str]:
    """The hit with some of the words around it; "…" where they are cut."""
    start, end = max(0, hit.start - BEFORE), min(len(hit.text), hit.end + AFTER)
    before = ("…" if start else "") + hit.text[start : hit.start]
    after = hit.text[hit.end : end] + ("…" if end < len(hit.text) else "")
    return before, hit.text[hit.start : hit.end], after
