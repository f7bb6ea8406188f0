"""Sounds where Asterisk can read them: prompts are copied, what is spoken once is taken away."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
from pathlib import Path, PurePosixPath

from core.settings import Settings
from hotline.prompt_sound import wav_bytes


class Shelf:
    """Copies of WAV files (8 kHz, mono, 16 bit) in a folder both machines see.

    ``there``: the folder as Asterisk sees it. Takes (raw PCM) become WAV; they leave with the call.
    """

    def __init__(self, settings: Settings) -> None:
        self.folder = settings.ari_sounds or settings.folder("asterisk", "sounds")
        self.folder.mkdir(parents=True, exist_ok=True)
        self._there = PurePosixPath(settings.ari_sounds_there or str(self.folder.resolve()))
        self._names: dict[Path, str] = {}

    def prepare(self, sounds: list[Path]) -> None:
        """Copy what every call may need, and clear what an earlier process left of takes."""
        for left in self.folder.glob("take-*.wav"):
            left.unlink(missing_ok=True)
        for sound in sounds:
            self.uri(sound)

    def uri(self, sound: Path) -> str:
        """``sound:…`` for Asterisk, without the suffix, which it adds itself. May raise OSError."""
        known = self._names.get(sound)
        if known is None or sound.suffix == ".pcm":
            known = self._names[sound] = self._put(sound)
        return f"sound:{self._there / known}"

    def take_away(self, sound: Path) -> None:
        """Remove the copy of a take."""
        name = self._names.pop(sound, None)
        if name is not None:
            with contextlib.suppress(OSError):
                (self.folder / f"{name}.wav").unlink()

    def _put(self, sound: Path) -> str:
        digest = hashlib.sha256(str(sound.resolve()).encode()).hexdigest()[:16]
        kind = "take" if sound.suffix == ".pcm" else "prompt"
        name = f"{kind}-{digest}"
        part, target = self.folder / f".{name}.part", self.folder / f"{name}.wav"
        if sound.suffix == ".pcm":
            part.write_bytes(wav_bytes(sound.read_bytes()))
        elif target.is_file() and target.stat().st_size == sound.stat().st_size:
            return name
        else:
            shutil.copyfile(sound, part)
        part.chmod(0o644)
        part.replace(target)
        return name
