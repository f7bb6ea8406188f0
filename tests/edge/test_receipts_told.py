"""``edge receipts`` says in words how a play was heard, so that nobody compares two times."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from edge.receipts import Heard, ReceiptBook, told
from edge.store import Store
from tests.edge.planning import at, play
from tests.edge.test_store import HEARD, KEY, open_store


def receipt_of(store: Store) -> str:
    [receipt] = store.receipts()
    return told(json.loads(receipt.body))


@pytest.mark.parametrize(
    ("heard", "words"),
    [
        (HEARD, "played"),
        (replace(HEARD, started_at=at(1.4)), "played"),
        (replace(HEARD, started_at=at(340), ended_at=at(400)), "played 340 s late"),
        (replace(HEARD, interrupted_ms=12_000), "played silent for 12 s in between"),
        (replace(HEARD, end_unseen_ms=3_000), "played its last 3 s are not proved"),
        (
            replace(HEARD, started_at=at(9), interrupted_ms=2_000),
            "played 9 s late, silent for 2 s in between",
        ),
    ],
)
def test_how_a_play_was_heard_is_told(tmp_path: Path, heard: Heard, words: str) -> None:
    store = open_store(tmp_path, play(1))
    ReceiptBook(store, KEY, "p-1").played(play(1), heard, at(500))
    assert receipt_of(store) == words


def test_why_a_play_was_missed_is_told(tmp_path: Path) -> None:
    store = open_store(tmp_path, play(1))
    missed = ReceiptBook(store, KEY, "p-1").missed
    missed(play(1), "clip_missing", at(9000), sink="wav")
    assert receipt_of(store) == "missed: clip_missing"
