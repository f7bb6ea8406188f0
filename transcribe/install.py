"""How a speech model gets in: from an archive, a folder or the publisher's site.

It is unpacked beside, adjusted for the telephone, tried in a process that may crash, and only then
renamed into place and chosen. Whatever fails before leaves everything as it was.
"""

from __future__ import annotations

import os
import shutil
import uuid
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from core.clock import utc_now
from core.errors import N_, InvalidInput, ToolFailed
from core.files import lock_now, sha256_of, sync_folder
from transcribe import catalogue, choices, features, fetch, known, records, unpack
from transcribe.catalogue import InstalledModel
from transcribe.choices import Place
from transcribe.trial import try_model

if TYPE_CHECKING:
    from core.settings import Settings

DOWNLOADS = ".downloads"


def from_zip(
    path: Path, settings: Settings, *, sha256: str | None = None, place: Place | None = None
) -> InstalledModel:
    """Install the model in the archive ``path`` and choose it for ``place`` (None: by default).

    Any of Vosk's layouts, with or without a top folder. ``sha256``: expected hash of the archive;
    else the known one, or the one seen at an earlier download, of a file of this name. Raises
    InvalidInput (damaged, malicious, no model, wrong hash) or ToolFailed (does not load).
    """
    if not path.is_file():
        raise InvalidInput(N_("There is no such file."), field="file")
    with _installing(settings) as incoming:
        seen = sha256_of(path)
        _check_hash(settings, path.name, seen, sha256)
        return _unpack_and_install(settings, incoming, path, str(path), seen, place)


def from_folder(path: Path, settings: Settings, *, place: Place | None = None) -> InstalledModel:
    """Install a copy of the model in the folder ``path`` and choose it; as ``from_zip``."""
    with _installing(settings) as incoming:
        content = _empty(incoming)
        unpack.from_folder(path, content, unpack.Budget())
        facts = {"source": str(path.resolve()), "archive_sha256": None}
        return _install(settings, incoming, path.resolve().name, facts, place)


def from_url(
    url: str,
    settings: Settings,
    *,
    sha256: str | None = None,
    size_bytes: int | None = None,
    place: Place | None = None,
    on_progress: Callable[[fetch.Progress], None] = fetch.nothing,
    pause_s: float = fetch.PAUSE_S,
) -> InstalledModel:
    """Download the archive at ``url`` and install it; goes on where an earlier try broke off.

    An archive of which no hash is known must come over HTTPS; the hash seen at its first download
    is kept, and a later one that differs is refused until ``sha256`` confirms it. Plain HTTP
    needs a known hash. Raises InvalidInput, Unavailable (the link) or ToolFailed.
    """
    name = fetch.file_name(url)
    expected = _expected(settings, name, sha256)
    with _installing(settings) as incoming:
        downloads = catalogue.folder(settings) / DOWNLOADS
        downloads.mkdir(exist_ok=True)
        archive = fetch.target(url, downloads)
        if not archive.exists() or sha256_of(archive) != expected:
            fetch.fetch(
                url, archive, size_bytes=size_bytes, hash_is_known=expected is not None,
                on_progress=on_progress, pause_s=pause_s,
            )  # fmt: skip
        seen = sha256_of(archive)
        _check_download(settings, name, archive, seen, sha256)
        source = fetch.without_secrets(url)
        model = _unpack_and_install(settings, incoming, archive, source, seen, place, name)
        if known.sha256_of(name) is None:
            facts = {"sha256": seen, "url": source, "seen_at": utc_now().isoformat()}
            records.keep_archive(catalogue.folder(settings), name, facts)
        shutil.rmtree(downloads, ignore_errors=True)
        return model


def _expected(settings: Settings, file_name: str, given: str | None) -> str | None:
    """The hash an archive of this name must have: given, published, or seen before."""
    if given is not None:
        return given.lower()
    seen = records.archive(catalogue.folder(settings), file_name)
    return known.sha256_of(file_name) or (seen["sha256"] if seen else None)


