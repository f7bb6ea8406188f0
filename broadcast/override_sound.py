"""The sound of an override: a signal first, then the words; a drill says twice that it is one."""

from __future__ import annotations

import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from core.blobs import BlobStore
from core.errors import N_, InvalidInput
from recordings import editing, rendering, sound, speech
from recordings.clips import ClipFacts
from recordings.loudness import MASTER_RATE_HZ

DRILL_BEFORE = "这是演练。这是演练，不是真的。"
DRILL_AFTER = "这是演练。演练到此结束。"
PEAK = 0.4
_SIREN_S = 4.0
_SIREN_LOW_HZ, _SIREN_HIGH_HZ, _SIREN_WAVES = 500.0, 1_000.0, 2
_CHIME_HZ = (659.3, 523.3)
_CHIME_NOTE_S = 0.8
_EDGE_S = 0.02
Samples = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Wanted:
    """What to make. Either ``text`` (spoken) or ``source`` (any sound file) is given."""

    kind: str
    text: str | None
    source: Path | None
    longest_s: float


def render(wanted: Wanted, store: BlobStore, folder: Path) -> ClipFacts:
    """The delivery rendition (Ogg Opus) in the store; its facts.

    InvalidInput means the source will never do; ToolFailed or OSError that trying again may help.
    """
    opening, closing = _frame(wanted.kind, folder)
    if wanted.source is not None:
        _refuse_longer(sound.probe(wanted.source).duration_ms, wanted.longest_s)
    order = rendering.Order(
        original=wanted.source, script=wanted.text, opening=opening, closing=closing
    )
    made = rendering.render(order, folder, lambda _step, _percent: None)
    _refuse_longer(made.delivery_ms, wanted.longest_s)
    return ClipFacts(
        sha256=store.put_file(made.delivery),
        rendition="delivery",
        media_type=sound.DELIVERY_MEDIA_TYPE,
        codec="opus",
        duration_ms=made.delivery_ms,
        sample_rate_hz=48_000,
        channels=1,
        loudness_lufs=made.master_lufs,
        peaks=made.peaks,
    )


def signal(kind: str) -> Samples:
    """Samples at 48 kHz within +-PEAK: a siren for emergencies, a chime of two notes otherwise."""
    return _siren() if kind == "emergency" else _chime()


def _siren() -> Samples:
    t = _seconds(_SIREN_S)
    swing = 0.5 - 0.5 * np.cos(2 * np.pi * _SIREN_WAVES * t / _SIREN_S)
    hertz = _SIREN_LOW_HZ + (_SIREN_HIGH_HZ - _SIREN_LOW_HZ) * swing
    phase = 2 * np.pi * np.cumsum(hertz) / MASTER_RATE_HZ
    overtone = 0.25 * np.sin(3 * phase)  # small horns carry it further than a pure tone
    return _eased(PEAK * (np.sin(phase) + overtone) / 1.25)


def _chime() -> Samples:
    t = _seconds(_CHIME_NOTE_S)
    fading = np.exp(-3.0 * t / _CHIME_NOTE_S)
    notes = [_eased(PEAK * fading * np.sin(2 * np.pi * hertz * t)) for hertz in _CHIME_HZ]
    return np.concatenate(notes)


def _seconds(length_s: float) -> Samples:
    return np.arange(int(length_s * MASTER_RATE_HZ)) / MASTER_RATE_HZ


def _eased(samples: Samples) -> Samples:
    """Without a click at either end."""
    edge = int(_EDGE_S * MASTER_RATE_HZ)
    shape = np.ones(len(samples))
    shape[:edge] = np.linspace(0, 1, edge)
    shape[-edge:] = np.linspace(1, 0, edge)
    eased: Samples = samples * shape
    return eased


def _frame(kind: str, folder: Path) -> tuple[Path, Path | None]:
    """What comes before and after, as masters."""
    ringing = folder / "signal.wav"
    _write(ringing, signal(kind))
    if kind != "drill":
        return ringing, None
    before, opening, after = (folder / f"{name}.wav" for name in ("before", "opening", "after"))
    _speak(DRILL_BEFORE, before)
    editing.join(ringing, before, None, opening)
    _speak(DRILL_AFTER, after)
    return opening, after


def _speak(text: str, target: Path) -> None:
    spoken = target.with_suffix(".spoken.wav")
    speech.render(text, spoken)
    rendering.render_jingle(spoken, target)


def _write(target: Path, samples: Samples) -> None:
    with wave.open(str(target), "wb") as out:
        out.setparams((1, 2, MASTER_RATE_HZ, 0, "NONE", ""))
        out.writeframes((samples * 32767).astype("<i2").tobytes())


def _refuse_longer(duration_ms: int, longest_s: float) -> None:
    if duration_ms > longest_s * 1000:
        raise InvalidInput(
            N_("With the signal it would last %(found)d s; at most %(limit)d s. Shorten it."),
            field="text",
            params={"found": duration_ms // 1000, "limit": int(longest_s)},
        )
