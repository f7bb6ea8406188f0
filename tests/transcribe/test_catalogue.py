"""Models: any of Vosk's layouts comes in; what does not load or is not safe changes nothing."""

from __future__ import annotations

import hashlib
import shutil
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from core.errors import InvalidInput, ToolFailed, XiangyinError
from core.settings import Settings
from tests.transcribe.conftest import Spoken
from tests.transcribe.ivector_model import with_ivector
from tests.transcribe.layouts import everything, flat, layered, static, zipped
from transcribe import audio, catalogue, install, unpack
from transcribe.decoder import Decoder

LAYOUTS = [
    layered,
    pytest.param(static, marks=pytest.mark.real("openfst")),
    with_ivector,
    flat,
]


def test_a_fresh_clone_uses_the_starter_and_says_that_it_does_not_hear_people(
    config: Settings,
) -> None:
    model = catalogue.current(config)
    assert (model.name, model.hears_people) == ("starter-zh", False)
    assert model.warning is not None
    assert "NOT people" in model.warning
    assert "models install" in model.warning


@pytest.mark.parametrize("top", ["", "vosk-model-test/", "a/b/vosk-model-test/"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_installs_from_a_zip_with_and_without_folders_and_hears(
    layout: Callable[[Path], None], top: str, config: Settings, tmp_path: Path, spoken: Spoken
) -> None:
    source = tmp_path / "source"
    layout(source)
    archive = zipped(source, tmp_path / "model-of-ours.zip", top)
    model = install.from_zip(archive, config)
    assert model.name == ("vosk-model-test" if top else "model-of-ours")
    assert catalogue.current(config) == model
    assert everything(model.path) == everything(source)
    decoder = Decoder(model.path, tmp_path / "work")
    decoder.start()
    assert decoder.decode(spoken.telephone).text == spoken.text
    decoder.close()


def test_parts_of_a_model_that_we_do_not_know_come_along(config: Settings, tmp_path: Path) -> None:
    layered(tmp_path / "source")
    (tmp_path / "source" / "rescore").mkdir()
    (tmp_path / "source" / "rescore" / "notes").write_text("x")
    model = install.from_folder(tmp_path / "source", config)
    assert (model.path / "rescore" / "notes").read_text() == "x"


def test_the_starter_in_foreign_clothes_still_does_not_hear_people(
    config: Settings, tmp_path: Path
) -> None:
    flat(tmp_path / "vosk-model-cn-0.22")
    model = install.from_folder(tmp_path / "vosk-model-cn-0.22", config)
    assert model.name == "vosk-model-cn-0.22"
    assert not model.hears_people


def test_other_settings_are_another_model(config: Settings, tmp_path: Path) -> None:
    layered(tmp_path / "m")
    before = catalogue.at(tmp_path / "m").tree_hash
    conf = tmp_path / "m" / "conf" / "mfcc.conf"
    conf.write_text(conf.read_text().replace("--dither=0", "--dither=1"))
    assert catalogue.at(tmp_path / "m").tree_hash != before


def test_the_same_files_have_the_same_hash_wherever_they_lie(tmp_path: Path) -> None:
    layered(tmp_path / "m")
    assert catalogue.tree_hash(tmp_path / "m") == catalogue.starter().tree_hash


def test_another_model_of_the_same_name_stands_beside_the_first(
    config: Settings, tmp_path: Path
) -> None:
    layered(tmp_path / "m")
    first = install.from_folder(tmp_path / "m", config)
    assert install.from_folder(tmp_path / "m", config) == first
    (tmp_path / "m" / "conf" / "model.conf").write_text(
        (tmp_path / "m" / "conf" / "model.conf").read_text().replace("--beam=13.0", "--beam=12.0")
    )
    second = install.from_folder(tmp_path / "m", config)
    assert second.name == f"m-{second.tree_hash[:8]}"
    assert [model.name for model in catalogue.installed(config)] == ["starter-zh", "m", second.name]
    assert catalogue.choose(config, "m") == first == catalogue.current(config)


def test_model_dir_of_the_settings_wins(config: Settings, tmp_path: Path) -> None:
    layered(tmp_path / "one")
    install.from_folder(tmp_path / "one", config)
    flat(tmp_path / "other")
    chosen = config.model_copy(update={"model_dir": tmp_path / "other"})
    assert catalogue.current(chosen).path == tmp_path / "other"
    with pytest.raises(InvalidInput, match="no Vosk model"):
        catalogue.current(config.model_copy(update={"model_dir": tmp_path}))


def test_a_chosen_model_that_vanished_leaves_the_starter(config: Settings, tmp_path: Path) -> None:
    layered(tmp_path / "m")
    shutil.rmtree(install.from_folder(tmp_path / "m", config).path)
    assert catalogue.current(config).name == "starter-zh"


def spoil_acoustics(folder: Path) -> None:
    path = folder / "am" / "final.mdl"
    path.write_bytes(path.read_bytes()[:700_000])


def spoil_graph(folder: Path) -> None:
    path = folder / "graph" / "HCLr.fst"
    path.write_bytes(path.read_bytes()[:300_000])


def spoil_features(folder: Path) -> None:
    path = folder / "conf" / "mfcc.conf"
    path.write_text(path.read_text().replace("--num-ceps=40", "--num-ceps=13"))


def spoil_settings(folder: Path) -> None:
    (folder / "conf" / "model.conf").write_text("--nonsense=1\n")


def spoil_words(folder: Path) -> None:
    (folder / "graph" / "words.txt").unlink()


def spoil_by_leaving_out(folder: Path) -> None:
    (folder / "am" / "final.mdl").unlink()


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (spoil_acoustics, "Failed to read data"),
        (spoil_graph, "Failed to create a recognizer|decoding graph"),
        (spoil_features, "dimension mismatch"),
        (spoil_settings, "Invalid option --nonsense"),
        (spoil_words, "words.txt"),
        (spoil_by_leaving_out, "no Vosk model"),
    ],
)
def test_a_model_that_does_not_load_is_refused_with_a_reason_and_nothing_changes(
    spoil: Callable[[Path], None], reason: str, config: Settings, tmp_path: Path
) -> None:
    layered(tmp_path / "good")
    used = install.from_folder(tmp_path / "good", config)
    before = everything(catalogue.folder(config))
    layered(tmp_path / "bad")
    spoil(tmp_path / "bad")
    with pytest.raises(XiangyinError, match=reason):
        install.from_folder(tmp_path / "bad", config)
    assert everything(catalogue.folder(config)) == before
    assert catalogue.current(config) == used


