"""Sound to words: our decode path against a bare Vosk loop and against vosk-transcriber.

The same files (spoken by espeak-ng, kept in var/bench) and the same model for all, as processes,
in turns. CPU seconds include every child. Targets: at most 10 % more CPU than the bare loop,
at least vosk-transcriber's throughput with the same cores, and exactly the bare loop's text.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import statistics
import sys
import tempfile
import time
import wave
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import imageio_ffmpeg

from benchmarks.harness import Figure, Result, result
from recordings import sound, speech
from transcribe import catalogue

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / "var" / "bench" / "transcribe"
RATE_HZ = 16_000
TARGETS = {
    "cpu_ours_to_bare": "<= 1.10",
    "throughput_ours_to_vosk_transcriber": ">= 1.0",
    "identical_text_share": "== 1.0",
}
QUICK_TARGETS = {**TARGETS, "cpu_ours_to_bare": "<= 1.6"}
"""A short run is mostly start-up (ours loads the model in a process of its own, after its own
imports), so it allows more CPU; text and throughput are judged as in the long run."""

BUSY = 1.5
"""A bare loop that waits (wall time by CPU time) or varies by this factor: a machine too busy."""

PLACES = ("村东头", "老槐树旁边", "小学门口", "二组的水渠边", "村委会后面", "桥头", "三组晒谷场")
TROUBLES = (
    "路灯坏了好几天", "停水两天了", "垃圾没有人清理", "井盖不见了", "电线掉下来了",
    "路面塌了一块", "有人乱倒污水", "水管漏水很严重", "晚上噪音太大",
)  # fmt: skip
WISHES = ("请派人来看看", "希望尽快处理", "老人出门很不方便", "请给我们一个答复", "已经说过好几次")

Command = Callable[[Sequence[Path], Path, int], list[str]]
"""(files, folder for output, files at a time) -> command line."""


@dataclass(frozen=True)
class Measured:
    """One process: seconds, and the text of each file in order (None where it gave none)."""

    cpu_s: float
    wall_s: float
    texts: tuple[str | None, ...]


def run(quick: bool) -> Result:
    """The benchmark; some 4 minutes on two free cores, ``quick`` under one."""
    files = corpus(6 if quick else 16)
    return measure(files, rounds=2 if quick else 5, targets=QUICK_TARGETS if quick else TARGETS)


def measure(
    files: Sequence[Path], *, rounds: int, targets: Mapping[str, str], ours: Command | None = None
) -> Result:
    """Run all subjects ``rounds`` times in turns and judge. ``ours`` replaces the product."""
    cores = len(os.sched_getaffinity(0))
    ours = ours or product
    subjects: dict[str, tuple[Command, int]] = {
        "ours": (ours, 1),
        "bare": (bare, 1),
        "ours_all_cores": (ours, cores),
        "vosk_transcriber": (vosk_transcriber, cores),
    }
    runs: dict[str, list[Measured]] = {name: [] for name in subjects}
    for number in range(rounds):
        order = list(subjects) if number % 2 == 0 else list(reversed(subjects))
        for name in order:
            command, jobs = subjects[name]
            runs[name].append(_run(command, files, jobs))
    return judge(runs, _seconds(files), targets)


def judge(
    runs: Mapping[str, Sequence[Measured]], sound_s: float, targets: Mapping[str, str]
) -> Result:
    """Figures and verdict. Ratios are medians over rounds of the two runs of the same round."""
    ours, bare_runs = runs["ours"], runs["bare"]
    peer, all_cores = runs["vosk_transcriber"], runs["ours_all_cores"]
    wanted = bare_runs[0].texts
    hearings = [text for one in (*ours, *all_cores) for text in _padded(one.texts, len(wanted))]
    expected = wanted * (len(ours) + len(all_cores))
    same = sum(found == right for found, right in zip(hearings, expected, strict=True))
    figures: dict[str, Figure] = {
        "cpu_ours_to_bare": _median_ratio([o.cpu_s for o in ours], [b.cpu_s for b in bare_runs]),
        "throughput_ours_to_vosk_transcriber": _median_ratio(
            [p.wall_s for p in peer], [o.wall_s for o in all_cores]
        ),
        "cpu_ours_to_vosk_transcriber": _median_ratio(
            [o.cpu_s for o in all_cores], [p.cpu_s for p in peer]
        ),
        "identical_text_share": same / len(expected) if expected else 0.0,
        "sound_s": round(sound_s, 1),
        "files": len(wanted),
        "rounds": len(ours),
        "bare_cpu_s": round(statistics.median(one.cpu_s for one in bare_runs), 2),
        "ours_cpu_s": round(statistics.median(one.cpu_s for one in ours), 2),
        "ours_wall_s_all_cores": round(statistics.median(one.wall_s for one in all_cores), 2),
        "vosk_transcriber_wall_s": round(statistics.median(one.wall_s for one in peer), 2),
        "model": catalogue.STARTER_NAME,
    }
    return result("transcribe", figures, targets, invalid=_invalid(bare_runs, peer))


def _invalid(bare_runs: Sequence[Measured], peer: Sequence[Measured]) -> str | None:
    if not all(text for one in (*bare_runs, *peer) for text in one.texts):
        return "the bare loop or vosk-transcriber gave no text for a file"
    if len({one.texts for one in bare_runs}) > 1:
        return "the bare loop did not hear the same text twice"
    spent = [one.cpu_s for one in bare_runs]
    if max(spent) > BUSY * min(spent):
        return f"the machine is busy: the bare loop took {min(spent):.1f} to {max(spent):.1f} CPU s"
    waited = statistics.median(one.wall_s / one.cpu_s for one in bare_runs)
    if waited > BUSY:
        return f"the machine is busy: the bare loop got a core for 1/{waited:.1f} of the time"
    return None


def _median_ratio(upper: Sequence[float], lower: Sequence[float]) -> float:
    ratios = [one / other for one, other in zip(upper, lower, strict=True)]
    return round(statistics.median(ratios), 3)


def _padded(texts: tuple[str | None, ...], count: int) -> list[str | None]:
    return [*texts[:count], *[None] * (count - len(texts))]


def product(files: Sequence[Path], _out: Path, jobs: int) -> list[str]:
    """Our command line: the worker's decode path without the database."""
    options = ["--json", "--jobs", str(jobs), "--model", str(catalogue.STARTER)]
    return [sys.executable, "-m", "transcribe", *options, *map(str, files)]


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
                {**env, "PYTHONPATH": str(ROOT)},
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
    folder = CACHE.parent / "bin"
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "ffmpeg"
    if not program.exists():
        program.symlink_to(imageio_ffmpeg.get_ffmpeg_exe())
    return folder


def corpus(count: int, *, cache: Path = CACHE) -> list[Path]:
    """``count`` spoken paragraphs (16 kHz PCM16 mono WAV), the same ones each time."""
    dice = random.Random(20_250_601)
    texts = [_paragraph(dice) for _ in range(count)]
    folder = cache / hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]
    files = [folder / f"{number:03d}.wav" for number in range(count)]
    if not folder.is_dir():
        part = folder.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        for text, path in zip(texts, files, strict=True):
            spoken = cache / "spoken.wav"
            speech.render(text, spoken)
            sound.to_wav(spoken, part / path.name, rate_hz=RATE_HZ)
            spoken.unlink()
        part.rename(folder)
    return files


def _paragraph(dice: random.Random) -> str:
    return "。".join(
        dice.choice(PLACES) + dice.choice(TROUBLES) + "，" + dice.choice(WISHES) for _ in range(6)
    )


def _seconds(files: Sequence[Path]) -> float:
    total = 0.0
    for path in files:
        with wave.open(str(path), "rb") as opened:
            total += opened.getnframes() / opened.getframerate()
    return total
