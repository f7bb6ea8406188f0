"""The road of a real model: fetched over a bad link, adjusted, tried, put where it is to serve."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from core.errors import InvalidInput, ToolFailed, Unavailable
from core.settings import Settings
from tests.conftest import ROOT
from tests.transcribe.archive_server import Archive, serving
from tests.transcribe.conftest import Spoken
from tests.transcribe.ivector_model import with_ivector
from tests.transcribe.layouts import as_published, everything, flat, layered, zipped
from tests.transcribe.test_fetch import https
from transcribe import catalogue, choices, features, fetch, install, known, records
from transcribe.choices import Place
from transcribe.decoder import Decoder
from web import tls

NAME = "vosk-model-test.zip"


def archive_of(tmp_path: Path, *, published: bool = False) -> bytes:
    source = tmp_path / "source"
    (as_published if published else layered)(source)
    return zipped(source, tmp_path / NAME, "vosk-model-test/").read_bytes()


def test_a_killed_download_goes_on_and_the_model_is_the_same_as_from_the_zip(
    config: Settings, tmp_path: Path
) -> None:
    archive = Archive(archive_of(tmp_path), pace_s=0.1)
    files = tls.ensure(config)
    assert files is not None
    with serving(archive, (files.certificate, files.key)) as address:
        environment = os.environ | {"SSL_CERT_FILE": str(files.ca), "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "transcribe", "models", "install"]
        command += ["--url", f"{address}/{NAME}"]
        first = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL)
        downloads = catalogue.folder(config) / install.DOWNLOADS
        while not any(part.stat().st_size > 500_000 for part in downloads.glob("*.part")):
            assert first.poll() is None
            time.sleep(0.05)
        first.send_signal(signal.SIGKILL)
        first.wait()
        assert [model.name for model in catalogue.installed(config)] == ["starter-zh"]
        kept = next(downloads.glob("*.part")).stat().st_size
        archive.pace_s = 0
        second = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert second.returncode == 0, second.stderr
    assert archive.asked == [None, f"bytes={kept}-"]
    assert "100 %" in second.stderr
    assert catalogue.current(config).name == "vosk-model-test"
    assert everything(catalogue.current(config).path) == everything(tmp_path / "source")
    assert not downloads.exists()


def test_a_known_model_comes_by_its_name_from_a_mirror_and_must_be_the_published_one(
    config: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = archive_of(tmp_path)
    small = known.find("vosk-model-small-cn-0.22")
    assert small.url() == "https://alphacephei.com/vosk/models/vosk-model-small-cn-0.22.zip"
    with serving(Archive(content)) as address:
        url = small.url(f"{address}/mirror/")
        assert url == f"{address}/mirror/vosk-model-small-cn-0.22.zip"
        with pytest.raises(InvalidInput, match="not the expected one"):
            install.from_url(url, config)
        monkeypatch.setattr(known, "sha256_of", lambda _: hashlib.sha256(content).hexdigest())
        assert install.from_url(url, config).name == "vosk-model-test"


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(InvalidInput, match=r"vosk-model-small-cn-0\.22, vosk-model-cn-0\.22"):
        known.find("vosk-model-best")


def test_the_hash_of_a_first_download_is_kept_and_another_refused_until_confirmed(
    config: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = archive_of(tmp_path)
    (tmp_path / "source" / "conf" / "model.conf").open("a").write("--max-active=2500\n")
    second = zipped(tmp_path / "source", tmp_path / "2.zip", "vosk-model-test/").read_bytes()
    seen = hashlib.sha256(second).hexdigest()
    archive = Archive(first)
    with https(config, archive, monkeypatch) as address:
        install.from_url(f"{address}/{NAME}", config)
        kept = records.archive(catalogue.folder(config), NAME)
        assert kept is not None
        assert kept["sha256"] == hashlib.sha256(first).hexdigest()
        archive.content, archive.etag = second, '"two"'
        before = catalogue.installed(config)
        with pytest.raises(InvalidInput, match=f"--sha256 {seen}") as caught:
            install.from_url(f"{address}/{NAME}", config)
        assert caught.value.field == "sha256"
        assert catalogue.installed(config) == before
        archive.asked.clear()
        model = install.from_url(f"{address}/{NAME}", config, sha256=seen)
        assert archive.asked == []  # it waited here for the answer
    assert model.name.startswith("vosk-model-test-")
    kept = records.archive(catalogue.folder(config), NAME)
    assert kept is not None
    assert kept["sha256"] == seen


def test_a_zip_from_a_usb_stick_must_be_what_was_downloaded_under_its_name(
    config: Settings, tmp_path: Path
) -> None:
    archive_of(tmp_path)
    facts = {"sha256": "0" * 64, "url": "", "seen_at": ""}
    records.keep_archive(catalogue.folder(config), NAME, facts)
    with pytest.raises(InvalidInput, match="not the archive that was installed before"):
        install.from_zip(tmp_path / NAME, config)


def test_a_wrong_download_is_thrown_away_and_a_broken_one_is_kept(
    config: Settings, tmp_path: Path
) -> None:
    content = archive_of(tmp_path)
    digest = hashlib.sha256(content).hexdigest()
    archive = Archive(content[:-1] + b"x", break_after=[500_000, *[0] * fetch.TRIES])
    with serving(archive) as address:
        with pytest.raises(Unavailable):
            install.from_url(f"{address}/{NAME}", config, sha256=digest, pause_s=0)
        archive.break_after.clear()
        archive.asked.clear()
        with pytest.raises(InvalidInput, match="not the expected one"):
            install.from_url(f"{address}/{NAME}", config, sha256=digest, pause_s=0)
        archive.content = content
        install.from_url(f"{address}/{NAME}", config, sha256=digest, pause_s=0)
    assert archive.asked == ["bytes=500000-", None]


def test_a_published_model_is_made_repeatable_and_hears_the_telephone(
    config: Settings, tmp_path: Path, spoken: Spoken
) -> None:
    as_published(tmp_path / "m")
    original = (tmp_path / "m" / "conf" / "mfcc.conf").read_bytes()
    as_it_came = catalogue.at(tmp_path / "m")
    assert not as_it_came.takes_8khz
    model = install.from_folder(tmp_path / "m", config)
    assert model.takes_8khz
    assert model.tree_hash != as_it_came.tree_hash
    kept = records.installed(catalogue.folder(config), "m")
    assert kept is not None
    assert kept["adjusted"] == ["--dither=0", "--allow-upsample=true"]
    digest = hashlib.sha256(original).hexdigest()[:8]
    assert (model.path / "conf" / f"mfcc.conf.orig-{digest}").read_bytes() == original
    decoder = Decoder(model.path, tmp_path / "work")
    decoder.start()
    heard = [decoder.decode(spoken.telephone) for _ in range(3)]
    decoder.close()
    assert heard[0].text == spoken.text
    assert heard[0] == heard[1] == heard[2]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("--dither=0\n--allow-upsample=true\n", ()),
        ("--dither=0.0 # none\n--allow-upsample\n", ()),
        ("", ("--dither=0", "--allow-upsample=true")),
        ("--dither=1.0\n--allow-upsample=true", ("--dither=0",)),
        ("--dither=0\n--dither=1\n--allow-upsample=false\n",
         ("--dither=0", "--allow-upsample=true")),
        ("# --dither=0\n--allow-upsample=true\n", ("--dither=0",)),
    ],
)  # fmt: skip
def test_only_what_is_missing_is_set_and_all_else_stays(
    written: str, expected: tuple[str, ...], tmp_path: Path
) -> None:
    conf = tmp_path / "mfcc.conf"
    conf.write_text(f"--num-ceps=40\n{written}")
    assert features.adjust(tmp_path) == expected
    assert features.options(conf)["num-ceps"] == "40"
    assert features.takes_8khz(tmp_path)
    assert features.adjust(tmp_path) == ()
    assert len(list(tmp_path.iterdir())) == (2 if expected else 1)


def test_a_reinstalled_model_replaces_its_damaged_self(config: Settings, tmp_path: Path) -> None:
    layered(tmp_path / "m")
    first = install.from_folder(tmp_path / "m", config)
    damaged = first.path / "am" / "final.mdl"
    damaged.write_bytes(damaged.read_bytes()[:1000])
    assert install.from_folder(tmp_path / "m", config) == first
    assert everything(first.path) == everything(tmp_path / "m")


def test_a_model_may_be_installed_for_one_place_and_the_rest_stays(
    config: Settings, tmp_path: Path
) -> None:
    flat(tmp_path / "m")
    install.from_folder(tmp_path / "m", config, place=Place(language="yue"))
    assert choices.read(catalogue.folder(config)).languages == {"yue": "m"}
    assert catalogue.current(config).name == "starter-zh"


def test_an_i_vector_extractor_is_really_heard_and_refused_when_it_is_gone(
    config: Settings, tmp_path: Path, spoken: Spoken
) -> None:
    with_ivector(tmp_path / "deaf", weight=0.5)
    decoder = Decoder(install.from_folder(tmp_path / "deaf", config).path, tmp_path / "work")
    decoder.start()
    assert decoder.decode(spoken.wide).text != spoken.text
    decoder.close()
    for number, name in enumerate(("final.ie", "final.dubm", "splice.conf")):
        broken = tmp_path / f"broken-{number}"
        with_ivector(broken)
        (broken / "ivector" / name).unlink()
        with pytest.raises(ToolFailed):
            install.from_folder(broken, config)
    assert catalogue.current(config).name == "deaf"
