"""Drives the dialogue by hand: events in, the last actions out."""

from __future__ import annotations

from typing import Any

from hotline import dialogue
from hotline import steps as do
from hotline.call import HungUp, Key, PlayEnded, RecordingStopped, SpeechHeard
from hotline.dialogue import Dialogue, Facts, Phase, State
from hotline.directory import Directory, Village
from hotline.outgoing.contract import Found
from hotline.played import Sound

ENDED = PlayEnded(1)
ENOUGH = RecordingStopped("stopped", 5000, 4000)
TOO_SHORT = RecordingStopped("silence", 8000, 900)
BOUND = do.ReferenceBound("123456783", "4711")
UNKNOWN = do.Answered({"ok": True, "found": False})
GONE = HungUp("hangup")
SILENCE = (ENDED, do.TimedOut())
"""A prompt to its end, and nothing after it."""

LIJIA, WANGZHUANG, NAMELESS = "371312101201", "371312101202", "371312101203"
DIRECTORY = Directory(
    villages={
        LIJIA: Village(LIJIA, "李家庄村", "101", "lijia.wav", ("news-1.wav", "news-2.wav")),
        WANGZHUANG: Village(WANGZHUANG, "王庄村", "102", "wangzhuang.wav"),
        NAMELESS: Village(NAMELESS, "新村", "103"),
    },
    lines={"96110": LIJIA, "96113": NAMELESS},
)
TOWN = Facts(called="5000", languages=("zh_CN", "en"), directory=DIRECTORY)
"""A line that belongs to no village."""
VILLAGE_LINE = Facts(called="96110", directory=DIRECTORY)
WITHHELD = Facts(number_known=False)


def run(*events: do.Event, facts: Facts | None = None) -> tuple[Dialogue, list[do.Action]]:
    """The state after ``events`` and the actions of the last one."""
    state, actions = dialogue.start(facts or Facts())
    for event in events:
        state, actions = dialogue.advance(state, event)
    return state, list(actions)


def said(actions: list[do.Action]) -> list[Sound]:
    return [sound for action in actions if isinstance(action, do.Say) for sound in action.sounds]


def keys(digits: str) -> tuple[Key, ...]:
    return tuple(map(Key, digits))


def last_village(code: str | None) -> do.Answered:
    """The office knows where the caller's last report came from."""
    return do.Answered({"ok": True, "village_code": code})


def asked(actions: list[do.Action]) -> list[tuple[str, dict[str, Any]]]:
    return [(a.question, a.details) for a in actions if isinstance(a, do.AskOffice)]


_ANSWERS: tuple[dict[str, Any] | None, ...] = (
    None,
    {"ok": True, "found": False},
    {"ok": True, "found": False, "locked": True},
    {"ok": True, "village_code": WANGZHUANG},
    {
        "ok": True, "found": True, "done": True, "may_reopen": True, "state": "accepted",
        "status": "closed", "due": "2026-12-31", "reply": "/replies/1.wav", "user_id": 1,
        "programme_id": 2, "village_code": LIJIA, "quiet_until": "2026-12-31T00:00:00+00:00",
        "villages": [LIJIA, WANGZHUANG], "quiet": [NAMELESS], "opened": True,
        "outcome": "reopened", "decided": True,
    },
    {
        "ok": True, "error": "somebody_speaks", "village_code": LIJIA, "speaker": "/spoken/1.wav",
        "found": True, "user_id": 1, "villages": [LIJIA], "quiet": [],
    },
    {"ok": True, "found": True, "state": "odd", "status": 3, "due": "odd", "user_id": "odd"},
    {
        "ok": True, "found": True, "done": True, "may_reopen": True, "state": "rejected",
        "refusal": "owed", "outcome": "appealed", "decided": True,
    },
    {
        "ok": True, "found": True, "done": True, "may_reopen": True, "state": "received",
        "outcome": "reminded", "decided": False,
    },
)  # fmt: skip
_FOUND: tuple[Found, ...] = ("joined", "parted", "nobody", "caller_gone", "no_trunk", "limit")
_TALKED: tuple[do.Event, ...] = (*(do.Connected(result) for result in _FOUND), do.TimedOut())
_NUMBERED: tuple[do.Event, ...] = (BOUND, BOUND, do.ReferenceBound(None, None), do.TimedOut())
_ANSWERED: tuple[do.Event, ...] = (
    *(do.Answered(answer) for answer in _ANSWERS),
    do.Answered(_ANSWERS[4]),
    *_TALKED,
    *_NUMBERED,
)
_STOPPED: tuple[do.Event, ...] = tuple(
    RecordingStopped(reason, 9000, speech_ms)
    for reason in ("stopped", "silence", "limit", "hangup", "network", "disk")
    for speech_ms in (0, 1999, 2000, 9000)
)
_KEYS = keys("0123456789*#")
_HEARD: tuple[do.Event, ...] = (ENDED, do.TimedOut(), SpeechHeard())
_LIVE: tuple[do.Event, ...] = (
    *(do.LiveTold("go", hearing=hearing) for hearing in (0, 2)),
    *(do.LiveTold("over", cause) for cause in ("stopped", "silence", "limit", "lost", "odd")),
    do.LiveTold("over", "keyed", missing=(WANGZHUANG,)),
)
_ANY: tuple[do.Event, ...] = (
    *_KEYS, *_HEARD, *_STOPPED, *_ANSWERED, *_LIVE, do.NotStored(), GONE
)  # fmt: skip
_NUMBERS = (State.STATUS_NUMBER, State.STATUS_PIN, State.STAFF_NUMBER, State.STAFF_PIN)


def likely(state: Dialogue, pick: int) -> do.Event:
    """What may well happen in ``state``; one in twenty picks is anything at all."""
    if pick % 20 == 0:
        return _ANY[pick // 20 % len(_ANY)]
    choices: tuple[do.Event, ...] = (*_KEYS, *_HEARD * 4)
    if state.state is State.HUMAN and state.phase is Phase.ASKING:
        choices = _NUMBERED
    elif state.phase is Phase.CONNECTING:
        choices = (*_TALKED, *_KEYS)
    elif state.phase is Phase.ASKING:
        choices = _ANSWERED
    elif state.recording:
        choices = (*_STOPPED, *_STOPPED, *_KEYS, *_HEARD)
    elif state.state is State.LIVE:
        choices = (*_LIVE, *_LIVE, *_KEYS, *_HEARD * 4)
    elif state.state is State.LIVE_CODE:
        choices = (*keys("101102103") * 2, *_KEYS, *_HEARD)
    elif state.state in _NUMBERS:
        choices = (*keys("0123456789") * 3, *_KEYS)
    return choices[pick // 20 % len(choices)]
