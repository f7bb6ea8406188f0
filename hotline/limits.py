"""How long the hotline waits, how often it asks, how much speech makes a report."""

SPEECH_NEEDED_MS = 2000
GREETING_WAIT_S = 5.0
GREETING_TRIES = 3
LANGUAGE_SWITCHES = 8
"""So often the star key changes the language; then it is a wrong key like any other."""
CONSENT_WAIT_S = 6.0
CONSENT_TRIES = 3
VILLAGE_TRIES = 2
CHOICE_WAIT_S = 5.0
CHOICE_TRIES = 3
"""Wrong keys in a menu, and repetitions of what it repeats."""
DIGIT_WAIT_S = 8.0
"""For the first digit of a number and between two digits."""
NUMBER_TRIES = 3
SILENT_TAKES = 2
"""Takes without speech in a row."""
TAKES = 5
"""Takes of one call, silent ones included."""
TAKE_LIMIT_S = 180.0
TAKE_SILENCE_S = 8.0
STUDIO_LIMIT_S = 600.0
STUDIO_SILENCE_S = 20.0
WARNED_BEFORE_S = 30.0
PROMPT_LIMIT_S = 60.0
"""Longer than any prompt: a driver that forgets to tell the end of a sound costs this much."""
LONG_SOUND_LIMIT_S = 660.0
"""Longer than a handler's reply."""
NEWS_SOUND_LIMIT_S = 7260.0
"""Longer than any episode, so than any sound of a village's news."""
STOP_LIMIT_S = 20.0
"""How long the driver may take to tell that a take ended: nobody bears more silence than that.

A slow disk takes the sound later than that, and it is kept all the same.
"""
ANSWER_LIMIT_S = 5.0
"""Longer than the office or the disk takes to answer or to fail."""
HUMAN_LIMIT_S = 7200.0
"""Longer than any search for a person and the talk that follows."""
NAMES_SAID = 6
"""So many villages are named one by one; of more only the number is said."""
LIVE_CODES = 20
"""So many codes may be keyed for one live address."""
LIVE_CALL_S = 12.0
"""Longer than the web process waits for the first horns before it gives the cue."""
LIVE_LIMIT_S = 1800.0
LIVE_END_S = 4.0
"""How long the web process may take to tell who heard a live address."""
REFERENCE_DIGITS, PIN_DIGITS, POSTER_DIGITS, STAFF_DIGITS = 9, 4, 3, 6
