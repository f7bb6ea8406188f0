"""The text of a report: readable, doubtful, repaired, in versions, word for word, in dialect."""
# ruff: noqa: F811 - fixtures are shared by importing them

from __future__ import annotations

import json
import re
from datetime import timedelta
from html import unescape

import pytest
import sqlalchemy as sa

from core.clock import FakeClock, utc_now
from core.database import Database
from core.models import User
from core.settings import Settings
from tests.web.conftest import Clients, post
from tests.web.test_review import (  # noqa: F401
    Arrive,
    arrive,
    call,
    decide,
    hear_words,
    listen,
    stored,
)
from transcribe import transcripts, verbatim
from transcribe.models import Transcript

WENZHOU = "温州话"


def hear_call(database: Database, report_id: int, *, sides: bool = False) -> None:
    """石桥村 heard as 十桥村, twelve days written as 12天, a doubtful end with two alternatives."""
    heard = [("十桥村", 0.9), ("十二", 0.8), ("天", 0.8), ("没", 0.7), ("听水", 0.35)]
    words: list[dict[str, object]] = [
        {"text": text, "start_ms": 300 * at, "end_ms": 300 * at + 300, "confidence": sure}
        for at, (text, sure) in enumerate(heard)
    ]
    if sides:
        for at, word in enumerate(words):
            word["side"] = int(at >= 3)
    with database.write() as session:
        session.add(
            Transcript(
                subject_kind="report", subject_id=report_id, version=0, text="十桥村十二天没听水",
                words=words, confidence=0.71, model_name="real-cn", model_hash="a" * 64,
                hears_people=True, readable="石桥村12天，没听水。",
                readable_map=[[0, 3, 0, 1], [3, 5, 1, 2], [5, 6, 2, 3], [7, 8, 3, 4],
                              [8, 10, 4, 5]],
                alternatives=[{"first": 3, "after": 5, "texts": ["没停水", "没听水", "没亭水"]}],
                repairs=[{"first": 0, "after": 1, "heard": "十桥村", "name": "石桥村"}],
                remarks=["clipped", "unheard_of"], created_at=utc_now(),
            )
        )  # fmt: skip


def page(client: Clients, report_id: int, name: str = "operator") -> str:
    return client(name).get(f"/reports/{report_id}").text


def words_of(html: str) -> list[str]:
    return re.findall(r'<button[^>]*class="word[^>]*>([^<]*)</button>', html)


def test_the_readable_text_stands_first_and_its_pieces_have_times(
    client: Clients, call: int, database: Database
) -> None:
    hear_call(database, call)
    html = page(client, call)
    assert words_of(html)[:5] == ["石桥村", "12", "天", "没", "听水"]
    assert words_of(html)[5:] == ["十桥村", "十二", "天", "没", "听水"]  # raw, folded away
    assert re.search(r'data-start="300" data-end="600">12</button>', html)
    assert ">石桥村12天，没听水。</textarea>" in html


def test_a_repaired_name_tells_what_was_heard(
    client: Clients, call: int, database: Database
) -> None:
    hear_call(database, call)
    found = re.search(r'<button[^>]*class="word repaired"[^>]*>石桥村</button>', page(client, call))
    assert found is not None
    assert 'title="put right; the machine heard: 十桥村"' in found[0]
    assert 'aria-label="石桥村 (put right; the machine heard: 十桥村)"' in found[0]


def test_what_spoilt_the_words_is_said_and_unknown_codes_are_not(
    client: Clients, call: int, database: Database
) -> None:
    hear_call(database, call)
    html = page(client, call)
    assert "The sound is overdriven" in html
    assert "unheard_of" not in html


def test_two_sides_of_a_call_are_two_speakers(
    client: Clients, call: int, database: Database
) -> None:
    hear_call(database, call, sides=True)
    html = page(client, call)
    assert html.index("Speaker A:") < html.index(">石桥村</button>") < html.index("Speaker B:")
    decide(client("operator"), call, "save", text="石桥村嗯十二天没停水")
    html = page(client, call)
    assert html.count("Speaker A:") == html.count("Speaker B:") == 1


