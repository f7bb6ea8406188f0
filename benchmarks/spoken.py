"""What is decoded in benchmarks: speech by espeak-ng, the same each time, kept in var/bench."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.sounds import through
from recordings import sound, speech

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / "var" / "bench" / "transcribe"
RATE_HZ = 16_000
TELEPHONE_HZ = 8_000

PLACES = ("村东头", "老槐树旁边", "小学门口", "二组的水渠边", "村委会后面", "桥头", "三组晒谷场")
TROUBLES = (
    "路灯坏了好几天", "停水两天了", "垃圾没有人清理", "井盖不见了", "电线掉下来了",
    "路面塌了一块", "有人乱倒污水", "水管漏水很严重", "晚上噪音太大",
)  # fmt: skip
WISHES = ("请派人来看看", "希望尽快处理", "老人出门很不方便", "请给我们一个答复", "已经说过好几次")

SENTENCES = 24
SENTENCES_PER_VOICEMAIL = 12
PAUSES = 0.40
"""Share of a voicemail in which nobody speaks, between sentences and around them."""

LINE_HISS = 15
"""Standard deviation in int16 of the noise in pauses (-67 dBFS), a good line's."""


def dense(count: int, *, cache: Path = CACHE) -> list[Path]:
    """``count`` paragraphs without a pause worth the name (16 kHz PCM16 mono WAV)."""
    dice = random.Random(20_250_601)
    texts = [_paragraph(dice) for _ in range(count)]

    def fill(folder: Path) -> None:
        for number, text in enumerate(texts):
            _speak(text, folder / _name(number), RATE_HZ)

    folder = _made_once(cache, "\n".join(texts), fill)
    return [folder / _name(number) for number in range(count)]


def voicemails(count: int, *, cache: Path = CACHE) -> tuple[list[Path], list[str]]:
    """``count`` messages as a telephone brings them, 40 % pauses, and what is said in each.

    8 kHz PCM16 mono WAV that went through G.711 A-law.
    """
    dice = random.Random(20_260_901)
    sentences = [_sentence(dice) for _ in range(SENTENCES)]
    said = [dice.choices(sentences, k=SENTENCES_PER_VOICEMAIL) for _ in range(count)]

    def fill(folder: Path) -> None:
        spoken = {text: _samples(text, folder) for text in sentences}
        for number, texts in enumerate(said):
            message = _with_pauses([spoken[text] for text in texts], random.Random(number))
            _write(folder / _name(number), message)

    recipe = json.dumps([said, PAUSES, LINE_HISS], ensure_ascii=False)
    folder = _made_once(cache, recipe, fill)
    return [folder / _name(number) for number in range(count)], ["".join(one) for one in said]


def seconds(files: list[Path]) -> float:
    """Length of all WAV files together."""
    total = 0.0
    for path in files:
        with wave.open(str(path), "rb") as opened:
            total += opened.getnframes() / opened.getframerate()
    return total


def _name(number: int) -> str:
    return f"{number:03d}.wav"


def _sentence(dice: random.Random) -> str:
    return dice.choice(PLACES) + dice.choice(TROUBLES) + dice.choice(WISHES)


def _paragraph(dice: random.Random) -> str:
    return "。".join(
        dice.choice(PLACES) + dice.choice(TROUBLES) + "，" + dice.choice(WISHES) for _ in range(6)
    )


def _made_once(cache: Path, recipe: str, fill: Callable[[Path], None]) -> Path:
    """A folder with what ``fill`` puts there; made anew when the recipe is another."""
    folder = cache / hashlib.sha256(recipe.encode()).hexdigest()[:16]
    if not folder.is_dir():
        part = folder.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        fill(part)
        part.rename(folder)
    return folder


def _speak(text: str, target: Path, rate_hz: int) -> None:
    original = target.with_suffix(".original")
    speech.render(text, original)
    sound.to_wav(original, target, rate_hz=rate_hz)
    original.unlink()


def _samples(text: str, folder: Path) -> NDArray[np.int16]:
    path = folder / "sentence.wav"
    _speak(text, path, TELEPHONE_HZ)
    with wave.open(str(path), "rb") as opened:
        samples = np.frombuffer(opened.readframes(opened.getnframes()), "<i2")
    path.unlink()
    return samples


def _with_pauses(sentences: list[NDArray[np.int16]], dice: random.Random) -> NDArray[np.int16]:
    spoken = sum(map(len, sentences))
    shares = [dice.uniform(0.4, 1.6) for _ in range(len(sentences) + 1)]
    silence = spoken * PAUSES / (1 - PAUSES)
    pauses = [np.zeros(int(silence * share / sum(shares)), np.int16) for share in shares]
    parts = [pauses[0]]
    for sentence, pause in zip(sentences, pauses[1:], strict=True):
        parts += [sentence, pause]
    whole = np.concatenate(parts)
    hiss = np.random.default_rng(dice.randrange(1 << 30)).normal(0, LINE_HISS, len(whole))
    return through("PCMA", np.clip(np.round(whole + hiss), -32768, 32767).astype("<i2"))


def _write(path: Path, samples: NDArray[np.int16]) -> None:
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(TELEPHONE_HZ)
        out.writeframes(samples.tobytes())
