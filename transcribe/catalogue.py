"""Which speech models are installed, and which one is used for what.

Models live in ``<data_dir>/models/<name>``; ``transcribe.choices`` beside them says where each is
used. Without any choice the starter of the repository is used: it hears synthetic voices and not
people. How a model gets in: ``transcribe.install``.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import N_, Conflict, InvalidInput, ToolFailed
from core.files import lock_now, sha256_of
from transcribe import choices, features, records, unpack
from transcribe.choices import Place
from transcribe.trial import try_model

if TYPE_CHECKING:  # pydantic takes longer to load than a short sound to decode
    from core.settings import Settings

STARTER = Path(__file__).resolve().parent / "starter" / "zh"
STARTER_NAME = "starter-zh"
MACHINE_VOICES_ONLY = "machine-voices-only"
"""A file of this name in a model's folder says that it was trained on synthetic speech only."""

STARTER_WARNING = N_(
    "The starter model is in use. It hears synthetic voices and NOT people: its text of a real "
    "caller is wrong. Install a real model: python -m transcribe models install "
    "vosk-model-small-cn-0.22"
)
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


def choice_for(
    settings: Settings, area_codes: Sequence[str] = (), language: str | None = None
) -> InstalledModel:
    """The model for a sound of the area ``area_codes[0]`` (the areas above it follow).

    ``model_dir`` of the settings wins; then the first choice of: the own area, those above, the
    ``language``, the default; then the starter. A chosen model that is gone is passed over and
    logged. Cheap enough to ask before each job; a new choice holds at once. Raises InvalidInput
    when ``model_dir`` is no model or the choices are damaged.
    """
    if settings.model_dir is not None:
        return at(settings.model_dir)
    for name in choices.read(folder(settings)).names(area_codes, language):
        path = path_of(settings, name)
        if path is not None:
            return at(path)
        log.warning("the chosen speech model %s is gone", name)
    return starter()


def current(settings: Settings) -> InstalledModel:
    """The default model: what is used where nothing else is chosen."""
    return choice_for(settings)


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
        hears_people=_hears_people(path),
        takes_8khz=features.takes_8khz(path),
    )


def installed(settings: Settings) -> list[InstalledModel]:
    """All models that can be chosen: the starter, then the installed ones by name."""
    paths = sorted(path for path in folder(settings).iterdir() if not path.name.startswith("."))
    return [starter(), *(at(path) for path in paths if unpack.is_model(path))]


def folder(settings: Settings) -> Path:
    """Where models are installed."""
    return settings.folder("models")


def path_of(settings: Settings, name: str) -> Path | None:
    """The folder of the installed model ``name`` (the starter included), None when it is gone."""
    if name == STARTER_NAME:
        return STARTER
    path = folder(settings) / name
    return path if choices.SAFE_NAME.fullmatch(name) and unpack.is_model(path) else None


def named(settings: Settings, name: str) -> InstalledModel:
    """The installed model ``name``; InvalidInput when there is none."""
    path = path_of(settings, name)
    if path is None:
        raise InvalidInput(
            N_("No model called %(name)s is installed."), field="model", params={"name": name}
        )
    return at(path)


def choose(
    settings: Settings, name: str, place: Place | None = None, *, accept_changes: bool = False
) -> InstalledModel:
    """Use the installed model ``name`` at ``place`` (None: by default) from the next sound on.

    Nothing changes when ``try_out`` refuses it.
    """
    model = try_out(settings, name, accept_changes=accept_changes)
    return put_in_use(settings, model, place)


def try_out(settings: Settings, name: str, *, accept_changes: bool = False) -> InstalledModel:
    """The installed model ``name``, loaded a moment ago in a process that may crash.

    Raises InvalidInput when it is not there, Conflict when its files are no longer those that were
    installed (unless ``accept_changes``: somebody tuned them on purpose), ToolFailed when it does
    not load or another one is being tried: two large models may not fit beside the decoders.
    """
    model = named(settings, name)
    _check_unchanged(settings, model, accept_changes)
    with _trying(settings), tempfile.TemporaryDirectory(prefix="xiangyin-trial-") as work_dir:
        try_model(model.path, Path(work_dir) / "trial")
    if accept_changes and model.path != STARTER:
        known = records.installed(folder(settings), name) or {}
        facts = {**known, "tree_hash": model.tree_hash}
        records.keep_installed(folder(settings), name, facts)
    return model


def put_in_use(
    settings: Settings, model: InstalledModel, place: Place | None = None
) -> InstalledModel:
    """``choose`` without trying the model: for who has just done that."""
    choices.change(folder(settings), lambda old: old.having(place or Place(), model.name))
    return model


def release(settings: Settings, place: Place) -> None:
    """Choose nothing at ``place``: the area above, the language or the default holds there."""
    choices.change(folder(settings), lambda old: old.having(place, None))


def remove(settings: Settings, name: str) -> None:
    """Delete the installed model ``name``; Conflict while it is chosen anywhere."""
    model = named(settings, name)
    if model.path == STARTER:
        raise InvalidInput(N_("The starter model belongs to the program."), field="model")
    if settings.model_dir is not None and settings.model_dir.resolve() == model.path:
        raise Conflict(N_("XIANGYIN_MODEL_DIR names this model. Change that first."))
    doomed = folder(settings) / f".removed-{uuid.uuid4().hex}"

    def unless_chosen(now: choices.Choices) -> choices.Choices:
        if now.places(name):
            raise Conflict(N_("This model is in use. Choose another one for its places first."))
        model.path.rename(doomed)
        return now

    choices.change(folder(settings), unless_chosen)
    records.forget_installed(folder(settings), name)
    for left in folder(settings).glob(".removed-*"):
        shutil.rmtree(left, ignore_errors=True)


@contextmanager
def _trying(settings: Settings) -> Iterator[None]:
    try:
        lock = lock_now(folder(settings) / ".trial.lock")
    except BlockingIOError:
        raise ToolFailed(N_("Another model is being tried. Try again when it is done.")) from None
    with lock:
        yield


def _check_unchanged(settings: Settings, model: InstalledModel, accept_changes: bool) -> None:
    known = records.installed(folder(settings), model.name)
    if model.path == STARTER or known is None or accept_changes:
        return
    if known["tree_hash"] != model.tree_hash:
        raise Conflict(
            N_(
                "The files of %(name)s are not those that were installed. Remove it and install "
                "it again; if you changed them on purpose, say so (--accept-changes)."
            ),
            params={"name": model.name},
        )


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
        content = sha256_of(path / name)
        digest.update(f"{len(name.encode())}:{name}:{size}:{content}\n".encode())
    return digest.hexdigest()


def _hears_people(path: Path) -> bool:
    """False for the starter under any name, and for what says of itself that it does not."""
    if (path / MACHINE_VOICES_ONLY).exists():
        return False
    return _acoustic_model_hash(path) != _acoustic_model_hash(STARTER)


def _acoustic_model_hash(path: Path) -> str:
    """What tells the starter from a model of people, whatever it is called and packed in."""
    found = path / "am/final.mdl" if (path / "am/final.mdl").is_file() else path / "final.mdl"
    changed = found.stat()
    return _file_hash(found, changed.st_size, changed.st_mtime_ns)


@lru_cache(maxsize=64)
def _file_hash(path: Path, _size: int, _changed_ns: int) -> str:
    return sha256_of(path)
