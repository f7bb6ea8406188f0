"""One clip to PCM, in a process of its own: a bad file costs itself alone.

``python -m edge.decode CLIP SHA256 TARGET LONGEST_S`` writes raw 16-bit little-endian mono samples
to TARGET and prints ``{"rate_hz", "frames", "peak"}`` (peak 0-1). Exit 3: the bytes do not have the
hash; 4: not a sound; 5: longer than LONGEST_S; 6: no room on the disk.
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import sys
from pathlib import Path

import numpy as np

WRONG_HASH, NOT_SOUND, TOO_LONG, NO_ROOM = 3, 4, 5, 6
_BLOCK_FRAMES = 1 << 16


def decode(clip: Path, sha256: str, target: Path, longest_s: float) -> int:
    """Exit code; the hash is taken of the very bytes that are decoded."""
    import soundfile as sf  # needed here alone: the player reads only this module's exit codes

    try:
        content = clip.read_bytes()
    except OSError as error:
        if error.errno == errno.EIO:  # a spoilt place of the card: fetched anew it lies elsewhere
            return WRONG_HASH
        raise
    if hashlib.sha256(content).hexdigest() != sha256:
        return WRONG_HASH
    frames, peak = 0, 0
    try:
        with sf.SoundFile(io.BytesIO(content)) as sound, target.open("wb") as out:
            rate_hz = int(sound.samplerate)
            for block in sound.blocks(_BLOCK_FRAMES, dtype="float32", always_2d=True):
                mono = np.clip(block.mean(axis=1) * 32767.0, -32768, 32767)
                samples = np.round(mono).astype("<i2")
                frames += len(samples)
                if frames > longest_s * rate_hz:
                    return TOO_LONG
                peak = max(peak, int(np.abs(samples.astype(np.int32)).max(initial=0)))
                out.write(samples.tobytes())
            out.flush()
            os.fsync(out.fileno())
    except (sf.LibsndfileError, RuntimeError):
        return NOT_SOUND
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return NO_ROOM
        raise
    if frames == 0:
        return NOT_SOUND
    facts = {"rate_hz": rate_hz, "frames": frames, "peak": peak / 32768}
    sys.stdout.write(json.dumps(facts))
    return 0


if __name__ == "__main__":
    sys.exit(decode(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), float(sys.argv[4])))
