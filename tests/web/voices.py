"""A voice in the forms telephones send it: made by the machine's voice and ffmpeg."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

from recordings import sound, speech

TEXT = "石桥村的自来水已经停了两天，家里有老人，请派人来看一看。路灯也坏了，晚上看不见路。"

FORMS: dict[str, list[str]] = {
    "wav": ["-c:a", "pcm_s16le", "-f", "wav"],
    "webm": ["-c:a", "libopus", "-b:a", "32k", "-f", "webm"],
    "ogg": ["-c:a", "libopus", "-b:a", "32k", "-f", "ogg"],
    "mp4": ["-c:a", "aac", "-f", "mp4"],
    "fragmented-mp4": ["-c:a", "aac", "-movflags", "frag_keyframe+empty_moov", "-frag_duration",
                       "1000000", "-f", "mp4"],
    "m4a": ["-c:a", "aac", "-f", "ipod"],
    "amr": ["-c:a", "libopencore_amrnb", "-b:a", "12.2k", "-ar", "8000", "-f", "amr"],
    "3gp": ["-c:a", "libopencore_amrnb", "-b:a", "12.2k", "-ar", "8000", "-f", "3gp"],
    "3gp-aac": ["-c:a", "aac", "-ar", "16000", "-f", "3gp"],
    "aac": ["-c:a", "aac", "-f", "adts"],
}  # fmt: skip


@lru_cache(maxsize=1)
def _spoken() -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "spoken.wav"
        speech.render(TEXT, path)
        plain = Path(folder) / "plain.wav"
        sound.to_wav(path, plain, rate_hz=16_000)
        return plain.read_bytes()


@lru_cache(maxsize=32)
def voice(form: str = "wav", seconds: float = 6.0) -> bytes:
    """The voice, repeated or cut to ``seconds``, as one of FORMS."""
    with TemporaryDirectory() as folder:
        source, target = Path(folder) / "source.wav", Path(folder) / "target"
        source.write_bytes(_spoken())
        how = FORMS[form]
        sound.ffmpeg(
            ["-stream_loop", "-1", "-i", source, "-t", str(seconds), "-ac", "1", *how, target]
        )
        return target.read_bytes()


@lru_cache(maxsize=1)
def silence(seconds: float = 6.0) -> bytes:
    """Nothing at all, as WebM."""
    with TemporaryDirectory() as folder:
        target = Path(folder) / "target"
        nothing = ["-f", "lavfi", "-i", "anullsrc=r=48000:cl=mono", "-t", str(seconds)]
        sound.ffmpeg([*nothing, *FORMS["webm"], target])
        return target.read_bytes()
