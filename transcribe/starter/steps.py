"""Steps that need the training tools: ``python -m transcribe.starter.steps STEP BASE RECIPE [N]``.

``build`` starts each in a process of its own, with the Python of ``tools.VENV``.
"""

from __future__ import annotations

import json
import sys
import wave
from collections.abc import Sequence
from pathlib import Path
from random import Random

import numpy as np

from transcribe.starter import lexicon, sentences, tools, voices
from transcribe.starter.alignment import Aligner
from transcribe.starter.recipe import EXAM, RECIPES, ExamSet, Place

_LANGUAGE_SEED, _EXAM_SEED = 777, 4_242
_EVERYDAY_REPEATS = 40
"""An everyday sentence counts as often in the statistics of words: there are few of them."""

_SILENCE_S = 0.3


def speech(place: Place, number: int) -> None:
    """Make one file of training sound."""
    from transcribe.starter.utterances import write_shard

    seed, seconds = place.recipe.shard(number)
    path = place.shards[number]
    path.parent.mkdir(parents=True, exist_ok=True)
    facts = write_shard(path, seed, seconds)
    _say(f"shard {number}: {json.dumps(facts)}")


def training(place: Place) -> None:
    """Train the network on all shards but the first, which tells how well it goes."""
    import torch

    from transcribe.starter.training import Plan, train
    from transcribe.starter.utterances import read_shards

    torch.set_num_threads(1)  # sums in one order: the same network each time
    held_back, *files = place.shards
    trained = train(
        read_shards(files),
        read_shards([held_back]),
        place.part("training.checkpoint"),
        Plan(place.recipe.steps),
        _say,
    )
    trained.save(place.network)


def graph(place: Place) -> None:
    """Make the search graph from the lexicon and the statistics of words."""
    from transcribe.starter.fst import Workshop
    from transcribe.starter.graph import write_graph
    from transcribe.starter.language import Trigrams

    cutter = lexicon.Segmenter(lexicon.dictionary())
    texts = sentences.training(_LANGUAGE_SEED, place.recipe.sentences)
    texts += sentences.phrases().everyday * _EVERYDAY_REPEATS
    texts += sentences.statistics(_LANGUAGE_SEED, place.recipe.sentences // 2)
    cut = [words for words in map(cutter.cut, texts) if all(map(lexicon.is_readable, words))]
    general = lexicon.most_frequent(place.recipe.general_words)
    words = sorted({word for each in cut for word in each} | general.keys())
    aligner = Aligner(voices.Espeak())
    readings = lexicon.readings(words, aligner.said)
    readings[lexicon.UNKNOWN] = lexicon.any_syllable()
    workshop = Workshop(tools.fst_programs(), place.part("graph-work"))
    write_graph(place.graph, readings, Trigrams(cut, general), workshop)
    _say(f"{len(words)} words, {len(cut)} sentences")


def exam(place: Place) -> None:
    """Speak the sentences that measure the model, in manners that training never uses."""
    speaker = voices.Espeak()
    for number, each in enumerate(EXAM):
        _speak_set(speaker, each, place, Random(_EXAM_SEED + number))
    (place.exam / "done").touch()


def _speak_set(speaker: voices.Espeak, each: ExamSet, place: Place, chance: Random) -> None:
    texts = sentences.held_out(chance.randrange(2**32), place.recipe.held_out)
    if each.free:
        texts = sentences.phrases().free[: place.recipe.held_out]
    folder = place.exam / each.name
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for number, text in enumerate(texts):
        variant = each.variants[number % len(each.variants)]
        spoken = speaker.speak(text, voices.Manner(variant, each.rate_wpm))
        _write_wav(folder / f"{number:03}.wav", spoken.samples)
        lines.append(f"{number:03}.wav\t{text}\n")
    (folder / "set.tsv").write_text("".join(lines), encoding="utf-8")


def _write_wav(path: Path, samples: np.ndarray[tuple[int], np.dtype[np.int16]]) -> None:
    silence = b"\0\0" * int(_SILENCE_S * voices.SAMPLE_RATE_HZ)
    with wave.open(str(path), "wb") as out:
        out.setparams((1, 2, voices.SAMPLE_RATE_HZ, 0, "NONE", ""))
        out.writeframes(silence + samples.astype("<i2").tobytes() + silence)


def _say(text: str) -> None:
    sys.stdout.write(f"  {text}\n")
    sys.stdout.flush()


def main(arguments: Sequence[str]) -> None:
    step, base, recipe, *number = arguments
    place = Place(Path(base), RECIPES[recipe])
    if step == "speech":
        speech(place, int(number[0]))
    else:
        {"training": training, "graph": graph, "exam": exam}[step](place)


if __name__ == "__main__":
    main(sys.argv[1:])
