"""The hotline refuses to start with settings that cannot work, and says which."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from typing import Any

import pytest

from core.errors import InvalidInput
from core.settings import Settings
from hotline.sip import access
from tests.hotline_sip.conftest import ROOT, Hotline


def signalling(**changes: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hotline", "signalling"],
        cwd=ROOT,
        env={**os.environ, **changes},
        capture_output=True,
        text=True,
        timeout=30,
    )


def test_a_taken_port_is_named() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        ended = signalling(XIANGYIN_SIP_PORT=str(taken.getsockname()[1]))
    assert ended.returncode == 78
    assert "XIANGYIN_SIP_PORT" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_port_taken_by_a_second_hotline_is_named(idle_hotline: Hotline) -> None:
    idle_hotline.start("signalling")
    assert signalling(**idle_hotline.environment).returncode == 78


@pytest.mark.parametrize("process", ["signalling", "telephony"])
def test_an_open_hotline_is_refused(process: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "hotline", process],
        cwd=ROOT,
        env={**os.environ, "XIANGYIN_SIP_HOST": "0.0.0.0"},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert ended.returncode == 78
    assert "XIANGYIN_SIP_ACL" in ended.stderr


def test_an_address_of_another_machine_is_named() -> None:
    ended = signalling(XIANGYIN_SIP_HOST="192.0.2.1", XIANGYIN_SIP_ACL="192.0.2.0/24")
    assert ended.returncode == 78
    assert "XIANGYIN_SIP_HOST" in ended.stderr


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"sip_acl": "10.0.0.0/8, here"}, "XIANGYIN_SIP_ACL"),
        ({"sip_host": "hotline.example"}, "XIANGYIN_SIP_HOST"),
        ({"sip_host": "10.0.0.1"}, "XIANGYIN_SIP_ACL"),
    ],
)
def test_wrong_settings_name_their_field(changes: dict[str, str], field: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        access.callers(Settings(**changes))
    assert raised.value.field == field


TRUNK = {"trunk_host": "10.0.0.1", "trunk_user": "0571", "trunk_password": "long enough"}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"sip_port": 0}, "SIP_PORT"),
        ({"trunk_port": 70000}, "TRUNK_PORT"),
        ({"call_cap": 0}, "CALL_CAP"),
        ({"sip_calls_per_minute": 0}, "SIP_CALLS_PER_MINUTE"),
        ({"sip_accounts": "601"}, "SIP_ACCOUNTS"),
        ({"sip_accounts": "601:long enough, :long enough"}, "SIP_ACCOUNTS"),
        ({"sip_accounts": "601:short"}, "SIP_ACCOUNTS"),
        ({"sip_accounts": "601:long enough,601:long enough"}, "SIP_ACCOUNTS"),
        ({"sip_accounts": "sip@601:long enough"}, "SIP_ACCOUNTS"),
        ({"trunk_user": "0571"}, "TRUNK_USER"),
        ({"trunk_password": "long enough"}, "TRUNK_PASSWORD"),
        ({"trunk_number": "0571"}, "TRUNK_NUMBER"),
        ({**TRUNK, "trunk_host": "sip:10.0.0.1"}, "TRUNK_HOST"),
        ({**TRUNK, "trunk_user": "<0571>"}, "TRUNK_USER"),
        ({**TRUNK, "trunk_user": ""}, "TRUNK_USER"),
        ({**TRUNK, "trunk_password": ""}, "TRUNK_PASSWORD"),
        ({**TRUNK, "trunk_number": "0571-666"}, "TRUNK_NUMBER"),
        ({"media_networks": "here"}, "MEDIA_NETWORKS"),
    ],
)
def test_what_signalling_cannot_work_with_is_named(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        access.check(Settings(**changes))
    assert raised.value.field == f"XIANGYIN_{field}"
    assert field in raised.value.text
    assert "long enough" not in raised.value.text


def test_over_an_asterisk_the_number_people_see_needs_no_trunk_of_ours() -> None:
    access.check(Settings(telephony="asterisk", trunk_number="05716660000"))


def test_over_an_asterisk_too_the_number_people_see_has_digits_only() -> None:
    with pytest.raises(InvalidInput) as raised:
        access.check(Settings(telephony="asterisk", trunk_number="0571-666"))
    assert raised.value.field == "XIANGYIN_TRUNK_NUMBER"


def test_phones_and_trunk_may_be_set() -> None:
    config = Settings(
        sip_accounts=" 601:a:b:c de f, door.1:long enough,", sip_host="0.0.0.0", **TRUNK
    )
    access.check(config)
    assert access.accounts(config) == {"601": "a:b:c de f", "door.1": "long enough"}


@pytest.mark.parametrize("change", [{"sip_accounts": "601:long enough"}, TRUNK])
def test_phones_with_a_password_or_a_trunk_are_somebody_who_may_call(
    change: dict[str, str],
) -> None:
    access.check(Settings(sip_host="10.0.0.1", **change))  # type: ignore[arg-type]


def test_a_wrong_account_stops_the_process_and_its_password_stays_unsaid() -> None:
    ended = signalling(XIANGYIN_SIP_ACCOUNTS="601:hushhush,601:hushhush")
    assert ended.returncode == 78
    assert "XIANGYIN_SIP_ACCOUNTS" in ended.stderr
    assert "hushhush" not in ended.stderr


def test_the_default_hears_this_machine_only() -> None:
    allowed = access.callers(Settings())
    assert access.allows(allowed, "127.0.0.1")
    assert not access.allows(allowed, "10.0.0.1")
    assert not access.allows(allowed, "::1")


def test_lists_of_networks_are_understood() -> None:
    allowed = access.callers(Settings(sip_host="10.0.0.1", sip_acl=" 10.1.2.3 , 10.9.8.7/16 "))
    assert access.allows(allowed, "10.1.2.3")
    assert access.allows(allowed, "10.9.255.1")
    assert not access.allows(allowed, "10.1.2.4")
