"""One sound on its way: a second hearing where there is doubt, reasons where words are missing."""

from __future__ import annotations

import array
import json
import random
import struct

import pytest

from tests.transcribe.conftest import Spoken, pcm
from tests.transcribe.vosk_process import in_a_process, text_of
from transcribe import listening
from transcribe.listening import VoskListening
from transcribe.recogniser import DecoderConfig, Recognition

RATE_HZ = 16_000
UNGATED = DecoderConfig(gate=False)
SECOND = 2 * RATE_HZ


class Kaldi:
    """Hears what it is told to: ``segments`` {second: words}, ``listed`` as n-best."""

    def __init__(self, segments: dict[int, list[tuple[str, float]]], listed: list[str]) -> None:
        self.segments, self.listed = segments, listed
        self.most = 0
        self.pieces: list[bytes] = []

    @property
    def second(self) -> float:
        return sum(map(len, self.pieces)) / SECOND

    def SetWords(self, enable_words: bool) -> None: ...

    def SetMaxAlternatives(self, max_alternatives: int) -> None:
        self.most = max_alternatives

    def AcceptWaveform(self, data: bytes) -> int:
        self.pieces.append(data)
        return int(not self.most and self.second in self.segments)

    def Result(self) -> str:
        said = self.segments.pop(int(self.second), [])
        start = self.second - 1
        heard = [
            {"word": text, "start": start + n * 0.1, "end": start + n * 0.1 + 0.1, "conf": sure}
            for n, (text, sure) in enumerate(said)
        ]
        return json.dumps({"text": "", "result": heard} if heard else {"text": ""})

    def FinalResult(self) -> str:
        if self.most:
            listed = [{"text": text, "confidence": 312.7} for text in self.listed[: self.most]]
            return json.dumps({"alternatives": listed})
        return self.Result()


class Makes:
    """A factory that remembers what it made."""

    def __init__(
        self, segments: dict[int, list[tuple[str, float]]], listed: list[str] | None = None
    ) -> None:
        self._segments, self._listed = segments, listed or []
        self.made: list[tuple[int, Kaldi]] = []

    def __call__(self, rate_hz: int) -> Kaldi:
        kaldi = Kaldi(dict(self._segments) if not self.made else {}, self._listed)
        self.made.append((rate_hz, kaldi))
        return kaldi


def hear(make: Makes, sound: bytes, config: DecoderConfig = UNGATED) -> Recognition:
    heard = VoskListening(make, RATE_HZ, config)
    heard.feed(sound)
    return heard.finish()


def seconds(count: int) -> bytes:
    """Each second's samples are its number, so that stretches can be told."""
    return b"".join(struct.pack("<h", n) * RATE_HZ for n in range(count))


def test_what_is_clear_is_heard_once_only() -> None:
    make = Makes({2: [("停水", 0.9)], 4: [("两天", 1.0)]}, ["别的"])
    heard = hear(make, seconds(5))
    assert [said.text for said in heard.utterances] == ["停水", "两天"]
    assert all(said.alternatives == () for said in heard.utterances)
    assert len(make.made) == 1


