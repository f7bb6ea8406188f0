"""What the hotline says and does: a pure machine, an event in, the next state and actions out.

It knows no clock, file or socket; ``hotline.conversation`` carries the actions out. These rules
hold in every state: no ``Record`` before ``Consent``; every wait has an end (an event that is
ignored returns no ``Wait``, so the deadline set before it stays); a take that ended is kept; no
digit a caller presses chooses a telephone number.
"""

from hotline.dialogue.machine import advance, start
from hotline.dialogue.state import Dialogue, Facts, Goal, Phase, State

__all__ = ["Dialogue", "Facts", "Goal", "Phase", "State", "advance", "start"]
