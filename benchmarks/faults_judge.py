"""Judges the week of faults from what everybody kept: rows, receipts and what really sounded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

FIRST = ""


@dataclass(frozen=True)
class Planned:
    """A play as the office sees it. ``clips``: hashes that were approved for it at some time."""

    play_id: int
    player: str
    state: str
    reason: str | None
    clips: frozenset[str]


@dataclass(frozen=True)
class Sounding:
    """A file that a sink finished. ``clip_sha256``: by its sound; None: no known clip is in it."""

    play_id: int
    player: str
    first_sample_at: str
    whole: bool
    clip_sha256: str | None


@dataclass(frozen=True)
class Kept:
    """A receipt in the player's own memory or in the server's table."""

    player: str
    seq: int
    play_id: int
    outcome: str
    hash: str
    previous_hash: str
    clip_sha256: str | None = None


@dataclass
class Evidence:
    """All of it. ``forged``: players whose own receipts fail ``edge.receipts.check_chain``."""

    planned: list[Planned] = field(default_factory=list)
    soundings: list[Sounding] = field(default_factory=list)
    own: list[Kept] = field(default_factory=list)
    server: list[Kept] = field(default_factory=list)
    forged: list[str] = field(default_factory=list)


TARGETS: Mapping[str, str] = {
    "unexplained": "== 0",
    "doubles": "== 0",
    "played_unheard": "== 0",
    "heard_unproved": "== 0",
    "receipts_lost": "== 0",
    "chains_broken": "== 0",
    "unapproved": "== 0",
}


def judge(evidence: Evidence) -> dict[str, int]:
    """Counts of what must not be, and of what was planned, played and explained.

    ``played_unheard``: the office believes it sounded, no file shows it. ``heard_unproved``: a
    whole sounding whose play is not shown as played.
    """
    played = [play for play in evidence.planned if play.state == "played"]
    explained = [play for play in evidence.planned if play.state == "missed" and play.reason]
    whole = Counter((one.player, one.play_id) for one in evidence.soundings if one.whole)
    played_keys = {(play.player, play.play_id) for play in played}
    return {
        "planned": len(evidence.planned),
        "played": len(played),
        "explained": len(explained),
        "unexplained": len(evidence.planned) - len(played) - len(explained),
        "doubles": sum(count - 1 for count in whole.values()) + _twice_receipted(evidence.own),
        "played_unheard": len(played_keys - set(whole)),
        "heard_unproved": len(set(whole) - played_keys),
        "receipts": len(evidence.server),
        "receipts_lost": _lost(evidence.own, evidence.server),
        "chains_broken": len(_broken(evidence)),
        "unapproved": _unapproved(evidence),
    }


def _twice_receipted(own: Iterable[Kept]) -> int:
    said = Counter((kept.player, kept.play_id) for kept in own if kept.outcome == "played")
    return sum(count - 1 for count in said.values())


def _lost(own: Sequence[Kept], server: Sequence[Kept]) -> int:
    """In a player's memory and not at the server, or the other way round."""
    there = {(kept.player, kept.seq, kept.hash) for kept in server}
    here = {(kept.player, kept.seq, kept.hash) for kept in own}
    return len(here ^ there)


def _broken(evidence: Evidence) -> set[str]:
    broken = set(evidence.forged)
    for receipts in (evidence.own, evidence.server):
        chains: dict[str, list[Kept]] = {}
        for kept in receipts:
            chains.setdefault(kept.player, []).append(kept)
        broken |= {player for player, chain in chains.items() if not _is_whole(chain)}
    return broken


def _is_whole(chain: list[Kept]) -> bool:
    """Numbers without gaps from 1, each naming the hash before it."""
    previous = FIRST
    for number, kept in enumerate(sorted(chain, key=lambda one: one.seq), 1):
        if kept.seq != number or kept.previous_hash != previous:
            return False
        previous = kept.hash
    return True


def _unapproved(evidence: Evidence) -> int:
    allowed = {(play.player, play.play_id): play.clips for play in evidence.planned}
    said = {
        (kept.player, kept.play_id): kept.clip_sha256
        for kept in evidence.own
        if kept.outcome == "played"
    }
    wrong = 0
    for one in evidence.soundings:
        key = (one.player, one.play_id)
        if not one.whole and one.clip_sha256 is None:
            continue  # cut before its first sample: near-silence
        other_than_said = one.whole and said.get(key) not in (None, one.clip_sha256)
        wrong += one.clip_sha256 not in allowed.get(key, frozenset()) or other_than_said
    return wrong
