"""Where a call stands, and the moves that every part of the dialogue makes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum

from core import phone_numbers
from hotline import limits
from hotline.call import PlayEnded
from hotline.directory import Directory
from hotline.played import Sound, VillageName
from hotline.steps import Action, End, Event, Forget, Hush, PromiseCallBack, Say, TimedOut, Wait


class State(StrEnum):
    GREETING = "greeting"
    CONSENT = "consent"
    FRAUD = "fraud"
    VILLAGE = "village"
    VILLAGE_CODE = "village_code"
    RECORD = "record"
    REVIEW = "review"
    REFERENCE = "reference"
    STATUS_NUMBER = "status_number"
    STATUS_PIN = "status_pin"
    STATUS_TOLD = "status_told"
    WHY = "why"
    NEWS = "news"
    STAFF_NUMBER = "staff_number"
    STAFF_PIN = "staff_pin"
    QUIET = "quiet"
    LIVE_PLACES = "live_places"
    LIVE_CODE = "live_code"
    LIVE_READY = "live_ready"
    LIVE = "live"
    HUMAN = "human"
    LEAVING = "leaving"
    ENDED = "ended"


class Phase(StrEnum):
    SPEAKING = "speaking"
    WAITING = "waiting"
    BEEP = "beep"
    """A short sound that no key interrupts."""
    RECORDING = "recording"
    STOPPING = "stopping"
    ON_AIR = "on_air"
    """What the caller says is heard in villages."""
    ASKING = "asking"
    """Somebody else is to answer: the office, the disk."""
    CONNECTING = "connecting"
    """A person is looked for or spoken to."""


class Goal(StrEnum):
    """What the takes of the call become, or what the village is needed for."""

    REPORT = "report"
    NEWS = "news"
    WHY = "why"
    STUDIO = "studio"
    QUIET = "quiet"
    LIVE = "live"


@dataclass(frozen=True)
class Facts:
    """What is known before the caller says anything.

    ``called``: the number dialled. ``streams``: the line can carry a live address.
    """

    number_known: bool = True
    called: str = ""
    streams: bool = True
    languages: tuple[str, ...] = ("zh_CN",)
    directory: Directory = field(default_factory=Directory, repr=False)

    @property
    def line_village(self) -> str | None:
        """The village whose line was dialled."""
        code = self.directory.lines.get(phone_numbers.normal(self.called))
        return code if code in self.directory.villages else None

    def named(self, village: str | None) -> bool:
        """Whether a village's name can be spoken."""
        known = self.directory.villages.get(village) if village is not None else None
        return known is not None and known.sound is not None

    def name_of(self, village: str | None) -> tuple[VillageName, ...]:
        """The village's name as a sound; nothing where it cannot be spoken."""
        return (VillageName(village),) if village is not None and self.named(village) else ()


@dataclass(frozen=True)
class Dialogue:
    """Where a call stands. ``take``: the number of the take that runs or comes next."""

    facts: Facts = field(default_factory=Facts)
    state: State = State.GREETING
    phase: Phase = Phase.SPEAKING
    goal: Goal = Goal.REPORT
    language: str = "zh_CN"
    language_switches: int = 0
    code_rounds: int = 0
    """How often the caller wanted to key the village for the news again."""
    tries: int = 0
    repeats: int = 0
    """How often a menu repeated what it had played."""
    on_behalf: bool = False
    urgent: bool = False
    village: str | None = None
    candidate: str | None = None
    candidate_source: str = ""
    keyed: str = field(default="", repr=False)
    reference: str = field(default="", repr=False)
    pin: str = field(default="", repr=False)
    bound: tuple[str, str] | None = field(default=None, repr=False)
    """Number and PIN of this call's report, once they are on disk."""
    reopens: bool = False
    """Key 1 objects to what is told of a report."""
    objection: str = "not_satisfied"
    """The prompt that offers it."""
    last_words: str = "goodbye"
    """What a call that objected ends with."""
    progress: tuple[Sound, ...] = ()
    user_id: int = 0
    places: tuple[str, ...] = ()
    """Villages this person may speak to live."""
    quiet_places: tuple[str, ...] = ()
    """Those of them where quiet was ordered: not in ``places``."""
    chosen: tuple[str, ...] = ()
    take: int = 1
    silent_takes: int = 0
    anew: bool = False
    counted: tuple[int, ...] = ()
    """Takes with enough speech that the report consists of."""
    counted_ms: int = 0
    warned: bool = False
    hung_up: str = ""
    cause: str = ""
    """Why the call is about to end; empty: in the ordinary way."""
    before: tuple[str, ...] = ()
    """What is said before the reference number or a menu."""

    @property
    def ended(self) -> bool:
        return self.state is State.ENDED

    @property
    def recording(self) -> bool:
        return self.state is State.RECORD and self.phase in (Phase.RECORDING, Phase.STOPPING)

    @property
    def secret(self) -> bool:
        """Whether digits keyed now belong to a reference number or a PIN."""
        return self.state in _SECRET or (self.state, self.phase) == (State.STATUS_TOLD, Phase.BEEP)


