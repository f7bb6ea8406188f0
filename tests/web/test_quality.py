"""How good is it: figures with their counts, within the own area, and a floor fixed by hand."""

from __future__ import annotations

import csv
import io
import re

import pytest
import sqlalchemy as sa

from cases.models import Report
from core.database import Database
from core.models import AuditEntry
from core.settings import Settings
from tests.web.conftest import VILLAGE, Clients, post
from tests.web.spoken import OTHER_VILLAGE, speak
from transcribe.models import ConfidenceFloor

CHOSEN = {"show": "chosen", "weeks": "0"}


@pytest.fixture
def all_chosen(config: Settings) -> None:
    """No sample: every text counts as chosen by operators."""
    config.verbatim_every = 0


def rows(client: Clients, name: str = "operator", show: str = "chosen") -> list[dict[str, str]]:
    answer = client(name).get("/quality.csv", params={"show": show, "weeks": "0"})
    assert answer.headers["content-type"].startswith("text/csv")
    return list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"))))


def total(client: Clients, name: str = "operator", show: str = "chosen") -> int:
    (line,) = [row for row in rows(client, name, show) if row["group"] == "all"]
    return int(line["transcripts"])


def test_an_empty_page_says_what_to_do_first(client: Clients) -> None:
    page = client("operator").get("/quality").text
    assert "What to do first" in page
    assert "This is a guess: only 0 of the 30 texts needed" in page


@pytest.mark.parametrize("name", ["operator", "township", "county"])
def test_those_who_answer_for_an_area_see_its_figures(
    client: Clients, name: str, database: Database, cast: dict[str, int], all_chosen: None
) -> None:
    speak(database, cast["operator"], 12)
    assert client(name).get("/quality").status_code == 200
    assert total(client, name) == 12


@pytest.mark.parametrize("name", ["dispatcher", "handler", "recorder", "custodian", "leader"])
def test_others_do_not_come_in(client: Clients, name: str) -> None:
    browser = client(name)
    assert browser.get("/quality").status_code == 403
    assert browser.get("/quality.csv").status_code == 403
    assert 'href="/quality"' not in browser.get("/").text


def test_an_administrator_sees_the_floor_and_no_figures(
    client: Clients, database: Database, cast: dict[str, int], all_chosen: None
) -> None:
    speak(database, cast["operator"], 12)
    administrator = client("administrator")
    page = administrator.get("/quality", params=CHOSEN).text
    assert "Fix the floor by hand" in page
    assert "By village" not in page
    assert "路灯" not in page
    assert administrator.get("/quality.csv").status_code == 403


def test_another_towns_figures_are_not_there(
    client: Clients, database: Database, cast: dict[str, int], all_chosen: None
) -> None:
    speak(database, cast["operator"], 12, village=VILLAGE)
    speak(database, cast["outsider"], 15, first=100, village=OTHER_VILLAGE)
    assert total(client) == 12
    assert total(client, "outsider") == 15
    assert "石桥村" not in client("operator").get("/quality", params=CHOSEN).text
    assert total(client, "county") == 27


def test_confidential_reports_count_for_those_who_may_read_them(
    client: Clients, database: Database, cast: dict[str, int], all_chosen: None
) -> None:
    speak(database, cast["operator"], 12)
    speak(database, cast["county"], 3, first=100, confidential=True)
    assert total(client) == 12
    assert total(client, "county") == 15


def test_what_chance_chose_is_kept_apart(
    config: Settings, client: Clients, database: Database, cast: dict[str, int]
) -> None:
    config.verbatim_every = 2
    speak(database, cast["operator"], 60)
    by_chance, by_choice = total(client, show="sample"), total(client)
    assert by_chance + by_choice == 60
    assert 15 < by_chance < 45
    page = client("operator").get("/quality", params={"weeks": "0"}).text
    assert f"Of {by_chance} decided ones, {by_chance} were written" in page


def test_few_texts_are_grey_and_say_so(
    client: Clients, database: Database, cast: dict[str, int], all_chosen: None
) -> None:
    speak(database, cast["operator"], 3)
    page = client("operator").get("/quality", params=CHOSEN).text
    assert "too few: 3" in page
    assert {row["low_95"] for row in rows(client)} == {""}


