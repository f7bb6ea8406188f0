"""Being of one mind with a server that cuts, lies, forgets and is away."""

from __future__ import annotations

import dataclasses
import errno
import io
import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.cache import Cache
from edge.client import Client
from edge.clock import SystemClock
from edge.config import Home, Settings
from edge.errors import ClipDamaged, DiskFull, ServerRefused, ServerUnreachable
from edge.guided import GuidedClock
from edge.health import Problems
from edge.manifest import ClipRef
from edge.receipts import Heard, ReceiptBook
from edge.sounded import pack_sounded
from edge.store import Store
from edge.sync import Syncer
from tests.counterparts import require
from tests.edge.authority import Authority
from tests.edge.conftest import enrol
from tests.edge.fake_server import FakeServer
from tests.edge.sounds import speechlike

NOW = datetime.now(UTC)
NOISE = np.random.default_rng(9).bytes(3_000_000)


class Box:
    """The parts of a box that speak with the server, without its loop."""

    def __init__(self, home: Home, settings: Settings | None = None) -> None:
        self.home = home
        identity, clock = home.identity(), GuidedClock(SystemClock())
        self.settings = settings or Settings(sink="wav")
        self.store = Store(home.database_file)
        self.cache = Cache(home, self.settings)
        self.book = ReceiptBook(self.store, home.key(), identity.player_id)
        self.client = Client(identity.server_url, home.ca_file, identity.token)
        self.problems = Problems()
        self.syncer = Syncer(
            identity, self.settings, self.client, self.store, self.cache, self.book,
            self.problems, clock, "wav", lambda: None,
        )  # fmt: skip
        self.syncer.restore()

    def close(self) -> None:
        self.client.close()
        self.store.close()

    def waiting(self) -> list[int]:
        return [entry.play.play_id for entry in self.store.open_entries()]


@pytest.fixture
def box(home: Home) -> Iterator[Box]:
    box = Box(home)
    yield box
    box.close()


def later(hours: float = 1) -> datetime:
    return NOW + timedelta(hours=hours)


def ref(clip: dict[str, object]) -> ClipRef:
    return ClipRef(**clip)  # type: ignore[arg-type]


def plan_noise(server: FakeServer, play_id: int = 1, hours: float = 1, size: int = 0) -> ClipRef:
    clip = server.add_clip(NOISE[play_id:][: size or len(NOISE)], 60_000)
    server.add_play(play_id, later(hours), clip)
    server.publish()
    return ref(clip)


def test_a_round_brings_manifest_and_clips(server: FakeServer, box: Box) -> None:
    clip = plan_noise(server)
    box.syncer.sync_once()
    assert box.waiting() == [1]
    assert box.cache.path(clip.sha256).read_bytes() == NOISE[1:]


def test_an_unchanged_manifest_is_not_sent_twice(server: FakeServer, box: Box) -> None:
    plan_noise(server)
    box.syncer.sync_once()
    box.syncer.sync_once()
    asked = [head for method, path, head in server.requests if path.endswith("/manifest")]
    assert [bool(head.get("If-None-Match")) for head in asked] == [False, True]


def test_a_download_cut_at_random_goes_on_where_it_broke_off(server: FakeServer, box: Box) -> None:
    clip = plan_noise(server)
    server.cut_between = (50_000, 900_000)
    for _ in range(60):
        try:
            box.syncer.sync_once()
            break
        except ServerUnreachable:
            continue
    assert box.cache.has(clip)
    assert server.sent_bytes < 1.3 * clip.size_bytes
    ranged = [head["Range"] for _, path, head in server.requests if "Range" in head]
    assert ranged
    assert all(found != "bytes=0-" for found in ranged)


def test_wrong_bytes_are_thrown_away_and_fetched_again(server: FakeServer, box: Box) -> None:
    clip = plan_noise(server)
    server.corrupt_clips = 1
    box.syncer.sync_once()
    assert box.cache.path(clip.sha256).read_bytes() == NOISE[1:]
    assert box.cache.state(clip) == "preparing"


def test_bytes_that_stay_wrong_never_become_a_clip(server: FakeServer, box: Box) -> None:
    clip, other = plan_noise(server), plan_noise(server, 2, 2)
    server.corrupt_clips = 3
    box.syncer.sync_once()
    assert box.cache.state(clip) == "damaged"
    assert not list(box.home.clips.rglob(clip.sha256 + "*"))
    assert box.cache.has(other), "one bad clip must not hold up the rest"


