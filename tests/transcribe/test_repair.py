"""Names of places are put right by their sound, and nothing else is touched."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo import town
from tests.transcribe.test_normalise import said
from transcribe import repair
from transcribe.align import TextWord
from transcribe.repair import Repair


def test_a_name_that_was_written_as_it_sounds_is_put_right() -> None:
    words = said("从 风 树 零 村 到 镇 上")
    assert repair.place_names(words, town.NAMES) == [Repair(1, 5, "风树零村", "枫树岭村", 0.0)]


@pytest.mark.parametrize(
    ("heard", "name"),
    [
        ("长 书 下 村", "樟树下村"),
        ("白 河村 的", "白鹤村"),
        ("从小 平 村", "小坪村"),
        ("隆 谈 村", "龙潭村"),
        ("北 林 村", "北岭村"),
        ("被 宁 村", "北岭村"),
    ],
)
def test_accents_and_words_cut_elsewhere_do_not_hide_a_name(heard: str, name: str) -> None:
    found = repair.place_names(said(heard), town.NAMES)
    assert [one.name for one in found] == [name]


@pytest.mark.parametrize(
    "heard",
    [
        "我 是 上溪村 的",
        "大坪村 和 小坪村",
        "上 西 边 去",
        "清 时 节",
        "我们 村 的 水",
        "从 村口 到 镇 上",
        "隔壁 村 的 人",
        "新 农村 建设",
    ],
)
def test_known_names_and_ordinary_words_stay(heard: str) -> None:
    assert repair.place_names(said(heard), town.NAMES) == []


def test_two_names_that_are_equally_near_repair_nothing() -> None:
    assert repair.place_names(said("师 桥 村"), ["狮桥村", "诗桥村"]) == []
    assert [one.name for one in repair.place_names(said("师 桥 村"), ["狮桥村"])] == ["狮桥村"]


def test_a_name_of_one_syllable_is_never_put_in() -> None:
    assert repair.place_names(said("忘 村 的 人"), ["王村", "王"]) == []


def test_a_long_name_is_known_without_its_ending() -> None:
    found = repair.place_names(said("我 在 风 树 零 这边"), town.NAMES)
    assert [one.name for one in found] == ["枫树岭"]


def test_no_name_reaches_over_a_rest() -> None:
    words = said("他 姓 白 河 村 的 路", {3: repair.REST_MS})
    assert repair.place_names(words, ["白鹤村"]) == []


@given(
    st.lists(st.text("风树零岭村枫白河鹤上西溪abc ，", max_size=3), max_size=12),
    st.lists(st.text("枫树岭村溪上a ", max_size=5), max_size=5),
)
def test_a_repair_lies_within_its_words_and_names_a_known_name(
    texts: list[str], names: list[str]
) -> None:
    words = [TextWord(text, index, index, None) for index, text in enumerate(texts)]
    done = 0
    for one in repair.place_names(words, names):
        assert done <= one.first_word < one.after_word <= len(words)
        assert one.heard in "".join(texts[one.first_word : one.after_word])
        assert any(name.startswith(one.name) for name in names)
        done = one.first_word
