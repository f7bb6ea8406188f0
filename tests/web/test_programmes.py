"""Pages of programmes and episodes: made, heard, decided; refused beside the field."""

from __future__ import annotations

import re
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from core.blobs import BlobStore
from core.database import Database
from recordings.models import Clip, Episode, Programme
from recordings.worker import RenderWorker

from .conftest import OTHER_TOWN, TOWN, Clients, csrf, post

Look = Callable[[], Episode]


@pytest.fixture
def sound_file(tmp_path: Path) -> Path:
    """Three seconds that can be heard."""
    path = tmp_path / "录音.wav"
    time_s = np.arange(16_000 * 3) / 16_000
    samples = 0.3 * np.sin(2 * np.pi * 440 * time_s) * (0.6 + 0.4 * np.sin(20 * time_s))
    with wave.open(str(path), "wb") as out:
        out.setparams((1, 2, 16_000, 0, "NONE", ""))
        out.writeframes((samples * 32_767).astype("<i2").tobytes())
    return path


@pytest.fixture
def recorder(client: Clients) -> TestClient:
    """The recorder's browser."""
    return client("recorder")


@pytest.fixture
def programme_url(recorder: TestClient) -> str:
    """A programme of the own town, made by its form."""
    typed = {"name": "平安青石", "description": "每周一次", "area_code": TOWN}
    answer = post(recorder, "/programmes/new", typed)
    assert answer.status_code == 303
    return str(answer.headers["location"])


@pytest.fixture
def look(database: Database) -> Look:
    """The only episode as the database has it."""

    def find() -> Episode:
        with database.read() as session:
            return session.scalars(sa.select(Episode)).one()

    return find


def send(browser: TestClient, url: str, path: Path, title: str = "防汛", **more: object) -> object:
    """Upload by the plain form."""
    with path.open("rb") as stream:
        return post(
            browser,
            f"{url}/uploads",
            {"title": title},
            files={"file": (path.name, stream, "audio/wav")},
            **more,
        )


@pytest.fixture
def ready_url(
    recorder: TestClient,
    programme_url: str,
    sound_file: Path,
    database: Database,
    store: BlobStore,
) -> str:
    """An episode that was uploaded and rendered."""
    answer = send(recorder, programme_url, sound_file)
    assert RenderWorker(database, store).run_one()
    return str(answer.headers["location"])  # type: ignore[attr-defined]


def test_an_empty_list_says_what_to_do(client: Clients) -> None:
    page = client("recorder").get("/programmes")
    assert "There is no programme yet." in page.text
    assert 'href="/programmes/new"' in page.text
    for_others = client("township").get("/programmes").text
    assert 'href="/programmes/new"' not in for_others
    assert "A recorder of your area makes programmes" in for_others


def test_the_menu_leads_those_who_may_there(client: Clients) -> None:
    assert 'href="/programmes"' in client("recorder").get("/").text
    assert 'href="/programmes"' not in client("operator").get("/").text
    assert client("operator").get("/programmes").status_code == 403
    assert client(None).get("/programmes").status_code == 303


def test_a_programme_without_a_name_is_refused_beside_the_field(recorder: TestClient) -> None:
    answer = post(recorder, "/programmes/new", {"name": " ", "description": "kept"})
    assert answer.status_code == 422
    assert 'id="wrong-name"' in answer.text
    assert "kept" in answer.text


def test_another_towns_programme_is_not_there(
    client: Clients, recorder: TestClient, ready_url: str, programme_url: str
) -> None:
    outsider = client("outsider")
    for url in (programme_url, ready_url, f"{ready_url}/audio", f"{ready_url}/state"):
        assert outsider.get(url).status_code == 404, url
        assert outsider.get(url, headers={"range": "bytes=0-9"}).status_code == 404, url
    for act in ("submit", "approve", "again"):
        assert post(outsider, f"{ready_url}/{act}").status_code == 404
    assert "平安青石" not in outsider.get("/programmes").text
    assert post(
        recorder, "/programmes/new", {"name": "x", "area_code": OTHER_TOWN}
    ).status_code in (
        404,
        422,
    )


def test_an_upload_leads_to_its_episode_and_becomes_ready(
    recorder: TestClient, programme_url: str, sound_file: Path, database: Database,
    store: BlobStore, look: Look,
) -> None:  # fmt: skip
    answer = send(recorder, programme_url, sound_file)
    assert answer.status_code == 303  # type: ignore[attr-defined]
    url = answer.headers["location"]  # type: ignore[attr-defined]
    page = recorder.get(url)
    assert 'data-state="processing"' in page.text
    assert "<progress" in page.text
    assert "<audio" not in page.text
    RenderWorker(database, store).run_one()
    assert 'data-state="ready"' in recorder.get(f"{url}/state").text
    page = recorder.get(url)
    assert "<audio" in page.text
    assert "Submit for approval" in page.text
    assert look().title == "防汛"


