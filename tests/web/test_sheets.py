"""QR sheets: what a printer gets can be scanned, read and keyed in."""

from __future__ import annotations

import pypdfium2
import pytest
import zxingcpp

from cases.models import ReportPoint
from core.database import Database
from core.models import Area
from tests.web.conftest import OTHER_VILLAGE, SECOND_VILLAGE, VILLAGE, Clients, post
from web.deps import Services

DOTS_PER_POINT = 150 / 72
"""As a cheap printer and an old phone's camera see it: 150 dots per inch."""


def scanned(data: bytes) -> list[set[str]]:
    """The addresses in the codes of each page."""
    pages = pypdfium2.PdfDocument(data)
    return [
        {code.text for code in zxingcpp.read_barcodes(page.render(scale=DOTS_PER_POINT).to_pil())}
        for page in pages
    ]


def text_of(data: bytes) -> str:
    pages = pypdfium2.PdfDocument(data)
    return "".join(page.get_textpage().get_text_bounded() for page in pages)


@pytest.fixture
def reachable(services: Services) -> None:
    services.settings.public_base_url = "https://voice.example.cn"
    services.settings.hotline_number = "0578-96110"


@pytest.mark.usefixtures("reachable")
def test_every_village_gets_a_page_that_leads_to_its_report(
    client: Clients, database: Database
) -> None:
    answer = client("township").get("/sheets/print.pdf")
    assert answer.headers["content-type"] == "application/pdf"
    with database.read() as session:
        codes = [session.get_one(Area, code).report_code for code in (VILLAGE, SECOND_VILLAGE)]
    assert scanned(answer.content) == [{f"https://voice.example.cn/report/{c}"} for c in codes]
    for address in scanned(answer.content):
        path = address.pop().removeprefix("https://voice.example.cn")
        assert client(None).get(path).status_code == 200


@pytest.mark.usefixtures("reachable")
def test_a_sheet_names_village_phone_and_code_in_letters_it_carries(client: Clients) -> None:
    browser = client("township")
    browser.headers["accept-language"] = "zh-CN"
    data = browser.get(f"/sheets/print.pdf?village={VILLAGE}").content
    text = text_of(data)
    for words in ("乡音热线", "桃坪村", "0578-96110", "1 0 1", "手机扫一扫", "96110"):
        assert words in text
    assert b"/FontFile2" in data


@pytest.mark.usefixtures("reachable")
def test_groups_of_thirty_households_get_eight_cards_a_page(client: Clients) -> None:
    browser = client("township")
    form = {"village_code": VILLAGE, "households": "301", "label": ""}
    assert post(browser, "/sheets/points", form).status_code == 303
    data = browser.get(f"/sheets/print.pdf?village={VILLAGE}&kind=points&per_page=8").content
    pages = scanned(data)
    assert [len(page) for page in pages] == [8, 3]
    assert "第11组" in text_of(data)


def test_asking_again_adds_only_the_groups_that_are_new(
    client: Clients, database: Database
) -> None:
    browser = client("township")
    for households in ("60", "90"):
        post(browser, "/sheets/points", {"village_code": VILLAGE, "households": households})
    with database.read() as session:
        labels = {point.label for point in session.query(ReportPoint)}
    assert labels == {"第1组", "第2组", "第3组"}


def test_a_point_that_is_switched_off_is_not_printed_and_still_opens(
    client: Clients, database: Database
) -> None:
    browser = client("township")
    post(browser, "/sheets/points", {"village_code": VILLAGE, "label": "3号楼"})
    with database.read() as session:
        code = session.query(ReportPoint).one().code
    post(browser, f"/sheets/points/{code}/switch", {"active": ""})
    refused = browser.get(f"/sheets/print.pdf?village={VILLAGE}&kind=points")
    assert refused.status_code == 422
    assert client(None).get(f"/report/{code}").status_code == 200


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({"village_code": VILLAGE, "households": "many"}, "households"),
        ({"village_code": VILLAGE, "households": "0"}, "households"),
        ({"village_code": VILLAGE, "households": "", "label": ""}, "households"),
        ({"village_code": VILLAGE, "households": "9999"}, "households"),
        ({"village_code": VILLAGE, "label": "长" * 61}, "label"),
    ],
)
def test_what_is_wrong_is_said_beside_its_field(
    client: Clients, database: Database, form: dict[str, str], field: str
) -> None:
    answer = post(client("township"), "/sheets/points", form)
    assert answer.status_code == 422
    assert f'id="wrong-{field}"' in answer.text
    with database.read() as session:
        assert session.query(ReportPoint).count() == 0


def test_other_towns_are_not_there(client: Clients) -> None:
    browser = client("township")
    assert "石桥村" not in browser.get("/sheets").text
    assert browser.get(f"/sheets/print.pdf?village={OTHER_VILLAGE}").status_code == 404
    form = {"village_code": OTHER_VILLAGE, "label": "3号楼"}
    assert post(browser, "/sheets/points", form).status_code == 404


def test_who_prints_need_not_be_allowed_to_add(client: Clients) -> None:
    browser = client("operator")
    page = browser.get("/sheets")
    assert page.status_code == 200
    assert 'action="/sheets/points"' not in page.text
    form = {"village_code": VILLAGE, "label": "3号楼"}
    assert post(browser, "/sheets/points", form).status_code == 403


def test_a_guessed_address_is_warned_of(client: Clients) -> None:
    assert "XIANGYIN_PUBLIC_BASE_URL" in client("township").get("/sheets").text


def test_too_many_sheets_are_refused_with_a_way_out(
    client: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web.routers.sheets.MAX_SHEETS", 1)
    answer = client("township").get("/sheets/print.pdf")
    assert answer.status_code == 422
    assert "Choose a village" in answer.text
