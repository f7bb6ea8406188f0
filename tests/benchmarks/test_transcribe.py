"""The benchmark sees when its subject loses words or does too much work."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks import spoken, transcribe
from benchmarks.harness import missed
from benchmarks.transcribe import TARGETS, Material, Measured

Runs = dict[str, list[Measured]]
TEXTS: tuple[str | None, ...] = ("甲", "乙")
SAID = ["停水两天了" * 100, "路灯坏了" * 100]


def runs(**changed: Measured) -> Runs:
    voicemails = tuple(SAID)
    usual = {
        "ours": Measured(10.5, 11.0, TEXTS),
        "bare": Measured(10.0, 10.2, TEXTS),
        "ours_two_workers": Measured(10.8, 6.0, TEXTS),
        "ours_all_cores": Measured(10.8, 6.0, TEXTS),
        "vosk_transcriber": Measured(12.0, 6.6, TEXTS),
        "voicemail_ours": Measured(6.0, 3.5, voicemails),
        "voicemail_vosk_transcriber": Measured(9.0, 5.0, voicemails),
        "voicemail_ungated": Measured(8.0, 4.5, voicemails),
    }
    return {name: [one] * 3 for name, one in (usual | changed).items()}


def test_good_figures_meet_the_targets() -> None:
    found = transcribe.judge(runs(), SAID, TARGETS)
    assert found["figures"]["cpu_ours_to_bare"] == 1.05
    assert found["figures"]["throughput_ours_to_vosk_transcriber"] == 1.1
    assert found["figures"]["throughput_voicemail_ours_to_vosk_transcriber"] == 1.429
    assert found["figures"]["throughput_two_workers_to_one"] == 1.833
    assert found["figures"]["gate_changes_cer_points"] == 0.0
    assert found["met"]


@pytest.mark.parametrize(
    ("bad", "target"),
    [
        ({"ours": Measured(20.0, 11.0, TEXTS)}, "cpu_ours_to_bare"),
        ({"ours": Measured(10.5, 11.0, ("甲", ""))}, "identical_text_share"),
        ({"ours": Measured(10.5, 11.0, ("甲",))}, "identical_text_share"),
        ({"ours": Measured(10.5, 11.0, ("甲", None))}, "identical_text_share"),
        ({"ours_two_workers": Measured(10.5, 6.0, ("乙", "甲"))}, "identical_text_share"),
        ({"ours_all_cores": Measured(10.8, 7.0, TEXTS)}, "throughput_ours_to_vosk_transcriber"),
        ({"ours_two_workers": Measured(10.8, 7.0, TEXTS)}, "throughput_two_workers_to_one"),
        (
            {"voicemail_ours": Measured(6.0, 4.0, tuple(SAID))},
            "throughput_voicemail_ours_to_vosk_transcriber",
        ),
        (
            {"voicemail_ours": Measured(6.0, 3.5, (SAID[0], SAID[1][:-1]))},
            "gate_changes_cer_points",
        ),
    ],
)
def test_doubled_work_lost_words_and_slowness_miss_them(
    bad: dict[str, Measured], target: str
) -> None:
    found = transcribe.judge(runs(**bad), SAID, TARGETS)
    assert not found["met"]
    assert target in missed(found["figures"], TARGETS)


def test_a_busy_machine_and_a_deaf_yardstick_prove_nothing() -> None:
    found = transcribe.judge(runs(bare=Measured(10.0, 40.0, TEXTS)), SAID, TARGETS)
    assert not found["met"]
    assert "busy" in str(found["invalid"])
    for name in ("bare", "vosk_transcriber", "voicemail_vosk_transcriber"):
        deaf = runs(**{name: Measured(10.0, 10.0, ("甲", ""))})
        assert "no text" in str(transcribe.judge(deaf, SAID, TARGETS)["invalid"])


def test_voicemails_are_what_they_are_said_to_be(material: Material) -> None:
    sound_s = spoken.seconds(material.voicemails)
    assert [len(material.voicemails), len(material.said)] == [2, 2]
    assert 60 < sound_s < 200
    assert all(len(said) > 100 for said in material.said)


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
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    cache = tmp_path_factory.mktemp("corpus")
    return Material(spoken.dense(2, cache=cache), *spoken.voicemails(2, cache=cache))


@pytest.mark.slow
def test_in_real_runs_our_text_is_the_bare_loops_and_the_gate_changes_none(
    material: Material,
) -> None:
    targets = {"identical_text_share": "== 1.0", "gate_changes_cer_points": "<= 0.1"}
    found = transcribe.measure(material, rounds=1, targets=targets)
    assert missed(found["figures"], targets) == []
    assert isinstance(found["figures"]["dense_sound_s"], float)
    assert found["figures"]["dense_sound_s"] > 30


@pytest.mark.slow
def test_in_real_runs_a_dropped_result_and_repeated_work_are_seen(material: Material) -> None:
    texts = {"identical_text_share": "== 1.0", "gate_changes_cer_points": "<= 0.1"}
    dropped = transcribe.measure(material, rounds=1, targets=texts, ours=dropping)
    assert dropped["figures"]["identical_text_share"] == 0.5
    assert missed(dropped["figures"], texts) == list(texts)
    assert not dropped["met"]
    wasted = transcribe.measure(
        material, rounds=1, targets={"cpu_ours_to_bare": "<= 1.6"}, ours=wasteful
    )
    assert wasted["figures"]["identical_text_share"] == 1.0
    assert missed(wasted["figures"], wasted["targets"]) == ["cpu_ours_to_bare"]
