"""The wheel, alone in an empty environment and another network, lives through a day without us."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from edge import __version__
from edge.config import Home
from tests.counterparts import require
from tests.edge import netns
from tests.edge.authority import Authority
from tests.edge.conftest import ROOT, BoxProcess, wait_for
from tests.edge.fake_server import FakeServer
from tests.edge.netns import Village, run
from tests.edge.sounds import locate, opus, speechlike
from tests.edge.turned import TurnedClock

UV = os.environ.get("XIANGYIN_UV") or shutil.which("uv")
ON_TIME = timedelta(milliseconds=5)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, so that nothing is left among the sources."""
    folder = tmp_path_factory.mktemp("wheel")
    ignored = shutil.ignore_patterns("__pycache__", "build", "*.egg-info")
    shutil.copytree(ROOT / "edge", folder / "edge", ignore=ignored)
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", folder, folder / "edge")
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path) -> Path:
    """Python of an environment that holds the wheel and what it asks for, nothing else."""
    folder = wheel.parent / "venv"
    python = folder / "bin" / "python"
    if UV:
        run(UV, "venv", "--quiet", "--python", sys.executable, folder)
        run(UV, "pip", "install", "--quiet", "--python", python, wheel)
    else:
        run(sys.executable, "-m", "venv", folder)
        run(python, "-m", "pip", "install", "--quiet", wheel)
    return python


@pytest.fixture
def village() -> Iterator[Village]:
    require("netns")
    with netns.village() as made:
        yield made


@pytest.mark.slow
def test_the_wheel_carries_the_player_alone(wheel: Path, installed: Path) -> None:
    assert wheel.name == f"xiangyin_edge-{__version__}-py3-none-any.whl"
    where = run(installed, "-c", "import edge; print(edge.__file__)").strip()
    assert Path(where).is_relative_to(wheel.parent / "venv")
    assert "enrol" in run(installed, "-m", "edge", "--help")
    for stranger in ("core", "fastapi", "sqlalchemy", "vosk"):
        found = run(
            installed, "-c", f"import importlib.util as u; print(u.find_spec({stranger!r}))"
        )
        assert found.strip() == "None"


@pytest.mark.slow
@pytest.mark.real("netns")
@pytest.mark.real("faketime")
@pytest.mark.timeout(420)
def test_a_day_without_server_and_broker_is_heard_as_planned(
    installed: Path, village: Village, tmp_path: Path
) -> None:
    require("faketime")
    turned = TurnedClock(tmp_path / "faketime")
    authority = Authority(tmp_path / "authority", (village.our_address,))
    home = Home(tmp_path / "box")
    day = datetime.now(UTC) + timedelta(days=1)
    plays = {
        number: (day + timedelta(hours=hours), opus(speechlike(3, number)))
        for number, hours in ((1, 0), (2, 5), (3, 11.5))
    }
    with FakeServer(authority, host=village.our_address).running() as server:
        for number, (starts_at, clip) in plays.items():
            server.add_play(number, starts_at, server.add_clip(clip, 3000))
        server.publish()
        run(
            *village.inside, installed, "-m", "edge", "enrol", "TOWN-0001", "--server", server.url,
            "--ca", authority.ca, "--home", home.folder,
        )  # fmt: skip
        home.settings_file.write_text('sink = "wav"\npoll_s = 5\n')
        box = BoxProcess(
            home, env=turned.env, prefix=village.inside, python=str(installed), cwd=Path("/")
        )
        try:
            box.ready()
            wait_for(lambda: server.health, 60, "plan and clips to arrive")
            wait_for(lambda: box.has_ready(plays[1][1]), 60, "the first clip to be decoded")
            village.cable("down")
            before = len(server.requests)
            for number, (starts_at, clip) in plays.items():
                turned.set_to(starts_at - timedelta(seconds=20))
                file = home.sounded / f"play-{number}.wav"
                wait_for(file.exists, 60, f"play {number}")
                found = locate(home.sounded, number, clip)
                assert abs(found.at - starts_at) < ON_TIME
                assert found.likeness > 0.9
            assert len(server.requests) == before, "the cable was cut"
            village.cable("up")
            wait_for(lambda: len(server.receipts) == 3, 60, "the receipts of the day")
            assert server.outcomes() == dict.fromkeys(plays, ("played", None))
            wait_for(lambda: len(server.sounded) == 3, 60, "the sound of the day")
        finally:
            box.end()
