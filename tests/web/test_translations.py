"""Every sentence that people may read is there in Chinese."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

from tests.web.messages import everything, of_python
from web import i18n

FOLDER = i18n.LOCALE_FOLDER / "zh_CN"
CATALOGUES = sorted(FOLDER.glob("*.po"))
_PARAMETER = re.compile(r"%\((\w+)\)[a-z]")


def test_every_sentence_has_a_chinese_translation() -> None:
    merged = i18n.merged_catalogue(FOLDER)
    missing = [f"{where}: {text}" for text, where in everything().items() if text not in merged]
    assert not missing, "without Chinese:\n" + "\n".join(sorted(missing))


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.stem)
def test_translations_name_the_same_parameters(path: Path) -> None:
    with path.open("rb") as stream:
        for message in read_po(stream, locale="zh_CN"):
            if isinstance(message.id, str) and message.id:
                wanted = set(_PARAMETER.findall(message.id))
                assert set(_PARAMETER.findall(str(message.string))) == wanted, message.id


def test_two_catalogues_never_disagree() -> None:
    seen: dict[str, tuple[str, str]] = {}
    for path in CATALOGUES:
        with path.open("rb") as stream:
            for message in read_po(stream, locale="zh_CN"):
                if not isinstance(message.id, str) or not message.id:
                    continue
                other, text = seen.setdefault(message.id, (path.name, str(message.string)))
                assert text == message.string, f"{message.id!r}: {other} and {path.name}"


def test_the_search_for_sentences_finds_them() -> None:
    assert "There is no such area." in dict(of_python(("core",)))
    assert "Log out" in everything()


@pytest.mark.parametrize(
    ("query", "cookie", "accepted", "expected"),
    [
        (None, None, None, "zh-CN"),
        (None, None, "en-GB,en;q=0.9", "en"),
        (None, None, "fr,zh-TW;q=0.5", "zh-CN"),
        (None, "en", "zh-CN", "en"),
        ("zh-CN", "en", "en", "zh-CN"),
        ("xx", "yy", "fr", "zh-CN"),
    ],
)
def test_the_language_is_chosen(
    query: str | None, cookie: str | None, accepted: str | None, expected: str
) -> None:
    assert i18n.choose(query, cookie, accepted) == expected
