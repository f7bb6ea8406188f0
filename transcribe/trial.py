"""Whether a model loads and decodes: tried in a process that may crash, before it is installed."""

from __future__ import annotations

import random
import struct
import wave
from pathlib import Path

from core.errors import N_, ToolFailed
from transcribe.decoder import Decoder, DecoderFailed
from transcribe.recogniser import DecoderConfig

RATE_HZ = 16_000
LOAD_S = 300


def try_model(path: Path, work_dir: Path) -> None:
    """Load the model and let it hear two seconds; ToolFailed with the reason when it cannot."""
    work_dir.mkdir(parents=True)
    sound = work_dir / "trial.wav"
    _write_murmur(sound)
    ungated = DecoderConfig(gate=False)  # the murmur must reach the model, voice or not
    decoder = Decoder(path, work_dir, config=ungated)
    try:
        decoder.start(timeout_s=LOAD_S)
        decoder.decode(sound)
    except DecoderFailed as error:
        raise ToolFailed(
            N_("The speech model loads but fails at its first sound: %(reason)s"),
            params={"reason": error.text},
        ) from error
    finally:
        decoder.close()


def _write_murmur(path: Path) -> None:
    """A second of loud noise and one of near silence; the same each time."""
    chance = random.Random(1)
    loudness = [4_000] * RATE_HZ + [20] * RATE_HZ
    samples = [int(chance.uniform(-level, level)) for level in loudness]
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE_HZ)
        out.writeframes(struct.pack(f"<{len(samples)}h", *samples))
