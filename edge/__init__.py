"""The village player: holds what was approved, sounds it on its own clock, and proves it.

It shares no code with the server's rooms: it is installed alone, on another machine.
"""

__version__ = "0.1.0"
