"""Volume by hour, test tones and many codes by a file, as forms."""

from __future__ import annotations

import re

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from starlette.testclient import TestClient

from broadcast import players, volumes
from broadcast.models import EnrolmentCode, Override
from core.clock import utc_now
from core.database import Database
from tests.broadcast.box import Box, public_key
from tests.statements import statements
from tests.web.conftest import OTHER_VILLAGE, SECOND_VILLAGE, TOWN, VILLAGE, Clients, post
from tests.web.test_speakers import administrator, box, chief, clock  # noqa: F401 - fixtures

# ruff: noqa: F811 - fixtures of the neighbour module are asked for by their names


def hours(percent: str = "50") -> list[str]:
    return [percent] * 24


def test_24_numbers_are_stored_for_a_village(client: Clients, database: Database) -> None:
    township = client("township")
    assert "loud all day" in township.get(f"/speakers/volumes?area={VILLAGE}").text
    form = {"area": VILLAGE, "percent": hours()}
    assert post(township, "/speakers/volumes", form).status_code == 303
    with database.read() as session:
        assert volumes.by_hour(session, VILLAGE).percent == (50,) * 24
    assert (
        "These numbers were set for this area."
        in township.get(f"/speakers/volumes?area={VILLAGE}").text
    )


def test_a_village_says_from_where_its_numbers_come_and_forgets_its_own(client: Clients) -> None:
    township = client("township")
    post(township, "/speakers/volumes", {"area": TOWN, "percent": hours("80")})
    post(township, "/speakers/volumes", {"area": VILLAGE, "percent": hours("50")})
    post(township, "/speakers/volumes", {"area": VILLAGE, "forget": "1"})
    page = township.get(f"/speakers/volumes?area={VILLAGE}").text
    assert "what holds was set for 青石镇" in page
    assert page.count('value="80"') == 48  # each number and its bar


def test_a_wrong_hour_is_marked_and_what_was_typed_stays(client: Clients) -> None:
    typed = [*hours()[:7], "loud", *hours()[8:]]
    answer = post(client("township"), "/speakers/volumes", {"area": VILLAGE, "percent": typed})
    assert answer.status_code == 422
    assert re.search(r'id="hour-7"[^>]*value="loud" aria-invalid="true"', answer.text)


def test_other_towns_and_other_roles_set_no_volume(client: Clients) -> None:
    form = {"area": OTHER_VILLAGE, "percent": hours()}
    assert post(client("township"), "/speakers/volumes", form).status_code == 404
    assert client("township").get(f"/speakers/volumes?area={OTHER_VILLAGE}").status_code == 404
    assert post(client("recorder"), "/speakers/volumes", form).status_code == 403


def test_a_tone_is_sent_and_its_steps_are_shown(
    client: Clients, database: Database, box: Box
) -> None:
    township = client("township")
    page = township.get(f"/speakers/tests?village={VILLAGE}").text
    assert re.search(rf'value="{VILLAGE}" checked', page)
    form = {"villages": [VILLAGE], "form_token": "once"}
    sent = post(township, "/speakers/tests", form)
    assert sent.status_code == 303
    assert post(township, "/speakers/tests", form).headers["location"] == sent.headers["location"]
    shown = township.get(sent.headers["location"]).text
    assert "On the signed list" in shown
    assert 'hx-trigger="every 2s"' in shown
    with database.read() as session:
        assert session.query(Override).count() == 1
    assert client("outsider").get(sent.headers["location"]).status_code == 404


def test_a_tone_needs_a_village_and_the_right(client: Clients, box: Box) -> None:
    answer = post(client("township"), "/speakers/tests", {"form_token": "x"})
    assert answer.status_code == 422
    assert "Choose at least one village." in answer.text
    assert post(client("recorder"), "/speakers/tests", {"villages": VILLAGE}).status_code == 403
    form = {"villages": OTHER_VILLAGE, "form_token": "y"}
    assert post(client("township"), "/speakers/tests", form).status_code == 404


def send(browser: TestClient, text: str) -> str:
    answer = post(
        browser, "/speakers/import", files={"file": ("players.csv", text.encode(), "text/csv")}
    )
    return answer.text


def codes(database: Database) -> int:
    with database.read() as session:
        return session.query(EnrolmentCode).count()


def test_a_file_makes_a_code_for_each_line(administrator: TestClient, database: Database) -> None:
    page = send(
        administrator, f"村代码,终端名称\n{VILLAGE},村委会\n{VILLAGE},小学\n,\n{SECOND_VILLAGE},"
    )
    found = re.findall(r'class="ticket">([2-9A-Z]{4}-[2-9A-Z]{4})<', page)
    assert len(set(found)) == 3
    assert codes(database) == 3


