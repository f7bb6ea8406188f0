"""The proposals of a kind learn from what operators decided; a worse pupil is not promoted.

Every fifth decided case is kept apart and only measures. Confidential ones are left out. What was
learnt is not stored: the row says up to which case, and each process trains anew from the tables,
so a report that is deleted is forgotten with the next training.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import cache

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import Session

from cases import measuring, seeds
from cases.classifier import Classifier
from cases.models import Case, CaseReport, Learning, Report
from cases.seeds import Example
from cases.vocabulary import SERVICE_BY_CODE
from cases.words import words_of
from core.clock import utc_now
from core.database import Database

DECISION_WEIGHT = 2.0
"""A decided case of this office weighs as much as two of our written sentences."""
KEPT_APART_OF = 5
LEAST_KEPT_APART = 20
LEARN_AFTER = 25
MOST_DECISIONS = 5_000
TOLERANCE = 0.02
"""Macro-F1 on the held-out sentences that may be lost for what this office decided."""
EVERY_S = 3_600.0
UNTAUGHT = ("other",)
log = structlog.get_logger("cases.learning")

_trained: dict[int, Classifier] = {}
_training = threading.Lock()
_learner_is_done = threading.Event()
_learner_is_done.set()


@cache
def _seeded() -> Classifier:
    return Classifier.train(seeds.training())


def seeded() -> Classifier:
    """What the written sentences alone teach; trained once, by whoever comes first."""
    with _training:
        return _seeded()


def at_hand(session: Session) -> Classifier | None:
    """As ``in_use``, but None while a Learner of this process still trains: training takes
    seconds, and who asks may hold the database meanwhile."""
    return in_use(session) if _learner_is_done.is_set() else None


def in_use(session: Session) -> Classifier:
    """The newest classifier that passed; trained here when this process has not yet."""
    newest = _newest(session)
    if newest is None:
        return seeded()
    with _training:
        if newest.id not in _trained:
            taught, _ = decided(session, newest.until_case_id)
            _trained.clear()
            _trained[newest.id] = _train(taught)
        return _trained[newest.id]


def decided(
    session: Session, until_case_id: int | None = None
) -> tuple[list[Example], list[Example]]:
    """(to learn from, kept apart): the newest decided cases with their reports' words."""
    query = (
        sa.select(Case, Report)
        .join(CaseReport, CaseReport.case_id == Case.id)
        .join(Report, Report.id == CaseReport.report_id)
        .where(Case.service_code.in_(set(SERVICE_BY_CODE) - set(UNTAUGHT)))
        .where(Case.confidential.is_(False), Report.confidential.is_(False))
        .where(Report.state == "accepted", Report.words_gone_at.is_(None))
        .order_by(Case.id.desc())
        .limit(MOST_DECISIONS)
    )
    if until_case_id is not None:
        query = query.where(Case.id <= until_case_id)
    taught: list[Example] = []
    apart: list[Example] = []
    for case, report in session.execute(query):
        text = words_of(session, report) or case.summary
        example = Example(text, str(case.service_code), f"case-{case.id}")
        (apart if case.id % KEPT_APART_OF == 0 else taught).append(example)
    return taught, apart


def learn(database: Database, *, least_new: int = LEARN_AFTER) -> Learning | None:
    """Train from all decisions and promote the result if it is no worse; None: too few new ones."""
    with database.read() as session:
        newest = _newest(session, promoted=False)
        since = newest.until_case_id if newest else 0
        fresh = session.scalar(
            sa.select(sa.func.count()).where(Case.id > since, Case.service_code.is_not(None))
        )
        if (fresh or 0) < least_new:
            return None
        until = session.scalar(sa.select(sa.func.max(Case.id))) or 0
        taught, apart = decided(session, until)
        before = in_use(session)
    pupil = _train(taught)
    row = _judged(pupil, before, apart, until_case_id=until, decisions=len(taught))
    with _training, database.write() as session:
        session.add(row)
        session.flush()
        if row.in_use:
            _trained.clear()
            _trained[row.id] = pupil
    log.info("learnt from decisions", decisions=len(taught), in_use=row.in_use, seed_f1=row.seed_f1)
    return row


def _judged(pupil: Classifier, before: Classifier, apart: list[Example], **facts: int) -> Learning:
    enough = len(apart) >= LEAST_KEPT_APART
    seed_f1, seed_before = (_f1(one, seeds.held_out()) for one in (pupil, before))
    decided_f1 = _f1(pupil, apart) if enough else None
    decided_before = _f1(before, apart) if enough else None
    no_worse = seed_f1 >= seed_before - TOLERANCE and (decided_f1 or 0) >= (decided_before or 0)
    return Learning(
        trained_at=utc_now(),
        kept_apart=len(apart),
        seed_f1=seed_f1,
        seed_f1_before=seed_before,
        decided_f1=decided_f1,
        decided_f1_before=decided_before,
        in_use=no_worse,
        **facts,
    )


def _f1(classifier: Classifier, examples: tuple[Example, ...] | list[Example]) -> float:
    return measuring.measure(classifier, examples).macro_f1


def _train(taught: list[Example]) -> Classifier:
    seed = seeds.training()
    return Classifier.train([*seed, *taught], [1.0] * len(seed) + [DECISION_WEIGHT] * len(taught))


def _newest(session: Session, *, promoted: bool = True) -> Learning | None:
    query = sa.select(Learning).order_by(Learning.id.desc()).limit(1)
    return session.scalar(query.where(Learning.in_use) if promoted else query)


class Learner:
    """Background service: trains once at the start, so that no caller waits for it; then hourly.

    ``when_ready`` is called after the first training, for what came before it.
    """

    name = "learner"

    def __init__(
        self,
        database: Database,
        *,
        when_ready: Callable[[Database], object] = lambda _database: None,
        every_s: float = EVERY_S,
        teach: Callable[[Database], object] = learn,
    ) -> None:
        self._database, self._when_ready = database, when_ready
        self._every_s, self._teach = every_s, teach
        self._stopped = threading.Event()
        _learner_is_done.clear()

    def run_forever(self) -> None:
        try:
            self._safely(self._prepare)
        finally:
            _learner_is_done.set()
        self._safely(lambda: self._when_ready(self._database))
        while not self._stopped.is_set():
            self._safely(lambda: self._teach(self._database))
            self._stopped.wait(self._every_s)

    def _prepare(self) -> None:
        seeded()
        with self._database.read() as session:
            in_use(session)

    def _safely(self, duty: Callable[[], object]) -> None:
        try:
            duty()
        except sa.exc.SQLAlchemyError as error:
            log.warning("the learner waits for the database", error=str(error)[:200])

    def stop(self) -> None:
        self._stopped.set()
