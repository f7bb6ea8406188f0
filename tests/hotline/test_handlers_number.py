"""Where no line could join them, a handler reads the resident's number for a day, on record."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from threading import Thread
from typing import Any

import pytest
import sqlalchemy as sa

from cases.models import Case
from core.clock import FakeClock, utc_now
from core.database import Database
from core.errors import Forbidden, InvalidInput, NotFound, XiangyinError
from core.models import AuditEntry
from core.sealed import Sealer
from core.settings import Settings
from hotline import whole_numbers
from hotline.whole_numbers import WholeNumber
from tests.conftest import on_both_databases
from tests.hotline.test_outgoing_orders import RESIDENT, Office

pytestmark = on_both_databases
REASON = "首次联系诉求人"
TRUNK = {"trunk_host": "carrier.example"}
DAY = timedelta(hours=24)


@pytest.fixture
def office(database: Database, sealer: Sealer, config: Settings, fake_clock: FakeClock) -> Office:
    return Office(database, sealer, config)


def read(office: Office, case: int, who: str = "handler", reason: str = REASON) -> WholeNumber:
    with office.database.write() as session:
        return whole_numbers.read_of_case(
            session, office.settings, office.sealer, office.people[who], case, reason
        )


def shown(office: Office, case: int, who: str = "handler") -> WholeNumber | None:
    with office.database.read() as session:
        return whole_numbers.shown_to_handler(
            session, office.sealer, office.settings, office.people[who], session.get_one(Case, case)
        )


def reveals(office: Office) -> list[AuditEntry]:
    query = sa.select(AuditEntry).where(AuditEntry.action == "number.reveal")
    with office.database.read() as session:
        return list(session.scalars(query.order_by(AuditEntry.id)))


def change(office: Office, case: int, **values: Any) -> None:
    with office.database.write() as session:
        for name, value in values.items():
            setattr(session.get_one(Case, case), name, value)


def test_after_a_reason_the_number_is_there_for_a_day(
    office: Office, fake_clock: FakeClock
) -> None:
    case = office.case()
    assert shown(office, case) is None
    until = utc_now() + DAY
    assert read(office, case) == WholeNumber(RESIDENT, until)
    fake_clock.advance(DAY - timedelta(seconds=1))
    assert shown(office, case) == WholeNumber(RESIDENT, until)
    fake_clock.advance(timedelta(seconds=1))
    assert shown(office, case) is None
    [entry] = reveals(office)
    assert (entry.actor, entry.subject) == ("handler", f"case:{case}")
    assert entry.detail == {"reason": REASON, "until": until.isoformat()}


def test_after_a_day_another_press_shows_it_again(office: Office, fake_clock: FakeClock) -> None:
    case = office.case()
    read(office, case)
    fake_clock.advance(DAY)
    assert read(office, case).until == utc_now() + DAY
    assert len(reveals(office)) == 2


def test_pressing_again_meanwhile_lengthens_nothing(office: Office, fake_clock: FakeClock) -> None:
    case = office.case()
    until = read(office, case).until
    fake_clock.advance(timedelta(hours=20))
    assert read(office, case).until == until
    assert len(reveals(office)) == 1


def test_a_double_press_is_one_entry(office: Office) -> None:
    case = office.case()
    presses = [Thread(target=read, args=(office, case)) for _ in range(2)]
    for press in presses:
        press.start()
    for press in presses:
        press.join()
    assert len(reveals(office)) == 1


@pytest.mark.parametrize("reason", ["", "   ", "电话"])
def test_without_a_reason_nothing_is_shown_or_written(office: Office, reason: str) -> None:
    case = office.case()
    with pytest.raises(InvalidInput) as refused:
        read(office, case, reason=reason)
    assert refused.value.field == "reason"
    assert shown(office, case) is None
    assert reveals(office) == []


@pytest.mark.parametrize(
    ("who", "changed", "refusal"),
    [
        ("handler", {"status": "accepted"}, None),
        ("handler", {"status": "in_progress"}, None),
        ("handler", {"status": "on_hold"}, None),
        ("handler", {"status": "assigned"}, Forbidden),
        ("handler", {"status": "resolved"}, Forbidden),
        ("handler", {"status": "closed"}, Forbidden),
        ("handler", {"confidential": True}, Forbidden),
        ("other", {}, Forbidden),
        ("operator", {}, Forbidden),
        ("dispatcher", {}, Forbidden),
        ("outsider", {}, NotFound),
    ],
)
def test_only_who_took_an_open_case_reads_it(
    office: Office, who: str, changed: dict[str, Any], refusal: type[XiangyinError] | None
) -> None:
    case = office.case()
    change(office, case, **changed)
    if refusal is None:
        assert read(office, case, who).text == RESIDENT
        return
    with pytest.raises(refusal):
        read(office, case, who)
    assert shown(office, case, who) is None
    assert reveals(office) == []


def test_of_a_confidential_case_not_even_a_handler_who_keeps_secrets_reads_it(
    office: Office,
) -> None:
    case = office.case(confidential=True)
    handler = office.people["handler"]
    office.people["handler"] = replace(handler, roles=frozenset({"handler", "custodian"}))
    with pytest.raises(Forbidden):
        read(office, case)
    assert reveals(office) == []


@pytest.mark.parametrize("settings", [TRUNK, {"telephony": "asterisk"}])
def test_where_a_line_goes_out_the_handler_reads_no_number(
    office: Office, settings: dict[str, str]
) -> None:
    case = office.case()
    office.settings = office.settings.model_copy(update=settings)
    with pytest.raises(Forbidden):
        read(office, case)
    assert reveals(office) == []


def test_a_telephone_of_ours_is_reached_without_a_line_out(office: Office) -> None:
    case = office.case(caller_sealed=office.sealer.seal("wang"))
    office.settings = office.settings.model_copy(update={"sip_accounts": "wang:a-good-one-1"})
    with pytest.raises(Forbidden):
        read(office, case)


@pytest.mark.parametrize(
    "changed",
    [{"status": "resolved"}, {"confidential": True}, {"handler_id": None}],
    ids=["done", "confidential", "taken away"],
)
def test_it_is_hidden_before_the_day_is_over_when_the_right_ends(
    office: Office, changed: dict[str, Any]
) -> None:
    case = office.case()
    read(office, case)
    change(office, case, **changed)
    assert shown(office, case) is None


def test_it_is_hidden_once_a_line_goes_out(office: Office) -> None:
    case = office.case()
    read(office, case)
    office.settings = office.settings.model_copy(update=TRUNK)
    assert shown(office, case) is None


def test_who_takes_the_case_over_asks_anew(office: Office) -> None:
    case = office.case()
    read(office, case)
    change(office, case, handler_id=office.people["other"].id)
    assert shown(office, case, "other") is None
    assert read(office, case, "other").text == RESIDENT


def test_a_press_counts_for_its_case_alone(office: Office) -> None:
    read(office, office.case())
    assert shown(office, office.case()) is None


def test_the_township_sees_it_on_that_answer_alone_as_before(office: Office) -> None:
    case = office.case()
    assert read(office, case, "township") == WholeNumber(RESIDENT)
    change(office, case, handler_id=office.people["township"].id)
    assert shown(office, case, "township") is None


def test_a_confidential_report_lends_no_number(office: Office) -> None:
    case = office.case()
    change(office, case, confidential=False)
    with office.database.write() as session:
        session.execute(sa.text("UPDATE report SET confidential = true"))
    with pytest.raises(Forbidden):
        read(office, case)


def test_a_number_sealed_with_another_secret_is_not_offered(office: Office) -> None:
    case = office.case(caller_sealed="not to be opened")
    with office.database.read() as session:
        assert not whole_numbers.handler_may_read(
            session, office.sealer, office.settings, office.people["handler"],
            session.get_one(Case, case),
        )  # fmt: skip
