"""Text to spoken Mandarin, by pyttsx3 on espeak-ng, each rendering in a process of its own.

pyttsx3 may hang on a second file in the same process, and espeak-ng is GPL: so ``render`` starts
``python -m recordings.speech --out FILE`` with the text on standard input and limits on it.
The library and its data come from the espeakng-loader package; nothing needs to be installed.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import os
import re
import sys
import threading
import time
import unicodedata
import uuid
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from core.errors import N_, InvalidInput, ToolFailed
from core.killable import Limits, run

VOICE = "cmn"
SAMPLE_RATE_HZ = 22_050
PIECE_CHARACTERS = 300
MAX_CHARACTERS = 5_000
RATES_WPM = range(80, 301)
USUAL_RATE_WPM = 170
CHILD_PATIENCE_S = 600
_FIRST_RATE_WPM = 200
"""What pyttsx3 2.99 sets when it begins."""
_ESPEAK_RATE, _ESPEAK_CURRENT = 1, 1
"""From espeak-ng's speak_lib.h; pyttsx3 leaves the second out when it asks for the rate."""
_LONG_WORD = re.compile(r"[A-Za-z0-9]{40}")  # espeak-ng swallows the rest of longer ones
_ROOT = Path(__file__).resolve().parent.parent


def render(text: str, target: Path, *, rate_wpm: int = USUAL_RATE_WPM, voice: str = VOICE) -> int:
    """Speak ``text`` into ``target`` (PCM16 mono WAV, 22.05 kHz); returns the duration in ms.

    ``rate_wpm`` is espeak's rate, 80-300; ``voice`` its name of a language. ``target`` appears
    whole or not at all. Raises InvalidInput(field="text") for a text nobody can speak, ToolFailed
    when the voice fails.
    """
    speakable = clean(text)
    if rate_wpm not in RATES_WPM:
        raise InvalidInput(N_("Choose a speaking rate between 80 and 300."), field="rate_wpm")
    part = target.with_name(f".{target.name}.{uuid.uuid4().hex}.part")
    piece_path = part.with_suffix(".piece")
    try:
        with wave.open(str(part), "wb") as whole:
            whole.setparams((1, 2, SAMPLE_RATE_HZ, 0, "NONE", ""))
            for piece in _pieces(speakable):
                _speak_apart(piece, piece_path, rate_wpm, voice)
                whole.writeframes(_checked_frames(piece_path, piece, rate_wpm))
                piece_path.unlink()
            duration_ms = round(whole.tell() * 1000 / SAMPLE_RATE_HZ)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
        piece_path.unlink(missing_ok=True)
    return duration_ms


def clean(text: str) -> str:
    """The text without control characters; InvalidInput when it is empty or too long."""
    kept = "".join(
        " " if unicodedata.category(char) in ("Cc", "Cf", "Cs") and char != "\n" else char
        for char in text
    ).strip()
    if len(kept) > MAX_CHARACTERS:
        raise InvalidInput(
            N_("The text has %(count)d characters; at most %(limit)d can be spoken. Shorten it."),
            field="text",
            params={"count": len(kept), "limit": MAX_CHARACTERS},
        )
    if not _is_speakable(kept):
        raise InvalidInput(N_("There is no text to speak. Write what is to be said."), field="text")
    return kept


def _pieces(text: str) -> Iterator[str]:
    """Cut at ends of sentences: pyttsx3's time grows with the square of the length."""
    piece = ""
    for sentence in re.findall(r"[^。！？；!?;\n]*[。！？；!?;\n]*", text):
        if len(piece) + len(sentence) > PIECE_CHARACTERS and _is_speakable(piece):
            yield piece
            piece = ""
        piece += sentence
        while len(piece) > 2 * PIECE_CHARACTERS:
            if _is_speakable(piece[:PIECE_CHARACTERS]):
                yield piece[:PIECE_CHARACTERS]
            piece = piece[PIECE_CHARACTERS:]
    if _is_speakable(piece):
        yield piece


def _is_speakable(text: str) -> bool:
    return any(char.isalnum() for char in text)


@dataclass(frozen=True)
class _Plausible:
    shortest_ms: float
    longest_ms: float


