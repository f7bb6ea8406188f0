"""What a handler says to the resident: by sound or text, seen and taken back on the case's page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from cases import replies
from cases.models import CaseReply
from core.blobs import BlobStore
from core.database import Database
from recordings import sound
from tests.cases.conftest import tone
from tests.web.conftest import Clients, post
from tests.web.test_cases import MakeCase, make_case, step

__all__ = ["make_case"]


@pytest.fixture
def case(client: Clients, make_case: MakeCase, cast: dict[str, int]) -> int:
    """A case that the handler has taken."""
    made = make_case()
    step(client("dispatcher"), made, "assign", handler_id=str(cast["handler"]))
    step(client("handler"), made, "accept")
    return made


def said(database: Database) -> list[CaseReply]:
    with database.read() as session:
        return replies.of_case(session, 1)


def speak(browser: TestClient, case: int, wav: Path) -> None:
    files = {"file": ("answer.wav", wav.read_bytes(), "audio/wav")}
    answer = post(browser, f"/cases/{case}/reply", {}, files=files)
    assert answer.headers["location"] == f"/cases/{case}"


def test_a_sound_becomes_an_answer_telephones_can_play(
    client: Clients, case: int, database: Database, store: BlobStore, tmp_path: Path
) -> None:
    handler = client("handler")
    speak(handler, case, tone(tmp_path / "a.wav", duration_s=2, rate_hz=44_100))
    reply = said(database)[0]
    facts = sound.probe(store.existing_path(reply.sha256))
    assert (facts.codec, facts.sample_rate_hz, facts.channels) == ("pcm_s16le", 8000, 1)
    assert reply.duration_ms == 2000
    page = handler.get(f"/cases/{case}").text
    assert f'src="/cases/{case}/replies/{reply.id}/audio"' in page
    heard = handler.get(f"/cases/{case}/replies/{reply.id}/audio")
    assert heard.content == store.existing_path(reply.sha256).read_bytes()


def test_of_what_the_handler_spoke_only_the_copy_for_telephones_is_kept(
    client: Clients, case: int, database: Database, store: BlobStore, tmp_path: Path
) -> None:
    """Nothing would ever remove the original, for no row names it."""
    speak(client("handler"), case, tone(tmp_path / "a.wav", rate_hz=44_100))
    assert files(store) == {said(database)[0].sha256}


def files(store: BlobStore) -> set[str]:
    return {path.name for path in store.folder.rglob("*") if path.is_file()}


def test_a_text_is_spoken_by_the_machine(
    client: Clients, case: int, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def render(_text: str, target: Path) -> int:
        tone(target, rate_hz=22_050)
        return 1000

    monkeypatch.setattr("recordings.speech.render", render)
    answer = post(client("handler"), f"/cases/{case}/reply", {"text": " 明天上午来修。 "})
    assert answer.is_redirect
    assert said(database)[0].text == "明天上午来修。"
    assert "明天上午来修。" in client("township").get(f"/cases/{case}").text


def test_one_click_withdraws_it_and_a_second_changes_nothing(
    client: Clients, case: int, database: Database, tmp_path: Path
) -> None:
    handler = client("handler")
    speak(handler, case, tone(tmp_path / "a.wav"))
    for _ in range(2):
        assert post(handler, f"/cases/{case}/replies/1/withdraw").is_redirect
    assert said(database)[0].withdrawn_at is not None
    with database.read() as session:
        assert replies.newest(session, case) is None
    assert "Withdrawn" in handler.get(f"/cases/{case}").text


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"no sound at all", "not a sound file"), (b"", "Record or choose a sound")],
)
def test_what_is_no_sound_is_said_beside_the_field(
    client: Clients, case: int, database: Database, store: BlobStore, content: bytes, says: str
) -> None:
    sent = {"file": ("a.wav", content, "audio/wav")} if content else None
    answer = post(client("handler"), f"/cases/{case}/reply", {}, files=sent)
    assert answer.status_code == 422
    assert says in re.sub(r"\s+", " ", answer.text)
    assert said(database) == []
    assert files(store) == set()


def test_silence_and_too_long_a_text_are_refused(
    client: Clients, case: int, database: Database, store: BlobStore, tmp_path: Path
) -> None:
    handler, quiet = client("handler"), tmp_path / "q.wav"
    tone(quiet)
    data = quiet.read_bytes()
    quiet.write_bytes(data[:44] + bytes(len(data) - 44))
    sent = {"file": ("a.wav", quiet.read_bytes(), "audio/wav")}
    assert "Nothing can be heard" in post(handler, f"/cases/{case}/reply", {}, files=sent).text
    assert files(store) == set()
    long = post(handler, f"/cases/{case}/reply", {"text": "好" * (replies.MAX_TEXT + 1)})
    assert long.status_code == 422
    assert said(database) == []


@pytest.mark.parametrize(
    ("name", "status"), [("dispatcher", 403), ("leader", 403), ("outsider", 404), ("auditor", 403)]
)
def test_only_who_may_solve_the_case_answers(
    client: Clients, case: int, name: str, status: int
) -> None:
    browser = client(name)
    assert browser.get(f"/cases/{case}/reply").status_code == status
    assert post(browser, f"/cases/{case}/reply", {"text": "x"}).status_code == status
    assert "/reply" not in browser.get(f"/cases/{case}").text


def test_another_town_hears_no_answer(client: Clients, case: int, tmp_path: Path) -> None:
    speak(client("handler"), case, tone(tmp_path / "a.wav"))
    assert client("outsider").get(f"/cases/{case}/replies/1/audio").status_code == 404
    assert client("outsider").get(f"/cases/{case}/replies").status_code == 404
    assert client("handler").get(f"/cases/{case + 1}/replies/1/audio").status_code == 404
    assert client("leader").get(f"/cases/{case}/replies/1/audio").status_code == 200


def test_the_case_says_until_when_and_what_the_resident_did(
    client: Clients, case: int, database: Database
) -> None:
    from cases import residents

    assert "To be solved by" in client("handler").get(f"/cases/{case}").text
    with database.write() as session:
        residents.not_satisfied(session, 1, "call:1")
    page = client("handler").get(f"/cases/{case}/events").text
    assert "Reminder" in page
    assert "The resident" in page
