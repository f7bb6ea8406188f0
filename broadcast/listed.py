"""What a signed list holds: plays of slots, rounds of overrides, and how loud an area is."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, defer

from broadcast import volumes
from broadcast.models import Override, OverridePlay
from core.models import Blob
from recordings.models import Episode, Programme
from schedule import quiet, slots
from schedule.models import Play

AHEAD = timedelta(days=7)
LIVE_STATES = ("planned", "published", "played", "missed")
"""A play stays listed after its receipt: a second player of the village may still need it."""
LIVE_ROUNDS = ("planned", "published", "sounding", "played", "missed")
PRIORITIES = {"emergency": 100, "drill": 95, "notice": 70, "test": 50}
"""Kinds of overrides on the ladder. A test tone interrupts nothing."""
QUIET_PASSES = ("emergency",)
"""What village quiet does not bind."""
LONGEST_SOUND = timedelta(hours=1)
"""No override is longer."""
LONGEST_NOTICE = timedelta(hours=2)
"""No notice of a slot is longer: players sound nothing that is."""
ROUND_SLACK = timedelta(seconds=30)
Entry = dict[str, Any]


def content(session: Session, area_code: str, now: datetime) -> dict[str, Any]:
    """``plays``, ``quiet``, ``volume_by_hour`` and ``player_volume_percent`` of an area now."""
    quiet_since = quiet.made_up_until(session, area_code, now)
    plays = [
        *_plays(session, area_code, now, quiet_since),
        *_rounds(session, area_code, now, quiet_since),
    ]
    plays.sort(key=lambda entry: (entry["starts_at"], entry["play_id"]))
    found: dict[str, Any] = {"plays": plays}
    if quiet_since is not None:
        found["quiet"] = True
    hours = volumes.by_hour(session, area_code)
    if hours.set_by is not None:
        found["volume_by_hour"] = list(hours.percent)
    quieter = {
        player_id: percent
        for player_id, percent in volumes.of_players(session, area_code).items()
        if percent != 100
    }
    if quieter:
        found["player_volume_percent"] = quieter
    return found


def needs(session: Session, area_code: str, sha256: str, now: datetime) -> bool:
    """Whether a clip belongs to a play or a round that the area's players may still need."""
    play = sa.select(Play.id).where(*_listed(area_code, now), Play.clip_sha256 == sha256).exists()
    of_round = (
        _round_query(area_code, now)
        .with_only_columns(OverridePlay.id)
        .where(Override.clip_sha256 == sha256)
        .exists()
    )
    return bool(session.scalar(sa.select(sa.or_(play, of_round))))


def iso(moment: datetime) -> str:
    """``2026-06-01T04:00:00Z``; microseconds only where there are any."""
    return moment.isoformat().replace("+00:00", "Z")


def _listed(area_code: str, now: datetime) -> list[sa.ColumnElement[bool]]:
    """What breaks in is looked at for longer; ``_plays`` leaves out what must be over."""
    may_sound = sa.and_(
        Play.priority == slots.PRIORITIES["notice"], Play.make_up_until > now - LONGEST_NOTICE
    )
    return [
        Play.area_code == area_code,
        Play.state.in_(LIVE_STATES),
        sa.or_(Play.make_up_until > now, may_sound),
        Play.starts_at <= now + AHEAD,
        Play.clip_sha256.is_not(None),
        sa.not_(quiet.binds()),
    ]


def _plays(
    session: Session, area_code: str, now: datetime, quiet_since: datetime | None
) -> list[Entry]:
    rows = session.execute(
        sa.select(Play, Programme.name, Episode.title, Blob.size_bytes, Blob.media_type)
        .join(Episode, Episode.id == Play.episode_id)
        .join(Programme, Programme.id == Episode.programme_id)
        .join(Blob, Blob.sha256 == Play.clip_sha256)
        .where(*_listed(area_code, now))
    )
    return [
        {
            "play_id": play.id,
            "revision": play.revision,
            "kind": _kind(play),
            "starts_at": iso(play.starts_at),
            "make_up_until": iso(_last_start(play.starts_at, play.make_up_until, quiet_since)),
            "priority": play.priority,
            "volume_percent": play.volume_percent,
            "on_interrupt": play.on_interrupt,
            "programme": programme,
            "title": title,
            "clip": {
                "sha256": play.clip_sha256,
                "size_bytes": size_bytes,
                "duration_ms": play.duration_ms,
                "media_type": media_type,
            },
        }
        for play, programme, title, size_bytes, media_type in rows
        if _must_be_named(play, now)
    ]


def _must_be_named(play: Play, now: datetime) -> bool:
    """A notice until its sound must be over, so that players do not take its end for a recall."""
    if _kind(play) != "notice":
        return play.make_up_until > now
    return over_at(play.make_up_until, play.duration_ms) > now


def _kind(play: Play) -> str:
    return "notice" if play.priority == slots.PRIORITIES["notice"] else "programme"


def _last_start(
    starts_at: datetime, make_up_until: datetime, quiet_since: datetime | None
) -> datetime:
    """What should have been heard before the quiet is not made up in it."""
    if quiet_since is None or starts_at >= quiet_since:
        return make_up_until
    return min(make_up_until, quiet_since)


def _round_query(area_code: str, now: datetime) -> sa.Select[OverridePlay, Override, int, str]:
    """Rounds of overrides on air; each is named until its sound must be over."""
    return (
        sa.select(OverridePlay, Override, Blob.size_bytes, Blob.media_type)
        .join(Override, Override.id == OverridePlay.override_id)
        .join(Blob, Blob.sha256 == Override.clip_sha256)
        .where(
            OverridePlay.area_code == area_code,
            OverridePlay.state.in_(LIVE_ROUNDS),
            Override.state.in_(("on_air", "ended")),
            OverridePlay.make_up_until > now - LONGEST_SOUND,
            sa.or_(
                Override.kind.in_(QUIET_PASSES),
                sa.not_(quiet.binds(OverridePlay.area_code, OverridePlay.starts_at)),
            ),
        )
    )


def _rounds(
    session: Session, area_code: str, now: datetime, quiet_since: datetime | None
) -> list[Entry]:
    found = []
    # Not the villages: a thousand codes would be read for each of some hundred rounds.
    query = _round_query(area_code, now).options(defer(Override.villages))
    for each, override, size_bytes, media_type in session.execute(query):
        if round_over_at(each, override.duration_ms) <= now:
            continue
        bound_since = None if override.kind in QUIET_PASSES else quiet_since
        until = _last_start(each.starts_at, each.make_up_until, bound_since)
        found.append(
            {
                "play_id": each.id,
                "revision": each.revision,
                "kind": override.kind,
                "starts_at": iso(each.starts_at),
                "make_up_until": iso(until),
                "priority": PRIORITIES[override.kind],
                "volume_percent": override.volume_percent,
                "on_interrupt": "restart",
                "programme": override.kind,
                "title": override.title,
                "clip": {
                    "sha256": override.clip_sha256,
                    "size_bytes": size_bytes,
                    "duration_ms": override.duration_ms,
                    "media_type": media_type,
                },
            }
        )
    return found


def round_over_at(each: OverridePlay, duration_ms: int | None) -> datetime:
    """When a player that began it as late as it may has certainly finished."""
    return over_at(each.make_up_until, duration_ms)


def over_at(make_up_until: datetime, duration_ms: int | None) -> datetime:
    """The same for anything that breaks in."""
    return make_up_until + timedelta(milliseconds=duration_ms or 0) + ROUND_SLACK
