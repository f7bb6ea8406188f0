"""One line in the log for each refusal, of a shape that the shipped fail2ban filter reads."""

from __future__ import annotations

from typing import Literal

import structlog

log = structlog.get_logger(__name__)

Reason = Literal[
    "address",
    "cap",
    "codec",
    "extension",
    "flood",
    "locked_out",
    "malformed",
    "merged",
    "name",
    "no_telephony",
    "password",
    "rate",
    "registration",
    "telephony",
]
"""Why. "password" and "locked_out" prove that the sender is at its address; the others do not."""


def note(reason: Reason, source: str, code: int, **more: str) -> None:
    """Log that a request of ``source`` (an address) was refused; ``code`` 0: not answered."""
    log.warning("refused", reason=reason, source=source, code=code, **more)
