"""Local words are taught on a page by the people of a place, and a grammar switched on by them."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from core.database import Database
from core.settings import Settings
from tests.web.conftest import OTHER_TOWN, TOWN, VILLAGE, Clients, csrf, post
from transcribe import catalogue, grammar
from transcribe.models import AreaGrammar, LocalTerm
from transcribe.word_check import WordCheck


@pytest.fixture
def operator(client: Clients) -> TestClient:
    return client("operator")


def words(database: Database) -> dict[str, LocalTerm]:
    with database.read() as session:
        taught = sa.select(LocalTerm).where(LocalTerm.added_by_id.is_not(None))
        return {term.text: term for term in session.scalars(taught)}


def look_up(database: Database, config: Settings, *known: str) -> None:
    """What an idle worker does."""
    WordCheck(config, database).run_due(
        lambda _: lambda asked: {one: one in known for one in asked}
    )


def test_a_word_is_taught_changed_and_removed(operator: TestClient, database: Database) -> None:
    form = {"area_code": TOWN, "text": "老鹰嘴", "kind": "nickname", "meaning": "桃坪村"}
    assert post(operator, "/words", form).status_code == 303
    page = operator.get("/words").text
    assert "<strong>老鹰嘴</strong>" in page
    assert "not looked up yet" in page
    term = words(database)["老鹰嘴"]
    change = {"text": "老鹰咀", "kind": "shop", "meaning": ""}
    assert post(operator, f"/words/{term.id}", change).status_code == 303
    assert words(database)["老鹰咀"].kind == "shop"
    assert post(operator, f"/words/{term.id}/remove").status_code == 303
    assert words(database) == {}


def test_a_refused_word_stays_in_its_form_with_the_reason(
    operator: TestClient, database: Database
) -> None:
    answer = post(operator, "/words", {"area_code": TOWN, "text": "3号楼", "kind": "shop"})
    assert answer.status_code == 422
    assert 'value="3号楼"' in answer.text
    assert "no digits, no signs" in answer.text
    assert words(database) == {}


def test_a_list_goes_in_whole_or_names_its_wrong_lines(
    operator: TestClient, database: Database
) -> None:
    refused = post(
        operator, "/words/import", {"area_code": TOWN, "listed": "老鹰嘴\n3号楼\n鬼门关"}
    )
    assert refused.status_code == 422
    assert ">2</td>" in refused.text
    assert words(database) == {}
    listed = {"area_code": TOWN, "listed": "老鹰嘴，俗称，桃坪村\n鬼门关"}
    assert post(operator, "/words/import", listed).status_code == 303
    assert {text: term.kind for text, term in words(database).items()} == {
        "老鹰嘴": "nickname", "鬼门关": "other"
    }  # fmt: skip


def test_a_file_is_read_as_excel_writes_it(operator: TestClient, database: Database) -> None:
    answer = operator.post(
        "/words/import",
        data={"csrf_token": csrf(operator), "area_code": VILLAGE, "listed": ""},
        files={"file": ("words.csv", "词语,类别\r\n王记,店铺\r\n".encode("gb18030"), "text/csv")},
    )
    assert answer.status_code == 303
    assert words(database)["王记"].kind == "shop"


def test_what_the_model_cannot_hear_is_told_here_and_on_the_start_page(
    operator: TestClient, database: Database, config: Settings
) -> None:
    post(operator, "/words", {"area_code": TOWN, "text": "老鹰嘴", "kind": "nickname"})
    look_up(database, config, "桃坪村", "柳树", "村", "老", "嘴")
    page = operator.get("/words/list").text
    assert "1 word the speech model cannot hear" in page
    assert "老 + <del>鹰</del> + 嘴" in page
    assert "柳树 + 村" in page
    assert "knows the word" in page
    duties = operator.get("/duties").text
    assert "Local words the speech model cannot hear" in duties


def test_only_people_of_the_place_teach_it(client: Clients, database: Database) -> None:
    for name in ("administrator", "recorder", "handler", "dispatcher"):
        assert client(name).get("/words").status_code == 403
    outsider = client("outsider")
    assert outsider.get(f"/words?area={TOWN}").status_code == 404
    assert post(outsider, "/words", {"area_code": TOWN, "text": "老鹰嘴"}).status_code in (404, 422)
    assert post(outsider, "/words/grammar", {"area_code": TOWN}).status_code == 404
    assert words(database) == {}
    post(client("township"), "/words", {"area_code": TOWN, "text": "老鹰嘴"})
    term_id = words(database)["老鹰嘴"].id
    assert post(outsider, f"/words/{term_id}/remove").status_code == 404
    assert post(outsider, f"/words/{term_id}", {"text": "坏"}).status_code == 404
    assert set(words(database)) == {"老鹰嘴"}


def measured(database: Database, **figures: object) -> int:
    with database.write() as session:
        row = session.scalars(sa.select(AreaGrammar)).one()
        given = {"held_out": 24, "characters": 560, "cer_without": 0.254, "cer_with": 0.18}
        for name, value in {"state": "measured", **given, **figures}.items():
            setattr(row, name, value)
        return row.id


def test_a_grammar_is_ordered_shown_with_its_figures_and_switched(
    operator: TestClient, database: Database
) -> None:
    assert "Make and measure" in operator.get("/words").text
    assert post(operator, "/words/grammar", {"area_code": TOWN}).status_code == 303
    page = operator.get("/words").text
    assert "waits to be measured" in page
    assert "Switch on" not in page
    grammar_id = measured(database, better=12, worse=3)
    page = operator.get("/words").text
    for shown in ("25.4 % (of 560 characters)", "18.0 %", "24 (12 better, 3 worse)", "it helps"):
        assert shown in page
    assert post(operator, f"/words/grammar/{grammar_id}/on").status_code == 303
    with database.read() as session:
        assert session.get_one(AreaGrammar, grammar_id).active
    assert post(operator, f"/words/grammar/{grammar_id}/off").status_code == 303
    with database.read() as session:
        assert not session.get_one(AreaGrammar, grammar_id).active


def test_a_grammar_that_harms_or_is_hardly_measured_stays_off(
    operator: TestClient, database: Database, client: Clients
) -> None:
    post(operator, "/words/grammar", {"area_code": TOWN})
    grammar_id = measured(database, cer_with=0.3)
    answer = post(operator, f"/words/grammar/{grammar_id}/on")
    assert answer.status_code == 409
    assert "It does not help" in answer.text
    measured(database, held_out=19)
    assert "at least 20 are needed" in operator.get("/words").text
    assert post(operator, f"/words/grammar/{grammar_id}/on").status_code == 409
    measured(database)
    assert post(client("outsider"), f"/words/grammar/{grammar_id}/on").status_code == 404
    with database.read() as session:
        assert not session.get_one(AreaGrammar, grammar_id).active


def test_a_model_that_takes_no_grammar_is_said_to(
    operator: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grammar.grammar_text, "takes_grammar", lambda _: False)
    page = operator.get("/words").text
    assert "takes no such addition" in page
    assert "Make and measure" not in page


def test_the_starter_is_said_not_to_hear_people(operator: TestClient) -> None:
    assert catalogue.STARTER_WARNING[:40] in operator.get("/words").text


def test_another_towns_page_asks_for_its_own_words(client: Clients) -> None:
    assert "白河镇" in client("outsider").get(f"/words?area={OTHER_TOWN}").text