def test_figures_agree_with_their_parts(
    client: Clients, database: Database, cast: dict[str, int], all_chosen: None
) -> None:
    speak(database, cast["operator"], 40)
    found = rows(client)
    for group in ("village", "channel", "week"):
        parts = [row for row in found if row["group"] == group]
        for column in ("transcripts", "characters", "substitutions", "deletions", "insertions"):
            whole = next(row for row in found if row["group"] == "all")
            assert sum(int(row[column]) for row in parts) == int(whole[column]), (group, column)
    models = {row["name"].split(" · ")[0]: row for row in found if row["group"] == "model"}
    first, newer = models["vosk-model-small-cn-0.22"], models["vosk-model-cn-0.22"]
    assert int(first["transcripts"]) == 40
    assert float(newer["cer"]) < float(first["cer"])


def test_confusions_lead_to_reports_and_hide_numbers(
    client: Clients, database: Database, cast: dict[str, int], all_chosen: None
) -> None:
    speak(database, cast["operator"], 60)
    operator = client("operator")
    page = operator.get("/quality", params=CHOSEN).text
    said = re.findall(r'<td class="said"[^>]*>([^<]*)<', page)
    assert "路灯" in said
    assert not any(set("三八四五六七") & set(word) for word in said)
    example = re.search(r'class="example" href="(/reports/\d+)"', page)
    assert example is not None
    assert operator.get(example[1]).status_code == 200


def test_the_period_narrows_what_counts(
    client: Clients, database: Database, cast: dict[str, int], all_chosen: None
) -> None:
    speak(database, cast["operator"], 60)
    lately = {"show": "chosen", "weeks": "4"}
    text = client("operator").get("/quality.csv", params=lately).text
    (line,) = [row for row in csv.DictReader(io.StringIO(text[1:])) if row["group"] == "all"]
    assert 0 < int(line["transcripts"]) < 60


@pytest.mark.parametrize("name", ["county", "administrator"])
def test_a_floor_fixed_by_hand_folds_texts_and_is_written_down(
    client: Clients, database: Database, cast: dict[str, int], name: str
) -> None:
    speak(database, cast["operator"], 1, sure=0.7)
    with database.read() as session:
        report = session.scalars(sa.select(Report.id)).one()
        session.expunge_all()
    with database.write() as session:
        session.execute(sa.text("DELETE FROM transcript WHERE version = 1"))
    county = client("county")
    assert (
        "<details><summary>The machine is very unsure" not in county.get(f"/reports/{report}").text
    )
    answer = post(client(name), "/quality/floor", {"floor": "85 %", "reason": "方言多"})
    assert answer.status_code == 303
    assert "<details><summary>The machine is very unsure" in county.get(f"/reports/{report}").text
    assert "方言多" in county.get("/quality").text
    with database.read() as session:
        (entry,) = session.scalars(
            sa.select(AuditEntry).where(AuditEntry.action == "quality.floor")
        ).all()
    assert entry.detail == {"floor": 0.85, "reason": "方言多"}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"floor": "viel", "reason": "x"}, "from 0 to 100 percent"),
        ({"floor": "nan", "reason": "x"}, "from 0 to 100 percent"),
        ({"floor": "101", "reason": "x"}, "from 0 to 100 percent"),
        ({"floor": "50", "reason": " "}, "Say why this floor"),
    ],
)
def test_a_wrong_floor_is_refused_beside_its_field(
    client: Clients, data: dict[str, str], words: str, database: Database
) -> None:
    answer = post(client("county"), "/quality/floor", data)
    assert answer.status_code == 422
    assert words in answer.text
    with database.read() as session:
        assert session.scalars(sa.select(ConfidenceFloor)).all() == []


@pytest.mark.parametrize("name", ["operator", "township"])
def test_operators_fix_no_floor(client: Clients, name: str) -> None:
    answer = post(client(name), "/quality/floor", {"floor": "10", "reason": "x"})
    assert answer.status_code == 403
    assert "Fix the floor by hand" not in client(name).get("/quality").text