def test_a_server_that_ignores_ranges_is_understood(server: FakeServer, box: Box) -> None:
    clip = plan_noise(server)
    part = box.cache.path(clip.sha256).with_name(clip.sha256 + ".part")
    part.parent.mkdir(parents=True)
    part.write_bytes(b"old and wrong" * 100)
    with pytest.raises(ClipDamaged):
        box.client.fetch_clip(clip, box.cache.path(clip.sha256), lambda: False)
    box.client.fetch_clip(clip, box.cache.path(clip.sha256), lambda: False)
    assert box.cache.has(clip)


def test_more_bytes_than_announced_are_refused(server: FakeServer, box: Box) -> None:
    clip = plan_noise(server)
    small = dataclasses.replace(clip, size_bytes=1000)
    with pytest.raises(ClipDamaged):
        box.client.fetch_clip(small, box.cache.path(clip.sha256), lambda: False)


def test_a_clip_that_rots_on_disk_is_not_sounded_but_fetched_again(
    server: FakeServer, box: Box
) -> None:
    wav = io.BytesIO()  # without checksums of its own: only the hash can tell
    sf.write(wav, speechlike(1), 48000, format="WAV")
    clip = ref(server.add_clip(wav.getvalue(), 1000))
    server.add_play(1, later(), dataclasses.asdict(clip))
    server.publish()
    box.syncer.sync_once()
    path = box.cache.path(clip.sha256)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert box.cache.prepare(clip) == "damaged"
    box.syncer.sync_once()
    assert box.cache.prepare(clip) == "ready"


def test_bytes_that_are_no_sound_are_never_ready(server: FakeServer, box: Box) -> None:
    clip = plan_noise(server)
    box.syncer.sync_once()
    assert box.cache.prepare(clip) == "damaged"


def test_a_forged_manifest_changes_nothing_and_is_reported(server: FakeServer, box: Box) -> None:
    plan_noise(server)
    box.syncer.sync_once()
    plan_noise(server, 2)
    outer = json.loads(server.envelope or b"")
    outer["payload"] = outer["payload"].replace("所长说法", "坏人说话")
    server.envelope = json.dumps(outer).encode()
    box.syncer.sync_once()
    assert box.waiting() == [1]
    assert "bad_signature" in box.problems.all()["manifest"]
    server.publish()
    box.syncer.sync_once()
    assert box.waiting() == [1, 2]
    assert "manifest" not in box.problems.all()


def test_the_list_of_a_second_server_is_refused_and_reported(server: FakeServer, box: Box) -> None:
    plan_noise(server)
    box.syncer.sync_once()
    plan_noise(server, 2)
    stranger = Ed25519PrivateKey.generate()  # same address, same certificate, another key
    server.envelope = server.signed(server.payload(), stranger)
    box.syncer.sync_once()
    assert box.waiting() == [1]
    assert "wrong_key" in box.problems.all()["manifest"]


def test_an_old_manifest_played_back_is_refused(server: FakeServer, box: Box) -> None:
    plan_noise(server)
    old = server.envelope
    server.plays.clear()
    plan_noise(server, 2)
    box.syncer.sync_once()
    server.envelope = old
    box.syncer.sync_once()
    assert box.waiting() == [2]
    assert "outdated" in box.problems.all()["manifest"]


def test_after_a_restart_the_kept_manifest_is_verified_again(server: FakeServer, box: Box) -> None:
    plan_noise(server)
    box.syncer.sync_once()
    box.store.remember("manifest", (box.store.fact("manifest") or "").replace("50", "51"))
    box.close()
    again = Box(box.home)
    assert again.waiting() == [], "what nobody signed is not sounded"
    again.close()


def play_and_prove(box: Box, play_id: int) -> None:
    play = box.store.play(play_id)
    heard = Heard(play.starts_at, play.starts_at, 0.1, "wav", None, None)
    assert box.book.played(play, heard, later())


def test_a_receipt_is_kept_until_acknowledged_and_counted_once(
    server: FakeServer, box: Box
) -> None:
    plan_noise(server)
    box.syncer.sync_once()
    play_and_prove(box, 1)
    server.drop_answers_to.add("/receipts")  # committed, but the answer is lost
    with pytest.raises(ServerUnreachable):
        box.syncer.sync_once()
    assert len(box.store.receipts(unsent_only=True)) == 1
    server.drop_answers_to.clear()
    box.syncer.sync_once()
    assert box.store.receipts(unsent_only=True) == []
    assert server.outcomes() == {1: ("played", None)}


