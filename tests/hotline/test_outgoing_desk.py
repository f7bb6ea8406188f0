"""Calls the hotline makes: bridges by order, people for who waits, duty phones for the cheated."""

from __future__ import annotations

import asyncio
import json
import stat
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core import clock
from core.clock import utc_now
from core.sealed import Sealer
from core.settings import Settings
from hotline import prompt_sound, talk
from hotline.journal import folder_name
from hotline.outgoing import door, errand, flows
from hotline.outgoing.contract import Outcome
from hotline.outgoing.outcomes import KEEP, Ledger
from hotline.prompt_texts import PAUSE
from tests.hotline.fake_call import GoAway, Press, Silence
from tests.hotline.fake_driver import FakeLeg, RingsOn, Stay, Until, leg
from tests.hotline.outgoing_town import (
    CALLER,
    FIRST,
    RESIDENT,
    SECOND,
    STAFF,
    THIRD,
    Town,
)


@pytest.fixture
def town(config: Settings, sealer: Sealer) -> Town:
    return Town(config, sealer)


def said(call: FakeLeg) -> list[str]:
    return [name for sounds in call.played for name in sounds if name != "pause"]


# Bridges


def test_both_are_joined_and_told_what_this_is(town: Town) -> None:
    staff, resident = leg(Press("1"), Stay(), GoAway()), leg(Silence(), Stay())
    town.driver.reactions[STAFF], town.driver.reactions[RESIDENT] = [staff], [resident]
    assert town.carry_out(town.order()) == {"ok": True}
    assert town.driver.numbers == [STAFF, RESIDENT]
    outcome = town.outcome()
    assert (outcome.kind, outcome.result) == ("bridge", "joined")
    assert outcome.joined_at is not None
    assert outcome.ended_at is not None
    assert said(staff)[0] == "out_bridge_staff"
    assert said(resident) == ["out_bridge_resident", "out_over"]
    assert resident.ended == "done"


def test_the_staffs_own_phone_rings_first_and_a_machine_is_never_joined(town: Town) -> None:
    machine = leg()
    town.driver.reactions[STAFF] = [machine]
    town.carry_out(town.order())
    assert town.driver.numbers == [STAFF]
    assert town.outcome().result == "nobody"
    assert town.causes() == ["declined"]
    assert machine.ended == "declined"
    assert machine.joined is None


@pytest.mark.parametrize("key", ["0", "2", "9", "*", "#"])
def test_another_key_than_one_is_no_consent(town: Town, key: str) -> None:
    town.driver.reactions[STAFF] = [leg(Press(key), Press(key))]
    town.carry_out(town.order())
    assert town.driver.numbers == [STAFF]


def test_when_the_resident_does_not_answer_the_staff_hear_so(town: Town) -> None:
    staff = leg(Press("1"), Stay(), Silence())
    town.driver.reactions[STAFF], town.driver.reactions[RESIDENT] = [staff], ["no_answer"]
    town.carry_out(town.order())
    assert town.causes() == ["answered", "no_answer"]
    assert town.outcome().result == "nobody"
    assert said(staff)[-1] == "out_nobody"
    assert staff.ended == "done"


def test_a_machine_that_answers_for_the_resident_is_no_contact(town: Town) -> None:
    machine = leg(Silence(), Stay())
    joined = Until(lambda: machine.joined is not None)
    staff = leg(Press("1"), Stay(), joined, Press("9"), Silence())
    town.driver.reactions[STAFF], town.driver.reactions[RESIDENT] = [staff], [machine]
    town.carry_out(town.order())
    outcome = town.outcome()
    assert (outcome.result, outcome.joined_at, outcome.talked_ms) == ("nobody", None, 0)
    assert town.causes() == ["answered", "machine"]
    assert said(staff)[-1] == "out_nobody"
    assert machine.ended == "machine"


