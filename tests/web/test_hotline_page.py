"""The hotline's page: who answers, which line belongs to which village, staff and their PINs."""

from __future__ import annotations

import json
import re

import pytest
import sqlalchemy as sa

from core.clock import utc_now
from core.database import Database
from core.models import AuditEntry
from core.sealed import Sealer
from core.settings import Settings
from hotline import staff_pins
from hotline.models import DutyPhone, HotlineLine, StaffPhone
from recordings.models import Programme
from tests.web.conftest import OTHER_TOWN, OTHER_VILLAGE, TOWN, VILLAGE, Clients, post

NUMBER, MASKED = "13812345678", "138****5678"
DUTY = {"kind": "duty", "area_code": TOWN, "name": "所值班室", "number": NUMBER, "active": "1"}


def duty_phones(database: Database) -> list[DutyPhone]:
    with database.read() as session:
        return list(session.scalars(sa.select(DutyPhone).order_by(DutyPhone.id)))


def staff(database: Database, user_id: int) -> StaffPhone | None:
    with database.read() as session:
        return session.get(StaffPhone, user_id)


def test_an_empty_hotline_says_plainly_what_does_not_work(client: Clients) -> None:
    page = client("administrator").get("/hotline").text
    assert "Nobody answers key 5" in page
    assert "Nobody answers key 0" in page
    assert "the hotline can call nobody" in page
    assert "Begin with the duty room of the police station" in page


@pytest.mark.parametrize("name", ["operator", "township", "handler", "recorder", "custodian"])
def test_others_do_not_come_in(client: Clients, name: str) -> None:
    browser = client(name)
    assert browser.get("/hotline").status_code == 403
    assert post(browser, "/hotline/phones/new", DUTY).status_code == 403
    assert 'href="/hotline"' not in browser.get("/").text


@pytest.mark.parametrize("name", ["administrator", "county"])
def test_a_duty_phone_is_stored_sealed_and_shown_masked(
    client: Clients, database: Database, sealer: Sealer, name: str
) -> None:
    answer = post(client(name), "/hotline/phones/new", {**DUTY, "number": "138 1234-5678"})
    assert answer.is_redirect
    (phone,) = duty_phones(database)
    assert sealer.unseal(phone.number_sealed) == NUMBER
    for url in ("/hotline", f"/hotline/phones/{phone.id}"):
        page = client(name).get(url).text
        assert MASKED in page
        assert NUMBER not in page
    assert "Nobody answers key 5" not in client(name).get("/hotline").text
    with database.read() as session:
        details = [str(entry.detail) for entry in session.scalars(sa.select(AuditEntry))]
    assert not any(NUMBER in detail for detail in details)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("kind", "robot"),
        ("name", " "),
        ("number", ""),
        ("number", "12"),
        ("number", "sip:x@evil"),
        ("order_no", "0"),
        ("order_no", "x"),
        ("from_time", "8:00"),
        ("until_time", "25:00"),
        ("area_code", "999999999999"),
    ],
)
def test_what_is_wrong_is_said_beside_its_field_and_nothing_is_stored(
    client: Clients, database: Database, field: str, value: str
) -> None:
    answer = post(client("administrator"), "/hotline/phones/new", {**DUTY, field: value})
    assert answer.status_code == 422
    assert f'id="wrong-{field}"' in answer.text
    assert duty_phones(database) == []


def test_a_change_without_a_number_keeps_it(
    client: Clients, database: Database, sealer: Sealer
) -> None:
    browser = client("administrator")
    post(browser, "/hotline/phones/new", DUTY)
    (phone,) = duty_phones(database)
    changed = {**DUTY, "number": "", "name": "夜班", "from_time": "22:00", "until_time": "06:00",
               "order_no": "2", "active": ""}  # fmt: skip
    assert post(browser, f"/hotline/phones/{phone.id}", changed).is_redirect
    (phone,) = duty_phones(database)
    assert (phone.name, phone.from_time, phone.until_time) == ("夜班", "22:00", "06:00")
    assert (phone.order_no, phone.active) == (2, False)
    assert sealer.unseal(phone.number_sealed) == NUMBER
    assert "Nobody answers key 5" in browser.get("/hotline").text


