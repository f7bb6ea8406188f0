"""How loud the running box is: play, hour and player each count, and its own cap above them."""

from __future__ import annotations

import json
from functools import partial

import pytest

from edge import ladder
from edge.follow import Follower
from edge.player import Loudness
from edge.sinks import Sink
from tests.edge.conftest import wait_for
from tests.edge.test_box import Plan, Village, plan, village
from tests.edge.test_box_ladder import Speaker

__all__ = ["plan", "village"]
LOUD = [100] * 24
QUIET_AT_EIGHT = [100] * 8 + [40] + [100] * 15


def heard_at_percent(
    village: Village,
    plan: Plan,
    patch: pytest.MonkeyPatch,
    *,
    play: int = 100,
    hours: list[int] = LOUD,
    player: int = 100,
    priority: int = 50,
) -> float:
    """What the receipt of a play at eight in the morning says."""
    volumes = {"volume_by_hour": hours, "player_volume_percent": {"p-1": player, "p-2": 1}}
    patch.setattr(village.town, "payload", partial(village.town.payload, **volumes))
    plan((1, 10, priority))
    village.town.plays[0]["volume_percent"] = play
    village.publish()
    village.start()
    village.clock.pass_(9)
    village.look()
    wait_for(village.begun)
    village.finish()
    receipt = json.loads(village.box.store.receipts()[0].body)
    return float(receipt["volume_percent"])


@pytest.mark.parametrize(
    ("volumes", "percent"),
    [
        ({}, 100),
        ({"play": 50}, 50),
        ({"hours": QUIET_AT_EIGHT}, 40),
        ({"player": 30}, 30),
        ({"play": 50, "hours": QUIET_AT_EIGHT, "player": 50}, 10),
        ({"hours": QUIET_AT_EIGHT, "priority": 100}, 100),
    ],
)
def test_play_hour_and_player_are_multiplied(
    village: Village, plan: Plan, monkeypatch: pytest.MonkeyPatch, volumes: dict[str, int],
    percent: float,
) -> None:  # fmt: skip
    assert heard_at_percent(village, plan, monkeypatch, **volumes) == percent  # type: ignore[arg-type]


def test_the_box_s_own_cap_stands_above_them(
    village: Village, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    village.home.settings_file.write_text("volume_cap_percent = 20\n")
    peaks: list[float] = []
    honest = Follower.__init__

    def note(self: Follower, pcm: object, *rest: object) -> None:
        peaks.append(pcm.peak)  # type: ignore[attr-defined]
        honest(self, pcm, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(Follower, "__init__", note)
    percent = heard_at_percent(village, plan, monkeypatch)
    assert percent * peaks[0] == pytest.approx(20, abs=0.1)


def test_a_play_that_sounds_into_another_hour_follows_it(
    village: Village, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    hours = [100] * 9 + [25] + [100] * 14
    patched = partial(village.town.payload, volume_by_hour=hours)
    monkeypatch.setattr(village.town, "payload", patched)
    plan((1, 3590, 50))
    village.start()
    village.clock.pass_(3589)
    village.look()
    wait_for(village.begun)
    on_air = village.box._on_air
    assert on_air is not None
    village.look()
    assert on_air._source._target == pytest.approx(1, abs=0.01)
    village.clock.pass_(11)
    village.look()
    assert on_air._source._target == pytest.approx(0.25, abs=0.01)


@pytest.mark.parametrize(("priority", "share"), [(ladder.LIVE, 0.4), (ladder.EMERGENCY, 1.0)])
def test_the_hour_lowers_who_speaks_live_unless_life_is_in_danger(
    village: Village, plan: Plan, monkeypatch: pytest.MonkeyPatch, priority: int, share: float
) -> None:
    patched = partial(village.town.payload, volume_by_hour=QUIET_AT_EIGHT)
    monkeypatch.setattr(village.town, "payload", patched)
    plan((1, 3590, 50))
    box, given = village.start(), []

    class Listened(Speaker):
        def begin(self, sink: Sink, loudness: Loudness) -> None:
            given.append(loudness.share)

    speaker = Listened()
    speaker.priority = priority
    box.host.guest = speaker
    village.look()
    assert given == [pytest.approx(share)]
