"""The time of day as a server tells it: the moment an answer arrives, and how far it may be off."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from edge.clock import parse

_DATE_ERROR_S = 1.0
"""A ``Date`` has whole seconds and servers renew it once a second: it is 0 to 2 s behind."""


@dataclass(frozen=True)
class Told:
    """``wall_s``: seconds since 1970 as of now; ``error_s``: how far it may be off."""

    wall_s: float
    error_s: float


def by_date(header: str, took_s: float) -> Told | None:
    """From the head of an answer that came ``took_s`` after it was asked for."""
    try:
        said = parsedate_to_datetime(header)
    except ValueError:
        return None
    if said.tzinfo is None:
        return None
    half_s = _DATE_ERROR_S + took_s / 2
    return Told(said.timestamp() + half_s, half_s)


def by_health(answer: Mapping[str, Any], took_s: float) -> Told | None:
    """From the answer to a report of health, which tells fractions of a second too."""
    try:
        said = parse(str(answer.get("now")))
        return Told(said.timestamp() + took_s / 2, took_s / 2)
    except (ValueError, OverflowError):
        return None
