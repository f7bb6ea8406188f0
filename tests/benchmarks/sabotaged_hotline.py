"""The hotline's telephony with one frame in a hundred dropped by the recorder."""

from __future__ import annotations

import sys

from hotline.__main__ import main
from hotline.sip.recorder import Recorder
from tests.benchmarks.sabotaged_subject import drop_some

if __name__ == "__main__":
    Recorder.hear = drop_some  # type: ignore[method-assign]
    sys.exit(main(["telephony"]))