def test_the_tree_of_areas_is_walked_once_for_many_lines(
    administrator: TestClient, database: Database
) -> None:
    walks = []
    for lines in (f"{VILLAGE},一\n", f"{VILLAGE},二\n{SECOND_VILLAGE},三\n{OTHER_VILLAGE},四\n"):
        with statements(database) as told:
            send(administrator, f"code,name\n{lines}")
        walks.append(sum("parent_code IN" in each for each in told))
    assert codes(database) == 4
    assert walks[0] == walks[1]


def test_villages_may_be_named(administrator: TestClient, database: Database) -> None:
    assert "柳树村" in send(administrator, "village,name\n柳树村,村委会\n")
    assert codes(database) == 1


def test_one_wrong_line_and_nothing_is_made(administrator: TestClient, database: Database) -> None:
    page = send(
        administrator,
        f"code,name\n{VILLAGE},好\n{TOWN},x\n1,x\n{VILLAGE},好\n{VILLAGE},{'长' * 81}\n",
    )
    assert "4 lines have to be mended" in page
    told = ((3, "Choose a village"), (4, "no village 1 in your area"), (5, "twice"), (6, "80"))
    for line, words in told:
        assert re.search(rf">{line}</td><td>[^<]*{words}", page), line
    assert codes(database) == 0


GOOD = f"村代码,终端名称\n{VILLAGE},村委会\n{SECOND_VILLAGE},\n"


@pytest.mark.parametrize(
    "data",
    [
        GOOD.encode("gb18030"),
        GOOD.encode("utf-8-sig"),
        GOOD.replace(",", "\t").encode("utf-16"),
        GOOD.replace(",", ";").replace("\n", "\r\n").encode(),
    ],
    ids=["GBK", "CSV UTF-8", "Unicode text", "semicolons"],
)
def test_files_are_taken_as_spreadsheets_write_them(
    administrator: TestClient, database: Database, data: bytes
) -> None:
    page = post(administrator, "/speakers/import", files={"file": ("players.csv", data)}).text
    assert "村委会" in page
    assert codes(database) == 2


@pytest.mark.parametrize("begin", [b"PK\x03\x04", b"\xd0\xcf\x11\xe0"], ids=["xlsx", "xls"])
def test_a_workbook_says_how_to_save_it(administrator: TestClient, begin: bytes) -> None:
    data = {"file": ("players.xlsx", begin + bytes(200))}
    page = post(administrator, "/speakers/import", files=data)
    assert page.status_code == 422
    assert "This is a workbook, not a CSV file." in page.text


def test_a_number_the_spreadsheet_shortened_is_told(
    administrator: TestClient, database: Database
) -> None:
    page = send(administrator, f"code,name\n{VILLAGE},好\n5.13221E+11,坏\n")
    assert re.search(r">3</td><td>[^<]*shortened a number to 5.13221E\+11", page)
    assert codes(database) == 0


def usable(database: Database) -> int:
    with database.read() as session:
        unused = session.query(EnrolmentCode).filter(EnrolmentCode.used_at.is_(None))
        return unused.filter(EnrolmentCode.expires_at > utc_now()).count()


def test_the_same_file_again_leaves_one_code_for_each_player_and_says_so(
    administrator: TestClient, database: Database
) -> None:
    first = send(administrator, GOOD)
    assert "work no longer" not in first
    again = send(administrator, GOOD)
    assert "2 older codes for the same players, not used yet, work no longer." in again
    assert usable(database) == 2
    assert set(re.findall(r'class="ticket">([^<]+)<', first)).isdisjoint(
        re.findall(r'class="ticket">([^<]+)<', again)
    )


def test_all_older_codes_of_a_player_end_and_are_counted(
    administrator: TestClient, database: Database
) -> None:
    for _ in range(2):
        post(administrator, "/speakers/new", data={"area_code": VILLAGE, "name": "村委会"})
    assert usable(database) == 2
    again = send(administrator, f"村代码,终端名称\n{VILLAGE},村委会\n")
    assert "2 older codes for the same players, not used yet, work no longer." in again
    assert usable(database) == 1


@pytest.mark.parametrize("own_name", ["", "box-7"])
def test_the_same_file_after_its_players_came_in_makes_no_second_ones(
    administrator: TestClient, database: Database, own_name: str
) -> None:
    (code,) = re.findall(
        r'class="ticket">([^<]+)<', send(administrator, f"code,name\n{VILLAGE},村委会\n")
    )
    with database.write() as session:
        players.enrol(session, code, own_name, public_key(Ed25519PrivateKey.generate()))
    page = send(administrator, GOOD)
    assert re.search(r">2</td><td>The village has a player 村委会 already", page)
    assert usable(database) == 0


@pytest.mark.parametrize("text", ["", "name\nx\n", "code,name\n"])
def test_a_file_without_villages_is_refused(
    administrator: TestClient, database: Database, text: str
) -> None:
    assert 'role="alert"' in send(administrator, text)
    assert codes(database) == 0
