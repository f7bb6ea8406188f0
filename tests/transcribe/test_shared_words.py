"""What others than the reviewers read of a transcript fits together and holds no number."""

from __future__ import annotations

from dataclasses import asdict

from hypothesis import given
from hypothesis import strategies as st

from core.clock import utc_now
from tests.transcribe.speaking import mobiles, read_out
from tests.transcribe.test_normalise import said
from transcribe import normalise, redact, shared_words
from transcribe.align import TextWord
from transcribe.models import Transcript
from transcribe.numerals import DIGITS


def transcript(words: list[TextWord]) -> Transcript:
    made = normalise.readable(words)
    return Transcript(
        id=5,
        subject_kind="report",
        subject_id=7,
        version=0,
        text="".join(word.text for word in words),
        words=[asdict(word) for word in words],
        readable=made.text,
        readable_map=[list(span) for span in made.spans],
        created_at=utc_now(),
    )


NUMBER = said("我 是 上西 村 的 打 幺三八 零零 幺三 八零零零 找 三十 五 号")


def test_one_mask_stands_for_the_whole_number() -> None:
    shared = shared_words.masked(transcript(NUMBER))
    assert shared.text == "我是上西村的打[mobile number]找三十五号"
    assert [word["text"] for word in shared.words][5:8] == ["打", "[mobile number]", "找"]
    assert shared.words[6]["start_ms"] == NUMBER[6].start_ms
    assert shared.words[6]["end_ms"] == NUMBER[9].end_ms
    assert shared.readable == "我是上西村的打[mobile number]找35号。"


def test_the_map_of_the_masked_text_still_finds_the_words() -> None:
    shared = shared_words.masked(transcript(NUMBER))
    assert shared.readable is not None
    assert shared.readable_map is not None
    for start, end, first, after in shared.readable_map:
        written = shared.readable[start:end]
        spoken = "".join(word["text"] for word in shared.words[first:after])
        assert normalise.of_text(spoken) == written
    assert [span[2:] for span in shared.readable_map][-2:] == [[8, 10], [10, 11]]


def test_repairs_and_other_hearings_keep_their_words_or_go() -> None:
    original = transcript(NUMBER)
    original.repairs = [{"first": 2, "after": 4, "heard": "上西村", "name": "上溪村"}]
    original.alternatives = [
        {"first": 6, "after": 9, "texts": ["幺三八零零幺五"]},
        {"first": 10, "after": 14, "texts": ["早三十五号，打13800138000"]},
    ]
    shared = shared_words.masked(original)
    assert shared.repairs == original.repairs
    assert shared.alternatives == [
        {"first": 7, "after": 11, "texts": ["早三十五号，打[mobile number]"]}
    ]


def test_the_original_stays_as_it_was() -> None:
    original = transcript(NUMBER)
    shared_words.masked(original)
    assert "幺三八零零幺三八零零零" in original.text
    assert len(original.words) == len(NUMBER)


def test_masks_are_translated() -> None:
    shared = shared_words.masked(transcript(NUMBER), lambda _mask: "〔手机号〕")
    assert "打〔手机号〕找" in shared.text


@given(mobiles.flatmap(read_out), st.lists(st.integers(1, 4), max_size=20))
def test_no_part_of_the_copy_holds_the_number(spoken: str, sizes: list[int]) -> None:
    sentence = f"我家停水打{spoken}找我"
    words, at = [], 0
    for size in [*sizes, len(sentence)]:
        if sentence[at : at + size]:
            words.append(TextWord(sentence[at : at + size], at * 100, at * 100 + 90, 1.0))
        at += size
    shared = shared_words.masked(transcript(words))
    told = [shared.text, *(word["text"] for word in shared.words), shared.readable or ""]
    assert not any(char in DIGITS for text in told for char in text)
    assert len(shared_words.findings(transcript(words))) == 1
    assert redact.spans("".join(told)) == []
