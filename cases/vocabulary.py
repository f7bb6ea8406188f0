"""Words that triage looks for. Phrases, not single characters: 砍 hits 砍价, 炸 hits 油炸.

Danger phrases come from the field's own list (self-harm, violence, fire, fraud); each entry is
looked for in the text as it stands, and an entry of ``HARMLESS`` around it takes the hit back.
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


@dataclass(frozen=True)
class Service:
    """A kind of matter. ``phrases`` propose it; ``fast``: water, power, gas, heat (24 h)."""

    code: str
    label: str
    phrases: tuple[str, ...]
    fast: bool = False


SERVICES = (
    Service(
        "utilities", N_("Water, power, gas, heating"),
        ("停水", "停电", "没水", "没电", "自来水", "水管", "电线", "电线杆", "变压器", "燃气",
         "煤气", "暖气", "供暖", "跳闸"),
        fast=True,
    ),
    Service(
        "fraud", N_("Fraud"),
        ("被骗", "诈骗", "骗子", "骗了钱", "转账", "验证码", "安全账户", "刷单", "中奖电话"),
    ),
    Service(
        "theft", N_("Theft"), ("被偷", "小偷", "偷东西", "偷了", "丢了", "不见了", "撬锁"),
    ),
    Service(
        "dispute", N_("Dispute between people"),
        ("吵架", "打架", "纠纷", "邻居", "宅基地", "地界", "争地", "骂人", "矛盾", "调解", "家暴"),
    ),
    Service(
        "road", N_("Roads and lighting"),
        ("路灯", "坑洼", "路面", "修路", "桥坏", "塌方", "路塌", "红绿灯", "堵车"),
    ),
    Service(
        "noise", N_("Noise"), ("噪音", "噪声", "太吵", "扰民", "放炮", "广场舞"),
    ),
    Service(
        "environment", N_("Rubbish and environment"),
        ("垃圾", "污水", "臭味", "烧秸秆", "秸秆", "河水脏", "乱倒", "养猪场"),
    ),
    Service(
        "wages", N_("Wages and work"), ("工资", "欠薪", "拖欠", "讨薪", "工钱", "工伤"),
    ),
    Service(
        "welfare", N_("Welfare and insurance"),
        ("低保", "养老金", "医保", "社保", "补贴", "救助", "残疾证"),
    ),
    Service("traffic", N_("Traffic and vehicles"), ("车祸", "撞车", "酒驾", "超速", "乱停车")),
    Service("inquiry", N_("Question"), ("请问", "咨询", "怎么办理", "办身份证", "户口", "落户")),
    Service("thanks", N_("Thanks"), ("感谢", "谢谢你们", "表扬", "锦旗")),
    Service("other", N_("Other"), ()),
)  # fmt: skip

SERVICE_BY_CODE = {service.code: service for service in SERVICES}

LEVELS = {
    "general": N_("General"),
    "major": N_("Major"),
    "complex": N_("Complex"),
    "cross_county": N_("Across counties or city departments"),
}
