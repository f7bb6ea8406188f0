"""Many reports with a text that somebody wrote word for word: what the page of quality counts."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

from cases.models import Report
from core.clock import utc_now
from core.database import Database
from tests.web.conftest import OTHER_VILLAGE, SECOND_VILLAGE, VILLAGE
from transcribe.models import Transcript

SENTENCES = (
    "我家 停水 两天 了 请 派人 来 看看",
    "村口 的 路灯 坏了 好几天 没人 修",
    "垃圾 没有 人 清理 味道 很大 请 尽快 处理",
    "桃坪 村 的 桥 坏了 车 过不去",
    "昨天 晚上 又 停电 了 孩子 没法 写 作业",
    "我的 养老金 这个月 没有 到账 电话 是 幺三八 一二三四 五六七八",
)
SLIPS = {
    "路灯": "路等",
    "停水": "听水",
    "停电": "听店",
    "桃坪": "套平",
    "垃圾": "拉机",
    "到账": "到帐",
}
MODEL, NEWER = "a" * 64, "b" * 64


def heard_as(sentence: str, share: float, chance: random.Random) -> list[str]:
    """The sentence in words; about ``share`` of them wrong."""
    return [
        SLIPS.get(word, word[:-1] + chance.choice("是的十事在"))
        if chance.random() < share
        else word
        for word in sentence.split()
    ]


def hearing(report_id: int, version: int, words: list[str], sure: float, **more: Any) -> Transcript:
    return Transcript(
        subject_kind="report",
        subject_id=report_id,
        version=version,
        text="".join(words),
        words=[
            {"text": word, "start_ms": 300 * at, "end_ms": 300 * at + 300, "confidence": sure}
            for at, word in enumerate(words)
        ],
        created_at=utc_now(),
        **more,
    )


def speak(
    database: Database,
    author: int,
    many: int,
    *,
    first: int = 1,
    village: str | None = None,
    confidential: bool = False,
    sure: float | None = None,
) -> None:
    """``many`` reports of the last weeks, each heard and written; the surer, the fewer slips."""
    chance = random.Random(first)
    villages = (VILLAGE, VILLAGE, SECOND_VILLAGE)
    with database.write() as session:
        for number in range(first, first + many):
            confidence = chance.uniform(0.25, 0.98) if sure is None else sure
            report = Report(
                reference_no=f"{number:09}",
                source_key=f"spoken:{number}",
                channel=chance.choice(("phone", "phone", "phone", "web")),
                state="accepted",
                received_at=utc_now() - timedelta(days=chance.uniform(0, 80)),
                village_code=village or chance.choice(villages),
                duration_ms=6_000,
                confidential=confidential,
            )
            session.add(report)
            session.flush()
            said = chance.choice(SENTENCES)
            words = heard_as(said, 1 - confidence, chance)
            model = {"model_name": "vosk-model-small-cn-0.22", "model_hash": MODEL}
            known = hearing(report.id, 0, words, confidence, confidence=confidence, **model)
            text = hearing(report.id, 1, said.split(), confidence, author_id=author, verbatim=True)
            session.add_all((known, text))
            if number % 3 == 0:
                better = heard_as(said, (1 - confidence) / 2, chance)
                newer = {"model_name": "vosk-model-cn-0.22", "model_hash": NEWER}
                again = hearing(report.id, 2, better, confidence, confidence=confidence, **newer)
                session.add(again)


__all__ = ["MODEL", "NEWER", "OTHER_VILLAGE", "speak"]
