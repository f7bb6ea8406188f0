"""Digits for the telephone: given or changed later, one village each, known to the hotline."""

from __future__ import annotations

import httpx
import numpy as np
import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from core import areas
from core.blobs import BlobStore
from core.database import Database
from core.errors import Conflict, InvalidInput
from core.models import Area, AuditEntry, OutboxEvent, User
from core.settings import Settings
from hotline import directory_keeper, prompt_sound
from hotline.directory import Reader
from hotline.directory_keeper import DirectoryKeeper
from tests.conftest import on_both_databases
from tests.web.conftest import OTHER_VILLAGE, SECOND_VILLAGE, TOWN, VILLAGE, Clients, post
from tests.web.test_areas import administrator

__all__ = ["administrator"]
NEW = "513221100203"


@pytest.fixture
def new_village(database: Database, cast: dict[str, int]) -> str:
    """A village that nobody can name on the telephone yet."""
    with database.write() as session:
        areas.add(session, NEW, "新桥村", "village", TOWN)
    return NEW


def address(village: str) -> str:
    return f"/areas/{village}/poster-code"


def give(browser: TestClient, village: str, digits: str, was: str = "") -> httpx.Response:
    return post(browser, address(village), {"poster_code": digits, "was": was})


def code_of(database: Database, village: str) -> str | None:
    with database.read() as session:
        return session.get_one(Area, village).poster_code


def test_a_village_without_digits_gets_some(
    administrator: TestClient, database: Database, new_village: str
) -> None:
    assert f'href="{address(new_village)}"' in administrator.get("/areas").text
    assert "has none yet" in administrator.get(address(new_village)).text
    answer = give(administrator, new_village, "103")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/areas#a{new_village}")
    assert code_of(database, new_village) == "103"


def test_before_a_change_the_page_warns_of_the_sheets_that_hang(
    administrator: TestClient, database: Database
) -> None:
    page = administrator.get(address(VILLAGE)).text
    assert "Sheets that were printed carry 101" in page
    assert "give 101 to no other village" in page
    assert give(administrator, VILLAGE, "111", was="101").status_code == 303
    assert code_of(database, VILLAGE) == "111"


@pytest.mark.parametrize(
    ("digits", "says"),
    [
        ("", "must have 3 digits"),
        ("12", "must have 3 digits"),
        ("1234", "must have 3 digits"),
        ("1a3", "must have 3 digits"),
        ("²³¼", "must have 3 digits"),
        ("102", "柳树村 (青石镇) has the poster code 102"),
        ("201", "石桥村 (白河镇) has the poster code 201"),
    ],
)
def test_refused_digits_are_told_beside_their_field(
    administrator: TestClient, database: Database, new_village: str, digits: str, says: str
) -> None:
    answer = give(administrator, new_village, digits)
    assert answer.status_code == 422
    assert says in answer.text.split('id="wrong-poster_code"')[1][:200]
    assert f'value="{digits}"' in answer.text
    assert code_of(database, new_village) is None


def test_the_wide_digits_of_a_chinese_keyboard_count(
    administrator: TestClient, database: Database, new_village: str
) -> None:
    assert give(administrator, new_village, " １０３").status_code == 303
    assert code_of(database, new_village) == "103"


def test_the_refusal_is_there_in_chinese(administrator: TestClient, new_village: str) -> None:
    administrator.headers["accept-language"] = "zh-CN"
    answer = give(administrator, new_village, "102")
    assert "海报代码 102 已经给了柳树村（青石镇），请换一个。" in answer.text


def test_a_change_that_another_made_meanwhile_is_not_overwritten(
    administrator: TestClient, database: Database
) -> None:
    give(administrator, VILLAGE, "111", was="101")
    answer = give(administrator, VILLAGE, "112", was="101")
    assert answer.status_code == 409
    assert "Somebody else has changed this code" in answer.text
    assert 'name="was" value="111"' in answer.text
    assert code_of(database, VILLAGE) == "111"


