"""Each refusal leaves one line, which fail2ban understands and which holds no full number."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hotline.sip import digest, refusals
from hotline.sip.access import networks
from hotline.sip.gate import ANSWERS_BURST, FAILURES_BURST, Gate
from hotline.sip.incoming import MISSED_AT_MOST
from tests.counterparts import find, require
from tests.hotline_sip.conftest import ROOT, Hotline, wait_until
from tests.hotline_sip.raw import RawCaller, offer
from tests.hotline_sip.test_digest import URI

FILTER = ROOT / "deploy" / "fail2ban" / "filter.d" / "xiangyin.conf"
INVITE = b"INVITE sip:hotline@here SIP/2.0\r\nTo: <sip:hotline@here>\r\n\r\n"
BYE = b"BYE sip:hotline@here SIP/2.0\r\nTo: <sip:hotline@here>;tag=1\r\n\r\n"
BUSY_CALLER = "127.0.0.8"
"""Calls in the test of the rate alone: calls that telephony died with count too."""


def gate(*, accounts: bool = False, calls_per_minute: int = 60, peers: str = "") -> Gate:
    return Gate(
        networks("10.0.0.0/24", "acl"),
        accounts=accounts,
        calls_per_minute=calls_per_minute,
        is_peer=lambda address: address == peers,
        trunk=lambda address: address == "10.9.9.9",
    )


def test_strangers_are_not_heard_without_accounts() -> None:
    assert not gate().admits(INVITE, "192.0.2.1")
    assert gate().admits(INVITE, "10.0.0.1")
    assert gate().admits(INVITE, "10.9.9.9")


def test_with_accounts_strangers_are_heard_with_what_can_carry_proof() -> None:
    open_gate = gate(accounts=True)
    assert open_gate.admits(INVITE, "192.0.2.1")
    assert open_gate.admits(INVITE.replace(b"INVITE", b"REGISTER", 1), "192.0.2.1")
    for other in (b"OPTIONS sip:h SIP/2.0\r\n\r\n", b"SIP/2.0 200 OK\r\n\r\n", BYE, b"x" * 40):
        assert not open_gate.admits(other, "192.0.2.1")


def test_within_a_call_or_from_a_registered_phone_all_is_heard() -> None:
    assert gate(accounts=True, peers="192.0.2.1").admits(BYE, "192.0.2.1")


def test_a_flood_from_one_address_is_soon_not_even_answered() -> None:
    made = gate(accounts=True)
    heard = sum(made.admits(INVITE, "192.0.2.1") for _ in range(2000))
    assert ANSWERS_BURST <= heard < 2 * ANSWERS_BURST
    assert made.admits(INVITE, "10.0.0.1")


def test_forged_addresses_share_one_allowance() -> None:
    made = gate(accounts=True)
    heard = sum(made.admits(INVITE, f"192.{n // 250}.2.{n % 250}") for n in range(5000))
    assert heard < 500


def test_forged_addresses_do_not_fill_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    monkeypatch.setattr(refusals, "note", lambda _why, source, _code: lines.append(source))
    made = gate()
    for n in range(5000):
        made.admits(INVITE, f"192.{n // 250}.2.{n % 250}")
    assert 0 < len(lines) < 300
    assert len(set(lines)) == len(lines)


def test_calls_beyond_the_rate_are_told_when_to_come_back() -> None:
    made = gate(calls_per_minute=2)
    assert [made.take_call("10.0.0.1") for _ in range(2)] == [0, 0]
    assert 29 < made.take_call("10.0.0.1") <= 30
    assert made.take_call("10.0.0.2") == 0


def test_within_a_call_the_rate_does_not_matter() -> None:
    made = gate(calls_per_minute=1)
    change = INVITE.replace(b"here>", b"here>;tag=1")
    made.take_call("10.0.0.1")
    assert all(made.admits(change, "10.0.0.1") for _ in range(500))


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hotline]:
    """A hotline for 127.0.0.9 and two calls a minute; everybody else needs a password."""
    made = Hotline(tmp_path_factory.mktemp("guarded"))
    made.environment |= {
        "XIANGYIN_SIP_ACL": f"127.0.0.9,{BUSY_CALLER}",
        "XIANGYIN_SIP_ACCOUNTS": "601:correct horse",
        "XIANGYIN_SIP_CALLS_PER_MINUTE": "2",
    }
    try:
        made.start("signalling")
        made.start("telephony")
        wait_until(lambda: "telephony is there" in made.log("signalling"), explain=made.logs)
        yield made
    finally:
        made.stop()


@pytest.fixture
def guarded(running: Hotline) -> Hotline:
    """The running hotline, with nobody left on its list of missed callers."""
    for note in (running.data / "tiny" / "notes").glob("refused-*"):
        note.unlink()
    return running


def refused(hotline: Hotline, reason: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in hotline.log("signalling").splitlines()]
    return [line for line in lines if line["event"] == "refused" and line["reason"] == reason]


def missed(hotline: Hotline) -> list[str]:
    """Callers who did not get through, as telephony was told."""
    notes = (hotline.data / "tiny" / "notes").glob("refused-*")
    return sorted(path.name.removeprefix("refused-") for path in notes)


def without_telephony(hotline: Hotline) -> None:
    """Kill telephony; signalling knows when this returns."""

    def times_gone() -> int:
        return hotline.log("signalling").count("telephony is gone")

    before = times_gone()
    hotline.kill("telephony")
    wait_until(lambda: times_gone() > before, explain=hotline.logs)


@pytest.mark.slow
def test_who_calls_while_telephony_dies_is_told_of_when_it_is_back(guarded: Hotline) -> None:
    guarded.processes["telephony"].send_signal(signal.SIGSTOP)  # it hears of the call no more
    caller = RawCaller(guarded.address, "127.0.0.9")
    caller.send(caller.message("INVITE", 1, offer(), sender="sip:13712345678@here"))
    assert caller.hear("SIP/2.0 100", 20)
    guarded.kill("telephony")
    assert caller.hear("SIP/2.0 503", 20)
    caller.close()
    guarded.start("telephony")
    wait_until(lambda: missed(guarded) == ["13712345678"], explain=guarded.logs)


@pytest.mark.slow
def test_who_calls_while_telephony_is_away_is_told_of_when_it_is_back(guarded: Hotline) -> None:
    without_telephony(guarded)
    caller = RawCaller(guarded.address, "127.0.0.9")
    status = caller.status(caller.message("INVITE", 1, offer(), sender="sip:13912345678@here"))
    caller.close()
    stranger = RawCaller(guarded.address, "127.0.0.22")
    asked = stranger.status(stranger.message("INVITE", 1, offer(), sender="sip:13900000000@here"))
    stranger.close()
    assert (status, asked) == (503, 401)
    guarded.start("telephony")
    wait_until(lambda: missed(guarded) == ["13912345678"], explain=guarded.logs)


@pytest.mark.slow
def test_who_tries_again_and_again_pushes_nobody_out(guarded: Hotline) -> None:
    without_telephony(guarded)
    for number in ["13912345678"] + ["13987654321"] * (MISSED_AT_MOST + 5):
        caller = RawCaller(guarded.address, "127.0.0.9")
        caller.status(caller.message("INVITE", 1, offer(), sender=f"sip:{number}@here"))
        caller.close()
    guarded.start("telephony")
    both = ["13912345678", "13987654321"]
    wait_until(lambda: missed(guarded) == both, explain=guarded.logs)


def proof(caller: RawCaller, password: str, method: str = "INVITE", name: str = "601") -> str:
    """An Authorization header for the challenge that came last."""
    asked = caller.last.split("WWW-Authenticate: ")[1].split("\r\n")[0]
    fields = {
        "username": name,
        "realm": digest.REALM,
        "nonce": digest.parse(asked)["nonce"],
        "uri": URI,
        "qop": "auth",
        "nc": "00000001",
        "cnonce": "abc",
    }
    fields["response"] = digest.response(fields, password, method)
    return "Authorization: Digest " + ", ".join(f'{k}="{v}"' for k, v in fields.items())


@pytest.mark.slow
def test_the_rate_is_kept_and_told(guarded: Hotline) -> None:
    sender = "sip:13912345678@here"
    answers = []
    for _ in range(3):
        caller = RawCaller(guarded.address, BUSY_CALLER)
        answers.append(caller.status(caller.message("INVITE", 1, offer(), sender=sender)))
        last = caller.last
        caller.close()
    assert answers == [200, 200, 486]
    assert "retry-after: " in last.lower()
    [line] = refused(guarded, "rate")
    assert (line["source"], line["code"]) == (BUSY_CALLER, 486)
    wait_until(lambda: missed(guarded) == ["13912345678"])
    assert "13912345678" not in guarded.log("signalling")


@pytest.mark.slow
@pytest.mark.real("fail2ban")
def test_fail2ban_finds_guessers_and_not_the_guessed_at(guarded: Hotline, tmp_path: Path) -> None:
    require("fail2ban")
    caller = RawCaller(guarded.address, "127.0.0.21")
    for _ in range(FAILURES_BURST + 2):
        caller.call_id += "x"
        if caller.status(caller.message("INVITE", 1, offer())) == 401:
            wrong = caller.message("INVITE", 2, offer(), extra=proof(caller, "guess"))
            assert caller.status(wrong) == 403
    caller.close()
    stranger = RawCaller(guarded.address, "127.0.0.22")
    stranger.send(stranger.message("OPTIONS", 1))
    wait_until(lambda: refused(guarded, "address"))
    stranger.close()
    assert len(refused(guarded, "password")) == FAILURES_BURST
    assert len(refused(guarded, "locked_out")) == 2
    (tmp_path / "log").write_text(guarded.log("signalling"))
    assert banned(tmp_path / "log", FILTER) == {"127.0.0.21"}
    everybody = {"127.0.0.21", "127.0.0.22"}
    assert banned(tmp_path / "log", f"{FILTER}[mode=aggressive]") >= everybody


def banned(log: Path, chosen: Path | str) -> set[str]:
    """Addresses that fail2ban's own program finds in a log."""
    ended = subprocess.run(
        [find("fail2ban") or "fail2ban-regex", "--out", "ip", str(log), str(chosen)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    return set(ended.stdout.split())
