"""The benchmark's subject with one frame in a hundred dropped by the recorder."""

from __future__ import annotations

from typing import Any

from benchmarks import calls_subject
from hotline.sip.recorder import Recorder

_hear = Recorder.hear
_frames = 0


def drop_some(self: Recorder, *arguments: Any) -> None:
    """Hear 99 frames of 100."""
    global _frames
    _frames += 1
    if _frames % 100:
        _hear(self, *arguments)


if __name__ == "__main__":
    Recorder.hear = drop_some  # type: ignore[method-assign]
    calls_subject.main()
