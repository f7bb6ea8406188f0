"""Why a sound has no words (yet): codes of jobs, and what to tell people."""

from __future__ import annotations

from core.errors import N_

WORKER_DIED = "worker_died"
MODEL_FAILS = "model_fails"
FAILURES = {
    WORKER_DIED: N_("The decoder's process died three times while it worked on this sound."),
    "decoder_crashed": N_("The decoder crashed on this sound three times."),
    "decoder_too_slow": N_("Decoding took too long three times: noise or another language?"),
    "decoder_gone": N_("The decoder was gone three times when this sound was its turn."),
    "invalid_input": N_("This is no sound that can be decoded."),
    "not_found": N_("The sound is missing from the store."),
    "sound_unreachable": N_("The sound could not be fetched from the server three times."),
    "tool_failed": N_("The sound could not be brought into the decoder's form."),
    "internal": N_("A fault of the program kept this sound from being decoded."),
    MODEL_FAILS: N_("The speech model chosen for this sound does not load. It waits for one."),
}
"""failure_code -> what to tell people (an English template for the translators)."""
