"""留存: nothing of a case is deleted while somebody keeps it; by township and county."""

from __future__ import annotations

from typing import Annotated

from fastapi import Form, Request
from starlette.responses import Response

from cases import access, retention_hold
from core.errors import N_
from web.deps import CurrentActor, WriteSession, attempt
from web.pages import see_other
from web.routers.cases import case_response
from web.routing import Router

router = Router()


@router.post("/cases/{case_id}/keep")
def keep(
    request: Request, session: WriteSession, actor: CurrentActor, case_id: int,
    hold_reason: Annotated[str, Form(max_length=2000)] = "",
) -> Response:  # fmt: skip
    """Delete nothing of the case from now on; the reason goes into the audit trail."""
    actor.require(retention_hold.RIGHT)
    with attempt(session) as tried:
        retention_hold.hold(session, actor, case_id, hold_reason)
    if tried.error:
        case = access.case(session, actor, case_id)
        return case_response(request, session, actor, case, tried.error)
    return see_other(f"/cases/{case_id}", N_("It is kept: nothing of it is deleted."))


@router.post("/cases/{case_id}/keep/lift")
def lift(session: WriteSession, actor: CurrentActor, case_id: int) -> Response:
    """What is past its time goes with the next daily run."""
    retention_hold.lift(session, actor, case_id)
    notice = N_("Lifted: what is past its time is deleted within a day.")
    return see_other(f"/cases/{case_id}", notice)
