"""The dialogue as a pure machine: the news of a village."""

from __future__ import annotations

import pytest

from hotline import limits
from hotline import steps as do
from hotline.call import Key
from hotline.dialogue import Facts, State
from hotline.directory import Directory, Village
from hotline.played import VillageName, VillageNews
from tests.hotline.machine import (
    DIRECTORY,
    ENDED,
    LIJIA,
    SILENCE,
    TOWN,
    VILLAGE_LINE,
    WANGZHUANG,
    keys,
    last_village,
    run,
    said,
)

PLAYED = [VillageName(LIJIA), VillageNews(LIJIA), "news_over", "news_choice"]
WITHOUT_CODES = Facts(directory=Directory({LIJIA: Village(LIJIA, "李家庄村")}))


def test_the_news_of_the_line_is_played() -> None:
    _, actions = run(Key("3"), facts=VILLAGE_LINE)
    assert said(actions) == PLAYED


def test_the_news_of_a_village_is_found_by_the_last_report_or_the_code() -> None:
    _, actions = run(Key("3"), last_village(LIJIA), facts=TOWN)
    assert said(actions) == PLAYED
    _, actions = run(Key("3"), last_village(None), *keys("101"), facts=TOWN)
    assert said(actions) == PLAYED


def test_the_news_may_be_as_long_as_its_episodes() -> None:
    _, actions = run(Key("3"), facts=VILLAGE_LINE)
    news = DIRECTORY.villages[LIJIA].news
    assert do.Wait(limits.NEWS_SOUND_LIMIT_S * len(news)) in actions


def test_that_there_is_no_news_is_said_of_a_village() -> None:
    _, actions = run(Key("3"), last_village(WANGZHUANG), facts=TOWN)
    assert said(actions) == ["news_none", "news_leave"]


UNKNOWN_PLACE = (Key("3"), last_village(None))


@pytest.mark.parametrize("failed", [keys("#"), keys("999998"), SILENCE * 2])
def test_where_the_village_is_not_known_that_is_said_and_its_code_may_be_keyed_again(
    failed: tuple[do.Event, ...],
) -> None:
    _, actions = run(*UNKNOWN_PLACE, *failed, facts=TOWN)
    assert said(actions) == ["news_unknown", "news_code"]
    _, actions = run(*UNKNOWN_PLACE, *failed, Key("3"), facts=TOWN)
    assert said(actions) == ["village_code"]
    _, actions = run(*UNKNOWN_PLACE, *failed, Key("3"), *keys("101"), facts=TOWN)
    assert said(actions) == PLAYED


@pytest.mark.parametrize("facts", [Facts(), WITHOUT_CODES])
def test_without_codes_none_is_asked_for(facts: Facts) -> None:
    away = () if facts == Facts() else (do.Answered(None),)
    _, actions = run(Key("3"), *away, facts=facts)
    assert said(actions) == ["news_unknown", "news_leave"]
    _, actions = run(Key("3"), *away, Key("3"), facts=facts)
    assert said(actions) == ["news_leave"]


def test_codes_are_keyed_for_ever_by_nobody() -> None:
    state, actions = run(*UNKNOWN_PLACE, *keys("#3") * 3, Key("#"), facts=TOWN)
    assert state.state is State.NEWS
    assert said(actions) == ["news_unknown", "news_leave"]


def test_news_is_heard_again() -> None:
    _, actions = run(Key("3"), ENDED, Key("3"), facts=VILLAGE_LINE)
    assert said(actions) == PLAYED


def test_a_wrong_key_ends_the_news_without_calling_it_over() -> None:
    _, actions = run(Key("3"), Key("7"), facts=VILLAGE_LINE)
    assert said(actions) == ["news_choice"]


def test_after_the_news_one_reports_and_silence_ends() -> None:
    assert run(Key("3"), ENDED, Key("1"))[0].state is State.CONSENT
    _, actions = run(Key("3"), *SILENCE)
    assert said(actions) == ["farewell"]
    assert do.PromiseCallBack() not in actions
