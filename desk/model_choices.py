"""Who may choose a speech model for which place; each choice is written down."""

from __future__ import annotations

from sqlalchemy.orm import Session

from core import areas, audit
from core.auth import Actor
from core.errors import N_, Forbidden, NotFound
from core.settings import Settings
from desk import people
from transcribe import catalogue
from transcribe.catalogue import InstalledModel
from transcribe.choices import Place


def answers_for_all(session: Session, actor: Actor) -> bool:
    """Whether the administrator's area is the top one: they may choose the default model."""
    return actor.area_code is None or areas.get(session, actor.area_code).parent_code is None


def require_place(session: Session, actor: Actor, place: Place) -> None:
    """NotFound for an area that is not the administrator's; Forbidden for what concerns all."""
    actor.require("people.edit")
    if place.area_code is not None:
        areas.get(session, place.area_code)
        own = people.own_area_codes(session, actor)
        if own is not None and place.area_code not in own:
            raise NotFound(N_("There is no such area."))
    elif not answers_for_all(session, actor):
        raise Forbidden(
            N_("This concerns other areas too. Choose a model for your own area, or ask above.")
        )


def use(
    session: Session, actor: Actor, settings: Settings, model: InstalledModel, place: Place
) -> None:
    """Use ``model``, which was tried, at ``place``."""
    require_place(session, actor, place)
    _write_down(session, actor, "model.used", model.name, place, tree_hash=model.tree_hash)
    catalogue.put_in_use(settings, model, place)


def release(session: Session, actor: Actor, settings: Settings, name: str, place: Place) -> None:
    """Choose nothing at ``place`` any more."""
    require_place(session, actor, place)
    _write_down(session, actor, "model.released", name, place)
    catalogue.release(settings, place)


def _write_down(
    session: Session, actor: Actor, action: str, name: str, place: Place, **detail: str
) -> None:
    audit.record(
        session, actor.login, action, f"model:{name}",
        area_code=place.area_code, language=place.language, **detail,
    )  # fmt: skip
