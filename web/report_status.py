"""How a report stands, in plain words: a road of stages, the due time, the handler's answer.

Whoever gave number and PIN gets a proof that holds for half an hour: with it they may hear the
answer or say "not satisfied" without typing the PIN again.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from itsdangerous import BadSignature, URLSafeTimedSerializer
from sqlalchemy.orm import Session

from cases import references
from cases.deadlines import DONE
from cases.lifecycle import CaseStatus, ReportState
from cases.models import CaseReply
from cases.residents import Outcome
from cases.status import Answer, CaseStep
from core.errors import N_, Forbidden
from core.sealed import secret_key
from core.settings import Settings
from web import masks

PROOF_S = 1800
REPORT_WORDS = {
    ReportState.RECEIVED: N_("We have it. A member of staff will listen to it."),
    ReportState.UNDER_REVIEW: N_("A member of staff is looking into it."),
    ReportState.ACCEPTED: N_("It is accepted."),
    ReportState.REJECTED: N_("It cannot be taken up here."),
    ReportState.DUPLICATE: N_("Others told us the same. Both are handled together."),
}
CASE_WORDS = {
    CaseStatus.TRIAGED: N_("It waits to be given to somebody."),
    CaseStatus.ASSIGNED: N_("It was given to the person responsible."),
    CaseStatus.RETURN_REQUESTED: N_("Who is responsible is being checked again."),
    CaseStatus.ACCEPTED: N_("The person responsible has taken it."),
    CaseStatus.IN_PROGRESS: N_("It is being worked on."),
    CaseStatus.ON_HOLD: N_("It rests for the moment."),
    CaseStatus.RESOLVED: N_("It is done. We will ask you whether you are satisfied."),
    CaseStatus.VERIFYING: N_("It is done. We will ask you whether you are satisfied."),
    CaseStatus.CLOSED: N_("It is closed. Call us when it is not in order."),
}
OUTCOME_WORDS = {
    Outcome.REOPENED: N_("It is taken up again. Somebody will get in touch with you."),
    Outcome.APPEALED: N_("Another look is taken at it."),
    Outcome.REMINDED: N_("It is still being worked on. We have reminded those responsible."),
    Outcome.REPEATED: N_("We know already. Those responsible have been told today."),
    Outcome.TOO_LATE: N_("It was closed too long ago. Please tell us anew what is wrong."),
}
STAGES = (
    N_("We have it"),
    N_("Looked at and accepted"),
    N_("Given to somebody"),
    N_("In work"),
    N_("Done"),
    N_("Closed"),
)
_REACHED = {
    CaseStatus.TRIAGED: 1,
    CaseStatus.ASSIGNED: 2,
    CaseStatus.RETURN_REQUESTED: 2,
    CaseStatus.ACCEPTED: 2,
    CaseStatus.IN_PROGRESS: 3,
    CaseStatus.ON_HOLD: 3,
    CaseStatus.RESOLVED: 4,
    CaseStatus.VERIFYING: 4,
    CaseStatus.CLOSED: 5,
}


@dataclass(frozen=True)
class Stage:
    """One line of the road."""

    words: str
    mark: Literal["past", "now", "ahead"]


@dataclass(frozen=True)
class Reply:
    """What the handler answered; ``proof`` opens its sound."""

    at: datetime
    text: str | None
    proof: str


@dataclass(frozen=True)
class Road:
    """One case of a report, or the report itself while there is none (``case_no`` empty)."""

    stages: tuple[Stage, ...]
    case_no: str = ""
    words: str = ""
    is_again: bool = False
    due_at: datetime | None = None
    reply: Reply | None = None
    rests_because: str = ""


def stages(reached: int) -> tuple[Stage, ...]:
    """The road up to the stage with this index (0: we have it)."""
    last = len(STAGES) - 1
    return tuple(
        Stage(words, "past" if at < reached or reached == last else _mark(at, reached))
        for at, words in enumerate(STAGES)
    )


def _mark(at: int, reached: int) -> Literal["now", "ahead"]:
    return "now" if at == reached else "ahead"


class Proofs:
    """Signs what one look at a status allows for the next half hour."""

    def __init__(self, settings: Settings) -> None:
        self._signer = URLSafeTimedSerializer(secret_key(settings), salt="xiangyin-report-proof")

    def give(self, **what: Any) -> str:
        return self._signer.dumps(what)

    def read(self, proof: str, *names: str) -> list[Any]:
        """The values given under ``names``; Forbidden for a forged or an old proof."""
        try:
            what = self._signer.loads(proof, max_age=PROOF_S)
        except BadSignature:
            what = None
        if not isinstance(what, dict) or not all(name in what for name in names):
            raise Forbidden(N_("This page is too old. Ask again with your number and PIN."))
        return [what[name] for name in names]


def shown(session: Session, settings: Settings, answer: Answer) -> Mapping[str, Any]:
    """What the page of a found report shows."""
    proofs = Proofs(settings)
    state = ReportState(answer.state)
    roads = [_road(session, proofs, step) for step in answer.cases]
    if not roads and state is not ReportState.REJECTED:
        roads = [Road(stages(1 if state is ReportState.ACCEPTED else 0))]
    return {
        "state_words": REPORT_WORDS[state],
        "roads": roads,
        "is_decided": state is ReportState.REJECTED
        or any(CaseStatus(step.status) in DONE for step in answer.cases),
        "number": references.spoken(answer.reference_no),
        "proof": proofs.give(report=answer.report_id, once=secrets.token_hex(12)),
    }


def _road(session: Session, proofs: Proofs, step: CaseStep) -> Road:
    status = CaseStatus(step.status)
    reply = session.get(CaseReply, step.reply) if step.reply else None
    return Road(
        stages(_REACHED[status]),
        step.case_no,
        CASE_WORDS[status],
        step.cycle_no > 1,
        step.due_at,
        Reply(reply.at, reply.text, proofs.give(reply=reply.id)) if reply else None,
        masks.hide(step.hold_reason),
    )
