"""What the page of speech models shows: which is used where, and how well each was measured."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.auth import Actor
from core.models import Area
from core.settings import Settings
from desk import model_choices
from transcribe import catalogue, choices, known, records
from transcribe.catalogue import InstalledModel
from transcribe.choices import Place


@dataclass(frozen=True)
class PlaceRow:
    """Where a model is used. ``may_release``: the viewer may take this choice back."""

    place: Place
    area_name: str | None
    may_release: bool


@dataclass(frozen=True)
class Measured:
    """A kept evaluation; rates in percent, the interval None with one clip."""

    set_name: str
    at: str
    cer_percent: float
    low_percent: float | None
    high_percent: float | None
    characters: int


@dataclass(frozen=True)
class ModelRow:
    """One installed model. ``published_cer``: the publisher's own figures, percent."""

    model: InstalledModel
    is_default: bool
    places: list[PlaceRow]
    measured: list[Measured]
    published_cer: tuple[float, float, float] | None


def rows(session: Session, settings: Settings, actor: Actor) -> list[ModelRow]:
    """All models that can be chosen; the one of XIANGYIN_MODEL_DIR first, where it is set."""
    folder = catalogue.folder(settings)
    models, default = catalogue.installed(settings), catalogue.current(settings)
    if default not in models:
        models.insert(0, default)
    chosen = choices.read(folder)
    return [
        ModelRow(
            model=model,
            is_default=model == default,
            places=_places(session, actor, chosen.places(model.name)),
            measured=[_measured(each) for each in records.evaluations(folder, model.tree_hash)],
            published_cer=known.KNOWN[model.name].published_cer if _is_known(model) else None,
        )
        for model in models
    ]


def _is_known(model: InstalledModel) -> bool:
    return model.name in known.KNOWN and model.hears_people


def _places(session: Session, actor: Actor, places: list[Place]) -> list[PlaceRow]:
    for_all = model_choices.answers_for_all(session, actor)
    codes = [place.area_code for place in places if place.area_code]
    found = session.execute(sa.select(Area.code, Area.name).where(Area.code.in_(codes)))
    names = {code: name for code, name in found}
    rows = []
    for place in places:
        if place.area_code is not None:
            may = actor.area_code is None or actor.sees(session, place.area_code)
            rows.append(PlaceRow(place, names.get(place.area_code, place.area_code), may))
        elif place.language is not None:
            rows.append(PlaceRow(place, None, for_all))
    return rows


def _measured(kept: records.Record) -> Measured:
    """The folder of a manifest is nobody's business; its name is enough."""
    low, high = kept["cer_low"], kept["cer_high"]
    path = PurePath(kept["set"])
    name = "/".join(path.parts[-2:]) if len(path.parts) > 1 else kept["set"]
    return Measured(
        set_name=name,
        at=kept["at"][:10],
        cer_percent=kept["cer"] * 100,
        low_percent=None if low is None else low * 100,
        high_percent=None if high is None else high * 100,
        characters=kept["characters"],
    )
