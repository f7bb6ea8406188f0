"""Every sentence the hotline says, by language and prompt id.

A county may replace any of them by a recording (``hotline.prompts``).
"""

from __future__ import annotations

from hotline.outgoing import texts as outgoing
from hotline.prompt_texts import en, zh_cn

BASE = "zh_CN"
"""The language that recordings of a dialect are laid over."""

LANGUAGES: dict[str, dict[str, str]] = {
    "zh_CN": {**zh_cn.TEXTS, **outgoing.TEXTS["zh_CN"]},
    "en": {**en.TEXTS, **outgoing.TEXTS["en"]},
}
TEXTS = LANGUAGES[BASE]

CONSENT_VERSIONS = {"zh_CN": "2026-12", "en": "2026-12-en"}
"""Change with the words of CONSENT_TEXTS in that language; stored with each consent."""
CONSENT_TEXTS = ("consent", "fraud", "why", "studio_record")

BEEP = "beep"
PAUSE = "pause"
GENERATED = (BEEP, PAUSE)
ALL_IDS = (*TEXTS, *GENERATED)


def number_sounds(number: str) -> tuple[str, ...]:
    """Prompt ids that read ``number`` digit by digit, in threes, with pauses between them."""
    groups = [number[start : start + 3] for start in range(0, len(number), 3)]
    sounds: list[str] = []
    for group in groups:
        sounds += [*(f"digit_{digit}" for digit in group), PAUSE]
    return tuple(sounds)


def reference_sounds(
    number: str, pin: str, before: tuple[str, ...], after: tuple[str, ...]
) -> tuple[str, ...]:
    """The whole announcement of a reference: the number twice, then the PIN in one group."""
    spoken = number_sounds(number)
    pin_sounds = tuple(f"digit_{digit}" for digit in pin)
    return (*before, "reference", *spoken, "again", *spoken, "pin", *pin_sounds, PAUSE, *after)


def date_sounds(month: int, day: int) -> tuple[str, ...]:
    """Prompt ids that say a day of the year."""
    return (f"month_{month}", f"day_{day}")
