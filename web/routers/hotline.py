"""The hotline's page: the line out, duty phones, numbers of villages, languages."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Form, Request
from pydantic import BaseModel
from sqlalchemy.orm import Session
from starlette.responses import Response

from core import areas
from core.auth import Actor
from core.errors import N_, XiangyinError
from core.models import Area
from hotline import phone_book
from hotline.phone_book import DutyForm
from web import hotline_view, i18n
from web.deps import ReadSession, Services, ServicesDep, WriteSession, attempt, require
from web.pages import Nav, render, see_other
from web.routers.people import area_options
from web.routing import Router

router = Router(prefix="/hotline")
NAV = [Nav(60, "/hotline", N_("Hotline"), phone_book.RIGHT)]
Editor = Annotated[Actor, Depends(require(phone_book.RIGHT))]


class PhoneForm(BaseModel):
    """A duty phone as typed."""

    kind: str = ""
    area_code: str = ""
    name: str = ""
    number: str = ""
    order_no: str = "1"
    from_time: str = "00:00"
    until_time: str = "24:00"
    active: str = ""

    def as_typed(self) -> DutyForm:
        fields = self.model_dump()
        return DutyForm(**{**fields, "active": bool(fields["active"])})


@router.get("")
def hotline_page(
    request: Request, session: ReadSession, services: ServicesDep, actor: Editor
) -> Response:
    """How the hotline stands, who answers it, which numbers belong to which village."""
    return _page(request, session, services, actor)


@router.get("/phones/new")
def new_phone(request: Request, session: ReadSession, actor: Editor) -> Response:
    """An empty form for a duty phone."""
    values = {**PhoneForm(kind="duty", active="1").model_dump(), "area_code": actor.area_code or ""}
    return _form(request, session, actor, None, values)


@router.post("/phones/new")
def add_phone(
    request: Request, session: WriteSession, services: ServicesDep, actor: Editor,
    form: Annotated[PhoneForm, Form()],
) -> Response:  # fmt: skip
    """Add a duty phone."""
    return _store(request, session, services, actor, form, None)


@router.get("/phones/{phone_id}")
def phone_page(
    request: Request, phone_id: int, session: ReadSession, services: ServicesDep, actor: Editor
) -> Response:
    """The form of a duty phone; its number is masked and stays unless another is typed."""
    row = phone_book.duty_phone(session, actor, phone_id)
    values = {
        name: getattr(row, name)
        for name in ("kind", "area_code", "name", "order_no", "from_time", "until_time")
    }
    values["active"] = "1" if row.active else ""
    masked = hotline_view.masked(services.sealer, row.number_sealed)
    return _form(request, session, actor, phone_id, values, masked=masked)


@router.post("/phones/{phone_id}")
def change_phone(
    request: Request, phone_id: int, session: WriteSession, services: ServicesDep, actor: Editor,
    form: Annotated[PhoneForm, Form()],
) -> Response:  # fmt: skip
    """Change a duty phone."""
    return _store(request, session, services, actor, form, phone_id)


@router.post("/phones/{phone_id}/remove")
def remove_phone(phone_id: int, session: WriteSession, actor: Editor) -> Response:
    """Never ring it again."""
    phone_book.remove_duty_phone(session, actor, phone_id)
    return see_other("/hotline", N_("The telephone is removed."))


@router.post("/lines")
def store_line(
    request: Request, session: WriteSession, services: ServicesDep, actor: Editor,
    called: Annotated[str, Form(max_length=80)] = "",
    village_code: Annotated[str, Form(max_length=12)] = "",
) -> Response:  # fmt: skip
    """Say which village a number that people dial belongs to."""
    with attempt(session) as tried:
        phone_book.store_line(session, actor, called, village_code)
    if tried.error:
        values = {"called": called, "village_code": village_code}
        return _page(request, session, services, actor, error=tried.error, values=values)
    return see_other("/hotline", N_("Stored. Calls to this number know their village now."))


@router.post("/lines/remove")
def remove_line(
    session: WriteSession, actor: Editor, called: Annotated[str, Form(max_length=80)] = ""
) -> Response:
    """Callers of this number are asked for their village from now on."""
    phone_book.remove_line(session, actor, called)
    return see_other("/hotline", N_("The number is removed."))


def _page(
    request: Request,
    session: Session,
    services: Services,
    actor: Actor,
    *,
    error: XiangyinError | None = None,
    values: dict[str, Any] | None = None,
) -> Response:
    rows = phone_book.duty_phones(session, actor)
    names = _names(session, actor)
    return render(
        request,
        "hotline/page.html",
        error=error,
        values=values or {},
        line_out=hotline_view.line_out(services.settings),
        lacking=hotline_view.lacking(rows),
        phones=hotline_view.phones(rows, services.sealer, names),
        kinds=hotline_view.KINDS,
        lines=phone_book.lines(session, actor),
        names=names,
        villages=[(one.code, one.name) for one in areas.villages(session) if one.code in names],
        number=services.settings.hotline_number,
        languages_spoken=hotline_view.languages(services.settings),
    )


def _names(session: Session, actor: Actor) -> dict[str, str]:
    own = phone_book.own_codes(session, actor)
    return {area.code: area.name for area in session.query(Area) if area.code in own}


def _store(
    request: Request,
    session: Session,
    services: Services,
    actor: Actor,
    form: PhoneForm,
    phone_id: int | None,
) -> Response:
    with attempt(session) as tried:
        phone_book.store_duty_phone(
            session, services.settings, services.sealer, actor, form.as_typed(), phone_id
        )
    if tried.error:
        values = form.model_dump()
        return _form(request, session, actor, phone_id, values, error=tried.error)
    return see_other("/hotline", N_("Stored. The hotline rings it from now on."))


def _form(
    request: Request,
    session: Session,
    actor: Actor,
    phone_id: int | None,
    values: dict[str, Any],
    *,
    masked: str = "",
    error: XiangyinError | None = None,
) -> Response:
    return render(
        request,
        "hotline/phone.html",
        phone_id=phone_id,
        masked=masked,
        values=values,
        error=error,
        kinds=[(code, i18n.gettext(words)) for code, words in hotline_view.KINDS.items()],
        places=area_options(session, actor),
    )
