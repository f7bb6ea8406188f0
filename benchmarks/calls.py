"""Calls by SIPp at the same time: is every frame of every recording exact, and what does it cost?

10, 50, 100 and 200 callers at once speak 8 s each and press #, to the hotline's telephony with the
shortest conversation. Then 200 at once call the hotline as it is: they hear its prompts, press the
keys of a report, speak, and hear their number; journals and recordings must be whole. The peer is a
bare recorder that receives the same packets (see calls_bare). Then 100 call while an attacker sends
malformed INVITEs and foreign RTP (see calls_fuzz). ``--quick``: 10 callers in each of the three,
judged by what was recorded alone.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import calls_road, calls_village, harness
from benchmarks.calls_round import Round, measure
from benchmarks.harness import Figure, Result

SUBJECT = ("benchmarks.calls_subject",)
HOTLINE = ("hotline", "telephony")
SIGNALLING = ("hotline", "signalling")
PEER = ("benchmarks.calls_bare",)

QUICK_CALLS = (10,)
FULL_CALLS = (10, 50, 100, 200)
QUICK_VILLAGERS, FULL_VILLAGERS = 10, 200
QUICK_ATTACK = (10, 95)
FULL_ATTACK = (100, 950)
"""Calls, and malformed INVITEs beside them."""
FOREIGN_SHARE_LIMIT = 0.15
"""More of the machine than this in other hands makes a full run's times meaningless."""
PEER_EXACT = 0.95
"""A peer that does not do the same work is no measure of its cost."""


@dataclass
class _Found:
    figures: dict[str, Figure] = field(default_factory=dict)
    foreign: float = 0.0
    invalid: str | None = None

    def ours(self, name: str, count: int, of: Round) -> None:
        """Enter what a round of ours came to."""
        self.figures |= {
            f"exact_frames_ratio_{name}": of.exact_ratio,
            f"failed_calls_{name}": count - of.successful,
            f"calls_at_once_{name}": of.at_once,
            f"cpu_s_per_call_{name}": round(of.cpu_s / count, 4),
            f"clock_late_p99_ms_{name}": of.late_p99_ms,
            f"clock_late_max_ms_{name}": of.late_max_ms,
        }
        self.foreign = max(self.foreign, of.foreign_share)

    def against_peer(self, name: str, count: int, ours: Round, bare: Round) -> None:
        """Enter what a round of ours cost beside what it cost the peer and SIPp."""
        self.figures |= {
            f"sipp_cpu_s_per_call_{name}": round(ours.callers_cpu_s / count, 4),
            f"bare_cpu_s_per_call_{name}": round(bare.cpu_s / count, 4),
            f"bare_exact_frames_ratio_{name}": bare.exact_ratio,
            f"cpu_ratio_to_bare_{name}": round(ours.cpu_s / bare.cpu_s, 2),
        }
        self.foreign = max(self.foreign, bare.foreign_share)
        if bare.exact_ratio < PEER_EXACT:
            share = f"{bare.exact_ratio:.0%}"
            self.invalid = f"the peer recorded only {share} of the calls of round {name}"


def run(
    quick: bool, *, subject: Sequence[str] = SUBJECT, hotline: Sequence[str] = HOTLINE
) -> Result:
    """Measure; ``subject`` and ``hotline`` are what answers, so that a test can put in broken ones.

    ``subject``: the telephony with the shortest conversation; ``hotline``: with its own.
    """
    if shutil.which("sipp") is None:
        return harness.result("calls", {}, _targets(quick), invalid="sipp is not installed")
    found = _Found()
    for count in QUICK_CALLS if quick else FULL_CALLS:
        _record_only(found, count, subject, with_peer=not quick)
    _villagers(found, QUICK_VILLAGERS if quick else FULL_VILLAGERS, hotline, with_peer=not quick)
    _attacked(found, *(QUICK_ATTACK if quick else FULL_ATTACK), subject)
    found.figures["foreign_cpu_share"] = round(found.foreign, 3)
    if not quick and found.foreign > FOREIGN_SHARE_LIMIT:
        share = f"{found.foreign:.0%}"
        found.invalid = f"other programs used {share} of the machine; try again when it is quiet"
    return harness.result("calls", found.figures, _targets(quick), invalid=found.invalid)


def _record_only(found: _Found, count: int, subject: Sequence[str], *, with_peer: bool) -> None:
    road = calls_road.record_only()
    with _folder() as folder:
        ours = measure(Path(folder), count, [subject, SIGNALLING], road)
    found.ours(str(count), count, ours)
    if with_peer:
        with _folder() as folder:
            found.against_peer(str(count), count, ours, measure(Path(folder), count, [PEER], road))


def _villagers(found: _Found, count: int, hotline: Sequence[str], *, with_peer: bool) -> None:
    road = calls_road.villager()
    with _folder() as name:
        folder = Path(name)
        calls_village.furnish(folder, count)
        with calls_village.live_process(folder) as told:
            ours = measure(folder, count, [hotline, SIGNALLING], road)
        found.ours("hotline", count, ours)
        left = calls_village.left(folder)
    found.figures |= {
        "whole_calls_hotline": left.whole,
        "takes_announced_hotline": len(told),
        "mean_call_s_hotline": left.mean_s and round(left.mean_s, 1),
    }
    if with_peer:
        with _folder() as name:
            bare = measure(Path(name), count, [(*PEER, calls_road.ENDS_PEER)], road)
        found.against_peer("hotline", count, ours, bare)


def _attacked(found: _Found, count: int, invites: int, subject: Sequence[str]) -> None:
    road = calls_road.record_only()
    with _folder() as folder:
        modules = [subject, SIGNALLING]
        ours = measure(Path(folder), count, modules, road, malformed_invites=invites)
    found.ours("attacked", count, ours)
    found.figures["malformed_invites"] = invites


def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="calls-")


def _targets(quick: bool) -> dict[str, str]:
    rounds = {str(count): count for count in (QUICK_CALLS if quick else FULL_CALLS)}
    targets = {"exact_frames_ratio_attacked": "== 1", "failed_calls_attacked": "== 0"}
    villagers = rounds["hotline"] = QUICK_VILLAGERS if quick else FULL_VILLAGERS
    targets["whole_calls_hotline"] = targets["takes_announced_hotline"] = f"== {villagers}"
    for name, count in rounds.items():
        targets[f"exact_frames_ratio_{name}"] = "== 1"
        targets[f"failed_calls_{name}"] = "== 0"
        targets[f"calls_at_once_{name}"] = f"== {count}"
        if not quick:
            targets[f"cpu_ratio_to_bare_{name}"] = "<= 3.0"
            targets[f"clock_late_p99_ms_{name}"] = "<= 40"  # the least a phone's buffer holds
    return targets