_SECRET = frozenset({State.STATUS_NUMBER, State.STATUS_PIN, State.STAFF_NUMBER, State.STAFF_PIN})

Step = tuple[Dialogue, tuple[Action, ...]]
Entrance = Callable[[Dialogue], Step]
_ENTRANCES: dict[State, Entrance] = {}


def entrance(state: State) -> Callable[[Entrance], Entrance]:
    """Marks how ``state`` is entered; other parts come in by ``enter`` without knowing it."""

    def mark(way_in: Entrance) -> Entrance:
        _ENTRANCES[state] = way_in
        return way_in

    return mark


def enter(now: Dialogue, state: State, *first: Action) -> Step:
    """Fall silent, do ``first``, and go to ``state`` with a clean count of tries."""
    fresh = replace(now, tries=0, repeats=0, keyed="")
    after, actions = _ENTRANCES[state](fresh)
    return after, (*first, Hush(), Forget(), *actions)


def stay(now: Dialogue) -> Step:
    """Nothing changes, the running deadline included."""
    return now, ()


def speak(
    now: Dialogue,
    state: State,
    *sounds: Sound,
    phase: Phase = Phase.SPEAKING,
    limit_s: float = limits.PROMPT_LIMIT_S,
) -> Step:
    """Say ``sounds``; PlayEnded or a time-out follows."""
    return replace(now, state=state, phase=phase), (Say(sounds), Wait(limit_s))


def once_said(now: Dialogue, event: Event, seconds: float, *also: Action) -> Step:
    """Wait for the caller as soon as the prompt is over: silence from there on is an answer too."""
    if now.phase is Phase.WAITING or not prompt_over(event):
        return stay(now)
    return replace(now, phase=Phase.WAITING), (*also, Wait(seconds))


def hushed(step: Step) -> Step:
    """``step``, after falling silent."""
    return step[0], (Hush(), Forget(), *step[1])


def end(now: Dialogue, cause: str) -> Step:
    """The call is over."""
    return replace(now, state=State.ENDED), (End(cause),)


def say_and_go(now: Dialogue, cause: str, *sounds: Sound) -> Step:
    """The last words, without a promise."""
    return hushed(speak(replace(now, cause=cause), State.LEAVING, *sounds))


def ask_again(now: Dialogue, menu: str, cause: str = "nothing_chosen") -> Step:
    """What cannot be used: the menu once more, or a kind end when it was tried often enough."""
    now = replace(now, tries=now.tries + 1)
    if now.tries >= limits.CHOICE_TRIES:
        return say_and_go(now, cause, "farewell")
    return hushed(speak(now, now.state, menu))


def promise_and_go(now: Dialogue, cause: str, *sounds: Sound) -> Step:
    """Say why, promise a call-back where a number is known, and go."""
    last = "call_back" if now.facts.number_known else "call_again"
    left, actions = say_and_go(now, cause, *sounds, last)
    return left, (PromiseCallBack(), *actions)


def prompt_over(event: Event) -> bool:
    """Whether the prompt is over; a lost PlayEnded counts as one."""
    return isinstance(event, PlayEnded | TimedOut)
