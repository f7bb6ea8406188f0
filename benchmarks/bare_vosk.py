"""The yardstick of benchmarks.transcribe: Vosk with nothing around it.

``python -m benchmarks.bare_vosk MODEL FILE...`` prints each file's text (spaces removed) as a JSON
line. Word times are on, and sound enters in steps of 200 ms, as in the product: otherwise Vosk
does other work and hears other words.
"""

from __future__ import annotations

import json
import sys
import wave

STEP_MS = 200


def main(model_path: str, *paths: str) -> None:
    import vosk

    vosk.SetLogLevel(-1)
    model = vosk.Model(model_path)
    for path in paths:
        with wave.open(path, "rb") as sound:
            rate = sound.getframerate()
            recognizer = vosk.KaldiRecognizer(model, rate)
            recognizer.SetWords(True)
            heard = []
            while chunk := sound.readframes(rate * STEP_MS // 1000):
                if recognizer.AcceptWaveform(chunk):
                    heard.append(json.loads(recognizer.Result())["text"])
            heard.append(json.loads(recognizer.FinalResult())["text"])
        print(json.dumps("".join(heard).replace(" ", ""), ensure_ascii=False))


if __name__ == "__main__":
    main(*sys.argv[1:])