def _plausible(text: str, rate_wpm: int) -> _Plausible:
    """How long the voice may take: 60-600 ms per Hanzi at the usual rate.

    At 170 words a minute the voice needs 200-300 ms for a Hanzi, up to 1,000 ms for a digit of a
    long number and for a spelt letter, and pauses of up to 1,000 ms at punctuation.
    """
    shortest, longest = 0.0, 2_000.0
    for char in text:
        if not char.isalnum():
            longest += 1_000
        elif unicodedata.category(char) == "Lo":
            shortest, longest = shortest + 60, longest + 600
        else:
            shortest, longest = shortest + 15, longest + 1_000
    stretch = USUAL_RATE_WPM / rate_wpm
    return _Plausible(shortest * stretch, longest * stretch)


def _speak_apart(text: str, part: Path, rate_wpm: int, voice: str) -> None:
    rate = str(rate_wpm)
    done = run(
        [
            sys.executable,
            "-m",
            "recordings.speech",
            "--out",
            part,
            "--rate",
            rate,
            "--voice",
            voice,
        ],
        limits=Limits(wall_s=30 + len(text) * 0.03, cpu_s=30 + len(text) // 50, file_mb=200),
        input_bytes=_LONG_WORD.sub(r"\g<0> ", text).encode(),
        env={
            "PYTHONPATH": os.pathsep.join(filter(None, [str(_ROOT), os.getenv("PYTHONPATH")])),
            "PYTHONIOENCODING": "utf-8",
        },
    )
    if done.returncode != 0 or not part.is_file():
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise ToolFailed(
            N_("The machine's voice could not speak this text (%(detail)s). Try again."),
            params={"detail": lines[-1][:200] if lines else f"exit {done.returncode}"},
        )


def _checked_frames(path: Path, text: str, rate_wpm: int) -> bytes:
    frames, duration_ms = b"", 0.0
    with contextlib.suppress(wave.Error, EOFError), wave.open(str(path), "rb") as spoken:
        if spoken.getframerate() == SAMPLE_RATE_HZ and spoken.getnchannels() == 1:
            frames = spoken.readframes(spoken.getnframes())
            duration_ms = len(frames) / 2 * 1000 / SAMPLE_RATE_HZ
    expected = _plausible(text, rate_wpm)
    if not expected.shortest_ms <= duration_ms <= expected.longest_ms:
        raise ToolFailed(
            N_("The machine's voice spoke %(seconds).1f s, which does not fit this text."),
            params={"seconds": duration_ms / 1000},
        )
    return frames


def _speak_here(text: str, out: Path, rate_wpm: int, voice: str = VOICE) -> None:
    import espeakng_loader

    os.environ["ESPEAK_DATA_PATH"] = espeakng_loader.get_data_path()
    # pyttsx3 asks the linker for "libespeak-ng.so.1": the one already in the process answers.
    espeak = ctypes.CDLL(espeakng_loader.get_library_path(), mode=ctypes.RTLD_GLOBAL)
    import pyttsx3
    from pyttsx3.drivers.espeak import EspeakDriver

    engine = pyttsx3.init("espeak")
    # espeak-ng takes a rate in a thread of its own: pyttsx3's first one could come after ours.
    _wait_for_rate(espeak, _FIRST_RATE_WPM)
    EspeakDriver.setProperty("voice", voice)
    EspeakDriver.setProperty("rate", rate_wpm)
    _wait_for_rate(espeak, rate_wpm)
    finished = threading.Event()
    engine.connect("finished-utterance", lambda **_: finished.set())
    engine.save_to_file(text, str(out))
    engine.runAndWait()  # returns while espeak-ng's thread still speaks; the file comes at the end
    finished.wait(CHILD_PATIENCE_S)


def _wait_for_rate(espeak: ctypes.CDLL, rate_wpm: int) -> None:
    until_s = time.monotonic() + CHILD_PATIENCE_S
    while espeak.espeak_GetParameter(_ESPEAK_RATE, _ESPEAK_CURRENT) != rate_wpm:
        if time.monotonic() > until_s:
            raise TimeoutError(f"espeak-ng does not take the rate {rate_wpm}")
        time.sleep(0.002)


def main(arguments: list[str]) -> None:
    """Child process: speak standard input into ``--out``."""
    parser = argparse.ArgumentParser(prog="python -m recordings.speech")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rate", type=int, default=USUAL_RATE_WPM)
    parser.add_argument("--voice", default=VOICE)
    chosen = parser.parse_args(arguments)
    _speak_here(sys.stdin.buffer.read().decode(), chosen.out, chosen.rate, chosen.voice)
    sys.stdout.flush()
    os._exit(0 if chosen.out.is_file() else 1)  # espeak-ng's own thread may never end


if __name__ == "__main__":
    main(sys.argv[1:])
