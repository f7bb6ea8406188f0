"""A case that is kept, and what pages say of a recording that has gone."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from cases import casework
from cases.lifecycle import Action
from cases.models import Case, CaseHold, CaseReport, Report
from core import auth
from core.clock import utc_now
from core.database import Database
from core.models import AuditEntry, User
from tests.web.conftest import Clients, post
from tests.web.test_cases import MakeCase
from tests.web.test_cases import make_case as make_case

SUMMARY = "Keep everything of this case"


def entries(database: Database, action: str) -> list[AuditEntry]:
    with database.read() as session:
        return list(session.scalars(sa.select(AuditEntry).where(AuditEntry.action == action)))


def is_held(database: Database, case: int) -> bool:
    with database.read() as session:
        return session.get(CaseHold, case) is not None


def close(database: Database, cast: dict[str, int], case_id: int) -> None:
    road = {"assign": "dispatcher", "accept": "handler", "begin": "handler", "resolve": "handler",
            "verify": "county", "close": "county"}  # fmt: skip
    for action, who in road.items():
        with database.write() as session:
            actor = auth.actor_of(session.get_one(User, cast[who]))
            version = session.get_one(Case, case_id).version
            casework.transition(
                session, actor, case_id, Action(action), version, reason="修好了",
                handler_id=cast["handler"] if action == "assign" else None,
                outcome="satisfied" if action == "close" else None,
            )  # fmt: skip


@pytest.mark.parametrize("role", ["township", "county"])
def test_township_and_county_keep_a_case_and_lift_it(
    client: Clients, make_case: MakeCase, database: Database, role: str
) -> None:
    case, browser = make_case(), client(role)
    assert SUMMARY in browser.get(f"/cases/{case}").text
    assert post(browser, f"/cases/{case}/keep", {"hold_reason": " 法院  调取 "}).is_redirect
    page = browser.get(f"/cases/{case}").text
    assert "nothing of this case is deleted" in page
    assert f"{role} one" in page
    assert "法院 调取" in page
    assert post(browser, f"/cases/{case}/keep/lift").is_redirect
    assert not is_held(database, case)
    (held,) = entries(database, "case.held")
    (lifted,) = entries(database, "case.hold_lifted")
    assert (held.actor, held.subject, held.detail) == (
        role, f"case:{case}", {"reason": "法院 调取"},
    )  # fmt: skip
    assert (lifted.actor, lifted.subject) == (role, f"case:{case}")


def test_both_buttons_ask_once_more(client: Clients, make_case: MakeCase) -> None:
    case, browser = make_case(), client("county")
    assert 'data-confirm="Really keep it?' in browser.get(f"/cases/{case}").text
    post(browser, f"/cases/{case}/keep", {"hold_reason": "法院调取"})
    assert 'data-confirm="Really lift it?' in browser.get(f"/cases/{case}").text


def test_without_a_reason_nothing_is_kept(
    client: Clients, make_case: MakeCase, database: Database
) -> None:
    case = make_case()
    answer = post(client("county"), f"/cases/{case}/keep", {"hold_reason": "  "})
    assert answer.status_code == 422
    assert "Say why it has to be kept" in answer.text
    assert 'id="f-hold_reason"' in answer.text
    assert not is_held(database, case)


def test_keeping_twice_says_so_and_lifting_twice_changes_nothing(
    client: Clients, make_case: MakeCase, database: Database
) -> None:
    case, browser = make_case(), client("county")
    post(browser, f"/cases/{case}/keep", {"hold_reason": "法院调取"})
    again = post(browser, f"/cases/{case}/keep", {"hold_reason": "调查"})
    assert "being kept already" in again.text
    assert post(browser, f"/cases/{case}/keep/lift").is_redirect
    assert post(browser, f"/cases/{case}/keep/lift").is_redirect
    assert len(entries(database, "case.hold_lifted")) == 1


@pytest.mark.parametrize("role", ["operator", "dispatcher", "leader"])
def test_others_see_that_it_is_kept_and_have_no_button(
    client: Clients, make_case: MakeCase, database: Database, role: str
) -> None:
    case, browser = make_case(), client(role)
    assert SUMMARY not in browser.get(f"/cases/{case}").text
    assert post(browser, f"/cases/{case}/keep", {"hold_reason": "x"}).status_code == 403
    assert not is_held(database, case)
    post(client("county"), f"/cases/{case}/keep", {"hold_reason": "法院调取"})
    page = browser.get(f"/cases/{case}").text
    assert "nothing of this case is deleted" in page
    assert "法院调取" not in page
    assert post(browser, f"/cases/{case}/keep/lift").status_code == 403
    assert is_held(database, case)


def test_a_case_elsewhere_and_a_confidential_one_are_not_there(
    client: Clients, make_case: MakeCase
) -> None:
    case, secret = make_case(), make_case(confidential=True, key="c2")
    for browser, number in ((client("outsider"), case), (client("township"), secret)):
        for way in ("keep", "keep/lift"):
            answer = post(browser, f"/cases/{number}/{way}", {"hold_reason": "x"})
            assert answer.status_code == 404


def test_a_closed_case_says_until_when_its_recording_is_there(
    client: Clients, make_case: MakeCase, database: Database, cast: dict[str, int],
) -> None:  # fmt: skip
    case = make_case()
    with_sound(database, case)
    leader = client("leader")
    assert "The recording is deleted on" not in leader.get(f"/cases/{case}").text
    close(database, cast, case)
    page = leader.get(f"/cases/{case}").text
    until = (utc_now() + timedelta(days=180)).strftime("%Y-%m-%dT%H")
    assert f'The recording is deleted on <time datetime="{until}' in page


def test_pages_say_that_the_recording_has_gone_and_show_no_player(
    client: Clients, make_case: MakeCase, database: Database
) -> None:
    case = make_case()
    with database.write() as session:
        linked = sa.select(CaseReport.report_id).where(CaseReport.case_id == case)
        report = session.get_one(Report, session.scalars(linked).one())
        report.sound_gone_at, report.duration_ms = utc_now(), 5000
    browser = client("operator")
    browser.headers["accept-language"] = "zh-CN"
    page = browser.get(f"/reports/{report.id}").text
    assert "录音已按规定删除" in page
    assert "<audio" not in page
    assert browser.get(f"/reports/{report.id}/audio").status_code in (403, 404)
    assert "录音和照片已按规定删除" in browser.get(f"/cases/{case}").text


def with_sound(database: Database, case: int) -> None:
    """The case's report has a recording, as far as the database knows."""
    from core.models import Blob

    with database.write() as session:
        blob = Blob(sha256="a" * 64, size_bytes=1, media_type="audio/wav", created_at=utc_now())
        session.add(blob)
        session.flush()
        linked = sa.select(CaseReport.report_id).where(CaseReport.case_id == case)
        report = session.get_one(Report, session.scalars(linked).one())
        report.audio_sha256 = blob.sha256
