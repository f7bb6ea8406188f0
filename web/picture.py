"""Makes a plain picture of a foreign one: ``python -m web.picture SOURCE TARGET``.

A process of its own with limits: a picture may be made to eat memory or to break a decoder. The
new JPEG holds nothing but what is to be seen: no place, no device, no time, no thumbnail. Prints
``{"width": …, "height": …}``; exits 2 for what is no picture, 3 for one that is too large.
"""

from __future__ import annotations

import json
import sys
import warnings

from PIL import Image, ImageOps

FORMATS = ("JPEG", "PNG", "WEBP")
MAX_EDGE_PX = 1600
MAX_PIXELS = 60_000_000
QUALITY = 80
NO_PICTURE, TOO_LARGE = 2, 3


def remake(source: str, target: str) -> tuple[int, int]:
    """Turn it upright, make it small enough, write it without its hidden facts."""
    with Image.open(source, formats=FORMATS) as found:
        if found.width * found.height > MAX_PIXELS:
            raise Image.DecompressionBombError
        found.draft("RGB", (MAX_EDGE_PX, MAX_EDGE_PX))  # a JPEG is read at a fraction of its size
        upright = ImageOps.exif_transpose(found)
        upright.thumbnail((MAX_EDGE_PX, MAX_EDGE_PX))
        plain = Image.new("RGB", upright.size, "white")
        has_alpha = upright.mode in ("RGBA", "LA", "PA") or "transparency" in upright.info
        layer = upright.convert("RGBA") if has_alpha else upright.convert("RGB")
        plain.paste(layer, mask=layer if has_alpha else None)
    plain.save(target, "JPEG", quality=QUALITY, optimize=True)
    return plain.size


def main(source: str, target: str) -> int:
    warnings.simplefilter("ignore", Image.DecompressionBombWarning)
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    try:
        width, height = remake(source, target)
    except (Image.DecompressionBombError, MemoryError):
        return TOO_LARGE
    except Exception:  # decoders of broken pictures raise anything
        return NO_PICTURE
    sys.stdout.write(json.dumps({"width": width, "height": height}))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
