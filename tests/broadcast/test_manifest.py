"""What players are told to sound: signed, the same for all of a village, versioned."""

from __future__ import annotations

import base64
import json
import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from broadcast import manifest, wake
from broadcast.keys import ServerKey
from broadcast.models import HourVolume, Player
from core import bell
from core.blobs import BlobStore
from core.clock import FakeClock, utc_now
from core.database import Database
from core.models import OutboxEvent
from core.settings import Settings
from schedule import slots
from schedule.models import Play
from tests.broadcast.box import Box
from tests.schedule import town as towns
from tests.schedule.town import VILLAGES, Town

Plays = Callable[..., list[Play]]
VILLAGE = VILLAGES[0]


def build(database: Database, area_code: str = VILLAGE) -> manifest.Manifest:
    with database.write() as session:
        return manifest.build(session, area_code)


def payload(database: Database) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(build(database).payload)
    return content


def test_the_manifest_lists_the_plays_of_seven_days(database: Database, town: Town) -> None:
    content = payload(database)
    assert (content["schema"], content["area_code"], content["version"]) == (1, VILLAGE, 1)
    assert content["issued_at"] == "2026-06-01T00:00:00Z"
    assert content["valid_until"] == "2026-06-08T00:00:00Z"
    assert len(content["plays"]) == 7
    first = content["plays"][0]
    assert first["starts_at"] == "2026-06-01T04:00:00Z"
    assert first["make_up_until"] == "2026-06-01T05:00:00Z"
    assert (first["priority"], first["programme"], first["title"]) == (50, "所长说法", "第1期")
    assert first["clip"]["duration_ms"] == 120_000
    assert first["clip"]["media_type"] == "audio/ogg"
    assert first["clip"]["size_bytes"] > 0


def test_two_askers_get_the_same_bytes(database: Database, town: Town) -> None:
    first = build(database)
    with database.read() as session:
        second = manifest.current(session, VILLAGE)
    assert second is not None
    assert (second.payload, second.etag) == (first.payload, first.etag)


def test_the_version_grows_only_with_the_content(
    database: Database, store: BlobStore, town: Town, tell: Callable[[], None]
) -> None:
    assert [build(database).version for _ in range(3)] == [1, 1, 1]
    with database.write() as session:
        episode = towns.approve_episode(session, store, town.programme_id, 2)
        slots.outbox.emit(session, "episode.changed", episode_id=episode.id)
    tell()
    assert build(database).version == 2


def test_a_list_that_grew_rings_for_those_who_wake_players(database: Database, town: Town) -> None:
    with bell.Bell(wake.BELL) as waiting:
        build(database)
        assert waiting.wait(0)
        build(database)
        assert not waiting.wait(0)


def test_the_time_of_issue_is_renewed_daily_under_the_same_version(
    database: Database, town: Town, fake_clock: FakeClock
) -> None:
    with database.write() as session:  # one play, a week ahead, so that the content stays
        session.execute(sa.delete(Play).where(Play.local_date != datetime(2026, 6, 7).date()))
    before = build(database)
    fake_clock.advance(timedelta(hours=25))
    with database.read() as session:
        assert manifest.current(session, VILLAGE) is None
    after = build(database)
    assert (after.version, after.issued_at) == (1, before.issued_at + timedelta(hours=25))


@pytest.mark.parametrize(
    ("back", "issued"),
    [
        (timedelta(seconds=4), timedelta(0)),
        (timedelta(hours=8), -timedelta(hours=8)),
    ],
)
def test_the_time_of_issue_follows_a_clock_that_was_set_back_far_and_no_little_step(
    database: Database, town: Town, fake_clock: FakeClock, back: timedelta, issued: timedelta
) -> None:
    before = build(database)
    fake_clock.advance(-back)
    with database.write() as session:
        session.execute(sa.delete(Play).where(Play.local_date == datetime(2026, 6, 7).date()))
    after = build(database)
    assert (after.version, after.issued_at) == (before.version + 1, before.issued_at + issued)


def test_the_signature_fits_the_exact_text_alone(
    database: Database, town: Town, config: Settings
) -> None:
    key = ServerKey.from_settings(config)
    signed = manifest.sign(key, build(database))
    public = Ed25519PublicKey.from_public_bytes(base64.b64decode(key.public))
    signature = base64.b64decode(signed["signature"])
    public.verify(signature, signed["payload"].encode())
    with pytest.raises(InvalidSignature):
        public.verify(signature, signed["payload"].replace("第1期", "第2期").encode())
    assert signed["key_id"] == key.key_id


def test_the_key_is_made_once_and_readable_by_the_owner_alone(config: Settings) -> None:
    assert ServerKey.from_settings(config).public == ServerKey.from_settings(config).public
    mode = (config.folder("keys") / "manifest").stat().st_mode
    assert stat.S_IMODE(mode) == 0o600


def test_plays_are_published_only_where_a_player_is(
    database: Database, box: Box, plays: Plays
) -> None:
    for village in VILLAGES[:2]:
        build(database, village)
    assert {play.state for play in plays(area_code=VILLAGE)} == {"published"}
    assert {play.state for play in plays(area_code=VILLAGES[1])} == {"planned"}


def test_a_play_stays_listed_until_its_make_up_time_is_over(
    database: Database, town: Town, plays: Plays, fake_clock: FakeClock
) -> None:
    first = plays(area_code=VILLAGE)[0]
    with database.write() as session:
        session.execute(sa.update(Play).where(Play.id == first.id).values(state="played"))
    fake_clock.set(datetime(2026, 6, 1, 4, 59, tzinfo=UTC))
    assert payload(database)["plays"][0]["play_id"] == first.id
    fake_clock.set(datetime(2026, 6, 1, 5, 0, tzinfo=UTC))
    assert payload(database)["plays"][0]["play_id"] != first.id


