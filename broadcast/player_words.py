"""What is wrong with a player and what to do about it, in words for people."""

from __future__ import annotations

from core.errors import N_

ADVICE = {
    "cloned": N_(
        "Two boxes use the key of this player, so nobody knows which one speaks. Find the copy"
        " (a copied memory card?), shut this player out here, and let each box in with a code"
        " of its own."
    ),
    "silent": N_(
        "It should have been heard and was not. Send a test tone: it shows at which step it stops."
    ),
    "away": N_(
        "The player cannot be reached. See whether it has power and network; it goes on playing"
        " what it holds and tells later."
    ),
    "problem": N_("It is in contact, but something is wrong. What, and what to do, stands below."),
    "waiting": N_(
        "It came in with a code and keeps silent until you approve it. Compare name and village."
    ),
    "no_player": N_("Nothing can be heard in this village. Let a player in."),
    "quiet": N_("It is silent on purpose."),
    "speaks": N_("All is well."),
    "ready": N_("It is in contact; nothing was planned for it yet. A test tone shows the rest."),
    "revoked": N_("It is shut out and plays nothing."),
}
PROBLEMS = {
    "server": N_("The player has trouble reaching this server."),
    "receipts": N_("Receipts of the player were refused."),
    "manifest": N_("The player refuses the list of plays."),
    "disk": N_("The player's disk is full."),
    "storage": N_("The player cannot store some of its sound: the disk does not take it."),
    "clock": N_("The player's clock is not synchronised."),
    "server_clock": N_("The clock of this server has jumped; the player does not follow it."),
    "sink": N_("The player's sound output does not work."),
    "memory": N_("The player's memory was damaged; it began anew."),
    "hot": N_("The player is too hot."),
    "no_card": N_("The player has no sound card: nobody hears what it sounds."),
    "prepare": N_("The player cannot make the sound ready."),
    "loop": N_("Something fails in the player again and again; plays may stay unheard."),
    "quiet_switch": N_("The player cannot read its quiet switch; it counts as it stood last."),
    "revoked": N_("The player was told that it is shut out."),
}
REMEDIES = {
    "server": N_("On the box: its network, and its log says what this server answered."),
    "receipts": N_(
        "Nothing is lost: they stay on the box. Its log names the receipt; tell whoever looks after"
        " this server."
    ),
    "manifest": N_(
        "It goes on with the list it holds. Its log says what is wrong; see who answers at the"
        " server's address."
    ),
    "disk": N_("On the box: see what fills the disk (df -h, du). The sound of plays is not it."),
    "storage": N_(
        "Its log names the folder. If that belongs to somebody else, give it back to the player"
        " (chown); else the memory card is failing: exchange it."
    ),
    "clock": N_(
        "On the box: does chrony run and reach a time server (chronyc tracking)? Until then horns"
        " of one village may start apart."
    ),
    "server_clock": N_("Set the clock of this server right, or wait: players come to believe it."),
    "sink": N_(
        "Is the sound card plugged in and seen (aplay -l)? If it is, restart the player and send a"
        " test tone."
    ),
    "memory": N_("Once: nothing. When it comes back: another memory card."),
    "hot": N_("Give the box air and shade."),
    "revoked": N_("It comes back with a new code and an empty folder, see its installation."),
    "no_card": N_(
        "Plug the sound card in and see that the system knows it (aplay -l, the package"
        " libportaudio2); the next play goes to it."
    ),
    "prepare": N_("Its log says why: often a full disk or a folder that is not its own."),
    "loop": N_(
        "Its log says what. Often the memory card takes nothing any more: exchange it, then send a"
        " test tone."
    ),
    "quiet_switch": N_(
        "On the box: is the line of the switch exported after each start, and may the player read"
        " it? See its installation; restart the player then."
    ),
}
"""What to do about a problem; the player's own log is ``journalctl -u xiangyin-player``."""
