"""The recogniser against the real library: every trap that is known stays closed."""

from __future__ import annotations

import pytest

from tests.transcribe.conftest import Spoken, error_rate
from tests.transcribe.vosk_process import in_a_process, text_of


def test_domain_sentences_are_heard_at_16_khz_and_through_a_telephone_line(
    sentences: list[Spoken],
) -> None:
    program = "show([hear([pcm(p)[0]], pcm(p)[1]) for p in sys.argv[2:]])"
    for kind in ("wide", "telephone"):
        heard = in_a_process(program, *(getattr(one, kind) for one in sentences))
        assert isinstance(heard, list)
        rates = [
            error_rate(one.text, text_of(found))
            for one, found in zip(sentences, heard, strict=True)
        ]
        assert sum(rates) / len(rates) < 0.1, (kind, heard)


def test_words_carry_times_inside_the_sound_and_confidences_from_0_to_1(spoken: Spoken) -> None:
    heard = in_a_process("show(hear([pcm(sys.argv[2])[0]], 16000))", spoken.wide)
    assert isinstance(heard, dict)
    words = [word for said in heard["utterances"] for word in said["words"]]
    times = [time for word in words for time in (word["start_ms"], word["end_ms"])]
    assert times == sorted(times)
    assert times[-1] <= heard["duration_ms"]
    assert len(set(times)) > len(words)
    assert all(0.0 <= word["confidence"] <= 1.0 for word in words)
    assert not any(" " in word["text"] for word in words)


def test_the_text_does_not_depend_on_how_the_sound_arrives(sentences: list[Spoken]) -> None:
    program = """
found = []
for path in sys.argv[2:]:
    data, rate = pcm(path)
    for size in (1, 7, 333, 4001, 6400, len(data)):
        found.append(hear((data[i:i + size] for i in range(0, len(data), size)), rate))
show(found)
"""
    heard = in_a_process(program, sentences[1].wide, sentences[2].telephone)
    assert isinstance(heard, list)
    assert all(found == heard[0] for found in heard[:6])
    assert all(found == heard[6] for found in heard[6:])


def test_sound_enters_in_steps_of_200_ms_and_no_byte_is_lost() -> None:
    program = """
data = bytes(range(256)) * 101
sizes = {size: [] for size in (1, 3, 6399, 6400, 6401, 30000)}
for size, found in sizes.items():
    steps = Steps(6400)
    pieces = [step for i in range(0, len(data), size) for step in steps.add(data[i:i + size])]
    pieces.append(steps.rest())
    found += [b"".join(pieces) == data, sorted({len(piece) for piece in pieces[:-1]})]
show(list(sizes.values()))
"""
    assert in_a_process(program) == [[True, [6400]]] * 6


def test_every_segment_is_kept_not_only_the_last(spoken: Spoken) -> None:
    program = """
data, rate = pcm(sys.argv[2])
pause = bytes(2 * rate * 2)
show(hear([data, pause, data, pause, data], rate))
"""
    heard = in_a_process(program, spoken.wide)
    assert isinstance(heard, dict)
    assert len(heard["utterances"]) == 3
    assert error_rate(spoken.text * 3, text_of(heard)) < 0.1


def test_one_sound_leaves_no_trace_in_the_next(spoken: Spoken) -> None:
    program = """
data, rate = pcm(sys.argv[2])
first = hear([data], rate)
hear([bytes(range(256)) * 500], 16000)
show([first, hear([data], rate)])
"""
    heard = in_a_process(program, spoken.wide)
    assert isinstance(heard, list)
    assert heard[0] == heard[1]


@pytest.mark.parametrize("rate", ["0", "-1", "7999", "48001"])
def test_a_rate_nobody_can_hear_is_refused_instead_of_looping_forever(rate: str) -> None:
    program = """
from core.errors import InvalidInput
try:
    hear([bytes(6400)], int(sys.argv[2]))
except InvalidInput as error:
    show(error.field)
"""
    assert in_a_process(program, rate) == "file"


def test_silence_and_sound_without_words_are_told_apart() -> None:
    program = """
import math, struct
silence = bytes(16000 * 2 * 4)
def tone(t):  # a voice-like buzz: 140 Hz with harmonics, swelling four times a second
    buzz = sum(math.sin(2 * math.pi * 140 * k * t / 16000) / k for k in range(1, 12))
    return int(6000 * buzz * max(0.0, math.sin(2 * math.pi * 4 * t / 16000)))
samples = [tone(t) for t in range(16000 * 4)]
show([hear([silence], 16000)["diagnosis"], hear([silence], 8000)["diagnosis"],
      [hear([struct.pack(f"<{len(samples)}h", *samples)], 16000)]])
"""
    silent, telephone_silent, [buzz] = in_a_process(program)  # type: ignore[misc]
    assert (silent, telephone_silent) == ("silent", "silent")
    assert buzz["diagnosis"] == (None if buzz["utterances"] else "not_understood")


def test_the_decoder_process_knows_nothing_of_openfst_or_of_the_text_normaliser() -> None:
    program = """
import transcribe.decoding
show(sorted(m for m in sys.modules if m.split(".")[0] in ("wetext", "kaldifst", "_kaldifst")))
"""
    assert in_a_process(program) == []


def test_vosk_refuses_to_live_beside_the_text_normaliser() -> None:
    program = """
sys.modules["kaldifst"] = sys
try:
    VoskRecogniser(Path(sys.argv[1]))
except RuntimeError as error:
    show(str(error))
"""
    assert "another process" in str(in_a_process(program))
