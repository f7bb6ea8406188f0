"""One module per sub-command of ``python -m transcribe``; each has ``run(arguments) -> int``."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.settings import Settings

EXIT_FAILED, EXIT_INTERRUPTED = 1, 130
COMMANDS = {
    "models": "install, choose, list and remove speech models",
    "evaluate": "measure a model: how many characters it hears wrong",
    "check-model": "try a model on clips of your own people",
    "worker": "a decoder of the office",
    "rehear": "hear again what an earlier model heard",
    "live": "hears recordings while they are spoken",
    "grammar": "an area's own language model: build, measure, switch on and off",
    "reindex": "make the search index anew",
}
"""Name -> what it does; the module of ``check-model`` is ``check_model``."""


def load_settings() -> Settings:
    """The settings of this process; only for commands that need them: loading takes a while."""
    from core import settings

    return settings.load()
