"""The button that joins somebody here with a resident: who sees it, what it says, no number."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from cases import contacts, intake, review
from cases.intake import Arrival
from cases.models import Case
from cases.review import Decision
from core import auth, settings
from core.blobs import BlobStore
from core.clock import utc_now
from core.database import Database
from core.models import AuditEntry, User
from core.sealed import Sealer
from core.settings import Settings
from hotline import callbacks
from hotline.callbacks import Debt
from hotline.models import OutgoingCall, StaffPhone
from tests.web.conftest import VILLAGE, Clients, post

NUMBER, OWN = "13712345678", "13912345678"
BUTTON = "Connect me with the resident"
MakeCase = Callable[..., int]


@pytest.fixture
def config(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A town whose hotline can call out."""
    monkeypatch.setenv("XIANGYIN_TRUNK_HOST", "carrier.example")
    settings.load.cache_clear()
    return settings.load()


@pytest.fixture
def make_case(
    database: Database, store: BlobStore, sealer: Sealer, cast: dict[str, int]
) -> MakeCase:
    """A case of a phone report that the handler works on; answers its id."""

    def make(*, number: str = NUMBER, status: str = "in_progress", phone: bool = True) -> int:
        with database.write() as session:
            actor = auth.actor_of(session.get_one(User, cast["operator"]))
            arrival = Arrival(
                channel="typed", source_key=f"c{number}", received_at=utc_now(), typed_text="原话",
                village_code=VILLAGE, caller_number=number or None,
            )  # fmt: skip
            report = intake.receive(session, store, sealer, arrival).report
            opened = review.start(session, actor, report.id)
            decision = Decision(summary="桃坪村路灯不亮", service_code="road")
            case = review.accept(session, actor, report.id, opened.version, decision)
            case.status, case.handler_id = status, cast["handler"]
            for who in ("handler", "township", "operator") if phone else ():
                session.add(
                    StaffPhone(
                        user_id=cast[who], number_sealed=sealer.seal(OWN), changed_at=utc_now()
                    )
                )
            return case.id

    return make


def page(browser: TestClient, case: int) -> str:
    return browser.get(f"/cases/{case}").text


def part(browser: TestClient, case: int) -> str:
    return browser.get(f"/cases/{case}/bridge").text


def change(database: Database, **values: Any) -> None:
    with database.write() as session:
        order = session.query(OutgoingCall).one()
        for name, value in values.items():
            setattr(order, name, value)


def test_the_handler_presses_and_sees_how_far_it_is(
    client: Clients, make_case: MakeCase, database: Database
) -> None:
    case, handler = make_case(), client("handler")
    assert BUTTON in page(handler, case)
    assert post(handler, f"/cases/{case}/bridge").is_redirect
    assert "is told to call you" in part(handler, case)
    assert BUTTON not in part(handler, case)
    ringing = {"who": "user:1", "answered_at": None, "cause": ""}
    change(database, state="sent", attempts=[ringing])
    assert "Your telephone rings" in part(handler, case)
    taken = {**ringing, "answered_at": "x"}
    change(database, attempts=[taken])
    assert "Press 1" in part(handler, case)
    change(database, attempts=[taken, {**ringing, "who": "resident"}])
    assert "resident&#39;s telephone rings" in part(handler, case)
    change(database, joined_at=utc_now())
    assert "You are speaking" in part(handler, case)
    change(database, state="done", result="joined", talked_ms=9_900, ended_at=utc_now())
    assert "does not count as contact" in part(handler, case)
    change(database, talked_ms=10_000)
    assert "You spoke with the resident" in part(handler, case)
    assert BUTTON in part(handler, case)


@pytest.mark.parametrize(
    ("cause", "said"),
    [
        ("machine", "answering machine"),
        ("busy", "was busy"),
        ("no_answer", "did not answer"),
        ("refused", "could not be reached"),
        ("limit", "All lines of the hotline are in use"),
        ("unjoined", "the line did not join you"),
    ],
)
def test_why_nobody_was_reached_is_said(
    client: Clients, make_case: MakeCase, database: Database, cause: str, said: str
) -> None:
    case, handler = make_case(), client("handler")
    post(handler, f"/cases/{case}/bridge")
    change(
        database, state="done", result="nobody", ended_at=utc_now(),
        attempts=[{"who": "resident", "answered_at": None, "cause": cause}],
    )  # fmt: skip
    assert said in part(handler, case)