def test_other_hearings_are_offered_to_those_who_review(
    client: Clients, call: int, database: Database
) -> None:
    hear_call(database, call)
    html = page(client, call)
    assert html.count('class="other"') == 1
    offered = re.search(r'data-choices="([^"]*)"', html)
    assert offered is not None
    (choice,) = json.loads(unescape(offered[1]))
    assert (choice["said"], choice["at"], choice["start_ms"]) == ("没听水", 7, 900)
    assert choice["texts"] == ["没停水", "没亭水"]
    assert 'class="other"' not in page(client, call, "township")


def test_the_readable_text_unchanged_makes_no_version(
    client: Clients, call: int, database: Database
) -> None:
    hear_call(database, call)
    decide(client("operator"), call, "save", text="石桥村12天，没听水。")
    with database.read() as session:
        assert len(transcripts.history(session, "report", call)) == 1


def heard_out(client: Clients, call: int, fake_clock: FakeClock) -> None:
    listen(client("operator"), call)
    fake_clock.advance(timedelta(seconds=2))
    listen(client("operator"), call)


def test_a_text_is_word_for_word_only_when_somebody_says_so(
    client: Clients, call: int, database: Database, fake_clock: FakeClock
) -> None:
    hear_call(database, call)
    heard_out(client, call, fake_clock)
    decide(client("operator"), call, "save", text="石桥村十二天没停水")
    with database.read() as session:
        assert verbatim.pairs(session) == []
    decide(client("operator"), call, "save", text="石桥村十二天没停水", verbatim="1")
    with database.read() as session:
        assert [pair.said.text for pair in verbatim.pairs(session)] == ["石桥村十二天没停水"]
    assert "Marked as word for word." in page(client, call)


def test_word_for_word_asks_that_the_sound_was_heard(
    client: Clients, call: int, database: Database
) -> None:
    hear_call(database, call)
    answer = decide(client("operator"), call, "save", text="石桥村停水", verbatim="1")
    assert answer.status_code == 422
    assert "Play the recording to its end before" in answer.text
    assert ">石桥村停水</textarea>" in answer.text
    with database.read() as session:
        assert len(transcripts.history(session, "report", call)) == 1


def test_a_summary_approves_and_measures_nothing(
    client: Clients, call: int, database: Database, fake_clock: FakeClock
) -> None:
    hear_call(database, call)
    heard_out(client, call, fake_clock)
    assert decide(client("operator"), call, "accept", summary="石桥村停水").status_code == 303
    with database.read() as session:
        assert verbatim.pairs(session) == []
        assert len(transcripts.history(session, "report", call)) == 1


@pytest.mark.parametrize(("every", "asked"), [(1, True), (0, False)])
def test_chance_asks_for_the_words_of_a_sound(
    config: Settings, client: Clients, call: int, arrive: Arrive, every: int, asked: bool
) -> None:
    config.verbatim_every = every
    assert ("Chance chose this report" in page(client, call)) is asked
    assert "Chance chose this report" not in page(client, arrive())


def test_versions_show_what_changed_and_can_be_put_back(
    client: Clients, call: int, database: Database
) -> None:
    hear_call(database, call)
    browser = client("operator")
    decide(browser, call, "save", text="石桥村12天，没停水。")
    html = page(client, call)
    assert "<del>听</del><ins>停</ins>" in html
    answer = decide(browser, call, "restore:0", text="石桥村12天，没停水。又改了")
    assert answer.headers["location"] == f"/reports/{call}"
    with database.read() as session:
        texts = [one.text for one in transcripts.history(session, "report", call)]
    assert texts[1:] == [
        "石桥村12天，没停水。",
        "石桥村12天，没停水。又改了",
        "石桥村12天，没听水。",
    ]
    assert "earlier text put back" in page(client, call)


def test_a_version_nobody_wrote_cannot_be_put_back(
    client: Clients, call: int, database: Database
) -> None:
    hear_call(database, call)
    for number in ("7", "x", ""):
        assert decide(client("operator"), call, f"restore:{number}").status_code == 404


