"""Reports are found by what was said, written or summed up in them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from cases import access, masking
from cases.models import Report
from core import audit, outbox
from core.auth import Actor
from transcribe import grams, search, transcripts
from transcribe.search import Hit

AT_ONCE = 20
"""Reports indexed anew in one transaction: others write in between."""


@dataclass(frozen=True)
class Found:
    """A report that holds the query; ``hit`` shows where, numbers starred.

    ``by_sound``: its words only sound like what was looked for.
    """

    report: Report
    hit: Hit
    by_sound: bool


def index(session: Session, report_id: int) -> None:
    """Let the report be found by its words as they are now."""
    report = session.get(Report, report_id)
    if report is not None:
        search.refresh(session, "report", report.id, [report.typed_text, report.summary])


def on_changed(session: Session, payload: dict[str, Any]) -> None:
    """A report came in or was changed."""
    index(session, payload["report_id"])


def on_transcript_ready(session: Session, payload: dict[str, Any]) -> None:
    """The machine has written something down."""
    if payload["subject_kind"] == "report":
        index(session, payload["subject_id"])


def on_reindex(session: Session, payload: dict[str, Any]) -> None:
    """Index the next reports anew and order the ones after them; may be cut off anywhere."""
    ids = session.scalars(
        sa.select(Report.id).where(Report.id > payload["after"]).order_by(Report.id).limit(AT_ONCE)
    ).all()
    for report_id in ids:
        index(session, report_id)
    if len(ids) == AT_ONCE:
        outbox.emit(session, search.REINDEX, after=ids[-1])


def find(
    session: Session, actor: Actor, query: str, *, limit: int, offset: int = 0
) -> tuple[list[Found], bool]:
    """Reports the actor may read that hold the query, and whether there are more.

    First those with these very characters, then those that only sound so (a single character
    sounds like too many); the newest first. Whoever shows them calls ``note``.
    Raises InvalidInput (field "q") for a query that is too long.
    """
    seen = readable(session, actor)
    upto = offset + limit + 1
    exact = ids(session, seen, query, by_sound=False, limit=upto)
    both = [(report_id, False) for report_id in exact]
    if len(exact) < upto and len(grams.plain(query)) > 1:
        wide = ids(session, seen, query, by_sound=True, limit=upto + len(exact))
        both += [(report_id, True) for report_id in wide if report_id not in exact]
    shown = [
        _found(session, report_id, query, by_sound=by_sound)
        for report_id, by_sound in both[offset : offset + limit]
    ]
    return shown, len(both) > offset + limit


def ids(
    session: Session, among: sa.Select[Report], query: str, *, by_sound: bool, limit: int
) -> list[int]:
    """Ids of those of the reports ``among`` that hold ``query``, the newest first."""
    seen = among.with_only_columns(Report.id)
    return search.find(session, "report", query, by_sound=by_sound, limit=limit, among=seen)


def readable(session: Session, actor: Actor) -> sa.Select[Report]:
    """Reports the actor may read; Forbidden when the role reads none."""
    if not access.keeps_secrets(actor):
        actor.require("report.read")
    return access.reports_seen(session, actor)


def note(session: Session, actor: Actor, query: str, found: int) -> None:
    """Write down who looked for what, digits starred."""
    without_digits = re.sub(r"\d", "*", masking.hide_numbers(query))
    audit.record(
        session, actor.login, "report.search", "report:*", query=without_digits, found=found
    )


def _found(session: Session, report_id: int, query: str, *, by_sound: bool) -> Found:
    report = session.get_one(Report, report_id)
    texts = _texts(session, report)
    hit = search.locate(texts, query, by_sound=by_sound) or Hit(texts[0] if texts else "", 0, 0)
    return Found(report, hit, by_sound)


def _texts(session: Session, report: Report) -> list[str]:
    """What a hit is shown in: a person's wording first, the machine's first hearing last."""
    versions = transcripts.history(session, "report", report.id)
    versions.sort(key=lambda one: (one.author_id is not None, one.version), reverse=True)
    texts: list[str | None] = [report.summary, report.typed_text]
    for version in versions:
        texts += [version.readable, version.text]
    return [masking.hide_numbers(text) for text in texts if text]
