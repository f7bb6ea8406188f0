"""Call-backs: who is to be phoned, by when, and what came of it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import Form, Request
from pydantic import BaseModel
from sqlalchemy.orm import Session
from starlette.responses import Response

from core.auth import Actor
from core.clock import utc_now
from core.errors import N_, XiangyinError
from desk import people
from hotline import callback_rules, callback_work, callbacks, whole_numbers
from hotline.models import CallBack
from web import bridge_view, callback_list, masks
from web.deps import CurrentActor, ReadSession, Services, ServicesDep, WriteSession, attempt
from web.pages import render, see_other
from web.review_list import SecretsToo
from web.routing import Router

router = Router(prefix="/callbacks")
NAV = [SecretsToo(12, "/callbacks", N_("Call-backs"), "callback.work")]
STATES = ("open", "done")
WITHHELD_SINCE = timedelta(days=7)


class Ending(BaseModel):
    """The forms of a task."""

    version: int
    outcome: str = ""
    note: str = ""


@router.get("")
def list_page(
    request: Request, session: ReadSession, services: ServicesDep, actor: CurrentActor,
    state: str = "open", page: int = 0,
) -> Response:  # fmt: skip
    """Who is to be phoned, the longest due first; or what was ended, the last first."""
    return render(request, "callbacks/list.html", **_list(session, services, actor, state, page))


@router.get("/rows")
def rows(
    request: Request, session: ReadSession, services: ServicesDep, actor: CurrentActor,
    state: str = "open", page: int = 0,
) -> Response:  # fmt: skip
    """The changing part of the list."""
    return render(request, "callbacks/rows.html", **_list(session, services, actor, state, page))


def _list(
    session: Session, services: Services, actor: Actor, state: str, page: int
) -> dict[str, Any]:
    chosen = state if state in STATES else "open"
    page = max(0, min(page, 10_000))
    lines, total = callback_list.lines(session, actor, services, state=chosen, page=page)
    return {
        "lines": lines,
        "total": total,
        "state": chosen,
        "page": page,
        "has_more": total > (page + 1) * callback_list.PAGE,
        "withheld": callback_work.nobody_can_call(session, actor, utc_now() - WITHHELD_SINCE),
        **_words(),
    }


def _words() -> dict[str, Any]:
    return {"reasons": callback_list.REASONS, "outcomes": callback_list.OUTCOMES}


@router.get("/{task_id}")
def task_page(
    request: Request, task_id: int, session: ReadSession, services: ServicesDep, actor: CurrentActor
) -> Response:
    """One call-back: what happened, and the forms to work on it."""
    return _page(request, session, services, actor, task_id)


@router.get("/{task_id}/state")
def state_part(
    request: Request, task_id: int, session: ReadSession, services: ServicesDep, actor: CurrentActor
) -> Response:
    """The changing part of one call-back."""
    context = _context(session, services, actor, task_id)
    return render(request, "callbacks/state.html", **context)


@router.post("/{task_id}/tried")
def tried(
    request: Request, task_id: int, session: WriteSession, services: ServicesDep,
    actor: CurrentActor, form: Annotated[Ending, Form()],
) -> Response:  # fmt: skip
    """Nobody answered: wait for the next try."""
    with attempt(session) as done:
        callback_work.note_try(
            session, actor, task_id, form.version, form.note, services.settings.zone
        )
    if done.error:
        return _page(request, session, services, actor, task_id, error=done.error, form=form)
    return see_other("/callbacks", N_("Noted. The call-back comes again when the next try is due."))


@router.post("/{task_id}/done")
def finish(
    request: Request, task_id: int, session: WriteSession, services: ServicesDep,
    actor: CurrentActor, form: Annotated[Ending, Form()],
) -> Response:  # fmt: skip
    """End it with what came of it."""
    with attempt(session) as done:
        callback_work.finish(
            session, actor, task_id, form.version, form.outcome, form.note, services.settings.zone
        )
    if done.error:
        return _page(request, session, services, actor, task_id, error=done.error, form=form)
    return see_other("/callbacks", N_("Done: this call-back is off the list."))


@router.post("/{task_id}/reopen")
def reopen(
    request: Request, task_id: int, session: WriteSession, services: ServicesDep,
    actor: CurrentActor, form: Annotated[Ending, Form()],
) -> Response:  # fmt: skip
    """Take an ending back."""
    with attempt(session) as done:
        callback_work.reopen(session, actor, task_id, form.version)
    if done.error:
        return _page(request, session, services, actor, task_id, error=done.error, form=form)
    return see_other(f"/callbacks/{task_id}", N_("The call-back is on the list again."))


@router.post("/{task_id}/number")
def reveal(
    request: Request, task_id: int, session: WriteSession, services: ServicesDep,
    actor: CurrentActor, reason: Annotated[str, Form(max_length=500)] = "",
) -> Response:  # fmt: skip
    """Show the whole number on this answer alone; the reason goes into the audit trail."""
    number = ""
    with attempt(session) as done:
        number = whole_numbers.read_of_call_back(session, actor, services.sealer, task_id, reason)
    return _page(
        request, session, services, actor, task_id, error=done.error, number=number, reason=reason
    )


def _page(
    request: Request,
    session: Session,
    services: Services,
    actor: Actor,
    task_id: int,
    *,
    error: XiangyinError | None = None,
    form: Ending | None = None,
    number: str = "",
    reason: str = "",
) -> Response:
    session.expire_all()
    context = _context(session, services, actor, task_id)
    typed = {"outcome": form.outcome, "note": form.note} if form else {}
    return render(
        request,
        "callbacks/task.html",
        error=error,
        values={**typed, "reason": reason},
        whole_number=number,
        may_reveal=whole_numbers.may_read_of_call_back(session, actor, context["task"]),
        choices=[(code, callback_list.OUTCOMES[code]) for code in callback_work.OUTCOMES],
        **context,
    )


def _context(session: Session, services: Services, actor: Actor, task_id: int) -> dict[str, Any]:
    task = callback_work.task(session, actor, task_id)
    (line,) = callback_list.shown(session, actor, services, [task])
    days, evening = callback_rules.tries_lacking(callbacks.tried_at(task), services.settings.zone)
    return {
        "line": line,
        "task": task,
        "bridge": bridge_view.of_call_back(session, services, actor, task),
        "calls": callback_work.calls_of(session, task),
        "tries": _tries(task),
        "people": people.names(
            session, [task.done_by_id, *(one["by"] for one in task.tried or [])]
        ),
        "days_lacking": days,
        "evening_lacking": evening,
        "said": masks.of_cases(actor).text,
        **_words(),
    }


def _tries(task: CallBack) -> list[dict[str, Any]]:
    return [{**one, "at": datetime.fromisoformat(one["at"])} for one in task.tried or []]
