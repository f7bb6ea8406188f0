"""The kinds and levels of matters, and the phrases that mean danger.

Danger phrases come from the field's own list (self-harm, violence, fire, fraud); each entry is
looked for in the text as it stands, and an entry of ``HARMLESS`` around it takes the hit back.
They are phrases, not single characters: 砍 hits 砍价, 炸 hits 油炸.
"""

from __future__ import annotations

from dataclasses import dataclass

from core.errors import N_

DANGER_PHRASES = (
    "自杀", "不想活", "跳楼", "跳河", "喝农药", "砍人", "杀人", "捅人", "拿刀", "持刀", "爆炸",
    "炸药", "家暴", "打老婆", "纵火", "放火", "着火", "起火", "煤气泄漏", "燃气泄漏", "溺水",
    "落水", "转账", "被骗", "骗了钱", "诈骗", "验证码", "安全账户", "绑架", "抢劫", "强奸",
    "失踪", "拐走", "触电", "中毒",
)  # fmt: skip

HARMLESS = (
    "防诈骗", "反诈骗", "防火防爆炸", "防溺水", "食物中毒宣传", "预防煤气泄漏", "失踪预警宣传",
)  # fmt: skip
"""Talk about prevention that contains a danger phrase."""

URGENT_PHRASES = (
    "快来人", "快来救", "救命", "来不及了", "要出人命", "出人命", "晕倒", "叫不醒", "没有呼吸",
    "大出血", "流了很多血", "被困", "被压", "掉进", "掉下去", "被水冲", "走失", "走丢", "漏气",
    "要塌", "快倒了", "掉在地上还冒火", "冒火花", "刚才被", "正在打", "现在就来", "马上派人",
)  # fmt: skip
"""Not dangers by name, but words of people who cannot wait. They propose urgency, no more."""


@dataclass(frozen=True)
class Service:
    """A kind of matter. ``fast``: water, power, gas, heat (24 h)."""

    code: str
    label: str
    fast: bool = False


SERVICES = (
    Service("utilities", N_("Water, power, gas, heating"), fast=True),
    Service("safety", N_("Danger, fire, missing people")),
    Service("fraud", N_("Fraud")),
    Service("theft", N_("Theft")),
    Service("dispute", N_("Dispute between people")),
    Service("family", N_("Family, violence at home, care")),
    Service("land", N_("Land, building, compensation")),
    Service("road", N_("Roads and lighting")),
    Service("traffic", N_("Traffic and vehicles")),
    Service("noise", N_("Noise")),
    Service("environment", N_("Rubbish and environment")),
    Service("animals", N_("Animals and pests")),
    Service("wages", N_("Wages and work")),
    Service("welfare", N_("Welfare and insurance")),
    Service("consumer", N_("Goods, food, shops")),
    Service("cadre", N_("Conduct of officials")),
    Service("inquiry", N_("Question")),
    Service("thanks", N_("Thanks")),
    Service("other", N_("Other")),
)

SERVICE_BY_CODE = {service.code: service for service in SERVICES}

TIERS = {
    "village": N_("Village"),
    "township": N_("Township"),
    "county": N_("County"),
    "city": N_("City"),
}
"""Who handles a case, the lowest first."""
LEVELS = {
    "general": N_("General"),
    "major": N_("Major"),
    "complex": N_("Complex"),
    "cross_county": N_("Across counties or city departments"),
}
