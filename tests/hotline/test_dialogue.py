"""The dialogue as a pure machine: greeting, consent, takes, review, number."""

from __future__ import annotations

import pytest

from hotline import limits
from hotline import steps as do
from hotline.call import HungUp, Key, RecordingStopped, SpeechHeard
from hotline.dialogue import Facts, Phase, State
from hotline.played import OwnTake
from tests.hotline.machine import (
    BOUND,
    ENDED,
    ENOUGH,
    GONE,
    SILENCE,
    TOO_SHORT,
    WITHHELD,
    run,
    said,
)

RECORDING = (Key("1"), Key("1"), ENDED)
MENU = ["menu", "menu_more"]


def test_the_call_is_answered_with_the_danger_sentence() -> None:
    _, actions = run()
    assert actions[0] == do.Answer()
    assert said(actions) == ["greeting", *MENU]


def test_three_silences_of_five_seconds_lead_to_the_consent() -> None:
    state, actions = run(*SILENCE, *SILENCE)
    assert state.state is State.GREETING
    assert said(actions) == MENU
    state, actions = run(*SILENCE, *SILENCE, *SILENCE)
    assert state.state is State.CONSENT
    assert said(actions) == ["consent", "beep"]
    _, waiting = run(ENDED)
    assert waiting == [do.Wait(5.0)]


def test_a_key_interrupts_the_prompt() -> None:
    _, actions = run(Key("1"))
    assert actions.index(do.Hush()) < actions.index(do.Say(("consent", "beep")))


@pytest.mark.parametrize(("key", "confidential"), [("1", False), ("2", True)])
def test_keys_accept_and_nothing_heard_before_is_kept(key: str, confidential: bool) -> None:
    _, actions = run(Key("1"), ENDED, Key(key))
    assert actions[0] == do.Consent("key", confidential)
    assert do.Forget() in actions
    _, recording = run(Key("1"), ENDED, Key(key), ENDED)
    assert recording[0] == do.Record(1, 180.0, 8.0)


def test_speaking_after_the_beep_is_consent_and_its_first_words_are_kept() -> None:
    _, actions = run(Key("1"), ENDED, SpeechHeard())
    assert actions[:2] == [
        do.Consent("speech", False),
        do.Record(1, 180.0, 8.0, keep_heard=True),
    ]


def test_speech_during_the_prompt_is_no_consent() -> None:
    state, actions = run(Key("1"), SpeechHeard())
    assert state.state is State.CONSENT
    assert actions == []


def test_silence_is_no_consent_two_repeats_then_a_call_back() -> None:
    state, _ = run(Key("1"), *SILENCE, *SILENCE)
    assert state.state is State.CONSENT
    state, actions = run(Key("1"), *SILENCE, *SILENCE, *SILENCE)
    assert state.cause == "no_consent"
    assert do.PromiseCallBack() in actions
    assert said(actions) == ["no_consent", "call_back"]


def test_declining_ends_without_a_recording() -> None:
    state, actions = run(Key("1"), Key("9"))
    assert (state.state, state.cause) == (State.LEAVING, "declined")
    assert do.Forget() in actions


@pytest.mark.parametrize("road", [(Key("5"),), (Key("1"), Key("5"))])
def test_key_five_rings_the_duty_phone_and_records_without_any_menu(road: tuple[Key, ...]) -> None:
    _, actions = run(*road)
    assert do.Urgent("fraud") in actions
    assert said(actions) == ["fraud"]
    _, after = run(*road, ENDED)
    assert after[0] == do.Consent("key", False)
    assert said(after) == ["beep"]
    _, recording = run(*road, ENDED, ENDED)
    assert recording[0] == do.Record(1, 180.0, 8.0)
    state, told = run(*road, ENDED, ENDED, ENOUGH)
    assert state.state is State.REFERENCE
    assert do.BindReference() in told


def test_the_announcement_of_the_fraud_road_cannot_be_skipped() -> None:
    state, actions = run(Key("5"), Key("1"), Key("#"))
    assert state.state is State.FRAUD
    assert actions == []


def test_hash_ends_the_take() -> None:
    _, actions = run(*RECORDING, Key("#"))
    assert actions[0] == do.StopRecording()


