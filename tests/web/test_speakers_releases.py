"""A wheel is uploaded, given to chosen players, and withdrawn; by administrators alone."""

from __future__ import annotations

import io
import zipfile

import pytest
from starlette.testclient import TestClient

from broadcast.models import PlayerCommand, PlayerRelease
from core import auth
from core.database import Database
from tests.broadcast.box import Box
from tests.web.conftest import PASSWORD, TOWN, Clients, post
from tests.web.test_speakers import administrator, box, chief, clock  # noqa: F401 - fixtures

# ruff: noqa: F811 - fixtures of the neighbour module are asked for by their names


def wheel(version: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        named = f"Metadata-Version: 2.1\nName: xiangyin-edge\nVersion: {version}\n"
        file.writestr(f"xiangyin_edge-{version}.dist-info/METADATA", named)
        file.writestr("edge/__init__.py", f'__version__ = "{version}"\n')
    return out.getvalue()


def upload(browser: TestClient, data: bytes) -> int:
    return post(browser, "/speakers/releases", files={"wheel": ("edge.whl", data)}).status_code


def count(database: Database, model: type) -> int:
    with database.read() as session:
        return session.query(model).count()


def test_a_wheel_is_given_to_the_chosen_players(
    administrator: TestClient, database: Database, box: Box
) -> None:
    assert upload(administrator, wheel("0.9")) == 303
    url = "/speakers/releases/0.9/roll-out"
    assert post(administrator, url, {"player_ids": box.player.id}).status_code == 303
    with database.read() as session:
        asked = session.query(PlayerCommand).one()
    assert (asked.player_id, asked.kind, asked.payload["version"]) == (
        box.player.id,
        "update",
        "0.9",
    )
    assert "asked" in administrator.get("/speakers/releases").text


def test_what_is_no_wheel_is_refused(administrator: TestClient, database: Database) -> None:
    assert upload(administrator, b"PK no") == 422
    assert count(database, PlayerRelease) == 0


def test_nobody_chosen_asks_nobody(administrator: TestClient, database: Database) -> None:
    upload(administrator, wheel("0.9"))
    answer = post(administrator, "/speakers/releases/0.9/roll-out", {})
    assert "Choose at least one player." in answer.text
    assert count(database, PlayerCommand) == 0


def test_going_back_has_to_be_said(administrator: TestClient, database: Database, box: Box) -> None:
    upload(administrator, wheel("0.0.1"))
    form = {"player_ids": box.player.id}
    url = "/speakers/releases/0.0.1/roll-out"
    assert post(administrator, url, form).status_code == 422
    assert count(database, PlayerCommand) == 0
    assert post(administrator, url, {**form, "downgrade": "1"}).status_code == 303
    assert count(database, PlayerCommand) == 1


def test_a_withdrawn_program_is_offered_no_more(administrator: TestClient) -> None:
    upload(administrator, wheel("0.9"))
    assert post(administrator, "/speakers/releases/0.9/withdraw").status_code == 303
    assert "0.9/roll-out" not in administrator.get("/speakers/releases").text


def test_below_the_topmost_area_programs_are_given_and_neither_added_nor_withdrawn(
    client: Clients, administrator: TestClient, database: Database, cast: dict[str, int], box: Box
) -> None:
    with database.write() as session:
        roles = ["administrator"]
        cast["of the town"] = auth.create_user(session, "low", "", PASSWORD, roles, TOWN).id
    browser = client("of the town")
    assert upload(browser, wheel("0.8")) == 403
    upload(administrator, wheel("0.9"))
    assert post(browser, "/speakers/releases/0.9/withdraw").status_code == 403
    page = browser.get("/speakers/releases").text
    assert "Only the administrator of the topmost area" in page
    assert 'name="wheel"' not in page
    assert "0.9/withdraw" not in page
    given = post(browser, "/speakers/releases/0.9/roll-out", {"player_ids": box.player.id})
    assert given.status_code == 303
    assert (count(database, PlayerRelease), count(database, PlayerCommand)) == (1, 1)


@pytest.mark.parametrize("who", ["township", "outsider"])
def test_only_administrators_give_programs(client: Clients, who: str) -> None:
    browser = client(who)
    assert browser.get("/speakers/releases").status_code == 403
    assert upload(browser, wheel("0.9")) == 403
