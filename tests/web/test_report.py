"""The villagers' page works without script, keeps what was typed and tells nobody anything."""

from __future__ import annotations

import math
import re
import struct
import wave
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from starlette.testclient import TestClient

from cases import references, status
from cases.models import Report, StatusGuess
from core.blobs import BlobStore
from core.database import Database
from core.models import Area
from core.sealed import Sealer
from tests.web.conftest import VILLAGE, Clients
from transcribe.models import TranscriptionJob

CODE = "taoping7"
URL = f"/report/{CODE}"


def tone(duration_s: float = 1.0, hertz: float = 440) -> bytes:
    """A WAV file with a tone."""
    out = BytesIO()
    with wave.open(out, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        steps = range(int(8000 * duration_s))
        samples = [int(9000 * math.sin(2 * math.pi * hertz * n / 8000)) for n in steps]
        sound.writeframes(struct.pack(f"<{len(samples)}h", *samples))
    return out.getvalue()


@pytest.fixture
def villager(client: Clients, database: Database) -> TestClient:
    browser = client(None)
    with database.write() as session:
        session.get_one(Area, VILLAGE).report_code = CODE
    return browser


def hidden(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]+)"', page)
    assert found is not None
    return found[1]


def fill(browser: TestClient, **fields: str) -> dict[str, str]:
    """The form as a person finds it, filled in."""
    page = browser.get(URL).text
    filled = {name: hidden(page, name) for name in ("csrf_token", "form_token")}
    return {**filled, "consent": "1", "text": "村口路灯坏了", **fields}


def send(
    browser: TestClient, sound: tuple[str, bytes, str] | None = None, **fields: str
) -> httpx.Response:
    files: Any = {"chosen": sound} if sound else None
    return browser.post(URL, data=fill(browser, **fields), files=files)


def numbers(page: str) -> tuple[str, str]:
    number, pin = re.findall(r'<p class="n">([\d ]+)</p>', page)
    return number, pin


def reports(database: Database) -> list[Report]:
    with database.read() as session:
        return list(session.scalars(sa.select(Report)))


def test_typed_words_become_a_report_with_number_and_pin(
    villager: TestClient, database: Database, sealer: Sealer
) -> None:
    answer = send(villager)
    assert answer.status_code == 200
    number, pin = numbers(answer.text)
    report = reports(database)[0]
    assert re.fullmatch(r"\d{3} \d{3} \d{3}", number)
    assert references.normalise(number) == report.reference_no
    assert report.pin_hash == sealer.keyed_hash("pin", report.reference_no, pin)
    assert (report.channel, report.village_code) == ("typed", VILLAGE)
    assert (report.consent_version, report.consent_channel) == ("web-2", "web")
    assert report.consent_at is not None


def test_a_recording_is_stored_and_waits_for_its_words(
    villager: TestClient, database: Database, store: BlobStore
) -> None:
    answer = send(villager, ("voice.wav", tone(), "audio/wav"), text="")
    assert answer.status_code == 200
    report = reports(database)[0]
    assert report.audio_sha256 is not None
    assert store.existing_path(report.audio_sha256).read_bytes() == tone()
    with database.read() as session:
        assert session.scalars(sa.select(TranscriptionJob.subject_id)).one() == report.id


def test_sending_twice_makes_one_report_with_the_same_numbers(
    villager: TestClient, database: Database
) -> None:
    filled = fill(villager)
    first, second = (villager.post(URL, data=filled) for _ in range(2))
    assert numbers(first.text) == numbers(second.text)
    assert len(reports(database)) == 1


def test_going_back_to_write_something_else_makes_another_report(
    villager: TestClient, database: Database
) -> None:
    filled = fill(villager)
    first = villager.post(URL, data=filled)
    second = villager.post(URL, data={**filled, "text": "还有水管也坏了"})
    assert numbers(first.text)[0] != numbers(second.text)[0]
    assert len(reports(database)) == 2


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"consent": ""}, "consent", "Without your consent nothing is stored"),
        ({"text": " "}, "file", "Record or choose a sound"),
        ({"text": "长" * 2001}, "text", "longer than 2000"),
        ({"phone": "call me"}, "phone", "no telephone number"),
    ],
)
def test_a_mistake_is_said_beside_its_field_and_nothing_is_lost(
    villager: TestClient, database: Database, fields: dict[str, str], field: str, words: str
) -> None:
    answer = send(villager, **{"phone": "138 1234 5678", **fields})
    assert answer.status_code == 422
    assert re.search(rf'id="e-{field}"[^>]*>[^<]*{words}', answer.text)
    assert fields.get("text", "村口路灯坏了") in answer.text
    assert fields.get("phone", "138 1234 5678") in answer.text
    assert reports(database) == []


