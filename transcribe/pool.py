"""The decoders a worker keeps loaded: one a model, the least recently used one goes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import structlog

from core.errors import XiangyinError
from transcribe.catalogue import InstalledModel
from transcribe.recogniser import Recognition

MOST = 2
RETRY_S = 60.0
"""A model that did not load is tried again after this."""

log = structlog.get_logger("transcribe.pool")


class Decodes(Protocol):
    """What the worker asks of a decoder process (``transcribe.decoder.Decoder``)."""

    @property
    def alive(self) -> bool: ...
    def start(self, *, on_wait: Callable[[], None] = ...) -> None: ...
    def decode(
        self,
        wav: Path,
        *,
        grammar: Path | None = ...,
        task: str | None = ...,
        most_cpu_s: float | None = ...,
        on_wait: Callable[[], None] = ...,
    ) -> Recognition: ...
    def known_words(self, words: Sequence[str]) -> dict[str, bool]: ...
    def pause(self, task: str) -> None: ...
    def resume(self, task: str) -> None: ...
    def close(self) -> None: ...


MakeDecoder = Callable[[InstalledModel, Path], Decodes]
Scope = tuple[str | None, str | None]
"""(area, language) of a sound: what its model is chosen by."""


class ModelFails(Exception):
    """The model chosen for a sound does not load, and none served such sounds before."""


class Pool:
    """Loads models when they are asked for. Not for use from two threads at once."""

    def __init__(self, make_decoder: MakeDecoder, work_dir: Path) -> None:
        self._make_decoder, self._work_dir = make_decoder, work_dir
        self._loaded: dict[str, Decodes] = {}  # by tree hash, the least recently used one first
        self._busy: list[str] = []
        self._failed: dict[str, tuple[float, XiangyinError]] = {}
        self._served: dict[Scope, InstalledModel] = {}

    def load(self, model: InstalledModel, *, on_wait: Callable[[], None]) -> Decodes:
        """A living decoder with ``model``; raises what its start raises (for a while again)."""
        decoder = self._loaded.pop(model.tree_hash, None)
        if decoder is not None and not decoder.alive:
            decoder.close()
            decoder = None
        if decoder is None:
            decoder = self._start(model, on_wait)
        self._loaded[model.tree_hash] = decoder
        return decoder

    @contextmanager
    def use(
        self, model: InstalledModel, scope: Scope, *, on_wait: Callable[[], None]
    ) -> Iterator[tuple[InstalledModel, Decodes]]:
        """The decoder for a sound, kept until the block ends.

        Where ``model`` does not load, the one that served this scope so far goes on serving it;
        ModelFails when there was none.
        """
        try:
            decoder = self.load(model, on_wait=on_wait)
        except XiangyinError as error:
            before = self._served.get(scope)
            if before is None or before == model:
                raise ModelFails(f"{model.name}: {error.text}") from error
            log.error("the chosen model does not load", model=model.name, used=before.name)
            model, decoder = before, self.load(before, on_wait=on_wait)
        self._served[scope] = model
        self._busy.append(model.tree_hash)
        try:
            yield model, decoder
        finally:
            self._busy.remove(model.tree_hash)

    def close(self) -> None:
        """End all decoders."""
        for decoder in self._loaded.values():
            decoder.close()
        self._loaded.clear()

    def _start(self, model: InstalledModel, on_wait: Callable[[], None]) -> Decodes:
        failed_at, error = self._failed.get(model.tree_hash, (0.0, None))
        if error is not None and time.monotonic() - failed_at < RETRY_S:
            raise error
        self._make_room()
        if model.warning:
            log.warning(model.warning, model=model.name)
        decoder = self._make_decoder(model, self._work_dir / model.tree_hash[:16])
        try:
            decoder.start(on_wait=on_wait)
        except XiangyinError as reason:
            decoder.close()
            self._failed[model.tree_hash] = (time.monotonic(), reason)
            raise
        self._failed.pop(model.tree_hash, None)
        return decoder

    def _make_room(self) -> None:
        idle = [of for of in self._loaded if of not in self._busy]
        for of in idle[: max(0, len(self._loaded) - MOST + 1)]:
            self._loaded.pop(of).close()
