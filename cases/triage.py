"""Reads a report's words and proposes kind, place and urgency. A person decides; it closes nothing.

``read`` needs no database; ``propose`` stores what it found with the words that led to it. Dialect
and a bad line defeat every word list, so an empty result means nothing at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from cases import learning, persons
from cases.classifier import Classifier
from cases.models import Report, ReportEvent
from cases.vocabulary import DANGER_PHRASES, HARMLESS, URGENT_PHRASES
from cases.words import places_in, words_of
from core import areas, outbox
from core.clock import utc_now
from core.database import Database

MIN_STEM = 2
REASON_LENGTH = 200
OPEN_STATES = ("received", "under_review")


@dataclass(frozen=True)
class Proposal:
    """What the words suggest. ``hits``: [{"kind": danger|urgent|service|place|person, "phrase"}].

    ``certainty`` (0-1) is that of the likeliest kind; below the floor none is proposed. None: the
    classifier was not asked.
    """

    service_code: str | None
    village_code: str | None
    urgent: bool
    hits: tuple[dict[str, str], ...]
    certainty: float | None = None


def read(
    text: str,
    villages: Mapping[str, str],
    classifier: Classifier | None,
    *,
    place_text: str | None = None,
) -> Proposal:
    """Propose from ``text``; ``villages`` maps code -> name of those that come into question.

    Without a ``classifier`` no kind is proposed. ``place_text``: the same with names of places
    put right; danger is read from the raw words.
    """
    plain = "".join(text.split())
    dangers = danger_phrases(plain)
    pressing = [phrase for phrase in URGENT_PHRASES if phrase in plain]
    guess = classifier.guess(plain) if classifier else None
    village_code, place_hits = _place("".join((place_text or text).split()), villages)
    accused = [person.text for person in persons.complained_about(plain)]
    hits = [
        {"kind": kind, "phrase": phrase}
        for kind, found in (
            ("danger", dangers),
            ("urgent", pressing),
            ("service", guess.reasons if guess else ()),
            ("place", place_hits),
            ("person", accused),
        )
        for phrase in found
    ]
    return Proposal(
        guess.code if guess else None,
        village_code,
        bool(dangers or pressing),
        tuple(hits),
        guess.certainty if guess else None,
    )


def danger_phrases(text: str) -> list[str]:
    """Danger phrases in ``text``, in the list's order, talk about prevention left out."""
    cleared = text
    for harmless in HARMLESS:
        cleared = cleared.replace(harmless, "□")
    return [phrase for phrase in DANGER_PHRASES if phrase in cleared]


def _place(text: str, villages: Mapping[str, str]) -> tuple[str | None, list[str]]:
    """The one village that is named; two names of equal standing propose nothing."""
    for shorten in (False, True):
        found = {}
        for code, name in villages.items():
            spoken = name.removesuffix("村") if shorten else name
            if len(spoken) >= MIN_STEM and spoken in text:
                found[code] = spoken
        longest = max((len(name) for name in found.values()), default=0)
        best = {code: name for code, name in found.items() if len(name) == longest}
        if len(best) == 1:
            code, name = best.popitem()
            return code, [name]
        if best:
            return None, []
    return None, []


def propose_missing(database: Database) -> int:
    """Propose for open reports that came before the classifier was ready; returns how many."""
    with database.read() as session:
        ids = session.scalars(
            sa.select(Report.id)
            .where(Report.state.in_(OPEN_STATES), Report.proposed_certainty.is_(None))
            .order_by(Report.id)
        ).all()
    done = 0
    for report_id in ids:
        with database.write() as session:
            done += propose(session, report_id) is not None
    return done


def propose(session: Session, report_id: int) -> Proposal | None:
    """Read the newest words of a report that is still open and store what they suggest."""
    report = session.get(Report, report_id)
    if report is None or report.state not in OPEN_STATES:
        return None
    text = words_of(session, report)
    if not text:
        return None
    names = {village.code: village.name for village in areas.villages(session)}
    places = places_in(session, report)
    proposal = read(text, names, learning.at_hand(session), place_text=places)
    report.proposed_service = proposal.service_code
    report.proposed_certainty = proposal.certainty
    report.proposed_village_code = proposal.village_code
    report.proposed_urgent = proposal.urgent
    report.proposed_hits = list(proposal.hits)
    report.proposed_reason = "、".join(hit["phrase"] for hit in proposal.hits)[:REASON_LENGTH]
    session.add(
        ReportEvent(
            report_id=report.id,
            at=utc_now(),
            action="triaged",
            before=report.state,
            after=report.state,
            reason=report.proposed_reason or None,
        )
    )
    outbox.emit(session, "report.changed", report_id=report.id)
    return proposal