def test_a_picture_is_refused_at_the_file_field_and_nothing_is_stored(
    villager: TestClient, database: Database, store: BlobStore
) -> None:
    answer = send(villager, ("photo.jpg", b"\xff\xd8\xff\xe0 no sound" * 99, "image/jpeg"))
    assert answer.status_code == 422
    assert 'id="e-file"' in answer.text
    assert "村口路灯坏了" in answer.text
    assert reports(database) == []
    assert [path for path in store.folder.rglob("*") if path.is_file()] == []


def test_a_file_beyond_the_limit_is_refused_in_words(
    villager: TestClient, database: Database
) -> None:
    answer = send(villager, ("long.wav", b"RIFF" + b"\0" * 30_500_000, "audio/wav"))
    assert answer.status_code == 422
    assert "larger than 30 MB" in answer.text
    assert send(villager, ("long.wav", b"\0" * 33_000_000, "audio/wav")).status_code == 413
    assert reports(database) == []


def test_a_wrong_code_is_explained(villager: TestClient) -> None:
    answer = villager.get("/report/nowhere")
    assert answer.status_code == 404
    assert "belongs to no village" in answer.text


def test_pages_are_small_and_need_no_script(villager: TestClient) -> None:
    for language in ("en", "zh-CN"):
        for url in (URL, "/report/status", "/report/nowhere"):
            page = villager.get(url, params={"lang": language})
            assert len(page.content) < 10_000
            assert "<link rel=" not in page.text.replace('<link rel="icon" href="data:,">', "")
            scripts = re.findall(r"<[^>]+ src=\"/static/([a-z-]+)", page.text)
            assert scripts == (["report-number"] if url == "/report/status" else [])
    assert len(send(villager).content) < 10_000


def test_the_page_says_why_the_telephones_recorder_opens(
    app: FastAPI, villager: TestClient
) -> None:
    with TestClient(app, base_url="http://testserver", headers={"accept-language": "en"}) as plain:
        assert "not encrypted" in plain.get(URL).text
    assert "not encrypted" not in villager.get(URL).text


def test_chinese_is_the_default(villager: TestClient) -> None:
    del villager.headers["accept-language"]
    page = villager.get(URL).text
    assert "我同意" in page
    assert "发送" in page


def test_a_confidential_report_keeps_its_wish(villager: TestClient, database: Database) -> None:
    send(villager, confidential="1")
    assert reports(database)[0].confidential


def test_a_phone_number_is_nowhere_in_clear(
    villager: TestClient, database: Database, data_dir: Path
) -> None:
    answer = send(villager, phone="138-1234-5678")
    assert "5678" not in answer.text
    with database.read() as session:
        assert "13812345678" not in str(session.execute(sa.text("SELECT * FROM report")).all())


def ask(browser: TestClient, number: str, pin: str) -> httpx.Response:
    page = browser.get("/report/status").text
    data = {"csrf_token": hidden(page, "csrf_token"), "reference_no": number, "pin": pin}
    return browser.post("/report/status", data=data)


def test_number_and_pin_tell_how_it_stands(villager: TestClient) -> None:
    number, pin = numbers(send(villager).text)
    answer = ask(villager, number, pin)
    assert answer.status_code == 200
    assert "A member of staff will listen" in answer.text


def test_unknown_number_and_wrong_pin_look_the_same(villager: TestClient) -> None:
    number, pin = numbers(send(villager).text)
    wrong_pin = f"{(int(pin) + 1) % 10_000:04d}"
    wrong = ask(villager, number, wrong_pin)
    unknown = ask(villager, "400 000 002", wrong_pin)

    def bare(page: str) -> str:
        return re.sub(r'(value|nonce)="[^"]*"', "", page)

    assert wrong.status_code == unknown.status_code == 422
    assert bare(wrong.text) == bare(unknown.text)


def test_guessing_locks_the_number_out(villager: TestClient) -> None:
    number, pin = numbers(send(villager).text)
    wrong_pin = f"{(int(pin) + 1) % 10_000:04d}"
    for _ in range(status.TRIES_PER_REFERENCE):
        assert ask(villager, number, wrong_pin).status_code == 422
    locked = ask(villager, number, pin)
    assert locked.status_code == 429
    assert "too many tries" in locked.text


def test_who_moves_within_a_home_network_guesses_from_the_same_place(
    villager: TestClient, app: FastAPI, database: Database
) -> None:
    for host in ("2001:db8:0:7::5", "2001:db8:0:7:9::1"):
        browser = TestClient(app, base_url="https://testserver", client=(host, 50000))
        ask(browser, "400 000 002", "0000")
    with database.read() as session:
        places = sa.select(sa.func.count()).where(StatusGuess.key.startswith("from:"))
        assert session.scalar(places) == 1
