"""Which calls leave a call-back, why, and until when: a table, asked with every kind of call."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotline import callback_rules as rules
from hotline.callback_rules import CallFacts

ZONE = "Asia/Shanghai"
CAUSES = (
    "hangup", "network", "completed", "declined", "no_consent", "no_speech", "call_back_wanted",
    "disk", "recorder_lost", "error", "stopped", "limit", "killed", "joined", "nobody", "whatever",
)  # fmt: skip
KINDS = ("report", "human", "status", "news", "studio", "quiet")
calls = st.builds(
    CallFacts,
    end_cause=st.sampled_from(CAUSES),
    kind=st.sampled_from(KINDS),
    **{
        name: st.booleans()
        for name in (
            "finished", "agreed", "urgent", "reported", "spoken", "number_promised",
            "number_told", "not_satisfied", "promised", "wants_person",
        )
    },
)  # fmt: skip
instants = st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))
zones = st.sampled_from([ZONE, "Asia/Urumqi", "Europe/Berlin", "UTC"])


def local(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(ZONE)).astimezone(UTC)


@given(calls)
def test_a_promised_call_back_always_is_a_task(call: CallFacts) -> None:
    assert rules.reason_of(replace(call, promised=True)) in rules.GRAVITY


@given(calls)
def test_a_whole_report_whose_number_was_told_never_is_a_task(call: CallFacts) -> None:
    whole = replace(
        call, kind="report", end_cause="completed", finished=True, reported=True, spoken=True,
        number_promised=True, number_told=True, promised=False, wants_person=False,
    )  # fmt: skip
    assert rules.reason_of(whole) is None


@given(calls)
def test_who_was_cheated_and_said_nothing_is_the_gravest_of_all(call: CallFacts) -> None:
    assert rules.reason_of(replace(call, urgent=True, spoken=False)) == "fraud"


@given(calls)
def test_who_waited_for_a_person_in_vain_is_phoned_whatever_else_was_said(call: CallFacts) -> None:
    waited = replace(call, end_cause="hangup", wants_person=True)
    assert rules.reason_of(waited) in ("human", "fraud")


@given(calls)
def test_who_only_listened_owes_us_nothing_and_we_owe_them_nothing(call: CallFacts) -> None:
    listened = replace(call, kind="news", end_cause="hangup", urgent=False, promised=False,
                       wants_person=False)  # fmt: skip
    plain = replace(listened, number_promised=False, reported=False)
    assert rules.reason_of(plain) is None


@pytest.mark.parametrize(
    ("reason", "call"),
    [
        ("missed", CallFacts(end_cause="hangup")),
        ("missed", CallFacts(end_cause="cancelled")),
        ("dropped", CallFacts(end_cause="network")),
        ("dropped", CallFacts(end_cause="hangup", agreed=True)),
        ("no_consent", CallFacts(end_cause="no_consent", promised=False)),
        ("no_speech", CallFacts(end_cause="no_speech", agreed=True)),
        ("wanted", CallFacts(end_cause="call_back_wanted", promised=True)),
        ("human", CallFacts(end_cause="nobody", kind="human", promised=True)),
        ("human", CallFacts(end_cause="hangup", kind="human")),
        ("human", CallFacts(end_cause="hangup", agreed=True, reported=True, spoken=True,
                            number_promised=True, number_told=True, wants_person=True)),
        ("human", CallFacts(end_cause="hangup", kind="status", wants_person=True)),
        (None, CallFacts(end_cause="joined", agreed=True, reported=True, spoken=True,
                         number_promised=True, number_told=True, wants_person=True)),
        ("disk", CallFacts(end_cause="disk", promised=True)),
        ("killed", CallFacts(end_cause="killed", finished=False)),
        ("killed", CallFacts(end_cause="killed", finished=False, reported=True, spoken=True)),
        ("status", CallFacts(end_cause="call_back", kind="status", promised=True)),
        ("not_satisfied", CallFacts(end_cause="x", kind="status", promised=True,
                                    not_satisfied=True)),
        ("no_number_told", CallFacts(end_cause="completed", reported=True, spoken=True,
                                     promised=True)),
        ("no_number_told", CallFacts(end_cause="completed", reported=True, spoken=True,
                                     number_promised=True)),
        ("fraud", CallFacts(end_cause="hangup", urgent=True, reported=True)),
        ("no_consent", CallFacts(end_cause="declined", promised=True)),
        (None, CallFacts(end_cause="declined")),
        (None, CallFacts(end_cause="joined", kind="human")),
        (None, CallFacts(end_cause="hangup", kind="status")),
        (None, CallFacts(end_cause="completed", kind="quiet")),
        (None, CallFacts(end_cause="hangup", agreed=True, reported=True, spoken=True)),
        ("no_number_told", CallFacts(end_cause="network", agreed=True, reported=True,
                                     spoken=True)),
        ("no_number_told", CallFacts(end_cause="network", reported=True, spoken=True,
                                     number_promised=True, number_told=True)),
        (None, CallFacts(end_cause="hangup", urgent=True, reported=True, spoken=True)),
    ],
)  # fmt: skip
def test_why_a_caller_is_phoned(reason: str | None, call: CallFacts) -> None:
    assert rules.reason_of(call) == reason


@given(st.lists(st.sampled_from(rules.GRAVITY), min_size=2))
def test_the_gravest_reason_wins_in_whatever_order_calls_come(reasons: list[str]) -> None:
    forwards, backwards = reasons[0], reasons[-1]
    for reason in reasons[1:]:
        forwards = rules.gravest(forwards, reason)
    for reason in reversed(reasons[:-1]):
        backwards = rules.gravest(backwards, reason)
    assert forwards == backwards == min(reasons, key=rules.GRAVITY.index)


@pytest.mark.parametrize(
    ("called", "due"),
    [
        ("2026-06-01 07:00", "2026-06-01 07:30"),
        ("2026-06-01 20:59", "2026-06-01 21:29"),
        ("2026-06-01 21:00", "2026-06-02 08:00"),
        ("2026-06-01 23:59", "2026-06-02 08:00"),
        ("2026-06-02 00:00", "2026-06-02 08:00"),
        ("2026-06-02 06:59", "2026-06-02 08:00"),
    ],
)
def test_half_an_hour_by_day_and_eight_in_the_morning_after_a_night(called: str, due: str) -> None:
    assert rules.due_at("missed", local(called), ZONE) == local(due)


@given(instants, zones)
def test_nobody_is_phoned_at_night_unless_cheated(called_at: datetime, zone: str) -> None:
    due = rules.due_at("wanted", called_at, zone)
    assert called_at < due <= called_at + timedelta(hours=12)
    assert time(7, 30) <= due.astimezone(ZoneInfo(zone)).time() < time(21, 30)
    assert rules.due_at("fraud", called_at, zone) == called_at + rules.AT_ONCE


@given(instants, zones)
def test_three_tries_when_they_were_due_are_enough(first: datetime, zone: str) -> None:
    tried = [first]
    while any(rules.tries_lacking(tried, zone)):
        tried.append(rules.next_try_at("missed", tried, zone))
        assert len(tried) <= 3
    assert tried == sorted(tried)
    assert len({at.astimezone(ZoneInfo(zone)).date() for at in tried}) == 3


@pytest.mark.parametrize(
    ("tried", "lacking"),
    [
        ([], (3, True)),
        (["2026-06-01 10:00", "2026-06-01 11:00", "2026-06-01 12:00"], (2, True)),
        (["2026-06-01 10:00", "2026-06-02 11:00", "2026-06-03 12:00"], (0, True)),
        (["2026-06-01 10:00", "2026-06-02 18:00", "2026-06-03 12:00"], (0, False)),
        (["2026-06-01 10:00", "2026-06-02 20:00", "2026-06-03 12:00"], (0, True)),
        (["2026-06-01 19:59"], (2, False)),
    ],
)
def test_what_lacks_before_somebody_is_out_of_reach(
    tried: list[str], lacking: tuple[int, bool]
) -> None:
    assert rules.tries_lacking([local(at) for at in tried], ZONE) == lacking


def test_a_cheated_caller_who_did_not_answer_is_called_again_soon() -> None:
    tried = local("2026-06-01 23:00")
    assert rules.next_try_at("fraud", [tried], ZONE) == tried + rules.AGAIN_AT_ONCE
