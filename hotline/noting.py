"""What the dialogue asks for, as facts of the call's journal."""

from __future__ import annotations

from hotline import steps as do
from hotline.journal import Entry, Journal


def note(journal: Journal, action: do.Action, consent_version: str) -> None:
    """Enter ``action`` into the journal, in memory until it is saved."""
    entry = journal.entry
    match action:
        case do.Consent(channel, confidential):
            journal.consent(consent_version, channel, confidential=confidential)
        case do.KeepTake(take, stopped, replaces):
            journal.keep_take(take, stopped, replaces=replaces)
        case do.End(cause):
            journal.finish(cause)
        case do.SetVillage(code, source):
            entry.village_code, entry.village_from = code, source
        case do.StaffProved(user_id, programme_id):
            entry.staff_user_id, entry.programme_id = user_id, programme_id
        case _:
            _note_one(entry, action)


def _note_one(entry: Entry, action: do.Action) -> None:
    match action:
        case do.UseLanguage(language):
            entry.language = language
        case do.Wants(kind):
            entry.kind = kind
        case do.WantsPerson():
            entry.wants_person = True
        case do.OnBehalf():
            entry.on_behalf = True
        case do.Urgent(reason):
            entry.urgent_reason = reason
        case do.PromiseCallBack():
            entry.call_back_promised = True
        case do.AboutReport(reference_no):
            entry.about_reference_no = reference_no
        case do.NotSatisfied():
            entry.not_satisfied = True
        case do.Submit():
            entry.submitted = True
