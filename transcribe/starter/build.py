"""Makes the model step by step. What is finished stays: a killed build goes on from there."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from core.errors import N_, InvalidInput, ToolFailed
from transcribe import catalogue
from transcribe.catalogue import STARTER
from transcribe.starter import tools
from transcribe.starter.examination import examine, shortcomings
from transcribe.starter.export import write_model
from transcribe.starter.layout import Trained
from transcribe.starter.recipe import Place
from transcribe.starter.report import readme

Say = Callable[[str], None]


class Build:
    """One recipe's build in its folder. ``times.json`` there sums up all runs."""

    def __init__(self, place: Place, say: Say) -> None:
        self._place, self._say = place, say
        place.folder.mkdir(parents=True, exist_ok=True)
        self._check_recipe()

    def run(self) -> dict[str, Any]:
        """All steps that are not done; returns the report, which also stands beside the model."""
        place = self._place
        for number, shard in enumerate(place.shards):
            self._step("speech", shard, str(number))
        self._step("training", place.network)
        self._step("graph", place.graph / "phones" / "word_boundary.int")
        self._step("exam", place.exam / "done")
        trained = Trained.load(place.network)
        write_model(trained, place.graph, place.model)
        (place.model / catalogue.MACHINE_VOICES_ONLY).touch()
        self._say("measuring")
        started = _Spent()
        figures = examine(place.model, place.exam, self._say)
        self._add_time("measuring", started)
        report = {
            "recipe": asdict(place.recipe),
            "frame_accuracy": trained.accuracy,
            "figures": figures,
            "shortcomings": shortcomings(place.model, figures),
            "steps": self._times(),
        }
        text = json.dumps(report, indent=1, ensure_ascii=False)
        place.model.with_name(f"{place.model.name}-report.json").write_text(text, "utf-8")
        (place.model / "README.md").write_text(readme(report), "utf-8")
        return report

    def _step(self, name: str, result: Path, *arguments: str) -> None:
        if result.exists():
            return
        self._say(" ".join((name, *arguments)))
        started = _Spent()
        command = [str(tools.PYTHON), "-m", "transcribe.starter.steps", name]
        done = subprocess.run(
            [*command, str(self._place.base), self._place.recipe.name, *arguments],
            cwd=tools.ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )
        if done.returncode or not result.exists():
            raise ToolFailed(
                N_("The step %(step)s failed (exit %(code)d); its output says why."),
                params={"step": name, "code": done.returncode},
            )
        self._add_time(name, started)

    def _check_recipe(self) -> None:
        """A folder holds the steps of one recipe only."""
        path, mine = self._place.part("recipe.json"), json.dumps(asdict(self._place.recipe))
        if not path.exists():
            path.write_text(mine, "utf-8")
        elif path.read_text("utf-8") != mine:
            raise InvalidInput(
                N_("%(path)s holds steps of another recipe: remove it to begin again."),
                params={"path": str(self._place.folder)},
            )

    def _times(self) -> dict[str, dict[str, float]]:
        path = self._place.part("times.json")
        found: dict[str, dict[str, float]] = json.loads(path.read_text()) if path.exists() else {}
        return found

    def _add_time(self, step: str, started: _Spent) -> None:
        times = self._times()
        before = times.get(step, {"wall_s": 0.0, "cpu_s": 0.0})
        times[step] = {key: round(before[key] + value, 1) for key, value in started.since().items()}
        (self._place.part("times.json")).write_text(json.dumps(times), "utf-8")


class _Spent:
    """Wall and processor time of the child processes since it was made."""

    def __init__(self) -> None:
        self._wall_s, self._cpu_s = time.monotonic(), _children_cpu_s()

    def since(self) -> dict[str, float]:
        return {
            "wall_s": time.monotonic() - self._wall_s,
            "cpu_s": _children_cpu_s() - self._cpu_s,
        }


def _children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def install(model: Path, report: dict[str, Any], target: Path = STARTER) -> None:
    """Put the built model in the place of the shipped one; InvalidInput when it is not fit."""
    if report["shortcomings"]:
        raise InvalidInput(
            N_("Not installed: %(reasons)s"), params={"reasons": "; ".join(report["shortcomings"])}
        )
    part, old = target.with_name(f".{target.name}.part"), target.with_name(f".{target.name}.old")
    for leftover in (part, old):
        shutil.rmtree(leftover, ignore_errors=True)
    shutil.copytree(model, part)
    if target.exists():
        target.rename(old)
    part.rename(target)
    shutil.rmtree(old, ignore_errors=True)
