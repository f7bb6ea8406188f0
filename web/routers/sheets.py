"""QR sheets: which codes there are, and the file that a printer takes."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Form, Request
from sqlalchemy.orm import Session
from starlette.responses import Response

from core.auth import Actor
from core.errors import N_, InvalidInput, XiangyinError
from desk import points
from desk.sheets import drawing
from desk.sheets.drawing import Sheet, Wording
from desk.sheets.fonts import Letters
from web import i18n
from web.addresses import base_url
from web.deps import ReadSession, Services, ServicesDep, WriteSession, attempt, require
from web.pages import STATIC, Nav, render, see_other
from web.routing import Router

router = Router()
NAV = [Nav(68, "/sheets", N_("QR sheets"), "sheet.print")]
Printer = Annotated[Actor, Depends(require("sheet.print"))]
Editor = Annotated[Actor, Depends(require("sheet.edit"))]

MAX_SHEETS = 3000
"""About 25 s of drawing; a printer runs out of paper before."""


@router.get("/sheets")
def sheets_page(
    request: Request, session: ReadSession, services: ServicesDep, actor: Printer
) -> Response:
    """Choose, print, and say which buildings have codes of their own."""
    return _page(request, session, services, actor)


def _page(
    request: Request,
    session: Session,
    services: Services,
    actor: Actor,
    *,
    error: XiangyinError | None = None,
    values: dict[str, Any] | None = None,
) -> Response:
    found = points.places(session, actor)
    return render(
        request,
        "sheets/page.html",
        places=found,
        count=sum(len(place.in_use) for place in found),
        address=base_url(services.settings),
        address_guessed=not services.settings.public_base_url,
        phone=services.settings.hotline_number,
        embedded=_letters(services).embedded,
        per_point=points.HOUSEHOLDS_PER_POINT,
        error=error,
        values=values or {},
    )


@router.post("/sheets/points")
def add_point(
    request: Request,
    session: WriteSession,
    services: ServicesDep,
    actor: Editor,
    village_code: Annotated[str, Form()] = "",
    label: Annotated[str, Form()] = "",
    households: Annotated[str, Form()] = "",
) -> Response:
    """One more code; without a name: one for every 30 households."""
    typed = {"village_code": village_code, "label": label, "households": households}
    with attempt(session) as tried:
        if label.strip():
            points.add(session, actor, village_code, label, households)
        else:
            points.add_groups(session, actor, village_code, households)
    if tried.error:
        return _page(request, session, services, actor, error=tried.error, values=typed)
    return see_other(f"/sheets#v{village_code}", N_("The codes are added. Print them now."))


@router.post("/sheets/points/{code}/switch")
def switch(
    session: WriteSession, actor: Editor, code: str, active: Annotated[str, Form()] = ""
) -> Response:
    """Print a code no more, or again; what hangs on walls goes on working."""
    point = points.switch(session, actor, code, active=active == "1")
    return see_other(f"/sheets#v{point.village_code}", N_("It is changed."))


@router.get("/sheets/print.pdf")
def print_file(
    services: ServicesDep,
    actor: Printer,
    village: str = "",
    kind: str = "village",
    per_page: int = 1,
) -> Response:
    """All sheets as one file: of one village, or of every village of the own area."""
    if per_page not in drawing.PER_PAGE:
        raise InvalidInput(N_("Choose one or eight on a page."), field="per_page")
    sheets = _wanted(services, actor, village, kind)
    # No session any more: drawing takes seconds, and nobody shall wait for us meanwhile.
    data = drawing.pdf(sheets, _wording(services), _letters(services), per_page=per_page)
    name = f"xiangyin-{village or 'all'}-{kind}-{per_page}.pdf"
    return Response(
        data,
        media_type="application/pdf",
        headers={
            "content-disposition": f'attachment; filename="{name}"',
            "cache-control": "no-store",
        },
    )


def _wanted(services: Services, actor: Actor, village: str, kind: str) -> list[Sheet]:
    root = base_url(services.settings)
    with services.database.write() as session:
        found = points.places(session, actor, village or None)
        points.give_codes(session, [place.village for place in found])
        sheets = [sheet for place in found for sheet in _sheets(place, root, kind)]
    if not sheets:
        raise InvalidInput(N_("There is nothing to print yet. Add codes for groups first."))
    if len(sheets) > MAX_SHEETS:
        raise InvalidInput(
            N_("These are %(count)d sheets; at most %(limit)d go into one file. Choose a village."),
            params={"count": len(sheets), "limit": MAX_SHEETS},
        )
    return sheets


def _sheets(place: points.Place, root: str, kind: str) -> list[Sheet]:
    village = place.village
    if kind != "points":
        code = village.report_code or ""
        return [Sheet(f"{root}/report/{code}", village.name, "", village.poster_code or "")]
    return [
        Sheet(f"{root}/report/{point.code}", village.name, point.label, village.poster_code or "")
        for point in place.in_use
    ]


def _wording(services: Services) -> Wording:
    station = services.settings.station_name
    title = i18n.gettext(N_("Xiangyin hotline"))
    return Wording(
        title=f"{station} · {title}" if station else title,
        scan=i18n.gettext(N_("Scan with a phone, say what is wrong")),
        steps=(
            i18n.gettext(N_("1. Scan the code above with a phone")),
            i18n.gettext(N_("2. Agree, then speak or write")),
            i18n.gettext(N_("3. Write down your number; we will contact you")),
        ),
        call=i18n.gettext(N_("Or call")),
        code=i18n.gettext(N_("Key in the village's code")),
        danger=i18n.gettext(N_("In danger: 110 · 119 · 120   Cheated: 96110")),
        consent=i18n.gettext(
            N_("What you say is recorded and used for your matter only. You may ask for secrecy.")
        ),
        phone=services.settings.hotline_number,
    )


def _letters(services: Services) -> Letters:
    return Letters(STATIC / "vendor" / "letters", services.settings.folder("letters"))
