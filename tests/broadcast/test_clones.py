"""One key in two boxes: found, flagged, kept apart, until a person has looked."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from broadcast import clones, players, receipts
from broadcast.models import ForkedReceipt, Player, PlayerEvent, Receipt
from core.database import Database
from core.errors import Forbidden, InvalidInput
from schedule.models import Play
from tests.broadcast.box import Box, public_key
from tests.conftest import on_both_databases
from tests.schedule.town import VILLAGES, Town

Plays = Callable[..., list[Play]]


@pytest.mark.parametrize(
    ("boots", "is_two"),
    [
        ("", False),
        ("AAAA", False),
        ("AAABBBCCC", False),
        ("ABA", False),  # a last word that came late
        ("ABAC", False),
        ("ABAB", True),
        ("AABBAABB", True),
        ("ABCABC", True),
        ("XYABAB", True),
    ],
)
def test_two_programs_speak_in_turns_and_one_never_goes_back(boots: str, is_two: bool) -> None:
    assert clones.takes_turns(boots) is is_two


@given(st.lists(st.integers(1, 20), max_size=12))
def test_restarts_alone_are_never_two_boxes(reports: list[int]) -> None:
    boots = [f"boot-{number}" for number, times in enumerate(reports) for _ in range(times)]
    assert not clones.takes_turns(boots)


def report(database: Database, box: Box, boot_id: object) -> Player:
    with database.write() as session:
        return players.note_health(session, box.player.id, {"boot_id": boot_id})


def is_flagged(database: Database, box: Box) -> bool:
    with database.read() as session:
        return session.get_one(Player, box.player.id).cloned_at is not None


def flags(database: Database, box: Box) -> list[str | None]:
    with database.read() as session:
        return list(
            session.scalars(
                sa.select(PlayerEvent.detail).where(
                    PlayerEvent.player_id == box.player.id, PlayerEvent.kind == "cloned"
                )
            )
        )


@on_both_databases
def test_two_boxes_with_one_key_are_flagged_once(database: Database, box: Box) -> None:
    for boot_id in ("one", "one", "two", "one", "two", "one", "two"):
        report(database, box, boot_id)
    assert is_flagged(database, box)
    assert flags(database, box) == ["boots"]


@pytest.mark.parametrize("odd", [None, 3, "", ["x"]])
def test_a_boot_id_that_is_none_proves_nothing(database: Database, box: Box, odd: object) -> None:
    for boot_id in ("one", odd, "one", odd, "one"):
        report(database, box, boot_id)
    assert not is_flagged(database, box)


def test_the_same_key_enrolled_twice_flags_both(database: Database, town: Town, box: Box) -> None:
    with database.write() as session:
        code = players.new_code(session, town.administrator, VILLAGES[1]).code
        twin = players.enrol(session, code, "", public_key(box.key), "0.1").player
        both = [session.get_one(Player, found.id).cloned_at for found in (box.player, twin)]
    assert None not in both


def accept(database: Database, box: Box, *sent: dict[str, str]) -> int:
    with database.write() as session:
        return receipts.accept(session, box.player, sent)


def count(database: Database, table: type[Receipt] | type[ForkedReceipt]) -> int:
    with database.read() as session:
        return session.scalar(sa.select(sa.func.count(table.id))) or 0


@on_both_databases
def test_a_second_chain_is_kept_beside_the_first_and_changes_no_play(
    database: Database, box: Box, plays: Plays
) -> None:
    mine = plays(area_code=VILLAGES[0])
    accept(database, box, box.played(mine[0]))
    copy = deepcopy(box)  # the home folder is copied
    assert accept(database, box, box.played(mine[1])) == 2
    forked = [copy.missed(mine[1], "clip_missing"), copy.played(mine[2]), copy.played(mine[3])]
    assert accept(database, copy, *forked[:2]) == 3
    assert accept(database, copy, *forked[1:]) == 4, "repeated and continued"
    assert (count(database, Receipt), count(database, ForkedReceipt)) == (2, 3)
    assert plays(id=mine[1].id)[0].state == "played"
    assert plays(id=mine[2].id)[0].state != "played"
    assert accept(database, box, box.played(mine[2])) == 3, "the first chain goes on"
    assert flags(database, box) == ["receipts"]


def test_no_box_is_told_that_more_was_stored_than_it_sent(
    database: Database, box: Box, plays: Plays
) -> None:
    mine = plays(area_code=VILLAGES[0])
    first = box.played(mine[0])
    accept(database, box, first, box.played(mine[1]), box.played(mine[2]))
    assert accept(database, box, first) == 1


def test_what_is_not_genuine_is_not_kept_beside(database: Database, box: Box, plays: Plays) -> None:
    play = plays(area_code=VILLAGES[0])[0]
    accept(database, box, box.played(play))
    box.seq, box.last_hash = 0, ""
    forged = {**box.missed(play, "overlap"), "signature": "AAAA"}
    with pytest.raises(InvalidInput):
        accept(database, box, forged)
    assert count(database, ForkedReceipt) == 0
    assert not is_flagged(database, box)


def test_after_a_person_has_looked_the_flag_is_gone(
    database: Database, town: Town, box: Box
) -> None:
    for boot_id in ("one", "two", "one", "two"):
        report(database, box, boot_id)
    with database.write() as session, pytest.raises(Forbidden):
        clones.settle(session, town.recorder, box.player.id)
    for _ in range(2):
        with database.write() as session:
            clones.settle(session, town.administrator, box.player.id)
    report(database, box, "two")
    assert not is_flagged(database, box)
    for boot_id in ("one", "two", "one"):
        report(database, box, boot_id)
    assert is_flagged(database, box), "both are still there"