def test_a_duty_phone_can_be_removed(client: Clients, database: Database) -> None:
    browser = client("administrator")
    post(browser, "/hotline/phones/new", DUTY)
    (phone,) = duty_phones(database)
    assert post(browser, f"/hotline/phones/{phone.id}/remove").is_redirect
    assert duty_phones(database) == []


def test_a_line_belongs_to_one_village(client: Clients, database: Database) -> None:
    browser = client("county")
    line = {"called": "0835 600-1234", "village_code": VILLAGE}
    assert post(browser, "/hotline/lines", line).is_redirect
    assert post(browser, "/hotline/lines", {**line, "village_code": OTHER_VILLAGE}).is_redirect
    with database.read() as session:
        rows = session.execute(sa.select(HotlineLine.called, HotlineLine.village_code)).all()
    assert [tuple(row) for row in rows] == [("08356001234", OTHER_VILLAGE)]
    assert "08356001234" in browser.get("/hotline").text
    assert post(browser, "/hotline/lines/remove", {"called": "08356001234"}).is_redirect
    assert "08356001234" not in browser.get("/hotline").text


@pytest.mark.parametrize(
    ("field", "value"), [("called", ""), ("called", "村里"), ("village_code", TOWN)]
)
def test_a_wrong_line_is_not_stored(client: Clients, field: str, value: str) -> None:
    line = {"called": "08356001234", "village_code": VILLAGE, field: value}
    answer = post(client("county"), "/hotline/lines", line)
    assert answer.status_code == 422
    assert f'id="wrong-{field}"' in answer.text


def test_another_areas_phones_are_not_there(
    client: Clients, database: Database, sealer: Sealer, cast: dict[str, int]
) -> None:
    post(client("county"), "/hotline/phones/new", {**DUTY, "area_code": OTHER_TOWN})
    (phone,) = duty_phones(database)
    with database.write() as session:
        session.execute(
            sa.text("UPDATE user_account SET area_code = :town WHERE login = 'county'"),
            {"town": TOWN},
        )
    browser = client("county")
    assert MASKED not in browser.get("/hotline").text
    assert browser.get(f"/hotline/phones/{phone.id}").status_code == 404
    assert post(browser, f"/hotline/phones/{phone.id}/remove").status_code == 404
    assert post(browser, f"/hotline/phones/{phone.id}", DUTY).status_code == 404


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (None, "is not known yet"),
        ("{", "is not known yet"),
        ({"registered": True, "since": "2026-06-01T00:00:00+00:00", "code": 200, "at": "x"},
         "has let us in"),
        ({"registered": False, "since": None, "code": 403, "at": "x"}, "does not let us in"),
    ],
)  # fmt: skip
def test_the_line_out_is_told_in_words(
    client: Clients, config: Settings, told: object, words: str
) -> None:
    config.trunk_host, config.trunk_user = "carrier.example", "hotline"
    if told is not None:
        text = told if isinstance(told, str) else json.dumps(told)
        (config.folder("hotline") / "trunk.json").write_text(text)
    page = client("administrator").get("/hotline").text
    assert words in page
    assert "carrier.example" in page


def test_phones_registered_here_ring_without_a_line_out(client: Clients, config: Settings) -> None:
    config.sip_accounts = "duty:a-long-password"
    page = client("administrator").get("/hotline").text
    assert "only telephones registered here can be rung" in page
    assert "no duty phone rings" not in page


