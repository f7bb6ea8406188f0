"""Two models stay loaded; the least recently used one goes, never the one at work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import ToolFailed
from transcribe import catalogue
from transcribe.catalogue import InstalledModel
from transcribe.pool import ModelFails, Pool
from transcribe.recogniser import Recognition

SCOPE = (None, None)


def model(name: str) -> InstalledModel:
    return replace(catalogue.starter(), name=name, tree_hash=name * 64)


class Fake:
    """Keeps the contract of a decoder without its process."""

    def __init__(self, of: InstalledModel, folder: Path) -> None:
        self.name, self.folder = of.name, folder
        self.alive = False

    def start(self, *, on_wait: Callable[[], None] = lambda: None) -> None:
        if self.name == "x":
            raise ToolFailed("does not load")
        self.alive = True

    def decode(self, wav: Path, **_options: object) -> Recognition:
        raise NotImplementedError

    def pause(self, task: str) -> None: ...

    def resume(self, task: str) -> None: ...

    def close(self) -> None:
        self.alive = False


@pytest.fixture
def made() -> list[Fake]:
    return []


@pytest.fixture
def pool(made: list[Fake], tmp_path: Path) -> Pool:
    def make(of: InstalledModel, folder: Path) -> Fake:
        made.append(Fake(of, folder))
        return made[-1]

    return Pool(make, tmp_path)


def living(made: list[Fake]) -> str:
    return "".join(one.name for one in made if one.alive)


def load(pool: Pool, names: str) -> None:
    for name in names:
        pool.load(model(name), on_wait=lambda: None)


def test_a_model_is_loaded_once_and_each_has_its_own_folder(pool: Pool, made: list[Fake]) -> None:
    load(pool, "abab")
    assert [one.name for one in made] == ["a", "b"]
    assert len({one.folder for one in made}) == 2


def test_the_least_recently_used_goes_when_a_third_one_is_wanted(
    pool: Pool, made: list[Fake]
) -> None:
    load(pool, "abac")
    assert living(made) == "ac"


def test_the_one_at_work_stays_whatever_comes(pool: Pool, made: list[Fake]) -> None:
    with pool.use(model("a"), SCOPE, on_wait=lambda: None):
        load(pool, "bcd")
        assert "a" in living(made)
        assert len(living(made)) == 2


def test_one_that_died_is_replaced(pool: Pool, made: list[Fake]) -> None:
    load(pool, "a")
    made[0].alive = False
    load(pool, "a")
    assert (len(made), living(made)) == (2, "a")


def test_one_that_does_not_load_is_not_tried_again_at_once(pool: Pool, made: list[Fake]) -> None:
    for _ in range(3):
        fails = pytest.raises(ModelFails, match="x: does not load")
        with fails, pool.use(model("x"), SCOPE, on_wait=lambda: None):
            pass
    assert len(made) == 1


def test_the_model_that_served_a_scope_serves_on_when_the_new_one_fails(pool: Pool) -> None:
    with pool.use(model("a"), SCOPE, on_wait=lambda: None):
        pass
    with pool.use(model("x"), SCOPE, on_wait=lambda: None) as (used, _):
        assert used.name == "a"
    with pytest.raises(ModelFails), pool.use(model("x"), ("1", None), on_wait=lambda: None):
        pass