@pytest.mark.parametrize("name", ["township", "dispatcher"])
def test_who_does_not_review_puts_nothing_back(
    client: Clients, call: int, database: Database, name: str
) -> None:
    hear_call(database, call)
    client("operator").get(f"/reports/{call}")
    data = {"decision": "restore:0", "version": stored(database, call).version}
    assert post(client(name), f"/reports/{call}/decide", data).status_code == 403
    assert 'value="restore:' not in page(client, call, name)


def test_a_newer_model_never_replaces_a_persons_words_by_itself(
    client: Clients, call: int, database: Database
) -> None:
    hear_call(database, call)
    browser = client("operator")
    decide(browser, call, "save", text="石桥村停水")
    with database.write() as session:
        session.add(
            Transcript(
                subject_kind="report", subject_id=call, version=2, text="石桥村停水了", words=[],
                model_name="newer-cn", model_hash="b" * 64, created_at=utc_now(),
            )
        )  # fmt: skip
    html = page(client, call)
    assert "A newer model (newer-cn) heard:" in html
    assert ">石桥村停水</textarea>" in html
    decide(browser, call, "restore:2", text="石桥村停水")
    with database.read() as session:
        counts = transcripts.latest(session, "report", call)
        assert counts is not None
        assert (counts.text, counts.author_id is None) == ("石桥村停水了", False)
    assert "A newer model" not in page(client, call)


def understands(database: Database, login: str, *names: str) -> None:
    with database.write() as session:
        user = session.scalars(sa.select(User).where(User.login == login)).one()
        user.dialects = list(names)


def test_a_dialect_moves_the_report_to_those_who_understand(
    client: Clients, arrive: Arrive, database: Database
) -> None:
    report, other = arrive(), arrive()
    understands(database, "colleague", WENZHOU)
    operator, colleague = client("operator"), client("colleague")
    decide(operator, report, "dialect", dialect=WENZHOU, summary="听不懂")
    assert stored(database, report).dialect == WENZHOU
    rows = operator.get("/reports").text
    assert rows.index(f'/reports/{other}"') < rows.index(f'/reports/{report}"')
    assert f"Waits for somebody who understands {WENZHOU}." in rows
    assert operator.get("/reports/next").headers["location"] == f"/reports/{other}"
    assert "Waits for" not in colleague.get("/reports").text
    assert colleague.get("/reports/next").headers["location"] == f"/reports/{report}"
    assert operator.get(f"/reports/{report}").status_code == 200
    assert "听不懂" in operator.get(f"/reports/{report}").text


def test_the_list_can_be_narrowed_to_a_dialect(
    client: Clients, arrive: Arrive, database: Database
) -> None:
    report, other = arrive(), arrive()
    operator = client("operator")
    decide(operator, report, "dialect", dialect=WENZHOU)
    assert f"Nobody here understands {WENZHOU} yet." in operator.get("/reports").text
    found = operator.get("/reports", params={"dialect": WENZHOU}).text
    assert f'/reports/{report}"' in found
    assert f'/reports/{other}"' not in found
    understands(database, "colleague", WENZHOU)
    mine = operator.get("/reports", params={"dialect": "mine"}).text
    assert f'/reports/{report}"' not in mine


def test_people_say_what_they_understand(client: Clients, database: Database) -> None:
    operator = client("operator")
    post(operator, "/dialects", {"dialects": [WENZHOU], "others": "畲话，平阳话"})
    html = operator.get("/dialects").text
    assert f'value="{WENZHOU}" checked' in html
    assert 'value="畲话、平阳话"' in html
    assert client("recorder").get("/dialects").status_code == 403


def test_an_administrator_says_it_for_others(
    client: Clients, database: Database, cast: dict[str, int]
) -> None:
    administrator = client("administrator")
    url = f"/people/{cast['operator']}"
    post(administrator, f"{url}/dialects", {"dialects": [WENZHOU]})
    assert f'value="{WENZHOU}" checked' in administrator.get(url).text
    for name in ("operator", "county"):
        assert post(client(name), f"{url}/dialects").status_code == 403
