"""Another town's things answer 404, whatever the address: existence is a secret too."""

from __future__ import annotations

import re

import pytest

from cases.models import Case, Report
from core.clock import utc_now
from core.database import Database
from recordings.models import Episode, Programme
from tests.web.conftest import TOWN, VILLAGE, Clients, csrf
from web.app import routes

KINDS = {"report_id": "report", "case_id": "case", "programme_id": "programme",
         "episode_id": "episode"}  # fmt: skip


@pytest.fixture
def things(database: Database, cast: dict[str, int]) -> dict[str, str]:
    """One of each kind in the own town; returns kind -> id."""
    now = utc_now()
    with database.write() as session:
        report = Report(
            reference_no="123456789", source_key="test:1", channel="typed", received_at=now,
            village_code=VILLAGE, typed_text="路灯坏了",
        )  # fmt: skip
        case = Case(
            case_no="1", title="路灯", summary="路灯坏了", status="triaged", village_code=VILLAGE,
            owner_id=cast["dispatcher"], created_at=now,
        )  # fmt: skip
        programme = Programme(name="村情", area_code=TOWN, created_at=now)
        session.add_all((report, case, programme))
        session.flush()
        episode = Episode(
            programme_id=programme.id, number=1, title="一", source="script", script="大家好",
            state="ready", created_at=now,
        )  # fmt: skip
        session.add(episode)
        session.flush()
        return {
            "report": str(report.id),
            "case": str(case.id),
            "programme": str(programme.id),
            "episode": str(episode.id),
        }


def addresses(things: dict[str, str]) -> list[tuple[str, str]]:
    """(method, address) of every route about exactly one of these things."""
    found = []
    for route in routes():
        names = re.findall(r"\{(\w+)[^}]*\}", route.path)
        if len(names) == 1 and names[0] in KINDS and not route.path.startswith("/edge/"):
            path = re.sub(r"\{[^}]*\}", things[KINDS[names[0]]], route.path)
            found += [(method, path) for method in sorted(route.methods)]
    return found


def test_the_outsider_finds_nothing(client: Clients, things: dict[str, str]) -> None:
    outsider = client("outsider")
    token = csrf(outsider)
    seen = 0
    for method, path in addresses(things):
        answer = outsider.request(method, path, headers={"x-csrf-token": token})
        assert answer.status_code in (404, 422, 403), (method, path, answer.status_code)
        if method == "GET":
            assert answer.status_code == 404, (path, answer.status_code)
        assert "路灯" not in answer.text, path
        assert "村情" not in answer.text, path
        seen += 1
    assert seen > 8


def test_the_own_town_finds_its_things(client: Clients, things: dict[str, str]) -> None:
    township = client("township")
    assert township.get(f"/cases/{things['case']}").status_code == 200
    assert township.get(f"/programmes/{things['programme']}").status_code == 200


def test_lists_show_nothing_of_another_town(client: Clients, things: dict[str, str]) -> None:
    outsider = client("outsider")
    for path in ("/", "/reports", "/reports/list", "/cases", "/cases/list", "/programmes",
                 "/programmes/list", "/calendar", "/duties"):  # fmt: skip
        answer = outsider.get(path)
        assert answer.status_code == 200, path
        assert "路灯" not in answer.text, path
        assert "村情" not in answer.text, path
