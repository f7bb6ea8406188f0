"""Which speech model is in use, which ones are installed, and how one gets in.

Models live in ``<data_dir>/models/<name>``; the file ``current`` beside them names the chosen one.
Without any, the starter of the repository is used: it hears synthetic voices and not people.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import re
import shutil
import uuid
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import N_, InvalidInput, ToolFailed
from transcribe import unpack
from transcribe.trial import try_model

if TYPE_CHECKING:  # pydantic takes longer to load than a short sound to decode
    from core.settings import Settings

STARTER = Path(__file__).resolve().parent / "starter" / "zh"
STARTER_NAME = "starter-zh"
STARTER_WARNING = N_(
    "The starter model is in use. It hears synthetic voices and NOT people: its text of a real "
    "caller is wrong. Install a real model: python -m transcribe models install --zip FILE"
)
KNOWN_ZIPS = {
    "vosk-model-small-cn-0.22.zip": (
        "3af8b0e7e0f835ae9d414ce5df580237a3cfb08d586c9fbbb0f7ff29ad5b14ba"
    )
}
"""SHA-256 of published archives, as far as a trustworthy one is known. None is invented."""

_CURRENT = "current"
_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
log = logging.getLogger("transcribe.catalogue")


@dataclass(frozen=True)
class InstalledModel:
    """A model ready for use.

    ``tree_hash`` covers every file's name and bytes, conf included: other settings, other model.
    ``takes_8khz``: hears telephone sound as it is; else it must be brought to 16 kHz first.
    """

    name: str
    path: Path
    tree_hash: str
    hears_people: bool
    takes_8khz: bool

    @property
    def warning(self) -> str | None:
        """What must be said wherever this model's text is shown; None for a real model."""
        return None if self.hears_people else STARTER_WARNING


def current(settings: Settings) -> InstalledModel:
    """The model to use: ``model_dir`` of the settings, else the chosen one, else the starter.

    Raises InvalidInput when ``model_dir`` is no model.
    """
    if settings.model_dir is not None:
        return at(settings.model_dir)
    chosen = _chosen_name(settings)
    if chosen is not None:
        path = folder(settings) / chosen
        if unpack.is_model(path):
            return at(path)
        log.warning("the chosen speech model %s is gone, using the starter", chosen)
    return starter()


def starter() -> InstalledModel:
    """The model of the repository, for demonstrations and tests."""
    return at(STARTER)


def at(path: Path) -> InstalledModel:
    """The model in the folder ``path``; InvalidInput when there is none."""
    path = path.resolve()
    if not unpack.is_model(path):
        raise InvalidInput(
            N_("There is no Vosk model in %(path)s."), field="model", params={"path": str(path)}
        )
    return InstalledModel(
        name=STARTER_NAME if path == STARTER else path.name,
        path=path,
        tree_hash=tree_hash(path),
        hears_people=_acoustic_model_hash(path) != _acoustic_model_hash(STARTER),
        takes_8khz=_takes_8khz(path),
    )


def installed(settings: Settings) -> list[InstalledModel]:
    """All models that can be chosen: the starter, then the installed ones by name."""
    paths = sorted(path for path in folder(settings).iterdir() if not path.name.startswith("."))
    return [starter(), *(at(path) for path in paths if unpack.is_model(path))]


def folder(settings: Settings) -> Path:
    """Where models are installed."""
    return settings.folder("models")


def choose(settings: Settings, name: str) -> InstalledModel:
    """Use the installed model ``name`` from now on; decoders follow before their next job."""
    known = {model.name: model for model in installed(settings)}
    if name not in known:
        raise InvalidInput(
            N_("No model called %(name)s is installed."), field="model", params={"name": name}
        )
    chosen = folder(settings) / _CURRENT
    part = folder(settings) / f".{uuid.uuid4().hex}.part"
    with part.open("w", encoding="utf-8") as out:
        out.write(name)
        out.flush()
        os.fsync(out.fileno())
    part.replace(chosen)
    return known[name]


def install_zip(path: Path, settings: Settings, *, sha256: str | None = None) -> InstalledModel:
    """Install the model in the archive ``path`` and choose it; nothing changes when that fails.

    Any of Vosk's layouts, with or without a top folder. ``sha256``: expected hash of the archive.
    Raises InvalidInput (damaged, malicious, no model, wrong hash) or ToolFailed (does not load).
    """
    if not path.is_file():
        raise InvalidInput(N_("There is no such file."), field="file")
    _check_archive(path, sha256 or KNOWN_ZIPS.get(path.name))
    try:
        with zipfile.ZipFile(path) as opened:
            unpack.check_space(folder(settings), sum(e.file_size for e in opened.infolist()))
    except zipfile.BadZipFile as error:
        raise InvalidInput(
            N_("The ZIP file is damaged or is none (%(reason)s). Fetch it again."),
            field="file",
            params={"reason": str(error)},
        ) from error
    return _install(settings, path.stem, lambda into: unpack.from_zip(path, into, unpack.Budget()))


