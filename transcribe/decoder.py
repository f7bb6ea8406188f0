"""Our side of the decoder process: start it, give it sounds, survive whatever it does."""

from __future__ import annotations

import itertools
import json
import math
import os
import re
import signal
import subprocess
import sys
import threading
import time
import wave
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from core.errors import N_, InvalidInput, ToolFailed
from transcribe.recogniser import Recognition

LEAST_CPU_S = 20
MEMORY_MB = 1024
"""What decoding one sound may take on top of the loaded model."""

START_S = 600
WALL_PER_CPU = 10
POLL_S = 0.2
MAX_COMPLAINTS_BYTES = 1 << 20
_SOURCE = re.compile(r"\((?:VoskAPI)?:.*?\) ?")  # Kaldi's "(VoskAPI:Read():matrix.cc:610)"
_ROOT = Path(__file__).resolve().parent.parent


def _nothing() -> None: ...


class DecoderFailed(ToolFailed):
    """The decoder did not survive a sound, or is gone itself."""

    code = "decoder_failed"
    retriable = True


class DecoderCrashed(DecoderFailed):
    """Decoding this sound ended in a crash; wanting too much memory ends so, too."""

    code = "decoder_crashed"


class DecoderTooSlow(DecoderFailed):
    """Decoding this sound used more processor time than a sound of its length may."""

    code = "decoder_too_slow"


class DecoderGone(DecoderFailed):
    """The process with the model ended; ``start`` brings a new one."""

    code = "decoder_gone"


