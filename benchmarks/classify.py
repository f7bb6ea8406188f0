"""Proposed kinds of reports: macro-F1 on typed and on spoken-and-recognised sentences.

Held-out sentences that share neither a sentence nor a family with the training; the peer in the
same run names the most frequent kind always. For the spoken part every sentence is spoken by
espeak-ng, sent through a telephone line (8 kHz) and heard by the starter model, so its figures say
what recognition errors cost, not how well a person is heard.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from benchmarks.harness import Figure, Result, result
from cases import learning, measuring, seeds
from cases.classifier import Classifier
from cases.seeds import Example
from recordings import sound, speech
from transcribe import catalogue, speechio
from transcribe.decoder import Decoder

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / "var" / "bench" / "classify"
LINE_HZ = 8_000
QUICK_OF = 6
TARGETS = {
    "typed_macro_f1_to_majority": ">= 10",
    "spoken_macro_f1_to_typed": ">= 0.7",
    "typed_right_when_proposed": ">= 0.8",
    "unclear_proposed_share": "<= 0.34",
}
"""The majority names one of 18 kinds: its macro-F1 is near 0.006, so ten times is easily passed by
words that mean something; the share of right proposals is what an operator feels."""


def run(quick: bool) -> Result:
    """The benchmark; some four minutes when the sound is not cached, ``quick`` under one."""
    examples = seeds.held_out()
    return measure(examples[::QUICK_OF] if quick else examples, learning.seeded())


def measure(
    examples: Sequence[Example],
    classifier: Classifier,
    *,
    hear: Callable[[Sequence[str]], list[str]] | None = None,
) -> Result:
    """Measure ``classifier``; ``hear`` turns sentences into what was recognised of them."""
    heard = (hear or recognised)([one.text for one in examples])
    spoken_examples = [replace(one, text=text) for one, text in zip(examples, heard, strict=True)]
    typed = measuring.measure(classifier, examples)
    spoken = measuring.measure(classifier, spoken_examples)
    baseline = measuring.majority(seeds.training(), examples)
    counts = [speechio.errors(one.text, text) for one, text in zip(examples, heard, strict=True)]
    wrong = sum(one.substitutions + one.deletions + one.insertions for one in counts)
    figures: dict[str, Figure] = {
        "typed_macro_f1": typed.macro_f1,
        "typed_abstained": typed.abstained,
        "typed_right_when_proposed": typed.right_when_proposed,
        "spoken_macro_f1": spoken.macro_f1,
        "spoken_abstained": spoken.abstained,
        "spoken_right_when_proposed": spoken.right_when_proposed,
        "spoken_cer": round(wrong / sum(one.characters for one in counts), 4),
        "majority_macro_f1": baseline,
        "typed_macro_f1_to_majority": round(typed.macro_f1 / baseline, 2),
        "spoken_macro_f1_to_typed": round(spoken.macro_f1 / typed.macro_f1, 3)
        if typed.macro_f1
        else 0.0,
        "unclear_proposed_share": round(typed.unclear_proposed / typed.unclear, 3)
        if typed.unclear
        else 0.0,
        "sentences": typed.examples,
        "kinds": len(typed.kinds),
    }
    for code, kind in typed.kinds.items():
        figures[f"f1_{code}"] = (
            f"{kind.f1:.2f} typed, {spoken.kinds[code].f1:.2f} spoken, {kind.count}"
        )
    return result("classify", figures, TARGETS)


def recognised(texts: Sequence[str], *, cache: Path = CACHE) -> list[str]:
    """What the starter model hears of each sentence over a telephone line; kept in ``cache``."""
    model = catalogue.starter()
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="xy-bench-") as name:
        folder = Path(name)
        decoder = Decoder(model.path, folder / "decoder")
        decoder.start()
        try:
            with ThreadPoolExecutor(2) as pool:
                return list(
                    pool.map(
                        lambda text: _heard(decoder, text, model.tree_hash, cache, folder), texts
                    )
                )
        finally:
            decoder.close()


def _heard(decoder: Decoder, text: str, model_hash: str, cache: Path, folder: Path) -> str:
    name = hashlib.sha256(f"{model_hash}:{text}".encode()).hexdigest()[:24]
    kept = cache / f"{name}.json"
    if not kept.exists():
        spoken, line = folder / f"{name}.spoken.wav", folder / f"{name}.wav"
        speech.render(text, spoken)
        sound.to_wav(spoken, line, rate_hz=LINE_HZ)
        heard = decoder.decode(line).text
        part = kept.with_suffix(".part")
        part.write_text(json.dumps(heard, ensure_ascii=False), encoding="utf-8")
        part.replace(kept)
    return str(json.loads(kept.read_text(encoding="utf-8")))
