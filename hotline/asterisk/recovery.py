"""After a crash: recordings that Asterisk went on making come back to their calls.

The names say whose they are (``xiangyin-<call>-take-<n>``). A call whose folder is still in the
spool gets its sound before the importer takes it, which waits for that; what belongs to no folder
stays at Asterisk and is named in the log, because nobody but a person can say what to do with it.
"""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

import structlog

from core.settings import Settings
from hotline.asterisk.client import Ari, ChannelGone, Trouble
from hotline.asterisk.taking import PREFIX, Taking, name_of
from hotline.journal import locked, spool_of

log = structlog.get_logger(__name__)

_NAME = re.compile(rf"{PREFIX}(?P<call>.+)-(?P<take>take-\d+)")


async def held(ari: Ari, settings: Settings) -> set[str]:
    """Channels of our application, asked before its line stands: until then nobody can enter.

    What is there then belongs to calls in progress, or to a process that died.
    """
    try:
        told = await ari.order("GET", "applications", settings.ari_app, again_s=())
        return {str(channel) for channel in told["channel_ids"]}
    except (ChannelGone, Trouble, KeyError, TypeError):
        return set()  # Asterisk knows no such application, or is not there yet


async def rescue(ari: Ari, settings: Settings) -> int:
    """End what an earlier process left recording and fetch what is stored; returns how many.

    Raises Trouble or OSError when some of it could not be asked for or kept: that is left for
    another time.
    """
    rescued: int = 0
    trouble: Trouble | OSError | None = None
    for folder in sorted(spool_of(settings).iterdir()):
        if not folder.is_dir() or folder.name.startswith("."):
            continue
        with locked(folder) as free:
            if free:
                try:
                    rescued += await _rescue_call(ari, folder)
                except (Trouble, OSError) as error:
                    trouble = error
    if trouble is not None:
        raise trouble
    await _name_the_rest(ari, settings)
    return rescued


async def _rescue_call(ari: Ari, folder: Path) -> int:
    rescued = 0
    for part in sorted(folder.glob("take-*.pcm.part")):
        take = part.with_suffix("")
        name = name_of(folder.name, take)
        with contextlib.suppress(ChannelGone):
            await ari.order("POST", "recordings", "live", name, "stop")
        taken = Taking(ari, name, take, limit_s=float("inf"), recordings=None)
        stopped = await taken.finish("", can_wait=True)
        rescued += stopped.duration_ms > 0
        log.warning("a recording came back after a crash", take=name, ms=stopped.duration_ms)
    return rescued


async def _name_the_rest(ari: Ari, settings: Settings) -> None:
    try:
        stored = await ari.order("GET", "recordings", "stored") or []
    except (ChannelGone, Trouble):
        return
    for each in stored:
        match = _NAME.fullmatch(str(each.get("name", "")))
        if match and not (spool_of(settings) / match["call"]).is_dir():
            log.error("Asterisk keeps a recording whose call is gone", name=match[0])
