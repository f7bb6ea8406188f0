"""Lists of a whole county are made in many short transactions."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from sqlalchemy.orm import Session

from broadcast import manifest, override, wiring
from core import outbox
from core.database import Database

CODES = [f"510101{number:03d}000" for number in range(95)]


@pytest.mark.parametrize(
    "news", [{"kind": "plays.planned", "slot_id": 1}, {"kind": override.CHANGED}]
)
def test_no_transaction_makes_the_lists_of_more_villages_than_it_should(
    database: Database, monkeypatch: pytest.MonkeyPatch, news: dict[str, Any]
) -> None:
    made: list[tuple[int, str]] = []
    rounds = [0]

    def build(_session: Session, area_code: str, **_more: object) -> None:
        made.append((rounds[0], area_code))

    monkeypatch.setattr(manifest, "build", build)
    dispatcher = outbox.Dispatcher(database)
    for kind, handler in wiring.handlers():
        dispatcher.on(kind, handler)
    with database.write() as session:
        outbox.emit(session, area_codes=CODES, **news)
    while dispatcher.run_due(limit=1):
        rounds[0] += 1
    assert sorted(code for _, code in made) == CODES
    at_once = Counter(number for number, _ in made)
    assert max(at_once.values()) <= override.VILLAGES_A_TIME