def test_a_change_is_written_down_once_and_the_same_digits_again_are_none(
    administrator: TestClient, database: Database
) -> None:
    for was in ("101", "101", "111"):
        give(administrator, VILLAGE, "111", was=was)
    with database.read() as session:
        entry = session.scalars(
            sa.select(AuditEntry).where(AuditEntry.action == "area.poster_code")
        ).one()
        assert (entry.actor, entry.subject) == ("administrator", f"area:{VILLAGE}")
        assert entry.detail == {"before": "101", "after": "111"}
        news = sa.select(OutboxEvent).where(OutboxEvent.kind == "area.changed")
        assert session.scalars(news).one().payload == {"area_code": VILLAGE}


def test_the_hotline_knows_them(
    administrator: TestClient,
    database: Database,
    store: BlobStore,
    config: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    silence = np.zeros(800, dtype="<i2")
    monkeypatch.setattr(prompt_sound, "spoken", lambda *_given: silence)
    give(administrator, VILLAGE, "111", was="101")
    assert "area.changed" in dict(directory_keeper.handlers())
    DirectoryKeeper(database, store, config).run_once()
    known = Reader(config).current()
    village = known.by_poster_code("111")
    assert village is not None
    assert (village.code, known.by_poster_code("101")) == (VILLAGE, None)


@pytest.mark.parametrize("area", ["513221100000", "513221100299"])
def test_only_villages_that_are_there_have_a_page(administrator: TestClient, area: str) -> None:
    assert administrator.get(address(area)).status_code == 404
    assert give(administrator, area, "103").status_code == 404


def test_villages_of_another_town_are_out_of_reach(client: Clients, database: Database) -> None:
    with database.write() as session:
        session.execute(sa.update(User).where(User.login == "administrator").values(area_code=TOWN))
    browser = client("administrator")
    assert browser.get(address(OTHER_VILLAGE)).status_code == 404
    assert give(browser, OTHER_VILLAGE, "103", was="201").status_code == 404
    assert code_of(database, OTHER_VILLAGE) == "201"


@pytest.mark.parametrize("name", ["township", "village_head", "operator"])
def test_who_may_not_add_areas_may_not_change_digits(
    client: Clients, database: Database, name: str
) -> None:
    browser = client(name)
    assert browser.get(address(VILLAGE)).status_code == 403
    assert give(browser, VILLAGE, "103", was="101").status_code == 403
    assert code_of(database, VILLAGE) == "101"


def test_the_page_of_the_sheets_says_who_gives_them(client: Clients, new_village: str) -> None:
    page = client("township").get("/sheets").text
    assert "An administrator gives it one" in page.split(f'id="v{new_village}"')[1]
    assert address(new_village) not in page
    assert f'href="{address(new_village)}"' in client("administrator").get("/sheets").text


@on_both_databases
def test_two_villages_never_get_the_same_digits(database: Database, cast: dict[str, int]) -> None:
    """Both looked while they were free: the second one finds the name of the first."""
    look = areas._require_free
    with database.write() as session, pytest.MonkeyPatch.context() as patched:
        looks = iter([lambda *_given: None, look])
        patched.setattr(areas, "_require_free", lambda *given: next(looks)(*given))
        with pytest.raises(InvalidInput, match="柳树村"):
            areas.give_poster_code(session, areas.get(session, VILLAGE), "102", "101")
        assert session.scalar(sa.select(sa.func.count()).select_from(Area)) == 6


@on_both_databases
def test_digits_are_given_only_to_a_village_as_it_was_seen(
    database: Database, cast: dict[str, int]
) -> None:
    with database.write() as session:
        village = areas.get(session, SECOND_VILLAGE)
        for seen in (None, "103"):
            with pytest.raises(Conflict):
                areas.give_poster_code(session, village, "104", seen)
        assert areas.give_poster_code(session, village, "104", "102")
        assert village.poster_code == "104"
