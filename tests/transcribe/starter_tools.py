"""The tools that make a model, set up for tests that need them; these are skipped otherwise."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from core.errors import ToolFailed
from deploy.package_index import DEFAULT_INDEX, SetupFailed, index_url, uv
from transcribe.starter import tools


def training_python(*, torch: bool) -> Path:
    """The Python with the training packages; skips, saying why, when it cannot be set up."""
    mirror = None if index_url() == DEFAULT_INDEX else index_url()
    try:
        tools.set_up_fst(lambda _: None)
        tools.set_up_python(uv(tools.STATE), mirror, lambda _: None, torch=torch)
    except (ToolFailed, SetupFailed) as problem:
        pytest.skip(f"the tools that make a model cannot be set up: {problem}")
    return tools.PYTHON


def run_there(python: Path, program: str, *arguments: str | Path) -> str:
    """What a program says that runs with the training packages, apart from Vosk."""
    done = subprocess.run(
        [str(python), "-c", program, *map(str, arguments)],
        cwd=tools.ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
