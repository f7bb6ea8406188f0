"""Search graphs, features and labels, made with the real tools and judged by Vosk."""

from __future__ import annotations

import json
import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from tests.transcribe.conftest import Spoken
from tests.transcribe.starter_network import scores
from tests.transcribe.starter_tools import run_there, training_python
from transcribe.catalogue import STARTER
from transcribe.decoder import Decoder
from transcribe.starter import acoustic, phones, tools
from transcribe.starter.slow import MODEL_FILE

pytestmark = pytest.mark.slow

GRAPH = """
import json, sys
from pathlib import Path
from transcribe.starter import lexicon, phones, tools
from transcribe.starter.fst import Workshop
from transcribe.starter.graph import write_graph
from transcribe.starter.language import Trigrams
out, sentences = Path(sys.argv[1]), json.loads(sys.argv[2])
words = {word for sentence in sentences for word in sentence}
readings = {word: [phones.syllables(word)] for word in words}
readings[lexicon.UNKNOWN] = lexicon.any_syllable()
workshop = Workshop(tools.fst_programs(), out.with_name("work"))
write_graph(out, readings, Trigrams(sentences, {}), workshop)
"""
LOOPS = """
import json, sys
from transcribe.starter.fst import Arc, Graph
from transcribe.starter.graph import with_loops
arcs = [Arc(*each) for each in json.loads(sys.argv[1])]
looped = with_loops(Graph(arcs, {1: 0.0}))
print(json.dumps([looped.arcs, list(looped.final.items())]))
"""
UTTERANCE = """
import sys
import numpy as np
from transcribe.starter import alignment, phones, sound, voices
from transcribe.starter.features import mfcc
speaker = voices.Espeak()
words = [phones.syllables(word) for word in sys.argv[2].split()]
spoken = speaker.speak(" ".join(map("".join, words)), voices.Manner())
marks = alignment.Aligner(speaker).marks(words, spoken)
padded, moved = sound.between_silences(sound.at_16_khz(spoken.samples), marks, 4_000, 4_000, 1)
features = mfcc(padded)
labels = alignment.labels(moved, -(-len(features) // 3))
np.savez(sys.argv[1], features=features, labels=labels)
"""


@pytest.fixture(scope="module")
def python() -> Path:
    return training_python(torch=False)


@pytest.fixture(scope="module")
def model(python: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped network with a graph of a few words of our own."""
    made = tmp_path_factory.mktemp("made") / "model"
    for part in ("am", "conf"):
        shutil.copytree(STARTER / part, made / part)
    words = ["我家 停水 两天 了 请 派 人 来 看看", "村里 的 路灯 坏 了 好 几天", "停 水"]
    run_there(python, GRAPH, made / "graph", json.dumps([each.split() for each in words]))
    return made


def test_vosk_hears_the_words_of_a_graph_made_here(
    model: Path, sentences: list[Spoken], tmp_path: Path
) -> None:
    decoder = Decoder(model, tmp_path / "decoder")
    decoder.start()
    try:
        heard = decoder.decode(sentences[1].wide)
    finally:
        decoder.close()
    assert [word.text for word in heard.words] == ["村里", "的", "路灯", "坏", "了", "好", "几天"]


def test_words_are_heard_when_they_are_spoken(model: Path, spoken: Spoken, tmp_path: Path) -> None:
    decoder = Decoder(model, tmp_path / "decoder")
    decoder.start()
    try:
        words = decoder.decode(spoken.wide).words
    finally:
        decoder.close()
    assert words[0].text == "我家"
    assert all(before.end_ms <= after.start_ms + 30 for before, after in pairwise(words))
    assert all(100 <= word.end_ms - word.start_ms <= 900 for word in words)


def test_words_that_sound_alike_both_stand_in_the_graph(model: Path) -> None:
    rows = (model / "graph" / "words.txt").read_text(encoding="utf-8").splitlines()
    numbers = dict(row.rsplit(" ", 1) for row in rows)
    assert numbers["<eps>"] == "0"
    assert {"停", "停水", "[unk]"} <= numbers.keys()
    assert len(set(numbers.values())) == len(numbers)


def test_every_mark_is_told_to_vosk(model: Path) -> None:
    marks = (model / "graph" / "disambig_tid.int").read_text(encoding="ascii").split()
    assert [int(mark) for mark in marks] == [
        phones.TRANSITIONS + number for number in range(1, len(marks) + 1)
    ]
    assert len(marks) >= 2  # pauses, and 停 that is the beginning of 停水


def looped(python: Path, arcs: list[tuple[int, int, int, int, float]]) -> tuple[list, dict]:
    found, final = json.loads(run_there(python, LOOPS, json.dumps(arcs)))
    return [tuple(arc) for arc in found], dict(final)


def test_a_state_entered_by_one_sound_loops_on_it(python: Path) -> None:
    arcs, final = looped(python, [(0, 1, 8, 5, 0.5)])
    assert sorted(arcs) == [(0, 1, 8, 5, 0.5), (1, 1, 7, 0, 0.0)]
    assert final == {1: 0.0}


def test_a_state_entered_by_two_sounds_gets_a_state_with_a_loop_for_each(python: Path) -> None:
    arcs, _ = looped(python, [(0, 1, 8, 5, 0.5), (0, 1, 12, 6, 0.25)])
    assert sorted(arcs) == [
        (0, 2, 8, 5, 0.5),
        (0, 3, 12, 6, 0.25),
        (2, 1, 0, 0, 0.0),
        (2, 2, 7, 0, 0.0),
        (3, 1, 0, 0, 0.0),
        (3, 3, 11, 0, 0.0),
    ]


def test_a_mark_takes_no_time(python: Path) -> None:
    mark = phones.TRANSITIONS + 1
    arcs, _ = looped(python, [(0, 1, mark, 0, 0.0)])
    assert arcs == [(0, 1, mark, 0, 0.0)]


def test_features_and_labels_are_those_that_vosks_network_expects(
    python: Path, tmp_path: Path
) -> None:
    """The shipped network, fed our features, finds our labels: all three must fit together."""
    path = tmp_path / "utterance.npz"
    run_there(python, UTTERANCE, path, "我家 停水 两天 了 请 派 人 来 看看")
    utterance = np.load(path)
    network = acoustic.read((STARTER / MODEL_FILE).read_bytes())
    found = scores(network, utterance["features"]).argmax(axis=1)
    right = (found == utterance["labels"]).mean()
    assert right > 0.75


def test_the_programs_can_be_had_without_root(tmp_path: Path) -> None:
    if shutil.which("apt-get") is None:
        pytest.skip("no apt-get here: Debian's packages cannot be fetched")
    tools.unpack_fst(tmp_path / "libfst")
    assert (tmp_path / "libfst" / "usr/bin/fstconvert").is_file()
    assert list((tmp_path / "libfst").glob("usr/lib/*/libfstlookahead.so.22"))
