"""The page knows its place, for whom somebody speaks, and the telephone beside it."""
# ruff: noqa: F811 - fixtures are shared by importing them

from __future__ import annotations

from dataclasses import replace

import pytest
from starlette.testclient import TestClient

from cases.models import ReportPoint
from core.clock import utc_now
from core.database import Database
from core.sealed import Sealer
from tests.web.conftest import VILLAGE, Clients
from tests.web.test_report import URL, fill, hidden, reports, villager  # noqa: F401
from web.app import create_app
from web.deps import Services

POINT = "k7m2p9q4"


@pytest.fixture
def point(database: Database, cast: dict[str, int]) -> str:
    """A sheet on a building."""
    with database.write() as session:
        session.add(
            ReportPoint(
                code=POINT, village_code=VILLAGE, label="3号楼", households=30, created_at=utc_now()
            )
        )
    return f"/report/{POINT}"


def send_from(browser: TestClient, url: str) -> None:
    page = browser.get(url).text
    filled = {name: hidden(page, name) for name in ("csrf_token", "form_token")}
    assert browser.post(url, data={**filled, "consent": "1", "text": "漏水"}).status_code == 200


def test_a_building_has_its_own_code(
    villager: TestClient, point: str, client: Clients, database: Database
) -> None:
    assert "桃坪村 · 3号楼" in villager.get(point).text
    send_from(villager, point)
    report = reports(database)[0]
    assert (report.village_code, report.point_code) == (VILLAGE, POINT)
    assert "3号楼" in client("operator").get(f"/reports/{report.id}").text


def test_a_sheet_taken_out_of_use_still_leads_to_the_village(
    villager: TestClient, point: str, database: Database
) -> None:
    with database.write() as session:
        session.get_one(ReportPoint, POINT).active = False
    assert "3号楼" not in villager.get(point).text
    send_from(villager, point)
    assert (reports(database)[0].village_code, reports(database)[0].point_code) == (VILLAGE, None)


def test_the_page_names_the_telephone_and_the_villages_number(
    services: Services, villager: TestClient
) -> None:
    settings = services.settings.model_copy(update={"hotline_number": "0831-2345678"})
    with TestClient(create_app(replace(services, settings=settings))) as browser:
        page = browser.get(URL).text
        assert 'href="tel:0831-2345678"' in page
        assert '<b class="g">101</b>' in page
        assert 'href="tel:0831-2345678"' in browser.get("/report/nowhere").text
        assert len(page.encode()) < 10_000


def test_without_a_telephone_the_page_names_none(villager: TestClient) -> None:
    assert "tel:" not in villager.get(URL).text


def test_somebody_speaks_for_somebody_else(
    villager: TestClient, client: Clients, database: Database, sealer: Sealer
) -> None:
    fields = {"on_behalf": "1", "resident_name": "王大爷", "resident_phone": "138 0000 1234"}
    assert villager.post(URL, data=fill(villager, **fields)).status_code == 200
    report = reports(database)[0]
    assert (report.on_behalf, report.resident_name) == (True, "王大爷")
    assert sealer.unseal(report.resident_phone_sealed or "") == "13800001234"
    page = client("operator").get(f"/reports/{report.id}").text
    assert "王大爷" in page
    assert "by somebody else" in page
    assert "13800001234" not in page


def test_names_are_kept_only_when_the_box_is_ticked(
    villager: TestClient, database: Database
) -> None:
    fields = {"resident_name": "王大爷", "resident_phone": "13800001234"}
    villager.post(URL, data=fill(villager, **fields))
    report = reports(database)[0]
    assert (report.on_behalf, report.resident_name, report.resident_phone_sealed) == (
        False,
        None,
        None,
    )


def test_a_wrong_number_of_the_other_person_is_said_beside_it(villager: TestClient) -> None:
    answer = villager.post(URL, data=fill(villager, on_behalf="1", resident_phone="his number"))
    assert answer.status_code == 422
    assert 'id="e-resident_phone"' in answer.text
    assert 'name="on_behalf" value="1" checked' in answer.text


def test_a_name_typed_as_a_number_is_masked_for_those_who_do_not_hear(
    villager: TestClient, client: Clients, database: Database
) -> None:
    villager.post(URL, data=fill(villager, on_behalf="1", resident_name="13812345678"))
    address = f"/reports/{reports(database)[0].id}"
    assert "13812345678" not in client("dispatcher").get(address).text
