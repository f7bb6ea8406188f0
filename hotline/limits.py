"""How long the hotline waits, how often it asks, how much speech makes a report."""

SPEECH_NEEDED_MS = 2000
GREETING_WAIT_S = 5.0
GREETING_TRIES = 3
CONSENT_WAIT_S = 6.0
CONSENT_TRIES = 3
TAKES = 2
TAKE_LIMIT_S = 180.0
TAKE_WARNING_S = 150.0
TAKE_SILENCE_S = 8.0
PROMPT_LIMIT_S = 60.0
"""Longer than any prompt: a driver that forgets to tell the end of a sound costs this much."""
STOP_LIMIT_S = 5.0
"""How long the driver may take to tell that a take ended."""
