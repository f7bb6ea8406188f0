"""Teach it your village's words: local words, whether the model hears them, the area's grammar."""

from __future__ import annotations

from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import Depends, File, Form, Request, UploadFile
from sqlalchemy.orm import Session
from starlette.responses import Response

from core import areas, audit
from core.auth import Actor
from core.errors import N_, XiangyinError
from core.models import Area
from transcribe import grammar, grammar_text, vocabulary, word_list
from transcribe.models import LocalTerm
from transcribe.word_list import ListRefused
from web.deps import ReadSession, Services, ServicesDep, WriteSession, attempt, require
from web.pages import Nav, render, see_other
from web.routers.people import area_options
from web.routing import Router

router = Router()
NAV = [Nav(40, "/words", N_("Local words"), vocabulary.RIGHT)]
Teacher = Annotated[Actor, Depends(require(vocabulary.RIGHT))]
SHOWN = 500


@router.get("/words")
def page(
    request: Request, session: ReadSession, services: ServicesDep, actor: Teacher, area: str = ""
) -> Response:
    """Words of an area and of those below it, and how to teach more."""
    return _page(request, session, services, actor, area)


@router.get("/words/list")
def list_part(
    request: Request, session: ReadSession, services: ServicesDep, actor: Teacher, area: str = ""
) -> Response:
    """The changing part: the words, and the area's grammar."""
    return render(request, "words/list.html", **_shown(session, services, actor, area))


@router.post("/words")
def add(
    request: Request,
    session: WriteSession,
    services: ServicesDep,
    actor: Teacher,
    area_code: Annotated[str, Form()] = "",
    text: Annotated[str, Form()] = "",
    kind: Annotated[str, Form()] = "other",
    meaning: Annotated[str, Form()] = "",
) -> Response:
    """Teach one word."""
    with attempt(session) as tried:
        vocabulary.add(session, actor, area_code, text, kind, meaning)
    if tried.error:
        typed = {"area_code": area_code, "text": text, "kind": kind, "meaning": meaning}
        return _page(request, session, services, actor, area_code, tried.error, typed)
    return see_other(f"/words?area={area_code}", N_("The word is taught."))


@router.post("/words/import")
def add_many(
    request: Request,
    session: WriteSession,
    services: ServicesDep,
    actor: Teacher,
    area_code: Annotated[str, Form()] = "",
    listed: Annotated[str, Form()] = "",
    file: Annotated[UploadFile | None, File()] = None,
) -> Response:
    """Teach a pasted list or a file, whole or not at all."""
    data = file.file.read(word_list.MAX_BYTES + 1) if file is not None and file.filename else b""
    with attempt(session) as tried:
        vocabulary.add_many(session, actor, area_code, data or listed.encode())
    if tried.error:
        typed = {"area_code": area_code, "listed": listed}
        return _page(request, session, services, actor, area_code, tried.error, typed)
    return see_other(f"/words?area={area_code}", N_("All words of the list are taught."))


@router.post("/words/grammar")
def build_grammar(
    session: WriteSession,
    services: ServicesDep,
    actor: Teacher,
    area_code: Annotated[str, Form()] = "",
) -> Response:
    """Make the area's grammar anew and have it measured."""
    actor.require_area(session, area_code)
    row = grammar.build(session, services.settings, area_code)
    audit.record(session, actor.login, "grammar.built", f"area:{area_code}", sha256=row.sha256)
    return see_other(
        f"/words?area={area_code}#grammar", N_("It is being measured. That takes a while.")
    )


@router.post("/words/grammar/{grammar_id}/on")
def grammar_on(
    request: Request,
    session: WriteSession,
    services: ServicesDep,
    actor: Teacher,
    grammar_id: int,
) -> Response:
    """Hear the area's sounds with it, if it was measured to help."""
    row = grammar.one(session, actor, grammar_id)
    with attempt(session) as tried:
        grammar.switch_on(session, services.settings, row, actor.login)
    if tried.error:
        return _page(request, session, services, actor, row.area_code, tried.error)
    return see_other(f"/words?area={row.area_code}#grammar", N_("Switched on."))


@router.post("/words/grammar/{grammar_id}/off")
def grammar_off(session: WriteSession, actor: Teacher, grammar_id: int) -> Response:
    """Hear the area's sounds without it again."""
    row = grammar.one(session, actor, grammar_id)
    grammar.switch_off(session, row, actor.login)
    return see_other(f"/words?area={row.area_code}#grammar", N_("Switched off."))


@router.post("/words/{term_id}")
def change(
    request: Request,
    session: WriteSession,
    services: ServicesDep,
    actor: Teacher,
    term_id: int,
    text: Annotated[str, Form()] = "",
    kind: Annotated[str, Form()] = "",
    meaning: Annotated[str, Form()] = "",
) -> Response:
    """Correct a taught word."""
    area_code = vocabulary.taught_one(session, actor, term_id).area_code
    with attempt(session) as tried:
        vocabulary.change(session, actor, term_id, text, kind, meaning)
    if tried.error:
        return _page(request, session, services, actor, area_code, tried.error, at=term_id)
    return see_other(f"/words?area={area_code}", N_("Stored."))


@router.post("/words/{term_id}/remove")
def remove(session: WriteSession, actor: Teacher, term_id: int) -> Response:
    """Forget a taught word."""
    area_code = vocabulary.taught_one(session, actor, term_id).area_code
    vocabulary.remove(session, actor, term_id)
    return see_other(f"/words?area={area_code}", N_("The word is removed."))


def _page(
    request: Request,
    session: Session,
    services: Services,
    actor: Actor,
    area_code: str,
    error: XiangyinError | None = None,
    typed: dict[str, Any] | None = None,
    *,
    at: int | None = None,
) -> Response:
    shown = _shown(session, services, actor, area_code)
    return render(
        request,
        "words/page.html",
        area_options=area_options(session, actor),
        lines=error.lines if isinstance(error, ListRefused) else [],
        in_list=at,
        error=error,
        values=typed or {"area_code": shown["area"].code if shown["area"] else "", "kind": "other"},
        **shown,
    )


def _shown(session: Session, services: Services, actor: Actor, area_code: str) -> dict[str, Any]:
    area = session.get(Area, area_code or actor.area_code or "")
    if area_code or area is not None:
        actor.require_area(session, area.code if area else area_code)
    found: dict[str, Any] = {
        "area": area,
        "terms": [],
        "names": {},
        "kinds": vocabulary.KINDS,
        "grammar": None,
        "grammar_states": grammar.STATES,
        "least_held_out": grammar.LEAST_HELD_OUT,
    }
    if area is None:
        return found | {"model": None, "takes_grammar": False, "corrections": 0}
    below = areas.below(session, area.code)
    terms = sa.select(LocalTerm).where(LocalTerm.area_code.in_(below))
    model = grammar.model_of(session, services.settings, area.code)
    named = sa.select(Area.code, Area.name).where(Area.code.in_(below))
    return found | {
        "terms": session.scalars(
            terms.order_by(
                LocalTerm.unknown_to.is_(None), LocalTerm.added_by_id.is_(None), LocalTerm.text
            ).limit(SHOWN)
        ).all(),
        "names": dict(session.execute(named).tuples().all()),
        "model": model,
        "takes_grammar": grammar_text.takes_grammar(model.path),
        "grammar": grammar.latest(session, area.code),
        "corrections": len(grammar.corrections(session, area.code)),
    }
