"""The dialogue as a pure machine: what holds on every road and in every state."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields, is_dataclass, replace
from itertools import cycle, islice, product
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hotline import dialogue, limits
from hotline import steps as do
from hotline.call import HungUp, Key, RecordingStopped, SpeechHeard
from hotline.dialogue import Dialogue, Facts, Goal, Phase, State, advance
from hotline.dialogue.machine import _HANDLERS
from hotline.prompt_texts import GENERATED, LANGUAGES
from tests.hotline.machine import (
    BOUND,
    DIRECTORY,
    ENDED,
    ENOUGH,
    LIJIA,
    NAMELESS,
    TOWN,
    VILLAGE_LINE,
    WANGZHUANG,
    WITHHELD,
    likely,
    run,
)

STEPS_LIMIT = 260
"""No caller, however stubborn, makes the machine act more often than this."""

digits = st.sampled_from("0123456789*#")
stopped = st.builds(
    RecordingStopped,
    reason=st.sampled_from(["stopped", "silence", "limit", "hangup", "network", "disk"]),
    duration_ms=st.just(9000),
    speech_ms=st.sampled_from([0, 1999, 2000, 9000]),
)
answers = st.builds(
    do.Answered,
    st.one_of(
        st.none(),
        st.fixed_dictionaries(
            {"ok": st.just(True)},
            optional={
                "found": st.booleans(),
                "locked": st.booleans(),
                "done": st.booleans(),
                "outcome": st.sampled_from(["reopened", "appealed", "too_late", "odd", None, 3]),
                "decided": st.sampled_from([True, False, None]),
                "refusal": st.sampled_from(["owed", "told", "no_content", "odd", None, 3]),
                "may_reopen": st.booleans(),
                "state": st.sampled_from(["received", "rejected", "odd", None, 3]),
                "status": st.sampled_from(["closed", "odd", None]),
                "due": st.sampled_from(["2026-12-31", "odd", None, 7]),
                "reply": st.sampled_from(["/replies/1.wav", None]),
                "user_id": st.sampled_from([1, "odd", None]),
                "programme_id": st.sampled_from([2, None]),
                "village_code": st.sampled_from([LIJIA, WANGZHUANG, "1", None, 5]),
                "quiet_until": st.sampled_from(["2026-12-31T00:00:00+00:00", None]),
                "villages": st.sampled_from([[LIJIA, WANGZHUANG], [], "odd", [5]]),
                "quiet": st.sampled_from([[NAMELESS], [], None]),
                "opened": st.booleans(),
                "error": st.sampled_from(["somebody_speaks", "away"]),
                "speaker": st.sampled_from(["/spoken/1.wav", None, 5]),
            },
        ),
    ),
)
results = st.sampled_from(["joined", "parted", "nobody", "caller_gone", "no_trunk", "limit"])
told = st.builds(
    do.LiveTold,
    what=st.sampled_from(["go", "over", "odd"]),
    cause=st.sampled_from(["keyed", "stopped", "lost", "odd"]),
    hearing=st.integers(0, 2),
    missing=st.sampled_from([(), (LIJIA,), (WANGZHUANG, NAMELESS)]),
)
anything = st.one_of(
    st.builds(Key, digits),
    st.just(ENDED),
    st.just(SpeechHeard()),
    stopped,
    st.just(do.TimedOut()),
    st.just(BOUND),
    st.just(do.ReferenceBound(None, None)),
    st.just(do.NotStored()),
    answers,
    told,
    st.builds(do.Connected, results),
)
places = st.sampled_from([Facts(), TOWN, VILLAGE_LINE, WITHHELD])
BUSY = {
    "ok": True, "found": True, "user_id": 1, "villages": [LIJIA, WANGZHUANG, NAMELESS],
    "error": "somebody_speaks", "village_code": LIJIA,
}  # fmt: skip
picks = st.lists(st.integers(0, 10_000), max_size=150)


def follow(
    facts: Facts, choices: Iterable[int], first: Sequence[do.Event] = ()
) -> Iterator[tuple[Dialogue, do.Event | None, Dialogue, list[do.Action]]]:
    """A likely road, after the events ``first``: before, event, after, actions."""
    state, actions = dialogue.start(facts)
    yield state, None, state, list(actions)
    for choice in (*first, *choices):
        before, event = state, choice if not isinstance(choice, int) else likely(state, choice)
        state, actions = advance(state, event)
        yield before, event, state, list(actions)


@settings(max_examples=600, deadline=None)
@given(places, picks)
def test_nothing_is_recorded_before_consent_and_no_take_twice(
    facts: Facts, choices: list[int]
) -> None:
    consented, takes = False, []
    for _, _, _, actions in follow(facts, choices):
        for action in actions:
            consented |= isinstance(action, do.Consent)
            if isinstance(action, do.Record):
                assert consented
                takes.append(action.take)
    assert takes == sorted(set(takes))
    assert len(takes) <= limits.TAKES


@settings(max_examples=600, deadline=None)
@given(places, picks)
def test_every_wait_has_an_end(facts: Facts, choices: list[int]) -> None:
    """What makes the caller wait sets a deadline, and from anywhere silence leads to the end."""
    state = Dialogue()
    for before, _, state, actions in follow(facts, choices):
        moved = (before.state, before.phase) != (state.state, state.phase)
        if moved and not state.ended:
            assert any(isinstance(action, do.Wait) for action in actions)
        if state.ended:
            assert actions == [] or isinstance(actions[-1], do.End)
    for _ in range(40):
        state, _ = advance(state, do.TimedOut())
    assert state.ended


@settings(max_examples=400, deadline=None)
@given(places, picks, st.lists(anything, min_size=1, max_size=6))
@example(VILLAGE_LINE, [], [Key("3")])
@example(TOWN, [], [Key("*")])
@example(Facts(), [], [Key("0"), do.Connected("nobody")])
@example(Facts(), [], [Key("1"), Key("1"), ENDED, RecordingStopped("stopped", 9000, 9000)])
@example(Facts(), [], [Key("7"), do.Answered({"ok": True, "found": False})])
@example(TOWN, [], [Key("9"), do.Answered(BUSY), Key("1"), Key("2")])
@example(TOWN, [], [Key("9"), do.Answered({**BUSY, "error": ""}), Key("2"), *map(Key, "101#")])
def test_no_pattern_of_keys_and_answers_goes_round_for_ever(
    facts: Facts, choices: list[int], pattern: Sequence[do.Event]
) -> None:
    *_, (_, _, state, _) = follow(facts, choices)
    acted = 0
    for event in islice(cycle(pattern), 2000):
        state, actions = advance(state, event)
        acted += bool(actions)
    assert acted < STEPS_LIMIT


@pytest.mark.parametrize("key", "0123456789*#")
def test_nobody_keeps_a_line_by_pressing_one_key_after_each_sentence(key: str) -> None:
    for state, goal in product(State, Goal):
        now = Dialogue(TOWN, state, Phase.WAITING, goal, reopens=True, counted=(1,))
        now, acted = replace(now, places=(LIJIA, WANGZHUANG), quiet_places=(NAMELESS,)), 0
        for event in islice(cycle([Key(key), ENDED]), 600):
            now, actions = advance(now, event)
            acted += bool(actions)
        assert acted < STEPS_LIMIT, (state, goal)


@settings(max_examples=600, deadline=None)
@given(places, picks)
def test_a_recording_with_two_seconds_of_speech_is_kept_and_counts(
    facts: Facts, choices: list[int]
) -> None:
    """Every end of a take is told to the journal; the newest with enough speech counts."""
    kept: list[int] = []
    for before, event, state, actions in follow(facts, choices):
        if before.recording and isinstance(event, RecordingStopped):
            enough = event.speech_ms >= limits.SPEECH_NEEDED_MS
            assert actions[0] == do.KeepTake(before.take, event, replaces=enough and before.anew)
            kept = ([] if before.anew and enough else kept) + [before.take] * enough
        assert state.counted == tuple(kept)


@settings(max_examples=300, deadline=None)
@given(picks)
def test_no_call_gets_a_second_number(choices: list[int]) -> None:
    """Whoever spoke and then asks for a person, whatever comes of that."""
    state, _ = run(Key("1"), Key("1"), ENDED, ENOUGH, Key("0"))
    numbers = set()
    for choice in choices:
        bound, event = state.bound, likely(state, choice)
        state, actions = advance(state, event)
        assert bound is None or do.BindReference() not in actions, event
        numbers |= {(a.number, a.pin) for a in actions if isinstance(a, do.SayReference)}
    assert len(numbers) <= 1


@settings(max_examples=600, deadline=None)
@given(places, picks)
def test_a_report_that_was_spoken_is_never_left_without_number_or_word(
    facts: Facts, choices: list[int]
) -> None:
    """Who stays on the line after a report hears a number, speaks to a person, or is phoned."""
    bound = promised = False
    for before, event, state, actions in follow(facts, choices):
        bound |= any(isinstance(action, do.SayReference) for action in actions)
        promised |= do.PromiseCallBack() in actions
        ends = [action.cause for action in actions if isinstance(action, do.End)]
        stayed = ends and not ({"hangup", "network", "joined"} & {*ends, before.hung_up})
        if stayed and state.counted and state.goal is Goal.REPORT:
            assert bound or promised, event


@settings(max_examples=400, deadline=None)
@given(places, picks)
def test_whoever_waits_for_a_person_has_that_wish_noted(facts: Facts, choices: list[int]) -> None:
    """However the call goes on or breaks off from there."""
    for before, _, state, actions in follow(facts, choices):
        if state.state is State.HUMAN and before.state is not State.HUMAN:
            assert do.WantsPerson() in actions


@settings(max_examples=400, deadline=None)
@given(places, picks)
def test_opened_again_is_said_only_of_what_was(facts: Facts, choices: list[int]) -> None:
    for _, event, _, actions in follow(facts, choices):
        said = [sound for a in actions if isinstance(a, do.Say) for sound in a.sounds]
        if "dissatisfied" in said:
            assert isinstance(event, do.Answered)
            assert event.answer is not None
            assert event.answer["outcome"] == "reopened"


SIGNED_IN = (
    *map(Key, "9100234654321"),
    do.Answered({
        "ok": True, "found": True, "user_id": 1, "villages": [LIJIA, WANGZHUANG],
        "quiet": [NAMELESS],
    }),
)  # fmt: skip


@settings(max_examples=600, deadline=None)
@given(st.sampled_from([0, len(SIGNED_IN)]), places, picks)
def test_nobody_is_heard_in_villages_without_proof_or_after_the_end(
    signed_in: int, facts: Facts, choices: list[int]
) -> None:
    """Proof, then key 1, then the beep; and whoever was let through is taken off the air."""
    proved = on_air = False
    for before, event, _, actions in follow(facts, choices, SIGNED_IN[:signed_in]):
        for action in actions:
            proved |= isinstance(action, do.StaffProved)
            if isinstance(action, do.GoLive):
                assert proved
                assert (before.state, event) == (State.LIVE_READY, Key("1"))
                assert set(action.villages) <= {*before.places, *before.quiet_places}
                assert action.villages
                on_air = True
            elif isinstance(action, do.LetThrough):
                assert on_air
                assert before.phase is Phase.BEEP
            elif isinstance(action, do.EndLive):
                on_air = False
            elif isinstance(action, do.End):
                assert not on_air


states = st.builds(
    Dialogue,
    facts=places,
    state=st.sampled_from(State),
    phase=st.sampled_from(Phase),
    goal=st.sampled_from(Goal),
    language=st.sampled_from(["zh_CN", "en", "odd"]),
    code_rounds=st.integers(0, 3),
    tries=st.integers(0, 2),
    repeats=st.integers(0, 3),
    on_behalf=st.booleans(),
    urgent=st.booleans(),
    village=st.sampled_from([None, LIJIA, "odd"]),
    places=st.sampled_from([(), (LIJIA,), (LIJIA, WANGZHUANG, "odd")]),
    quiet_places=st.sampled_from([(), (NAMELESS,)]),
    chosen=st.sampled_from([(), (LIJIA,), (LIJIA, "odd")]),
    candidate=st.sampled_from([None, LIJIA]),
    candidate_source=st.sampled_from(["line", "last"]),
    keyed=st.sampled_from(["", "1", "12345678"]),
    reopens=st.booleans(),
    take=st.integers(1, 6),
    silent_takes=st.integers(0, 2),
    anew=st.booleans(),
    counted=st.sampled_from([(), (1,), (1, 2)]),
    warned=st.booleans(),
    hung_up=st.sampled_from(["", "hangup"]),
)


@settings(max_examples=800, deadline=None)
@given(states, st.lists(anything, max_size=10))
def test_a_hang_up_ends_every_state(state: Dialogue, events: list[do.Event]) -> None:
    for event in [*events, HungUp("hangup"), do.TimedOut()]:
        state, _ = advance(state, event)
    assert state.ended


@settings(max_examples=800, deadline=None)
@given(states, st.lists(anything, max_size=20))
def test_silence_ends_every_state(state: Dialogue, events: list[do.Event]) -> None:
    for event in [*events, *[do.TimedOut()] * 40]:
        state, _ = advance(state, event)
    assert state.ended


def strings_of(value: Any) -> list[str]:
    """Every text inside an action."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, tuple | list):
        return [text for part in value for text in strings_of(part)]
    if isinstance(value, dict):
        return strings_of(list(value.values()))
    if is_dataclass(value):
        return [text for f in fields(value) for text in strings_of(getattr(value, f.name))]
    return []


