"""Sets of clips, their error rate and its certainty, and the verdict in plain words."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidInput
from core.settings import Settings
from tests.transcribe.conftest import Spoken
from transcribe import catalogue, check, evaluate, records
from transcribe import spoken as spoken_sets
from transcribe.evaluate import Clip, ClipResult, Evaluation
from transcribe.speechio import ErrorCounts

COUNTS = st.builds(
    ErrorCounts,
    substitutions=st.integers(0, 5),
    deletions=st.integers(0, 5),
    insertions=st.integers(0, 5),
    characters=st.integers(10, 30),
)


def evaluation(*counts: ErrorCounts, problem: str | None = None) -> Evaluation:
    clip = Clip(Path("clip.wav"), "")
    return Evaluation(tuple(ClipResult(clip, "", count, problem) for count in counts))


def write_set(folder: Path, name: str, content: str) -> Path:
    for clip in ("a.wav", "b.wav"):
        (folder / clip).touch()
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return path


def test_a_manifest_is_json_or_lines_and_its_paths_are_beside_it(tmp_path: Path) -> None:
    expected = [Clip(tmp_path / "a.wav", "我家停水"), Clip(tmp_path / "b.wav", "路灯 坏了")]
    entries = [{"file": "a.wav", "text": "我家停水"}, {"file": "b.wav", "text": "路灯 坏了"}]
    as_json = write_set(tmp_path, "set.json", json.dumps(entries))
    lines = write_set(tmp_path, "set.tsv", "\ufeffa.wav\t我家停水\r\n\nb.wav\t路灯 坏了\n")
    assert evaluate.read_set(as_json) == evaluate.read_set(lines) == expected


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("set.json", "[", "Entry 1"),
        ("set.json", '{"file": "a.wav"}', "Entry 1 .*no list"),
        ("set.json", '[{"file": "a.wav", "text": "x"}, {"file": "b.wav"}]', "Entry 2 .*text"),
        ("set.tsv", "a.wav\tx\nb.wav x\n", "Entry 2 .*no tab"),
        ("set.tsv", "a.wav\tx\ngone.wav\tx\n", "Entry 2 .*gone.wav is missing"),
        ("set.tsv", "\n", "no clips"),
    ],
)
def test_a_wrong_entry_is_named(name: str, content: str, complaint: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=complaint) as caught:
        evaluate.read_set(write_set(tmp_path, name, content))
    assert caught.value.field == "set"


def test_a_model_is_measured_and_a_broken_sound_counts_as_missed(
    sentences: list[Spoken], tmp_path: Path
) -> None:
    broken = tmp_path / "broken.wav"
    broken.write_text("no sound")
    clips = [
        Clip(sentences[0].telephone, f"呃，{sentences[0].text}。"),
        Clip(broken, "四个字呢"),
        Clip(sentences[1].wide, sentences[1].text),
    ]
    done: list[int] = []
    found = evaluate.evaluate(catalogue.starter(), clips, on_clip=done.append)
    assert [result.counts.errors for result in found.results] == [0, 4, 0]
    assert found.results[0].heard == sentences[0].text
    assert found.results[1].problem is not None
    assert done == [1, 2, 3]
    assert evaluate.figures(found)["unheard"] == 1
    assert found.total.deletions == 4


def test_a_set_without_a_character_has_no_rate(spoken: Spoken) -> None:
    with pytest.raises(InvalidInput, match="nothing to compare"):
        evaluate.evaluate(catalogue.starter(), [Clip(spoken.wide, "，")])


def test_the_interval_is_the_same_each_time_and_narrows_with_more_clips() -> None:
    few = [ErrorCounts(0, 0, 0, 10), ErrorCounts(4, 0, 0, 10)] * 3
    low, high = evaluate.bootstrap(few) or (0.0, 0.0)
    assert (low, high) == evaluate.bootstrap(few)
    assert low < 0.2 < high
    narrow_low, narrow_high = evaluate.bootstrap(few * 30) or (0.0, 0.0)
    assert low < narrow_low < 0.2 < narrow_high < high
    normal_width = 1.96 * 0.2 / math.sqrt(180)  # 180 clips, standard deviation 0.2
    assert narrow_high - 0.2 == pytest.approx(normal_width, rel=0.15)


def test_one_clip_has_no_interval_and_equal_clips_have_none_to_speak_of() -> None:
    assert evaluate.bootstrap([ErrorCounts(1, 0, 0, 10)]) is None
    assert evaluate.bootstrap([ErrorCounts(1, 0, 0, 10)] * 5) == (0.1, 0.1)


@given(st.lists(COUNTS, min_size=2, max_size=12))
def test_the_interval_lies_between_the_best_and_the_worst_clip(counts: list[ErrorCounts]) -> None:
    rates = [count.rate or 0.0 for count in counts]
    low, high = evaluate.bootstrap(counts) or (-1.0, -1.0)
    assert min(rates) - 1e-9 <= low <= high <= max(rates) + 1e-9


def test_what_is_kept_holds_figures_and_no_words(config: Settings, spoken: Spoken) -> None:
    model = catalogue.starter()
    found = evaluate.evaluate(model, [Clip(spoken.wide, spoken.text)])
    for name in ("ours", "others", "ours"):
        kept = evaluate.summary(found, name)
        records.keep_evaluation(catalogue.folder(config), model.tree_hash, kept)
    results = records.evaluations(catalogue.folder(config), model.tree_hash)
    assert [result["set"] for result in results] == ["others", "ours"]
    assert (results[0]["cer"], results[0]["characters"]) == (0.0, len(spoken.text))
    assert spoken.text not in json.dumps(results, ensure_ascii=False)


@pytest.mark.slow
def test_our_own_set_is_spoken_once_and_kept(config: Settings) -> None:
    first = spoken_set(config)
    changed = {clip.path: clip.path.stat().st_mtime_ns for clip in first}
    first[3].path.unlink()
    again = spoken_set(config)
    assert again == first
    redone = [c for c in again if c.path.stat().st_mtime_ns != changed[c.path]]
    assert redone == [first[3]]
    assert all(clip.path.read_bytes()[20:22] == b"\x06\x00" for clip in again)  # A-law


def spoken_set(config: Settings) -> list[Clip]:
    return spoken_sets.clips(config, spoken_sets.TELEPHONE)


def test_the_verdict_is_about_the_limit() -> None:
    good = [ErrorCounts(1, 0, 0, 14)] * 30
    assert check.judge(evaluation(*good)).passes
    assert not check.judge(evaluation(*good), limit=0.05).passes
    at_limit = evaluation(ErrorCounts(3, 0, 0, 10), ErrorCounts(3, 0, 0, 10))
    assert check.judge(at_limit, limit=0.3).passes
    assert "does NOT understand" in check.judge(at_limit, limit=0.29).sentences[0]


def test_few_clips_or_few_characters_are_weak_evidence_and_enough_are_not() -> None:
    enough = check.judge(evaluation(*[ErrorCounts(0, 0, 0, 14)] * 30))
    assert len(enough.sentences) == 1
    for weak in ([ErrorCounts(0, 0, 0, 100)] * 29, [ErrorCounts(0, 0, 0, 10)] * 30):
        verdict = check.judge(evaluation(*weak))
        assert "weak evidence" in verdict.sentences[1]


def test_a_result_that_other_clips_could_turn_says_so() -> None:
    mixed = [ErrorCounts(0, 0, 0, 20), ErrorCounts(11, 0, 0, 20)] * 15
    verdict = check.judge(evaluation(*mixed))
    assert verdict.passes
    assert "as well lie above the limit" in verdict.sentences[1]


def test_clips_that_could_not_be_decoded_are_said_to_count_as_missed() -> None:
    found = evaluation(*[ErrorCounts(0, 1, 0, 14)] * 30, problem="damaged")
    assert check.judge(found).sentences[-1].startswith("30 clips could not be decoded")
