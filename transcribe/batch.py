"""Many sound files through one decoder process, several at a time, in their order."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from core.errors import N_, InvalidInput, XiangyinError
from transcribe import audio
from transcribe.catalogue import InstalledModel
from transcribe.decoder import Decoder
from transcribe.recogniser import STANDARD, DecoderConfig, Recognition


@dataclass(frozen=True)
class Heard:
    """What came of one file: ``recognition``, or the ``error`` that kept it from being heard."""

    path: Path
    recognition: Recognition | None = None
    error: XiangyinError | None = None


def hear(
    model: InstalledModel,
    paths: Sequence[Path],
    *,
    jobs: int = 0,
    config: DecoderConfig = STANDARD,
) -> Iterator[Heard]:
    """Decode each file; a bad one costs itself alone. ``jobs``: at a time, 0 for one per core.

    Raises ToolFailed when the model does not load.
    """
    at_a_time = min(jobs or len(os.sched_getaffinity(0)), max(len(paths), 1))
    with _decoder(model, config) as (decoder, work_dir), ThreadPoolExecutor(at_a_time) as pool:
        numbered = enumerate(paths)
        yield from pool.map(
            lambda item: _hear(decoder, model, item[1], work_dir / f"{item[0]}.wav"), numbered
        )


@contextlib.contextmanager
def _decoder(model: InstalledModel, config: DecoderConfig) -> Iterator[tuple[Decoder, Path]]:
    with tempfile.TemporaryDirectory(prefix="xiangyin-") as name:
        work_dir = Path(name)
        decoder = Decoder(model.path, work_dir / "decoder", config=config)
        try:
            decoder.start()
            yield decoder, work_dir
        finally:
            decoder.close()


def _hear(decoder: Decoder, model: InstalledModel, path: Path, prepared: Path) -> Heard:
    try:
        wav = audio.prepare(path, prepared, takes_8khz=model.takes_8khz)
        return Heard(path, decoder.decode(wav))
    except XiangyinError as error:
        return Heard(path, error=error)
    except OSError as error:
        reason = InvalidInput(
            N_("The file cannot be read: %(reason)s"), field="file", params={"reason": str(error)}
        )
        return Heard(path, error=reason)
    finally:
        prepared.unlink(missing_ok=True)