def evil(archive: Path, name: str, mode: int = 0) -> Path:
    with zipfile.ZipFile(archive, "w") as out:
        entry = zipfile.ZipInfo(name)
        entry.external_attr = mode << 16
        out.writestr(entry, "/etc/passwd")
    return archive


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("../out", 0),
        ("m/../../out", 0),
        ("/tmp/out", 0),
        ("m\\..\\..\\out", 0),
        ("C:/out", 0),
        ("m/link", stat.S_IFLNK | 0o777),
        ("m/pipe", stat.S_IFIFO | 0o666),
    ],
)
def test_an_archive_that_reaches_outside_is_refused(
    name: str, mode: int, config: Settings, tmp_path: Path
) -> None:
    archive = evil(tmp_path / "evil.zip", name, mode)
    with pytest.raises(InvalidInput, match="does not belong in a model"):
        install.from_zip(archive, config)
    assert not (tmp_path / "out").exists()
    assert everything(catalogue.folder(config)) == []


def test_an_archive_that_unpacks_to_too_much_stops_at_the_limit(tmp_path: Path) -> None:
    archive = tmp_path / "bomb.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("m/zeros", bytes(5_000_000))
    with pytest.raises(InvalidInput, match="larger than 1 MB"):
        unpack.from_zip(archive, tmp_path / "to", unpack.Budget(max_bytes=10**6))
    with pytest.raises(InvalidInput, match="too many files"):
        unpack.from_zip(archive, tmp_path / "to2", unpack.Budget(max_files=0))


def test_a_damaged_archive_and_a_wrong_hash_are_refused(config: Settings, tmp_path: Path) -> None:
    layered(tmp_path / "m")
    archive = zipped(tmp_path / "m", tmp_path / "m.zip")
    content = archive.read_bytes()
    with pytest.raises(InvalidInput, match="not the expected one"):
        install.from_zip(archive, config, sha256="0" * 64)
    archive.write_bytes(content[: len(content) // 2])
    with pytest.raises(InvalidInput, match="damaged"):
        install.from_zip(archive, config)
    flipped = bytearray(content)
    flipped[len(content) // 3] ^= 0xFF
    archive.write_bytes(flipped)
    with pytest.raises(InvalidInput, match="damaged"):
        install.from_zip(archive, config)
    archive.write_bytes(content)
    seen = hashlib.sha256(content).hexdigest()
    assert install.from_zip(archive, config, sha256=seen.upper()).name == "m"


def test_a_file_that_calls_itself_a_published_model_must_be_it(
    config: Settings, tmp_path: Path
) -> None:
    layered(tmp_path / "m")
    archive = zipped(tmp_path / "m", tmp_path / "vosk-model-small-cn-0.22.zip")
    with pytest.raises(InvalidInput, match="not the expected one"):
        install.from_zip(archive, config)


def test_two_installations_do_not_mix_and_a_killed_one_leaves_no_litter(
    config: Settings, tmp_path: Path
) -> None:
    layered(tmp_path / "m")
    litter = catalogue.folder(config) / ".incoming-dead"
    litter.mkdir()
    with (
        install._installing(config),
        pytest.raises(ToolFailed, match="being installed"),
    ):
        install.from_folder(tmp_path / "m", config)
    assert not litter.exists()
    assert install.from_folder(tmp_path / "m", config).name == "m"


def test_a_model_that_is_deaf_to_8_khz_gets_its_telephone_sound_at_16_khz(
    tmp_path: Path, spoken: Spoken
) -> None:
    layered(tmp_path / "m")
    conf = tmp_path / "m" / "conf" / "mfcc.conf"
    conf.write_text(conf.read_text().replace("--allow-upsample=true\n", ""))
    model = catalogue.at(tmp_path / "m")
    assert not model.takes_8khz
    wav = audio.prepare(spoken.telephone, tmp_path / "prepared.wav", takes_8khz=model.takes_8khz)
    decoder = Decoder(model.path, tmp_path / "work")
    decoder.start()
    assert decoder.decode(wav).text == spoken.text
    decoder.close()
