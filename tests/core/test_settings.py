"""A setting that cannot be used is named in one line, without a trace of the program."""

from __future__ import annotations

import pytest

from core import settings


@pytest.mark.parametrize(
    ("name", "value"),
    [("XIANGYIN_WEB_PORT", "abc"), ("XIANGYIN_LOG_LEVEL", "loud")],
)
def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as ended:
        settings.load()
    assert str(ended.value).startswith(f"{name} cannot be used: ")
    assert "docs/settings.md" in str(ended.value)


def test_a_setting_with_words_of_its_own_says_just_these(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XIANGYIN_KEEP_AUDIO_DAYS", "500")
    with pytest.raises(SystemExit) as ended:
        settings.load()
    assert str(ended.value).startswith("XIANGYIN_KEEP_AUDIO_DAYS is 500. Set 30 to 180")


def test_each_wrong_setting_has_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XIANGYIN_WEB_PORT", "abc")
    monkeypatch.setenv("XIANGYIN_CALL_CAP", "many")
    with pytest.raises(SystemExit) as ended:
        settings.load()
    assert [line.split()[0] for line in str(ended.value).splitlines()] == [
        "XIANGYIN_WEB_PORT",
        "XIANGYIN_CALL_CAP",
    ]


def test_what_was_set_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XIANGYIN_WEB_PORT", "secret-in-the-wrong-line")
    with pytest.raises(SystemExit) as ended:
        settings.load()
    assert "secret" not in str(ended.value)
