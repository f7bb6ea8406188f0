"""Sound that comes in pieces over a bad net is whole in the end, entered once, and never lost."""
# ruff: noqa: F811 - fixtures are shared by importing them

from __future__ import annotations

import errno
import os
import shutil
import zlib
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from core import clock
from core.blobs import BlobStore
from core.database import Database
from core.settings import Settings
from tests.web.conftest import VILLAGE
from tests.web.test_report import URL, fill, hidden, numbers, reports, tone, villager  # noqa: F401
from web import report_limits, report_takes
from web.report_limits import Allowance, TooMuch
from web.report_takes import About, Takes

TAKE = "take-0123456789abcdef"
FORM = "form-0123456789abcdef"


@pytest.fixture
def token(villager: TestClient) -> str:
    """The form token a script sends with each request."""
    return hidden(villager.get(URL).text, "csrf_token")


def begin(
    browser: TestClient, token: str, take: str = TAKE, form: str = FORM, **fields: str
) -> httpx.Response:
    data = {"consent": "1", "kind": "sound", "form_token": form, **fields}
    return browser.post(f"{URL}/takes/{take}", data=data, headers={"x-csrf-token": token})


def piece(browser: TestClient, token: str, offset: int, data: bytes) -> httpx.Response:
    headers = {"x-csrf-token": token, "content-type": "application/octet-stream"}
    return browser.post(f"{URL}/takes/{TAKE}/{offset}", content=data, headers=headers)


def name(data: bytes, take: str = TAKE) -> str:
    return f"{take}:{len(data)}:{zlib.crc32(data):08x}"


def hand_in(browser: TestClient, token: str, take: str, **fields: str) -> httpx.Response:
    data = {"csrf_token": token, "form_token": FORM, "consent": "1", "take": take, **fields}
    return browser.post(URL, data=data, headers={"accept": "application/json"})


def folder(config: Settings) -> Path:
    return config.folder("incoming", "takes")


def test_a_take_in_pieces_becomes_the_very_sound(
    villager: TestClient, token: str, database: Database, store: BlobStore, config: Settings
) -> None:
    sound = tone(3.0)
    assert begin(villager, token).json() == {"offset": 0}
    half = len(sound) // 2
    assert piece(villager, token, 0, sound[:half]).json() == {"offset": half}
    assert begin(villager, token).json() == {"offset": half}
    assert piece(villager, token, half, sound[half:]).json() == {"offset": len(sound)}
    answer = hand_in(villager, token, name(sound))
    number, _pin = numbers(answer.json()["receipt"])
    report = reports(database)[0]
    assert report.reference_no == number.replace(" ", "")
    assert (report.village_code, report.channel, report.cut_off) == (VILLAGE, "web", False)
    assert report.audio_sha256 is not None
    assert store.existing_path(report.audio_sha256).read_bytes() == sound
    assert list(folder(config).iterdir()) == []


def test_without_consent_nothing_is_written(
    villager: TestClient, token: str, config: Settings
) -> None:
    answer = begin(villager, token, consent="")
    assert (answer.status_code, answer.json()["field"]) == (422, "consent")
    assert piece(villager, token, 0, tone()).json()["code"] == "take_gone"
    assert list(folder(config).iterdir()) == []


def test_a_strange_page_cannot_send_pieces(villager: TestClient, token: str) -> None:
    begin(villager, token)
    assert piece(villager, "forged", 0, b"abc").status_code == 403


def test_a_piece_that_came_before_is_not_stored_twice(
    villager: TestClient, token: str, config: Settings
) -> None:
    begin(villager, token)
    piece(villager, token, 0, b"abcdef")
    assert piece(villager, token, 0, b"abcdef").json() == {"offset": 6}
    assert piece(villager, token, 3, b"defghi").json() == {"offset": 9}
    assert (folder(config) / TAKE / "data").read_bytes() == b"abcdefghi"


def test_a_gap_and_another_piece_are_refused(villager: TestClient, token: str) -> None:
    begin(villager, token)
    piece(villager, token, 0, b"abcdef")
    assert piece(villager, token, 7, b"gap").json()["code"] == "take_differs"
    assert piece(villager, token, 9, b"ab").json()["code"] == "take_differs"
    assert piece(villager, token, 0, b"xbcdef").json()["code"] == "take_differs"


def test_a_take_that_did_not_arrive_whole_is_asked_for_again(
    villager: TestClient, token: str, database: Database
) -> None:
    sound = tone()
    begin(villager, token)
    piece(villager, token, 0, sound[:-1] + b"\0")
    assert hand_in(villager, token, name(sound)).json()["code"] == "take_differs"
    assert reports(database) == []
    assert begin(villager, token).json() == {"offset": 0}


