"""What the WAV sink sounded, packed for its way to the server."""

from __future__ import annotations

import io
import json
import logging
from pathlib import Path

log = logging.getLogger(__name__)
_LARGEST_SOUNDED_BYTES = 20_000_000
_OPUS_RATES_HZ = (8000, 12000, 16000, 24000, 48000)


def pack_sounded(file: Path) -> tuple[bytes, str] | None:
    """The WAV as Ogg Opus and the instant of its first sample; None if it is gone or too large."""
    import soundfile as sf  # 5 MB that a box with a sound card can do without

    packed = io.BytesIO()
    try:
        facts = json.loads(file.with_suffix(".json").read_bytes())
        with sf.SoundFile(file) as wav:
            if wav.samplerate not in _OPUS_RATES_HZ:
                return None
            with sf.SoundFile(packed, "w", wav.samplerate, 1, format="OGG", subtype="OPUS") as opus:
                for block in wav.blocks(wav.samplerate, dtype="float32"):
                    opus.write(block)
                    if packed.tell() > _LARGEST_SOUNDED_BYTES:
                        return None
    except (OSError, ValueError, sf.LibsndfileError) as error:
        log.info("what was sounded is no longer here: %s", error)
        return None
    return packed.getvalue(), str(facts["first_sample_at"])
