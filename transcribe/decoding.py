"""The decoder process: loads a model once, then forks a child for each sound.

A C++ exception, an endless loop or a memory hole in libvosk costs the child of that one sound; the
loaded model stays, shared by fork. Started by ``transcribe.decoder.Decoder`` as ``python -m
transcribe.decoding MODEL_DIR``. Requests are JSON lines on standard input: {"id", "wav", "out",
"config", "grammar", "cpu_s", "memory_mb"}, {"id", "words"}, or {"abort" | "pause" | "resume": id}.
Answers on standard output: {"ready": true}, then {"id", "status"} (as of waitpid) or {"id",
"known"}. The child writes what it heard, or {"refused"}, to the file ``out``. End of input ends
the process and its children, those that pause included.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from core.errors import XiangyinError
from transcribe import child, sides
from transcribe.recogniser import CHUNK_MS, PLAIN_WAV_ONLY, DecoderConfig
from transcribe.vosk import VoskRecogniser

WARM_UP_HZ = 16_000
SIGNALS = {"abort": signal.SIGKILL, "pause": signal.SIGSTOP, "resume": signal.SIGCONT}


class Forge:
    """Forks a child per request and tells how each one ended."""

    def __init__(self, recogniser: VoskRecogniser) -> None:
        self._recogniser = recogniser
        self._pids: dict[int, int] = {}
        self._paused: set[int] = set()
        self._bell = child.child_bell()

    def serve(self) -> None:
        """Until the end of input; then no child survives."""
        held = b""
        try:
            while True:
                readable, _, _ = select.select([0, self._bell], [], [])
                if self._bell in readable:
                    os.read(self._bell, 4096)
                    self._reap()
                if 0 in readable:
                    data = os.read(0, 65536)
                    if not data:
                        return
                    *lines, held = (held + data).split(b"\n")
                    for line in lines:
                        self._take(json.loads(line))
        finally:
            for pid in self._pids:
                os.kill(pid, signal.SIGKILL)

    def _take(self, request: dict[str, Any]) -> None:
        for order in SIGNALS:
            if order in request:
                self._signal(order, request[order])
                return
        if "words" in request:
            known = [self._recogniser.knows(word) for word in request["words"]]
            _say({"id": request["id"], "known": known})
            return
        self._pids[self._fork(request)] = request["id"]
        if request["id"] in self._paused:
            self._signal("pause", request["id"])

    def _fork(self, request: dict[str, Any]) -> int:
        """The child's pid, once it dies with us: paused any earlier, it could outlive us."""
        parent, (safe, announce) = os.getpid(), os.pipe()
        pid = os.fork()
        if pid == 0:
            child.run(parent, lambda: _decode(self._recogniser, request, announce))
        os.close(announce)
        os.read(safe, 1)
        os.close(safe)
        return pid

    def _signal(self, order: str, number: int) -> None:
        """Give an order to the child of request ``number``; a pause may come before it is there."""
        if order == "pause":
            self._paused.add(number)
        else:
            self._paused.discard(number)
        for pid, wanted in self._pids.items():
            if wanted == number:
                os.kill(pid, SIGNALS[order])

    def _reap(self) -> None:
        for pid in list(self._pids):
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                number = self._pids.pop(pid)
                self._paused.discard(number)
                _say({"id": number, "status": status})


def _say(answer: dict[str, Any]) -> None:
    left = json.dumps(answer).encode() + b"\n"
    while left:
        left = left[os.write(1, left) :]


def _decode(recogniser: VoskRecogniser, request: dict[str, Any], announce: int) -> int:
    """In the child, which ends when its parent does from here on."""
    os.close(announce)
    child.limit_memory(request["memory_mb"])
    child.limit_cpu(request["cpu_s"])
    _write(Path(request["out"]), _heard(recogniser, request))
    return 0


def _heard(recogniser: VoskRecogniser, request: dict[str, Any]) -> dict[str, Any]:
    config = DecoderConfig(**request["config"])
    grammar = Path(request["grammar"]) if request["grammar"] else None
    try:
        with wave.open(request["wav"], "rb") as sound:
            if sound.getsampwidth() != 2 or sound.getnchannels() not in (1, 2):
                raise wave.Error("not PCM16 with one or two channels")
            rate_hz = sound.getframerate()
            if sound.getnchannels() == 1:
                return recogniser.recognise(_pieces(sound), rate_hz, config, grammar).to_json()
            heard = []
            for side in (0, 1):
                sound.rewind()
                pieces = (sides.channel(piece, side) for piece in _pieces(sound))
                heard.append(recogniser.recognise(pieces, rate_hz, config, grammar))
            return sides.merge(*heard).to_json()
    except XiangyinError as error:
        return {"refused": error.message, "params": error.params, "field": error.field}
    except (wave.Error, EOFError, OSError):
        return {"refused": PLAIN_WAV_ONLY, "params": {}, "field": "file"}


def _pieces(sound: wave.Wave_read) -> Iterator[bytes]:
    frames = sound.getframerate() * CHUNK_MS // 1000
    while piece := sound.readframes(frames):
        yield piece


def _write(out: Path, answer: dict[str, Any]) -> None:
    part = out.with_suffix(".part")
    part.write_text(json.dumps(answer, ensure_ascii=False), encoding="utf-8")
    part.replace(out)


def load(model: Path) -> VoskRecogniser:
    """A recogniser to fork from; any exception when the model does not load.

    Buffers that the library takes once are shared by fork. OpenBLAS spins forever when it gets
    none: so it takes them here, before the children's limits; without the gate, which would keep
    this silence from it.
    """
    recogniser = VoskRecogniser(model)
    recogniser.recognise([bytes(WARM_UP_HZ)], WARM_UP_HZ, DecoderConfig(gate=False))
    return recogniser


def main(arguments: list[str]) -> int:
    try:
        recogniser = load(Path(arguments[0]))
    except Exception as error:  # vosk raises bare Exception
        sys.stderr.write(f"{error}\n")
        return 1
    forge = Forge(recogniser)
    _say({"ready": True})
    forge.serve()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
