"""A test tone takes the road of every play, and each step of it is seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from broadcast import held_lists, manifest, override, players, receipts, test_tone
from broadcast.models import Override, OverridePlay, Player
from broadcast.tone_steps import NAMES, Seen, Step, steps
from core.auth import Actor
from core.blobs import BlobStore
from core.clock import FakeClock, utc_now
from core.database import Database
from core.errors import InvalidInput, NotFound
from schedule import quiet
from tests.broadcast.box import Box
from tests.schedule.town import FOREIGN_VILLAGE, VILLAGES, Town

NOON = datetime(2026, 6, 1, 4, 0, tzinfo=UTC)
Order = Callable[..., int]


@pytest.fixture
def order(database: Database, store: BlobStore, town: Town) -> Order:
    """Sends a tone to the first village; returns the number of the test."""

    def send(token: str = "form-1", villages: list[str] | None = None) -> int:
        with database.write() as session:
            wanted = [VILLAGES[0]] if villages is None else villages
            return test_tone.order(session, store, town.administrator, wanted, token).id

    return send


@pytest.fixture
def approved(database: Database, town: Town, box: Box) -> Box:
    with database.write() as session:
        players.approve(session, town.administrator, box.player.id)
    return box


def seen_steps(database: Database, actor: Actor, test_id: int) -> dict[str, Step]:
    with database.read() as session:
        test = test_tone.get(session, actor, test_id)
        (road,) = test_tone.roads(session, actor, test)
        return {step.name: step for step in road.steps}


def round_of(database: Database, test_id: int) -> OverridePlay:
    with database.read() as session:
        found = session.scalar(sa.select(OverridePlay).where(OverridePlay.override_id == test_id))
        assert found is not None
        return found


def receipt_of(database: Database, box: Box, test_id: int, **changes: Any) -> None:
    each = round_of(database, test_id)
    started = each.starts_at + timedelta(milliseconds=2)
    body = {
        "play_id": each.id, "outcome": "played", "reason": None, "clip_sha256": None,
        "started_at": started.isoformat(), "start_error_ms": 2.0,
        "ended_at": (started + timedelta(seconds=5)).isoformat(), **changes,
    }  # fmt: skip
    with database.write() as session:
        receipts.accept(session, session.get_one(Player, box.player.id), [box.sign(body)])


def test_the_tone_is_a_play_of_the_signed_list_that_interrupts_nothing(
    database: Database, order: Order, approved: Box, tell: Callable[[], None]
) -> None:
    order()
    tell()
    with database.read() as session:
        found = manifest.current(session, VILLAGES[0])
        assert found is not None
        assert '"kind":"test"' in found.payload
        assert '"priority":50' in found.payload
        assert manifest.has_clip(session, VILLAGES[0], session.query(Override).one().clip_sha256)


def test_the_road_of_a_tone_that_sounds(
    database: Database,
    town: Town,
    order: Order,
    approved: Box,
    tell: Callable[[], None],
    fake_clock: FakeClock,
) -> None:
    test_id = order()
    first = seen_steps(database, town.administrator, test_id)
    assert (first["ordered"].state, first["listed"].state) == ("done", "done")
    tell()
    fake_clock.advance(timedelta(seconds=2))
    with database.write() as session:
        version = manifest.build(session, VILLAGES[0]).version
        held_lists.note(session, approved.player.id, version, None)
    fetched = seen_steps(database, town.administrator, test_id)
    assert fetched["fetched"].at == utc_now()
    assert fetched["woken"].state == "skipped"
    assert fetched["sounded"].state == "waiting"
    fake_clock.advance(timedelta(seconds=15))
    receipt_of(database, approved, test_id)
    proved = seen_steps(database, town.administrator, test_id)
    assert proved["sounded"].at == round_of(database, test_id).starts_at + timedelta(milliseconds=2)
    assert proved["proved"].at == utc_now()
    assert round_of(database, test_id).state == "played"


def test_a_sound_output_that_failed_is_named(
    database: Database, town: Town, order: Order, approved: Box, fake_clock: FakeClock
) -> None:
    test_id = order()
    fake_clock.advance(timedelta(seconds=15))
    receipt_of(database, approved, test_id, outcome="missed", reason="sink_failed",
               started_at=None, ended_at=None, start_error_ms=None)  # fmt: skip
    sounded = seen_steps(database, town.administrator, test_id)["sounded"]
    assert (sounded.state, sounded.words) == ("stuck", "The player's sound output failed.")


def test_a_player_nobody_approved_is_stuck_for_that_reason(
    database: Database, town: Town, order: Order, box: Box, tell: Callable[[], None]
) -> None:
    with database.write() as session:
        session.get_one(Player, box.player.id).approved_at = None
    test_id = order()
    tell()
    found = seen_steps(database, town.administrator, test_id)
    stuck = [step for step in found.values() if step.state == "stuck"]
    assert [step.words for step in stuck] == [
        "The player waits for approval and keeps silent until then."
    ]


def test_a_switch_that_holds_the_tone_back_is_named_at_once(
    database: Database, town: Town, order: Order, approved: Box, tell: Callable[[], None]
) -> None:
    test_id = order()
    tell()
    with database.write() as session:
        version = manifest.build(session, VILLAGES[0]).version
        told = {"quiet_switch": True, "manifest_version": version}
        players.note_health(session, approved.player.id, told)
    step = seen_steps(database, town.administrator, test_id)
    held = [each for each in step.values() if each.state == "stuck"]
    assert [(each.name, "switch" in each.words) for each in held] == [("sounded", True)]


def test_the_same_form_sent_twice_sends_one_tone(database: Database, order: Order) -> None:
    assert order("same") == order("same")
    with database.read() as session:
        assert session.query(OverridePlay).count() == 1


@pytest.mark.parametrize(
    ("villages", "error"),
    [([], InvalidInput), ([FOREIGN_VILLAGE], NotFound), (["1"], NotFound)],
)
def test_wrong_villages_send_nothing(
    database: Database, order: Order, villages: list[str], error: type[Exception]
) -> None:
    with pytest.raises(error):
        order(villages=villages)
    with database.read() as session:
        assert session.query(Override).count() == 0


def test_quiet_is_respected(database: Database, town: Town, order: Order) -> None:
    chief = replace(town.leader, roles=frozenset({"county"}))
    with database.write() as session:
        quiet.order(session, chief, VILLAGES[0], utc_now() + timedelta(hours=1), "page")
    with pytest.raises(InvalidInput) as caught:
        order()
    assert caught.value.field == "villages"


def test_a_tone_is_no_override_on_their_page(database: Database, town: Town, order: Order) -> None:
    test_id = order()
    official = replace(town.leader, roles=frozenset({"leader"}))
    with database.read() as session:
        assert override.newest(session, official) == []
        with pytest.raises(NotFound):
            override.get(session, official, test_id)


def test_the_sound_is_always_the_same() -> None:
    assert test_tone.sound() == test_tone.sound()
    assert test_tone.sound()[:4] == b"RIFF"


maybe = st.none() | st.integers(0, 300).map(lambda seconds: NOON + timedelta(seconds=seconds))
seens = st.builds(
    Seen,
    ordered_at=st.just(NOON),
    has_player=st.booleans(),
    is_approved=st.booleans(),
    listed_at=maybe,
    woken_at=maybe,
    fetched_at=maybe,
    sounded_at=maybe,
    proved_at=maybe,
    reason=st.sampled_from([None, "sink_failed", "odd"]),
)


@given(seens, st.booleans())
def test_six_steps_of_which_one_at_most_is_stuck_or_waited_for(seen: Seen, is_over: bool) -> None:
    found = list(steps(seen, is_over))
    assert [step.name for step in found] == list(NAMES)
    assert sum(step.state in ("stuck", "waiting") for step in found) <= 1
    assert not (is_over and any(step.state == "waiting" for step in found))
    assert found[-1].state == "done" or any(s.state in ("stuck", "waiting") for s in found)


@given(seens)
def test_nothing_is_done_after_the_step_that_is_stuck(seen: Seen) -> None:
    states = [step.state for step in steps(seen, True)]
    if "stuck" in states:
        assert set(states[states.index("stuck") + 1 :]) <= {"open"}
