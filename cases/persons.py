"""Who is complained about, as far as the words say: so that no complaint goes to its own target.

Rules, no model: somebody with an office or a name stands where people name whom they accuse. What
is found is a proposal shown to the operator; nobody is accused by a machine.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

SURNAMES = (
    "王李张刘陈杨黄赵周吴徐孙马朱胡郭何林高罗郑梁谢宋唐许韩冯邓曹彭曾萧田董袁潘蔡蒋余杜叶程苏魏吕丁任沈"
    "姚卢姜崔钟谭陆汪范金石廖贾夏付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严武戴莫孔向汤"
)
OFFICES = (
    "村支部书记", "支部书记", "副书记", "村支书", "村主任", "副主任", "村书记", "支书", "书记",
    "主任", "会计", "出纳", "村干部", "村委会的人", "驻村干部", "队长", "组长", "网格员",
    "所长", "副所长", "民警", "辅警", "城管",
    "镇长", "副镇长", "乡长", "局长", "站长", "院长", "校长", "老师",
)  # fmt: skip
EMPLOYERS = ("厂长", "老板", "包工头", "工头")
RELATIONS = (
    "邻居",
    "隔壁",
    "对门",
    "楼上",
    "楼下",
    "前夫",
    "丈夫",
    "老公",
    "儿子",
    "儿媳妇",
    "婆婆",
    "房东",
    "租客",
)
ACCUSING = "举报|投诉|告发|控告|反映|揭发|检举"
DOING = (
    "打(?!电话|工|扫|听|算|麻将|牌|针|药)|骂|占|欠|拖欠|拖着|不给|不还|不管|不赔|不让|不肯|不公开|骗|偷|贪|侵吞|侵占|挪用|克扣|扣|威胁|恐吓|堵|收了|受贿|吃拿|"
    "砸|拔|砍|吞|霸|私自|偷偷|冒领|代领|包给|卖|强迫|虐待|赌博|吸毒|酒驾|动手|推我|欺负|报复|把"
)
_BETWEEN = r"[^。！？;；]{0,6}?"
_NOT_ASKED_FOR = "(?<![找请叫问跟给向让])"
_OFFICE = "|".join((*OFFICES, *EMPLOYERS))
_RELATION = "|".join(RELATIONS)
_SURNAME = f"[{SURNAMES}]"
_NAME = rf"{_SURNAME}[一-鿿]{{1,2}}?"
_PATTERNS = (
    rf"(?:{ACCUSING}){_BETWEEN}(?P<who>{_SURNAME}?(?:{_OFFICE}))",
    rf"{_NOT_ASKED_FOR}(?P<who>{_SURNAME}?(?:{_OFFICE})){_BETWEEN}(?:{DOING})",
    rf"(?<!把)(?<!把我)(?P<who>(?:{_RELATION})(?:[老小]?{_SURNAME}家?)?){_BETWEEN}(?:{DOING})",
    rf"(?:{ACCUSING}|叫做|名叫|叫)(?:一下|的是)?(?P<who>{_NAME})(?=[，。、的他她]|{DOING}|$)",
    rf"(?P<who>[老小]{_SURNAME}家?|姓{_SURNAME}的){_BETWEEN}(?:{DOING})",
)
_COMPILED = tuple(re.compile(pattern) for pattern in _PATTERNS)
MAX_PERSONS = 4
_THANKS = re.compile(r"谢谢|感谢|多亏|感激|表扬|锦旗")


@dataclass(frozen=True)
class Person:
    """``text``: as the caller said it. ``is_official``: holds an office of the village or above."""

    text: str
    is_official: bool


def complained_about(text: str) -> tuple[Person, ...]:
    """Persons the words complain about, at most four, in order; none where people thank."""
    plain = "".join(text.split())
    if _THANKS.search(plain):
        return ()
    found: dict[str, int] = {}
    for pattern in _COMPILED:
        for match in pattern.finditer(plain):
            found.setdefault(match["who"], match.start("who"))
    kept = [who for who in found if not any(who != other and who in other for other in found)]
    ordered = sorted(kept, key=found.__getitem__)[:MAX_PERSONS]
    return tuple(Person(who, any(office in who for office in OFFICES)) for who in ordered)