def install_dir(path: Path, settings: Settings) -> InstalledModel:
    """Install a copy of the model in the folder ``path`` and choose it; as ``install_zip``."""
    return _install(
        settings,
        path.resolve().name,
        lambda into: unpack.from_folder(path, into, unpack.Budget()),
    )


def _install(settings: Settings, name: str, fill: Callable[[Path], None]) -> InstalledModel:
    with _installing(settings) as incoming:
        content = incoming / "content"
        content.mkdir()
        fill(content)
        root = unpack.model_root(content)
        try_model(root, incoming / "trial")
        name = root.name if root != content else name
        if not _SAFE_NAME.fullmatch(name) or name in (_CURRENT, STARTER_NAME):
            name = "model"
        target, digest = folder(settings) / name, tree_hash(root)
        if target.exists() and tree_hash(target) != digest:
            target = folder(settings) / f"{name}-{digest[:8]}"
        if not target.exists():
            _sync_tree(root)
            root.rename(target)
        return choose(settings, target.name)


@contextmanager
def _installing(settings: Settings) -> Iterator[Path]:
    """A folder for one installation; what an earlier one left behind when it was killed goes."""
    models = folder(settings)
    with (models / ".lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ToolFailed(
                N_("Another model is being installed. Try again when it is done.")
            ) from None
        for left in models.glob(".incoming-*"):
            shutil.rmtree(left, ignore_errors=True)
        incoming = models / f".incoming-{uuid.uuid4().hex}"
        incoming.mkdir()
        try:
            yield incoming
        finally:
            shutil.rmtree(incoming, ignore_errors=True)


def _sync_tree(root: Path) -> None:
    for path in root.rglob("*"):
        if path.is_file():
            with path.open("rb") as stream:
                os.fsync(stream.fileno())


def _check_archive(path: Path, expected: str | None) -> None:
    if expected is None:
        return
    with path.open("rb") as stream:
        seen = hashlib.file_digest(stream, "sha256").hexdigest()
    if seen != expected.lower():
        raise InvalidInput(
            N_("The file is not the expected one (SHA-256 %(seen)s). Fetch it again."),
            field="file",
            params={"seen": seen},
        )


def _chosen_name(settings: Settings) -> str | None:
    try:
        name = (folder(settings) / _CURRENT).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
    return name if _SAFE_NAME.fullmatch(name) and name != STARTER_NAME else None


def tree_hash(path: Path) -> str:
    """SHA-256 over all files of the folder: relative names and contents, in order of names."""
    files = sorted(found for found in path.rglob("*") if found.is_file())
    facts = tuple(
        (found.relative_to(path).as_posix(), found.stat().st_size, found.stat().st_mtime_ns)
        for found in files
    )
    return _tree_hash(path, facts)


@lru_cache(maxsize=64)
def _tree_hash(path: Path, facts: tuple[tuple[str, int, int], ...]) -> str:
    digest = hashlib.sha256()
    for name, size, _changed in facts:
        with (path / name).open("rb") as stream:
            content = hashlib.file_digest(stream, "sha256").hexdigest()
        digest.update(f"{len(name.encode())}:{name}:{size}:{content}\n".encode())
    return digest.hexdigest()


def _acoustic_model_hash(path: Path) -> str:
    """What tells the starter from a model of people, whatever it is called and packed in."""
    found = path / "am/final.mdl" if (path / "am/final.mdl").is_file() else path / "final.mdl"
    changed = found.stat()
    return _file_hash(found, changed.st_size, changed.st_mtime_ns)


@lru_cache(maxsize=64)
def _file_hash(path: Path, _size: int, _changed_ns: int) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _takes_8khz(path: Path) -> bool:
    found = path / "conf/mfcc.conf" if (path / "conf/mfcc.conf").is_file() else path / "mfcc.conf"
    try:
        options = dict(
            line.strip().lstrip("-").partition("=")[::2]
            for line in found.read_text(encoding="utf-8").splitlines()
        )
    except OSError:
        return False
    return options.get("allow-upsample") == "true" or options.get("sample-frequency") == "8000"
