"""What the dialogue hears and what it asks for: plain values, so that tests can compare them."""

from __future__ import annotations

from dataclasses import dataclass

from hotline.call import HungUp, Key, PlayEnded, RecordingStopped, SpeechHeard


@dataclass(frozen=True)
class TimedOut:
    """The last ``Wait`` ran out."""


@dataclass(frozen=True)
class ReferenceBound:
    """What came of ``BindReference``: both are None when no number could be had or stored."""

    number: str | None
    pin: str | None


@dataclass(frozen=True)
class NotStored:
    """The consent could not be written to disk; nothing may be recorded."""


Event = (
    Key
    | PlayEnded
    | SpeechHeard
    | RecordingStopped
    | HungUp
    | TimedOut
    | ReferenceBound
    | NotStored
)


def told(event: Event) -> str:
    """An event as a step of the journal: keys of menus are told, a PIN is never typed here."""
    match event:
        case Key(digit):
            return f"key {digit}"
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


@dataclass(frozen=True)
class Answer:
    """Lift the receiver."""


@dataclass(frozen=True)
class Say:
    """Play these prompts one after the other (ids of ``hotline.prompts``)."""

    sounds: tuple[str, ...]


@dataclass(frozen=True)
class SayReference:
    """Read the number in threes, twice, then the PIN; ``after`` are prompts that follow."""

    number: str
    pin: str
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
class Consent:
    """Store the consent (fsynced) before anything that follows."""

    channel: str  # key, speech
    confidential: bool


@dataclass(frozen=True)
class Urgent:
    """The report needs a person now."""

    reason: str


@dataclass(frozen=True)
class PromiseCallBack:
    """The caller was told that somebody will phone."""


@dataclass(frozen=True)
class Record:
    """Write take number ``take`` (from 1) to disk."""

    take: int
    keep_heard: bool = False


@dataclass(frozen=True)
class StopRecording:
    """End the take; RecordingStopped follows."""


@dataclass(frozen=True)
class KeepTake:
    """Store the facts of a take that ended."""

    take: int
    stopped: RecordingStopped


@dataclass(frozen=True)
class BindReference:
    """Take a number, write it to disk, then answer with ReferenceBound."""


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
    | Consent
    | Urgent
    | PromiseCallBack
    | Record
    | StopRecording
    | KeepTake
    | BindReference
    | End
)
