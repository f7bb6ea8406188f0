"""The dialogue as a pure machine: how a report stands, and who is not satisfied."""

from __future__ import annotations

from typing import Any

import pytest

from cases.lifecycle import CaseStatus, ReportState
from cases.residents import Outcome
from hotline import steps as do
from hotline.call import Key, SpeechHeard
from hotline.dialogue import State
from hotline.played import FileSound
from hotline.prompt_texts import LANGUAGES
from hotline.refusals import Telling
from tests.hotline.machine import (
    ENDED,
    ENOUGH,
    SILENCE,
    UNKNOWN,
    WITHHELD,
    asked,
    keys,
    run,
    said,
)

NUMBER = (Key("2"), *keys("123456783"))
RUNNING: dict[str, Any] = {
    "ok": True, "found": True, "state": "accepted", "status": "in_progress",
    "due": "2026-12-01", "reply": "/replies/1.wav", "may_reopen": False,
}  # fmt: skip
DONE = RUNNING | {"status": "resolved", "due": None, "reply": None, "may_reopen": True}


def test_a_known_number_is_tried_before_the_pin() -> None:
    _, actions = run(*NUMBER)
    first = {"reference": "123456783", "pin": "", "counted": False}
    assert asked(actions) == [("status", first)]
    _, actions = run(*NUMBER, UNKNOWN)
    assert said(actions) == ["status_pin"]
    _, actions = run(*NUMBER, UNKNOWN, *keys("0471"))
    second = {"reference": "123456783", "pin": "0471", "counted": True}
    assert asked(actions) == [("status", second)], "number alone and with PIN are one try"


def test_a_withheld_number_is_always_asked_for_the_pin() -> None:
    _, actions = run(*NUMBER, facts=WITHHELD)
    assert asked(actions) == []
    assert said(actions) == ["status_pin"]
    _, actions = run(*NUMBER, *keys("0471"), facts=WITHHELD)
    assert asked(actions)[0][1]["counted"] is False


def test_progress_is_told_in_plain_words_with_the_day_and_the_reply() -> None:
    _, first = run(*NUMBER, do.Answered(RUNNING))
    assert said(first) == ["found"]
    assert do.AboutReport("123456783") in first
    _, actions = run(*NUMBER, do.Answered(RUNNING), ENDED)
    assert said(actions) == [
        "status_in_progress", "due", "month_12", "day_1", "reply", FileSound("/replies/1.wav"),
        "status_choice",
    ]  # fmt: skip


def test_before_there_is_a_case_the_report_tells() -> None:
    answer = do.Answered(RUNNING | {"state": "received", "status": None, "due": None})
    assert said(run(*NUMBER, answer, ENDED)[1])[0] == "state_received"


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_state_has_words_in_every_language(language: str) -> None:
    codes = {f"state_{state}" for state in ReportState} | {f"status_{s}" for s in CaseStatus}
    assert codes <= set(LANGUAGES[language])


def test_digits_keyed_too_many_mean_nothing() -> None:
    state, actions = run(*NUMBER, do.Answered(DONE), Key("1"))
    assert actions == []
    assert state.secret


def test_one_is_not_satisfied_and_is_noted_before_anybody_is_asked() -> None:
    _, actions = run(*NUMBER, do.Answered(DONE), ENDED, Key("1"))
    assert actions.index(do.NotSatisfied()) < actions.index(
        do.AskOffice("not_satisfied", {"reference": "123456783", "pin": ""})
    )


REOPENED = do.Answered({"ok": True, "done": True, "outcome": "reopened"})
WHY = (*NUMBER, do.Answered(DONE), ENDED, Key("1"), REOPENED)


def test_the_reason_is_recorded_of_who_speaks_after_the_beep() -> None:
    assert said(run(*WHY)[1]) == ["dissatisfied", "why", "beep"]
    _, actions = run(*WHY, ENDED, SpeechHeard())
    assert actions[:2] == [
        do.Consent("speech", confidential=False),
        do.Record(1, 180.0, 8.0, keep_heard=True),
    ]
    _, kept = run(*WHY, ENDED, SpeechHeard(), ENOUGH)
    assert kept[0] == do.KeepTake(1, ENOUGH)
    assert said(kept) == ["reference_none", "goodbye"]


def test_silence_gives_no_reason_and_no_recording() -> None:
    assert said(run(*WHY, *SILENCE)[1]) == ["goodbye"]


