"""A newer program is checked, tried, kept or given up; the old one is never lost."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import edge
from edge.config import Home
from edge.errors import UpdateRefused
from edge.launch import EXIT_RESTART, MAX_SHORT_LIVES, Releases, State, Trial, Wheel
from edge.update import check_start, check_wheel, order, read_offer
from tests.edge.conftest import ROOT, wait_for
from tests.edge.fake_server import FakeServer
from tests.edge.test_commands import envelope
from tests.edge.wheels import offer, wheel, written

NEWER = "7.1"


def key_of(server: FakeServer) -> bytes:
    return server.signing_key.public_key().public_bytes_raw()


def command(server: FakeServer, version: str, content: bytes, **more: Any) -> dict[str, Any]:
    return {"id": "u-1", **offer(server, version, content, **more)}


# --- what is offered


def test_a_signed_newer_program_is_taken(server: FakeServer) -> None:
    content = wheel(NEWER)
    found = read_offer(command(server, NEWER, content), key_of(server))
    assert found.wheel == Wheel(NEWER, hashlib.sha256(content).hexdigest())


@pytest.mark.parametrize(
    "changes",
    [
        {"version": "7.2"},
        {"sha256": "0" * 64},
        {"size_bytes": 5},
        {"downgrade": True},
        {"signature": "AAAA"},
        {"signature": None},
        {"version": "../../etc/passwd"},
        {"sha256": "../x"},
        {"size_bytes": 10**9},
    ],
)
def test_an_offer_that_was_changed_is_refused(server: FakeServer, changes: dict[str, Any]) -> None:
    with pytest.raises(UpdateRefused):
        read_offer({**command(server, NEWER, wheel(NEWER)), **changes}, key_of(server))


def test_another_servers_program_is_refused(server: FakeServer) -> None:
    stranger = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    with pytest.raises(UpdateRefused, match="signature"):
        read_offer(command(server, NEWER, wheel(NEWER)), stranger)


def test_the_way_back_needs_a_signature_of_its_own(server: FakeServer) -> None:
    content = wheel("0.0.1")
    with pytest.raises(UpdateRefused, match="older"):
        read_offer(command(server, "0.0.1", content), key_of(server))
    assert read_offer(command(server, "0.0.1", content, downgrade=True), key_of(server)).downgrade


def test_versions_are_numbers() -> None:
    assert order("0.10") > order("0.9")
    assert order("1") == order("1.0.0")


def test_a_program_that_needs_more_than_is_here_is_refused(tmp_path: Path) -> None:
    check_wheel(written(tmp_path, wheel(NEWER)), NEWER)
    for needs, words in (
        ("flux-capacitor>=1", "not installed"),
        ("numpy>=99", "here is"),
        ("numpy~=2.1", "not understood"),
    ):
        with pytest.raises(UpdateRefused, match=words):
            check_wheel(written(tmp_path, wheel(NEWER, requires=(needs,))), NEWER)


def test_what_is_not_the_player_is_refused(tmp_path: Path) -> None:
    for content in (b"", b"no wheel", wheel(NEWER, name="other"), wheel("7.2")):
        with pytest.raises(UpdateRefused):
            check_wheel(written(tmp_path, content), NEWER)


def test_a_program_that_cannot_be_loaded_is_refused(tmp_path: Path) -> None:
    check_start(written(tmp_path, wheel(NEWER)))
    broken = wheel(NEWER, changes={"box.py": ("class Box:", "class Box(Missing):")})
    with pytest.raises(UpdateRefused, match="Missing"):
        check_start(written(tmp_path, broken))


# --- which one runs


@pytest.fixture
def releases(tmp_path: Path) -> Releases:
    (tmp_path / "releases").mkdir()
    return Releases(tmp_path / "releases")


def test_a_damaged_note_means_the_installed_program(releases: Releases, tmp_path: Path) -> None:
    assert releases.read() == State()
    for damage in (b"", b"{", b"[]", b'{"base": 1}', b'{"base":"1","active":3}'):
        (tmp_path / "releases" / "state.json").write_bytes(damage)
        assert releases.read() == State()


def test_what_is_written_is_read_again(releases: Releases) -> None:
    state = State(trial=Trial(Wheel("2", "a" * 64), "u-1", 30.0, 2), active=Wheel("1", "b" * 64))
    releases.write(state)
    assert releases.read() == state


def test_only_the_program_on_trial_can_prove_itself(
    releases: Releases, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = Trial(Wheel("2", "a" * 64), "u-1")
    releases.write(State(trial=trial))
    assert releases.confirm() is None
    monkeypatch.setenv("XIANGYIN_EDGE_RELEASE", "2")
    assert releases.confirm() == trial
    assert (releases.read().active, releases.read().trial) == (trial.wheel, None)


def test_a_program_that_dies_at_once_time_after_time_makes_room_for_the_installed_one(
    releases: Releases,
) -> None:
    proved = Wheel("2", "a" * 64)
    releases.write(State(active=proved))
    for _ in range(MAX_SHORT_LIVES):
        assert releases.may_start(releases.read(), proved)
    assert not releases.may_start(releases.read(), proved)
    state = releases.read()
    assert state.active is None
    assert state.failed is not None
    assert state.failed.version == "2"


def test_a_program_that_settled_may_die_as_often_again(
    releases: Releases, monkeypatch: pytest.MonkeyPatch
) -> None:
    proved = Wheel("2", "a" * 64)
    releases.write(State(active=proved))
    for _ in range(2):
        for _ in range(MAX_SHORT_LIVES):
            assert releases.may_start(releases.read(), proved)
        monkeypatch.setenv("XIANGYIN_EDGE_RELEASE", "2")
        releases.settle()


def test_a_card_that_cannot_be_written_keeps_no_program_from_running(
    releases: Releases, tmp_path: Path
) -> None:
    proved = Wheel("2", "a" * 64)
    (tmp_path / "releases").rmdir()
    (tmp_path / "releases").write_text("no folder any more")
    assert releases.may_start(State(active=proved), proved)


@pytest.mark.parametrize("fault", ["settings", "enrolment", "second"])
def test_what_people_have_to_mend_is_no_fault_of_a_proved_program(home: Home, fault: str) -> None:
    releases = Releases(home.releases)
    releases.write(State(active=Wheel(NEWER, "a" * 64), short_lives=3))
    running = home.lock() if fault == "second" else None
    if fault == "settings":
        home.settings_file.write_text("volume_cap_percnt = 80\n")
    if fault == "enrolment":
        home.identity_file.write_text("{")
    done = subprocess.run(
        [sys.executable, "-m", "edge", "run", "--home", str(home.folder)],
        cwd=ROOT, capture_output=True, text=True, timeout=60,
        env={**os.environ, "XIANGYIN_EDGE_RELEASE": NEWER},
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert releases.read().short_lives == 0
    if running is not None:
        running.close()


# --- with real processes


class Keeper:
    """Starts the player like systemd does: again whenever it asks for it."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self.process: subprocess.Popen[str]
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "edge", "run", "--home", str(self._home.folder)],
            cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            start_new_session=True,
        )  # fmt: skip

    def look(self) -> None:
        """Start again what ended with the word for it."""
        code = self.process.poll()
        if code is not None:
            assert code == EXIT_RESTART, self.process.communicate()[1][-2000:]
            self.start()

    def cut_power(self) -> None:
        """Everything dies at once."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def end(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()


@contextmanager
def kept(home: Home) -> Iterator[Keeper]:
    keeper = Keeper(home)
    try:
        yield keeper
    finally:
        keeper.end()


def speed_up(home: Home, trial_s: float = 60) -> None:
    home.settings_file.write_text(
        f'sink = "wav"\npoll_s = 1\nhealth_s = 1\nupdate_trial_s = {trial_s}\n'
    )


def ask(
    server: FakeServer, content: bytes, version: str = NEWER, *, command_id: str = "u-1"
) -> None:
    told = {**command(server, version, content), "id": command_id}
    server.commands = [envelope(server.signing_key, expires_in_s=3600, **told, kind="update")]


def versions(server: FakeServer) -> list[str]:
    return [health["version"] for health in server.health]


def until(keeper: Keeper, condition: Any, what: str) -> None:
    def holds() -> bool:
        keeper.look()
        return bool(condition())

    wait_for(holds, 150, what)


@pytest.mark.slow
def test_a_newer_program_takes_over_and_stays_after_a_power_cut(
    server: FakeServer, home: Home
) -> None:
    speed_up(home)
    ask(server, wheel(NEWER))
    with kept(home) as keeper:
        until(keeper, lambda: server.answers, "the answer")
        assert server.answers == {"u-1": ("done", f"{NEWER} runs")}
        assert versions(server)[0] == edge.__version__
        assert versions(server)[-1] == NEWER
        keeper.cut_power()
        server.health.clear()
        keeper.start()
        until(keeper, lambda: server.health, "a report")
        assert versions(server)[0] == NEWER
    state = Releases(home.releases).read()
    (home.releases / f"xiangyin_edge-{NEWER}-py3-none-any.whl").write_bytes(b"rotten")
    with kept(home) as keeper:
        server.health.clear()
        until(keeper, lambda: server.health, "a report")
        assert versions(server)[0] == edge.__version__, "a damaged wheel never runs"
    assert state.active is not None


@pytest.mark.slow
def test_a_program_that_has_just_proved_itself_makes_room_for_the_next(
    server: FakeServer, home: Home
) -> None:
    speed_up(home)
    ask(server, wheel(NEWER))
    with kept(home) as keeper:
        until(keeper, lambda: server.answers, "the first answer")
        server.commands.clear()  # what was answered is asked no more
        server.answers.clear()
        ask(server, wheel("7.2"), "7.2", command_id="u-2")
        until(keeper, lambda: "u-2" in server.answers, "the second answer")
        assert server.answers.pop("u-2") == ("done", "7.2 runs")
        assert server.answers in ({}, {"u-1": ("done", f"{NEWER} runs")}), "the first stays done"
        assert versions(server)[-1] == "7.2"


@pytest.mark.slow
def test_a_program_that_dies_is_given_up_after_three_starts(server: FakeServer, home: Home) -> None:
    speed_up(home)
    ask(server, wheel(NEWER, changes={"box.py": ("    def start(self)", "    def started(self)")}))
    with kept(home) as keeper:
        until(keeper, lambda: server.answers, "the answer")
        result, words = server.answers["u-1"]
        assert (result, words) == ("refused", "rolled back: it did not stay up, 3 times")
        assert versions(server)[-1] == edge.__version__


@pytest.mark.slow
def test_a_program_that_never_reports_is_given_up(server: FakeServer, home: Home) -> None:
    speed_up(home, trial_s=8)
    silent = {"reporter.py": ("        self._thread.start()", "        return")}
    ask(server, wheel(NEWER, changes=silent))
    with kept(home) as keeper:
        until(keeper, lambda: server.answers, "the answer")
        assert "did not report" in server.answers["u-1"][1]
        assert versions(server)[-1] == edge.__version__


@pytest.mark.slow
def test_power_cuts_during_a_trial_count_as_tries(server: FakeServer, home: Home) -> None:
    speed_up(home)
    content = wheel(
        NEWER, changes={"reporter.py": ("        self._thread.start()", "        pass")}
    )
    releases = Releases(home.releases)
    releases.path(NEWER).write_bytes(content)
    trial = Trial(Wheel(NEWER, hashlib.sha256(content).hexdigest()), "u-1")
    releases.write(State(trial=trial))
    with kept(home) as keeper:
        for tries in (1, 2, 3):
            expected = replace(trial, tries=tries)
            wait_for(lambda wanted=expected: releases.read().trial == wanted, 60)
            keeper.cut_power()
            keeper.start()
        until(keeper, lambda: server.health, "a report")
        assert versions(server) == [edge.__version__] * len(server.health)
        assert releases.read().trial is None


@pytest.mark.slow
def test_a_program_that_cannot_be_loaded_disturbs_nobody(server: FakeServer, home: Home) -> None:
    speed_up(home)
    ask(server, wheel(NEWER, changes={"box.py": ("class Box:", "class Box(Missing):")}))
    with kept(home) as keeper:
        wait_for(lambda: server.answers, 60)
        assert "it does not start: NameError" in server.answers["u-1"][1]
        assert keeper.process.poll() is None
    assert Releases(home.releases).read() == State()


@pytest.mark.slow
def test_a_proved_program_that_can_start_no_more_is_followed_by_the_installed_one(
    server: FakeServer, home: Home
) -> None:
    speed_up(home)
    broken = wheel(NEWER, changes={"box.py": ("    def start(self)", "    def started(self)")})
    releases = Releases(home.releases)
    releases.path(NEWER).parent.mkdir(parents=True, exist_ok=True)
    releases.path(NEWER).write_bytes(broken)
    releases.write(State(active=Wheel(NEWER, hashlib.sha256(broken).hexdigest())))
    with kept(home) as keeper:
        for _ in range(MAX_SHORT_LIVES):
            assert keeper.process.wait(120) == 1
            keeper.process.communicate()
            keeper.start()
        until(keeper, lambda: server.health, "a report")
        assert set(versions(server)) == {edge.__version__}
    assert releases.read().active is None
