"""A browser on another machine (a network namespace) at https://<name>, trusting only our CA."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import counterparts
from tests.conftest import ROOT
from tests.road.town import Town

NAME = "station.xiangyin.test"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.real("netns", "chromium", "certutil"),
]


def run(*command: str, **environment: str) -> str:
    result = subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, env={**os.environ, **environment}
    )
    assert result.returncode == 0, f"{command[:4]}: {result.stderr[-3000:]}"
    return result.stdout


@pytest.fixture(scope="module")
def other_machine() -> Iterator[str]:
    """A namespace joined to this one by a cable; only NAME is in its hosts file."""
    for kind in ("netns", "chromium", "certutil"):
        counterparts.require(kind)
    number = os.getpid() % 250
    space, cable = f"xy-road-{number}", f"xyr{number}"
    hosts = Path("/etc/netns") / space
    hosts.mkdir(parents=True, exist_ok=True)
    (hosts / "hosts").write_text(f"127.0.0.1 localhost\n10.213.{number}.1 {NAME}\n")
    run("ip", "netns", "add", space)
    try:
        run("ip", "link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", space)
        run("ip", "addr", "add", f"10.213.{number}.1/24", "dev", cable)
        run("ip", "link", "set", cable, "up")
        for words in (
            f"addr add 10.213.{number}.2/24 dev eth0",
            "link set eth0 up",
            "link set lo up",
        ):
            run("ip", "netns", "exec", space, "ip", *words.split())
        yield space
    finally:
        run("ip", "netns", "delete", space)
        (hosts / "hosts").unlink()
        hosts.rmdir()


@pytest.fixture(scope="module")
def seen(other_machine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What the person in that namespace saw, from the phone page to the calendar."""
    home = tmp_path_factory.mktemp("home")
    town = Town("--demo")
    town.environment["XIANGYIN_PUBLIC_BASE_URL"] = f"https://{NAME}:{town.web_port}"
    try:
        town.start()
        store = home / ".pki" / "nssdb"
        store.mkdir(parents=True)
        run("certutil", "-d", f"sql:{store}", "-N", "--empty-password")
        authority = str(town.authority)
        run("certutil", "-d", f"sql:{store}", "-A", "-t", "C,,", "-n", "ours", "-i", authority)
        wav = str(home / "message.wav")
        run(sys.executable, "-m", "demo", "say", "我家停水两天了请派人来看看", wav)
        known = town.credentials
        printed = run(
            *("ip", "netns", "exec", other_machine),
            *(sys.executable, "-m", "tests.road.browser", f"https://{NAME}:{town.web_port}"),
            *(known["login"], known["password"], wav),
            HOME=str(home),
        )
        yield json.loads(printed.strip().splitlines()[-1])
    finally:
        town.remove()


def test_a_villager_sends_a_recording_without_javascript(seen: dict[str, Any]) -> None:
    assert "我们已收到" in seen["villager"]["answer"]


def test_the_villagers_page_is_below_ten_kilobytes(seen: dict[str, Any]) -> None:
    assert seen["villager"]["bytes"] < 10_000


def test_the_browser_would_give_a_microphone(seen: dict[str, Any]) -> None:
    assert seen["review"]["secure"] is True


def test_the_operator_reads_what_was_said(seen: dict[str, Any]) -> None:
    assert "停水" in seen["review"]["words"].replace("\n", "").replace(" ", "")


def test_the_operator_is_told_that_the_starter_does_not_hear_people(seen: dict[str, Any]) -> None:
    assert "听不懂真人" in seen["review"]["words"]


def test_an_accepted_report_is_a_case_with_an_owner(seen: dict[str, Any]) -> None:
    assert "石桥村停水" in seen["review"]["case"]
    assert "陈所长" in seen["review"]["case"]


def test_the_calendar_turns_green_without_a_reload(seen: dict[str, Any]) -> None:
    assert seen["calendar"]["live"] is True
    assert "石桥村" in seen["calendar"]["lines"]


def test_no_page_breaks_its_own_security_policy(seen: dict[str, Any]) -> None:
    assert seen["complaints"] == []