def _check_hash(settings: Settings, file_name: str, seen: str, given: str | None) -> None:
    expected = _expected(settings, file_name, given)
    if expected is None or seen == expected:
        return
    if given is None and known.sha256_of(file_name) is None:
        raise InvalidInput(
            N_(
                "%(name)s is not the archive that was installed before (its SHA-256 was %(old)s, "
                "now it is %(seen)s). Ask the publisher; if this one is right: --sha256 %(seen)s"
            ),
            field="sha256",
            params={"name": file_name, "old": expected, "seen": seen},
        )
    raise InvalidInput(
        N_("The file is not the expected one (SHA-256 %(seen)s). Fetch it again."),
        field="file",
        params={"seen": seen},
    )


def _check_download(
    settings: Settings, name: str, archive: Path, seen: str, given: str | None
) -> None:
    try:
        _check_hash(settings, name, seen, given)
    except InvalidInput as error:
        if error.field == "file":  # else it waits for --sha256 and need not come again
            archive.unlink()
        raise


def _unpack_and_install(
    settings: Settings,
    incoming: Path,
    archive: Path,
    source: str,
    sha256: str,
    place: Place | None,
    file_name: str | None = None,
) -> InstalledModel:
    content = _empty(incoming)
    try:
        with zipfile.ZipFile(archive) as opened:
            unpack.check_space(incoming, sum(e.file_size for e in opened.infolist()))
    except zipfile.BadZipFile as error:
        raise InvalidInput(
            N_("The ZIP file is damaged or is none (%(reason)s). Fetch it again."),
            field="file",
            params={"reason": str(error)},
        ) from error
    unpack.from_zip(archive, content, unpack.Budget())
    facts = {"source": source, "archive_sha256": sha256}
    return _install(settings, incoming, Path(file_name or archive.name).stem, facts, place)


def _install(
    settings: Settings, incoming: Path, name: str, facts: records.Record, place: Place | None
) -> InstalledModel:
    content = incoming / "content"
    root = unpack.model_root(content)
    adjusted = features.adjust(root)
    try_model(root, incoming / "trial")
    name = root.name if root != content else name
    if not choices.SAFE_NAME.fullmatch(name) or name in _TAKEN:
        name = "model"
    models, digest = catalogue.folder(settings), catalogue.tree_hash(root)
    target = models / name
    if target.exists() and catalogue.tree_hash(target) != digest:
        if (records.installed(models, name) or {}).get("tree_hash") == digest:
            shutil.rmtree(target)  # what was installed got damaged; this is the same, whole
        else:
            target = models / f"{name}-{digest[:8]}"
    if not target.exists():
        _sync_tree(root)
        root.rename(target)
        sync_folder(models)
    facts = {**facts, "tree_hash": digest, "adjusted": adjusted, "at": utc_now().isoformat()}
    records.keep_installed(models, target.name, facts)
    return catalogue.put_in_use(settings, catalogue.at(target), place)


_TAKEN = (catalogue.STARTER_NAME, choices.OLD_FILE, choices.FILE, records.FILE)


def _empty(incoming: Path) -> Path:
    content = incoming / "content"
    content.mkdir()
    return content


@contextmanager
def _installing(settings: Settings) -> Iterator[Path]:
    """A folder for one installation; what an earlier one left behind when it was killed goes."""
    models = catalogue.folder(settings)
    try:
        lock = lock_now(models / ".lock")
    except BlockingIOError:
        raise ToolFailed(
            N_("Another model is being installed. Try again when it is done.")
        ) from None
    with lock:
        for left in models.glob(".incoming-*"):
            shutil.rmtree(left, ignore_errors=True)
        incoming = models / f".incoming-{uuid.uuid4().hex}"
        incoming.mkdir()
        try:
            yield incoming
        finally:
            shutil.rmtree(incoming, ignore_errors=True)


def _sync_tree(root: Path) -> None:
    for path in [root, *root.rglob("*")]:
        if path.is_dir():
            sync_folder(path)
        else:
            with path.open("rb") as stream:
                os.fsync(stream.fileno())
