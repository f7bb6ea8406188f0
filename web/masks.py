"""What a person may read of what was said: whoever does not hear a report reads no number in it."""

from __future__ import annotations

from dataclasses import dataclass

from cases import access
from cases.models import Report
from core.auth import Actor
from transcribe import redact, shared_words
from transcribe.models import Transcript
from web import i18n


def hide(text: str | None) -> str:
    """``text`` with a mask in the page's language for each number of a person."""
    return redact.text(text or "", i18n.gettext)


@dataclass(frozen=True)
class Reader:
    """Shows texts to one person; ``hears``: in full, for that person hears the voice as well."""

    hears: bool

    def text(self, text: str | None) -> str:
        return text or "" if self.hears else hide(text)

    def transcript(self, found: Transcript | None) -> Transcript | None:
        """The transcript, or a copy without numbers that is not to be stored."""
        if found is None or self.hears:
            return found
        return shared_words.masked(found, i18n.gettext)


def of_report(actor: Actor, report: Report) -> Reader:
    """How this person reads this report."""
    return Reader(access.may_hear(actor, report))


def of_cases(actor: Actor) -> Reader:
    """How this person reads cases: handlers and leaders get no number by way of a text."""
    return Reader(actor.may("report.hear") or access.keeps_secrets(actor))
