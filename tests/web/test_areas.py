"""Villages by hand and by file: as a whole or not at all."""

from __future__ import annotations

import httpx
import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from core.database import Database
from core.models import Area, User
from desk import csv_file
from tests.web.conftest import COUNTY, OTHER_TOWN, TOWN, Clients, csrf, post

HEADING = "区划代码,名称,级别,上级代码,海报代码\n"
GOOD = (
    HEADING
    + f"513221300000,南山镇,镇,{COUNTY},\n"
    + "513221300201,梨园村,村,513221300000,301\n"
    + "513221300202,竹林村,村,513221300000,302\n"
)


@pytest.fixture
def administrator(client: Clients) -> TestClient:
    return client("administrator")


def send(browser: TestClient, data: bytes) -> httpx.Response:
    return browser.post(
        "/areas/import",
        data={"csrf_token": csrf(browser)},
        files={"file": ("villages.csv", data, "text/csv")},
    )


def count(database: Database) -> int:
    with database.read() as session:
        return session.scalar(sa.select(sa.func.count()).select_from(Area)) or 0


def test_a_village_is_added(administrator: TestClient, database: Database) -> None:
    form = {"code": "513221100203", "name": "新桥村", "level": "village", "parent_code": TOWN}
    assert post(administrator, "/areas", form).status_code == 303
    assert "新桥村" in administrator.get("/areas").text


def test_digits_of_a_chinese_keyboard_are_those_of_a_telephone(
    administrator: TestClient, database: Database
) -> None:
    form = {"code": "513221100203", "name": "新桥村", "level": "village", "parent_code": TOWN}
    assert post(administrator, "/areas", form | {"poster_code": "２０３"}).status_code == 303
    with database.read() as session:
        assert session.get_one(Area, "513221100203").poster_code == "203"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"code": "12"}, "must have 12 digits"),
        ({"name": " "}, "Give the area a name"),
        ({"parent_code": ""}, "Choose an area that belongs to yours"),
        ({"poster_code": "1"}, "must have 3 digits"),
        ({"poster_code": "101"}, "poster code is taken"),
        ({"latitude": "91"}, "degrees between -90 and 90"),
        ({"longitude": "east"}, "degrees between -180 and 180"),
    ],
)
def test_a_refused_village_says_why(
    administrator: TestClient, database: Database, change: dict[str, str], sentence: str
) -> None:
    before = count(database)
    form = {"code": "513221100203", "name": "新桥村", "level": "village", "parent_code": TOWN}
    answer = post(administrator, "/areas", form | change)
    assert answer.status_code == 422
    assert sentence in answer.text
    assert count(database) == before


@pytest.mark.parametrize(
    "data",
    [
        GOOD.encode(),
        GOOD.encode("utf-8-sig"),
        GOOD.encode("gb18030"),
        GOOD.replace(",", ";").encode(),
        GOOD.replace("\n", "\r\n").encode(),
    ],
    ids=["utf-8", "excel's utf-8", "excel in China", "semicolons", "windows"],
)
def test_a_file_goes_in_as_a_whole(
    administrator: TestClient, database: Database, data: bytes
) -> None:
    before = count(database)
    assert send(administrator, data).status_code == 303
    assert count(database) == before + 3


def test_a_wrong_file_names_its_lines_and_stores_nothing(
    administrator: TestClient, database: Database
) -> None:
    before = count(database)
    data = GOOD + "12,错村,村,513221300000,\n" + f"513221300203,重复,村,{TOWN},302\n"
    answer = send(administrator, data.encode())
    assert answer.status_code == 422
    assert "2 lines have to be mended" in answer.text
    assert ">5</td>" in answer.text
    assert ">6</td>" in answer.text
    assert count(database) == before


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "must name the columns"),
        (b"code,name\n", "no line below"),
        (b"a,b\n1,2\n", "missing: code, name"),
        (b"\xff\xfe\x00\x00", "Save the file as CSV"),
        (b"code,name\n" + b"x" * csv_file.MAX_BYTES, "too large"),
        ("code,name\n" + "1,a\n" * (csv_file.MAX_LINES + 1), "too many lines"),
        (b'code,name\n"' + b"x" * 200_000 + b'",a\n', "cannot be read as CSV"),
    ],
)
def test_what_is_no_such_file_is_refused_in_words(
    administrator: TestClient, data: bytes | str, sentence: str
) -> None:
    answer = send(administrator, data.encode() if isinstance(data, str) else data)
    assert answer.status_code == 422
    assert sentence in answer.text


def test_areas_below_another_town_are_out_of_reach(client: Clients, database: Database) -> None:
    with database.write() as session:
        session.execute(sa.update(User).where(User.login == "administrator").values(area_code=TOWN))
    browser = client("administrator")
    before = count(database)
    line = f"513221200299,别村,村,{OTHER_TOWN},\n"
    assert send(browser, (HEADING + line).encode()).status_code == 422
    assert "白河镇" not in browser.get("/areas").text
    assert count(database) == before
