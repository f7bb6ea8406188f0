"""Being connected with a resident by the hotline: neither sees the other's number."""

from __future__ import annotations

from fastapi import Request
from starlette.responses import Response

from cases import access
from core.errors import N_
from hotline import callback_work
from hotline.outgoing import orders
from web import bridge_view
from web.deps import CurrentActor, ReadSession, ServicesDep, WriteSession, attempt
from web.pages import render, see_other
from web.routers import cases
from web.routing import Router

router = Router()
CALLED = N_("The hotline calls your telephone now: pick it up and press 1.")


@router.get("/cases/{case_id}/bridge")
def case_part(
    request: Request, session: ReadSession, services: ServicesDep, actor: CurrentActor, case_id: int
) -> Response:
    """How far the call with the resident of a case is: the changing part."""
    case = access.case(session, actor, case_id)
    view = bridge_view.of_case(session, services, actor, case)
    return render(request, "bridges/part.html", bridge=view)


@router.post("/cases/{case_id}/bridge")
def connect_case(
    request: Request,
    session: WriteSession,
    services: ServicesDep,
    actor: CurrentActor,
    case_id: int,
) -> Response:
    """Let the hotline call oneself and then the resident of a case, and join the two."""
    with attempt(session) as tried:
        orders.request_bridge_for_case(session, services.settings, services.sealer, actor, case_id)
    if tried.error:
        case = access.case(session, actor, case_id)
        return cases.case_response(request, session, actor, case, tried.error)
    return see_other(f"/cases/{case_id}", CALLED)


@router.get("/callbacks/{task_id}/bridge")
def call_back_part(
    request: Request, session: ReadSession, services: ServicesDep, actor: CurrentActor, task_id: int
) -> Response:
    """How far the call of a call-back is: the changing part."""
    task = callback_work.task(session, actor, task_id)
    view = bridge_view.of_call_back(session, services, actor, task)
    return render(request, "bridges/part.html", bridge=view)


@router.post("/callbacks/{task_id}/bridge")
def connect_call_back(
    request: Request,
    session: WriteSession,
    services: ServicesDep,
    actor: CurrentActor,
    task_id: int,
) -> Response:
    """Let the hotline call oneself and then whoever waits for a call-back, and join the two."""
    with attempt(session) as tried:
        orders.request_bridge_for_call_back(
            session, services.settings, services.sealer, actor, task_id
        )
    if tried.error:
        back = f"/callbacks/{task_id}"
        return render(request, "bridges/refused.html", error=tried.error, back=back)
    return see_other(f"/callbacks/{task_id}", CALLED)
