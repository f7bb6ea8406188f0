"""Which model serves whom: own area, those above, the language, the default; switched while on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import Conflict, InvalidInput, ToolFailed
from core.settings import Settings
from tests.transcribe.layouts import everything, layered
from transcribe import catalogue, install, records
from transcribe.choices import Choices, Place

VILLAGE, TOWN, COUNTY = "330123104201", "330123104000", "330123000000"
NAMES = st.sampled_from(["a", "b", "c"])
PLACES = st.one_of(
    st.just(Place()),
    st.sampled_from([VILLAGE, TOWN, COUNTY]).map(lambda code: Place(area_code=code)),
    st.sampled_from(["cmn", "yue"]).map(lambda tag: Place(language=tag)),
)


@pytest.fixture
def models(config: Settings, tmp_path: Path) -> None:
    """Three models, a, b and c, that differ in their settings; a is the default."""
    for number, name in enumerate("cba"):
        layered(tmp_path / name)
        (tmp_path / name / "conf" / "model.conf").open("a").write(f"--max-active={2000 + number}\n")
        install.from_folder(tmp_path / name, config)


def test_the_nearest_area_wins_then_the_language_then_the_default() -> None:
    chosen = Choices("d", {"yue": "l"}, {TOWN: "t", COUNTY: "c"})
    assert list(chosen.names([VILLAGE, TOWN, COUNTY], "yue")) == ["t", "c", "l", "d"]
    assert list(chosen.names([], "yue")) == ["l", "d"]
    assert list(chosen.names([VILLAGE], "wuu")) == ["d"]
    assert list(Choices().names([VILLAGE], None)) == []


@pytest.mark.usefixtures("models")
def test_each_sound_gets_the_model_of_its_place_from_the_next_one_on(config: Settings) -> None:
    catalogue.choose(config, "b", Place(area_code=TOWN))
    catalogue.choose(config, "c", Place(language="yue"))

    def name(area_codes: list[str], language: str | None = None) -> str:
        return catalogue.choice_for(config, area_codes, language).name

    assert name([VILLAGE, TOWN, COUNTY], "yue") == "b"
    assert name([COUNTY], "yue") == "c"
    assert name([COUNTY]) == catalogue.current(config).name == "a"
    catalogue.release(config, Place(area_code=TOWN))
    assert name([VILLAGE, TOWN, COUNTY], "yue") == "c"


@pytest.mark.usefixtures("models")
def test_a_choice_that_is_gone_is_passed_over(config: Settings) -> None:
    catalogue.choose(config, "b", Place(area_code=TOWN))
    shutil.rmtree(catalogue.folder(config) / "b")
    assert catalogue.choice_for(config, [TOWN]).name == "a"


@pytest.mark.usefixtures("models")
def test_the_starter_can_be_chosen_for_a_place_too(config: Settings) -> None:
    catalogue.choose(config, "starter-zh", Place(area_code=TOWN))
    assert catalogue.choice_for(config, [TOWN]) == catalogue.starter()


def test_the_choice_of_an_older_version_is_read_and_then_replaced(
    config: Settings, tmp_path: Path
) -> None:
    layered(catalogue.folder(config) / "old")
    old_file = catalogue.folder(config) / "current"
    old_file.write_text("old")
    assert catalogue.current(config).name == "old"
    catalogue.choose(config, "starter-zh", Place(language="yue"))
    assert catalogue.current(config).name == "old"
    assert not old_file.exists()


@pytest.mark.parametrize("content", ["{", "[]", '{"areas": ["x"]}', '{"default": 3}'])
def test_damaged_choices_are_named_and_never_replaced_by_the_starter(
    content: str, config: Settings
) -> None:
    (catalogue.folder(config) / "choices.json").write_text(content)
    with pytest.raises(InvalidInput, match=r"choices\.json is damaged"):
        catalogue.current(config)


@pytest.mark.usefixtures("models")
def test_a_choice_is_seen_by_others_at_once_and_read_only_when_it_changed(
    config: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalogue.current(config)
    monkeypatch.setattr(json, "loads", lambda _: pytest.fail("read again without need"))
    assert catalogue.current(config).name == "a"
    monkeypatch.undo()
    path = catalogue.folder(config) / "choices.json"
    path.write_text(path.read_text().replace('"a"', '"b"'))
    assert catalogue.current(config).name == "b"


@pytest.mark.usefixtures("models")
def test_a_model_damaged_since_it_was_installed_is_refused_before_the_switch(
    config: Settings,
) -> None:
    path = catalogue.folder(config) / "b" / "am" / "final.mdl"
    path.write_bytes(path.read_bytes()[:700_000])
    before = everything(catalogue.folder(config))
    with pytest.raises(Conflict, match="not those that were installed"):
        catalogue.choose(config, "b")
    with pytest.raises(ToolFailed, match="does not load"):
        catalogue.choose(config, "b", accept_changes=True)
    assert everything(catalogue.folder(config)) == before
    assert catalogue.current(config).name == "a"


@pytest.mark.usefixtures("models")
def test_a_model_tuned_on_purpose_is_taken_when_one_says_so(config: Settings) -> None:
    (catalogue.folder(config) / "b" / "conf" / "model.conf").open("a").write("--beam=12.0\n")
    tuned = catalogue.choose(config, "b", accept_changes=True)
    kept = records.installed(catalogue.folder(config), "b")
    assert kept is not None
    assert kept["tree_hash"] == tuned.tree_hash
    assert catalogue.choose(config, "b") == tuned


@pytest.mark.usefixtures("models")
def test_a_model_in_use_anywhere_is_not_removed(config: Settings) -> None:
    catalogue.choose(config, "b", Place(area_code=TOWN))
    for name in ("a", "b"):
        with pytest.raises(Conflict, match="in use"):
            catalogue.remove(config, name)
    catalogue.release(config, Place(area_code=TOWN))
    catalogue.remove(config, "b")
    assert [model.name for model in catalogue.installed(config)] == ["starter-zh", "a", "c"]
    assert records.installed(catalogue.folder(config), "b") is None
    assert not list(catalogue.folder(config).glob(".removed-*"))


def test_the_starter_and_unknown_names_are_not_removed(config: Settings) -> None:
    with pytest.raises(InvalidInput, match="belongs to the program"):
        catalogue.remove(config, "starter-zh")
    for name in ("gone", "../var", ""):
        with pytest.raises(InvalidInput, match="No model called"):
            catalogue.remove(config, name)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"area_code": "3301"}, "area"),
        ({"area_code": "33012310400x"}, "area"),
        ({"language": "Chinese"}, "language"),
        ({"language": ""}, "language"),
        ({"area_code": TOWN, "language": "yue"}, "language"),
    ],
)
def test_a_place_is_an_area_or_a_language(wrong: dict[str, str], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        Place(**wrong)
    assert caught.value.field == field


@given(st.lists(st.tuples(PLACES, NAMES | st.none()), max_size=12))
def test_places_hold_what_was_chosen_there_last(steps: list[tuple[Place, str | None]]) -> None:
    chosen, expected = Choices(), dict[Place, str]()
    for place, name in steps:
        chosen = chosen.having(place, name)
        expected.pop(place, None)
        if name is not None:
            expected[place] = name
    found = {place: name for name in "abc" for place in chosen.places(name)}
    assert found == expected
