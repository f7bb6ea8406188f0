"""Our side of the decoder process: start it, give it sounds, survive whatever it does."""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
import wave
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.errors import N_, InvalidInput, ToolFailed
from transcribe.complaints import Complaints
from transcribe.decoder_process import DecoderFailed, DecoderGone, DecoderProcess
from transcribe.recogniser import PLAIN_WAV_ONLY, STANDARD, DecoderConfig, Recognition
from transcribe.stopwatch import Stopwatch

__all__ = [
    "Decoder",
    "DecoderCrashed",
    "DecoderFailed",
    "DecoderGone",
    "DecoderTooSlow",
]

LEAST_CPU_S = 20
MEMORY_MB = 1024
"""What decoding one sound may take on top of the loaded model."""

START_S = 600
WALL_PER_CPU = 10


def _nothing() -> None: ...


class DecoderCrashed(DecoderFailed):
    """Decoding this sound ended in a crash; wanting too much memory ends so, too."""

    code = "decoder_crashed"


class DecoderTooSlow(DecoderFailed):
    """Decoding this sound used more processor time than a sound of its length may."""

    code = "decoder_too_slow"


@dataclass(frozen=True)
class _Running:
    number: int
    stopwatch: Stopwatch


class Decoder:
    """A process with a loaded model. ``decode`` may be called from several threads at once.

    ``cpu_factor``: CPU seconds allowed per second of sound (never fewer than 20 s in all).
    ``work_dir``: an own folder for results and complaints. ``config``: how sounds are decoded.
    """

    def __init__(
        self,
        model: Path,
        work_dir: Path,
        *,
        cpu_factor: float = 6.0,
        least_cpu_s: int = LEAST_CPU_S,
        memory_mb: int = MEMORY_MB,
        config: DecoderConfig = STANDARD,
    ) -> None:
        self.model, self.config = model.resolve(), config
        self._work_dir = work_dir.resolve()
        self._complaints = Complaints(self._work_dir / "stderr")
        self._cpu_factor, self._least_cpu_s = cpu_factor, least_cpu_s
        self._memory_mb = memory_mb
        self._running: dict[str, _Running] = {}
        self._process: DecoderProcess | None = None

    @property
    def pid(self) -> int | None:
        """Process id of the running decoder."""
        return self._process.pid if self._process else None

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.alive

    def start(self, *, timeout_s: float = START_S, on_wait: Callable[[], None] = _nothing) -> None:
        """Load the model; ToolFailed with the reason when that fails. Kills an older process."""
        self.close()
        self._work_dir.mkdir(parents=True, exist_ok=True)
        self._process = DecoderProcess(self.model, self._complaints)
        try:
            self._process.wait_until_ready(Stopwatch(timeout_s), on_wait)
        except DecoderGone as error:
            raise ToolFailed(
                N_("The speech model does not load: %(reason)s"),
                params={"reason": self._complaints.last()},
            ) from error
        except TimeoutError:
            self.close()
            raise ToolFailed(
                N_("The speech model did not load within %(seconds)d s."),
                params={"seconds": round(timeout_s)},
            ) from None
        except BaseException:
            self.close()
            raise

    def decode(
        self,
        wav: Path,
        *,
        grammar: Path | None = None,
        task: str | None = None,
        most_cpu_s: float | None = None,
        on_wait: Callable[[], None] = _nothing,
    ) -> Recognition:
        """What is said in ``wav`` (PCM16). ``on_wait`` is called often; raising aborts.

        Two channels are the two sides of a call and heard apart (``transcribe.audio`` decides).
        ``grammar``: JSON list of sentences, the language model of this sound. ``task``: a name
        of the caller's choice to ``pause`` it by. ``most_cpu_s``: less processor time than is
        allowed to a sound of its length. Raises InvalidInput for a file or a grammar that
        is none, a DecoderFailed for a sound that broke it.
        """
        process, cpu_s = self._started(), self._allowed_cpu_s(wav, most_cpu_s)
        number, since = process.new_id(), self._complaints.so_far()
        out = self._work_dir / f"{number}.json"
        request = {
            "id": number,
            "wav": str(wav.resolve()),
            "out": str(out),
            "config": self.config.with_grammar(grammar).to_json(),
            "grammar": str(grammar.resolve()) if grammar else None,
            "cpu_s": cpu_s,
            "memory_mb": self._memory_mb,
        }
        stopwatch = Stopwatch(60 + WALL_PER_CPU * cpu_s)
        try:
            with self._known_as(task, _Running(number, stopwatch)):
                status = process.ask(request, stopwatch, on_wait)["status"]
            self._judge(status, cpu_s, since)
            heard = json.loads(out.read_text(encoding="utf-8"))
        except TimeoutError:
            raise self._too_slow(cpu_s) from None
        finally:
            out.unlink(missing_ok=True)
        if "refused" in heard:
            raise InvalidInput(heard["refused"], field=heard["field"], params=heard["params"])
        return Recognition.from_json(heard)

    def known_words(self, words: Sequence[str]) -> dict[str, bool]:
        """Which of ``words`` the model's vocabulary holds; it can never hear the others."""
        process = self._started()
        request = {"id": process.new_id(), "words": list(words)}
        answer = process.ask(request, Stopwatch(START_S), _nothing)
        return dict(zip(words, answer["known"], strict=True))

    def pause(self, task: str) -> None:
        """Let the sound decoded as ``task`` stand still; its time does not run meanwhile.

        Nothing happens when there is no such sound: it may have ended just now.
        """
        running = self._running.get(task)
        if running is not None:
            running.stopwatch.pause()
            self._started().send({"pause": running.number})

    def resume(self, task: str) -> None:
        """Let it go on."""
        running = self._running.get(task)
        if running is not None:
            running.stopwatch.resume()
            self._started().send({"resume": running.number})

    def close(self) -> None:
        """End the process and everything it decodes, at once."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()

    def _started(self) -> DecoderProcess:
        if self._process is None:
            raise DecoderGone(N_("The decoder is not running."))
        return self._process

    @contextlib.contextmanager
    def _known_as(self, task: str | None, running: _Running) -> Iterator[None]:
        if task is not None:
            self._running[task] = running
        try:
            yield
        finally:
            if task is not None:
                self._running.pop(task, None)

    def _allowed_cpu_s(self, wav: Path, most_s: float | None) -> int:
        try:
            with wave.open(str(wav), "rb") as sound:
                frames = min(sound.getnframes(), wav.stat().st_size)  # a header may lie
                duration_s = frames * sound.getnchannels() / sound.getframerate()
        except (wave.Error, EOFError, OSError, ZeroDivisionError):
            raise InvalidInput(PLAIN_WAV_ONLY, field="file") from None
        allowed_s = max(self._least_cpu_s, duration_s * self._cpu_factor)
        return math.ceil(allowed_s if most_s is None else min(most_s, allowed_s))

    def _judge(self, status: int, cpu_s: int, since: int) -> None:
        if status == 0:
            return
        reason = self._complaints.last(since)
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU:
            raise self._too_slow(cpu_s)
        raise DecoderCrashed(
            N_("Decoding this sound crashed (%(reason)s)."),
            params={"reason": f"status {os.waitstatus_to_exitcode(status)}; {reason}"},
        )

    def _too_slow(self, cpu_s: int) -> DecoderTooSlow:
        return DecoderTooSlow(
            N_("Decoding this sound took more than %(seconds)d s of processor time."),
            params={"seconds": cpu_s},
        )