MAY_CARRY_DIGITS = {"status", "not_satisfied", "staff"}


@settings(max_examples=600, deadline=None)
@given(places, picks)
def test_no_digit_a_caller_presses_ever_chooses_a_number(facts: Facts, choices: list[int]) -> None:
    """Keyed digits leave the machine in questions of proof alone, never in what we dial."""
    known = {*DIRECTORY.villages}
    for _, _, _, actions in follow(facts, choices):
        for action in actions:
            if isinstance(action, do.AskOffice) and action.question in MAY_CARRY_DIGITS:
                details = {"counted": False, **action.details}
                assert isinstance(details.pop("counted"), bool)
                assert set(details) <= {"reference", "pin", "staff_no", "purpose"}
            elif isinstance(action, do.SayReference | do.AboutReport):
                continue  # what the disk bound, and what the office recognised
            else:
                texts = [text for text in strings_of(action) if text not in known]
                assert not any(sum(map(str.isdigit, text)) > 2 for text in texts), action
            if isinstance(action, do.Connect | do.Urgent):
                assert action.village is None or action.village in known


@settings(max_examples=400, deadline=None)
@given(places, picks)
def test_keyed_numbers_are_never_in_the_journal(facts: Facts, choices: list[int]) -> None:
    numbers = (State.STATUS_NUMBER, State.STATUS_PIN, State.STAFF_NUMBER, State.STAFF_PIN)
    for before, event, _, _ in follow(facts, choices):
        if isinstance(event, Key) and before.state in numbers:
            assert not any(char.isdigit() for char in do.told(event, secret=before.secret))


@settings(max_examples=400, deadline=None)
@given(places, picks)
def test_every_prompt_that_is_said_exists_in_every_language(
    facts: Facts, choices: list[int]
) -> None:
    for _, _, _, actions in follow(facts, choices):
        for action in actions:
            if isinstance(action, do.Say):
                names = {s for s in action.sounds if isinstance(s, str)} - set(GENERATED)
                assert all(names <= set(texts) for texts in LANGUAGES.values())


def test_every_state_is_handled() -> None:
    assert set(_HANDLERS) == set(State)


def test_likely_roads_reach_every_state() -> None:
    """Else the rules above would hold for want of trying."""
    chance, reached = random.Random(1), set()
    for _ in range(1500):
        facts = chance.choice([Facts(), TOWN, VILLAGE_LINE, WITHHELD])
        road = follow(facts, (chance.randrange(10_000) for _ in range(150)))
        reached |= {state.state for _, _, state, _ in road}
    assert reached == set(State)
