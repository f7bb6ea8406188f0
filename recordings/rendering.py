"""From an uploaded file or a script to master and delivery. Knows files, no database."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from core.errors import N_, InvalidInput
from core.types import JsonObject
from recordings import editing, levels, loudness, sound, speech
from recordings.sound import SoundFacts

QUIET_DBFS = -40.0
CLIPPED_SHARE = 0.001
MISSING_SHARE = 0.9

Progress = Callable[[str, int], None]

STEPS = {
    "waiting": N_("waiting for its turn"),
    "speak": N_("the machine speaks the text"),
    "decode": N_("reading the file"),
    "check": N_("listening whether it can be heard"),
    "edit": N_("cutting"),
    "loudness": N_("making it equally loud"),
    "peaks": N_("drawing the waveform"),
    "delivery": N_("packing it for the villages"),
    "done": N_("ready"),
}


@dataclass(frozen=True)
class Order:
    """What to render. Either ``original`` (any sound file) or ``script`` (text) is given."""

    original: Path | None
    script: str | None
    trim_start_ms: int = 0
    trim_end_ms: int = 0
    opening: Path | None = None
    closing: Path | None = None


@dataclass(frozen=True)
class Rendered:
    """Files in the work folder and the facts of each; ``spoken`` only for scripts."""

    original_facts: SoundFacts
    spoken: Path | None
    master: Path
    master_ms: int
    master_lufs: float
    peaks: list[int]
    delivery: Path
    delivery_ms: int
    warnings: list[JsonObject] = field(default_factory=list)


def render(order: Order, folder: Path, progress: Progress) -> Rendered:
    """Make master (48 kHz mono PCM16 WAV, -16 LUFS) and delivery (Opus) in ``folder``.

    InvalidInput means the source will never do; ToolFailed or OSError that trying again may help.
    """
    spoken: Path | None = None
    if order.original is None:
        progress("speak", 5)
        spoken = folder / "spoken.wav"
        speech.render(order.script or "", spoken)
    raw, cut, level, master = (folder / f"{name}.wav" for name in ("raw", "cut", "level", "master"))
    progress("decode", 15)
    facts = sound.to_wav(order.original or spoken or raw, raw, rate_hz=loudness.MASTER_RATE_HZ)
    progress("check", 30)
    warnings = _check(levels.measure(raw), facts, spoken=order.original is None)
    progress("edit", 40)
    body_ms = editing.trim(raw, cut, start_ms=order.trim_start_ms, end_ms=order.trim_end_ms)
    raw.unlink()
    if order.trim_start_ms or order.trim_end_ms:
        _refuse_silence(levels.measure(cut))
    progress("loudness", 50)
    loudness.normalise(cut, level, duration_ms=body_ms)
    cut.unlink()
    master_ms = editing.join(order.opening, level, order.closing, master)
    level.unlink()
    lufs = _settled(master, master_ms, warnings)
    progress("peaks", 75)
    peaks = levels.peaks(master)
    progress("delivery", 85)
    delivery = folder / "delivery.ogg"
    sound.encode_delivery(master, delivery)
    return Rendered(
        original_facts=facts,
        spoken=spoken,
        master=master,
        master_ms=master_ms,
        master_lufs=lufs,
        peaks=peaks,
        delivery=delivery,
        delivery_ms=sound.probe(delivery, max_s=2 * sound.MAX_S).duration_ms,
        warnings=warnings,
    )


def render_jingle(source: Path, target: Path, *, max_s: float = 60) -> tuple[SoundFacts, float]:
    """An opening or closing as a master WAV; returns the facts of ``source`` and the LUFS."""
    raw = target.with_suffix(".raw.wav")
    try:
        facts = sound.to_wav(source, raw, rate_hz=loudness.MASTER_RATE_HZ, max_s=max_s)
        _check(levels.measure(raw), facts)
        return facts, loudness.normalise(raw, target, duration_ms=facts.duration_ms)
    finally:
        raw.unlink(missing_ok=True)


def _settled(master: Path, master_ms: int, warnings: list[JsonObject]) -> float:
    """Loudness of the joined master; jingles that are far off are corrected once more."""
    lufs = sound.loudness_lufs(master)
    if abs(lufs - loudness.TARGET_LUFS) > loudness.TOLERANCE_LU:
        lufs = loudness.normalise(master, master, duration_ms=master_ms)
    if abs(lufs - loudness.TARGET_LUFS) > loudness.TOLERANCE_LU:
        warnings.append(
            _warning(N_("The sound could only be brought to %(lufs).1f LUFS."), lufs=lufs)
        )
    return lufs


def _check(measured: levels.Levels, facts: SoundFacts, *, spoken: bool = False) -> list[JsonObject]:
    _refuse_silence(measured)
    if measured.duration_ms < editing.SHORTEST_MS:
        if spoken:
            raise InvalidInput(
                N_("Spoken, this text is shorter than a second. Write a whole sentence."),
                field="text",
            )
        raise InvalidInput(
            N_("This sound is shorter than a second. Record it again."), field="file"
        )
    warnings: list[JsonObject] = []
    if measured.loudest_dbfs < QUIET_DBFS:
        warnings.append(
            _warning(N_("The recording is very quiet; noise may be heard. Speak closer."))
        )
    if measured.clipped_share > CLIPPED_SHARE:
        warnings.append(
            _warning(N_("The recording is too loud and distorted in places. Turn it down."))
        )
    declared = facts.declared_ms
    if declared is not None and facts.duration_ms < MISSING_SHARE * declared - 1_000:
        warnings.append(
            _warning(
                N_("The file says %(said)d s but holds only %(held)d s: its end may be missing."),
                said=declared // 1000,
                held=facts.duration_ms // 1000,
            )
        )
    return warnings


def _refuse_silence(measured: levels.Levels) -> None:
    if measured.silent:
        raise InvalidInput(
            N_("Nothing can be heard in this file. Check the microphone and record it again."),
            field="file",
        )


def _warning(message: str, **params: float) -> JsonObject:
    return {"message": message, "params": params}
