"""What the whole suite does with a test that fails beside others."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.suite import Suite

pytestmark = pytest.mark.slow

TEST = """
import pytest
from pathlib import Path

{mark}
def test_it():
    runs = Path(__file__).with_suffix(".runs")
    runs.write_text((runs.read_text() if runs.exists() else "") + "x")
    assert len(runs.read_text()) > {failures}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    markers = '[tool.pytest.ini_options]\nmarkers = ["slow"]\n'
    (tmp_path / "pyproject.toml").write_text(markers)
    return tmp_path


def add(project: Path, name: str, *, failures: int, slow: bool = True) -> None:
    """A test that fails so many times before it passes."""
    mark = "@pytest.mark.slow" if slow else ""
    (project / f"test_{name}.py").write_text(TEST.format(mark=mark, failures=failures))


def runs(project: Path, name: str) -> int:
    return len((project / f"test_{name}.runs").read_text())


def test_a_suite_that_passes_runs_once_and_names_nothing(project: Path) -> None:
    add(project, "call", failures=0)
    suite = Suite(project)
    assert suite.run() == 0
    assert runs(project, "call") == 1
    assert not suite.unsteady.exists()


def test_a_slow_test_that_passes_alone_is_named_as_unsteady(
    project: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    add(project, "call", failures=1)
    add(project, "other", failures=0)
    suite = Suite(project)
    assert suite.run() == 0
    assert (runs(project, "call"), runs(project, "other")) == (2, 1)
    assert suite.unsteady.read_text() == "test_call.py::test_it\n"
    assert "UNSTEADY" in capfd.readouterr().out


def test_a_slow_test_that_fails_again_fails_the_suite(project: Path) -> None:
    add(project, "call", failures=9)
    suite = Suite(project)
    assert suite.run() == 1
    assert runs(project, "call") == 2
    assert not suite.unsteady.exists()


def test_a_quick_test_gets_no_second_run(project: Path) -> None:
    add(project, "call", failures=1)
    add(project, "rule", failures=1, slow=False)
    assert Suite(project).run() == 1
    assert (runs(project, "call"), runs(project, "rule")) == (1, 1)


def test_failures_all_over_get_no_second_run(project: Path) -> None:
    for name in ("call", "player", "browser"):
        add(project, name, failures=1)
    assert Suite(project).run() == 1
    assert runs(project, "call") == 1


def test_what_an_earlier_suite_named_is_forgotten(project: Path) -> None:
    add(project, "call", failures=1)
    suite = Suite(project)
    suite.run()
    assert suite.run() == 0
    assert not suite.unsteady.exists()
