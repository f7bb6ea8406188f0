"""Plays that would sound over each other."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from schedule.conflicts import Planned, overlaps

NOON = datetime(2026, 6, 1, 4, tzinfo=UTC)


def planned(play_id: int, minute: float, length_s: int | None, village: str = "a") -> Planned:
    length_ms = None if length_s is None else length_s * 1000
    return Planned(play_id, play_id, village, NOON + timedelta(minutes=minute), length_ms)


def pairs(*plays: Planned) -> list[tuple[int, int]]:
    return [(o.first.play_id, o.second.play_id) for o in overlaps(plays)]


def test_a_play_that_starts_before_another_ended_is_told() -> None:
    assert pairs(planned(1, 0, 300), planned(2, 4, 60)) == [(1, 2)]


def test_a_play_that_starts_when_another_ends_is_fine() -> None:
    assert pairs(planned(1, 0, 240), planned(2, 4, 60)) == []


def test_other_villages_do_not_matter() -> None:
    assert pairs(planned(1, 0, 300, "a"), planned(2, 1, 60, "b")) == []


def test_a_long_play_is_told_against_each_later_one() -> None:
    assert pairs(planned(3, 8, 60), planned(1, 0, 600), planned(2, 1, 60)) == [(1, 2), (1, 3)]


def test_a_play_without_episode_counts_as_one_minute() -> None:
    assert pairs(planned(1, 0, None), planned(2, 0.5, 10)) == [(1, 2)]
    assert pairs(planned(1, 0, None), planned(2, 1, 10)) == []
