"""What a grammar is worth: sounds it was not made from, heard with it and without it."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import sqlalchemy as sa
import structlog

from core import leases, outbox
from core.clock import utc_now
from core.database import Database
from core.errors import N_, Conflict, XiangyinError
from core.settings import Settings
from transcribe import audio, grammar, hearings, speechio
from transcribe.catalogue import InstalledModel
from transcribe.grammar import Correction
from transcribe.models import AreaGrammar
from transcribe.recogniser import STANDARD, Recognition
from transcribe.sounds import Sounds
from transcribe.speechio import ErrorCounts

LEASE, LEASE_S = "grammar-trial", 600
log = structlog.get_logger("transcribe.grammar_trial")


class Decodes(Protocol):
    """What a trial asks of a decoder process (``transcribe.decoder.Decoder``)."""

    def decode(self, wav: Path, *, grammar: Path | None = ...) -> Recognition: ...


DecoderFor = Callable[[InstalledModel], Decodes]


class Trials:
    """Measures the grammars that wait, a sound at a time, so that reports never wait for it."""

    def __init__(
        self, settings: Settings, database: Database, sounds: Sounds, work_dir: Path
    ) -> None:
        self._settings, self._database = settings, database
        self._sounds, self._work_dir = sounds, work_dir
        self._holder = uuid.uuid4().hex
        self._trial: _Trial | None = None

    def step(self, decoder_for: DecoderFor) -> bool:
        """Hear one more sound with and without; False when nothing waits or another does it."""
        if self._trial is None:
            with self._database.read() as session:
                waiting = session.scalar(
                    sa.select(AreaGrammar.id)
                    .where(AreaGrammar.state == grammar.WAITING)
                    .order_by(AreaGrammar.id)
                    .limit(1)
                )
            if waiting is None:
                return False
            self._trial = _Trial(
                self._settings, self._database, self._sounds, self._work_dir, waiting
            )
        if not leases.hold(self._database, LEASE, self._holder, LEASE_S):
            self._trial = None
            return False
        if self._trial.step(decoder_for):
            return True
        self._trial = None
        leases.release(self._database, LEASE, self._holder)
        return True


class _Trial:
    """One grammar's measurement; what was heard without it is kept for its next trial."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        sounds: Sounds,
        work_dir: Path,
        grammar_id: int,
    ) -> None:
        self._settings, self._database = settings, database
        self._sounds, self._work_dir = sounds, work_dir
        self._id = grammar_id
        with database.read() as session:
            self._row = session.get_one(AreaGrammar, grammar_id)
            self._model = grammar.model_of(session, settings, self._row.area_code)
            found = grammar.corrections(session, self._row.area_code)
        self._left = [correction for correction in found if correction.is_held_out]
        self._without, self._with = ErrorCounts(), ErrorCounts()
        self._heard = self._better = self._worse = 0

    def step(self, decoder_for: DecoderFor) -> bool:
        """True while there is more to hear."""
        if self._row.model_hash != self._model.tree_hash:
            self._end(grammar.OUTDATED)
            return False
        if not self._left:
            self._end(grammar.MEASURED)
            return False
        correction = self._left.pop(0)
        try:
            self._hear(correction, decoder_for(self._model))
        except XiangyinError as error:
            log.warning(
                "a sound could not be measured", subject=correction.subject_id, error=error.text
            )
        return True

    def _hear(self, correction: Correction, decoder: Decodes) -> None:
        prepared = self._work_dir / f"trial-{uuid.uuid4().hex}.wav"
        try:
            with self._sounds.lent(correction.audio_sha256, self._work_dir) as stored:
                wav = audio.prepare(stored, prepared, takes_8khz=self._model.takes_8khz)
                before = self._counts(correction, decoder, wav, None)
                made = grammar.file_of(self._settings, self._row, self._model)
                after = self._counts(correction, decoder, wav, made)
        finally:
            prepared.unlink(missing_ok=True)
        self._without, self._with = self._without + before, self._with + after
        self._heard += 1
        self._better += after.errors < before.errors
        self._worse += after.errors > before.errors

    def _counts(
        self, correction: Correction, decoder: Decodes, wav: Path, with_grammar: Path | None
    ) -> ErrorCounts:
        sound = hearings.sound_of(wav)
        config = STANDARD.with_grammar(with_grammar)
        key = hearings.key(sound.pcm_sha256, self._model.tree_hash, config.hash)
        with self._database.read() as session:
            heard = hearings.find(session, key)
        if heard is None:
            heard = decoder.decode(wav, grammar=with_grammar)
            with self._database.write() as session:
                heard = hearings.keep(session, key, sound, self._model.tree_hash, heard)
        return speechio.errors(correction.text, heard.text)

    def _end(self, state: str) -> None:
        with self._database.write() as session:
            row = session.get_one(AreaGrammar, self._id)
            row.state, row.measured_at = state, utc_now()
            row.held_out, row.better, row.worse = self._heard, self._better, self._worse
            row.characters = self._with.characters
            row.cer_without, row.cer_with = self._without.rate, self._with.rate
            outbox.emit(session, "grammar.measured", area_code=row.area_code)
        log.info(
            "measured a grammar", area=self._row.area_code, held_out=self._heard,
            cer_without=self._without.rate, cer_with=self._with.rate, state=state,
        )  # fmt: skip


def measure(
    settings: Settings,
    database: Database,
    sounds: Sounds,
    work_dir: Path,
    grammar_id: int,
    decoder: Decodes,
) -> AreaGrammar:
    """Measure one grammar from beginning to end; Conflict when the model takes none.

    ``work_dir``: a folder for the sounds in the decoder's form.
    """
    with database.read() as session:
        if session.get_one(AreaGrammar, grammar_id).state == grammar.REFUSED:
            raise Conflict(N_("This speech model takes no grammar."))
    trial = _Trial(settings, database, sounds, work_dir, grammar_id)
    while trial.step(lambda _model: decoder):
        pass
    with database.read() as session:
        return session.get_one(AreaGrammar, grammar_id)