OUTCOMES = {
    Outcome.REOPENED: ("dissatisfied", "goodbye"),
    Outcome.APPEALED: ("objected_appealed", "goodbye"),
    Outcome.REMINDED: ("objected_reminded", "farewell"),
    Outcome.REPEATED: ("objected_repeated", "farewell"),
    Outcome.TOO_LATE: ("objected_too_late", "goodbye"),
}
"""What is said of each, and the last words: "goodbye" says that staff will get in touch."""


@pytest.mark.parametrize("outcome", Outcome)
def test_what_came_of_key_1_is_said_as_it_is(outcome: Outcome) -> None:
    done = outcome is not Outcome.TOO_LATE
    answer = do.Answered({"ok": True, "done": done, "outcome": outcome.value})
    road = (*NUMBER, do.Answered(DONE), ENDED, Key("1"), answer)
    words, last_words = OUTCOMES[outcome]
    assert said(run(*road)[1]) == [words, "why", "beep"]
    assert said(run(*road, *SILENCE)[1]) == [last_words]
    assert said(run(*road, ENDED, SpeechHeard(), ENOUGH)[1])[-1] == last_words


def test_an_outcome_without_words_is_only_noted() -> None:
    odd = do.Answered({"ok": True, "done": True, "outcome": "odd"})
    _, actions = run(*NUMBER, do.Answered(DONE), ENDED, Key("1"), odd)
    assert said(actions) == ["dissatisfied_later", "why", "beep"]
    assert do.PromiseCallBack() not in actions


@pytest.mark.parametrize(
    ("told", "offer"),
    [
        ({"state": "received", "status": None, "decided": False}, "remind_choice"),
        ({"state": "accepted", "status": "in_progress", "decided": False}, "remind_choice"),
        ({"state": "accepted", "status": "closed", "decided": True}, "not_satisfied"),
        ({"state": "rejected", "status": None, "decided": True}, "appeal_choice"),
    ],
    ids=lambda told: str(told.get("state")) if isinstance(told, dict) else told,
)
def test_key_1_is_offered_in_words_that_fit_what_it_does(told: dict[str, Any], offer: str) -> None:
    answer = do.Answered(DONE | told)
    assert said(run(*NUMBER, answer, ENDED)[1])[-1] == offer
    assert said(run(*NUMBER, answer, ENDED, ENDED, Key("7"))[1]) == [offer]


REFUSED = DONE | {"state": "rejected", "status": None}
TELLINGS = {
    Telling.OWED: "state_rejected",
    Telling.TOLD: "state_rejected_told",
    Telling.NO_NUMBER: "state_rejected_ask",
    Telling.NO_CONTENT: "state_no_content",
}


@pytest.mark.parametrize("telling", Telling)
def test_of_a_refusal_a_call_is_promised_only_where_one_is_owed(telling: Telling) -> None:
    answer = do.Answered(REFUSED | {"refusal": telling.value})
    assert said(run(*NUMBER, answer, ENDED)[1])[0] == TELLINGS[telling]


def test_a_refusal_of_which_nothing_more_is_known_promises_nothing() -> None:
    assert said(run(*NUMBER, do.Answered(REFUSED), ENDED)[1])[0] == "state_rejected_ask"


def test_who_asks_for_a_person_instead_stays_not_satisfied() -> None:
    state, actions = run(*WHY, Key("0"))
    assert state.state is State.HUMAN
    assert do.Wants("human") not in actions
    assert do.WantsPerson() in actions


def test_without_the_office_the_caller_is_not_sent_away() -> None:
    road = (*NUMBER, do.Answered(DONE), ENDED, Key("1"), do.Answered(None))
    _, actions = run(*road)
    assert said(actions) == ["dissatisfied_later", "why", "beep"]
    assert do.PromiseCallBack() in actions
    _, away = run(*NUMBER, do.Answered(None))
    assert said(away) == ["office_away", "call_back"]


def test_nobody_reopens_what_may_not_be_reopened() -> None:
    _, actions = run(*NUMBER, do.Answered(RUNNING), ENDED, Key("1"))
    assert do.NotSatisfied() not in actions


def test_three_wrong_tries_lead_to_a_person() -> None:
    wrong = (*keys("123456783"), UNKNOWN, *keys("0000"), UNKNOWN)
    _, actions = run(Key("2"), *wrong)
    assert said(actions) == ["not_found", "status_number"]
    state, actions = run(Key("2"), *wrong * 3)
    assert state.state is State.HUMAN


def test_a_locked_number_is_told() -> None:
    locked = do.Answered({"ok": True, "found": False, "locked": True})
    assert said(run(*NUMBER, locked)[1]) == ["locked", "call_back"]
