"""What is taken to a village: the program as a wheel, its unit, its page."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import pytest

import bootstrap
import edge
from edge.update import check_wheel

pytestmark = pytest.mark.slow


def test_the_stick_holds_a_wheel_of_today_the_unit_and_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "SETUP_STATE", tmp_path / "setup")
    stale = bootstrap.ROOT / "edge" / "build" / "lib" / "edge" / "of_yesterday.py"
    stale.parent.mkdir(parents=True, exist_ok=True)
    stale.write_text("")
    bootstrap.pack_player(tmp_path / "stick")
    names = sorted(file.name for file in (tmp_path / "stick").iterdir())
    wheel = f"xiangyin_edge-{edge.__version__}-py3-none-any.whl"
    assert names == ["village-player.md", "xiangyin-player.service", wheel]
    check_wheel(tmp_path / "stick" / wheel, edge.__version__)
    packed = set(zipfile.ZipFile(tmp_path / "stick" / wheel).namelist())
    modules = {f"edge/{file.name}" for file in (bootstrap.ROOT / "edge").glob("*.py")}
    assert {name for name in packed if re.fullmatch(r"edge/\w+\.py", name)} == modules
