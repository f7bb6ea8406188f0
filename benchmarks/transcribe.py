"""Sound to words: our decode path against a bare Vosk loop and against vosk-transcriber.

The same files, model and cores for all, as processes that leave their text on disk, in turns; CPU
seconds include every child. Dense speech shows what we cost beside the bare loop (at most 10 %
more CPU, exactly its text); voicemails with 40 % pauses show what skipping pauses is worth, and
that it changes no text.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import imageio_ffmpeg

from benchmarks import spoken
from benchmarks.harness import Figure, Result, result
from transcribe import catalogue, speechio

TARGETS = {
    "cpu_ours_to_bare": "<= 1.10",
    "throughput_ours_to_vosk_transcriber": ">= 1.0",
    "throughput_voicemail_ours_to_vosk_transcriber": ">= 1.3",
    "throughput_two_workers_to_one": ">= 1.7",
    "identical_text_share": "== 1.0",
    "gate_changes_cer_points": "<= 0.1",
}
QUICK_TARGETS = {
    **TARGETS,
    "cpu_ours_to_bare": "<= 1.6",
    "throughput_voicemail_ours_to_vosk_transcriber": ">= 1.0",
    "throughput_two_workers_to_one": ">= 1.0",
}
"""A short run is mostly start-up (ours loads the model in a process of its own, after its own
imports), so it allows more CPU and expects less of pauses and workers; text is judged alike."""

BUSY = 1.5
"""A bare loop that waits (wall time by CPU time) or varies by this factor: a machine too busy."""

Command = Callable[[Sequence[Path], Path, int], list[str]]
"""(files, folder for output, files at a time) -> command line."""


@dataclass(frozen=True)
class Material:
    """What is decoded. ``said``: the true texts of the voicemails."""

    dense: list[Path]
    voicemails: list[Path]
    said: list[str]


@dataclass(frozen=True)
class Measured:
    """One process: seconds, and the text of each file in order (None where it gave none)."""

    cpu_s: float
    wall_s: float
    texts: tuple[str | None, ...]


def run(quick: bool) -> Result:
    """The benchmark; some 5 minutes on two free cores, ``quick`` under one."""
    count = 5 if quick else 32
    material = Material(spoken.dense(count), *spoken.voicemails(3 if quick else 24))
    rounds, targets = (2, QUICK_TARGETS) if quick else (5, TARGETS)
    return measure(material, rounds=rounds, targets=targets)


def measure(
    material: Material,
    *,
    rounds: int,
    targets: Mapping[str, str],
    ours: Command | None = None,
) -> Result:
    """Run all subjects ``rounds`` times in turns and judge. ``ours`` replaces the product."""
    cores = len(os.sched_getaffinity(0))
    subject = ours or product
    dense, voicemails = material.dense, material.voicemails
    subjects: dict[str, tuple[Command, list[Path], int]] = {
        "ours": (subject, dense, 1),
        "bare": (bare, dense, 1),
        "ours_two_workers": (subject, dense, 2),
        "ours_all_cores": (subject, dense, cores),
        "vosk_transcriber": (vosk_transcriber, dense, cores),
        "voicemail_ours": (subject, voicemails, cores),
        "voicemail_vosk_transcriber": (vosk_transcriber, voicemails, cores),
    }
    if cores == 2:
        del subjects["ours_all_cores"]  # the same as two workers
    runs: dict[str, list[Measured]] = {name: [] for name in subjects}
    for number in range(rounds):
        order = list(subjects) if number % 2 == 0 else list(reversed(subjects))
        for name in order:
            command, files, jobs = subjects[name]
            runs[name].append(_run(command, files, jobs))
    runs.setdefault("ours_all_cores", runs["ours_two_workers"])
    runs["voicemail_ungated"] = [_run(ungated, voicemails, cores)]
    return judge(runs, material.said, targets, facts=_facts(material))


def judge(
    runs: Mapping[str, Sequence[Measured]],
    said: Sequence[str],
    targets: Mapping[str, str],
    *,
    facts: Mapping[str, Figure] | None = None,
) -> Result:
    """Figures and verdict. Ratios are medians over rounds of the two runs of the same round."""
    gated = max(_cer(said, one.texts) for one in runs["voicemail_ours"])
    ungated_cer = _cer(said, runs["voicemail_ungated"][0].texts)
    figures: dict[str, Figure] = {
        "cpu_ours_to_bare": _cpu_ratio(runs, "ours", "bare"),
        "throughput_ours_to_vosk_transcriber": _throughput_ratio(
            runs, "ours_all_cores", "vosk_transcriber"
        ),
        "throughput_voicemail_ours_to_vosk_transcriber": _throughput_ratio(
            runs, "voicemail_ours", "voicemail_vosk_transcriber"
        ),
        "throughput_two_workers_to_one": _throughput_ratio(runs, "ours_two_workers", "ours"),
        "identical_text_share": _identical_share(runs),
        "gate_changes_cer_points": round(abs(gated - ungated_cer), 3),
        "cpu_ours_to_vosk_transcriber": _cpu_ratio(runs, "ours_all_cores", "vosk_transcriber"),
        "cpu_voicemail_ours_to_vosk_transcriber": _cpu_ratio(
            runs, "voicemail_ours", "voicemail_vosk_transcriber"
        ),
        "voicemail_cer_percent": round(gated, 3),
        "voicemail_cer_percent_ungated": round(ungated_cer, 3),
    }
    for name in runs:
        figures[f"{name}_cpu_s"] = round(statistics.median(one.cpu_s for one in runs[name]), 2)
        figures[f"{name}_wall_s"] = round(statistics.median(one.wall_s for one in runs[name]), 2)
    figures |= {**(facts or {}), "rounds": len(runs["ours"]), "model": catalogue.STARTER_NAME}
    return result("transcribe", figures, targets, invalid=_invalid(runs))


def _facts(material: Material) -> dict[str, Figure]:
    return {
        "dense_sound_s": round(spoken.seconds(material.dense), 1),
        "dense_files": len(material.dense),
        "voicemail_sound_s": round(spoken.seconds(material.voicemails), 1),
        "voicemail_files": len(material.voicemails),
    }


def _invalid(runs: Mapping[str, Sequence[Measured]]) -> str | None:
    yardstick, peers = runs["bare"], ("vosk_transcriber", "voicemail_vosk_transcriber")
    if not all(text for one in yardstick for text in one.texts):
        return "the bare loop gave no text for a file"
    if not all(text for name in peers for one in runs[name] for text in one.texts):
        return "vosk-transcriber gave no text for a file"
    if len({one.texts for one in yardstick}) > 1:
        return "the bare loop did not hear the same text twice"
    spent = [one.cpu_s for one in yardstick]
    if max(spent) > BUSY * min(spent):
        return f"the machine is busy: the bare loop took {min(spent):.1f} to {max(spent):.1f} CPU s"
    waited = statistics.median(one.wall_s / one.cpu_s for one in yardstick)
    if waited > BUSY:
        return f"the machine is busy: the bare loop got a core for 1/{waited:.1f} of the time"
    return None


def _cpu_ratio(runs: Mapping[str, Sequence[Measured]], ours: str, peer: str) -> float:
    return _median_ratio([o.cpu_s for o in runs[ours]], [p.cpu_s for p in runs[peer]])


def _throughput_ratio(runs: Mapping[str, Sequence[Measured]], ours: str, peer: str) -> float:
    """Sound per hour of ``ours`` by that of ``peer``; of one sound: wall times the other way."""
    return _median_ratio([p.wall_s for p in runs[peer]], [o.wall_s for o in runs[ours]])


def _median_ratio(upper: Sequence[float], lower: Sequence[float]) -> float:
    ratios = [one / other for one, other in zip(upper, lower, strict=True)]
    return round(statistics.median(ratios), 3)


def _identical_share(runs: Mapping[str, Sequence[Measured]]) -> float:
    """How many of our texts of dense files are the bare loop's, to the character."""
    wanted = runs["bare"][0].texts
    hearings = [one.texts for name in ("ours", "ours_two_workers") for one in runs[name]]
    same = sum(
        found == right
        for texts in hearings
        for found, right in zip(_padded(texts, len(wanted)), wanted, strict=True)
    )
    return same / (len(wanted) * len(hearings)) if wanted else 0.0