def test_a_script_that_uploads_is_answered_in_json(
    recorder: TestClient, programme_url: str, sound_file: Path, tmp_path: Path
) -> None:
    by_script = {"x-upload": "1"}
    good = send(recorder, programme_url, sound_file, headers=by_script)
    assert good.status_code == 201  # type: ignore[attr-defined]
    assert good.json()["url"].startswith("/episodes/")  # type: ignore[attr-defined]
    letter = tmp_path / "letter.txt"
    letter.write_text("no sound at all")
    bad = send(recorder, programme_url, letter, headers=by_script)
    assert bad.status_code == 422  # type: ignore[attr-defined]
    assert bad.json()["field"] == "file"  # type: ignore[attr-defined]
    assert "not a sound file" in bad.json()["detail"]  # type: ignore[attr-defined]


def test_a_file_that_is_no_sound_is_refused_beside_the_field_and_not_kept(
    recorder: TestClient, programme_url: str, tmp_path: Path, store: BlobStore, database: Database
) -> None:
    letter = tmp_path / "letter.txt"
    letter.write_text("no sound at all")
    answer = send(recorder, programme_url, letter, title="我的标题")
    assert answer.status_code == 422  # type: ignore[attr-defined]
    assert 'id="wrong-file"' in answer.text  # type: ignore[attr-defined]
    assert "我的标题" in answer.text  # type: ignore[attr-defined]
    with database.read() as session:
        assert session.scalar(sa.select(sa.func.count(Episode.id))) == 0
    assert not [path for path in store.folder.rglob("*") if path.is_file()]


def test_without_a_file_or_title_the_field_says_so(
    recorder: TestClient, programme_url: str, sound_file: Path
) -> None:
    nothing = post(recorder, f"{programme_url}/uploads", {"title": "x"})
    assert 'id="wrong-file"' in nothing.text
    untitled = send(recorder, programme_url, sound_file, title=" ")
    assert 'id="wrong-title"' in untitled.text  # type: ignore[attr-defined]


def test_a_phone_recording_counts_as_the_file(
    recorder: TestClient, programme_url: str, sound_file: Path
) -> None:
    empty = ("", b"", "application/octet-stream")
    with sound_file.open("rb") as stream:
        answer = post(
            recorder,
            f"{programme_url}/uploads",
            {"title": "现场"},
            files={"file": empty, "recording": ("a.wav", stream, "audio/wav")},
        )
    assert answer.status_code == 303


def test_an_upload_needs_the_forms_token(
    recorder: TestClient, programme_url: str, sound_file: Path
) -> None:
    with sound_file.open("rb") as stream:
        answer = recorder.post(
            f"{programme_url}/uploads", data={"title": "x"}, files={"file": ("a.wav", stream)}
        )
    assert answer.status_code == 403


def test_a_text_is_taken_or_refused_beside_its_field(
    recorder: TestClient, programme_url: str, look: Look
) -> None:
    refused = post(recorder, f"{programme_url}/scripts", {"title": "通知", "text": "……"})
    assert refused.status_code == 422
    assert 'id="wrong-text"' in refused.text
    assert refused.text.count('class="wrong"') == 1
    taken = post(recorder, f"{programme_url}/scripts", {"title": "通知", "text": "明天停电。"})
    assert taken.status_code == 303
    assert look().script == "明天停电。"


def test_a_failed_episode_says_why_in_the_language_of_the_page(
    recorder: TestClient, programme_url: str, database: Database, tmp_path: Path,
    sound_file: Path, store: BlobStore,
) -> None:  # fmt: skip
    silent = tmp_path / "silent.wav"
    data = sound_file.read_bytes()
    silent.write_bytes(data[:44] + bytes(len(data) - 44))
    url = send(recorder, programme_url, silent).headers["location"]  # type: ignore[attr-defined]
    RenderWorker(database, store).run_one()
    assert "Nothing can be heard in this file" in recorder.get(url).text
    assert "听不到任何声音" in recorder.get(f"{url}?lang=zh-CN").text


def test_the_sound_is_played_by_ranges(recorder: TestClient, ready_url: str, look: Look) -> None:
    whole = recorder.get(f"{ready_url}/audio")
    assert whole.headers["content-type"] == "audio/ogg"
    assert whole.content[:4] == b"OggS"
    assert look().delivery_sha256 in whole.headers["etag"]
    part = recorder.get(f"{ready_url}/audio", headers={"range": "bytes=4-99"})
    assert part.status_code == 206
    assert part.content == whole.content[4:100]
    master = recorder.get(f"{ready_url}/audio?form=master")
    assert (master.headers["content-type"], master.content[:4]) == ("audio/wav", b"RIFF")


