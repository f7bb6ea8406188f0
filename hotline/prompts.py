"""Prompts as sound, rendered ahead of time: a call never waits for a voice.

Each text becomes ``<data_dir>/prompts/<hash>.wav`` (8 kHz, mono, 16 bit; the hash covers text,
voice and form), made once. ``prompts/custom/<prompt id>.wav`` replaces a prompt of the base
language, ``prompts/custom/<set>/<prompt id>.wav`` one of that set: any WAV, converted into the same
form. A set is a language of ours, or recordings (of a dialect) laid over the base language.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
import wave
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import structlog

from core import killable
from core.errors import N_, ToolFailed, XiangyinError
from core.files import write_durably
from core.settings import PREFIX, Settings
from hotline import prompt_sound
from hotline.prompt_sound import Samples
from hotline.prompt_sound import wav_bytes as wav_bytes
from hotline.prompt_texts import (
    ALL_IDS,
    BASE,
    BEEP,
    CONSENT_TEXTS,
    CONSENT_VERSIONS,
    GENERATED,
    LANGUAGES,
)

VOICES = {"zh_CN": "cmn", "en": "en"}
"""espeak-ng's names of our languages."""
SENTENCE_WPM = {"zh_CN": 200, "en": 160}
DIGIT_WPM = 120
"""People write digits down while they hear them."""
FORM = "1"
AT_A_TIME = 4
LATER_LIMIT_S = 900.0
_SET_NAME = re.compile(r"[A-Za-z0-9_-]{1,20}")
log = structlog.get_logger("hotline.prompts")

Progress = Callable[[int, int, str], None]
"""Called with (how many are done, how many are to be made, prompt id)."""


@dataclass(frozen=True)
class PromptSet:
    """One language: where each prompt's sound lies, which wording of the consent is spoken."""

    paths: dict[str, Path]
    consent_version: str
    own: frozenset[str] = frozenset()
    """Prompts that are recordings of this very set."""


@dataclass(frozen=True)
class Prompts:
    """The sets a caller can choose, by language, the first one first. More may join them."""

    sets: dict[str, PromptSet] = field(default_factory=dict)

    @property
    def languages(self) -> tuple[str, ...]:
        return tuple(self.sets)

    @property
    def paths(self) -> dict[str, Path]:
        """The prompts of the first language."""
        return self._set("").paths

    def sounds(self, ids: Iterable[str], language: str = "") -> list[Path]:
        """The files of ``ids``, in order; an unknown language is the first one."""
        paths = self._set(language).paths
        return [paths[prompt_id] for prompt_id in ids]

    def _set(self, language: str) -> PromptSet:
        return self.sets.get(language) or next(iter(self.sets.values()))

    def consent_version(self, language: str = "") -> str:
        """Which wording of the consent is spoken in ``language``."""
        return self._set(language).consent_version

    def offer(self, language: str) -> list[Path]:
        """The sentence that offers ``language`` in itself; empty for a dialect without one."""
        chosen = self.sets.get(language)
        if chosen is None or (language not in LANGUAGES and "language" not in chosen.own):
            return []
        return [chosen.paths["language"]]


def languages_of(settings: Settings) -> tuple[str, ...]:
    """The sets of ``XIANGYIN_HOTLINE_LANGUAGES`` that exist, in order; never empty."""
    found = []
    for name in (part.strip() for part in settings.hotline_languages.split(",")):
        known = name in LANGUAGES or (
            _SET_NAME.fullmatch(name) and any(_custom(settings, name).glob("*.wav"))
        )
        if known and name not in found:
            found.append(name)
        elif name and not known:
            log.error("there are no recordings of this language", language=name)
    return tuple(found) or (BASE,)


def prepare(
    settings: Settings, progress: Progress | None = None, *, every: bool = False
) -> Prompts:
    """Render what is missing of the first language (of all of them when ``every``).

    Languages that were rendered before are there too. Raises ToolFailed that names the prompt
    which could not be made.
    """
    prompts = Prompts()
    for number, language in enumerate(languages_of(settings)):
        plans = _plans(settings, language)
        if number == 0 or every or all(plan.path.is_file() for plan in plans.values()):
            prompts.sets[language] = _rendered(settings, language, plans, progress)
    return prompts