class Decoder:
    """A process with a loaded model. ``decode`` may be called from several threads at once.

    ``cpu_factor``: CPU seconds allowed per second of sound (never fewer than 20 s in all).
    ``work_dir``: an own folder for results and complaints.
    """

    def __init__(
        self,
        model: Path,
        work_dir: Path,
        *,
        cpu_factor: float = 6.0,
        least_cpu_s: int = LEAST_CPU_S,
        memory_mb: int = MEMORY_MB,
    ) -> None:
        self.model = model.resolve()
        self._work_dir = work_dir.resolve()
        self._complaints = self._work_dir / "stderr"
        self._cpu_factor, self._least_cpu_s = cpu_factor, least_cpu_s
        self._memory_mb = memory_mb
        self._ids = itertools.count(1)
        self._lock = threading.Lock()
        self._waiting: dict[int, Future[int]] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._listener = threading.Thread()

    @property
    def pid(self) -> int | None:
        """Process id of the running decoder."""
        return self._process.pid if self._process else None

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self, *, timeout_s: float = START_S, on_wait: Callable[[], None] = _nothing) -> None:
        """Load the model; ToolFailed with the reason when that fails. Kills an older process."""
        self.close()
        self._work_dir.mkdir(parents=True, exist_ok=True)
        path = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")]))
        ready = Future[int]()
        with self._complaints.open("ab", buffering=0) as complaints:
            complaints.truncate(0)
            self._process = subprocess.Popen(
                [sys.executable, "-m", "transcribe.decoding", str(self.model)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=complaints,
                cwd=_ROOT,
                env={**os.environ, "PYTHONPATH": path},
                start_new_session=True,
            )
        self._listener = threading.Thread(
            target=self._listen, args=(self._process, ready), daemon=True
        )
        self._listener.start()
        try:
            self._wait(ready, timeout_s, on_wait)
        except DecoderGone as error:
            raise ToolFailed(
                N_("The speech model does not load: %(reason)s"), params={"reason": self._reason()}
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

    def decode(self, wav: Path, *, on_wait: Callable[[], None] = _nothing) -> Recognition:
        """What is said in ``wav`` (PCM16 mono). ``on_wait`` is called often; raising aborts.

        Raises InvalidInput for a file that is none, a DecoderFailed for one that broke it.
        """
        number, answer = next(self._ids), Future[int]()
        out = self._work_dir / f"{number}.json"
        cpu_s = self._allowed_cpu_s(wav)
        since = self._complaints_so_far()
        self._ask(
            {"id": number, "wav": str(wav.resolve()), "out": str(out), "cpu_s": cpu_s}
            | {"memory_mb": self._memory_mb},
            answer,
        )
        try:
            status = self._wait(answer, 60 + WALL_PER_CPU * cpu_s, on_wait)
            self._judge(status, cpu_s, since)
            heard = json.loads(out.read_text(encoding="utf-8"))
        except TimeoutError:
            raise self._too_slow(cpu_s) from None
        finally:
            self._forget(number, answer)
            out.unlink(missing_ok=True)
        if "refused" in heard:
            raise InvalidInput(heard["refused"], field="file", params=heard["params"])
        return Recognition.from_json(heard)

    def close(self) -> None:
        """End the process and everything it decodes, at once."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()  # its children die with it (PDEATHSIG)
        process.wait()
        self._listener.join()  # else it could end the waiting of a later process' callers
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()

    def _allowed_cpu_s(self, wav: Path) -> int:
        try:
            with wave.open(str(wav), "rb") as sound:
                frames = min(sound.getnframes(), wav.stat().st_size)  # a header may lie
                duration_s = frames / sound.getframerate()
        except (wave.Error, EOFError, OSError, ZeroDivisionError):
            raise InvalidInput(
                N_("The decoder takes PCM16 mono WAV files only."), field="file"
            ) from None
        return max(self._least_cpu_s, math.ceil(duration_s * self._cpu_factor))

    def _ask(self, request: dict[str, Any], answer: Future[int] | None) -> None:
        process = self._process
        if process is None or process.stdin is None:
            raise DecoderGone(N_("The decoder is not running."))
        with self._lock:
            if answer is not None:
                self._waiting[request["id"]] = answer
            try:
                os.write(process.stdin.fileno(), json.dumps(request).encode() + b"\n")
            except (OSError, ValueError):
                self._waiting.pop(request.get("id", 0), None)
                raise DecoderGone(N_("The decoder is not running.")) from None

    def _wait(self, answer: Future[int], limit_s: float, on_wait: Callable[[], None]) -> int:
        deadline = time.monotonic() + limit_s
        while True:
            try:
                return answer.result(timeout=POLL_S)
            except TimeoutError:
                if answer.done():
                    continue
                on_wait()
                if time.monotonic() > deadline:
                    raise

    def _forget(self, number: int, answer: Future[int]) -> None:
        with self._lock:
            self._waiting.pop(number, None)
        if not answer.done() and self.alive:
            self._ask({"abort": number}, None)

    def _judge(self, status: int, cpu_s: int, since: int) -> None:
        if status == 0:
            return
        reason = self._reason(since)
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

    def _reason(self, since: int = 0) -> str:
        """The last complaint of the process after byte ``since``, or that there is none."""
        try:
            text = self._complaints.read_bytes()[since:][-8192:].decode(errors="replace")
        except OSError:
            text = ""
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        errors = [line for line in lines if "ERROR" in line or "ASSERT" in line or "what()" in line]
        return _SOURCE.sub("", (errors or lines or ["no reason given"])[-1])[:300]

    def _complaints_so_far(self) -> int:
        """Size of what the process complained about; begun anew when it is too much."""
        size = self._complaints.stat().st_size
        if size > MAX_COMPLAINTS_BYTES:
            os.truncate(self._complaints, 0)
            return 0
        return size

    def _listen(self, process: subprocess.Popen[bytes], ready: Future[int]) -> None:
        """Hand each answer to who waits for it; runs in a thread of its own."""
        assert process.stdout is not None
        for line in process.stdout:
            answer = json.loads(line)
            if "ready" in answer:
                ready.set_result(0)
                continue
            with self._lock:
                waiting = self._waiting.pop(answer["id"], None)
            if waiting is not None:
                waiting.set_result(answer["status"])
        process.wait()
        gone = DecoderGone(N_("The decoder is not running."))
        with self._lock:
            orphans, self._waiting = list(self._waiting.values()), {}
        for future in (ready, *orphans):
            if not future.done():
                future.set_exception(gone)