def test_other_keys_leave_the_take_and_its_deadline_alone() -> None:
    _, actions = run(*RECORDING, Key("5"))
    assert actions == []


def test_the_caller_is_warned_at_150_seconds_and_stopped_at_the_limit() -> None:
    _, actions = run(*RECORDING)
    assert do.Wait(150.0) in actions
    _, warned = run(*RECORDING, do.TimedOut())
    assert said(warned) == ["thirty_seconds"]
    _, stopped = run(*RECORDING, do.TimedOut(), do.TimedOut())
    assert do.StopRecording() in stopped


def test_a_take_without_speech_is_asked_for_once_more_as_a_new_take() -> None:
    _, again = run(*RECORDING, TOO_SHORT)
    assert said(again) == ["once_more", "beep"]
    _, second = run(*RECORDING, TOO_SHORT, ENDED)
    assert second[0] == do.Record(2, 180.0, 8.0)
    state, leaving = run(*RECORDING, TOO_SHORT, ENDED, TOO_SHORT)
    assert state.cause == "no_speech"
    assert do.PromiseCallBack() in leaving


def test_two_seconds_of_speech_are_enough() -> None:
    just = RecordingStopped("silence", 10_000, limits.SPEECH_NEEDED_MS)
    state, actions = run(*RECORDING, just)
    assert state.state is State.REVIEW
    assert actions[0] == do.KeepTake(1, just)
    assert said(actions) == ["review"]


REVIEW = (*RECORDING, ENOUGH)


@pytest.mark.parametrize("sent", [(Key("1"),), SILENCE, (Key("8"), Key("8"), Key("8"))])
def test_a_report_is_handed_in_by_key_by_silence_and_by_confusion(
    sent: tuple[do.Event, ...],
) -> None:
    state, actions = run(*REVIEW, *sent)
    assert (state.state, state.phase) == (State.REFERENCE, Phase.ASKING)
    assert do.BindReference() in actions


def test_a_second_hash_at_the_end_of_a_take_means_nothing() -> None:
    assert run(*REVIEW, Key("#"))[1] == []


def test_the_caller_hears_what_was_recorded() -> None:
    _, actions = run(*REVIEW, Key("2"))
    assert said(actions) == [OwnTake(1), "review"]
    assert do.Wait(limits.PROMPT_LIMIT_S + 5) in actions


def test_saying_it_again_makes_a_new_take_that_counts_instead() -> None:
    _, again = run(*REVIEW, Key("3"))
    assert said(again) == ["record_again", "beep"]
    _, recording = run(*REVIEW, Key("3"), ENDED)
    assert recording[0] == do.Record(2, 180.0, 8.0, anew=True)
    _, kept = run(*REVIEW, Key("3"), ENDED, ENOUGH)
    assert kept[0] == do.KeepTake(2, ENOUGH, replaces=True)
    _, heard = run(*REVIEW, Key("3"), ENDED, ENOUGH, Key("2"))
    assert said(heard) == [OwnTake(2), "review"]


def test_a_silent_second_try_replaces_nothing() -> None:
    _, actions = run(*REVIEW, Key("3"), ENDED, TOO_SHORT)
    assert actions[0] == do.KeepTake(2, TOO_SHORT, replaces=False)
    assert said(actions) == ["not_heard", "review"]
    _, heard = run(*REVIEW, Key("3"), ENDED, TOO_SHORT, Key("2"))
    assert said(heard) == [OwnTake(1), "review"]


def test_more_is_added_behind_what_was_said() -> None:
    _, more = run(*REVIEW, Key("4"), ENDED)
    assert more[0] == do.Record(2, 180.0, 8.0)
    _, heard = run(*REVIEW, Key("4"), ENDED, ENOUGH, Key("2"))
    assert said(heard) == [OwnTake(1), OwnTake(2), "review"]


def test_after_five_takes_no_more_are_offered() -> None:
    state, actions = run(*REVIEW, *(Key("4"), ENDED, ENOUGH) * 4)
    assert said(actions) == ["review_full"]
    state, _ = run(*REVIEW, *(Key("4"), ENDED, ENOUGH) * 4, Key("3"))
    assert state.state is State.REVIEW


