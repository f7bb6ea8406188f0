"""Numbers of people, and how people read them out: figure by figure, in groups, in many ways."""

from __future__ import annotations

from hypothesis import strategies as st

WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
READINGS = {
    "0": "零〇洞0", "1": "一幺1", "2": "二两2", "3": "三3", "4": "四4", "5": "五5", "6": "六6",
    "7": "七拐7", "8": "八8", "9": "九勾9", "X": "叉X",
}  # fmt: skip
RESTS = ("", "", "，", " ", "呃", "嗯", "，那个，", "啊", "。", "就是", "-")
CORRECTIONS = ("", "", "", "不对，", "错了，应该是", "不是，是")
AROUND = (
    ("我的电话是", "请回电"),
    ("打", "找我，我家停水三天了"),
    ("我姓王，号码", "住三组十八号"),
    ("", "欠我三千五百块"),
    ("昨天下午三点有人来，他留的是", "你们查一查"),
    ("帮我查一下", ""),
)


def identity(body: str) -> str:
    """17 digits and their MOD 11-2 check character."""
    total = sum(int(digit) * weight for digit, weight in zip(body, WEIGHTS, strict=True))
    return body + "10X98765432"[total % 11]


def card(body: str) -> str:
    """Digits and Luhn's check digit."""
    total = 0
    for place, digit in enumerate(reversed(body)):
        value = int(digit) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return body + str(-total % 10)


def figures(count: int) -> st.SearchStrategy[str]:
    return st.text("0123456789", min_size=count, max_size=count)


mobiles = st.builds("1{}{}".format, st.sampled_from("3456789"), figures(9))
landlines = st.builds(
    "{}{}{}".format,
    st.sampled_from(["010", "021", "0571", "0578", "0816"]),
    st.sampled_from("2345678"),
    figures(6) | figures(7),
)
birthdays = st.dates().filter(lambda day: 1930 <= day.year <= 2020).map(lambda d: f"{d:%Y%m%d}")
identities = st.builds(
    lambda area, born, serial: identity(area + born + serial),
    st.sampled_from(["110105", "330782", "513221", "371522"]), birthdays, figures(3),
)  # fmt: skip
cards = st.builds(
    lambda bank, rest: card(bank + rest), st.sampled_from(["6222", "6228", "4367"]),
    figures(11) | figures(14),
)  # fmt: skip


@st.composite
def read_out(draw: st.DrawFn, number: str) -> str:
    """One way in which somebody says or types ``number``."""
    spoken = ""
    for place, digit in enumerate(number):
        if place and place % draw(st.sampled_from((3, 4))) == 0:
            spoken += draw(st.sampled_from(RESTS))
        spoken += draw(st.sampled_from(READINGS[digit]))
    return spoken


@st.composite
def told(draw: st.DrawFn, numbers: st.SearchStrategy[str]) -> tuple[str, str]:
    """(number as it was read out, the sentence around it); sometimes begun twice."""
    said = draw(numbers.flatmap(read_out))
    correction = draw(st.sampled_from(CORRECTIONS))
    if correction:
        said = said[:4] + correction + said
    before, after = draw(st.sampled_from(AROUND))
    return said, f"{before}{said}{after}"
