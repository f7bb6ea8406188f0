"""Foreign sound files to plain PCM and back, by ffmpeg in killable processes.

Only decoded samples are trusted, never what a header claims: ffmpeg reads files alone (no network,
no playlists), from a fixed list of containers, and what it writes appears whole or not at all.
"""

from __future__ import annotations

import contextlib
import re
import uuid
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import imageio_ffmpeg

from core.errors import N_, InvalidInput, ToolFailed
from core.killable import Limits, run
from recordings.levels import is_silent, peaks

__all__ = [
    "SoundFacts",
    "encode_delivery",
    "ffmpeg",
    "first_seconds",
    "is_silent",
    "loudness_lufs",
    "peaks",
    "probe",
    "to_wav",
]

MAX_S = 7200
SHORTEST_MS = 100
DELIVERY_BITS_PER_S = 48_000
DELIVERY_MEDIA_TYPE = "audio/ogg"
CONTAINERS = (
    "wav,w64,mp3,aac,flac,ogg,mov,matroska,amr,amrnb,amrwb,asf,avi,aiff,au,caf,ape,tta,wv,"
    "ac3,eac3,dts,mpeg,mpegts,flv,voc,rm,mpc,mpc8,gsm"
)
_STREAM = re.compile(r"Stream #0:\d+.*?: Audio: (\w+).*?, (\d+) Hz, ([^,]+)")
_DECLARED = re.compile(r"Duration: (\d+):(\d\d):(\d\d)\.(\d\d)")
_DECODED = re.compile(rb"out_time_us=(\d+)")
_INTEGRATED = re.compile(r"I:\s+(-?[\d.]+|-inf|nan) LUFS")


@dataclass(frozen=True)
class SoundFacts:
    """What a sound file really holds. ``duration_ms`` is decoded, never taken from a header.

    ``declared_ms`` is what the header claims, None where it claims nothing.
    """

    duration_ms: int
    sample_rate_hz: int
    channels: int
    codec: str
    declared_ms: int | None = None


