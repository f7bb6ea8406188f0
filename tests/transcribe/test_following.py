"""Following a growing file: every byte once, in order, and never one that changes later."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import ROOT
from transcribe import audio, following
from transcribe.following import Changed, NoFile, Source
from transcribe.recogniser import Recognition, Utterance
from transcribe.stream import GrowingSound

RATE_HZ = 8000
HOLD_BACK_BYTES = RATE_HZ * following.HOLD_BACK_MS // 1000 * 2


class Ear:
    """A listening that remembers what it was fed."""

    utterances: tuple[Utterance, ...] = ()

    def __init__(self) -> None:
        self.fed = b""

    def feed(self, pcm: bytes) -> None:
        self.fed += pcm

    def finish(self) -> Recognition:
        return Recognition((), 0, RATE_HZ)


def name(samples: bytes) -> str:
    digest = audio.digest(RATE_HZ)
    digest.update(samples)
    return digest.hexdigest()


def script(*steps: Callable[[], object]) -> Callable[[float], bool]:
    """``ended``: each time it is asked the next step happens; after the last the sound is over."""
    left: Iterator[Callable[[], object]] = iter(steps)

    def ended(_timeout_s: float) -> bool:
        step = next(left, None)
        if step is None:
            return True
        step()
        return False

    return ended


def hear(source: Source, ear: Ear, *steps: Callable[[], object]) -> str:
    return following.hear(source, ear, RATE_HZ, script(*steps))


def append(path: Path, data: bytes) -> Callable[[], object]:
    def step() -> None:
        with path.open("ab") as out:
            out.write(data)

    return step


def overwrite(path: Path, at: int, data: bytes) -> Callable[[], object]:
    def step() -> None:
        with path.open("r+b") as out:
            out.seek(at)
            out.write(data)

    return step


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(pieces=st.lists(st.binary(max_size=40_000), max_size=6))
def test_every_whole_sample_is_fed_once_and_in_order(tmp_path: Path, pieces: list[bytes]) -> None:
    take, ear = tmp_path / "take.pcm", Ear()
    take.write_bytes(b"")
    digest = hear(Source(GrowingSound((str(take),), RATE_HZ)), ear, *(
        append(take, piece) for piece in pieces
    ))  # fmt: skip
    whole = b"".join(pieces)
    whole = whole[: len(whole) - len(whole) % 2]
    assert ear.fed == whole
    assert digest == name(whole)


def test_the_newest_sound_is_held_back_until_the_end(tmp_path: Path) -> None:
    take, ear = tmp_path / "take.pcm", Ear()
    take.write_bytes(bytes(HOLD_BACK_BYTES + 320))
    fed: list[int] = []
    hear(Source(GrowingSound((str(take),), RATE_HZ)), ear, *[lambda: fed.append(len(ear.fed))] * 4)
    assert fed[-1] == 320
    assert len(ear.fed) == HOLD_BACK_BYTES + 320


def test_a_packet_that_was_overtaken_a_little_is_heard_in_its_place(tmp_path: Path) -> None:
    take, ear = tmp_path / "take.pcm", Ear()
    take.write_bytes(bytes(20_000))
    late = overwrite(take, 20_000 - HOLD_BACK_BYTES, b"late")
    digest = hear(Source(GrowingSound((str(take),), RATE_HZ)), ear, *[lambda: None] * 3, late)
    assert ear.fed == take.read_bytes()
    assert digest == name(ear.fed)


def test_a_packet_that_comes_too_late_makes_the_hearing_worthless(tmp_path: Path) -> None:
    take = tmp_path / "take.pcm"
    take.write_bytes(bytes(20_000))
    with pytest.raises(Changed):
        hear(Source(GrowingSound((str(take),), RATE_HZ)), Ear(), *[lambda: None] * 3,
             overwrite(take, 100, b"late"))  # fmt: skip


def test_a_sound_that_is_cut_after_it_was_heard_is_told(tmp_path: Path) -> None:
    take = tmp_path / "take.pcm"
    take.write_bytes(bytes(20_000))
    with pytest.raises(Changed):
        hear(Source(GrowingSound((str(take),), RATE_HZ)), Ear(), *[lambda: None] * 3,
             lambda: os.truncate(take, 1000))  # fmt: skip


def test_a_file_may_be_renamed_and_removed_while_it_is_followed(tmp_path: Path) -> None:
    take, ear = tmp_path / "take.pcm", Ear()
    part = tmp_path / "take.pcm.part"
    part.write_bytes(b"ab" * 9000)
    hear(Source(GrowingSound((str(take),), RATE_HZ)), ear, lambda: None, lambda: part.rename(take),
         take.unlink)  # fmt: skip
    assert ear.fed == b"ab" * 9000


def test_files_that_belong_together_are_one_sound_without_half_samples(tmp_path: Path) -> None:
    first, second, ear = tmp_path / "take-1.pcm", tmp_path / "take-2.pcm", Ear()
    first.write_bytes(b"one!" * 100 + b"?")
    second.write_bytes(b"two!" * 100)
    digest = hear(Source(GrowingSound((str(first), str(second)), RATE_HZ)), ear)
    assert ear.fed == b"one!" * 100 + b"two!" * 100
    assert digest == name(ear.fed)


def test_the_header_of_a_wav_file_is_no_sound(tmp_path: Path) -> None:
    take, ear = tmp_path / "take.wav", Ear()
    take.write_bytes(bytes(44) + b"ab" * 500)
    hear(Source(GrowingSound((str(take),), RATE_HZ, 44)), ear)
    assert ear.fed == b"ab" * 500


def test_a_sound_that_never_appears_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Source(GrowingSound((str(tmp_path / "nothing.pcm"),), RATE_HZ))
    with pytest.raises(NoFile):
        hear(source, Ear())
    monkeypatch.setattr(following, "APPEARS_WITHIN_S", -1.0)
    with pytest.raises(NoFile):
        hear(source, Ear(), *[lambda: None] * 5)


def test_more_sound_may_take_more_processor_time_and_no_sound_no_more() -> None:
    program = (
        "from transcribe import following\n"
        "allow = following.allow_cpu(1.0, 3)\n"
        "allow(0)\n"
        "def burn(s):\n"
        "    import time\n"
        "    until = time.process_time() + s\n"
        "    while time.process_time() < until: pass\n"
        "burn(1.5); allow(3); burn(2.5); print('fed', flush=True)\n"
        "burn(10)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True)
    assert done.stdout == b"fed\n"
    assert done.returncode == -signal.SIGXCPU
