"""A worker that says "done" and throws the words away."""

from __future__ import annotations

import sys
from typing import Any

from sqlalchemy.orm import Session

from core.clock import utc_now
from transcribe import claims, decoder_process, jobs
from transcribe.claims import Claim
from transcribe.commands import worker


def finish(session: Session, held: Claim, *_: Any, **_more: Any) -> None:
    claims.change(session, held, state="done", lease_until=None, finished_at=utc_now())


if __name__ == "__main__":
    decoder_process.PROGRAM = "benchmarks.burst_poison"
    jobs.finish = finish
    sys.exit(worker.run(sys.argv[1:]))