def test_once_a_talk_goes_on_key_nine_ends_and_undoes_nothing(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(errand, "MACHINE_KEY_WITHIN_S", 0.0)
    ignored: list[bool] = []

    def slip() -> Iterator[Any]:
        yield from (Press("1"), Stay(), Press("9"))
        ignored.append(True)
        yield from (Stay(), Silence())

    staff = FakeLeg(slip())
    resident = leg(Silence(), Until(lambda: bool(ignored)), GoAway())
    town.driver.reactions[STAFF], town.driver.reactions[RESIDENT] = [staff], [resident]
    town.carry_out(town.order())
    assert town.outcome().result == "joined"
    assert town.outcome().joined_at is not None


def test_other_keys_do_not_end_a_talk(town: Town) -> None:
    resident = leg(Silence(), Press("9"), GoAway())
    staff = leg(Press("1"), Stay(), Press("1"), Press("*"), Stay(), Silence())
    town.driver.reactions[STAFF], town.driver.reactions[RESIDENT] = [staff], [resident]
    town.carry_out(town.order())
    assert town.outcome().result == "joined"


def test_who_hangs_up_while_the_other_rings_stops_the_ringing(town: Town) -> None:
    rings = Until(lambda: RESIDENT in town.driver.numbers)
    town.driver.reactions[STAFF] = [leg(Press("1"), rings, GoAway())]
    town.driver.reactions[RESIDENT] = [RingsOn()]
    town.carry_out(town.order())
    assert town.driver.cancelled == [RESIDENT]
    assert town.causes() == ["answered", "cancelled"]
    assert town.outcome().result == "nobody"
    assert town.outcome().joined_at is None


def test_whoever_leaves_first_the_other_hears_goodbye(town: Town) -> None:
    staff, resident = leg(Press("1"), Stay(), Stay(), Silence()), leg(Silence(), GoAway())
    town.driver.reactions[STAFF], town.driver.reactions[RESIDENT] = [staff], [resident]
    town.carry_out(town.order())
    assert said(staff)[-1] == "out_over"
    assert staff.ended == "done"
    assert staff.joined is None


def test_numbers_are_masked_on_disk_and_only_rung_as_long_as_agreed(town: Town) -> None:
    town.driver.reactions[STAFF] = ["busy"]
    town.carry_out(town.order())
    text = town.ledger.files()[0].read_text()
    assert STAFF not in text
    assert "139****0001" in text
    assert town.driver.dialled == [(STAFF, errand.RING_S)]


# Orders


def test_the_order_is_on_disk_before_anybody_is_rung(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Outcome] = []
    real = town.driver.dial

    async def dial(number: str, *, ring_s: float) -> Any:
        seen.append(town.outcome())
        return await real(number, ring_s=ring_s)

    monkeypatch.setattr(town.driver, "dial", dial)
    town.carry_out(town.order())
    assert [outcome.result for outcome in seen] == [None]


def test_the_same_order_is_carried_out_once(town: Town) -> None:
    order = town.order()
    assert town.carry_out(order)["ok"]
    assert town.carry_out(order) == {"ok": False, "error": "known"}
    town.desk = town.new_desk()
    assert town.carry_out(order) == {"ok": False, "error": "known"}
    assert town.driver.numbers == [STAFF]


def test_an_order_that_came_twice_at_once_is_carried_out_once(town: Town) -> None:
    order = town.order()

    async def both() -> list[Any]:
        return list(await asyncio.gather(*(town.desk.take_order(order) for _ in range(2))))

    answers = town.live(both)
    assert {"ok": True} in answers
    assert {"ok": False, "error": "known"} in answers
    assert town.driver.numbers == [STAFF]


def test_an_old_order_is_refused(town: Town) -> None:
    order = town.order(expires_at=(utc_now() - timedelta(seconds=1)).isoformat())
    assert town.carry_out(order) == {"ok": False, "error": "expired"}
    assert town.driver.dialled == []


def test_the_hourly_limit_holds_over_a_restart(config: Settings, sealer: Sealer) -> None:
    town = Town(config, sealer, bridges_per_hour=2)
    for _ in range(2):
        assert town.carry_out(town.order())["ok"]
    town.desk = town.new_desk()
    assert town.carry_out(town.order()) == {"ok": False, "error": "limit"}
    later = clock.FakeClock(utc_now() + timedelta(minutes=61))
    with clock.use(later):
        assert town.carry_out(town.order())["ok"]


def test_the_limit_spares_the_duty_phones(config: Settings, sealer: Sealer) -> None:
    town = Town(config, sealer, bridges_per_hour=0)
    town.people("duty", FIRST)
    town.driver.reactions[FIRST] = [leg(Press("1"), Silence())]
    assert town.ring_duty().result == "taken"


def test_one_caller_does_not_use_up_everybodys_alarm(town: Town) -> None:
    town.people("duty", FIRST)
    town.driver.reactions[FIRST] = [leg(Press("1"), Silence()) for _ in range(4)]
    for number in range(1, 6):
        town.ring_duty(CALLER, None, f"prank-{number}")
    assert sorted(town.duty_results().values()) == ["limit", "limit", "taken", "taken", "taken"]
    town.ring_duty("+86 138 1234 5678", None, "prank, written otherwise")
    town.ring_duty(RESIDENT, None, "cheated")
    results = town.duty_results()
    assert results["prank, written otherwise"] == "limit"
    assert results["cheated"] == "taken"


def test_after_an_hour_the_caller_is_rung_for_again(town: Town) -> None:
    town.people("duty", FIRST)
    for number in range(4):
        town.ring_duty(CALLER, None, f"call-{number}")
    with clock.use(clock.FakeClock(utc_now() + timedelta(minutes=61))):
        town.ring_duty(CALLER, None, "later")
    assert (town.duty_results()["call-3"], town.duty_results()["later"]) == ("limit", "nobody")


def test_calls_while_the_phones_ring_for_the_caller_join_that_ring(town: Town) -> None:
    town.people("duty", FIRST)
    town.driver.reactions[FIRST] = [leg(Press("1"), Silence())]
    town.ring_duty(CALLER, None, "first", "second", "third", "fourth", "fifth")
    assert town.duty_results() == {"first": "taken"}
    assert town.driver.numbers == [FIRST]


def test_callers_without_a_number_are_told_apart_by_their_calls(town: Town) -> None:
    town.people("duty", FIRST)
    town.driver.reactions[FIRST] = [leg(Press("1"), Silence()) for _ in range(5)]
    calls = [f"call-{number}" for number in range(5)]
    for call in calls:
        town.ring_duty("", None, call)
    assert town.duty_results() == dict.fromkeys(calls, "taken")


def test_callers_who_ask_for_a_person_leave_half_of_the_limit_to_bridges(
    config: Settings, sealer: Sealer
) -> None:
    town = Town(config, sealer, bridges_per_hour=4)
    results = [town.find_human(leg(Stay())) for _ in range(4)]
    assert results == ["nobody", "nobody", "limit", "limit"]
    assert town.carry_out(town.order())["ok"]


def test_without_a_trunk_an_order_says_so(config: Settings, sealer: Sealer) -> None:
    town = Town(config, sealer, trunk_host="")
    assert town.carry_out(town.order()) == {"ok": False, "error": "no_trunk"}
    town = Town(config, sealer, trunk_host="", sip_accounts="wang:secret-12, li:secret-34")
    order = town.order(legs=[{"who": "a", "number": "wang"}, {"who": "b", "number": "li"}])
    assert town.carry_out(order)["ok"]


@pytest.mark.parametrize(
    "changed",
    [
        {"order_id": "../../etc/x"},
        {"order_id": ""},
        {"expires_at": "2026-06-01T00:00:00"},
        {"expires_at": 5},
        {"legs": []},
        {"legs": [{"who": "a", "number": "139"}]},
        {"legs": [{"who": "a", "number": "sip:x@y"}, {"who": "b", "number": "13900000001"}]},
        {"legs": 3},
        {"legs": [{"who": "a", "number": STAFF}, {"who": "resident", "number": "0085212345"}]},
    ],
)
def test_a_bent_order_dials_nobody(town: Town, changed: dict[str, Any]) -> None:
    assert town.carry_out(town.order(**changed)) == {"ok": False, "error": "not understood"}
    assert town.driver.dialled == []
    assert town.outcomes() == []


def test_a_full_disk_refuses_the_order_before_anybody_is_rung(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(Ledger, "write", full)
    assert town.carry_out(town.order()) == {"ok": False, "error": "busy"}
    assert town.driver.dialled == []


def test_what_a_dead_process_left_is_closed_at_the_next_start(town: Town) -> None:
    town.ledger.save(Outcome("0" * 20, "bridge", utc_now().isoformat()))

    async def start() -> None:
        task = asyncio.create_task(town.desk.run())
        while not door.socket_path(town.settings).exists():
            await asyncio.sleep(0.01)
        task.cancel()

    town.live(start)
    assert town.outcome().result == "killed"


def test_stopping_the_process_hangs_everybody_up_and_says_so(town: Town) -> None:
    staff = leg(Press("1"), Stay())
    town.driver.reactions[STAFF], town.driver.reactions[RESIDENT] = [staff], [RingsOn()]

    async def stop_midway() -> None:
        running = asyncio.create_task(town.desk.run())
        await town.desk.take_order(town.order())
        while RESIDENT not in town.driver.numbers:
            await asyncio.sleep(0.01)
        running.cancel()

    town.live(stop_midway)
    assert town.outcome().result == "killed"
    assert town.driver.cancelled == [RESIDENT]
    assert staff.ended == "done"


def test_orders_come_over_a_socket_that_only_we_may_use(town: Town) -> None:
    order = town.order()

    async def over_the_socket() -> list[Any]:
        running = asyncio.create_task(town.desk.run())
        path = door.socket_path(town.settings)
        while not path.exists():
            await asyncio.sleep(0.01)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        answers = [await asyncio.to_thread(door.send, town.settings, order) for _ in range(2)]
        answers.append(await asyncio.to_thread(door.send, town.settings, {"x": 1}))
        while town.outcome().result is None:
            await asyncio.sleep(0.01)
        running.cancel()
        return answers

    assert town.live(over_the_socket) == [
        {"ok": True},
        {"ok": False, "error": "known"},
        {"ok": False, "error": "not understood"},
    ]
    assert door.send(town.settings, order) is None  # telephony is away


# A person for who waits


def test_the_first_person_who_presses_one_speaks_with_the_caller(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flows, "CONTACT_AT_LEAST_MS", 0)
    town.people("human", FIRST, SECOND, THIRD)
    answers = leg(Press("1"), Stay(), Silence())
    town.driver.reactions.update({FIRST: ["busy"], SECOND: [answers]})
    caller = leg(Stay(), Stay(), GoAway())
    assert town.find_human(caller) == "joined"
    assert town.driver.numbers == [FIRST, SECOND]
    assert said(answers) == ["out_human_staff", "out_place", "village", "out_over"]
    assert answers.ended == "done"
    assert town.outcome().call_id == "call-1"


def test_who_stands_twice_in_the_list_is_rung_once(town: Town) -> None:
    town.people("human", FIRST, f"+86{FIRST}", SECOND)
    assert town.find_human(leg(Stay(), Stay())) == "nobody"
    assert town.driver.numbers == [FIRST, SECOND]


def test_after_three_minutes_no_other_phone_is_rung(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flows, "SEARCH_LIMIT_S", 0.0)
    town.people("human", FIRST, SECOND, THIRD)
    assert town.find_human(leg(Stay(), Stay())) == "nobody"
    assert town.driver.numbers == [FIRST]


def test_who_waits_hears_something_until_the_search_is_over() -> None:
    heard_s = talk._WAITING_MUSIC.count(PAUSE) * len(prompt_sound.silence()) / prompt_sound.RATE_HZ
    ring_s = errand.RING_S + errand.RING_GRACE_S
    assert heard_s > flows.SEARCH_LIMIT_S + ring_s + errand.KEY_WITHIN_S


def test_the_caller_stays_with_the_conversation_when_the_person_hangs_up(town: Town) -> None:
    town.people("human", FIRST)
    town.driver.reactions[FIRST] = [leg(Press("1"), GoAway())]
    caller = leg(Stay(), Stay())
    assert town.find_human(caller) == "parted"
    assert town.outcome().result == "joined"
    assert caller.ended is None
    assert caller.joined is None


def test_a_caller_who_goes_stops_the_ringing(town: Town) -> None:
    town.people("human", FIRST, SECOND)
    town.driver.reactions[FIRST] = [RingsOn()]
    rings = Until(lambda: FIRST in town.driver.numbers)
    assert town.find_human(leg(rings, GoAway())) == "caller_gone"
    assert town.driver.numbers == town.driver.cancelled == [FIRST]
    assert town.outcome().result == "caller_gone"


def test_a_caller_who_goes_just_as_somebody_presses_one_has_not_spoken(town: Town) -> None:
    town.people("human", FIRST, SECOND)
    person = leg(Press("1"), Stay(), Silence())
    town.driver.reactions[FIRST] = [person]
    assert town.find_human(leg(Stay(), GoAway())) == "caller_gone"
    assert town.driver.numbers == [FIRST]
    assert town.outcome().result == "caller_gone"
    assert said(person)[-1] == "out_over"


def test_nobody_is_told_as_nobody(town: Town) -> None:
    assert town.find_human(leg(Stay())) == "nobody"
    assert town.outcome().attempts == []


# Duty


def test_the_next_person_is_rung_within_a_minute() -> None:
    assert errand.RING_S + errand.RING_GRACE_S + errand.KEY_WITHIN_S < 60


def test_one_takes_it(town: Town) -> None:
    town.people("duty", FIRST, SECOND)
    officer = leg(Press("1"), Silence())
    town.driver.reactions.update({FIRST: ["no_answer"], SECOND: [officer]})
    assert town.ring_duty().result == "taken"
    assert town.driver.numbers == [FIRST, SECOND]
    assert said(officer) == [
        "out_duty_staff", "out_place", "village", "out_duty_choice", "out_duty_taken",
    ]  # fmt: skip
    assert (town.outcome().kind, town.outcome().call_id) == ("duty", "call-1")


def test_two_connects_the_caller(town: Town) -> None:
    town.people("duty", FIRST)
    town.driver.reactions[FIRST] = [leg(Press("2"), Stay(), GoAway())]
    town.driver.reactions[CALLER] = ["busy", leg(Silence(), Stay())]
    outcome = town.ring_duty()
    assert outcome.result == "joined"
    assert town.driver.numbers == [FIRST, CALLER, CALLER]
    assert outcome.attempts[-1].who == "caller"


def test_an_officer_who_wanted_the_caller_has_taken_it_even_when_nobody_answers(
    town: Town,
) -> None:
    town.people("duty", FIRST)
    officer = leg(Press("2"), Stay(), Silence())
    town.driver.reactions.update({FIRST: [officer], CALLER: ["no_answer"]})
    assert town.ring_duty().result == "taken"
    assert said(officer)[-1] == "out_duty_unreached"


@pytest.mark.parametrize(
    "caller", ["", "110", "0044207946000", "0018005550", "+18005550100", "x;y=z", "16812345"]
)
def test_a_number_that_may_not_be_rung_is_not_offered(town: Town, caller: str) -> None:
    town.people("duty", FIRST)
    officer = leg(Press("2"), Press("2"))
    town.driver.reactions[FIRST] = [officer]
    town.ring_duty(caller=caller)
    assert set(town.driver.numbers) == {FIRST}
    assert "out_duty_choice_one" in said(officer)


def test_the_list_is_gone_through_three_times(town: Town) -> None:
    town.people("duty", FIRST, SECOND)
    assert town.ring_duty().result == "nobody"
    assert town.driver.numbers == [FIRST, SECOND] * 3


def test_a_restart_of_signalling_does_not_end_the_ringing(town: Town) -> None:
    town.people("duty", FIRST)
    town.driver.reactions[FIRST] = ["no_trunk", leg(Press("1"), Silence())]
    assert town.ring_duty().result == "taken"


def test_one_call_rings_the_duty_phones_once(town: Town) -> None:
    town.people("duty", FIRST)
    town.ring_duty()
    town.ring_duty()
    assert len(town.driver.numbers) == 3


def test_with_nobody_on_the_list_it_says_nobody(town: Town) -> None:
    assert town.ring_duty().result == "nobody"


def test_a_full_disk_does_not_keep_the_duty_phone_silent(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError("No space left on device")

    town.people("duty", FIRST)
    monkeypatch.setattr(Ledger, "write", full)

    async def begin() -> None:
        town.desk.ring_duty("call-9", caller="", village_code=None, reference_no=None)

    town.live(begin)
    assert town.driver.numbers == [FIRST] * 3


def test_a_list_written_for_another_secret_rings_the_rest(town: Town) -> None:
    town.people("duty", FIRST, SECOND)
    path = town.settings.data_dir / "hotline" / "directory" / "directory.json"
    raw = json.loads(path.read_text())
    raw["phones"][0]["number_sealed"] = Sealer(b"another").seal(FIRST)
    path.write_text(json.dumps(raw))
    assert town.ring_duty().result == "nobody"
    assert set(town.driver.numbers) == {SECOND}


# Keys


keys = st.lists(st.sampled_from("0123456789*#"), max_size=30)


@given(keys, keys, keys)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_no_key_ever_chooses_a_number(
    config: Settings, sealer: Sealer, one: list[str], two: list[str], three: list[str]
) -> None:
    town = Town(config, sealer)
    town.people("duty", FIRST)
    town.people("human", SECOND)
    for path in town.ledger.files():
        path.unlink()

    def pressing(pressed: list[str]) -> FakeLeg:
        return leg(*(Press(key) for key in pressed), GoAway())

    for number in (STAFF, FIRST, SECOND, RESIDENT, CALLER):
        town.driver.reactions[number] = [pressing(one), pressing(two), pressing(three)]
    town.carry_out(town.order())
    town.ring_duty()
    town.find_human(pressing(two))
    assert set(town.driver.numbers) <= {STAFF, RESIDENT, FIRST, SECOND, CALLER}


def test_outcomes_outlive_the_hourly_limit() -> None:
    assert timedelta(hours=1) < KEEP


def test_a_drivers_odd_call_id_is_told_as_the_calls_record_has_it(town: Town) -> None:
    call = FakeLeg([], call_id="b2/../x@10.0.0.1")
    town.find_human(call)
    assert town.outcome().call_id == folder_name("b2/../x@10.0.0.1")


def test_a_late_writer_never_replaces_newer_facts(town: Town) -> None:
    made = errand.Errand(Outcome("0" * 20, "duty", "x"), town.ledger, town.driver)
    made._write(2, "newer")
    made._write(1, "older")
    assert [path.read_text() for path in town.ledger.files()] == ["newer"]
