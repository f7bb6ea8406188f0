"""What can go wrong in the box, one class per layer."""

from __future__ import annotations


class EdgeError(Exception):
    """The box could not do something. ``again``: trying later can help."""

    again = False


class NotEnrolled(EdgeError):
    """The home folder holds no enrolment."""


class BadSettings(EdgeError):
    """settings.toml or the arguments say something impossible."""


class MemoryDamaged(EdgeError):
    """The box's own file of plays and receipts cannot be read."""


class ManifestRefused(EdgeError):
    """A manifest that is not followed. ``code`` is reported to the server."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


class ServerUnreachable(EdgeError):
    """No answer, or one cut short."""

    again = True


class ServerRefused(EdgeError):
    """The server answered with an error. ``status`` is HTTP's, ``code`` the server's own word."""

    def __init__(self, status: int, detail: str, code: str = "") -> None:
        super().__init__(f"the server answered {status}: {detail}")
        self.status = status
        self.code = code
        self.again = status >= 500 or status in (408, 429)

    @property
    def is_shut_out(self) -> bool:
        """Whether a person shut this player out. A server that merely does not know it (it came
        back from a backup) says another word."""
        return self.code == "revoked"


class CommandRefused(EdgeError):
    """A command that is not followed."""


class UpdateRefused(EdgeError):
    """A program that is not installed, and why."""


class ClipDamaged(EdgeError):
    """The bytes do not have the hash the manifest names."""

    again = True


class DiskFull(EdgeError):
    """No room is left for sound."""

    again = True


class SinkFailed(EdgeError):
    """The sound card (or the file that stands for it) stopped taking sound."""

    again = True


class CardAway(SinkFailed):
    """There is no sound card at present, so this was no try of the play."""