def test_an_answer_that_got_lost_is_given_again(
    villager: TestClient, token: str, database: Database
) -> None:
    sound = tone()
    begin(villager, token)
    piece(villager, token, 0, sound)
    first = hand_in(villager, token, name(sound), text="路灯坏了")
    again = hand_in(villager, token, name(sound), text="路灯坏了")
    assert numbers(first.json()["receipt"]) == numbers(again.json()["receipt"])
    assert len(reports(database)) == 1


def test_the_take_of_one_form_is_not_another_forms(villager: TestClient, token: str) -> None:
    begin(villager, token)
    assert begin(villager, token, form="form-another-0123456789").status_code == 409


def test_what_its_owner_throws_away_is_gone(
    villager: TestClient, token: str, config: Settings
) -> None:
    begin(villager, token)
    piece(villager, token, 0, tone())
    answer = villager.delete(f"{URL}/takes/{TAKE}", headers={"x-csrf-token": token})
    assert answer.status_code == 200
    assert list(folder(config).iterdir()) == []


def test_a_name_cannot_leave_the_folder(villager: TestClient, token: str) -> None:
    assert begin(villager, token, take="..%2f..%2fetc-0123456789abcdef").status_code == 404
    assert hand_in(villager, token, "../../../../../../x:1:00000000").status_code == 422


def test_too_large_a_take_is_refused_in_words(
    villager: TestClient, token: str, config: Settings
) -> None:
    begin(villager, token)
    data = folder(config) / TAKE / "data"
    with data.open("wb") as sparse:
        sparse.truncate(30_000_000)
    answer = piece(villager, token, 30_000_000, b"x")
    assert (answer.status_code, "30 MB" in answer.json()["detail"]) == (422, True)
    assert piece(villager, token, 0, b"x" * 300_000).status_code == 413


def test_a_full_disk_is_said_and_leaves_no_half_piece(
    villager: TestClient, token: str, config: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(villager, token)
    piece(villager, token, 0, b"abc")

    def full(descriptor: int, data: bytes, at: int) -> int:
        real(descriptor, data[:1], at)
        raise OSError(errno.ENOSPC, "No space left on device")

    real = os.pwrite
    monkeypatch.setattr(report_takes.os, "pwrite", full)
    answer = piece(villager, token, 3, b"def")
    assert (answer.status_code, answer.json()["retriable"]) == (503, True)
    assert "stays on your telephone" in answer.json()["detail"]
    assert (folder(config) / TAKE / "data").read_bytes() == b"abc"


def test_the_disk_keeps_room_for_calls(
    villager: TestClient, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage("/")._replace(free=report_limits.DISK_KEPT_FREE - 1)
    monkeypatch.setattr(report_limits.shutil, "disk_usage", lambda _path: usage)
    assert begin(villager, token).status_code == 503


def test_one_address_has_a_share(
    villager: TestClient, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_limits, "TAKES_AN_HOUR", 2)
    takes = [f"{TAKE}-{number}" for number in range(3)]
    answers = [begin(villager, token, take=take) for take in takes]
    assert [one.status_code for one in answers] == [200, 200, 429]
    assert "minutes" in answers[-1].json()["detail"]


def test_a_share_comes_back_after_an_hour() -> None:
    share = Allowance(1)
    share.take("a")
    with pytest.raises(TooMuch):
        share.take("a")
    share.take("b")
    with clock.use(clock.FakeClock(clock.utc_now() + report_limits.WINDOW)):
        share.take("a")


def test_shares_are_kept_for_so_many_addresses_only() -> None:
    share = Allowance(1, max_addresses=3)
    for number in range(50):
        share.take(str(number))
    assert len(share._used) == 3


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    sound=st.binary(min_size=1, max_size=400),
    cuts=st.lists(st.tuples(st.integers(0, 399), st.integers(1, 200)), max_size=25),
)
def test_any_order_of_repeats_gives_the_same_bytes(
    config: Settings, sound: bytes, cuts: list[tuple[int, int]]
) -> None:
    takes = Takes(config)
    takes.drop(TAKE)
    about = About("sound", FORM, VILLAGE, None, False, "web-2", "2026-01-01T00:00:00+00:00")
    takes.begin(TAKE, about)
    here = 0
    for start, length in [*cuts, *((at, 50) for at in range(0, len(sound), 50))]:
        try:
            here = takes.append(TAKE, start, sound[start : start + length])
        except report_takes.Differs:
            assert start > here
    assert (takes.folder / TAKE / "data").read_bytes() == sound
