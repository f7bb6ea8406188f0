"""What the dialogue hears and asks for while a caller speaks live to villages; see steps."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LiveTold:
    """Of a live address that was opened. ``what``: go (speak now) or over.

    ``hearing``: horns that are there by now. ``missing``: villages that heard nothing.
    ``cause``: of the end, as ``broadcast.live.end`` has it, or "lost" when nobody answers.
    """

    what: str
    cause: str = ""
    hearing: int = 0
    missing: tuple[str, ...] = ()

    def __str__(self) -> str:
        told = self.cause or f"{self.hearing} there"
        return f"live {self.what}: {told}, {len(self.missing)} villages missing"


@dataclass(frozen=True)
class GoLive:
    """Call the horns of these villages; Answered follows, then LiveTold.

    The answer has ``opened`` true, or ``error`` (somebody_speaks: with ``village_code`` and
    ``speaker``, the path of a sound that names who speaks there, or null).
    """

    user_id: int
    villages: tuple[str, ...]


@dataclass(frozen=True)
class LetThrough:
    """From now on villages hear what the caller says."""


@dataclass(frozen=True)
class EndLive:
    """Take the caller off the air; nothing when nobody is on it."""

    cause: str
