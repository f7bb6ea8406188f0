"""Every sentence the hotline says, by prompt id. A county may replace any of them by a recording.

Emergency numbers and digits are written as they are spoken (一 is read 幺 in numbers).
"""

from __future__ import annotations

CONSENT_VERSION = "2026-11"
"""Changes with the words of ``consent`` or ``fraud``; stored with each consent."""

_DIGITS = "零幺二三四五六七八九"

TEXTS: dict[str, str] = {
    "greeting": (
        "这里是{station}乡音热线。有危险请马上挂断，拨打幺幺零，幺幺九或幺二零。"
        "反映问题请按幺，刚刚被骗了钱请按五。"
    ),
    "menu": "反映问题请按幺，刚刚被骗了钱请按五，要人回电请按零。",
    "consent": (
        "您的话会录音，只由受理人员听取办事，办结后保存一百八十天。"
        "同意请按幺，保密请按二，不同意请按九。滴声后直接说话也是同意。"
    ),
    "fraud": ("请马上挂断，拨打幺幺零或九六幺幺零。要留言请别挂，滴声后的话会录音，交给民警办理。"),
    "record": "滴声后请说明在哪个村，什么事，说完请按井号键。",
    "once_more": "没有听清。滴声后请再说一遍，说完请按井号键。",
    "thirty_seconds": "还有三十秒。",
    "reference": "谢谢，已经记下了。您的受理编号是，",
    "again": "再说一遍，",
    "pin": "查询密码是，",
    "goodbye": "工作人员会和您联系。再见。",
    "reference_later": "谢谢，已经记下了。受理编号由工作人员打电话告诉您。",
    "reference_none": "谢谢，已经记下了。",
    "no_consent": "没有听到您的选择，没有录音。",
    "no_speech": "没有听到您说话。",
    "declined": "好的，没有录音。您也可以直接到派出所来。",
    "call_back": "工作人员会给您回电话。再见。",
    "call_again": "您的号码没有显示，我们没有办法回电，请您再打一次。再见。",
    "apology_disk": "对不起，录音提前停了。前面说的都保存好了。",
    "apology_down": "对不起，系统出了故障，没有录下来。紧急情况，请拨打幺幺零。",
    **{f"digit_{digit}": f"{spoken}。" for digit, spoken in enumerate(_DIGITS)},
}

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