def test_number_and_pin_are_read_only_after_they_were_bound() -> None:
    state, actions = run(*REVIEW, Key("1"), BOUND)
    assert isinstance(actions[0], do.SayReference)
    assert actions[0].number == "123456783"
    state, actions = run(*REVIEW, Key("1"), BOUND, ENDED)
    assert state.ended
    assert actions == [do.End("completed")]


def test_without_a_number_the_caller_is_promised_a_call_back() -> None:
    _, actions = run(*REVIEW, Key("1"), do.ReferenceBound(None, None))
    assert said(actions) == ["reference_later", "goodbye"]
    assert do.PromiseCallBack() in actions


def test_nobody_promises_to_phone_a_withheld_number() -> None:
    _, actions = run(*REVIEW, Key("1"), do.ReferenceBound(None, None), facts=WITHHELD)
    assert "reference_later" not in said(actions)
    _, leaving = run(Key("1"), Key("9"), facts=WITHHELD)
    assert said(leaving) == ["declined", "call_again"]


def test_a_full_disk_is_apologised_for_and_what_was_said_is_submitted() -> None:
    full = RecordingStopped("disk", 5000, 3000)
    _, actions = run(*RECORDING, full, BOUND)
    assert isinstance(actions[0], do.SayReference)
    assert actions[0].before == ("apology_disk",)
    _, over = run(*RECORDING, full, BOUND, ENDED)
    assert over == [do.End("disk")]
    _, lost = run(*RECORDING, RecordingStopped("disk", 200, 100))
    assert said(lost) == ["apology_down", "call_back"]


@pytest.mark.parametrize("failed", [RecordingStopped("disk", 0, 0), do.TimedOut()])
def test_a_failing_later_take_hands_in_the_one_before(failed: do.Event) -> None:
    lost = () if isinstance(failed, RecordingStopped) else (Key("#"),)
    state, actions = run(*REVIEW, Key("4"), ENDED, *lost, failed)
    assert state.state is State.REFERENCE
    assert do.BindReference() in actions


def test_a_hang_up_waits_for_the_end_of_the_take_in_either_order() -> None:
    state, actions = run(*RECORDING, HungUp("hangup"))
    assert not state.ended
    state, actions = run(*RECORDING, HungUp("hangup"), ENOUGH)
    assert actions == [do.KeepTake(1, ENOUGH), do.End("hangup")]
    gone = RecordingStopped("network", 5000, 4000)
    _, actions = run(*RECORDING, gone)
    assert actions == [do.KeepTake(1, gone), do.End("network")]


def test_a_hang_up_in_the_review_ends_a_report_that_is_kept_already() -> None:
    _, actions = run(*REVIEW, GONE)
    assert actions == [do.End("hangup")]


@pytest.mark.parametrize(
    "road", [(Key("1"), Key("1")), (Key("1"), ENDED, SpeechHeard()), (Key("5"), ENDED)]
)
def test_a_consent_that_could_not_be_stored_records_nothing(road: tuple[do.Event, ...]) -> None:
    state, actions = run(*road, do.NotStored())
    assert state.state is State.LEAVING
    assert not any(isinstance(action, do.Record) for action in actions)


def test_the_star_key_goes_through_the_languages() -> None:
    facts = Facts(languages=("zh_CN", "en", "wu"))
    _, actions = run(Key("*"), facts=facts)
    assert actions[0] == do.UseLanguage("en")
    assert said(actions)[0] == "greeting"
    _, actions = run(Key("*"), Key("*"), Key("*"), facts=facts)
    assert actions[0] == do.UseLanguage("zh_CN")


def test_who_only_presses_star_ends_at_the_consent() -> None:
    state, _ = run(*[Key("*")] * 20, facts=Facts(languages=("zh_CN", "en")))
    assert state.state is not State.GREETING


def test_somebody_may_report_for_another_person() -> None:
    _, actions = run(Key("4"))
    assert actions[0] == do.OnBehalf()
    assert said(actions) == ["consent", "beep"]
    _, told = run(Key("4"), Key("1"))
    assert said(told) == ["record_for", "beep"]
