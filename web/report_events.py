"""What happened to a report, in words."""

from __future__ import annotations

from core.errors import N_

ACTIONS = {
    "received": N_("came in"),
    "entered": N_("was taken down by staff"),
    "handed_in": N_("was handed in by another system"),
    "triaged": N_("kind and place proposed by the words"),
    "start": N_("review begun"),
    "play": N_("recording played"),
    "heard": N_("recording played to its end"),
    "draft_replaced": N_("draft replaced another one"),
    "correct_text": N_("text corrected"),
    "accept": N_("accepted"),
    "reject": N_("refused"),
    "join": N_("joined to a case"),
    "reopen": N_("back to review"),
    "appeal": N_("the resident is not satisfied: back to review"),
    "reminder": N_("the resident asked again"),
    "follows": N_("a later word about"),
    "more_of": N_("holds all of the report that broke off:"),
    "came_again": N_("all of it and more came as report"),
    "kept_apart": N_("confidential, so not joined to a case that others share:"),
    "transcript_failed": N_("machine could not write it down"),
    "retry": N_("transcription asked for again"),
    "dialect": N_("dialect named"),
    "restore": N_("earlier text put back"),
}