def probe(path: Path, *, max_s: float = MAX_S) -> SoundFacts:
    """Decode all of ``path``; raises InvalidInput(field="file") when there is no sound in it."""
    done = _decode(
        path, ["-af", "asetpts=N/SR/TB", "-f", "null", "-progress", "pipe:1", "-"], max_s
    )
    times = _DECODED.findall(done.out)
    return _facts(done.log, int(times[-1]) // 1000 if times else 0, max_s)


def first_seconds(path: Path, seconds: float = 3.0) -> None:
    """Decode only the beginning: InvalidInput(field="file") when ``path`` is no sound at all."""
    done = _decode(path, ["-f", "null", "-progress", "pipe:1", "-"], seconds)
    times = _DECODED.findall(done.out)
    _facts(done.log, int(times[-1]) // 1000 if times else 0, MAX_S)


def to_wav(
    source: Path, target: Path, *, rate_hz: int, max_s: float = MAX_S, channels: int = 1
) -> SoundFacts:
    """Decode ``source`` to PCM16 WAV (mono if not told) at ``rate_hz``; the facts of ``source``.

    Raises InvalidInput(field="file") in plain words for anything that is no readable sound or is
    longer than ``max_s``; ToolFailed when the machine (time, disk) is to blame.
    """
    with whole_or_nothing(target) as part:
        plain = [
            "-ac",
            str(channels),
            "-ar",
            str(rate_hz),
            "-c:a",
            "pcm_s16le",
            "-map_metadata",
            "-1",
        ]
        wav: list[str | Path] = [*plain, "-fflags", "+bitexact", "-f", "wav", part]
        done = _decode(source, wav, max_s, rate_hz * channels)
        with contextlib.suppress(wave.Error, EOFError), wave.open(str(part), "rb") as written:
            duration_ms = round(written.getnframes() * 1000 / rate_hz)
            return _facts(done.log, duration_ms, max_s)
        raise InvalidInput(_EMPTY, field="file")


def encode_delivery(wav: Path, target: Path) -> None:
    """Encode a WAV for the players: Ogg Opus, mono, 48 kbit/s, 48 kHz."""
    opus = ["-c:a", "libopus", "-b:a", str(DELIVERY_BITS_PER_S), "-application", "audio"]
    with whole_or_nothing(target) as part:
        ffmpeg(["-i", wav, "-ac", "1", "-ar", "48000", *opus, "-f", "ogg", part])


def loudness_lufs(wav: Path) -> float:
    """Integrated loudness after EBU R128 (gated), -70.0 for silence or less than 400 ms."""
    log = ffmpeg(["-i", wav, "-af", "ebur128=framelog=quiet", "-f", "null", "-"])
    found = _INTEGRATED.findall(log)
    value = float(found[-1]) if found else -70.0
    return value if value > -70.0 else -70.0


@contextlib.contextmanager
def whole_or_nothing(target: Path) -> Iterator[Path]:
    """A path to write to; renamed to ``target`` when the block ends well, else removed."""
    part = target.with_name(f".{target.name}.{uuid.uuid4().hex}.part")
    try:
        yield part
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def ffmpeg(arguments: list[str | Path], *, wall_s: float = 600, file_mb: int = 2048) -> str:
    """Run ffmpeg over our own files; returns its log, raises ToolFailed when it fails."""
    done = _run(arguments, wall_s, file_mb)
    if done.returncode != 0:
        raise ToolFailed(
            N_("Working on the sound failed (%(detail)s). Try again."),
            params={"detail": _last_line(done.log)},
        )
    return done.log


@lru_cache(maxsize=1)
def binary() -> str:
    """The ffmpeg that came with the Python packages."""
    return str(imageio_ffmpeg.get_ffmpeg_exe())


@dataclass(frozen=True)
class _Done:
    returncode: int
    out: bytes
    log: str


def _run(arguments: list[str | Path], wall_s: float, file_mb: int) -> _Done:
    done = run(
        [binary(), "-nostdin", "-hide_banner", "-nostats", "-y", "-threads", "1", *arguments],
        limits=Limits(wall_s=wall_s, cpu_s=int(wall_s), memory_mb=1024, file_mb=file_mb),
    )
    return _Done(done.returncode, done.stdout, done.stderr.decode(errors="replace"))


def _decode(source: Path, output: list[str | Path], max_s: float, rate_hz: int = 48_000) -> _Done:
    if not source.is_file() or source.stat().st_size == 0:
        raise InvalidInput(_EMPTY, field="file")
    safe = ["-protocol_whitelist", "file", "-format_whitelist", CONTAINERS]
    done = _run(
        [*safe, "-i", f"file:{source}", "-map", "0:a:0", "-t", str(max_s + 1), *output],
        wall_s=60 + max_s / 20,
        file_mb=16 + int(max_s * rate_hz * 2 / 1_000_000),
    )
    if done.returncode != 0:
        raise _refusal(done)
    return done


_EMPTY = N_("This file is empty: there is no sound in it. Record it again.")
_NO_SOUND = N_("There is no sound in this file; it may be a picture or a film without sound.")
_CUT_OFF = N_("The file ends too early: it was not saved or sent completely. Send it again.")
_NOT_SOUND = N_("This is not a sound file that can be read. Send WAV, MP3, M4A, OGG, AMR or MP4.")
_TOO_LONG = N_("The sound is longer than %(minutes)d minutes. Cut it into shorter ones.")


def _refusal(done: _Done) -> InvalidInput | ToolFailed:
    if "No space left on device" in done.log or done.returncode < 0:
        return ToolFailed(
            N_("Working on the sound failed (%(detail)s). Try again."),
            params={"detail": _last_line(done.log)},
        )
    if "matches no streams" in done.log:
        return InvalidInput(_NO_SOUND, field="file")
    if "moov atom not found" in done.log:
        return InvalidInput(_CUT_OFF, field="file")
    return InvalidInput(_NOT_SOUND, field="file")


def _facts(log: str, duration_ms: int, max_s: float) -> SoundFacts:
    stream = _STREAM.search(log)
    if stream is None or duration_ms < SHORTEST_MS:
        raise InvalidInput(_EMPTY, field="file")
    if duration_ms > max_s * 1000:
        raise InvalidInput(_TOO_LONG, field="file", params={"minutes": int(max_s // 60)})
    codec, rate_hz, layout = stream.groups()
    declared = _DECLARED.search(log)
    return SoundFacts(
        duration_ms=duration_ms,
        sample_rate_hz=int(rate_hz),
        channels=_channels(layout),
        codec=codec,
        declared_ms=_declared_ms(*declared.groups()) if declared else None,
    )


def _declared_ms(hours: str, minutes: str, seconds: str, hundredths: str) -> int:
    return ((int(hours) * 60 + int(minutes)) * 60 + int(seconds)) * 1000 + int(hundredths) * 10


def _channels(layout: str) -> int:
    named = {"mono": 1, "stereo": 2, "quad": 4}
    word = layout.split("(")[0].strip()
    if word in named:
        return named[word]
    return sum(int(number) for number in re.findall(r"\d+", word)) or 1


def _last_line(log: str) -> str:
    lines = log.strip().splitlines()
    return lines[-1][:200] if lines else "no message"
