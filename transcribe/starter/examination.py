"""Measures a model with the sentences kept for that. Vosk runs in a process of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from recordings import sound
from transcribe import catalogue
from transcribe.audio import TELEPHONE_HZ
from transcribe.evaluate import Clip, evaluate, figures, read_set
from transcribe.starter.recipe import EXAM, HELD_OUT, LARGEST_CER, LARGEST_MODEL_BYTES
from transcribe.starter.slow import MODEL_FILE

CLEAN, TELEPHONE = "clean", "telephone"
Figures = dict[str, dict[str, Any]]


def examine(model: Path, exam: Path, say: Callable[[str], None]) -> Figures:
    """Figures for each set of the folder ``exam``: {"held-out clean": {"cer": 0.019, ...}, ...}.

    ToolFailed when the model does not load.
    """
    found = {}
    for each in EXAM:
        clips = read_set(exam / each.name / "set.tsv")
        for line, heard in ((CLEAN, clips), (TELEPHONE, [_telephone(clip) for clip in clips])):
            name = f"{each.name} {line}"
            found[name] = figures(evaluate(catalogue.at(model), heard, jobs=1))
            say(f"{name}: {found[name]['cer']:.2%} of the characters wrong")
    return found


def shortcomings(model: Path, found: Figures) -> list[str]:
    """Why the model may not be shipped; empty when it may."""
    problems = [
        f"{name}: {found[name]['cer']:.2%} wrong characters, {LARGEST_CER:.0%} are allowed"
        for name in (f"{HELD_OUT.name} {CLEAN}", f"{HELD_OUT.name} {TELEPHONE}")
        if found[name]["cer"] > LARGEST_CER
    ]
    size = (model / MODEL_FILE).stat().st_size
    if size > LARGEST_MODEL_BYTES:
        problems.append(f"{MODEL_FILE}: {size} bytes, {LARGEST_MODEL_BYTES} are allowed")
    return problems


def _telephone(clip: Clip) -> Clip:
    """The clip as an 8 kHz line with G.711 A-law carries it."""
    rate_hz = str(TELEPHONE_HZ)
    target = clip.path.with_name(f"{clip.path.stem}-alaw.wav")
    if not target.exists():
        with sound.whole_or_nothing(target) as part:
            sound.ffmpeg(
                ["-i", clip.path, "-ar", rate_hz, "-ac", "1", "-c:a", "pcm_alaw", "-f", "wav", part]
            )
    return Clip(target, clip.text)
