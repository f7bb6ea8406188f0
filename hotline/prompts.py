"""Prompts as sound, rendered ahead of time: a call never waits for a voice.

Each text becomes ``<data_dir>/prompts/<hash>.wav`` (8 kHz, mono, 16 bit; the hash covers text,
voice and form), made once. ``<data_dir>/prompts/custom/<prompt id>.wav`` replaces a prompt: any
WAV, converted into the same form.
"""

from __future__ import annotations

import hashlib
import math
import sys
import tempfile
import wave
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from core import settings as core_settings
from core.errors import N_, ToolFailed, XiangyinError
from core.files import write_durably
from core.settings import Settings
from hotline.prompt_texts import ALL_IDS, BEEP, CONSENT_VERSION, GENERATED, PAUSE, TEXTS

RATE_HZ = 8000
VOICE = "espeak-ng cmn"
SENTENCE_WPM = 200
DIGIT_WPM = 120
"""People write digits down while they hear them."""
FORM = "1"
BEEP_HZ, BEEP_MS, PAUSE_MS = 880, 350, 450
PEAK = 0.7
_QUIET = 0.01
_EDGE_MS = 60

Progress = Callable[[int, int, str], None]
"""Called with (how many are done, how many in all, prompt id)."""
Samples = npt.NDArray[np.int16]


@dataclass(frozen=True)
class Prompts:
    """Where each prompt's sound lies, and which wording of the consent is spoken."""

    paths: dict[str, Path]
    consent_version: str

    def sounds(self, ids: tuple[str, ...]) -> list[Path]:
        """The files of ``ids``, in order."""
        return [self.paths[prompt_id] for prompt_id in ids]


def prepare(settings: Settings, progress: Progress | None = None) -> Prompts:
    """Render what is missing. Raises ToolFailed that names the prompt which could not be made."""
    folder = settings.folder("prompts")
    custom = settings.folder("prompts", "custom")
    paths: dict[str, Path] = {}
    for done, prompt_id in enumerate(ALL_IDS):
        if progress is not None:
            progress(done, len(ALL_IDS), prompt_id)
        try:
            paths[prompt_id] = _one(folder, custom / f"{prompt_id}.wav", prompt_id, settings)
        except (XiangyinError, OSError, wave.Error) as error:
            raise ToolFailed(
                N_("The prompt %(prompt)s could not be made: %(detail)s"),
                params={"prompt": prompt_id, "detail": str(error)},
            ) from error
    return Prompts(paths, _consent_version(custom))


def _one(folder: Path, own: Path, prompt_id: str, settings: Settings) -> Path:
    if own.is_file():
        key = ["custom", FORM, hashlib.sha256(own.read_bytes()).hexdigest()]
        return _cached(folder, key, lambda: _at_8_khz(own))
    if prompt_id in GENERATED:
        return _cached(folder, [prompt_id, FORM], lambda: _generated(prompt_id))
    text = TEXTS[prompt_id].format(station=settings.station_name)
    rate_wpm = DIGIT_WPM if prompt_id.startswith("digit_") else SENTENCE_WPM
    return _cached(folder, [text, VOICE, str(rate_wpm), FORM], lambda: _spoken(text, rate_wpm))


def _cached(folder: Path, key: list[str], make: Callable[[], Samples]) -> Path:
    path = folder / f"{hashlib.sha256(chr(31).join(key).encode()).hexdigest()[:32]}.wav"
    if not path.is_file():
        write_durably(path, wav_bytes(make().tobytes()), mode=0o644)
    return path


def wav_bytes(pcm: bytes) -> bytes:
    """A WAV file around signed 16-bit little-endian mono PCM at 8 kHz."""
    header = b"RIFF" + (36 + len(pcm)).to_bytes(4, "little") + b"WAVEfmt "
    header += (16).to_bytes(4, "little") + (1).to_bytes(2, "little") + (1).to_bytes(2, "little")
    header += RATE_HZ.to_bytes(4, "little") + (RATE_HZ * 2).to_bytes(4, "little")
    header += (2).to_bytes(2, "little") + (16).to_bytes(2, "little")
    return header + b"data" + len(pcm).to_bytes(4, "little") + pcm


def _spoken(text: str, rate_wpm: int) -> Samples:
    from recordings import speech

    with tempfile.TemporaryDirectory() as folder:
        wav = Path(folder) / "spoken.wav"
        speech.render(text, wav, rate_wpm=rate_wpm)
        return _levelled(_trimmed(_at_8_khz(wav)))


def _at_8_khz(source: Path) -> Samples:
    from recordings import sound

    with tempfile.TemporaryDirectory() as folder:
        wav = Path(folder) / "8k.wav"
        sound.to_wav(source, wav, rate_hz=RATE_HZ, max_s=60)
        with wave.open(str(wav), "rb") as opened:
            return np.frombuffer(opened.readframes(opened.getnframes()), dtype="<i2")


def _trimmed(samples: Samples) -> Samples:
    """Without the silence at both ends, except for a short edge."""
    loud = np.flatnonzero(np.abs(samples.astype(np.int32)) > _QUIET * 32768)
    if loud.size == 0:
        raise ToolFailed(N_("The machine's voice stayed silent."))
    edge = RATE_HZ * _EDGE_MS // 1000
    return samples[max(0, loud[0] - edge) : loud[-1] + edge]


def _levelled(samples: Samples) -> Samples:
    gain = PEAK * 32767 / max(1, int(np.abs(samples.astype(np.int32)).max()))
    return (samples * gain).astype("<i2")


def _generated(prompt_id: str) -> Samples:
    if prompt_id == PAUSE:
        return np.zeros(RATE_HZ * PAUSE_MS // 1000, dtype="<i2")
    assert prompt_id == BEEP
    at_s = np.arange(RATE_HZ * BEEP_MS // 1000) / RATE_HZ
    fade = np.minimum(1.0, np.minimum(at_s, at_s[::-1]) / 0.01)
    return (np.sin(2 * math.pi * BEEP_HZ * at_s) * fade * PEAK * 0.5 * 32767).astype("<i2")


def _consent_version(custom: Path) -> str:
    """The wording people agreed to: ours by its version, a county's own by its sound."""
    own = [custom / f"{name}.wav" for name in ("consent", "fraud")]
    sounds = b"".join(path.read_bytes() for path in own if path.is_file())
    return f"county-{hashlib.sha256(sounds).hexdigest()[:8]}" if sounds else CONSENT_VERSION


def main(arguments: list[str]) -> None:
    """``python -m hotline prompts``: render all prompts and say how far it is."""

    def tell(done: int, total: int, prompt_id: str) -> None:
        sys.stdout.write(f"{done + 1}/{total} {prompt_id}\n")
        sys.stdout.flush()

    made = prepare(core_settings.load(), tell)
    sys.stdout.write(f"{len(made.paths)} prompts, consent wording {made.consent_version}\n")