def test_only_the_doubtful_stretch_is_heard_again_with_a_margin() -> None:
    make = Makes({2: [("停水", 0.9)], 8: [("两", 0.4), ("天", 0.5)]}, ["两天"])
    hear(make, seconds(10))
    (_, _), (rate_hz, second) = make.made
    again = b"".join(second.pieces)
    margin = listening.MARGIN_MS * RATE_HZ // 1000 * 2
    assert rate_hz == RATE_HZ
    assert again == seconds(10)[7 * SECOND - margin : 7 * SECOND + SECOND // 5 + margin]


def test_alternatives_are_distinct_other_texts_without_scores_at_most_as_many_as_asked() -> None:
    listed = ["停 水", "停水", "", "亭 水", "亭水", "停 税", "听 水", "挺 水", "庭 水", "廷 水"]
    make = Makes({2: [("停水", 0.3)]}, listed)
    heard = hear(make, seconds(3))
    assert heard.utterances[0].alternatives == ("亭水", "停税", "听水", "挺水", "庭水")
    assert heard.utterances[0].confidence == 0.3
    make = Makes({2: [("停水", 0.3)]}, listed)
    few = DecoderConfig(gate=False, alternatives=2)
    assert hear(make, seconds(3), few).utterances[0].alternatives == ("亭水", "停税")


def test_no_alternatives_are_sought_when_none_are_wanted() -> None:
    make = Makes({2: [("停水", 0.3)]}, ["亭水"])
    heard = hear(make, seconds(3), DecoderConfig(gate=False, alternatives=0))
    assert heard.utterances[0].alternatives == ()


def test_of_a_sound_of_hours_only_the_last_part_is_kept_for_a_second_hearing() -> None:
    make = Makes({3_000: [("停水", 0.3)]}, ["亭水"])
    heard = VoskListening(make, RATE_HZ, UNGATED)
    for number in range(3_000):
        heard.feed(struct.pack("<h", number) * RATE_HZ)
    kept = sum(map(len, heard._recent._pieces)) + len(heard._beginning)
    assert kept < 2 * (listening.KEPT_MS + listening.TRIED_MS) * SECOND // 1000
    assert heard.utterances[0].alternatives == ("亭水",)
    again = array.array("h", b"".join(make.made[1][1].pieces))
    assert set(again) == {2_998, 2_999}


def test_what_was_heard_so_far_is_there_while_the_sound_comes_in() -> None:
    heard = VoskListening(Makes({2: [("停水", 0.9)]}), RATE_HZ, UNGATED)
    heard.feed(seconds(1))
    assert heard.utterances == ()
    heard.feed(seconds(2))
    assert [said.text for said in heard.utterances] == ["停水"]


@pytest.mark.parametrize("chunk_ms", [100, 200])
def test_the_decoder_gets_steps_of_one_length_whatever_the_gate_leaves_out(
    chunk_ms: int, spoken: Spoken
) -> None:
    make = Makes({})
    sound = bytes(SECOND * 3 + 2) + pcm(spoken.wide) + bytes(SECOND * 3) + pcm(spoken.wide)
    hear(make, sound, DecoderConfig(chunk_ms=chunk_ms))
    *steps, last = make.made[0][1].pieces
    assert {len(step) for step in steps} == {RATE_HZ * chunk_ms // 1000 * 2}
    assert 0 < len(last) <= len(steps[0])
    assert sum(map(len, steps)) < len(sound) - 3 * SECOND


def test_vosks_other_hearings_are_plain_texts_and_change_no_word_and_no_confidence(
    sentences: list[Spoken],
) -> None:
    everything = "DecoderConfig(alternatives_below=1.1)"
    program = f"show([hear([pcm(p)[0]], pcm(p)[1], {everything}) for p in sys.argv[2:]])"
    found = in_a_process(program, *(one.telephone for one in sentences))
    plain = in_a_process(program.replace("1.1", "0.0"), *(one.telephone for one in sentences))
    assert isinstance(found, list)
    assert isinstance(plain, list)
    for one, without in zip(found, plain, strict=True):
        [said] = one["utterances"]
        assert said["words"] == without["utterances"][0]["words"]
        assert len(set(said["alternatives"])) == len(said["alternatives"]) <= 5
        assert text_of(one) not in said["alternatives"]
        assert all(isinstance(text, str) and " " not in text for text in said["alternatives"])
    assert any(one["utterances"][0]["alternatives"] for one in found)


def noise(seconds: int, loudness: int) -> bytes:
    dice = random.Random(3)
    return array.array(
        "h", (int(dice.gauss(0, loudness)) for _ in range(RATE_HZ * seconds))
    ).tobytes()


def test_with_the_gate_the_text_is_the_same_and_word_times_are_those_of_the_original(
    sentences: list[Spoken], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("pauses")
    pauses = [noise(seconds, 15) for seconds in (2, 4, 3)]
    sound = b"".join(
        part
        for pause, one in zip(pauses, sentences, strict=True)
        for part in (pause, pcm(one.wide))
    )
    (folder / "sound.pcm").write_bytes(sound + noise(5, 15))
    program = """
data = Path(sys.argv[2]).read_bytes()
show([hear([data], 16000), hear([data], 16000, DecoderConfig(gate=False)),
      hear((data[i:i + 777] for i in range(0, len(data), 777)), 16000)])
"""
    gated, whole, in_pieces = in_a_process(program, folder / "sound.pcm")  # type: ignore[misc]
    assert text_of(gated) == text_of(whole)
    assert gated == in_pieces
    assert gated["duration_ms"] == whole["duration_ms"]
    times = [
        [word["start_ms"] for said in heard["utterances"] for word in said["words"]]
        for heard in (gated, whole)
    ]
    assert max(abs(one - other) for one, other in zip(*times, strict=True)) <= 30
