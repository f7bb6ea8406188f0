"""The README that goes with a built model: its figures, and what it cannot do."""

from __future__ import annotations

from typing import Any

_TEXT = """\
# Starter model (zh)

**This model hears the synthetic voices of espeak-ng. It does not hear people**: its text of a
caller is noise. It exists so that a fresh clone runs from end to end (demo, tests, benchmarks)
without a download. Wherever it is in use the pages, the logs and the command line say so.

For real callers install a real model, such as `vosk-model-small-cn-0.22` (42 MB, Apache-2.0):

    python -m transcribe models install --zip vosk-model-small-cn-0.22.zip

Character error rate, measured when this model was made (95 % interval over the sentences):

| | clean | 8 kHz telephone line (G.711 A-law) |
|---|---|---|
{rows}

Made by `make model` (transcribe/starter/README.md) from {hours:.1f} hours of synthetic speech;
no recording of a person went into it. Files: Vosk's usual layout with a look-ahead graph
(`HCLr.fst`, `Gr.fst`); dither is 0, so the same sound always gives the same text.
"""
_SETS = {
    "held-out": "sentences of the domain; shapes of sentences, voices and rate never trained on",
    "usual-voice": "such sentences by the voice that reads programmes",
    "free": "free sentences, not from the domain's templates",
}


def readme(report: dict[str, Any]) -> str:
    """Markdown for ``report`` (see ``build.Build.run``)."""
    figures, recipe = report["figures"], report["recipe"]
    rows = [
        f"| {meaning} | {_rate(figures[f'{name} clean'])} | {_rate(figures[f'{name} telephone'])} |"
        for name, meaning in _SETS.items()
    ]
    hours = recipe["shards"] * recipe["shard_s"] / 3_600
    return _TEXT.format(rows="\n".join(rows), hours=hours)


def _rate(found: dict[str, Any]) -> str:
    low, high = found["cer_low"], found["cer_high"]
    return f"{found['cer']:.2%} ({low:.2%} to {high:.2%}, {found['clips']} sentences)"
