"""Who is complained about is read from what is said of them; nobody is accused for being named."""

from __future__ import annotations

import pytest

from cases.persons import complained_about


@pytest.mark.parametrize(
    ("text", "who", "is_official"),
    [
        ("我要举报我们村支部书记把水利项目包给自家兄弟", "村支部书记", True),
        ("王会计把补贴的钱贪了", "王会计", True),
        ("村里的书记不肯公开账目，私自卖了集体的树", "书记", True),
        ("邻居老王把墙砌到我家院子里", "邻居老王", False),
        ("包工头跑了，拖欠我们工资", "包工头", False),
        ("姓张的欠我两万块不还", "姓张的", False),
        ("那个人叫王大勇，骗了我三万", "王大勇", False),
        ("我丈夫又打我了", "丈夫", False),
    ],
)
def test_the_accused_is_found(text: str, who: str, is_official: bool) -> None:
    found = complained_about(text)
    assert [(person.text, person.is_official) for person in found] == [(who, is_official)]


@pytest.mark.parametrize(
    "text",
    [
        "村口的路灯坏了",
        "请找书记来处理一下",
        "请派出所民警来调解",
        "我儿子打电话说家里停水了",
        "有人把我儿子打了",
        "谢谢村主任帮我把钱要回来",
        "我们主任说明天修路",
        "老李家的狗咬人",
        "",
    ],
)
def test_nobody_is_accused_who_is_only_named(text: str) -> None:
    assert complained_about(text) == ()


def test_blanks_between_the_words_of_the_recogniser_hide_nobody() -> None:
    assert [person.text for person in complained_about("村 主任 把 钱 扣 了")] == ["村主任"]


def test_one_person_is_named_once_and_by_the_fuller_name() -> None:
    found = complained_about("我要举报村主任，主任把地卖了，村主任威胁我")
    assert [person.text for person in found] == ["村主任"]
