"""Who may see and hear which report and case.

Outside the own area nothing exists (NotFound). Confidential reports are heard, read and reviewed
by the custodian and by county staff alone; operators see that one exists, so that nobody wonders
about a missing number. A confidential case is seen by the same people and by the handler it is
assigned to, who gets the written paraphrase and nothing else.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Session

from cases.models import Case, CaseReport, Report
from core.auth import RIGHTS, Actor
from core.errors import N_, Forbidden, NotFound

CONFIDENTIAL_ROLES = frozenset({"county", "custodian"})


def keeps_secrets(actor: Actor) -> bool:
    """Whether the actor is one of the few who deal with confidential reports."""
    return bool(actor.roles & CONFIDENTIAL_ROLES)


def report(session: Session, actor: Actor, report_id: int) -> Report:
    """The report in the actor's area, else NotFound; Forbidden when the role reads no reports."""
    found = session.get(Report, report_id)
    return _checked(session, actor, found)


def report_by_number(session: Session, actor: Actor, reference_no: str) -> Report:
    """Like ``report``, by reference number."""
    found = session.scalar(sa.select(Report).where(Report.reference_no == reference_no))
    return _checked(session, actor, found)


def _checked(session: Session, actor: Actor, found: Report | None) -> Report:
    if not (actor.may("report.read") or keeps_secrets(actor)):
        actor.require("report.read")
    if found is None or not in_area(session, actor, found.village_code):
        raise NotFound(N_("There is no such report here."))
    if found.confidential and not keeps_secrets(actor):
        raise NotFound(N_("There is no such report here."))
    if not found.confidential and not actor.may("report.read"):
        raise NotFound(N_("There is no such report here."))
    return found


def in_area(session: Session, actor: Actor, village_code: str | None) -> bool:
    """Like Actor.sees; a report without a village is also the custodian's to see."""
    if village_code is None and keeps_secrets(actor):
        return True
    return actor.sees(session, village_code)


def require_hear(actor: Actor, found: Report) -> None:
    """Raise Forbidden unless the actor may hear this report's sound."""
    allowed = keeps_secrets(actor) if found.confidential else actor.may("report.hear")
    if not allowed:
        raise Forbidden(N_("Your role does not hear reports."))


def may_hear(actor: Actor, found: Report) -> bool:
    return keeps_secrets(actor) if found.confidential else actor.may("report.hear")


def may_hear_muted(actor: Actor, found: Report) -> bool:
    """Whoever hears reports, and the city centre, which samples those that are no secret."""
    return may_hear(actor, found) or ("city" in actor.roles and not found.confidential)


def may_review(actor: Actor, found: Report) -> bool:
    return keeps_secrets(actor) if found.confidential else actor.may("report.review")


def require_review(actor: Actor, found: Report) -> None:
    """Raise Forbidden unless the actor may review this report."""
    if not may_review(actor, found):
        raise Forbidden(N_("Your role does not review this report."))


def reports_seen(session: Session, actor: Actor) -> sa.Select[Report]:
    """Reports whose content the actor may read, as a query to narrow further."""
    query = sa.select(Report).where(area_clause(session, actor))
    if not keeps_secrets(actor):
        query = query.where(sa.not_(Report.confidential))
    if not actor.may("report.read"):
        query = query.where(Report.confidential)
    return query


def area_clause(session: Session, actor: Actor) -> sa.ColumnElement[bool]:
    """SQL condition: the report's village is the actor's to see."""
    own = actor.reach(session)
    clause: sa.ColumnElement[bool] = Report.village_code.in_(own)
    if in_area(session, actor, None):
        clause = sa.or_(clause, Report.village_code.is_(None))
    return clause


def cases_seen(session: Session, actor: Actor) -> sa.Select[Case]:
    """Cases the actor may see, as a query to narrow further."""
    if not (actor.may("case.read") or keeps_secrets(actor)):
        actor.require("case.read")
    own = actor.reach(session)
    place: sa.ColumnElement[bool] = Case.village_code.in_(own)
    if in_area(session, actor, None):
        place = sa.or_(place, Case.village_code.is_(None))
    query = sa.select(Case).where(sa.or_(place, Case.handler_id == actor.id))
    if _sees_own_alone(actor):
        query = query.where(Case.handler_id == actor.id)
    if not keeps_secrets(actor):
        query = query.where(sa.or_(sa.not_(Case.confidential), Case.handler_id == actor.id))
    if not actor.may("case.read"):
        query = query.where(Case.confidential)
    return query


def _sees_own_alone(actor: Actor) -> bool:
    """Neighbours work as grid workers: what they were not given is none of their business."""
    return actor.roles & RIGHTS["case.read"] == {"grid_worker"} and not keeps_secrets(actor)


def case(session: Session, actor: Actor, case_id: int) -> Case:
    """The case, else NotFound when it is not the actor's to see."""
    found = session.scalar(cases_seen(session, actor).where(Case.id == case_id))
    if found is None:
        raise NotFound(N_("There is no such case here."))
    return found


def reports_of(session: Session, actor: Actor, found: Case) -> list[Report]:
    """The reports behind a case, as far as the actor may read them."""
    linked = sa.select(CaseReport.report_id).where(CaseReport.case_id == found.id)
    if not (actor.may("report.read") or keeps_secrets(actor)):
        return []
    query = reports_seen(session, actor).where(Report.id.in_(linked)).order_by(Report.id)
    return list(session.scalars(query))