def _cer(said: Sequence[str], heard: Sequence[str | None]) -> float:
    """Characters wrong, missing or added, in percent of those said."""
    pairs = zip(said, _padded(tuple(heard), len(said)), strict=True)
    counts = [speechio.errors(true, text or "") for true, text in pairs]
    return 100 * (sum(counts, speechio.ErrorCounts()).rate or 0.0)


def _padded(texts: tuple[str | None, ...], count: int) -> list[str | None]:
    return [*texts[:count], *[None] * (count - len(texts))]


def product(files: Sequence[Path], _out: Path, jobs: int) -> list[str]:
    """Our command line: the worker's decode path without the database."""
    options = ["--json", "--jobs", str(jobs), "--model", str(catalogue.STARTER)]
    return [sys.executable, "-m", "transcribe", *options, *map(str, files)]


def ungated(files: Sequence[Path], out: Path, jobs: int) -> list[str]:
    """The same with every pause decoded."""
    return [*product(files, out, jobs), "--no-gate"]


def bare(files: Sequence[Path], _out: Path, _jobs: int) -> list[str]:
    """Vosk with nothing around it."""
    return [
        sys.executable, "-m", "benchmarks.bare_vosk", str(catalogue.STARTER), *map(str, files)
    ]  # fmt: skip


