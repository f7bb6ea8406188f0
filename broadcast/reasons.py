"""Why a play was missed, or what is special about it, in words for people."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from broadcast.models import Player
from core.errors import N_
from schedule import quiet

NO_EPISODE = "no_episode"
NO_PLAYER = "no_player"
NO_RECEIPT = "no_receipt"
NOT_PLANNED = "not_planned"
NOT_APPROVED = "not_approved"
NOT_SAID = "not_said"
LATE_RECEIPT = "late_receipt"
PLAYED_THOUGH_CANCELLED = "played_though_cancelled"
OLDER_EDITION = "older_edition"
VILLAGE_QUIET = quiet.REASON
PLAYED_THOUGH_QUIET = "played_though_quiet"
RESTORED = "restored"
NO_CARD = "no_card"

GUESSED = frozenset({NO_RECEIPT, NO_PLAYER, NO_EPISODE, NOT_PLANNED, NOT_APPROVED})
"""Set by the server for want of word from a player; a receipt knows better."""

WORDS: dict[str, str] = {
    NO_EPISODE: N_("No approved episode was there in time. Approve one before the slot."),
    NO_PLAYER: N_("The village has no player yet. Set one up on the loudspeakers page."),
    NOT_APPROVED: N_("The player of the village had not been approved yet."),
    NO_RECEIPT: N_("The player sent no receipt. See whether it has power and network."),
    NOT_PLANNED: N_("The server was off when this should have been planned."),
    NOT_SAID: N_("The player gave no reason."),
    LATE_RECEIPT: N_("Corrected: shown as missed at first, then the player's receipt arrived."),
    PLAYED_THOUGH_CANCELLED: N_("Played although cancelled: the player had not heard of it."),
    OLDER_EDITION: N_("Another edition was played: the newest had not reached the player."),
    VILLAGE_QUIET: N_("Left out: quiet was ordered for the village."),
    PLAYED_THOUGH_QUIET: N_("Played although quiet was ordered: the player had not heard of it."),
    RESTORED: N_("Called off when the server came back from a backup. Order it again if need be."),
    NO_CARD: N_("It went into a file: the player has no sound card, so nobody heard it."),
    "clip_missing": N_("The sound had not reached the player in time."),
    "clip_damaged": N_("The sound arrived damaged at the player."),
    "not_prepared": N_("The player was still preparing the sound."),
    "player_off": N_("The player was off until it was too late."),
    "quiet_hours": N_("Quiet hours are set on the player."),
    "quiet_switch": N_("The quiet switch on the box was on."),
    "too_long": N_("Longer than the player's limit."),
    "overlap": N_("Another play was sounding."),
    "preempted": N_("Broken off by something more urgent."),
    "interrupted": N_("The player lost power or was stopped while it sounded."),
    "sink_failed": N_("The player's sound output failed."),
    "clock_moved": N_("The player's clock was set while it sounded."),
    "memory_lost": N_("The player lost its memory of this play."),
    "withdrawn": N_("It was taken off the list after its time had come."),
}


def without_list(
    session: Session, area_code: str, starts_at: datetime, make_up_until: datetime
) -> str:
    """Why something that no player was told of stayed unheard."""
    rows = session.execute(
        sa.select(Player.approved_at).where(
            Player.area_code == area_code,
            Player.enrolled_at <= make_up_until,
            sa.or_(Player.revoked_at.is_(None), Player.revoked_at > starts_at),
        )
    )
    approvals = [approved_at for (approved_at,) in rows]
    if not approvals:
        return NO_PLAYER
    in_time = any(each is not None and each <= make_up_until for each in approvals)
    return NO_RECEIPT if in_time else NOT_APPROVED


def words(code: str | None) -> str:
    """The sentence (English template) for a code; the code itself when it is new to us."""
    if code is None:
        return ""
    return WORDS.get(code, code)
