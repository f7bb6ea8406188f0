"""What a worker does while no sound waits: local words and grammars, a little at a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa
import structlog

from core.database import Database
from core.errors import XiangyinError
from core.settings import Settings
from transcribe import grammar
from transcribe.catalogue import InstalledModel
from transcribe.grammar_trial import Trials
from transcribe.pool import Decodes
from transcribe.sounds import Sounds
from transcribe.word_check import WordCheck

OUTDATED_EACH_S = 60.0
log = structlog.get_logger("transcribe.idle")


class Idle:
    """Small steps between two looks at the queue; a failing one is tried again later."""

    def __init__(
        self, settings: Settings, database: Database, sounds: Sounds, work_dir: Path
    ) -> None:
        self._settings, self._database = settings, database
        self._words = WordCheck(settings, database)
        self._trials = Trials(settings, database, sounds, work_dir)
        self._outdated_at = 0.0

    def step(self, decoder_for: Callable[[InstalledModel], Decodes]) -> bool:
        """True when there is more to do at once."""
        try:
            self._switch_off_outdated()
            self._words.run_due(lambda model: decoder_for(model).known_words)
            return self._trials.step(decoder_for)
        except (sa.exc.SQLAlchemyError, XiangyinError) as error:
            log.warning("idle work failed", error=str(error)[:200])
            return False

    def _switch_off_outdated(self) -> None:
        if time.monotonic() < self._outdated_at:
            return
        self._outdated_at = time.monotonic() + OUTDATED_EACH_S
        with self._database.write() as session:
            count = grammar.switch_off_outdated(session, self._settings)
        if count:
            log.warning("another speech model has switched area grammars off", areas=count)
