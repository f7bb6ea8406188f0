"""Takes: the beep, the sound, its end, and what a take leads to."""

from __future__ import annotations

from dataclasses import replace

from hotline import limits
from hotline.call import HungUp, Key, RecordingStopped
from hotline.dialogue import reference
from hotline.dialogue.state import (
    Dialogue,
    Goal,
    Phase,
    State,
    Step,
    end,
    enter,
    entrance,
    hushed,
    promise_and_go,
    prompt_over,
    say_and_go,
    speak,
    stay,
)
from hotline.steps import Event, KeepTake, Record, Say, StopRecording, TimedOut, Wait

_GONE = ("hangup", "network")


@entrance(State.RECORD)
def explain(now: Dialogue) -> Step:
    name = now.facts.name_of(now.village) if now.goal is Goal.REPORT else ()
    text = "record_for" if now.on_behalf else "record"
    if now.goal is Goal.STUDIO:
        text = "studio_record"
    return speak(now, State.RECORD, *name, text, "beep")


def once_more(now: Dialogue, text: str) -> Step:
    """Another take, after saying why or what for."""
    return hushed(speak(now, State.RECORD, text, "beep"))


def begin(now: Dialogue, *, keep_heard: bool = False) -> Step:
    """The take runs from here."""
    studio = now.goal is Goal.STUDIO
    limit_s = limits.STUDIO_LIMIT_S if studio else limits.TAKE_LIMIT_S
    silence_s = limits.STUDIO_SILENCE_S if studio else limits.TAKE_SILENCE_S
    recording = replace(now, state=State.RECORD, phase=Phase.RECORDING, warned=False)
    take = Record(now.take, limit_s, silence_s, keep_heard, now.anew)
    return recording, (take, Wait(limit_s - limits.WARNED_BEFORE_S))


def hear(now: Dialogue, event: Event) -> Step:
    if now.recording:
        return _while_recording(now, event)
    if prompt_over(event):
        return begin(now)
    if isinstance(event, Key) and now.phase is Phase.SPEAKING:
        return hushed(speak(now, State.RECORD, "beep", phase=Phase.BEEP))
    return stay(now)


def _while_recording(now: Dialogue, event: Event) -> Step:
    recording = now.phase is Phase.RECORDING
    match event:
        case RecordingStopped():
            return _take_ended(now, event)
        case HungUp(cause):  # the driver tells the end of the take right after
            return replace(now, phase=Phase.STOPPING, hung_up=cause), (Wait(limits.STOP_LIMIT_S),)
        case Key("#") if recording:
            return replace(now, phase=Phase.STOPPING), (StopRecording(), Wait(limits.STOP_LIMIT_S))
        case TimedOut() if recording and not now.warned:
            left_s = limits.WARNED_BEFORE_S + limits.STOP_LIMIT_S
            return replace(now, warned=True), (Say(("thirty_seconds",)), Wait(left_s))
        case TimedOut() if recording:
            return replace(now, phase=Phase.STOPPING), (StopRecording(), Wait(limits.STOP_LIMIT_S))
        case TimedOut() if now.hung_up:
            return end(now, now.hung_up)
        case TimedOut():
            return _end_not_told(replace(now, cause="recorder_lost", phase=Phase.SPEAKING))
    return stay(now)


def _take_ended(now: Dialogue, stopped: RecordingStopped) -> Step:
    enough = stopped.speech_ms >= limits.SPEECH_NEEDED_MS
    kept = KeepTake(now.take, stopped, replaces=enough and now.anew)
    after, actions = _after_take(_counted(now, stopped, enough=enough), stopped, enough=enough)
    return after, (kept, *actions)


def _counted(now: Dialogue, stopped: RecordingStopped, *, enough: bool) -> Dialogue:
    counted, counted_ms = now.counted, now.counted_ms
    if enough:
        counted = (now.take,) if now.anew else (*counted, now.take)
        counted_ms = stopped.duration_ms + (0 if now.anew else counted_ms)
    return replace(
        now,
        take=now.take + 1,
        anew=False,
        counted=counted,
        counted_ms=counted_ms,
        silent_takes=0 if enough else now.silent_takes + 1,
        phase=Phase.SPEAKING,
    )


def _after_take(now: Dialogue, stopped: RecordingStopped, *, enough: bool) -> Step:
    gone = now.hung_up or (stopped.reason if stopped.reason in _GONE else "")
    if gone:
        return end(now, gone)
    if stopped.reason == "disk":
        return _broken_off(replace(now, cause="disk"))
    if stopped.reason == "unfetched":
        return _end_not_told(replace(now, cause="recorder_lost"))
    if now.goal is Goal.WHY:
        return say_and_go(now, "", "reference_none" if enough else "no_speech", now.last_words)
    if enough and now.urgent:
        return enter(now, State.REFERENCE)
    if enough:
        return enter(now, State.REVIEW)
    if now.counted:
        return enter(replace(now, before=("not_heard",)), State.REVIEW)
    if now.silent_takes < limits.SILENT_TAKES:
        return once_more(now, "once_more")
    if now.goal is Goal.STUDIO:
        return say_and_go(now, "no_speech", "no_speech", "farewell")
    return promise_and_go(now, "no_speech", "no_speech")


def _broken_off(now: Dialogue) -> Step:
    """Disk or recorder failed: what was said before is handed in, nothing more is recorded."""
    now = replace(now, phase=Phase.SPEAKING)
    if now.counted and now.goal is Goal.REPORT:
        return enter(replace(now, before=("apology_disk",)), State.REFERENCE)
    if now.counted:
        return say_and_go(now, now.cause, "apology_disk", "farewell")
    return promise_and_go(now, now.cause, "apology_down")


def _end_not_told(now: Dialogue) -> Step:
    """A slow disk as a rule, which has the sound soon: nobody is told that nothing was recorded."""
    if now.counted or now.goal is Goal.STUDIO:
        return _broken_off(now)
    noted = "reference_none" if now.goal is Goal.WHY else reference.later(now)
    return promise_and_go(now, now.cause, noted)
