"""What making a model needs beside this project: a Python of its own, and OpenFST's programs.

Only the standard library here: ``bootstrap.py`` calls ``set_up`` before anything is installed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from core.errors import N_, ToolFailed

ROOT = Path(__file__).resolve().parents[2]
STATE = ROOT / "var" / "setup"
VENV = STATE / "train-venv"
PYTHON = VENV / "bin" / "python"
FST_FOLDER = STATE / "libfst"
"""Where OpenFST's programs are unpacked when nobody may install them."""

REQUIREMENTS = Path(__file__).with_name("requirements.txt")
TORCH = "torch==2.13.0"
_PIP = "pip==26.2"
_DEBIAN_PACKAGES = ("libfst-tools", "libfst22")
_PLUG_IN = "olabel_lookahead-fst.so"
_LOOK_AHEAD_LIBRARY = "libfstlookahead.so.22"
_MULTIARCH = "*-linux-gnu*"
Say = Callable[[str], None]


@dataclass(frozen=True)
class FstPrograms:
    """OpenFST 1.7 of Debian: the folder of its programs, and that of its libraries."""

    programs: Path
    libraries: Path

    def program(self, name: str) -> str:
        return str(self.programs / name)

    def library_path(self, work_dir: Path) -> str:
        """LD_LIBRARY_PATH for the programs. OpenFST looks for a kind of graph it does not know in
        a library of that kind's name; Debian calls the file otherwise, so ``work_dir`` gets a link.
        """
        link = work_dir / _PLUG_IN
        link.unlink(missing_ok=True)
        link.symlink_to(self.libraries / _LOOK_AHEAD_LIBRARY)
        return os.pathsep.join([str(work_dir), str(self.libraries)])


def fst_programs() -> FstPrograms:
    """The installed programs, else the unpacked ones; ToolFailed says how to get them."""
    for root in (Path("/"), FST_FOLDER):
        libraries = sorted(root.glob(f"usr/lib/{_MULTIARCH}/{_LOOK_AHEAD_LIBRARY}"))
        if (root / "usr/bin/fstconvert").is_file() and libraries:
            return FstPrograms(root / "usr/bin", libraries[0].parent)
    raise ToolFailed(
        N_("OpenFST's programs are missing. As root: apt install %(package)s"),
        params={"package": _DEBIAN_PACKAGES[0]},
    )


def set_up_fst(say: Say) -> None:
    """Install OpenFST's programs as root, else unpack them under var/; ToolFailed if neither."""
    try:
        fst_programs()
        return
    except ToolFailed:
        if not shutil.which("apt-get"):
            raise
    if os.geteuid() == 0:
        say(f"installing {_DEBIAN_PACKAGES[0]}")
        quiet = {"DEBIAN_FRONTEND": "noninteractive"}
        _run(["apt-get", "update", "-qq"], quiet)
        install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends"]
        _run([*install, _DEBIAN_PACKAGES[0]], quiet)
    else:
        say(f"unpacking {_DEBIAN_PACKAGES[0]} into {FST_FOLDER}: without root we cannot install it")
        unpack_fst(FST_FOLDER)
    fst_programs()


def unpack_fst(folder: Path) -> None:
    """Take Debian's packages from its mirror and unpack them into ``folder``; needs no root."""
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    _run(["apt-get", "download", "-qq", *_DEBIAN_PACKAGES], cwd=part)
    for package in sorted(part.glob("*.deb")):
        _run(["dpkg", "-x", str(package), str(part)])
    shutil.rmtree(folder, ignore_errors=True)
    part.rename(folder)


def set_up_python(uv: str, index_url: str | None, say: Say, *, torch: bool = True) -> None:
    """Make VENV with the pinned packages, and with PyTorch if ``torch``.

    pip installs them, since it looks for files in more places than uv (find-links); ``index_url``
    replaces its index. Nothing to do when the pins did not change.
    """
    pins = REQUIREMENTS.read_text(encoding="ascii")
    mirror = {"PIP_INDEX_URL": index_url, "UV_DEFAULT_INDEX": index_url} if index_url else {}
    if not _is_done("packages", pins):
        say(f"installing the packages of {REQUIREMENTS.relative_to(ROOT)}")
        VENV.parent.mkdir(parents=True, exist_ok=True)
        _run([uv, "venv", "--quiet", "--clear", "--python", "3.11", str(VENV)], mirror)
        _run([uv, "pip", "install", "--quiet", "--python", str(PYTHON), _PIP], mirror)
        _run([*_pip_install(), "-r", str(REQUIREMENTS)], mirror)
        _done("packages", pins)
    if torch and not _is_done("torch", TORCH):
        say(f"installing {TORCH}: some 200 MB for processors alone, more from an index without it")
        _install_torch(mirror)
        _done("torch", TORCH)


def set_up(uv: str, index_url: str | None, say: Say) -> None:
    """All that making a model needs."""
    set_up_fst(say)
    set_up_python(uv, index_url, say)


def _install_torch(mirror: Mapping[str, str]) -> None:
    """The build for processors alone where pip finds it, else what the index calls torch."""
    try:
        _run([*_pip_install(), f"{TORCH}+cpu"], mirror)
    except ToolFailed:
        _run([*_pip_install(), TORCH], mirror)


def _pip_install() -> list[str]:
    return [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]


def _is_done(name: str, pins: str) -> bool:
    stamp = VENV / f"{name}.stamp"
    return PYTHON.exists() and stamp.is_file() and stamp.read_text(encoding="ascii") == pins


def _done(name: str, pins: str) -> None:
    (VENV / f"{name}.stamp").write_text(pins, encoding="ascii")


def _run(
    command: list[str], environment: Mapping[str, str] | None = None, cwd: Path | None = None
) -> None:
    done = subprocess.run(
        command, env={**os.environ, **(environment or {})}, cwd=cwd, capture_output=True, text=True
    )
    if done.returncode:
        raise ToolFailed(
            N_("%(command)s failed: %(detail)s"),
            params={
                "command": " ".join(command[:4]),
                "detail": (done.stderr or done.stdout).strip()[-600:],
            },
        )
