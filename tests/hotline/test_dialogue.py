"""The dialogue as a pure machine: the roads through it, and what holds on every road."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hotline import dialogue, limits
from hotline import steps as do
from hotline.call import HungUp, Key, PlayEnded, RecordingStopped, SpeechHeard
from hotline.dialogue import Dialogue, Phase, State, advance

ENDED = PlayEnded(1)
ENOUGH = RecordingStopped("stopped", 5000, 4000)
TOO_SHORT = RecordingStopped("silence", 8000, 900)
BOUND = do.ReferenceBound("123456783", "4711")


def run(*events: do.Event, known: bool = True) -> tuple[Dialogue, list[do.Action]]:
    """The state after ``events`` and the actions of the last one."""
    state, actions = dialogue.start(number_known=known)
    for event in events:
        state, actions = advance(state, event)
    return state, list(actions)


def said(actions: list[do.Action]) -> list[str]:
    return [name for action in actions if isinstance(action, do.Say) for name in action.sounds]


def test_the_call_is_answered_with_the_danger_sentence() -> None:
    _, actions = run()
    assert actions[0] == do.Answer()
    assert said(actions) == ["greeting"]


def test_three_silences_of_five_seconds_lead_to_the_consent() -> None:
    silence = (ENDED, do.TimedOut())
    state, _ = run(*silence, *silence)
    assert state.state is State.GREETING
    state, actions = run(*silence, *silence, *silence)
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
    assert recording[0] == do.Record(1, keep_heard=False)


def test_speaking_after_the_beep_is_consent_and_its_first_words_are_kept() -> None:
    _, actions = run(Key("1"), ENDED, SpeechHeard())
    assert actions[:2] == [do.Consent("speech", False), do.Record(1, keep_heard=True)]


def test_speech_during_the_prompt_is_no_consent() -> None:
    state, actions = run(Key("1"), SpeechHeard())
    assert state.state is State.CONSENT
    assert actions == []


def test_silence_is_no_consent_two_repeats_then_a_call_back() -> None:
    silence = (ENDED, do.TimedOut())
    state, _ = run(Key("1"), *silence, *silence)
    assert state.state is State.CONSENT
    state, actions = run(Key("1"), *silence, *silence, *silence)
    assert state.cause == "no_consent"
    assert do.PromiseCallBack() in actions
    assert said(actions) == ["no_consent", "call_back"]


def test_declining_ends_without_a_recording() -> None:
    state, actions = run(Key("1"), Key("9"))
    assert (state.state, state.cause) == (State.LEAVING, "declined")
    assert do.Forget() in actions


def test_key_five_tells_to_hang_up_then_records_without_any_menu() -> None:
    _, actions = run(Key("5"))
    assert do.Urgent("fraud") in actions
    assert said(actions) == ["fraud"]
    _, after = run(Key("5"), ENDED)
    assert after[0] == do.Consent("key", False)
    assert said(after) == ["beep"]
    _, recording = run(Key("5"), ENDED, ENDED)
    assert recording[0] == do.Record(1, keep_heard=False)


def test_the_announcement_of_the_fraud_road_cannot_be_skipped() -> None:
    state, actions = run(Key("5"), Key("1"), Key("#"))
    assert state.state is State.FRAUD
    assert actions == []


RECORDING = (Key("1"), Key("1"), ENDED)


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
    assert second[0] == do.Record(2, keep_heard=False)
    state, leaving = run(*RECORDING, TOO_SHORT, ENDED, TOO_SHORT)
    assert state.cause == "no_speech"
    assert do.PromiseCallBack() in leaving


def test_two_seconds_of_speech_are_enough() -> None:
    just = RecordingStopped("silence", 10_000, limits.SPEECH_NEEDED_MS)
    state, actions = run(*RECORDING, just)
    assert state.phase is Phase.BINDING
    assert actions == [do.KeepTake(1, just), do.Hush(), do.BindReference()]


def test_number_and_pin_are_read_only_after_they_were_bound() -> None:
    state, actions = run(*RECORDING, ENOUGH, BOUND)
    assert isinstance(actions[0], do.SayReference)
    assert actions[0].number == "123456783"
    state, actions = run(*RECORDING, ENOUGH, BOUND, ENDED)
    assert state.ended
    assert actions == [do.End("completed")]


def test_without_a_number_the_caller_is_promised_a_call_back() -> None:
    _, actions = run(*RECORDING, ENOUGH, do.ReferenceBound(None, None))
    assert said(actions) == ["reference_later", "goodbye"]
    assert do.PromiseCallBack() in actions


def test_nobody_promises_to_phone_a_withheld_number() -> None:
    _, actions = run(*RECORDING, ENOUGH, do.ReferenceBound(None, None), known=False)
    assert "reference_later" not in said(actions)
    _, leaving = run(Key("0"), known=False)
    assert said(leaving) == ["call_again"]


def test_a_full_disk_is_apologised_for_and_what_was_said_is_submitted() -> None:
    full = RecordingStopped("disk", 5000, 3000)
    _, actions = run(*RECORDING, full, BOUND)
    assert isinstance(actions[0], do.SayReference)
    assert actions[0].before == ("apology_disk",)
    state, _ = run(*RECORDING, full, BOUND, ENDED)
    assert state.ended
    _, lost = run(*RECORDING, RecordingStopped("disk", 200, 100))
    assert said(lost) == ["apology_down", "call_back"]


def test_a_hang_up_waits_for_the_end_of_the_take_in_either_order() -> None:
    state, actions = run(*RECORDING, HungUp("hangup"))
    assert not state.ended
    state, actions = run(*RECORDING, HungUp("hangup"), ENOUGH)
    assert actions == [do.KeepTake(1, ENOUGH), do.End("hangup")]
    gone = RecordingStopped("network", 5000, 4000)
    _, actions = run(*RECORDING, gone)
    assert actions == [do.KeepTake(1, gone), do.End("network")]


def test_a_consent_that_could_not_be_stored_records_nothing() -> None:
    for road in ((Key("1"), Key("1")), (Key("1"), ENDED, SpeechHeard()), (Key("5"), ENDED)):
        state, actions = run(*road, do.NotStored())
        assert state.state is State.LEAVING
        assert not any(isinstance(action, do.Record) for action in actions)


stopped = st.builds(
    RecordingStopped,
    reason=st.sampled_from(["stopped", "silence", "limit", "hangup", "network", "disk"]),
    duration_ms=st.just(9000),
    speech_ms=st.sampled_from([0, 1999, 2000, 9000]),
)
anything = st.one_of(
    st.builds(Key, st.sampled_from("0123456789*#")),
    st.just(ENDED),
    st.just(SpeechHeard()),
    stopped,
    st.just(do.TimedOut()),
    st.just(BOUND),
    st.just(do.ReferenceBound(None, None)),
    st.just(do.NotStored()),
)


@settings(max_examples=500, deadline=None)
@given(st.lists(anything, max_size=60), st.booleans())
def test_on_every_road(events: list[do.Event], known: bool) -> None:
    """No record before consent, one take at a time, a deadline always, an end after silence."""
    state, actions = dialogue.start(number_known=known)
    consented, takes, waiting = False, [], False
    silences = [do.TimedOut(), do.ReferenceBound(None, None)] * 40
    for event in [*events, *silences]:
        for action in actions:
            consented |= isinstance(action, do.Consent)
            waiting |= isinstance(action, do.Wait | do.BindReference)
            if isinstance(action, do.Record):
                assert consented
                takes.append(action.take)
        assert waiting or state.ended
        if state.ended:
            assert actions == () or isinstance(actions[-1], do.End)
        state, actions = advance(state, event)
    assert state.ended
    assert takes == sorted(set(takes))
    assert len(takes) <= limits.TAKES


states = st.builds(
    Dialogue,
    number_known=st.booleans(),
    state=st.sampled_from(State),
    phase=st.sampled_from(Phase),
    tries=st.integers(0, 2),
    take=st.integers(1, 2),
    warned=st.booleans(),
    hung_up=st.sampled_from(["", "hangup"]),
)


@settings(max_examples=500, deadline=None)
@given(states, st.lists(anything, max_size=10))
def test_a_hang_up_ends_every_state(state: Dialogue, events: list[do.Event]) -> None:
    for event in [*events, HungUp("hangup"), do.TimedOut()]:
        state, _ = advance(state, event)
    assert state.ended


@settings(max_examples=300, deadline=None)
@given(states, stopped)
def test_facts_of_a_take_that_ends_are_always_kept(state: Dialogue, event: do.Event) -> None:
    if state.state is State.RECORD and state.phase in (Phase.RECORDING, Phase.STOPPING):
        _, actions = advance(state, event)
        assert actions[0] == do.KeepTake(state.take, event)
