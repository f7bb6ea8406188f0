"""A language model of an area's own words and sentences, used where it was found to help.

It is made from sentences of the domain, the area's words, and texts that people corrected. It is
measured on other corrected texts before it can be switched on, by a person; another speech model
switches it off.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import areas, audit
from core.auth import Actor
from core.clock import utc_now
from core.errors import N_, Conflict, InvalidInput, NotFound
from core.files import write_durably
from core.settings import Settings
from transcribe import catalogue, domain, grammar_text, vocabulary
from transcribe.catalogue import InstalledModel
from transcribe.models import AreaGrammar, Transcript, TranscriptionJob

LEAST_HELD_OUT = 20
HELD_OUT_OF_FIVE = 2
"""Of five corrected texts two are kept back to measure with."""

WAITING, MEASURED, REFUSED, OUTDATED = "waiting", "measured", "refused", "outdated"
STATES = {
    WAITING: N_("waits to be measured"),
    MEASURED: N_("measured"),
    REFUSED: N_("cannot be made"),
    OUTDATED: N_("made for another speech model"),
}


@dataclass(frozen=True)
class Correction:
    """A text that a person wrote of a sound."""

    subject_kind: str
    subject_id: int
    text: str
    audio_sha256: str

    @property
    def is_held_out(self) -> bool:
        """Whether it measures and never teaches; the same for ever, whoever asks."""
        name = f"{self.subject_kind}:{self.subject_id}".encode()
        return hashlib.sha256(name).digest()[0] % 5 < HELD_OUT_OF_FIVE


def corrections(session: Session, area_code: str) -> list[Correction]:
    """The newest text people wrote for each sound of the area and all below it."""
    jobs = sa.select(
        TranscriptionJob.subject_kind, TranscriptionJob.subject_id, TranscriptionJob.audio_sha256
    ).where(TranscriptionJob.area_code.in_(areas.below(session, area_code)))
    sounds = {(kind, subject): sha256 for kind, subject, sha256 in session.execute(jobs)}
    written = session.execute(
        sa.select(Transcript.subject_kind, Transcript.subject_id, Transcript.text)
        .where(Transcript.author_id.is_not(None), Transcript.text != "")
        .order_by(Transcript.version)
    )
    newest = {(kind, subject): text for kind, subject, text in written}
    return [
        Correction(kind, subject, text, sounds[kind, subject])
        for (kind, subject), text in sorted(newest.items())
        if (kind, subject) in sounds
    ]


def model_of(session: Session, settings: Settings, area_code: str) -> InstalledModel:
    """The speech model that sounds of the area are heard with."""
    return catalogue.choice_for(settings, areas.upward(session, area_code), None)


def texts(session: Session, area_code: str, taught: Iterable[Correction]) -> list[str]:
    """What the area's grammar is made from; what is held out is not in it."""
    found = list(domain.sentences())
    for name in vocabulary.names(session, area_code):
        found += domain.spoken_with(name, "village")
    for term in vocabulary.taught(session, area_code):
        if term.kind not in vocabulary.PLACES:
            found += domain.spoken_with(term.text, term.kind)
    return found + [one.text for one in taught if not one.is_held_out]


def build(session: Session, settings: Settings, area_code: str) -> AreaGrammar:
    """Make the area's grammar anew for the model in use; it waits to be measured.

    Where the model takes no grammar the row says so. An earlier one stays as it is.
    """
    areas.get(session, area_code)
    model = model_of(session, settings, area_code)
    row = AreaGrammar(
        area_code=area_code, model_hash=model.tree_hash, sha256="", sentences=[],
        state=WAITING, created_at=utc_now(),
    )  # fmt: skip
    if grammar_text.takes_grammar(model.path):
        known = grammar_text.vocabulary(model.path)
        made = grammar_text.cut(texts(session, area_code, corrections(session, area_code)), known)
        row.sentences = list(made.sentences)
        row.sha256 = hashlib.sha256(file_bytes(made.sentences, model)).hexdigest()
        row.note = "、".join(piece for piece, _ in made.lacking)[:300] or None
    else:
        row.state = REFUSED
    session.add(row)
    session.flush()
    return row


