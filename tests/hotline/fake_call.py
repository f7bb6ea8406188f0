"""A telephone driver without a telephone: the same contract, a script instead of a caller.

Time is the script's: a silence passes at once. What a take holds is written as the contract says
(``.part``, then renamed), with a buzz that WebRTC's detector takes for a voice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from hotline.call import (
    Call,
    CallEvent,
    HungUp,
    Key,
    OnSound,
    PlayEnded,
    RecordingStopped,
    SpeechHeard,
    StopReason,
)

RATE_HZ = 8000


@dataclass(frozen=True)
class Press:
    digit: str


@dataclass(frozen=True)
class Speak:
    ms: int


@dataclass(frozen=True)
class Silence:
    """The caller lets the prompt, the wait or the take run to its end."""


@dataclass(frozen=True)
class GoAway:
    cause: str = "hangup"


@dataclass(frozen=True)
class DiskFull:
    """The recording (if any) hits a full disk."""


@dataclass(frozen=True)
class Late:
    """An event of an earlier prompt arrives now."""


Move = Press | Speak | Silence | GoAway | DiskFull | Late


@cache
def voice(ms: int) -> bytes:
    """PCM that counts as speech: a glottal buzz with formants and syllables."""
    at_s = np.arange(RATE_HZ * ms // 1000) / RATE_HZ
    wave = np.zeros_like(at_s)
    for harmonic in range(1, 26):
        pitch_hz = 130.0 * harmonic
        weight = sum(np.exp(-(((pitch_hz - f) / 160.0) ** 2)) for f in (500, 1500, 2500)) + 0.05
        wave += weight * np.sin(2 * np.pi * pitch_hz * at_s + harmonic)
    wave *= 0.75 + 0.25 * np.sin(2 * np.pi * 4 * at_s)
    return bytes((wave / (np.abs(wave).max() + 1e-9) * 14000).astype("<i2").tobytes())


def quiet(ms: int) -> bytes:
    return bytes(2 * RATE_HZ * ms // 1000)


@dataclass
class FakeCall:
    """Fulfils ``hotline.call.Call``. After the script's end the caller stays silent."""

    script: Iterable[Move] = ()
    call_id: str = "call-1"
    caller: str = "13812345678"
    called: str = "96110"
    now_s: float = 0.0
    played: list[tuple[str, ...]] = field(default_factory=list)
    answered: bool = False
    ended: str | None = None
    polls: int = 0
    interrupted: int = 0
    broken_recorder: bool = False
    streams: bool = True
    joined: FakeCall | None = None

    def __post_init__(self) -> None:
        self._moves = iter(self.script)
        self._queue: list[CallEvent] = []
        self._token = 0
        self._playing = False
        self._heard: bytes | None = None
        self._take: Path | None = None
        self._sound = b""
        self._speech_ms = 0
        self._told_speech = False
        self._over = False
        self._on_sound: OnSound | None = None
        self._out_ms = 0

    def monotonic_s(self) -> float:
        return self.now_s

    async def answer(self) -> None:
        self.answered = True

    async def next_event(self, timeout_s: float | None) -> CallEvent | None:
        assert timeout_s is not None, "every wait has an end"
        self.polls += 1
        assert self.polls < 500, "the conversation does not end"
        if not self._queue:
            self._move(next(self._moves, Silence()))
        if self._queue:
            self.now_s += 0.01
            return self._queue.pop(0)
        self.now_s += timeout_s
        return None

    def play(self, sounds: Sequence[Path]) -> int:
        assert all(path.is_file() for path in sounds)
        self.played.append(tuple(path.stem for path in sounds))
        self._token += 1
        self._playing = True
        return self._token

    def stop_playing(self) -> None:
        self.interrupted += self._playing
        self._playing = False

    def listen(self) -> None:
        self._heard, self._told_speech = b"", False

    def forget(self) -> None:
        self._heard = None

    def record(
        self, take: Path, *, limit_s: float, silence_s: float, keep_heard: bool = False
    ) -> None:
        assert self._take is None, "one take at a time"
        assert not take.exists(), "a new take never destroys the one before"
        self._take = take
        self._sound = (self._heard or b"") if keep_heard else b""
        self._speech_ms = len(self._sound) // 16
        self._heard = None
        self._told_speech = bool(self._speech_ms)
        self._flush()
        if self._over:
            self._stop("hangup")

    def stop_recording(self) -> None:
        self._stop("stopped")

    def hand_out(self, on_sound: OnSound | None) -> None:
        assert on_sound is None or (self.streams and self.joined is None)
        self._on_sound, self._out_ms = (None if self._over else on_sound), 0

    def join(self, other: Call) -> None:
        assert isinstance(other, FakeCall)
        assert not self._over, "both are there"
        assert not other._over, "both are there"
        assert self._take is None, "nothing of it is kept"
        assert other._take is None
        self.stop_playing()
        other.stop_playing()
        self.joined, other.joined = other, self

    def part(self) -> None:
        if self.joined is not None:
            self.joined.joined, self.joined = None, None

    async def hang_up(self, cause: str) -> None:
        self._stop("hangup")
        self._on_sound = None
        self.ended = self.ended or cause
        self._over = True

    def _move(self, move: Move) -> None:
        if self._over:
            return
        match move:
            case Press(digit):
                self._queue.append(Key(digit))
            case Speak(ms):
                self._speak(ms)
            case GoAway(cause):
                self._stop("network" if cause == "network" else "hangup")
                self._queue.append(HungUp(cause))
                self._over, self.ended, self._on_sound = True, cause, None
            case DiskFull():
                self._stop("disk")
            case Late():
                self._queue.append(PlayEnded(self._token - 1))
            case Silence() if self._take is not None:
                self._sound += quiet(8000)
                self._stop("silence")
            case Silence() if self._playing:
                self._playing = False
                self._queue.append(PlayEnded(self._token))

    def _speak(self, ms: int) -> None:
        heard = False
        if self._on_sound is not None:
            self._on_sound(self._out_ms, voice(ms))
            self._out_ms += ms
        if self._take is not None:
            self._sound += voice(ms)
            self._speech_ms += ms
            self._flush()
            heard = True
        elif self._heard is not None:
            self._heard += voice(ms)
            heard = True
        elif self._playing:
            self._playing = False
            self._queue.append(PlayEnded(self._token))
        if heard and ms >= 300 and not self._told_speech:
            self._told_speech = True
            self._queue.append(SpeechHeard())

    def _flush(self) -> None:
        assert self._take is not None
        self._part().write_bytes(self._sound)

    def _part(self) -> Path:
        assert self._take is not None
        return self._take.with_name(self._take.name + ".part")

    def _stop(self, reason: StopReason) -> None:
        if self._take is None or self.broken_recorder:
            return
        self._flush()
        self._part().rename(self._take)
        self._take = None
        duration_ms = len(self._sound) // 16
        self._queue.append(RecordingStopped(reason, duration_ms, self._speech_ms))


def told(call: FakeCall, prompts: Any) -> list[str]:
    """The ids of everything the caller heard, in order."""
    names = {path.stem: prompt_id for prompt_id, path in prompts.paths.items()}
    return [names[stem] for sounds in call.played for stem in sounds]