def vosk_transcriber(files: Sequence[Path], out: Path, _jobs: int) -> list[str]:
    """Vosk's own tool over the folder; it takes all cores by itself."""
    tool = Path(sys.executable).parent / "vosk-transcriber"
    options = ["-m", str(catalogue.STARTER), "-t", "txt", "--log-level", "WARNING"]
    return [sys.executable, str(tool), *options, "-i", str(files[0].parent), "-o", str(out)]


def _run(command: Command, files: Sequence[Path], jobs: int) -> Measured:
    with tempfile.TemporaryDirectory(prefix="xy-bench-") as name:
        out, stdout = Path(name) / "out", Path(name) / "stdout"
        out.mkdir()
        line = command(files, out, jobs)
        env = {**os.environ, "PATH": f"{_ffmpeg_folder()}{os.pathsep}{os.environ['PATH']}"}
        with stdout.open("wb") as sink, (Path(name) / "stderr").open("wb") as complaints:
            began = time.monotonic()
            pid = os.posix_spawn(
                sys.executable,
                line,
                {**env, "PYTHONPATH": str(spoken.ROOT)},
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, sink.fileno(), 1),
                    (os.POSIX_SPAWN_DUP2, complaints.fileno(), 2),
                ],
            )
            _, _, used = os.wait4(pid, 0)
            wall_s = time.monotonic() - began
        texts = _texts(files, out, stdout)
        return Measured(used.ru_utime + used.ru_stime, wall_s, texts)


def _texts(files: Sequence[Path], out: Path, stdout: Path) -> tuple[str | None, ...]:
    if any(out.iterdir()):
        written = [out / f"{path.stem}.txt" for path in files]
        return tuple(
            "".join(path.read_text(encoding="utf-8").split()) if path.is_file() else None
            for path in written
        )
    answers = [json.loads(line) for line in stdout.read_text(encoding="utf-8").splitlines()]
    return tuple(one["text"] if isinstance(one, dict) else one for one in answers)


def _ffmpeg_folder() -> Path:
    """A folder with a program called ffmpeg, which vosk-transcriber looks for."""
    folder = spoken.CACHE.parent / "bin"
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "ffmpeg"
    if not program.exists():
        program.symlink_to(imageio_ffmpeg.get_ffmpeg_exe())
    return folder
