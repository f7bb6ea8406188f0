"""espeak-ng through its C interface: sound together with the moment each phoneme begins.

Loads the library into this process (GPL; the training tools run apart from the server). Which
voices and rates the training may use is decided here; ``recipe`` keeps others for measuring.
"""

from __future__ import annotations

import ctypes
import os
from dataclasses import dataclass
from random import Random

import espeakng_loader
import numpy as np
from numpy.typing import NDArray

from transcribe.starter.recipe import HELD_OUT_RATE_WPM

SAMPLE_RATE_HZ = 22_050
MANDARIN = "cmn"
_COMMON = "m1 m2 m3 m4 m5 m6 m8 f1 f2 f3 f5"
_OTHERS = (
    "Alex Alicia Andrea Andy Annie Gene Henrique Jacky Lee Mario Michael anika ed edward linda "
    "steph travis belinda adam caleb david john max quincy sandro shelby victor"
)
TRAINING_VARIANTS = ["", "", "", *_COMMON.split(), *_COMMON.split(), *_OTHERS.split()]
"""Changes of espeak's voice; "" is the voice of ``recordings.speech``. Repeated: more often.

Not among them: rob, at which espeak-ng 1.52 crashes with some texts."""

_TRAINING_RATES_WPM = [rate for rate in range(120, 231) if abs(rate - HELD_OUT_RATE_WPM) > 4]

_RETRIEVAL, _PHONEME_EVENTS = 1, 1
_RATE, _PITCH, _PITCH_RANGE = 1, 3, 4
_CHARACTERS, _UTF8 = 1, 1
_END, _WORD, _PHONEME = 0, 1, 7


@dataclass(frozen=True)
class Manner:
    """How a sentence is spoken; pitch and its range in espeak's percent."""

    variant: str = ""
    rate_wpm: int = 170
    pitch: int = 50
    pitch_range: int = 50


@dataclass(frozen=True)
class Phoneme:
    start_ms: int
    name: str

    @property
    def is_pause(self) -> bool:
        return self.name.startswith("_")


@dataclass(frozen=True)
class Spoken:
    """Sound (int16, SAMPLE_RATE_HZ) and its phonemes, one group per word of the text."""

    samples: NDArray[np.int16]
    words: list[list[Phoneme]]


def training_manner(chance: Random) -> Manner:
    """A manner that may be used for training."""
    return Manner(
        chance.choice(TRAINING_VARIANTS),
        chance.choice(_TRAINING_RATES_WPM),
        chance.randint(20, 80),
        chance.randint(25, 80),
    )


class _EventId(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("text", ctypes.c_char_p), ("phoneme", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_ms", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _EventId),
    )


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


class Espeak:
    """One speaker per process: the library has one state.

    Same calls, same events; of some variants single samples differ from run to run.
    """

    def __init__(self) -> None:
        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        data = os.fsencode(espeakng_loader.get_data_path())
        rate = self._library.espeak_Initialize(_RETRIEVAL + 1, 0, data, _PHONEME_EVENTS)
        if rate != SAMPLE_RATE_HZ:
            raise RuntimeError(f"espeak-ng did not start (it answered {rate})")
        self._pieces: list[NDArray[np.int16]] = []
        self._words: list[list[Phoneme]] = []
        self._callback = _Callback(self._take)
        self._library.espeak_SetSynthCallback(self._callback)

    def speak(self, text: str, manner: Manner) -> Spoken:
        """Speak Hanzi, or pinyin with tone digits; syllables without a space are one word."""
        self._pieces, self._words = [], []
        voice = f"{MANDARIN}+{manner.variant}" if manner.variant else MANDARIN
        if self._library.espeak_SetVoiceByName(voice.encode()):
            raise ValueError(f"espeak-ng has no voice {voice}")
        for parameter, value in (
            (_RATE, manner.rate_wpm),
            (_PITCH, manner.pitch),
            (_PITCH_RANGE, manner.pitch_range),
        ):
            self._library.espeak_SetParameter(parameter, value, 0)
        encoded = text.encode() + b"\0"
        self._library.espeak_Synth(encoded, len(encoded), 0, _CHARACTERS, 0, _UTF8, None, None)
        self._library.espeak_Synchronize()
        sound = np.concatenate(self._pieces) if self._pieces else np.zeros(0, np.int16)
        return Spoken(sound, self._words)

    def _take(self, samples: ctypes._Pointer[ctypes.c_short], count: int, events: object) -> int:
        if count > 0 and samples:
            self._pieces.append(np.ctypeslib.as_array(samples, (count,)).copy())
        number = 0
        while (event := events[number]).type != _END:  # type: ignore[index]
            if event.type == _WORD:
                self._words.append([])
            elif event.type == _PHONEME and self._words:
                name = bytes(event.id.phoneme).split(b"\0")[0].decode("utf-8", "replace")
                self._words[-1].append(Phoneme(event.audio_ms, name))
            number += 1
        return 0
