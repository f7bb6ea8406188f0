"""Outcomes on disk: telephony writes them, the web process enters them into the database.

A file with result null belongs to an order that is being carried out, or whose process died. The
files stay for two hours: so an order is never carried out twice, and the hourly limit holds over
a restart.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, get_args

from core.clock import utc_now
from core.files import write_durably
from core.settings import Settings
from hotline.outgoing.contract import Attempt, Kind, Outcome, Result

BELL = "outgoing"
DAMAGED = ".damaged"
KEEP = timedelta(hours=2)
LIMIT_WINDOW = timedelta(hours=1)
_SAFE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{7,35}")


def now_text() -> str:
    """The present instant as outcomes tell it."""
    return utc_now().isoformat()


def is_order_id(text: str) -> bool:
    """Whether ``text`` may name an order, and so a file."""
    return _SAFE_ID.fullmatch(text) is not None


def as_json(outcome: Outcome) -> str:
    return json.dumps(asdict(outcome), ensure_ascii=False, indent=1)


def parse(text: str) -> Outcome:
    """Read what ``as_json`` gave; raises ValueError for anything else."""
    try:
        raw: dict[str, Any] = json.loads(text)
        outcome = Outcome(**{**raw, "attempts": [Attempt(**one) for one in raw["attempts"]]})
        if not is_order_id(outcome.order_id):
            raise ValueError("an order id that is none")
        if outcome.kind not in get_args(Kind) or outcome.result not in (None, *get_args(Result)):
            raise ValueError("an unknown kind or result")
        instants = [outcome.begun_at, outcome.joined_at, outcome.ended_at]
        if any(datetime.fromisoformat(at).tzinfo is None for at in instants if at is not None):
            raise ValueError("an instant without a zone")
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(str(error)) from error
    return outcome


class Ledger:
    """The folder of outcomes."""

    def __init__(self, settings: Settings) -> None:
        self.folder = settings.folder("hotline", "outgoing")

    def path(self, order_id: str) -> Path:
        if not is_order_id(order_id):
            raise ValueError("an order id that is none")
        return self.folder / f"{order_id}.json"

    def knows(self, order_id: str) -> bool:
        path = self.path(order_id)
        return path.exists() or path.with_suffix(DAMAGED).exists()

    def save(self, outcome: Outcome) -> None:
        """Write it durably. OSError when the disk refuses."""
        self.write(outcome.order_id, as_json(outcome))

    def write(self, order_id: str, text: str) -> None:
        """Like ``save``, of what ``as_json`` gave. One writer at a time for each order."""
        write_durably(self.path(order_id), text.encode())

    def files(self) -> list[Path]:
        return sorted(path for path in self.folder.glob("*.json") if path.name[0] != ".")

    def _readable(self) -> Iterator[Outcome]:
        for path in self.files():
            try:
                outcome = parse(path.read_text(encoding="utf-8"))
            except (OSError, ValueError):
                continue
            yield outcome

    def begun_lately(self) -> Counter[str]:
        """How many of each kind began within the last hour; what the limit refused counts none."""
        since = utc_now() - LIMIT_WINDOW
        found: Counter[str] = Counter()
        for outcome in self._readable():
            if outcome.result != "limit" and datetime.fromisoformat(outcome.begun_at) > since:
                found[outcome.kind] += 1
        return found

    def bury(self) -> int:
        """At the start of telephony: what a process left unfinished was ended by its death."""
        buried = 0
        for outcome in self._readable():
            if outcome.result is None:
                outcome.result = "killed"
                self.save(outcome)
                buried += 1
        return buried
