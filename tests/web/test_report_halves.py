"""A recording that broke off for a night and came whole later: two reports, tied together."""
# ruff: noqa: F811 - fixtures are shared by importing them

from __future__ import annotations

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from cases import review
from cases.ledger import events
from cases.models import CaseReport, Report
from cases.review import Decision
from core import auth
from core.auth import Actor
from core.database import Database
from core.models import User
from tests.web.conftest import Clients, post
from tests.web.test_report import ask, numbers, reports, villager  # noqa: F401
from tests.web.test_report_keeper import left, look
from tests.web.test_report_takes import FORM, TAKE, begin, hand_in, name, piece, token  # noqa: F401
from tests.web.voices import voice
from transcribe.models import TranscriptionJob
from web.deps import Services

HOLDS_IT = "broke off. This one holds all of it and more"
GO_THERE = "holds all of it and more: go by that one"


def whole_sound() -> bytes:
    return voice("webm", 8.0)


def part(numerator: int, denominator: int) -> bytes:
    """The beginning of it, as far as it had come when the net went."""
    return whole_sound()[: len(whole_sound()) * numerator // denominator]


@pytest.fixture
def half(villager: TestClient, token: str, services: Services, database: Database) -> Report:
    """What the keeper made of a recording whose rest did not come; its words are written down."""
    begin(villager, token)
    piece(villager, token, 0, part(2, 3))
    assert look(services) == 1
    with database.write() as session:
        session.execute(sa.update(TranscriptionJob).values(state="done"))
    return reports(database)[0]


def arrives(villager: TestClient, token: str, sound: bytes | None = None, **fields: str) -> str:
    """The telephone finds its net again and begins anew; the receipt."""
    sound = sound or whole_sound()
    assert begin(villager, token).json() == {"offset": 0}
    piece(villager, token, 0, sound)
    return str(hand_in(villager, token, name(sound), **fields).json()["receipt"])


def the_whole(database: Database, half: Report) -> Report:
    (found,) = [one for one in reports(database) if one.id != half.id]
    return found


def again(database: Database, report: Report) -> Report:
    with database.read() as session:
        return session.get_one(Report, report.id)


def history(database: Database, report: Report) -> list[tuple[str, str | None]]:
    with database.read() as session:
        return [(one.action, one.reason) for one in events(session, report.id)]


def actor(database: Database, name: str) -> Actor:
    with database.read() as session:
        return auth.actor_of(session.scalars(sa.select(User).where(User.login == name)).one())


def accept(database: Database, report: Report) -> int:
    """The operator makes a case of it; its id."""
    someone = actor(database, "operator")
    with database.write() as session:
        opened = review.start(session, someone, report.id)
        decided = Decision(summary="路灯坏了", unheard_reason="broken")
        return review.accept(session, someone, report.id, opened.version, decided).id


def test_the_whole_alone_waits_and_both_name_each_other(
    villager: TestClient, token: str, half: Report, database: Database, client: Clients
) -> None:
    arrives(villager, token)
    whole, before = the_whole(database, half), again(database, half)
    assert (whole.state, whole.cut_off) == ("received", False)
    assert (before.state, before.audio_sha256) == ("duplicate", half.audio_sha256)
    assert ("more_of", half.reference_no) in history(database, whole)
    assert ("came_again", whole.reference_no) in history(database, half)
    operator = client("operator")
    waiting = operator.get("/reports").text
    assert f'"/reports/{whole.id}"' in waiting
    assert f'"/reports/{half.id}"' not in waiting


def test_an_operator_sees_at_once_which_report_is_the_whole(
    villager: TestClient, token: str, half: Report, database: Database, client: Clients
) -> None:
    arrives(villager, token)
    whole = the_whole(database, half)
    operator = client("operator")
    for report, words, other in ((whole, HOLDS_IT, half), (half, GO_THERE, whole)):
        page = operator.get(f"/reports/{report.id}").text
        said = next(line for line in page.splitlines() if words in line)
        assert f'href="/reports/{other.id}"' in said
        number = other.reference_no
        assert f"{number[:3]} {number[3:6]} {number[6:]}" in said


def test_the_villager_is_told_one_number_and_pin(
    villager: TestClient, token: str, half: Report, database: Database
) -> None:
    receipt = arrives(villager, token)
    once_more = hand_in(villager, token, name(whole_sound())).json()["receipt"]
    assert numbers(receipt) == numbers(str(once_more))
    number, pin = numbers(receipt)
    assert number.replace(" ", "") == the_whole(database, half).reference_no
    assert half.pin_hash is None
    assert ask(villager, number, pin).status_code == 200


def test_one_click_brings_the_half_back_to_review(
    villager: TestClient, token: str, half: Report, database: Database, client: Clients
) -> None:
    arrives(villager, token)
    version = again(database, half).version
    post(client("operator"), f"/reports/{half.id}/reopen", {"version": str(version)})
    assert again(database, half).state == "under_review"


def test_what_an_operator_wrote_in_the_half_stays_and_can_still_be_saved(
    villager: TestClient, token: str, half: Report, database: Database
) -> None:
    someone = actor(database, "operator")
    with database.write() as session:
        opened = review.start(session, someone, half.id)
        review.save_draft(session, someone, half.id, "路灯", opened.version)
    arrives(villager, token)
    kept = again(database, half)
    assert (kept.state, kept.draft) == ("under_review", "路灯")
    with database.write() as session:
        review.save_draft(session, someone, half.id, "路灯坏了", opened.version)
    assert ("came_again", the_whole(database, half).reference_no) in history(database, half)


def test_the_whole_follows_the_case_that_the_half_became(
    villager: TestClient, token: str, half: Report, database: Database
) -> None:
    case_id = accept(database, half)
    number, pin = numbers(arrives(villager, token))
    whole = the_whole(database, half)
    with database.read() as session:
        assert session.get(CaseReport, (case_id, whole.id)) is not None
    assert (again(database, half).state, whole.state) == ("accepted", "received")
    assert "Looked at and accepted" in ask(villager, number, pin).text


def test_confidence_asked_for_with_the_whole_reaches_the_case_of_the_half(
    villager: TestClient, token: str, half: Report, database: Database, client: Clients
) -> None:
    case_id = accept(database, half)
    assert client("dispatcher").get(f"/cases/{case_id}").status_code == 200
    assert "Your report is confidential" in arrives(villager, token, confidential="1")
    for someone in ("operator", "dispatcher", "township", "leader", "handler"):
        assert client(someone).get(f"/cases/{case_id}").status_code == 404
    assert "Confidential from now on" in client("county").get(f"/cases/{case_id}").text


@pytest.mark.parametrize("why", ["urgent", "proposed_urgent", "awaited"])
def test_a_half_in_which_danger_was_or_may_be_found_stays_in_the_list(
    villager: TestClient, token: str, half: Report, database: Database, why: str
) -> None:
    with database.write() as session:
        if why == "awaited":
            session.execute(sa.update(TranscriptionJob).values(state="queued"))
        else:
            setattr(session.get_one(Report, half.id), why, True)
    arrives(villager, token)
    assert again(database, half).state == "received"
    assert ("more_of", half.reference_no) in history(database, the_whole(database, half))


@pytest.mark.parametrize("first", [True, False])
def test_one_wish_for_confidence_covers_both(
    villager: TestClient, token: str, services: Services, database: Database, first: bool
) -> None:
    begin(villager, token, **({"confidential": "1"} if first else {}))
    piece(villager, token, 0, part(2, 3))
    look(services)
    wish = {} if first else {"confidential": "1"}
    receipt = arrives(villager, token, **wish)
    assert [one.confidential for one in reports(database)] == [True, True]
    assert "Your report is confidential" in receipt


def test_another_recording_of_the_form_is_a_later_word_about_the_first(
    villager: TestClient, token: str, half: Report, database: Database, client: Clients
) -> None:
    arrives(villager, token, voice("ogg", 5.0))
    other = the_whole(database, half)
    assert ("follows", half.reference_no) in history(database, other)
    assert again(database, half).state == "received"
    assert HOLDS_IT not in client("operator").get(f"/reports/{other.id}").text


def test_another_form_has_nothing_to_do_with_it(
    villager: TestClient, token: str, half: Report, database: Database
) -> None:
    begin(villager, token, form="form-another-0123456789")
    piece(villager, token, 0, whole_sound())
    hand_in(villager, token, name(whole_sound()), form_token="form-another-0123456789")
    assert history(database, the_whole(database, half)) == [("received", None)]
    assert again(database, half).state == "received"


def test_what_came_in_a_second_night_is_not_thrown_away(
    villager: TestClient, token: str, half: Report, services: Services, database: Database
) -> None:
    more = part(5, 6)
    begin(villager, token)
    piece(villager, token, 0, more)
    assert look(services) == 1
    longer = the_whole(database, half)
    assert longer.cut_off
    assert services.store.existing_path(longer.audio_sha256 or "").read_bytes() == more
    assert ("more_of", half.reference_no) in history(database, longer)
    assert left(services) == []
    arrives(villager, token)
    whole = reports(database)[-1]
    found = [reason for action, reason in history(database, whole) if action == "more_of"]
    assert found == [half.reference_no, longer.reference_no]


def test_a_form_that_is_sent_twice_ties_once(
    villager: TestClient, token: str, half: Report, database: Database
) -> None:
    fields = {"form_token": FORM, "text": "路灯坏了"}
    arrives(villager, token, **fields)
    begin(villager, token, TAKE)
    piece(villager, token, 0, whole_sound())
    hand_in(villager, token, name(whole_sound()), **fields)
    assert len(reports(database)) == 2
    assert [action for action, _ in history(database, half)].count("came_again") == 1


def test_a_half_whose_sound_was_deleted_meanwhile_hinders_nobody(
    villager: TestClient, token: str, half: Report, services: Services, database: Database
) -> None:
    services.store.existing_path(half.audio_sha256 or "").unlink()
    arrives(villager, token)
    assert ("follows", half.reference_no) in history(database, the_whole(database, half))
