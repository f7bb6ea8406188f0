"""Sets of clips made here: sentences of the hotline, spoken by the machine's own voice.

They show that a model works at all and what a telephone line costs it. They say nothing about
people: the starter is good at them and useless for callers.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from recordings import sound, speech
from transcribe.audio import TELEPHONE_HZ
from transcribe.evaluate import Clip

if TYPE_CHECKING:
    from core.settings import Settings

CLEAN, TELEPHONE = "starter-clean", "starter-alaw"
SETS = {"starter": (CLEAN, TELEPHONE), CLEAN: (CLEAN,), TELEPHONE: (TELEPHONE,)}
"""Name of a set -> its parts: the voice as it is, and after a telephone line (8 kHz, A-law)."""

SENTENCES = (
    "我家停水两天了请派人来看看",
    "村里的路灯坏了好几天",
    "垃圾没有人清理请尽快处理",
    "村口的桥坏了车过不去",
    "昨天晚上又停电了",
    "自来水是黄的不能喝",
    "邻居家的狗咬人没人管",
    "有人半夜放鞭炮吵得睡不着",
    "河里有很多死鱼味道很大",
    "我的养老金这个月没有到账",
    "修路把我家的地占了没有赔钱",
    "有人打电话让我转账我怕是骗子",
    "厕所堵了请派人来修",
    "村里的网络三天没有信号",
    "下水道的盖子不见了很危险",
    "低保的手续怎么办",
    "学校门口车太多孩子过马路不安全",
    "电线掉在路上请马上来人",
    "隔壁盖房子挡了我家的光",
    "庄稼被水淹了能不能补贴",
)


def clips(
    settings: Settings, name: str, *, on_clip: Callable[[int], None] = lambda _: None
) -> list[Clip]:
    """The clips of the set ``name`` of SETS, spoken now or kept from before in data_dir.

    Raises ToolFailed when the voice fails. What is there of an interrupted call is kept.
    """
    folder, found = settings.folder("evaluation", _version()), list[Clip]()
    for part in SETS[name]:
        for number, text in enumerate(SENTENCES, 1):
            found.append(Clip(_clip(folder, number, text, part), text))
            on_clip(len(found))
    return found


def _clip(folder: Path, number: int, text: str, part: str) -> Path:
    clean = folder / f"{number:02d}.wav"
    if not clean.exists():
        speech.render(text, clean)
    if part == CLEAN:
        return clean
    telephone = folder / f"{number:02d}-alaw.wav"
    if not telephone.exists():
        with sound.whole_or_nothing(telephone) as target:
            rate_hz = str(TELEPHONE_HZ)
            sound.ffmpeg(
                ["-i", clean, "-ar", rate_hz, "-ac", "1", "-c:a", "pcm_alaw", "-f", "wav", target]
            )
    return telephone


def _version() -> str:
    """Another voice or other sentences make another set."""
    content = json.dumps([speech.VOICE, speech.USUAL_RATE_WPM, SENTENCES])
    return hashlib.sha256(content.encode()).hexdigest()[:8]
