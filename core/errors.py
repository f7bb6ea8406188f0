"""What can go wrong, said once for people and once for programs.

Each layer raises its own subclass. ``message`` is an English template that the pages translate;
``params`` fill it. ``field`` names the input to mend. ``retriable`` says whether trying the same
thing again can help.
"""

from __future__ import annotations

from collections.abc import Mapping


def N_(message: str) -> str:
    """Mark a message for the translators without translating it here."""
    return message


class XiangyinError(Exception):
    """Base of every error this project raises on purpose."""

    code = "error"
    http_status = 500
    retriable = False

    def __init__(
        self,
        message: str,
        *,
        field: str | None = None,
        params: Mapping[str, object] | None = None,
    ) -> None:
        self.message = message
        self.field = field
        self.params = dict(params or {})
        super().__init__(self.text)

    @property
    def text(self) -> str:
        """The message in English with its parameters filled in."""
        return self.message % self.params if self.params else self.message


class InvalidInput(XiangyinError):
    """Something a person or a program sent cannot be used; nothing was stored."""

    code = "invalid_input"
    http_status = 422


class NotFound(XiangyinError):
    """There is no such thing, or it belongs to somebody else's area."""

    code = "not_found"
    http_status = 404


class Forbidden(XiangyinError):
    """The person is known but lacks the right."""

    code = "forbidden"
    http_status = 403


class Conflict(XiangyinError):
    """Somebody else changed it in the meantime, or the state does not allow it."""

    code = "conflict"
    http_status = 409


class Unavailable(XiangyinError):
    """A part the work needs is away for the moment; trying again can help."""

    code = "unavailable"
    http_status = 503
    retriable = True


class ToolFailed(XiangyinError):
    """A killable helper process (ffmpeg, speech, decoder) failed or overran its limits."""

    code = "tool_failed"
    http_status = 422