def test_a_play_is_left_out_only_when_it_ran_out_by_the_time_of_issue(
    database: Database, town: Town, plays: Plays, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = plays(area_code=VILLAGE)[0]
    ticking = iter(first.make_up_until + timedelta(microseconds=n) for n in range(-1, 99))
    monkeypatch.setattr(manifest, "utc_now", lambda: next(ticking))  # it runs out meanwhile
    issued = build(database)
    assert first.id in issued.play_ids or first.make_up_until <= issued.issued_at


def test_cancelled_plays_and_plays_without_sound_are_not_listed(
    database: Database, town: Town, plays: Plays
) -> None:
    ids = [play.id for play in plays(area_code=VILLAGE)]
    with database.write() as session:
        session.execute(sa.update(Play).where(Play.id == ids[0]).values(state="cancelled"))
        session.execute(
            sa.update(Play).where(Play.id == ids[1]).values(episode_id=None, clip_sha256=None)
        )
    assert [play["play_id"] for play in payload(database)["plays"]] == ids[2:]


def test_a_clip_belongs_to_the_villages_that_sound_it(
    database: Database, town: Town, plays: Plays, fake_clock: FakeClock
) -> None:
    clip = plays()[0].clip_sha256
    assert clip is not None
    with database.read() as session:
        assert manifest.has_clip(session, VILLAGE, clip)
        assert not manifest.has_clip(session, towns.FOREIGN_VILLAGE, clip)
        assert not manifest.has_clip(session, VILLAGE, "0" * 64)
    fake_clock.advance(timedelta(days=60))
    with database.read() as session:
        assert not manifest.has_clip(session, VILLAGE, clip)


def test_news_of_plans_becomes_news_of_manifests(
    database: Database, box: Box, tell: Callable[[], None], plays: Plays
) -> None:
    tell()
    with database.read() as session:
        events = session.scalars(
            sa.select(OutboxEvent).where(OutboxEvent.kind == "manifest.changed")
        )
        told = [event.payload["area_code"] for event in events]
    assert sorted(told) == VILLAGES  # each village once, however often something asked
    assert {play.state for play in plays(area_code=VILLAGE)} == {"published"}


def test_a_play_says_how_urgent_and_how_loud_it_is(database: Database, town: Town) -> None:
    first = payload(database)["plays"][0]
    wanted = ("programme", 50, 100, "restart")
    assert (
        first["kind"], first["priority"], first["volume_percent"], first["on_interrupt"],
    ) == wanted  # fmt: skip
    with database.write() as session:
        session.execute(sa.update(Play).values(priority=70, volume_percent=60, on_interrupt="skip"))
    first = payload(database)["plays"][0]
    assert (first["kind"], first["priority"]) == ("notice", 70)
    assert (first["volume_percent"], first["on_interrupt"]) == (60, "skip")


@pytest.mark.parametrize(("priority", "is_named"), [(70, True), (50, False)])
def test_a_notice_is_named_while_it_may_sound_and_a_programme_until_it_may_begin(
    database: Database, town: Town, fake_clock: FakeClock, priority: int, is_named: bool
) -> None:
    """A notice that is named no longer counts as called off, and would be cut in its middle."""
    with database.write() as session:
        first = session.scalars(sa.select(Play).order_by(Play.starts_at)).first()
        assert first is not None
        session.execute(sa.update(Play).values(priority=priority, duration_ms=300_000))
        play_id, last_start = first.id, first.make_up_until

    def named() -> bool:
        with database.write() as session:
            known = json.loads(manifest.build(session, first.area_code).payload)["plays"]
        return play_id in [each["play_id"] for each in known]

    fake_clock.set(last_start + timedelta(minutes=4))
    assert named() is is_named
    fake_clock.set(last_start + timedelta(minutes=6))
    assert not named()


def test_hours_of_the_nearest_area_count(database: Database, town: Town) -> None:
    assert "volume_by_hour" not in payload(database)
    for code, percent in ((towns.COUNTY, 30), (towns.TOWNSHIP, 60)):
        with database.write() as session:
            session.add(HourVolume(area_code=code, percent=[percent] * 24, changed_at=utc_now()))
    assert payload(database)["volume_by_hour"] == [60] * 24


def test_only_players_that_are_turned_down_are_named(database: Database, box: Box) -> None:
    assert "player_volume_percent" not in payload(database)
    with database.write() as session:
        session.execute(sa.update(Player).values(volume_percent=40))
    assert payload(database)["player_volume_percent"] == {box.player.id: 40}


def test_a_player_nobody_approved_gets_the_same_list_without_plays(
    database: Database, town: Town
) -> None:
    whole = build(database)
    silent = whole.without_plays()
    assert json.loads(silent.payload) == json.loads(whole.payload) | {"plays": []}
    assert silent.etag != whole.etag


def test_what_was_kept_serves_until_something_newer_is_issued(
    database: Database, box: Box, fake_clock: FakeClock
) -> None:
    def kept() -> int | None:
        with database.read() as session:
            found = manifest.kept(session, VILLAGES[0])
            return found.version if found else None

    def build(*, keep: bool) -> int:
        with database.write() as session:
            session.execute(sa.update(Play).values(revision=Play.revision + 1))
            return manifest.build(session, VILLAGES[0], keep=keep).version

    version = build(keep=True)
    assert kept() == version
    fake_clock.advance(timedelta(seconds=21))
    assert kept() is None
    version = build(keep=True)
    assert kept() == version
    build(keep=False)
    assert kept() is None
