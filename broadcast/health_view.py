"""What a player told of itself, in words for people; and its state in one word. Pure rules.

Whatever a player did not tell is ``None`` here and "not told" on pages: never a guess. Nothing of
it is trusted to have the right form.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from broadcast.player_words import ADVICE, PROBLEMS, REMEDIES
from core.errors import N_

STATES = (
    "cloned", "silent", "away", "problem", "waiting", "no_player", "quiet", "speaks", "ready",
    "revoked",
)  # fmt: skip
"""Worst first. ready: in contact, and nothing was due yet."""
TROUBLES = frozenset({"cloned", "silent", "away", "problem", "waiting", "no_player"})
"""States about which somebody has to do something."""
HOT_C = 80.0
LITTLE_DISK_BYTES = 200_000_000
CLOCK_OFF_MS = 500.0


@dataclass(frozen=True)
class Signs:
    """What the state rests on. ``is_quiet``: by the village head's order or the box's switch."""

    online: bool = False
    last_seen_at: datetime | None = None
    approved_at: datetime | None = None
    revoked_at: datetime | None = None
    cloned_at: datetime | None = None
    silent_since: datetime | None = None
    last_sounded_at: datetime | None = None
    is_quiet: bool = False
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class Glance:
    """The state in one word, and since when it is so, where that says something."""

    state: str
    since: datetime | None = None

    @property
    def rank(self) -> int:
        """Small numbers are worse."""
        return STATES.index(self.state)

    @property
    def is_trouble(self) -> bool:
        return self.state in TROUBLES

    @property
    def advice(self) -> str:
        """What to do (English template)."""
        return ADVICE[self.state]


NO_PLAYER = Glance("no_player")


def glance(signs: Signs) -> Glance:
    """The one word that matters most for whoever looks after the horns."""
    if signs.revoked_at is not None:
        return Glance("revoked", signs.revoked_at)
    if signs.cloned_at is not None:
        return Glance("cloned", signs.cloned_at)
    if signs.approved_at is None:
        return Glance("waiting")
    if signs.is_quiet and signs.online:
        return Glance("quiet")
    if signs.silent_since is not None:
        return Glance("silent", signs.silent_since)
    if not signs.online:
        return Glance("away", signs.last_seen_at)
    if signs.problems:
        return Glance("problem")
    if signs.last_sounded_at is None:
        return Glance("ready")
    return Glance("speaks", signs.last_sounded_at)


@dataclass(frozen=True)
class Fact:
    """One line: ``words`` None: not told. ``tone``: good, warn, bad or "" (just so)."""

    label: str
    words: str | None
    params: Mapping[str, Any] = field(default_factory=dict)
    tone: str = ""


def facts(health: Mapping[str, Any] | None) -> list[Fact]:
    """The health of a player as lines for people (English templates with parameters)."""
    told = health or {}
    return [
        _sink(told), _clock(told), _disk(told), _temperature(told), _cache(told), _until(told),
        _switch(told), _uptime(told), _version(told),
    ]  # fmt: skip


def problems(health: Mapping[str, Any] | None) -> tuple[str, ...]:
    """What is wrong, as English templates or the player's own words; each once."""
    told = (health or {}).get("problems")
    found: list[str] = []
    if isinstance(told, Mapping):
        found = [PROBLEMS.get(str(code), str(words)[:200]) for code, words in told.items()]
    clock, sink = _part(health or {}, "clock"), _part(health or {}, "sink")
    if clock.get("synchronised") is False:
        found.append(PROBLEMS["clock"])
    if sink.get("ok") is False:
        found.append(PROBLEMS["sink"])
    heat_c = _number((health or {}).get("temperature_c"))
    if heat_c is not None and heat_c >= HOT_C:
        found.append(PROBLEMS["hot"])
    return tuple(dict.fromkeys(found))


def remedies(problems: Iterable[str]) -> list[tuple[str, str]]:
    """Pairs of a problem and what to do about it, for those we know a way out of."""
    known = {words: REMEDIES[code] for code, words in PROBLEMS.items() if code in REMEDIES}
    return [(words, known[words]) for words in problems if words in known]


def has_no_card(health: Mapping[str, Any] | None) -> bool:
    """Whether it looks for a sound card and finds none, so that nobody hears what it sounds.

    A box that was told to write files looks for no card and does not say so.
    """
    return "no_card" in _part(health or {}, "problems")


def went_into_a_file(health: Mapping[str, Any] | None, sink: str | None) -> bool:
    """Whether something that sounded by ``sink`` of a receipt was heard by nobody for want of a
    card. ``health``: as told last. One that tells of a card has started without it meanwhile: its
    receipts come before its next report.
    """
    has_a_card = _part(health or {}, "sink").get("kind") == "device"
    return sink == "wav" and (has_a_card or has_no_card(health))