def latest(session: Session, area_code: str) -> AreaGrammar | None:
    """The area's newest grammar."""
    return session.scalar(
        sa.select(AreaGrammar)
        .where(AreaGrammar.area_code == area_code)
        .order_by(AreaGrammar.id.desc())
        .limit(1)
    )


def one(session: Session, actor: Actor, grammar_id: int) -> AreaGrammar:
    """A grammar of the person's own area, else NotFound."""
    actor.require(vocabulary.RIGHT)
    row = session.get(AreaGrammar, grammar_id)
    if row is None or not actor.sees(session, row.area_code):
        raise NotFound(N_("There is no such thing here."))
    return row


def switch_on(session: Session, settings: Settings, row: AreaGrammar, login: str) -> None:
    """Use the grammar from the next sound on; Conflict unless it was measured to help."""
    if row.model_hash != model_of(session, settings, row.area_code).tree_hash:
        raise Conflict(N_("The speech model has changed since. Measure again first."))
    if row.state != MEASURED or row.cer_with is None or row.cer_without is None:
        raise Conflict(N_("Measure it first: nobody knows yet whether it helps."))
    if row.held_out < LEAST_HELD_OUT:
        raise Conflict(
            N_("%(count)d corrected recordings are too few to judge by; %(least)d are needed."),
            params={"count": row.held_out, "least": LEAST_HELD_OUT},
        )
    if row.cer_with >= row.cer_without:
        raise Conflict(N_("It does not help: with it no fewer characters are wrong."))
    session.execute(
        sa.update(AreaGrammar)
        .where(AreaGrammar.area_code == row.area_code, AreaGrammar.id != row.id)
        .values(active=False)
    )
    row.active = True
    audit.record(session, login, "grammar.on", f"area:{row.area_code}", sha256=row.sha256)


def switch_off(session: Session, row: AreaGrammar, login: str) -> None:
    """Hear the area's sounds without it again."""
    row.active = False
    audit.record(session, login, "grammar.off", f"area:{row.area_code}", sha256=row.sha256)


def switch_off_outdated(session: Session, settings: Settings) -> int:
    """Switch off what was made for another speech model; returns how many."""
    found = 0
    for row in session.scalars(sa.select(AreaGrammar).where(AreaGrammar.active)):
        if row.model_hash != model_of(session, settings, row.area_code).tree_hash:
            switch_off(session, row, "-")
            row.state = OUTDATED
            found += 1
    return found


def outdated_count(session: Session, area_codes: Iterable[str]) -> int:
    """In how many of the areas another speech model has switched the grammar off."""
    newest = sa.select(sa.func.max(AreaGrammar.id)).group_by(AreaGrammar.area_code)
    return session.scalar(
        sa.select(sa.func.count()).where(
            AreaGrammar.id.in_(newest),
            AreaGrammar.area_code.in_(tuple(area_codes)),
            AreaGrammar.state == OUTDATED,
        )
    ) or 0  # fmt: skip


def active(
    session: Session, settings: Settings, area_code: str | None, model: InstalledModel
) -> Path | None:
    """File of the grammar to hear a sound of the area with: its own or of the nearest above."""
    chain = areas.upward(session, area_code)
    rows = session.scalars(
        sa.select(AreaGrammar).where(
            AreaGrammar.area_code.in_(chain),
            AreaGrammar.active,
            AreaGrammar.model_hash == model.tree_hash,
        )
    )
    nearest = min(rows, key=lambda row: chain.index(row.area_code), default=None)
    return file_of(settings, nearest, model) if nearest is not None else None


def file_of(settings: Settings, row: AreaGrammar, model: InstalledModel) -> Path:
    """The grammar as the decoder reads it, written when it is not there yet.

    Raises InvalidInput when the model is not the one it was made for.
    """
    path = settings.folder("grammars") / f"{row.sha256}.json"
    if not path.is_file():
        content = file_bytes(row.sentences, model)
        if hashlib.sha256(content).hexdigest() != row.sha256:
            raise InvalidInput(N_("The speech model has changed since. Measure again first."))
        write_durably(path, content, mode=0o644)
    return path


def file_bytes(sentences: Iterable[str], model: InstalledModel) -> bytes:
    """A grammar of these sentences as the decoder reads it."""
    known = grammar_text.vocabulary(model.path)
    whole = grammar_text.complete(tuple(sentences), known)
    return json.dumps(whole, ensure_ascii=False).encode()