def add_later(settings: Settings, ready: Prompts) -> None:
    """Speak the languages that are not there yet, then let ``ready`` have them. Blocking.

    In a process of its own that is polite to calls in progress. What fails is logged: the hotline
    goes on with the languages it has.
    """
    command = [sys.executable, "-m", "hotline", "prompts", "all"]
    limits = killable.Limits(wall_s=LATER_LIMIT_S, cpu_s=600)
    said = {
        "DATA_DIR": str(settings.data_dir.resolve()),
        "HOTLINE_LANGUAGES": settings.hotline_languages,
        "STATION_NAME": settings.station_name,
    }
    env = {f"{PREFIX}{name}": value for name, value in said.items()}
    try:
        done = killable.run(command, limits=limits, env=env)
        if done.returncode != 0:
            log.error("languages are missing", error=done.stderr.decode(errors="replace")[-300:])
        for language, spoken in prepare(settings).sets.items():
            ready.sets.setdefault(language, spoken)
    except (XiangyinError, OSError) as error:
        log.error("languages are missing", error=str(error))


@dataclass(frozen=True)
class _Plan:
    path: Path
    make: Callable[[], Samples]
    own: bool = False


def _rendered(
    settings: Settings, language: str, plans: dict[str, _Plan], progress: Progress | None
) -> PromptSet:
    missing = {name: plan for name, plan in plans.items() if not plan.path.is_file()}
    with ThreadPoolExecutor(min(AT_A_TIME, os.cpu_count() or 1)) as workers:
        made = workers.map(_make, missing, missing.values())
        for done, prompt_id in enumerate(missing):
            if progress is not None:
                progress(done, len(missing), prompt_id)
            next(made)
    own = frozenset(name for name, plan in plans.items() if plan.own)
    paths = {name: plan.path for name, plan in plans.items()}
    return PromptSet(paths, _consent_version(settings, language), own)


def _make(prompt_id: str, plan: _Plan) -> None:
    try:
        sound = wav_bytes(plan.make().tobytes())
        write_durably(plan.path, sound, mode=0o644)
    except (XiangyinError, OSError, wave.Error) as error:
        raise ToolFailed(
            N_("The prompt %(prompt)s could not be made: %(detail)s"),
            params={"prompt": prompt_id, "detail": str(error)},
        ) from error


def _plans(settings: Settings, language: str) -> dict[str, _Plan]:
    return {prompt_id: _plan(settings, language, prompt_id) for prompt_id in ALL_IDS}


def _plan(settings: Settings, language: str, prompt_id: str) -> _Plan:
    recording = _recording(settings, language, prompt_id)
    if recording is not None:
        digest = hashlib.sha256(recording.read_bytes()).hexdigest()
        path = _cached(settings, "custom", FORM, digest)
        return _Plan(path, lambda: prompt_sound.at_8_khz(recording), own=True)
    if language not in LANGUAGES:
        return replace(_plan(settings, BASE, prompt_id), own=False)
    if prompt_id in GENERATED:
        make = prompt_sound.beep if prompt_id == BEEP else prompt_sound.silence
        return _Plan(_cached(settings, prompt_id, FORM), make)
    text = LANGUAGES[language][prompt_id].format(station=settings.station_name)
    voice = VOICES[language]
    rate_wpm = DIGIT_WPM if prompt_id.startswith("digit_") else SENTENCE_WPM[language]
    path = _cached(settings, text, f"espeak-ng {voice}", str(rate_wpm), FORM)
    return _Plan(path, lambda: prompt_sound.spoken(text, rate_wpm, voice))


def _cached(settings: Settings, *key: str) -> Path:
    name = hashlib.sha256(chr(31).join(key).encode()).hexdigest()[:32]
    return settings.folder("prompts") / f"{name}.wav"


def _custom(settings: Settings, language: str) -> Path:
    custom = settings.folder("prompts", "custom")
    return custom if language == BASE else custom / language


def _recording(settings: Settings, language: str, prompt_id: str) -> Path | None:
    path = _custom(settings, language) / f"{prompt_id}.wav"
    return path if path.is_file() else None


def _consent_version(settings: Settings, language: str) -> str:
    """The wording people agreed to: ours by its version, a county's own by its sound."""
    own = [_recording(settings, language, name) for name in CONSENT_TEXTS]
    sounds = b"".join(path.read_bytes() for path in own if path is not None)
    if sounds:
        return f"county-{hashlib.sha256(sounds).hexdigest()[:8]}"
    if language in LANGUAGES:
        return CONSENT_VERSIONS[language]
    return _consent_version(settings, BASE)
