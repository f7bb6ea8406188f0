"""What the dialogue hears and what it asks for: plain values, so that tests can compare them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hotline.call import HungUp, Key, PlayEnded, RecordingStopped, SpeechHeard
from hotline.live_steps import EndLive as EndLive
from hotline.live_steps import GoLive as GoLive
from hotline.live_steps import LetThrough as LetThrough
from hotline.live_steps import LiveTold as LiveTold
from hotline.outgoing.contract import Found
from hotline.played import Sound


@dataclass(frozen=True)
class TimedOut:
    """The last ``Wait`` ran out."""


@dataclass(frozen=True)
class ReferenceBound:
    """What came of ``BindReference``: both are None when no number could be had or stored."""

    number: str | None
    pin: str | None = field(repr=False)


@dataclass(frozen=True)
class NotStored:
    """The consent could not be written to disk; nothing may be recorded."""


@dataclass(frozen=True)
class Answered:
    """The office's answer to ``AskOffice``; None when it is away or slow."""

    answer: dict[str, Any] | None


@dataclass(frozen=True)
class Connected:
    """What came of ``Connect``: "joined" or "parted" after a talk, else why there was none."""

    result: Found


Event = (
    Key
    | PlayEnded
    | SpeechHeard
    | RecordingStopped
    | HungUp
    | TimedOut
    | ReferenceBound
    | NotStored
    | Answered
    | Connected
    | LiveTold
)


def told(event: Event, *, secret: bool = False) -> str:
    """An event as a step of the journal; ``secret``: digits keyed now are not for writing down."""
    match event:
        case Key(digit):
            return "key (hidden)" if secret and digit.isdigit() else f"key {digit}"
        case PlayEnded():
            return "prompt ended"
        case SpeechHeard():
            return "speech heard"
        case RecordingStopped(reason, duration_ms, speech_ms):
            return f"take ended: {reason}, {duration_ms} ms, speech {speech_ms} ms"
        case HungUp(cause):
            return f"hung up: {cause}"
        case TimedOut():
            return "timed out"
        case ReferenceBound(number):
            return "number bound" if number else "no number to be had"
        case NotStored():
            return "disk refused"
        case Answered(answer):
            return "office answered" if answer is not None else "office away"
        case Connected(result):
            return f"person: {result}"
        case LiveTold():
            return str(event)


@dataclass(frozen=True)
class Answer:
    """Lift the receiver."""


@dataclass(frozen=True)
class Say:
    """Play these one after the other."""

    sounds: tuple[Sound, ...]


@dataclass(frozen=True)
class SayReference:
    """Read the number in threes, twice, then the PIN; ``after`` are prompts that follow."""

    number: str
    pin: str = field(repr=False)
    before: tuple[str, ...]
    after: tuple[str, ...]


@dataclass(frozen=True)
class Hush:
    """Fall silent at once."""


@dataclass(frozen=True)
class Wait:
    """From now on the next event is due within ``seconds``, else ``TimedOut``."""

    seconds: float


@dataclass(frozen=True)
class Listen:
    """Hear in memory only."""


@dataclass(frozen=True)
class Forget:
    """Drop what was heard in memory."""


@dataclass(frozen=True)
class UseLanguage:
    """From now on prompts are spoken in ``language``."""

    language: str


@dataclass(frozen=True)
class Wants:
    """What the caller called for: a kind of ``journal.Entry``."""

    kind: str


@dataclass(frozen=True)
class WantsPerson:
    """The caller asked for a person, whatever the call was for before."""


@dataclass(frozen=True)
class OnBehalf:
    """The caller reports for somebody else."""


@dataclass(frozen=True)
class SetVillage:
    """The village is known. ``source``: line, last, code."""

    code: str
    source: str


@dataclass(frozen=True)
class Consent:
    """Store the consent (fsynced) before anything that follows."""

    channel: str  # key, speech
    confidential: bool


@dataclass(frozen=True)
class Urgent:
    """The report needs a person now: the duty phones ring, whatever the caller does next."""

    reason: str
    village: str | None = None


@dataclass(frozen=True)
class PromiseCallBack:
    """The caller was told that somebody will phone."""


@dataclass(frozen=True)
class Record:
    """Write take number ``take`` (from 1) to disk. ``anew``: it may replace those before it."""

    take: int
    limit_s: float
    silence_s: float
    keep_heard: bool = False
    anew: bool = False


@dataclass(frozen=True)
class StopRecording:
    """End the take; RecordingStopped follows."""


@dataclass(frozen=True)
class KeepTake:
    """Store the facts of a take that ended. ``replaces``: it counts instead of those before."""

    take: int
    stopped: RecordingStopped
    replaces: bool = False


@dataclass(frozen=True)
class BindReference:
    """Take a number, write it to disk, then answer with ReferenceBound."""


@dataclass(frozen=True)
class AskOffice:
    """Ask the web process (``hotline.ask``); Answered follows. Caller and call id are added."""

    question: str
    details: dict[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class AboutReport:
    """Number and PIN were right: the call is about this report."""

    reference_no: str


@dataclass(frozen=True)
class NotSatisfied:
    """The caller is not satisfied with what became of the report."""


@dataclass(frozen=True)
class StaffProved:
    """The caller proved to be this person. ``programme_id``: studio, what is recorded for."""

    user_id: int
    programme_id: int | None = None


@dataclass(frozen=True)
class Submit:
    """The recorded programme is handed in."""


@dataclass(frozen=True)
class Connect:
    """Find a person to speak to and stay until the talk is over; Connected follows."""

    village: str | None


@dataclass(frozen=True)
class End:
    """Hang up (when the caller did not) and close the journal."""

    cause: str


Action = (
    Answer
    | Say
    | SayReference
    | Hush
    | Wait
    | Listen
    | Forget
    | UseLanguage
    | Wants
    | WantsPerson
    | OnBehalf
    | SetVillage
    | Consent
    | Urgent
    | PromiseCallBack
    | Record
    | StopRecording
    | KeepTake
    | BindReference
    | AskOffice
    | AboutReport
    | NotSatisfied
    | StaffProved
    | Submit
    | Connect
    | GoLive
    | LetThrough
    | EndLive
    | End
)
