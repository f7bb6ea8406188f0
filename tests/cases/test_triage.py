"""Triage proposes from phrases; it never decides."""

from __future__ import annotations

import pytest

from cases import learning, triage


def read(text: str) -> triage.Proposal:
    return triage.read(text, VILLAGES, learning.seeded())


VILLAGES = {"1": "石桥村", "2": "大石桥村", "3": "柳河村", "4": "前柳河村", "5": "王村"}


@pytest.mark.parametrize(
    "text",
    [
        "隔壁有人拿刀要砍人",
        "他说不想活了要喝农药",
        "让我转账到安全账户",
        "村口着火了",
        "男的天天家暴",
    ],
)
def test_danger_is_proposed_as_urgent(text: str) -> None:
    proposal = read(text)
    assert proposal.urgent
    assert any(hit["kind"] == "danger" for hit in proposal.hits)


@pytest.mark.parametrize(
    "text",
    ["他卖菜老跟我砍价", "门口卖油炸饼", "请问反诈骗宣传几点开始", "防溺水牌子倒了", "打草砍树"],
)
def test_harmless_words_do_not_alert(text: str) -> None:
    assert not read(text).urgent


def test_blanks_of_the_recogniser_do_not_hide_a_phrase() -> None:
    assert read("有 人 要 砍 人").urgent


def test_a_clear_matter_gets_its_kind_with_the_reasons() -> None:
    proposal = read("我们家又停水了，自来水水管坏了，邻居也没水")
    assert proposal.service_code == "utilities"
    assert {"kind": "service", "phrase": "自来水"} in proposal.hits
    assert (proposal.certainty or 0) > 0.5


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("我是石桥村的", "1"),
        ("大石桥村的路灯坏了", "2"),
        ("前柳河这边", "4"),
        ("我在王村", "5"),
        ("王家的狗", None),
        ("石桥村和柳河村之间的路", None),
        ("没说在哪", None),
    ],
)
def test_the_place_is_proposed_only_when_one_village_is_meant(text: str, code: str | None) -> None:
    assert read(text).village_code == code


def test_nothing_known_proposes_nothing() -> None:
    proposal = read("嗯")
    assert (proposal.service_code, proposal.village_code) == (None, None)
    assert (proposal.urgent, proposal.hits) == (False, ())


@pytest.mark.parametrize("text", ["我妈晕倒了叫不醒", "井里有个小孩掉进去了快来救"])
def test_words_of_people_who_cannot_wait_propose_urgency(text: str) -> None:
    proposal = read(text)
    assert proposal.urgent
    assert any(hit["kind"] == "urgent" for hit in proposal.hits)


def test_who_is_complained_about_is_shown() -> None:
    hits = read("我要举报石桥村的村主任，他把修路的钱私自分了").hits
    assert {"kind": "person", "phrase": "村主任"} in hits


def test_a_place_is_read_from_repaired_names_and_danger_from_the_raw_words() -> None:
    proposal = triage.read("有人要砍人在刘合村", VILLAGES, None, place_text="有人要砍人在柳河村")
    assert (proposal.village_code, proposal.urgent) == ("3", True)
