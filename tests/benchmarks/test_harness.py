"""The harness judges targets strictly: what is missing, not a number or invalid is not met."""

from __future__ import annotations

import math
from pathlib import Path
from types import ModuleType

import pytest

from benchmarks import harness
from benchmarks.__main__ import main, run_all, table


def test_a_target_that_holds_is_met() -> None:
    assert harness.result("x", {"ratio": 1.05}, {"ratio": "<= 1.1"})["met"]


@pytest.mark.parametrize("figure", [1.2, math.nan, None, "1.0"])
def test_a_figure_that_is_too_large_or_no_number_is_not_met(figure: harness.Figure) -> None:
    assert not harness.result("x", {"ratio": figure}, {"ratio": "<= 1.1"})["met"]


def test_a_missing_figure_is_not_met_and_shown() -> None:
    found = harness.result("x", {}, {"ratio": "<= 1.1"})
    assert not found["met"]
    assert "missing" in table(found)


def test_an_invalid_run_is_never_met() -> None:
    found = harness.result("x", {"ratio": 1.0}, {"ratio": "== 1"}, invalid="no sipp here")
    assert not found["met"]
    assert "no sipp here" in table(found)


def test_a_run_without_targets_is_not_met() -> None:
    assert not harness.result("x", {"ratio": 1.0}, {})["met"]


def test_an_unreadable_target_is_an_error() -> None:
    with pytest.raises(ValueError, match="reads like"):
        harness.result("x", {"ratio": 1.0}, {"ratio": "about 1"})


def test_an_unknown_name_is_refused_with_the_known_ones(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["no-such-benchmark"]) == 2
    assert "Choose one of" in capsys.readouterr().err


def test_running_all_writes_a_table_and_fails_when_one_target_is_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    good, bad = ModuleType("good"), ModuleType("bad")
    good.run = lambda _quick: harness.result("good", {"x": 1}, {"x": "== 1"})  # type: ignore[attr-defined]
    bad.run = lambda _quick: harness.result("bad", {"x": 2}, {"x": "== 1"})  # type: ignore[attr-defined]
    assert run_all({"good": good}, quick=True) == 0
    assert run_all({"good": good, "bad": bad}, quick=True) == 1
    written = (tmp_path / "var/bench/table.txt").read_text("utf-8")
    assert "good: met" in written
    assert "bad: NOT met" in written
