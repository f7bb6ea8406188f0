"""Sounds, words and sentences that the starter model is made from."""

from __future__ import annotations

from random import Random

import pytest

from transcribe.starter import lexicon, phones, sentences


@pytest.mark.parametrize(
    ("syllable", "units"),
    [
        ("shui3", ("sh", "uei3")),
        ("zhi1", ("zh", "ii1")),
        ("si4", ("s", "iz4")),
        ("yu2", ("v2",)),
        ("nv3", ("n", "v3")),
        ("er2", ("er2",)),
        ("le5", ("l", "e5")),
    ],
)
def test_a_syllable_is_an_initial_and_a_final_with_its_tone(
    syllable: str, units: tuple[str, ...]
) -> None:
    assert phones.units(syllable) == units


def test_what_is_no_mandarin_has_no_units() -> None:
    assert phones.units("strength1") is None


def test_every_syllable_that_hanzi_are_read_as_can_be_written_in_phones() -> None:
    found = [phones.phones_of([syllable]) for syllable in phones.all_syllables()]
    assert len(found) > 1_300
    assert len(found) - len(set(found)) == 1  # yo, a cry only, is written as o


def test_a_words_first_and_last_sounds_tell_where_it_begins_and_ends() -> None:
    places = [phones.PHONES[phone - 1][1] for phone in phones.phones_of(phones.syllables("停水"))]
    assert places == ["B", "I", "I", "E"]


def test_one_lone_sound_is_a_whole_word() -> None:
    (phone,) = phones.phones_of(["er4"])
    assert phones.PHONES[phone - 1] == ("er4", "S")


def test_all_places_of_a_sound_share_the_outputs_of_the_network() -> None:
    outputs = {phones.outputs_of(unit) for unit, _ in phones.PHONES}
    assert sorted(number for pair in outputs for number in pair) == list(range(phones.OUTPUTS))


def test_transition_ids_count_two_for_each_phone_without_a_gap() -> None:
    numbers = [phones.stay(p) for p in phones.PHONE_ID.values()]
    numbers += [phones.enter(p) for p in phones.PHONE_ID.values()]
    assert sorted(numbers) == list(range(1, phones.TRANSITIONS + 1))


def test_a_sentence_is_cut_where_the_words_are_most_frequent() -> None:
    cutter = lexicon.Segmenter({"路灯": 50, "路": 60, "灯": 40, "坏": 30, "了": 900, "灯坏": 1})
    assert cutter.cut("路灯坏了") == ["路灯", "坏", "了"]


def test_a_hanzi_that_no_word_covers_stands_alone() -> None:
    assert lexicon.Segmenter({"停水": 5}).cut("停水龘") == ["停水", "龘"]


def test_another_reading_is_kept_only_when_the_voice_says_it() -> None:
    def said(text: str) -> tuple[str, ...]:
        """A voice that reads 行 as xing, whatever stands before it."""
        hanzi = {"银行": ("yin", "xing"), "银": ("yin",)}
        return hanzi.get(text, (text.rstrip("12345"),))

    assert lexicon.readings(["银行", "银"], said) == {
        "银行": [("yin2", "hang2"), ("yin2", "xing2")],
        "银": [("yin2",)],
    }


def test_the_same_seed_makes_the_same_sentences_and_another_one_others() -> None:
    assert sentences.training(1, 200) == sentences.training(1, 200)
    assert sentences.training(1, 200) != sentences.training(2, 200)


def test_no_list_is_left_open_in_a_sentence() -> None:
    made = sentences.training(3, 3_000) + sentences.held_out(4, 300)
    assert [text for text in made if "{" in text or " " in text or not text] == []


def test_every_sentence_can_be_pronounced() -> None:
    made = sentences.training(3, 3_000) + sentences.held_out(4, 300) + sentences.phrases().free
    made += sentences.statistics(5, 3_000)
    assert [text for text in made if not all(map(lexicon.is_readable, text))] == []


def test_what_measures_the_model_is_never_learnt() -> None:
    learnt = set(sentences.training(777, 20_000)) | set(sentences.statistics(777, 20_000))
    learnt |= set(sentences.phrases().everyday)
    measured = set(sentences.held_out(4_242, 500)) | set(sentences.phrases().free)
    assert learnt & measured == set()
    assert not set(sentences.phrases().templates) & set(sentences.phrases().held_out_templates)


def test_a_draw_reaches_every_kind_of_sentence() -> None:
    chance, phrases = Random(1), sentences.phrases()
    drawn = {phrases.training_sentence(chance) for _ in range(6_000)}
    assert set(phrases.everyday) <= drawn
    assert any(text.startswith("我的电话是一") for text in drawn)
