"""Which horn is dumb, and how a player's own words become words for people."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcast import health_view, player_words, reasons
from broadcast.health_view import Signs, glance
from broadcast.silence import EXCUSES, GRACE, Due, silent_since

ROOT = Path(__file__).parents[2]
NOON = datetime(2026, 6, 1, 4, 0, tzinfo=UTC)
LATER = NOON + timedelta(hours=8)


def due(hours: float = 0.0, **changes: Any) -> Due:
    """A play of a minute, ``hours`` after noon, of which nobody said anything."""
    base = Due(NOON + timedelta(hours=hours), 60_000, sounded=False, told=False)
    return replace(base, **changes)


moments = st.integers(0, 600).map(lambda minutes: NOON + timedelta(minutes=minutes))
dues = st.builds(
    Due,
    starts_at=moments,
    duration_ms=st.integers(0, 600_000),
    sounded=st.booleans(),
    told=st.booleans(),
    reason=st.sampled_from([None, "sink_failed", "no_receipt", *sorted(EXCUSES)]),
)
lists = st.lists(dues, max_size=12)
maybe = st.none() | moments


def test_a_village_without_a_plan_is_not_dumb() -> None:
    assert silent_since([], None, LATER) is None
    assert silent_since([], NOON - timedelta(days=30), LATER) is None


def test_silence_counts_from_the_first_play_that_was_not_heard() -> None:
    plays = [due(0, sounded=True, told=True), due(1), due(2)]
    assert silent_since(plays, NOON, LATER) == NOON + timedelta(hours=1)


def test_a_play_is_given_time_for_its_receipt() -> None:
    over = NOON + timedelta(minutes=1) + GRACE
    assert silent_since([due()], None, over - timedelta(seconds=1)) is None
    assert silent_since([due()], None, over) == NOON


def test_of_a_player_out_of_reach_nobody_knows_what_it_sounds() -> None:
    last_word = NOON - timedelta(hours=1)
    assert silent_since([due()], None, last_word) is None
    assert silent_since([due()], None, None) is None


def test_what_the_player_told_itself_counts_even_when_it_is_away() -> None:
    assert silent_since([due(told=True, reason="sink_failed")], None, None) == NOON


@pytest.mark.parametrize("reason", sorted(EXCUSES))
def test_what_was_left_out_on_purpose_accuses_no_horn(reason: str) -> None:
    assert silent_since([due(told=True, reason=reason)], None, LATER) is None


@given(lists, maybe, maybe)
def test_silence_begins_with_a_play_after_the_last_sound(
    plays: list[Due], last: datetime | None, known: datetime | None
) -> None:
    since = silent_since(plays, last, known)
    if since is None:
        return
    assert any(each.starts_at == since and not each.sounded for each in plays)
    assert last is None or since > last
    assert all(each.starts_at < since for each in plays if each.sounded)


@given(lists, maybe, maybe)
def test_a_sound_after_everything_ends_every_silence(
    plays: list[Due], last: datetime | None, known: datetime | None
) -> None:
    heard = due(24, sounded=True, told=True)
    assert silent_since([*plays, heard], last, known) is None


@given(lists, maybe, maybe)
def test_excused_plays_never_change_the_answer(
    plays: list[Due], last: datetime | None, known: datetime | None
) -> None:
    without = [each for each in plays if each.sounded or not each.is_excused]
    assert silent_since(plays, last, known) == silent_since(without, last, known)


@given(lists, maybe, moments, st.integers(0, 500))
def test_knowing_more_never_shortens_a_silence(
    plays: list[Due], last: datetime | None, known: datetime, more: int
) -> None:
    before = silent_since(plays, last, known)
    after = silent_since(plays, last, known + timedelta(minutes=more))
    assert before is None or (after is not None and after <= before)


GOOD = Signs(online=True, last_seen_at=LATER, approved_at=NOON, last_sounded_at=NOON)


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, "speaks"),
        ({"last_sounded_at": None}, "ready"),
        ({"problems": ("hot",)}, "problem"),
        ({"online": False}, "away"),
        ({"silent_since": NOON}, "silent"),
        ({"silent_since": NOON, "online": False}, "silent"),
        ({"silent_since": NOON, "is_quiet": True}, "quiet"),
        ({"is_quiet": True, "online": False}, "away"),
        ({"approved_at": None}, "waiting"),
        ({"cloned_at": NOON, "silent_since": NOON}, "cloned"),
        ({"cloned_at": NOON, "revoked_at": NOON}, "revoked"),
    ],
)
def test_one_word_for_the_state(changes: dict[str, Any], state: str) -> None:
    assert glance(replace(GOOD, **changes)).state == state


def test_every_state_says_what_to_do() -> None:
    assert set(player_words.ADVICE) == set(health_view.STATES)


def facts_of(health: dict[str, Any] | None) -> dict[str, health_view.Fact]:
    return {fact.label: fact for fact in health_view.facts(health)}


def test_every_problem_a_box_can_tell_has_words_and_a_way_out() -> None:
    told = {
        code
        for file in (ROOT / "edge").glob("*.py")
        for code in re.findall(r'\braise_\(\s*"(\w+)"', file.read_text("utf-8"))
    }
    assert len(told) > 5
    assert told <= set(player_words.PROBLEMS)
    assert told <= set(player_words.REMEDIES)


def test_every_excuse_has_words_for_people() -> None:
    assert {code for code in EXCUSES if reasons.words(code) == code} == set()


def test_what_was_not_told_stays_untold() -> None:
    assert all(fact.words is None for fact in health_view.facts(None))
    assert all(fact.words is None for fact in health_view.facts({"clock": None, "cache": None}))


def test_health_in_plain_words() -> None:
    found = facts_of(
        {
            "sink": {"kind": "portaudio", "name": "USB Audio", "ok": False},
            "clock": {"synchronised": True, "max_error_ms": 12.4, "estimated_error_ms": 1},
            "disk_free_bytes": 3_000_000_000,
            "temperature_c": 85.2,
            "cache": {"clips": 9, "missing": 2, "plays_ready_until": "2026-06-08T04:00:00Z"},
            "quiet_switch": True,
            "uptime_s": 4000,
        }
    )
    assert (found["Sound output"].tone, found["Sound output"].params) == (
        "bad",
        {"name": "USB Audio"},
    )
    assert found["Clock"].params == {"ms": "12"}
    assert found["Free disk"].params == {"mb": "3000"}
    assert found["Temperature"].tone == "bad"
    assert found["Sounds on the player"].params == {"count": 2}
    assert found["Plays without network until"].params["at"] == NOON + timedelta(days=7)
    assert found["Quiet switch on the box"].tone == "warn"


def test_a_clock_that_goes_by_this_server_is_said_to() -> None:
    told = {"synchronised": False, "max_error_ms": 240.4, "source": "server"}
    fact = facts_of({"clock": told})["Clock"]
    assert (fact.tone, fact.params) == ("warn", {"ms": "240"})
    own = facts_of({"clock": {**told, "source": "machine"}})["Clock"]
    assert own.tone == "bad"


def test_a_file_instead_of_a_horn_is_told_plainly() -> None:
    fact = facts_of({"sink": {"kind": "wav", "name": "out", "ok": True}})["Sound output"]
    assert fact.tone == "warn"
    assert "nobody hears it" in str(fact.words)


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
KEYS = (
    "sink", "clock", "disk_free_bytes", "temperature_c", "cache", "quiet_switch", "uptime_s",
    "version", "problems",
)  # fmt: skip


@given(st.dictionaries(st.sampled_from(KEYS), json_values))
def test_no_form_of_health_breaks_the_page(health: dict[str, Any]) -> None:
    for fact in health_view.facts(health):
        assert fact.words is None or fact.words % fact.params
    assert len(health_view.problems(health)) == len(set(health_view.problems(health)))


@pytest.mark.parametrize("told", [None, {}, {"problems": "no_card"}, {"problems": ["no_card"]}])
def test_nonsense_says_nothing_of_a_missing_card(told: dict[str, Any] | None) -> None:
    assert not health_view.has_no_card(told)
    assert not health_view.went_into_a_file(told, "wav")
