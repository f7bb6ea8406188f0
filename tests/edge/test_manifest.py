"""Only what the pinned key signed for this village is followed."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.errors import ManifestRefused
from edge.manifest import Manifest, check_succession, verify
from tests.edge.authority import Authority
from tests.edge.fake_server import AREA, FakeServer

NOW = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture
def town(tmp_path: Path) -> FakeServer:
    town = FakeServer(Authority(tmp_path / "authority"))
    town.add_play(1, NOW, town.add_clip(b"sound", 1000))
    town.publish(NOW)
    return town


def read(town: FakeServer, envelope: bytes) -> Manifest:
    return verify(
        envelope, server_key=town.signing_key.public_key().public_bytes_raw(), area_code=AREA
    )


def refused(town: FakeServer, envelope: bytes) -> str:
    with pytest.raises(ManifestRefused) as caught:
        read(town, envelope)
    return caught.value.code


def test_a_genuine_manifest_is_read(town: FakeServer) -> None:
    found = read(town, town.signed(town.payload()))
    assert [(play.play_id, play.clip.size_bytes) for play in found.plays] == [(1, 5)]
    assert found.issued_at == NOW


def test_one_changed_letter_is_noticed(town: FakeServer) -> None:
    outer = json.loads(town.signed(town.payload()))
    outer["payload"] = outer["payload"].replace('"priority": 50', '"priority": 99')
    assert refused(town, json.dumps(outer).encode()) == "bad_signature"


def test_another_key_is_refused(town: FakeServer) -> None:
    forged = town.signed(town.payload(), Ed25519PrivateKey.generate())
    assert refused(town, forged) == "wrong_key"
    outer = json.loads(forged)
    outer["key_id"] = json.loads(town.signed(town.payload()))["key_id"]
    assert refused(town, json.dumps(outer).encode()) == "bad_signature"


def test_another_village_s_manifest_is_refused(town: FakeServer) -> None:
    assert refused(town, town.signed(town.payload(area_code="610111001999"))) == "wrong_area"


@pytest.mark.parametrize(
    "envelope", [b"", b"[]", b"{}", b'{"payload":1,"signature":"!","key_id":1}']
)
def test_rubbish_is_refused(town: FakeServer, envelope: bytes) -> None:
    assert refused(town, envelope) == "bad_envelope"


@pytest.mark.parametrize(
    "change",
    [
        {
            "clip": {
                "sha256": "../../etc/passwd",
                "size_bytes": 1,
                "duration_ms": 1,
                "media_type": "",
            }
        },
        {"clip": {"sha256": "a" * 64, "size_bytes": 0, "duration_ms": 1, "media_type": ""}},
        {"clip": {"sha256": "a" * 64, "size_bytes": 1 << 40, "duration_ms": 1, "media_type": ""}},
        {"starts_at": "2026-06-01T08:00:00"},
        {"starts_at": "tomorrow"},
        {"play_id": "1"},
        {"priority": True},
        {"clip": None},
    ],
)
def test_a_play_that_makes_no_sense_spoils_the_whole(
    town: FakeServer, change: dict[str, Any]
) -> None:
    payload = town.payload(plays=[{**town.plays[0], **change}])
    assert refused(town, town.signed(payload)) == "bad_schema"


def test_a_newer_schema_is_refused(town: FakeServer) -> None:
    assert refused(town, town.signed(town.payload(schema=2))) == "bad_schema"


def manifest(version: int, issued_hours: float) -> Manifest:
    issued = NOW + timedelta(hours=issued_hours)
    return Manifest(AREA, version, issued, issued + timedelta(days=7), ())


@pytest.mark.parametrize(
    ("version", "issued_hours", "code"),
    [
        (6, 1, None),
        (5, 0, None),
        (5, 24, None),  # the same plays, renewed
        (3, 1, None),  # the server came back from a backup
        (4, 0, "outdated"),
        (9, -1, "outdated"),  # a replay, whatever number it claims
        (6, -24 * 8, "expired"),
    ],
)
def test_the_signed_time_of_issue_decides_what_replaces_what(
    version: int, issued_hours: float, code: str | None
) -> None:
    assert succession(5, 0, version, issued_hours, present_hours=48) == code


@pytest.mark.parametrize(
    ("version", "issued_hours", "code"),
    [
        (6, -7, None),  # the server's clock was set back
        (5, -7, None),
        (4, -7, "outdated"),
        (4, 1, "outdated"),  # nor does a lower version count that lies ahead itself
        (6, 1, None),
    ],
)
def test_where_a_time_of_issue_lies_ahead_the_version_decides(
    version: int, issued_hours: float, code: str | None
) -> None:
    assert succession(5, 0, version, issued_hours, present_hours=-7) == code


def test_a_list_from_before_the_clock_was_set_back_does_not_return() -> None:
    assert succession(6, 0, 5, 8, present_hours=0) == "outdated"


def succession(
    held: int, held_hours: float, version: int, issued_hours: float, *, present_hours: float
) -> str | None:
    """Why a list may not replace the one that is held; None if it may."""
    current, new = manifest(held, held_hours), manifest(version, issued_hours)
    present = NOW + timedelta(hours=present_hours)
    try:
        check_succession(new, current, NOW, lambda moment: moment > present)
    except ManifestRefused as refused:
        return refused.code
    return None


def published(town: FakeServer, of_play: dict[str, Any], of_list: dict[str, Any]) -> Manifest:
    content = town.payload()
    content["plays"][0] |= of_play
    return read(town, town.signed(content | of_list))


def test_how_urgent_and_how_loud_a_play_is(town: FakeServer) -> None:
    loud = {"kind": "emergency", "volume_percent": 70, "on_interrupt": "resume"}
    (found,) = published(town, loud, {}).plays
    assert (found.kind, found.volume_percent, found.on_interrupt) == ("emergency", 70, "resume")


def test_a_list_of_an_older_server_has_the_usual_values(town: FakeServer) -> None:
    found = read(town, town.signed(town.payload()))
    (play,) = found.plays
    assert (play.kind, play.volume_percent, play.on_interrupt) == ("programme", 100, "restart")
    assert found.volume_by_hour == (100,) * 24
    assert found.volume_percent("anybody") == 100
    assert not found.quiet


def test_how_loud_hours_and_players_are(town: FakeServer) -> None:
    hours = [40] * 7 + [100] * 17
    found = published(town, {}, {"volume_by_hour": hours, "player_volume_percent": {"p-1": 55}})
    assert list(found.volume_by_hour) == hours
    assert (found.volume_percent("p-1"), found.volume_percent("p-2")) == (55, 100)


def test_words_of_a_later_server_are_taken_for_the_usual_ones(town: FakeServer) -> None:
    (found,) = published(town, {"kind": "opera", "on_interrupt": "dance"}, {}).plays
    assert (found.kind, found.on_interrupt) == ("programme", "restart")


@pytest.mark.parametrize(
    ("of_play", "of_list"),
    [
        ({"volume_percent": 101}, {}),
        ({"volume_percent": "loud"}, {}),
        ({}, {"volume_by_hour": [100] * 23}),
        ({}, {"volume_by_hour": [-1] * 24}),
        ({}, {"player_volume_percent": {"p-1": None}}),
    ],
)
def test_impossible_volumes_are_refused(
    town: FakeServer, of_play: dict[str, Any], of_list: dict[str, Any]
) -> None:
    with pytest.raises(ManifestRefused):
        published(town, of_play, of_list)


def test_a_break_in_can_be_called_off_until_its_sound_is_over(town: FakeServer) -> None:
    """A programme that is no longer named has run out; a break-in was called off."""
    content = town.payload()
    (play,) = read(town, town.signed(content)).plays
    later = play.make_up_until + timedelta(milliseconds=play.clip.duration_ms / 2)
    without = Manifest(AREA, 2, later, later + timedelta(days=7), ())
    assert not without.withdraws(play)
    assert without.withdraws(replace(play, kind="emergency"))
    over = replace(without, issued_at=play.may_sound_until)
    assert not over.withdraws(replace(play, kind="emergency"))
