"""A text as a WAV file, spoken by the machine's voice."""

from __future__ import annotations

from pathlib import Path

from core.errors import N_, InvalidInput
from recordings import speech


def say(text: str, file: Path) -> int:
    """Speak ``text`` into ``file`` (PCM16 mono WAV, 22.05 kHz); returns the duration in ms.

    Raises InvalidInput for another kind of file or a text nobody can speak.
    """
    if file.suffix.lower() != ".wav":
        raise InvalidInput(N_("Give the file a name that ends in .wav."), field="file")
    file.parent.mkdir(parents=True, exist_ok=True)
    return speech.render(text, file)
