"""The benchmark sees when its subject loses words or does too much work."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks import transcribe
from benchmarks.harness import missed
from benchmarks.transcribe import TARGETS, Measured


def runs(
    ours_cpu_s: float = 10.5,
    ours_texts: tuple[str | None, ...] = ("甲", "乙"),
    wall_s: float = 10.0,
) -> dict[str, list[Measured]]:
    texts = ("甲", "乙")
    return {
        "ours": [Measured(ours_cpu_s, 11.0, ours_texts)] * 3,
        "bare": [Measured(10.0, 10.2, texts)] * 3,
        "ours_all_cores": [Measured(ours_cpu_s, wall_s, ours_texts)] * 3,
        "vosk_transcriber": [Measured(12.0, 11.0, texts)] * 3,
    }


def test_good_figures_meet_the_targets() -> None:
    found = transcribe.judge(runs(), 300.0, TARGETS)
    assert found["figures"]["cpu_ours_to_bare"] == 1.05
    assert found["figures"]["throughput_ours_to_vosk_transcriber"] == 1.1
    assert found["met"]


@pytest.mark.parametrize(
    "bad",
    [
        runs(ours_cpu_s=20.0),
        runs(ours_texts=("甲", "")),
        runs(ours_texts=("甲",)),
        runs(ours_texts=("甲", None)),
        runs(ours_texts=("乙", "甲")),
        runs(wall_s=11.5),
    ],
)
def test_doubled_work_lost_words_and_slowness_miss_them(bad: dict[str, list[Measured]]) -> None:
    assert not transcribe.judge(bad, 300.0, TARGETS)["met"]


def test_a_busy_machine_and_a_deaf_yardstick_prove_nothing() -> None:
    busy = runs() | {"bare": [Measured(10.0, 40.0, ("甲", "乙"))] * 3}
    found = transcribe.judge(busy, 300.0, TARGETS)
    assert not found["met"]
    assert "busy" in str(found["invalid"])
    deaf = runs() | {"bare": [Measured(10.0, 10.0, ("甲", ""))] * 3}
    assert "no text" in str(transcribe.judge(deaf, 300.0, TARGETS)["invalid"])


DROP_THE_LAST_WORD = """
import json, subprocess, sys
done = subprocess.run([sys.executable, *sys.argv[1:]], capture_output=True, text=True, check=True)
*lines, last = map(json.loads, done.stdout.splitlines())
last["text"] = last["text"][:-1]
for line in (*lines, last):
    print(json.dumps(line))
"""


def dropping(files: Sequence[Path], out: Path, jobs: int) -> list[str]:
    honest = transcribe.product(files, out, jobs)
    return [honest[0], "-c", DROP_THE_LAST_WORD, *honest[1:]]


WORK_THREE_TIMES = """
import subprocess, sys
for _ in range(3):
    done = subprocess.run([sys.executable, *sys.argv[1:]], capture_output=True, text=True)
print(done.stdout, end="")
"""


def wasteful(files: Sequence[Path], out: Path, jobs: int) -> list[str]:
    honest = transcribe.product(files, out, jobs)
    return [honest[0], "-c", WORK_THREE_TIMES, *honest[1:]]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return transcribe.corpus(2, cache=tmp_path_factory.mktemp("corpus"))


@pytest.mark.slow
def test_in_real_runs_our_text_is_the_bare_loops_to_the_character(files: list[Path]) -> None:
    found = transcribe.measure(files, rounds=1, targets={"identical_text_share": "== 1.0"})
    assert found["figures"]["identical_text_share"] == 1.0
    assert isinstance(found["figures"]["sound_s"], float)
    assert found["figures"]["sound_s"] > 30


@pytest.mark.slow
def test_in_real_runs_a_dropped_result_and_repeated_work_are_seen(files: list[Path]) -> None:
    dropped = transcribe.measure(
        files, rounds=1, targets={"identical_text_share": "== 1.0"}, ours=dropping
    )
    assert dropped["figures"]["identical_text_share"] == 0.5
    assert not dropped["met"]
    wasted = transcribe.measure(
        files, rounds=1, targets={"cpu_ours_to_bare": "<= 1.6"}, ours=wasteful
    )
    assert wasted["figures"]["identical_text_share"] == 1.0
    assert missed(wasted["figures"], wasted["targets"]) == ["cpu_ours_to_bare"]
