"""The model's settings for sound features (mfcc.conf), and what a telephone office needs of them.

``--dither=0``: Kaldi adds random noise to each frame unless told not to, and the same sound then
gives another text now and then. ``--allow-upsample=true``: without it Vosk refuses the 8 kHz of a
telephone line. Both change the model: its tree hash covers this file.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

WANTED = {"dither": "0", "allow-upsample": "true"}


def conf_of(model: Path) -> Path:
    """The model's mfcc.conf, in the layered or the old flat layout; it may be missing."""
    layered = model / "conf" / "mfcc.conf"
    return layered if layered.is_file() else model / "mfcc.conf"


def options(conf: Path) -> dict[str, str]:
    """Options as Kaldi reads them: ``--name=value``, the last one wins, ``#`` begins a remark.

    A missing or unreadable file has none.
    """
    try:
        lines = conf.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return {}
    return dict(filter(None, map(_option, lines)))


def takes_8khz(model: Path) -> bool:
    """Whether the model hears telephone sound as it is."""
    found = options(conf_of(model))
    return found.get("allow-upsample") == "true" or found.get("sample-frequency") == "8000"


def adjust(model: Path) -> tuple[str, ...]:
    """Set what is WANTED in the model's mfcc.conf; the options that were changed, as written.

    The file as it came stays beside it as ``mfcc.conf.orig-<first 8 of its SHA-256>``, which Vosk
    does not read. Without an mfcc.conf, or when all is well, nothing changes.
    """
    conf = conf_of(model)
    if not conf.is_file():
        return ()
    found = options(conf)
    changed = {name: value for name, value in WANTED.items() if not _same(found.get(name), value)}
    if not changed:
        return ()
    original = conf.read_bytes()
    digest = hashlib.sha256(original).hexdigest()[:8]
    conf.with_name(f"{conf.name}.orig-{digest}").write_bytes(original)
    lines = original.decode("utf-8", errors="replace").splitlines()
    kept = [line for line in lines if (_option(line) or ("", ""))[0] not in changed]
    added = [f"--{name}={value}" for name, value in changed.items()]
    conf.write_text("\n".join([*kept, *added]) + "\n", encoding="utf-8")
    return tuple(added)


def _option(line: str) -> tuple[str, str] | None:
    name, _, value = line.partition("#")[0].strip().partition("=")
    if not name.startswith("--"):
        return None
    return name[2:].strip(), value.strip() or "true"


def _same(found: str | None, wanted: str) -> bool:
    try:
        return found is not None and float(found) == float(wanted)
    except ValueError:
        return found == wanted
