"""The kind of a report is proposed with reasons, or not at all."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cases import learning, seeds
from cases.classifier import UNKNOWN, Classifier, plain
from cases.seeds import Example
from cases.vocabulary import SERVICE_BY_CODE

TWO_KINDS = [Example("停水了没有水用", "utilities", "a"), Example("电瓶车被偷了", "theft", "b")]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("我家停水三天了", "utilities"),
        ("有人打电话叫我转账到安全账户", "fraud"),
        ("老板拖欠我们半年工资", "wages"),
        ("谢谢你们帮我把钱追回来", "thanks"),
    ],
)
def test_a_plain_sentence_gets_its_kind(text: str, code: str) -> None:
    assert learning.seeded().guess(text).code == code


def test_the_reasons_are_parts_of_the_text() -> None:
    text = "变压器冒烟了，全村都没电"
    reasons = learning.seeded().guess(text).reasons
    assert "变压器" in reasons
    assert all(reason in plain(text) for reason in reasons)


def test_an_unsure_guess_names_no_kind_but_the_likeliest_is_kept_for_measuring() -> None:
    doubtful = Classifier.train(TWO_KINDS, floor=1.0).guess("停水了")
    assert doubtful.code is None
    assert doubtful.likeliest == "utilities"
    assert doubtful.reasons == ()


@pytest.mark.parametrize("text", ["", "。。。", "hello zyx", "𠀀𠀁"])
def test_nothing_known_is_unknown(text: str) -> None:
    guess = learning.seeded().guess(text)
    assert guess == UNKNOWN or guess.code is None


def test_numbers_all_read_alike() -> None:
    assert plain("欠了 3500 块，２ 年") == plain("欠了900块 7年")


@given(st.text(alphabet="停水电偷了钱村口路灯坏 ，。0123", max_size=60))
@settings(max_examples=60, deadline=None)
def test_blanks_and_punctuation_change_nothing(text: str) -> None:
    kept = learning.seeded().guess("".join(text.split()))
    assert learning.seeded().guess(text) == kept


def test_what_weighs_more_decides_between_the_same_words() -> None:
    both = [Example("老李来了", "noise", "a"), Example("老李来了", "animals", "b")]
    assert Classifier.train(both, [1.0, 9.0], floor=0.0).guess("老李来了").likeliest == "animals"


class TestTheShippedSentences:
    def test_there_are_at_least_600_over_at_least_14_kinds(self) -> None:
        assert len(seeds.training()) >= 600
        assert len({one.code for one in seeds.training()}) >= 14

    def test_every_kind_of_theirs_can_be_chosen_by_an_operator(self) -> None:
        named = {one.code for one in (*seeds.training(), *seeds.held_out())}
        named |= {code for _, code in seeds.phrases()}
        assert named - {seeds.UNCLEAR} <= set(SERVICE_BY_CODE)

    def test_every_kind_is_measured(self) -> None:
        assert {one.code for one in seeds.held_out()} >= {one.code for one in seeds.training()}

    def test_no_sentence_and_no_family_is_both_taught_and_measured(self) -> None:
        taught = {plain(one.text) for one in seeds.training()}
        assert not [one.text for one in seeds.held_out() if plain(one.text) in taught]
        runs = [_runs(one.text) for one in seeds.training()]
        alike = [one.text for one in seeds.held_out() if _likest(_runs(one.text), runs) > 0.5]
        assert alike == []


def _runs(text: str) -> set[str]:
    cleaned = plain(text)
    return {cleaned[at : at + 4] for at in range(len(cleaned) - 3)}


def _likest(runs: set[str], others: list[set[str]]) -> float:
    """Greatest share of common runs of four characters (Jaccard) with one of ``others``."""
    return max(len(runs & other) / max(len(runs | other), 1) for other in others)
