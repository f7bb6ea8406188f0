"""``python -m transcribe check-model``: does the model understand your own people?"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from transcribe import check
from transcribe.commands import EXIT_FAILED, load_settings
from transcribe.commands.evaluate import add_model, clips_of, measure, model_of, print_results


def run(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m transcribe check-model",
        description="Decode clips of people and say whether the model understands them.",
        epilog=f"Exit code {EXIT_FAILED} when more characters are wrong than the limit allows.",
    )
    add_model(parser)
    parser.add_argument("--clips", required=True, metavar="MANIFEST", help="as for evaluate --set")
    parser.add_argument(
        "--limit", type=float, default=check.LIMIT * 100, help="percent of characters wrong"
    )
    parser.add_argument("--texts", action="store_true", help="show what was said and heard")
    chosen = parser.parse_args(arguments)
    config = load_settings()
    model = model_of(config, chosen.model)
    found = measure(config, model, clips_of(config, chosen.clips), chosen.clips)
    print_results(found, with_texts=chosen.texts)
    verdict = check.judge(found, chosen.limit / 100)
    for sentence in verdict.sentences:
        print(sentence)
    if model.warning:
        print(model.warning)
    return 0 if verdict.passes else EXIT_FAILED