def test_a_server_restored_from_a_backup_gets_the_receipts_it_lost(
    server: FakeServer, box: Box
) -> None:
    for number in (1, 2, 3):
        plan_noise(server, number)
    box.syncer.sync_once()
    play_and_prove(box, 1)
    play_and_prove(box, 2)
    box.syncer.sync_once()
    del server.receipts[2]  # the backup is older than this one
    play_and_prove(box, 3)
    box.syncer.sync_once()
    assert set(server.outcomes()) == {1, 2, 3}
    assert box.store.receipts(unsent_only=True) == []


def test_refused_receipts_are_kept_and_shown_and_do_not_stop_the_programme(
    server: FakeServer, box: Box
) -> None:
    plan_noise(server)
    box.syncer.sync_once()
    play_and_prove(box, 1)
    server.receipts_status = 409
    plan_noise(server, 2)
    box.syncer.sync_once()
    assert box.waiting() == [2]
    assert "409" in box.problems.all()["receipts"]
    assert len(box.store.receipts(unsent_only=True)) == 1


def test_more_receipts_than_one_batch_all_arrive(server: FakeServer, box: Box) -> None:
    for number in range(1, 131):
        server.add_play(number, later(number / 100), server.add_clip(b"x", 1000))
    server.publish()
    box.syncer.sync_once()
    for number in range(1, 131):
        play_and_prove(box, number)
    box.syncer.sync_once()
    assert len(server.receipts) == 130


def test_a_server_that_forgot_the_player_takes_nothing_from_it(
    server: FakeServer, box: Box
) -> None:
    plan_noise(server)
    box.syncer.sync_once()
    server.token = "another"
    with pytest.raises(ServerRefused):
        box.syncer.sync_once()
    assert box.waiting() == [1]


def test_a_player_that_a_person_shut_out_keeps_nothing(server: FakeServer, box: Box) -> None:
    clip = plan_noise(server)
    box.syncer.sync_once()
    server.revoked = True
    with pytest.raises(ServerRefused) as caught:
        box.syncer.sync_once()
    box.syncer._forget_if_revoked(caught.value)
    assert box.waiting() == []
    assert not box.cache.has(clip)
    assert box.store.fact("manifest") == ""
    assert "revoked" in box.problems.all()


def test_another_authority_is_not_trusted(server: FakeServer, box: Box, tmp_path: Path) -> None:
    stranger = Authority(tmp_path / "stranger")
    client = Client(server.url, stranger.ca, "token-1")
    with pytest.raises(ServerUnreachable, match=r"(?i)certificate"):
        client.manifest(None)
    client.close()


# --- room


def small_box(home: Home, limit_mb: float) -> Box:
    return Box(home, Settings(sink="wav", cache_limit_mb=limit_mb))


def test_the_budget_goes_to_what_sounds_first(server: FakeServer, home: Home) -> None:
    box = small_box(home, 2.5)
    far = plan_noise(server, 2, 48, size=1_000_000)
    box.syncer.sync_once()
    near = [plan_noise(server, number, number / 10, size=1_000_000) for number in (3, 4)]
    box.syncer.sync_once()
    assert [box.cache.has(clip) for clip in near] == [True, True]
    assert not box.cache.has(far), "the far one made room"
    assert "disk" in box.problems.all()
    box.close()


def test_the_clip_needed_last_makes_room_first(server: FakeServer, home: Home) -> None:
    box = small_box(home, 3.5)
    clips = [plan_noise(server, number, number, size=1_000_000) for number in (3, 2, 4)]
    box.syncer.sync_once()
    near = plan_noise(server, 1, 0.5, size=1_000_000)
    server.requests.clear()
    box.syncer.sync_once()
    assert box.cache.has(near)
    assert [box.cache.has(clip) for clip in clips] == [True, True, False]
    fetched = [path for _, path, _ in server.requests if "/clips/" in path]
    assert len(fetched) == 1, "what is needed sooner was thrown away and fetched again"
    box.close()


def test_clips_no_longer_wanted_go_first(server: FakeServer, home: Home) -> None:
    box = small_box(home, 2.5)
    old = plan_noise(server, 1, 1, size=1_000_000)
    box.syncer.sync_once()
    server.plays.clear()
    new = [plan_noise(server, number, number, size=1_000_000) for number in (2, 3)]
    box.syncer.sync_once()
    assert not box.cache.has(old)
    assert all(box.cache.has(clip) for clip in new)
    assert "disk" not in box.problems.all()
    box.close()


