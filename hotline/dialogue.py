"""What the hotline says and does: a pure machine, an event in, the next state and actions out.

It knows no clock, file or socket; ``hotline.conversation`` carries the actions out. Two rules hold
in every state: no ``Record`` before ``Consent``, and every wait has an end (an event that is
ignored returns no ``Wait``, so the deadline set before it stays).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

from hotline import limits
from hotline.call import HungUp, Key, PlayEnded, RecordingStopped, SpeechHeard
from hotline.steps import (
    Action,
    Answer,
    BindReference,
    Consent,
    End,
    Event,
    Forget,
    Hush,
    KeepTake,
    Listen,
    NotStored,
    PromiseCallBack,
    Record,
    ReferenceBound,
    Say,
    SayReference,
    StopRecording,
    TimedOut,
    Urgent,
    Wait,
)


class State(StrEnum):
    GREETING = "greeting"
    CONSENT = "consent"
    FRAUD = "fraud"
    RECORD = "record"
    REFERENCE = "reference"
    LEAVING = "leaving"
    ENDED = "ended"


class Phase(StrEnum):
    SPEAKING = "speaking"
    WAITING = "waiting"
    BEEP = "beep"
    RECORDING = "recording"
    STOPPING = "stopping"
    BINDING = "binding"


@dataclass(frozen=True)
class Dialogue:
    """Where a call stands."""

    number_known: bool = True
    state: State = State.GREETING
    phase: Phase = Phase.SPEAKING
    tries: int = 0
    take: int = 1
    warned: bool = False
    hung_up: str = ""
    cause: str = "completed"

    @property
    def ended(self) -> bool:
        return self.state is State.ENDED


Step = tuple[Dialogue, tuple[Action, ...]]


def start(*, number_known: bool) -> Step:
    """The first step of a call; ``number_known`` is False for withheld numbers."""
    now, actions = _speak(Dialogue(number_known=number_known), State.GREETING, "greeting")
    return now, (Answer(), *actions)


def advance(now: Dialogue, event: Event) -> Step:
    """The next state and what to do; an event that means nothing here changes nothing."""
    return _HANDLERS[now.state](now, event)


def _stay(now: Dialogue) -> Step:
    return now, ()


def _speak(now: Dialogue, state: State, *sounds: str, phase: Phase = Phase.SPEAKING) -> Step:
    return replace(now, state=state, phase=phase), (Say(sounds), Wait(limits.PROMPT_LIMIT_S))


def _hushed(step: Step) -> Step:
    return step[0], (Hush(), Forget(), *step[1])


def _end(now: Dialogue, cause: str) -> Step:
    return replace(now, state=State.ENDED), (End(cause),)


def _leave(now: Dialogue, cause: str, *sounds: str) -> Step:
    """Say why, promise a call-back where a number is known, and go."""
    last = "call_back" if now.number_known else "call_again"
    left, actions = _speak(replace(now, cause=cause), State.LEAVING, *sounds, last)
    return left, (Hush(), Forget(), PromiseCallBack(), *actions)


def _spoken(event: Event) -> bool:
    """Whether the prompt is over; a lost PlayEnded counts as one."""
    return isinstance(event, PlayEnded | TimedOut)


def _greeting(now: Dialogue, event: Event) -> Step:
    match event:
        case HungUp(cause):
            return _end(now, cause)
        case Key("1"):
            return _ask_consent(replace(now, tries=0))
        case Key("5"):
            return _warn_of_fraud(now)
        case Key("0"):
            return _leave(now, "call_back_wanted")
        case Key():
            return _greet_again(now)
        case TimedOut() if now.phase is Phase.WAITING:
            return _greet_again(now)
    if now.phase is Phase.SPEAKING and _spoken(event):
        return replace(now, phase=Phase.WAITING), (Wait(limits.GREETING_WAIT_S),)
    return _stay(now)


def _greet_again(now: Dialogue) -> Step:
    now = replace(now, tries=now.tries + 1)
    if now.tries >= limits.GREETING_TRIES:
        return _ask_consent(replace(now, tries=0))
    return _hushed(_speak(now, State.GREETING, "menu"))


def _ask_consent(now: Dialogue) -> Step:
    return _hushed(_speak(now, State.CONSENT, "consent", "beep"))


def _consent(now: Dialogue, event: Event) -> Step:
    waiting = now.phase is Phase.WAITING
    match event:
        case HungUp(cause):
            return _end(now, cause)
        case NotStored():
            return _leave(now, "disk", "apology_down")
        case Key("1" | "2" as digit):
            told, actions = _hushed(_speak(now, State.RECORD, "record", "beep"))
            return told, (Consent("key", confidential=digit == "2"), *actions)
        case Key("9"):
            return _leave(now, "declined", "declined")
        case Key("0"):
            return _leave(now, "call_back_wanted")
        case Key("5"):
            return _warn_of_fraud(now)
        case SpeechHeard() if waiting:
            recording, actions = _record_take(now, keep_heard=True)
            return recording, (Consent("speech", confidential=False), *actions)
        case Key():
            return _ask_again(now)
        case TimedOut() if waiting:
            return _ask_again(now)
    if now.phase is Phase.SPEAKING and _spoken(event):
        return replace(now, phase=Phase.WAITING), (Listen(), Wait(limits.CONSENT_WAIT_S))
    return _stay(now)


def _ask_again(now: Dialogue) -> Step:
    now = replace(now, tries=now.tries + 1)
    if now.tries >= limits.CONSENT_TRIES:
        return _leave(now, "no_consent", "no_consent")
    return _ask_consent(now)


def _warn_of_fraud(now: Dialogue) -> Step:
    told, actions = _hushed(_speak(now, State.FRAUD, "fraud"))
    return told, (Urgent("fraud"), *actions)


def _fraud(now: Dialogue, event: Event) -> Step:
    """The announcement cannot be skipped: staying on the line after it is the consent."""
    match event:
        case HungUp(cause):
            return _end(now, cause)
        case NotStored():
            return _leave(now, "disk", "apology_down")
    if _spoken(event):
        told, actions = _speak(now, State.RECORD, "beep", phase=Phase.BEEP)
        return told, (Consent("key", confidential=False), *actions)
    return _stay(now)


def _record_take(now: Dialogue, *, keep_heard: bool = False) -> Step:
    recording = replace(now, state=State.RECORD, phase=Phase.RECORDING, warned=False)
    return recording, (Record(now.take, keep_heard), Wait(limits.TAKE_WARNING_S))


def _record(now: Dialogue, event: Event) -> Step:
    if isinstance(event, NotStored):
        return _leave(now, "disk", "apology_down")
    if now.phase in (Phase.RECORDING, Phase.STOPPING):
        return _while_recording(now, event)
    if isinstance(event, HungUp):
        return _end(now, event.cause)
    if _spoken(event):
        return _record_take(now)
    if isinstance(event, Key) and now.phase is Phase.SPEAKING:
        return _hushed(_speak(now, State.RECORD, "beep", phase=Phase.BEEP))
    return _stay(now)


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
            left_s = limits.TAKE_LIMIT_S - limits.TAKE_WARNING_S + limits.STOP_LIMIT_S
            return replace(now, warned=True), (Say(("thirty_seconds",)), Wait(left_s))
        case TimedOut() if recording:
            return replace(now, phase=Phase.STOPPING), (StopRecording(), Wait(limits.STOP_LIMIT_S))
        case TimedOut() if now.hung_up:
            return _end(now, now.hung_up)
        case TimedOut():
            return _leave(now, "recorder_lost", "apology_down")
    return _stay(now)


def _take_ended(now: Dialogue, stopped: RecordingStopped) -> Step:
    kept = KeepTake(now.take, stopped)
    gone = now.hung_up or (stopped.reason if stopped.reason in ("hangup", "network") else "")
    if gone:
        ended, actions = _end(now, gone)
        return ended, (kept, *actions)
    if stopped.reason == "disk":
        now = replace(now, cause="disk")
    if stopped.speech_ms >= limits.SPEECH_NEEDED_MS:
        bound = replace(now, state=State.REFERENCE, phase=Phase.BINDING)
        return bound, (kept, Hush(), BindReference())
    if stopped.reason == "disk":
        after = _leave(now, "disk", "apology_down")
    elif now.take < limits.TAKES:
        again = replace(now, take=now.take + 1)
        after = _hushed(_speak(again, State.RECORD, "once_more", "beep"))
    else:
        after = _leave(now, "no_speech", "no_speech")
    return after[0], (kept, *after[1])


def _reference(now: Dialogue, event: Event) -> Step:
    before = ("apology_disk",) if now.cause == "disk" else ()
    match event:
        case HungUp(cause):
            return _end(now, now.cause if now.cause != "completed" else cause)
        case ReferenceBound(str(number), str(pin)):
            told = replace(now, phase=Phase.SPEAKING)
            reading = SayReference(number, pin, before=before, after=("goodbye",))
            return told, (reading, Wait(limits.PROMPT_LIMIT_S))
        case ReferenceBound():
            later = "reference_later" if now.number_known else "reference_none"
            told, actions = _speak(now, State.REFERENCE, *before, later, "goodbye")
            return told, (PromiseCallBack(), *actions)
    if now.phase is Phase.SPEAKING and _spoken(event):
        return _end(now, now.cause)
    return _stay(now)


def _leaving(now: Dialogue, event: Event) -> Step:
    return _end(now, now.cause) if isinstance(event, HungUp) or _spoken(event) else _stay(now)


_HANDLERS: dict[State, Callable[[Dialogue, Event], Step]] = {
    State.GREETING: _greeting,
    State.CONSENT: _consent,
    State.FRAUD: _fraud,
    State.RECORD: _record,
    State.REFERENCE: _reference,
    State.LEAVING: _leaving,
    State.ENDED: lambda now, _event: _stay(now),
}