def switch_is_on(health: Mapping[str, Any] | None) -> bool:
    """Whether the box's own quiet switch is on."""
    return (health or {}).get("quiet_switch") is True


def _sink(told: Mapping[str, Any]) -> Fact:
    label, sink = N_("Sound output"), told.get("sink")
    if isinstance(sink, str):
        return Fact(label, "%(name)s", {"name": sink[:80]})
    part = _part(told, "sink")
    kind, ok = part.get("kind"), part.get("ok")
    if not isinstance(kind, str):
        return Fact(label, None)
    name = str(part.get("name") or kind)[:80]
    if ok is False:
        return Fact(label, N_("%(name)s: does not work"), {"name": name}, "bad")
    if kind == "wav":
        return Fact(label, N_("Into a file (no sound card): nobody hears it"), tone="warn")
    words = N_("%(name)s: works") if ok is True else "%(name)s"
    return Fact(label, words, {"name": name}, "good" if ok is True else "")


def _clock(told: Mapping[str, Any]) -> Fact:
    label, clock = N_("Clock"), _part(told, "clock")
    exact = clock.get("synchronised")
    if not isinstance(exact, bool):
        return Fact(label, None)
    if clock.get("source") == "server":
        off_ms = _number(clock.get("max_error_ms")) or 0.0
        words = N_("Wrong; it goes by this server, exact to %(ms)s ms or better")
        return Fact(label, words, {"ms": f"{off_ms:.0f}"}, "warn")
    if not exact:
        return Fact(label, N_("Not synchronised: it may play too early or too late"), tone="bad")
    error_ms = _number(clock.get("max_error_ms"))
    if error_ms is None:
        return Fact(label, N_("Synchronised"), tone="good")
    tone = "good" if error_ms <= CLOCK_OFF_MS else "warn"
    return Fact(label, N_("Exact to %(ms)s ms or better"), {"ms": f"{error_ms:.0f}"}, tone)


def _disk(told: Mapping[str, Any]) -> Fact:
    label, free = N_("Free disk"), _number(told.get("disk_free_bytes"))
    if free is None:
        in_mb = _number(told.get("disk_free_mb"))
        free = None if in_mb is None else in_mb * 1e6
    if free is None:
        return Fact(label, None)
    tone = "good" if free >= LITTLE_DISK_BYTES else "bad"
    return Fact(label, N_("%(mb)s MB"), {"mb": f"{free / 1e6:.0f}"}, tone)


def _temperature(told: Mapping[str, Any]) -> Fact:
    label, heat_c = N_("Temperature"), _number(told.get("temperature_c"))
    if heat_c is None:
        return Fact(label, None)
    tone = "good" if heat_c < HOT_C else "bad"
    return Fact(label, N_("%(degrees)s °C"), {"degrees": f"{heat_c:.0f}"}, tone)


def _cache(told: Mapping[str, Any]) -> Fact:
    label, cache = N_("Sounds on the player"), _part(told, "cache")
    missing = _number(cache.get("missing", told.get("clips_missing")))
    if missing is None:
        return Fact(label, None)
    if missing > 0:
        return Fact(label, N_("%(count)d are still missing"), {"count": int(missing)}, "warn")
    return Fact(label, N_("All that is planned is there"), tone="good")


def _until(told: Mapping[str, Any]) -> Fact:
    until = moment(_part(told, "cache").get("plays_ready_until"))
    label = N_("Plays without network until")
    return Fact(label, None) if until is None else Fact(label, "%(at)s", {"at": until})


def _switch(told: Mapping[str, Any]) -> Fact:
    label, on = N_("Quiet switch on the box"), told.get("quiet_switch")
    if not isinstance(on, bool):
        return Fact(label, None)
    return Fact(label, N_("On: it is silent"), tone="warn") if on else Fact(label, N_("Off"))


def _uptime(told: Mapping[str, Any]) -> Fact:
    label, up_s = N_("Running for"), _number(told.get("uptime_s"))
    return Fact(label, None) if up_s is None else Fact(label, "%(span)s", {"span": up_s})


def _version(told: Mapping[str, Any]) -> Fact:
    label, version = N_("Program"), told.get("version")
    if not isinstance(version, str) or not version:
        return Fact(label, None)
    return Fact(label, "%(name)s", {"name": version[:40]})


def moment(value: Any) -> datetime | None:
    """An instant that a player told; None for anything else."""
    try:
        found = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return found if found.tzinfo is not None else None


def _part(told: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = told.get(name)
    return part if isinstance(part, Mapping) else {}


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) < 1e15 else None