@pytest.mark.parametrize(
    ("cause", "said"),
    [
        ("busy", "hotline had no free line"),
        ("refused", "account and password"),
        ("unreachable", "did not get through to your own telephone"),
        ("limit", "All lines of the hotline are in use"),
    ],
)
def test_a_line_that_fails_is_not_blamed_on_who_pressed(
    client: Clients, make_case: MakeCase, database: Database, cause: str, said: str
) -> None:
    case, handler = make_case(), client("handler")
    post(handler, f"/cases/{case}/bridge")
    change(
        database, state="done", result="nobody", ended_at=utc_now(),
        attempts=[{"who": "user:1", "answered_at": None, "cause": cause}],
    )  # fmt: skip
    assert said in part(handler, case)
    assert "was not answered" not in part(handler, case)


@pytest.mark.parametrize("cause", ["no_answer", "declined"])
def test_who_does_not_take_the_own_telephone_is_told_so(
    client: Clients, make_case: MakeCase, database: Database, cause: str
) -> None:
    case, handler = make_case(), client("handler")
    post(handler, f"/cases/{case}/bridge")
    change(
        database, state="done", result="nobody", ended_at=utc_now(),
        attempts=[{"who": "user:1", "answered_at": None, "cause": cause}],
    )  # fmt: skip
    assert "Your own telephone was not answered" in part(handler, case)


def test_a_number_that_cannot_be_dialled_is_not_blamed_on_who_pressed(
    client: Clients, make_case: MakeCase, database: Database
) -> None:
    case, handler = make_case(), client("handler")
    post(handler, f"/cases/{case}/bridge")
    change(database, state="done", result="nobody", ended_at=utc_now())
    assert "cannot be dialled" in part(handler, case)
    assert "Your own telephone" not in part(handler, case)


def test_the_first_contact_stands_on_the_page_and_in_the_history(
    client: Clients, make_case: MakeCase, database: Database, cast: dict[str, int]
) -> None:
    case = make_case()
    assert "No contact yet" in page(client("handler"), case)
    with database.write() as session:
        contacts.note_contact(session, case, cast["handler"], utc_now(), 65_000)
    text = page(client("handler"), case)
    assert "First contact" in text
    assert "Spoke with the resident" in text
    assert "1:05" in text
    with database.read() as session:
        assert session.get_one(Case, case).status == "in_progress"


@pytest.mark.parametrize("who", ["handler", "township", "operator", "leader"])
def test_no_page_shows_a_number(client: Clients, make_case: MakeCase, who: str) -> None:
    case = make_case()
    post(client("handler"), f"/cases/{case}/bridge")
    for text in (page(client(who), case), part(client(who), case)):
        for number in (NUMBER, OWN):
            assert number not in text
            assert number[-4:] not in text


@pytest.mark.parametrize("who", ["operator", "dispatcher", "leader"])
def test_who_may_not_be_connected_sees_no_button_and_is_refused(
    client: Clients, make_case: MakeCase, database: Database, who: str
) -> None:
    case, browser = make_case(), client(who)
    assert BUTTON not in page(browser, case)
    assert post(browser, f"/cases/{case}/bridge").status_code == 403
    with database.read() as session:
        assert session.query(OutgoingCall).count() == 0


def test_another_town_finds_nothing(client: Clients, make_case: MakeCase) -> None:
    case, browser = make_case(), client("outsider")
    assert browser.get(f"/cases/{case}/bridge").status_code == 404
    assert post(browser, f"/cases/{case}/bridge").status_code == 404


def test_without_a_number_or_an_own_phone_the_page_says_what_is_missing(
    client: Clients, make_case: MakeCase
) -> None:
    handler = client("handler")
    without_number = make_case(number="")
    assert "No telephone number came with it" in page(handler, without_number)
    answer = post(handler, f"/cases/{without_number}/bridge")
    assert answer.status_code == 409
    assert "No telephone number came with this case" in answer.text


def test_without_an_own_phone_the_page_says_where_it_is_entered(
    client: Clients, make_case: MakeCase
) -> None:
    case, handler = make_case(phone=False), client("handler")
    assert "My telephone" in page(handler, case)
    assert BUTTON not in page(handler, case)
    assert post(handler, f"/cases/{case}/bridge").status_code == 422


