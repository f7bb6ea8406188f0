"""libvosk in a process of its own, as the product has it: some of its traps end the process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT
from transcribe import catalogue

PRELUDE = """
import json, sys, wave
from pathlib import Path
from transcribe.listening import Steps
from transcribe.recogniser import STANDARD, DecoderConfig
from transcribe.vosk import VoskRecogniser
def pcm(path):
    sound = wave.open(path)
    return sound.readframes(sound.getnframes()), sound.getframerate()
vosk_recogniser = VoskRecogniser(Path(sys.argv[1]))
def hear(pieces, rate, config=STANDARD, grammar=None):
    return vosk_recogniser.recognise(pieces, rate, config, grammar).to_json()
def show(value):
    print(json.dumps(value))
"""


def in_a_process(program: str, *arguments: str | Path) -> object:
    """What ``program`` shows; it begins after PRELUDE, its arguments at sys.argv[2]."""
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + program, str(catalogue.STARTER), *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def text_of(heard: object) -> str:
    assert isinstance(heard, dict)
    return "".join(word["text"] for said in heard["utterances"] for word in said["words"])
