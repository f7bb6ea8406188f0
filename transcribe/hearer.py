"""What is said in the sound of a job: known already, heard live, or decoded now."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import structlog

from core import areas
from core.database import Database
from core.errors import XiangyinError
from core.settings import Settings
from transcribe import audio, catalogue, grammar, hearings, order, pressure
from transcribe.catalogue import InstalledModel
from transcribe.claims import Claim
from transcribe.hearings import Sound
from transcribe.pool import Decodes, ModelFails, Pool
from transcribe.recogniser import STANDARD, DecoderConfig, Recognition
from transcribe.sounds import Sounds
from transcribe.stream import Shelf
from transcribe.watch import Passes, Watch

KNOWN_AFTER = 10
"""So many sounds decoded tell how much processor time a model needs."""

log = structlog.get_logger("transcribe.hearer")


@dataclass(frozen=True)
class Heard:
    """What came of a sound. ``took_ms``: None when it was known already or heard live."""

    recognition: Recognition
    sound: Sound
    key: str
    model: InstalledModel
    config: DecoderConfig
    took_ms: int | None
    is_live: bool = False


@dataclass(frozen=True)
class _Work:
    wav: Path
    sound: Sound
    grammar: Path | None


class Hearer:
    """Hears one sound of a claimed job with the model chosen for its area and language."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        *,
        sounds: Sounds,
        shelf: Shelf,
        pool: Pool,
        work_dir: Path,
    ) -> None:
        self._settings, self._database = settings, database
        self._sounds, self._shelf, self._pool = sounds, shelf, pool
        self._work_dir = work_dir

    def hear(self, held: Claim, watch: Watch, passes: Passes) -> Heard:
        """What is said. ``passes`` sees to the jobs that pass this one while it is decoded.

        Raises ModelFails, StillHeard, what ``watch`` raises, and an error of the sound itself.
        """
        wanted = self._choice(held)
        scope = (held.area_code, held.language)
        with (
            self._pool.use(wanted, scope, on_wait=watch.keep) as (model, decoder),
            self._prepared(held, watch, model) as wav,
        ):
            watch.model_hash = model.tree_hash
            language = self._grammar(held, model)
            sound, config = hearings.sound_of(wav), STANDARD.with_grammar(language)
            key = hearings.key(sound.pcm_sha256, model.tree_hash, config.hash)
            with self._database.read() as session:
                recognition = hearings.find(session, key)
            took_ms, live = None, None
            if recognition is None and held.stream_key is not None:
                live = self._heard_live(held.stream_key, sound, model, config)
                recognition = live
            if recognition is None:
                work = _Work(wav, sound, language)
                recognition, took_ms = self._decode(held, watch, decoder, work, passes)
        return Heard(recognition, sound, key, model, config, took_ms, is_live=live is not None)

    @contextlib.contextmanager
    def _prepared(self, held: Claim, watch: Watch, model: InstalledModel) -> Iterator[Path]:
        """The sound in a form the decoder takes."""
        prepared = self._work_dir / f"job-{held.job_id}.wav"
        with self._sounds.lent(held.audio_sha256, self._work_dir, on_wait=watch.keep) as stored:
            try:
                yield audio.prepare(stored, prepared, takes_8khz=model.takes_8khz)
            finally:
                prepared.unlink(missing_ok=True)

    def _heard_live(
        self, stream_key: str, sound: Sound, model: InstalledModel, config: DecoderConfig
    ) -> Recognition | None:
        return self._shelf.fetch(
            stream_key,
            pcm_sha256=sound.pcm_sha256,
            model_hash=model.tree_hash,
            config_hash=config.hash,
        )

    def _decode(
        self, held: Claim, watch: Watch, decoder: Decodes, work: _Work, passes: Passes
    ) -> tuple[Recognition, int]:
        """What was heard, and how many ms the decoder worked."""
        task = f"job-{held.job_id}"
        decoding = watch.decoding(decoder, task, work.sound.duration_ms, passes)
        with self._database.read() as session:
            pace = pressure.pace(
                session, watch.model_hash, at_least=KNOWN_AFTER, unmeasured=order.UNKNOWN_PACE
            )
        recognition = decoder.decode(
            work.wav,
            grammar=work.grammar,
            task=task,
            most_cpu_s=order.cpu_limit_s(held.try_no, work.sound.duration_ms, pace),
            on_wait=decoding,
        )
        return recognition, decoding.worked_ms

    def _grammar(self, held: Claim, model: InstalledModel) -> Path | None:
        """The area's own language model for this speech model, where one is in use."""
        try:
            with self._database.read() as session:
                return grammar.active(session, self._settings, held.area_code, model)
        except XiangyinError as error:  # a voice is heard without it all the same
            log.warning("an area's grammar cannot be used", job=held.job_id, error=error.text)
            return None

    def _choice(self, held: Claim) -> InstalledModel:
        with self._database.read() as session:
            chain = areas.upward(session, held.area_code)
        try:
            return catalogue.choice_for(self._settings, chain, held.language)
        except XiangyinError as error:  # the settings' fault, not the sound's
            raise ModelFails(error.text) from error
