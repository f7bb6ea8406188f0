"""The benchmark sees when search loses a report, invents one, or does the work many times over."""

from __future__ import annotations

import pytest
from sqlalchemy.orm import Session

from benchmarks import search
from benchmarks.harness import missed

TARGETS = {"same_results_share": "== 1.0"}


def measure(**how: object) -> dict[str, object]:
    found = search.measure(240, 12, TARGETS, kinds=("sqlite",), **how)  # type: ignore[arg-type]
    return {**found["figures"], "missed": missed(found["figures"], found["targets"])}


def losing(session: Session, query: str, by_sound: bool) -> list[int]:
    return search.product(session, query, by_sound)[:-1]


def inventing(session: Session, query: str, by_sound: bool) -> list[int]:
    return [10**6, *search.product(session, query, by_sound)]


def wasteful(session: Session, query: str, by_sound: bool) -> list[int]:
    for _ in range(200):
        search.product(session, query, by_sound)
    return search.product(session, query, by_sound)


@pytest.mark.slow
def test_an_honest_search_finds_what_the_scan_finds() -> None:
    found = measure()
    assert found["missed"] == []
    assert found["texts"] == 240


@pytest.mark.slow
@pytest.mark.parametrize("broken", [losing, inventing])
def test_a_lost_and_an_invented_report_are_seen(broken: search.Find) -> None:
    assert measure(find=broken)["missed"] == ["sqlite_same_results_share"]


@pytest.mark.slow
def test_needless_work_is_seen() -> None:
    found = search.measure(240, 6, {"time_to_like": "<= 6"}, kinds=("sqlite",), find=wasteful)
    assert missed(found["figures"], found["targets"]) == ["sqlite_time_to_like"]


def test_texts_and_queries_are_the_same_each_time_and_as_long_as_said() -> None:
    texts = search.corpus(50)
    assert texts == search.corpus(50)
    assert all(100 <= len(text) <= 300 for text in texts)
    assert search.queries(texts, 9) == search.queries(texts, 9)
    assert all(2 <= len(query) <= 4 for query in search.queries(texts, 30))