def test_the_reserve_of_the_disk_is_left_alone(server: FakeServer, home: Home) -> None:
    disk_mb = shutil.disk_usage(home.folder).total / 1e6  # no other test can free as much
    box = Box(home, Settings(sink="wav", disk_reserve_mb=disk_mb))
    clip = plan_noise(server)
    box.syncer.sync_once()
    assert not box.cache.has(clip)
    assert box.waiting() == [1], "the plan is kept, the sound comes when there is room"
    box.close()


@pytest.mark.real("netns")
def test_a_disk_that_fills_up_during_the_download_is_survived(
    server: FakeServer, tmp_path: Path
) -> None:
    require("netns")  # root, to mount a small disk
    disk = tmp_path / "small"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", str(disk)], check=True)
    try:
        box = Box(enrol(server, disk / "box"), Settings(sink="wav", disk_reserve_mb=0.001))
        clip = plan_noise(server)
        with pytest.raises(DiskFull):
            box.client.fetch_clip(clip, box.cache.path(clip.sha256), lambda: False)
        assert not list(box.home.clips.rglob("*.part"))
        box.syncer.sync_once()
        assert "disk" in box.problems.all()
        assert box.waiting() == [1]
        box.close()
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_other_disk_errors_are_not_taken_for_a_full_disk(
    server: FakeServer, box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = plan_noise(server)

    def broken(*_arguments: object) -> None:
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr("edge.client.os.fsync", broken)
    with pytest.raises(OSError, match="broken"):
        box.client.fetch_clip(clip, box.cache.path(clip.sha256), lambda: False)


# --- news and sound


def test_news_breaks_into_a_long_download_and_comes_first(server: FakeServer, box: Box) -> None:
    clip = plan_noise(server)
    woken = threading.Event()
    woken.set()
    with pytest.raises(ServerUnreachable, match="kept"):
        box.client.fetch_clip(clip, box.cache.path(clip.sha256), woken.is_set)
    part = box.cache.path(clip.sha256).with_name(clip.sha256 + ".part")
    assert part.stat().st_size > 0


def test_the_clip_of_an_emergency_is_fetched_before_all_others(
    server: FakeServer, box: Box
) -> None:
    programme = plan_noise(server, 1, hours=0.1)
    urgent = server.add_clip(NOISE[2:], 60_000)
    server.add_play(2, later(1), urgent, priority=100)
    server.publish()
    box.syncer.sync_once()
    fetched = [path.rsplit("/", 1)[1] for _, path, _ in server.requests if "/clips/" in path]
    assert fetched == [urgent["sha256"], programme.sha256]


def sounded_wav(home: Home, play_id: int) -> Path:
    file = home.sounded / f"play-{play_id}.wav"
    sf.write(file, speechlike(2), 48000)
    file.with_suffix(".json").write_text('{"first_sample_at": "2026-06-01T00:00:00.000000Z"}')
    return file


def test_what_was_sounded_is_sent_once_as_opus(server: FakeServer, box: Box) -> None:
    plan_noise(server)
    box.syncer.sync_once()
    play = box.store.play(1)
    heard = Heard(play.starts_at, later(), 0.1, "wav", None, sounded_wav(box.home, 1))
    box.book.played(play, heard, later())
    box.syncer.sync_once()
    arrived, rate_hz = sf.read(io.BytesIO(server.sounded.pop(1)))
    assert (len(arrived), rate_hz) == (96000, 48000)
    box.syncer.sync_once()
    assert server.sounded == {}


def test_sound_removed_meanwhile_is_not_waited_for(server: FakeServer, box: Box) -> None:
    plan_noise(server)
    box.syncer.sync_once()
    play = box.store.play(1)
    gone = Heard(play.starts_at, later(), 0.1, "wav", None, box.home.sounded / "gone.wav")
    box.book.played(play, gone, later())
    box.syncer.sync_once()
    assert box.store.sounded_waiting() == []


def test_packing_keeps_the_instant_of_the_first_sample(home: Home) -> None:
    packed = pack_sounded(sounded_wav(home, 1))
    assert packed is not None
    assert packed[1] == "2026-06-01T00:00:00.000000Z"