def test_a_number_that_may_be_forged_to_cost_money_has_a_word_instead_of_a_button(
    client: Clients, make_case: MakeCase
) -> None:
    case = make_case(number="0085212345678")
    text = page(client("handler"), case)
    assert BUTTON not in text
    assert "decides whether to call it from another telephone" in text
    refused = post(client("handler"), f"/cases/{case}/bridge")
    assert refused.status_code == 409
    assert "85212345678" not in refused.text


def test_who_may_read_it_sees_a_number_nobody_calls_once_for_a_reason(
    client: Clients, make_case: MakeCase, database: Database
) -> None:
    number = "16812345"
    case, township = make_case(number=number), client("township")
    assert f'action="/cases/{case}/number"' in page(township, case)
    refused = post(township, f"/cases/{case}/number", {"reason": " "})
    assert refused.status_code == 422
    assert 'aria-invalid="true"' in refused.text
    assert number not in refused.text
    told = post(township, f"/cases/{case}/number", {"reason": "核实后用手机联系"})
    assert f"<strong>{number}</strong>" in told.text
    assert told.headers["cache-control"] == "no-store"
    assert number not in page(township, case)
    assert reveals(database) == [(f"case:{case}", {"reason": "核实后用手机联系"})]


@pytest.mark.parametrize(
    ("who", "changed", "answer"),
    [
        ("handler", {}, 403),
        ("operator", {}, 403),
        ("outsider", {}, 404),
        ("township", {"confidential": True}, 404),
        ("township", {"confidential": True, "handler": True}, 403),
        ("township", {"status": "closed"}, 403),
        ("county", {"confidential": True}, 200),
    ],
)
def test_who_reads_the_whole_number_of_a_case(
    client: Clients, make_case: MakeCase, database: Database, cast: dict[str, int],
    who: str, changed: dict[str, Any], answer: int,
) -> None:  # fmt: skip
    number = make_case()
    with database.write() as session:
        case = session.get_one(Case, number)
        case.confidential = changed.get("confidential", False)
        case.status = changed.get("status", case.status)
        if "handler" in changed:
            case.handler_id = cast[who]
    assert ("Show the whole number" in page(client(who), number)) == (answer == 200)
    told = post(client(who), f"/cases/{number}/number", {"reason": "核实后联系"})
    assert told.status_code == answer
    assert (NUMBER in told.text) == (answer == 200)
    assert len(reveals(database)) == (answer == 200)


def test_without_a_number_there_is_none_to_read(client: Clients, make_case: MakeCase) -> None:
    case, county = make_case(number=""), client("county")
    assert "Show the whole number" not in page(county, case)
    answer = post(county, f"/cases/{case}/number", {"reason": "核实后联系"})
    assert answer.status_code == 404


def reveals(database: Database) -> list[tuple[str | None, Any]]:
    """Subject and detail of each number that was read."""
    query = sa.select(AuditEntry).where(AuditEntry.action == "number.reveal")
    with database.read() as session:
        return [(entry.subject, entry.detail) for entry in session.scalars(query)]


def test_a_colleague_is_named_while_she_speaks(client: Clients, make_case: MakeCase) -> None:
    case = make_case()
    post(client("handler"), f"/cases/{case}/bridge")
    assert "handler one is being connected" in part(client("township"), case)
    assert post(client("township"), f"/cases/{case}/bridge").status_code == 409


def test_a_call_back_is_connected_too(
    client: Clients, make_case: MakeCase, database: Database, sealer: Sealer
) -> None:
    make_case()
    debt = Debt(
        reason="missed", called_at=utc_now(), caller_sealed=sealer.seal(NUMBER), caller_hash="h",
        village_code=VILLAGE,
    )  # fmt: skip
    with database.write() as session:
        task = callbacks.owe(session, debt, "Asia/Shanghai")
        assert task is not None
    operator = client("operator")
    assert BUTTON in operator.get(f"/callbacks/{task.id}/bridge").text
    assert post(operator, f"/callbacks/{task.id}/bridge").is_redirect
    assert "is told to call you" in operator.get(f"/callbacks/{task.id}/bridge").text
    assert client("outsider").get(f"/callbacks/{task.id}/bridge").status_code == 404
    assert post(client("handler"), f"/callbacks/{task.id}/bridge").status_code == 403
