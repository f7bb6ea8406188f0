"""What a power cut leaves of a sound that was being read goes; what somebody uses stays."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
import wave
from pathlib import Path

import pytest

from core import settings, unfinished
from tests.retention.conftest import Town

ROOT = Path(__file__).resolve().parents[2]
OLD = 1e9
"""By the clock of the file system: years ago."""
START = """
import os, sys
from pathlib import Path
from types import SimpleNamespace
from starlette.datastructures import UploadFile
from core import blobs, settings
from core.blobs import BlobStore
from recordings import ingest, sound

def cut(*given, **named):
    for target in given[1:2]:
        target.write_bytes(b"half a voice")
    os._exit(9)  # as the power goes: no clean-up runs

config, voice = settings.load(), Path(sys.argv[1])
store = BlobStore.from_settings(config)
upload = UploadFile(voice.open("rb"), filename="voice.wav")
services = SimpleNamespace(settings=config, store=store)
"""
CUTS = {
    "a rendition is made": """
        from cases import intake
        sound.to_wav = cut
        intake.examine(store, voice)
    """,
    "a file is put into the store": """
        blobs._sync = cut
        store.put_file(voice)
    """,
    "a villager's form is read": """
        from web import report_entry
        sound.probe = cut
        report_entry.enter(services, None, None, report_entry.Brought(upload=upload))
    """,
    "staff enter a sound": """
        from web import staff_entry
        sound.probe = cut
        staff_entry.store(services, None, "token", None, [upload])
    """,
    "a handler's reply is copied": """
        from web import uploads
        ingest.glance = cut
        with uploads.copied(upload, 9):
            pass
    """,
    "a handler's reply is made": """
        from cases import replies
        sound.to_wav = cut
        replies.from_sound(store, voice)
    """,
}


@pytest.fixture
def voice(tmp_path: Path) -> Path:
    """A sound that has to be made anew before browsers play it."""
    path = tmp_path / "voice.wav"
    with wave.open(str(path), "wb") as out:
        out.setparams((2, 2, 8000, 0, "NONE", ""))
        out.writeframes(bytes(range(256)) * 125)
    return path


def age(path: Path) -> None:
    for one in (path, *path.rglob("*")):
        os.utime(one, (OLD, OLD))


def left(town: Town) -> set[Path]:
    """Files where sounds come in, that are no file of the store."""
    config = settings.load()
    folders = [config.folder("incoming"), config.folder("work"), town.store.folder]
    files = {path for folder in folders for path in folder.rglob("*") if path.is_file()}
    return files - town.files()


@pytest.mark.parametrize("doing", CUTS)
def test_what_a_power_cut_leaves_goes_with_the_daily_run(
    town: Town, voice: Path, doing: str
) -> None:
    code = START + textwrap.dedent(CUTS[doing])
    ended = subprocess.run([sys.executable, "-c", code, voice], cwd=ROOT, timeout=120)
    assert ended.returncode == 9
    for path in unfinished._ours(settings.load(), town.store.folder):
        age(path)
    assert left(town)
    assert town.run().unfinished == 1
    assert left(town) == set()
    assert list(settings.load().folder("work").iterdir()) == []


def folder(town: Town, name: str = "tmpab_3x9kq") -> Path:
    """A folder of the kind that a power cut leaves, long untouched."""
    made = settings.load().folder("incoming", name)
    (made / "upload").write_bytes(b"a voice")
    age(made)
    return made


def test_what_was_written_to_within_the_hour_stays(town: Town) -> None:
    made = folder(town)
    lately = time.time() - unfinished.QUIET_S / 2
    os.utime(made / "upload", (lately, lately))
    assert town.run().unfinished == 0
    assert (made / "upload").read_bytes() == b"a voice"


def test_what_a_process_has_open_stays_however_old_it_is(town: Town) -> None:
    made = folder(town)
    with (made / "upload").open() as sound:
        reader = subprocess.Popen(["sleep", "600"], stdin=sound)
    try:
        assert town.run().unfinished == 0
        assert made.exists()
    finally:
        reader.kill()
        reader.wait()
    assert town.run().unfinished == 1
    assert not made.exists()


@pytest.mark.parametrize(
    "name",
    [
        "incoming/takes/tmpab_3x9kq/data",
        "incoming/tmp-of-somebody/upload",
        "incoming/tmpAB_3X9KQ/upload",
        "work/render-1-abc/master.wav",
        "hotline/tmpab_3x9kq/call.wav",
        "blobs/incoming/notes.txt",
    ],
)
def test_whatever_has_another_name_stays(town: Town, data_dir: Path, name: str) -> None:
    path = data_dir / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"a voice")
    age(path.parent)
    assert town.run().unfinished == 0
    assert path.read_bytes() == b"a voice"


def test_a_sound_in_the_store_stays_without_its_row_too(town: Town, voice: Path) -> None:
    """Its row may still come: the telephone sends the form once more."""
    sha256 = town.store.put_file(voice)
    town.age_files()
    assert town.run().unfinished == 0
    assert town.store.existing_path(sha256).is_file()
