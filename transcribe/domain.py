"""What villagers say to a hotline: sentences of our own that every area's grammar begins with."""

from __future__ import annotations

from collections.abc import Iterator

SPOTS = (
    "村口", "村东头", "村西头", "桥头", "河边", "路边", "小学门口", "卫生室旁边", "村委会门口",
    "我家门口", "老槐树下", "晒谷场", "水渠边", "水库边", "广场上", "祠堂旁边", "一组", "二组",
    "三组", "四组",
)  # fmt: skip
TROUBLES = (
    "停水了", "停水两天了", "停电了", "昨天晚上停电了", "没有水", "没有电", "水管漏水",
    "水管爆了", "自来水是浑的", "水压太低", "电线掉下来了", "电线杆歪了", "变压器坏了",
    "路灯坏了", "路灯坏了好几天", "路灯不亮", "井盖不见了", "井盖坏了", "路面塌了",
    "路面塌了一块", "路上有个大坑", "桥栏杆断了", "水渠堵了", "下水道堵了", "垃圾没有人清理",
    "垃圾堆了很久", "有人乱倒垃圾", "有人乱倒污水", "污水臭得很", "河水变黑了", "有人烧秸秆",
    "养猪场太臭", "晚上噪音太大", "广场舞太吵", "有人放炮", "有人偷东西", "电瓶车被偷了",
    "摩托车丢了", "有人打架", "两家人吵起来了", "有人堵路", "树倒了", "大树压住了房子",
    "房子漏雨", "着火了", "有人落水了", "有人受伤了", "老人走丢了", "小孩走丢了", "狗咬人了",
    "网络断了", "没有信号", "大喇叭没有声音",
)  # fmt: skip
STORIES = (
    "邻居占了我家的地", "邻居把路堵了", "宅基地有纠纷", "地界有争议", "老板拖欠工资",
    "工钱一直没有给", "低保没有发", "养老金没有到账", "医保报销不了", "补贴没有发下来",
    "征地款没有到账", "有人冒充公安", "有人冒充银行客服", "有人让我转账", "他要我的验证码",
    "我被骗了", "我被骗了三千块钱", "接到诈骗电话", "借钱不还", "儿子不养老人",
    "我想问一下怎么办身份证", "户口怎么迁", "感谢你们", "谢谢你们帮忙", "问题解决了",
    "已经说过好几次", "一直没有人管", "打电话没有人接",
)  # fmt: skip
WISHES = (
    "请派人来看看", "希望尽快处理", "请尽快处理", "请给我们一个答复", "老人出门很不方便",
    "孩子上学很危险", "请你们管一管", "麻烦你们来修一下", "什么时候能修好", "我们等了好几天",
    "请帮帮我们", "请快点来",
)  # fmt: skip
GREETINGS = ("你好", "喂你好", "我要反映一个问题", "我想反映一下", "麻烦问一下")

CARRIERS = {
    "place": (
        "{}", "我是{}的", "我们{}", "在{}", "{}这边", "{}旁边", "{}停水了", "{}停电了",
        "{}的路灯坏了", "{}有人打架", "从{}到", "{}的村民", "住在{}", "{}的垃圾没有人清理",
        "{}的路",
    ),
    "person": ("{}", "我找{}", "{}说", "跟{}说过了", "请{}来看看", "{}没有来"),
}  # fmt: skip
"""Sentences in which the words of a place are said."""


def sentences() -> Iterator[str]:
    """Some 1,200 sentences, without signs, always the same and in the same order."""
    for trouble in TROUBLES:
        yield trouble
        for spot in SPOTS:
            yield spot + trouble
    for number, trouble in enumerate(TROUBLES):
        yield trouble + WISHES[number % len(WISHES)]
    yield from (*STORIES, *WISHES, *GREETINGS)


def spoken_with(term: str, kind: str) -> Iterator[str]:
    """Sentences with a local word in them."""
    for carrier in CARRIERS["person" if kind == "official" else "place"]:
        yield carrier.format(term)
