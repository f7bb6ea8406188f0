"""The page of speech models: what is used where is shown, switched for the own area, audited."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from core.database import Database
from core.models import AuditEntry, User
from core.settings import Settings
from tests.transcribe.layouts import layered
from tests.web.conftest import COUNTY, OTHER_TOWN, TOWN, VILLAGE, Clients, post
from transcribe import catalogue, choices, install, records
from transcribe.choices import Place
from transcribe.evaluate import Evaluation, summary

MEASURED = {
    "set": "/srv/clips/manifest.json", "at": "2026-11-24T08:00:00+00:00", "cer": 0.935,
    "cer_low": 0.874, "cer_high": 0.982, "characters": 154,
}  # fmt: skip


@pytest.fixture
def administrator(client: Clients, config: Settings, tmp_path: Path) -> TestClient:
    """The county's, with two models installed; the second is the default."""
    for number, name in enumerate(("tuned", "usual")):
        layered(tmp_path / name)
        with (tmp_path / name / "conf" / "model.conf").open("a") as conf:
            conf.write(f"--max-active={2000 + number}\n")
        install.from_folder(tmp_path / name, config)
    return client("administrator")


@pytest.fixture
def towns_administrator(administrator: TestClient, database: Database) -> TestClient:
    """The same person, now of one town only."""
    with database.write() as session:
        session.execute(sa.update(User).where(User.login == "administrator").values(area_code=TOWN))
    return administrator


def trail(database: Database) -> list[tuple[str, str, object]]:
    with database.read() as session:
        found = session.scalars(
            sa.select(AuditEntry).where(AuditEntry.action.like("model.%")).order_by(AuditEntry.id)
        )
        return [(entry.action, entry.subject, entry.detail["area_code"]) for entry in found]


def test_the_page_says_what_hears_people_what_is_used_and_what_was_measured(
    administrator: TestClient, config: Settings
) -> None:
    tuned = catalogue.named(config, "tuned")
    records.keep_evaluation(catalogue.folder(config), tuned.tree_hash, MEASURED)
    catalogue.put_in_use(config, tuned, Place(area_code=TOWN))
    catalogue.put_in_use(config, tuned, Place(language="yue"))
    page = administrator.get("/models").text
    assert page.count("does NOT hear people") == 3
    assert page.count("● default") == 1
    assert "93.5 %（87.4–98.2 %）" in page
    assert "clips/manifest.json" in page
    assert "/srv" not in page
    assert "青石镇" in page
    assert "language yue" in page
    assert page.count("not measured here") == 2


def test_a_model_is_switched_for_a_place_and_the_switch_is_written_down(
    administrator: TestClient, database: Database, config: Settings
) -> None:
    answer = post(administrator, "/models", {"model": "tuned", "area": TOWN})
    assert answer.status_code == 303
    assert catalogue.choice_for(config, [VILLAGE, TOWN, COUNTY]).name == "tuned"
    assert catalogue.current(config).name == "usual"
    post(administrator, "/models", {"model": "tuned"})
    assert catalogue.current(config).name == "tuned"
    post(administrator, "/models/release", {"model": "tuned", "area": TOWN})
    assert trail(database) == [
        ("model.used", "model:tuned", TOWN),
        ("model.used", "model:tuned", None),
        ("model.released", "model:tuned", TOWN),
    ]
    assert choices.read(catalogue.folder(config)).areas == {}


def test_a_model_damaged_meanwhile_is_refused_and_nothing_is_written_down(
    administrator: TestClient, database: Database, config: Settings
) -> None:
    damaged = catalogue.folder(config) / "tuned" / "am" / "final.mdl"
    damaged.write_bytes(damaged.read_bytes()[:1000])
    answer = post(administrator, "/models", {"model": "tuned"})
    assert answer.status_code == 409
    assert "not those that were installed" in answer.text
    assert catalogue.current(config).name == "usual"
    assert trail(database) == []


@pytest.mark.parametrize(
    ("form", "status", "complaint"),
    [
        ({"model": "gone"}, 422, 'id="wrong-model"'),
        ({"model": "tuned", "language": "Chinese!"}, 422, 'id="wrong-language"'),
        ({"model": "tuned", "area": TOWN, "language": "yue"}, 422, 'id="wrong-language"'),
        ({"model": "tuned", "area": "999999999999"}, 404, "There is no such area."),
    ],
)
def test_a_refusal_stands_beside_its_field(
    form: dict[str, str], status: int, complaint: str, administrator: TestClient
) -> None:
    answer = post(administrator, "/models", form)
    assert answer.status_code == status
    assert complaint in answer.text


def test_a_towns_administrator_chooses_for_the_own_town_alone(
    towns_administrator: TestClient, config: Settings
) -> None:
    for form, status in (
        ({"area": OTHER_TOWN}, 404),
        ({"area": COUNTY}, 404),
        ({}, 403),
        ({"language": "yue"}, 403),
        ({"area": VILLAGE}, 303),
    ):
        answer = post(towns_administrator, "/models", {"model": "tuned"} | form)
        assert answer.status_code == status, form
    catalogue.put_in_use(config, catalogue.starter(), Place(area_code=OTHER_TOWN))
    page = towns_administrator.get("/models").text
    assert page.count("Take back") == 1
    release = {"model": "starter-zh", "area": OTHER_TOWN}
    assert post(towns_administrator, "/models/release", release).status_code == 404


def test_a_folder_of_the_settings_overrules_the_page_and_the_page_says_so(
    administrator: TestClient, config: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "XIANGYIN_MODEL_DIR" not in administrator.get("/models").text
    monkeypatch.setattr(config, "model_dir", tmp_path / "usual")
    page = administrator.get("/models").text
    assert "XIANGYIN_MODEL_DIR is set" in page


def test_others_do_not_see_it(client: Clients) -> None:
    for name in ("operator", "leader", "auditor"):
        assert client(name).get("/models").status_code == 403
        assert post(client(name), "/models", {"model": "starter-zh"}).status_code == 403


def test_the_summary_has_what_the_page_shows() -> None:
    assert set(MEASURED) <= set(summary(Evaluation(()), "set"))