def test_the_road_to_approval(
    client: Clients, recorder: TestClient, ready_url: str, look: Look
) -> None:
    approver = client("approver")
    assert post(recorder, f"{ready_url}/submit").status_code == 303
    assert look().state == "submitted"
    assert ready_url in approver.get("/programmes").text
    assert f"{ready_url}/approve" not in recorder.get(ready_url).text
    assert post(recorder, f"{ready_url}/approve").status_code == 403
    page = approver.get(ready_url)
    assert f"{ready_url}/approve" in page.text
    assert post(approver, f"{ready_url}/approve").status_code == 303
    assert look().state == "approved"
    shown = recorder.get(ready_url).text
    assert "approver one" in shown
    assert f"{ready_url}/again" not in shown


def test_sending_back_needs_a_reason_beside_its_field(
    client: Clients, recorder: TestClient, ready_url: str, look: Look
) -> None:
    approver = client("approver")
    post(recorder, f"{ready_url}/submit")
    refused = post(approver, f"{ready_url}/reject", {"reason": " "})
    assert refused.status_code == 422
    assert 'id="wrong-reason"' in refused.text
    assert post(approver, f"{ready_url}/reject", {"reason": "杂音太大"}).status_code == 303
    assert look().state == "rejected"
    assert "杂音太大" in recorder.get(ready_url).text


def test_a_second_decision_is_told_it_came_late(
    client: Clients, recorder: TestClient, ready_url: str
) -> None:
    approver = client("approver")
    post(recorder, f"{ready_url}/submit")
    post(approver, f"{ready_url}/approve")
    late = post(approver, f"{ready_url}/reject", {"reason": "zu spät"})
    assert late.status_code == 409
    assert "Somebody else has changed this episode" in late.text


@pytest.mark.parametrize("typed", ["abc", "-1", "1e999", "nan"])
def test_a_cut_that_is_no_number_is_refused_beside_its_field(
    recorder: TestClient, ready_url: str, typed: str
) -> None:
    answer = post(recorder, f"{ready_url}/again", {"trim_start": typed})
    assert answer.status_code == 422
    assert 'id="wrong-trim_start"' in answer.text


def test_a_cut_makes_the_episode_anew(
    recorder: TestClient, ready_url: str, database: Database, store: BlobStore, look: Look
) -> None:
    assert post(recorder, f"{ready_url}/again", {"trim_start": "1.5"}).status_code == 303
    RenderWorker(database, store).run_one()
    with database.read() as session:
        clip = session.get_one(Clip, look().delivery_sha256)
    assert abs(clip.duration_ms - 1_500) < 50


def test_an_opening_is_set_and_removed(
    recorder: TestClient, programme_url: str, sound_file: Path, database: Database, tmp_path: Path
) -> None:
    def opening() -> str | None:
        with database.read() as session:
            return session.scalars(sa.select(Programme)).one().opening_sha256

    with sound_file.open("rb") as stream:
        answer = post(recorder, f"{programme_url}/opening", {}, files={"file": ("a.wav", stream)})
    assert answer.status_code == 303
    assert opening() is not None
    assert "0:03" in recorder.get(programme_url).text
    refused = post(recorder, f"{programme_url}/closing", {}, files={"file": ("a.txt", b"text")})
    assert refused.status_code == 422
    assert 'id="wrong-file"' in refused.text
    assert post(recorder, f"{programme_url}/opening", {"remove": "1"}).status_code == 303
    assert opening() is None
    assert post(recorder, f"{programme_url}/somewhere").status_code in (404, 405)


def test_a_programme_is_renamed(recorder: TestClient, programme_url: str) -> None:
    assert post(recorder, programme_url, {"name": "新名"}).status_code == 303
    assert "新名" in recorder.get(programme_url).text
    assert 'id="wrong-name"' in post(recorder, programme_url, {"name": ""}).text


def test_pages_carry_no_style_or_script_that_the_policy_forbids(
    recorder: TestClient, programme_url: str, ready_url: str
) -> None:
    for url in ("/programmes", "/programmes/new", programme_url, f"{programme_url}/new", ready_url):
        text = recorder.get(url).text
        assert " style=" not in text, url
        assert not re.search(r"\son\w+=", text), url
        assert "<script" in text
        assert all("nonce=" in found for found in re.findall(r"<script[^>]*>", text)), url
    assert csrf(recorder)
