"""How good is it? Wrong characters by village, channel, model and week, and the floor."""

from __future__ import annotations

import csv
import io
from typing import Annotated, Any, Literal

from fastapi import Form, Query, Request
from sqlalchemy.orm import Session
from starlette.responses import Response

from core.auth import Actor
from core.errors import N_, Forbidden, XiangyinError
from desk import quality
from web import quality_view
from web.deps import CurrentActor, ReadSession, Services, ServicesDep, WriteSession, attempt
from web.pages import Nav, render, see_other
from web.routing import Router

Which = Literal["sample", "chosen"]
Weeks = Annotated[int, Query(ge=0, le=520)]


class _ForThose(Nav):
    """The entry of those who may see the figures or the floor."""

    def shown_to(self, actor: Actor | None) -> bool:
        return actor is not None and _may_come(actor)


def _may_come(actor: Actor) -> bool:
    return actor.may("quality.read") or actor.may("quality.floor")


router = Router()
NAV = [_ForThose(35, "/quality", N_("How good is it?"))]


@router.get("/quality")
def page(
    request: Request,
    session: ReadSession,
    services: ServicesDep,
    actor: CurrentActor,
    show: Which = "sample",
    weeks: Weeks = 26,
) -> Response:
    """How many characters the machine hears wrong in the own area, and from which floor on."""
    return _page(request, session, services, actor, show, weeks)


def _page(
    request: Request,
    session: Session,
    services: Services,
    actor: Actor,
    show: Which = "sample",
    weeks: int = 26,
    error: XiangyinError | None = None,
    values: dict[str, str] | None = None,
) -> Response:
    if not _may_come(actor):
        raise Forbidden(N_("Your role does not allow this. Ask your administrator."))
    context: dict[str, Any] = quality_view.floor_context(session, services.settings, actor)
    if actor.may("quality.read"):
        context |= quality_view.figures(session, services, actor, show, weeks, context["floors"])
    return render(
        request,
        "quality/page.html",
        show=show,
        weeks=weeks,
        error=error,
        values=values or {},
        **context,
    )


@router.get("/quality.csv")
def table(
    session: ReadSession,
    services: ServicesDep,
    actor: CurrentActor,
    show: Which = "sample",
    weeks: Weeks = 26,
) -> Response:
    """The page's tables as CSV (UTF-8 with a mark for spreadsheets)."""
    actor.require("quality.read")
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(
        ["group", "name", "transcripts", "characters", "substitutions", "deletions", "insertions",
         "cer", "low_95", "high_95"]
    )  # fmt: skip
    for group, name, found in quality_view.lines(session, services, actor, show, weeks):
        counts = found.counts
        writer.writerow(
            [group, quality_view.harmless(name), found.pairs, counts.characters,
             counts.substitutions, counts.deletions, counts.insertions,
             *(quality_view.decimal(value) for value in (found.rate, found.low, found.high))]
        )  # fmt: skip
    return Response(
        "\ufeff" + out.getvalue(),
        media_type="text/csv; charset=utf-8",
        headers={
            "content-disposition": f'attachment; filename="quality-{show}.csv"',
            "cache-control": "no-store",
        },
    )


@router.post("/quality/floor")
def fix_floor(
    request: Request,
    session: WriteSession,
    services: ServicesDep,
    actor: CurrentActor,
    floor: Annotated[str, Form(max_length=20)] = "",
    reason: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    """Fix the floor of the own area by hand, or (empty) let it follow from measurements."""
    with attempt(session) as tried:
        quality.fix_floor(session, actor, floor, reason)
    if isinstance(tried.error, Forbidden):
        raise tried.error
    if tried.error:
        typed = {"floor": floor, "reason": reason}
        return _page(request, session, services, actor, error=tried.error, values=typed)
    return see_other("/quality", N_("The floor is stored."))
