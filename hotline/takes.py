"""The takes of a call that is over: which sound there is, and how much of it is speech."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from core.files import write_durably
from hotline.journal import Entry
from hotline.limits import SPEECH_NEEDED_MS
from hotline.prompt_sound import beep, silence, wav_bytes
from hotline.sip.voice import speech_ms

_CUT_OFF = ("network", "disk", "limit")


@dataclass(frozen=True)
class FoundTake:
    """One take on disk: ``take-1.pcm``, or ``take-1.pcm.part`` when its writer died."""

    path: Path
    speech_ms: int
    cut_off: bool
    replaced: bool = False
    """The caller said it again in a later take."""


def sound_files(folder: Path) -> list[Path]:
    """Every file with sound in a call's folder, in the order of recording."""
    return sorted(folder.glob("take-*.pcm*"))


def find(folder: Path, entry: Entry) -> list[FoundTake]:
    """The takes with any speech. The driver's word counts where it gave one; else we measure."""
    told = {take.name: take for take in entry.takes}
    found = []
    for path in sound_files(folder):
        take = told.get(path.name)
        measured_ms = speech_ms(_pcm(path))
        found.append(
            FoundTake(
                path,
                max(measured_ms, take.speech_ms if take else 0),
                cut_off=take is None or take.reason in _CUT_OFF,
                replaced=take is not None and take.replaced,
            )
        )
    return [take for take in found if take.speech_ms > 0]


def stream_key(path: Path) -> str:
    """Names the live hearing of the take at ``path``, finished or not, and of those before it."""
    return f"{path.parent.name}.{path.name.split('.')[0]}"


def worth_a_report(takes: list[FoundTake], entry: Entry) -> bool:
    """Whether one take holds enough speech, or a number was promised for it already."""
    return any(take.speech_ms >= SPEECH_NEEDED_MS for take in takes) or (
        bool(takes) and entry.reference_no is not None
    )


def join(takes: list[FoundTake], target: Path) -> Path:
    """One WAV of all takes: same takes, same bytes.

    Those that count come first, in order. What the caller said again later is kept too: it
    follows after a pause and a beep, so that a second try never destroys the first.
    """
    sound = [_pcm(take.path) for take in takes if not take.replaced]
    replaced = [_pcm(take.path) for take in takes if take.replaced]
    if replaced:
        mark = (silence(), beep(), silence())
        sound += [*(part.astype("<i2").tobytes() for part in mark), *replaced]
    write_durably(target, wav_bytes(b"".join(sound)))
    return target


def _pcm(path: Path) -> bytes:
    data = path.read_bytes()
    return data[: len(data) - len(data) % 2]  # a kill may leave half a sample
