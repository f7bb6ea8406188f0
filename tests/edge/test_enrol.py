"""Joining a server by the command people use, and the settings they write."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from edge.__main__ import main
from edge.client import Client
from edge.config import SETTINGS_TEMPLATE, Home, Settings
from edge.errors import BadSettings
from edge.store import Store
from tests.edge.authority import Authority
from tests.edge.conftest import ROOT
from tests.edge.fake_server import AREA, FakeServer


def edge(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "edge", *map(str, arguments)],
        cwd=ROOT, capture_output=True, text=True, timeout=60,
    )  # fmt: skip


def join(
    server: FakeServer, folder: Path, code: str = "TOWN-0001"
) -> subprocess.CompletedProcess[str]:
    return edge(
        "enrol", code, "--server", server.url, "--ca", server.authority.ca, "--home", folder,
        "--name", "村部",
    )  # fmt: skip


def test_a_code_makes_a_player_whose_secrets_are_its_owner_s_alone(
    server: FakeServer, tmp_path: Path
) -> None:
    done = join(server, tmp_path / "box")
    assert done.returncode == 0, done.stderr
    home = Home(tmp_path / "box")
    identity = home.identity()
    assert (identity.area_code, identity.name, identity.own_ca) == (AREA, "村部", True)
    for file in (home.identity_file, home.key_file):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert home.ca_file.read_bytes() == server.authority.ca.read_bytes()
    assert server.public_key is not None
    assert home.key().public_key() == server.public_key


def test_a_wrong_code_is_explained_and_leaves_no_player(server: FakeServer, tmp_path: Path) -> None:
    done = join(server, tmp_path / "box", "WRONG")
    assert done.returncode == 1
    assert "wrong, used or too old" in done.stderr
    assert not Home(tmp_path / "box").identity_file.exists()


def test_who_does_not_vouch_for_the_server_is_told_where_the_certificate_is(
    server: FakeServer, tmp_path: Path
) -> None:
    done = edge("enrol", "TOWN-0001", "--server", server.url, "--home", tmp_path / "box")
    assert done.returncode == 1
    assert "ca.pem" in done.stderr
    assert "--ca" in done.stderr
    stranger = Authority(tmp_path / "stranger").ca
    done = edge(
        "enrol", "TOWN-0001", "--server", server.url, "--ca", stranger, "--home", tmp_path / "box"
    )
    assert "does not vouch for this server" in done.stderr


def test_a_server_that_does_not_answer_is_told_with_what_to_look_at(tmp_path: Path) -> None:
    done = edge(
        "enrol", "TOWN-0001", "--server", "https://localhost:9", "--home", tmp_path / "box"
    )  # fmt: skip
    assert done.returncode == 1
    assert "See that the server runs" in done.stderr


@pytest.mark.parametrize("content", ["", "<html>not found</html>"])
def test_a_file_of_ca_that_holds_no_certificate_is_told(tmp_path: Path, content: str) -> None:
    ca = tmp_path / "ca.pem"
    ca.write_text(content)
    done = edge(
        "enrol", "TOWN-0001", "--server", "https://localhost:9", "--ca", ca,
        "--home", tmp_path / "box",
    )  # fmt: skip
    assert done.returncode == 1
    assert f"{ca} holds no certificate: fetch it anew" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_of_somebody_else_is_told_with_the_way_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(_home: Home) -> None:
        raise PermissionError(13, "Permission denied", "/var/lib/xiangyin-player/identity.json")

    monkeypatch.setattr(Home, "identity", refuse)
    monkeypatch.setattr("sys.argv", ["edge", "status", "--home", str(tmp_path)])
    assert main() == 1
    told = capsys.readouterr().err
    assert "identity.json belongs to somebody else" in told
    assert "sudo -u" in told


def test_a_lost_answer_is_repeated_with_the_same_key(server: FakeServer, tmp_path: Path) -> None:
    server.drop_answers_to.add("/enrol")
    assert join(server, tmp_path / "box").returncode == 1
    first = server.public_key
    server.drop_answers_to.clear()
    assert join(server, tmp_path / "box").returncode == 0
    assert server.public_key == first


def test_a_player_is_not_enrolled_over(server: FakeServer, home: Home) -> None:
    done = join(server, home.folder)
    assert done.returncode == 1
    assert "already player p-1" in done.stderr


def test_without_enrolment_it_says_what_to_do(tmp_path: Path) -> None:
    done = edge("run", "--home", tmp_path / "nothing")
    assert done.returncode == 1
    assert "python -m edge enrol CODE" in done.stderr


def test_plain_http_is_refused_except_on_this_machine() -> None:
    with pytest.raises(BadSettings):
        Client("http://town.example", None)
    Client("http://127.0.0.1:8080", None).close()


def test_the_template_shows_every_setting_with_its_default(tmp_path: Path) -> None:
    home = Home(tmp_path)
    lines = [line[2:] for line in SETTINGS_TEMPLATE.splitlines() if " = " in line]
    home.settings_file.write_text("\n".join(lines))
    shown = home.settings()
    expected = Settings(quiet_from="22:00", quiet_until="06:00")  # shown as an example
    assert shown == expected


@pytest.mark.parametrize(
    "line",
    [
        "volume = 3",
        "sink = 5",
        'sink = "loud"',
        "poll_s = 0",
        "poll_s = -1.5",
        "volume_cap_percent = 101",
        'quiet_from = "22:00"',
        'quiet_from = "late"\nquiet_until = "06:00"',
        "send_sounded = 1",
        "longest_play_s = true",
        "no equals sign",
    ],
)
def test_a_setting_that_makes_no_sense_is_named(tmp_path: Path, line: str) -> None:
    home = Home(tmp_path)
    home.settings_file.write_text(line)
    with pytest.raises(BadSettings, match=r"settings\.toml"):
        home.settings()


def test_status_and_receipts_can_be_read_while_nothing_runs(server: FakeServer, home: Home) -> None:
    Store(home.database_file).close()
    shown = edge("status", "--home", home.folder)
    assert shown.returncode == 0, shown.stderr
    assert "p-1" in shown.stdout
    assert edge("receipts", "--json", "--home", home.folder).returncode == 0


@pytest.mark.parametrize("content", [b"\x00 not a database \xff" * 400, b""])
def test_looking_at_a_damaged_memory_takes_it_from_no_player_that_runs(
    home: Home, content: bytes
) -> None:
    Store(home.database_file).close()
    home.database_file.write_bytes(content)
    for command in ("status", "receipts"):
        done = edge(command, "--home", home.folder)
        assert done.returncode == 1
        assert "systemctl restart xiangyin-player" in done.stderr
        assert home.database_file.read_bytes() == content
    assert not list(home.folder.glob("*.damaged-*"))


def test_status_says_what_is_kept_while_the_player_has_the_memory_open(home: Home) -> None:
    running = Store(home.database_file)
    running.remember("approved", "yes")
    assert "approved yes" in edge("status", "--home", home.folder).stdout
    running.close()