def test_everybody_gives_the_own_telephone(
    client: Clients, database: Database, sealer: Sealer, cast: dict[str, int]
) -> None:
    browser = client("handler")
    assert 'href="/phone"' in browser.get("/password").text
    wrong = post(browser, "/phone", {"number": "12"})
    assert wrong.status_code == 422
    assert post(browser, "/phone", {"number": NUMBER}).is_redirect
    row = staff(database, cast["handler"])
    assert row is not None
    assert sealer.unseal(row.number_sealed or "") == NUMBER
    page = browser.get("/phone").text
    assert MASKED in page
    assert NUMBER not in page
    assert post(browser, "/phone", {"forget": "1"}).is_redirect
    row = staff(database, cast["handler"])
    assert row is not None
    assert row.number_sealed is None


@pytest.mark.parametrize("name", ["duty-room", "601-2"])
def test_a_telephone_registered_here_keeps_its_whole_name(
    client: Clients, config: Settings, database: Database, sealer: Sealer, cast: dict[str, int],
    name: str,
) -> None:  # fmt: skip
    config.sip_accounts = "duty-room:a-long-password, 601-2:another-password"
    assert post(
        client("administrator"), "/hotline/phones/new", {**DUTY, "number": f" {name}"}
    ).is_redirect
    (phone,) = duty_phones(database)
    assert sealer.unseal(phone.number_sealed) == name
    assert post(client("handler"), "/phone", {"number": f"{name} "}).is_redirect
    row = staff(database, cast["handler"])
    assert row is not None
    assert sealer.unseal(row.number_sealed or "") == name


def test_a_pin_is_shown_once_and_stored_as_a_hash(
    client: Clients, database: Database, cast: dict[str, int]
) -> None:
    browser, user = client("administrator"), cast["recorder"]
    shown = post(browser, f"/people/{user}/pin")
    staff_no, pin = re.findall(r"<strong>(\d{6})</strong>", shown.text)
    row = staff(database, user)
    assert row is not None
    assert row.staff_no == staff_no
    assert staff_pins.fits(pin, row.pin_hash)
    page = browser.get(f"/people/{user}/phone").text
    assert staff_no in page
    assert pin not in page
    again = post(browser, f"/people/{user}/pin")
    assert staff_no in again.text
    row = staff(database, user)
    assert row is not None
    assert not staff_pins.fits(pin, row.pin_hash)
    assert post(browser, f"/people/{user}/pin/remove").is_redirect
    row = staff(database, user)
    assert row is not None
    assert (row.staff_no, row.pin_hash) == (staff_no, None)


def test_the_administrator_gives_telephone_and_programme(
    client: Clients, database: Database, sealer: Sealer, cast: dict[str, int]
) -> None:
    with database.write() as session:
        mine = Programme(name="平安广播", area_code=TOWN, created_at=utc_now())
        other = Programme(name="别镇", area_code=OTHER_TOWN, created_at=utc_now())
        session.add_all([mine, other])
        session.flush()
        own_id, other_id = mine.id, other.id
    browser, user = client("administrator"), cast["recorder"]
    url = f"/people/{user}/phone"
    assert post(browser, url, {"number": NUMBER, "programme_id": str(own_id)}).is_redirect
    row = staff(database, user)
    assert row is not None
    assert (row.programme_id, sealer.unseal(row.number_sealed or "")) == (own_id, NUMBER)
    refused = post(browser, url, {"programme_id": str(other_id)})
    assert refused.status_code == 422
    assert 'id="wrong-programme_id"' in refused.text
    assert NUMBER not in browser.get(url).text


def test_only_administrators_touch_others_telephones(client: Clients, cast: dict[str, int]) -> None:
    for name in ("operator", "county", "recorder"):
        browser = client(name)
        assert browser.get(f"/people/{cast['handler']}/phone").status_code == 403
        assert post(browser, f"/people/{cast['handler']}/pin").status_code == 403


def test_whose_roles_do_nothing_by_telephone_needs_no_pin(
    client: Clients, cast: dict[str, int]
) -> None:
    page = client("administrator").get(f"/people/{cast['operator']}/phone").text
    assert "do nothing by telephone" in page
    assert "New PIN" not in page
