"""Copies the few files of npm packages that pages use into web/static/vendor.

``python -m web.vendor`` after ``npm ci`` in web/assets. The folder is git-ignored; pages work
without it, only plainer. Licences are copied beside the files they belong to.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

HERE = Path(__file__).parent
MODULES = HERE / "assets" / "node_modules"
TARGET = HERE / "static" / "vendor"

FILES = {
    "htmx.org/dist/htmx.min.js": "htmx.min.js",
    "wavesurfer.js/dist/wavesurfer.esm.js": "wavesurfer.mjs",
    "wavesurfer.js/dist/plugins/regions.esm.js": "wavesurfer-regions.mjs",
    "wavesurfer.js/dist/plugins/record.esm.js": "wavesurfer-record.mjs",
    "wavesurfer.js/dist/plugins/timeline.esm.js": "wavesurfer-timeline.mjs",
    "uplot/dist/uPlot.iife.min.js": "uplot.min.js",
    "uplot/dist/uPlot.min.css": "uplot.css",
    "leaflet/dist/leaflet.js": "leaflet.min.js",
    "leaflet/dist/leaflet.css": "leaflet.css",
    "leaflet/dist/images/layers.png": "images/layers.png",
    "leaflet/dist/images/layers-2x.png": "images/layers-2x.png",
    "leaflet/dist/images/marker-icon.png": "images/marker-icon.png",
    "leaflet/dist/images/marker-icon-2x.png": "images/marker-icon-2x.png",
    "leaflet/dist/images/marker-shadow.png": "images/marker-shadow.png",
    "@event-calendar/build/dist/event-calendar.min.js": "event-calendar.min.js",
    "@event-calendar/build/dist/event-calendar.min.css": "event-calendar.min.css",
}
"""File below node_modules -> file below web/static/vendor."""
FONT = "@fontsource-variable/noto-sans-sc"
"""Letters of printed sheets: some 100 pieces, each with part of the characters."""
PACKAGES = (FONT, "htmx.org", "wavesurfer.js", "uplot", "leaflet", "@event-calendar/build")


def copy(modules: Path = MODULES, target: Path = TARGET) -> list[str]:
    """Copy all files; returns those that were missing. The target is replaced as a whole."""
    fresh = target.with_name("vendor.part")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    missing = []
    for source, name in FILES.items():
        if not (modules / source).is_file():
            missing.append(source)
            continue
        (fresh / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(modules / source, fresh / name)
    pieces = sorted((modules / FONT / "files").glob("*-wght-normal.woff2"))
    missing += [] if pieces else [f"{FONT}/files/*.woff2"]
    for piece in pieces:
        (fresh / "letters").mkdir(exist_ok=True)
        shutil.copyfile(piece, fresh / "letters" / piece.name)
    for package in PACKAGES:
        for licence in sorted((modules / package).glob("LICEN[CS]E*")):
            name = package.replace("/", "-").lstrip("@")
            shutil.copyfile(licence, fresh / f"LICENSE.{name}.txt")
    shutil.rmtree(target, ignore_errors=True)
    fresh.rename(target)
    return missing


def main() -> int:
    """Copy and tell; exit 1 when a file was missing."""
    missing = copy()
    for name in missing:
        sys.stderr.write(f"missing: node_modules/{name} (run npm ci in web/assets)\n")
    if not missing:
        sys.stdout.write(f"{len(FILES)} files in {TARGET}\n")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
